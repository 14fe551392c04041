#include "api/html_tokens.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace troupe::api {
namespace {

constexpr std::array<std::string_view, 7> kRawText = {"script",   "style",  "noscript", "template",
                                                      "textarea", "iframe", "svg"};
constexpr std::array kReferences = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"amp", "&"},         {"apos", "'"},       {"bull", "\u2022"},   {"copy", "\u00A9"},
     {"euro", "\u20AC"},   {"gt", ">"},         {"hellip", "\u2026"}, {"laquo", "\u00AB"},
     {"ldquo", "\u201C"},  {"lsquo", "\u2018"}, {"lt", "<"},          {"mdash", "\u2014"},
     {"middot", "\u00B7"}, {"nbsp", " "},       {"ndash", "\u2013"},  {"pound", "\u00A3"},
     {"quot", "\""},       {"raquo", "\u00BB"}, {"rdquo", "\u201D"},  {"reg", "\u00AE"},
     {"rsquo", "\u2019"},  {"times", "\u00D7"}, {"trade", "\u2122"}});

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) code = 0xFFFD;
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 63));
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

// The text of `name` without & and ;, or false when it means nothing.
bool append_reference(std::string& out, std::string_view name) {
  if (name.starts_with('#')) {
    name.remove_prefix(1);
    const bool hex = name.starts_with('x') || name.starts_with('X');
    if (hex) name.remove_prefix(1);
    std::uint32_t code = 0;
    const auto [end, error] =
        std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
    if (name.empty() || end != name.data() + name.size()) return false;
    append_utf8(out, error == std::errc() ? code : 0);
    return true;
  }
  const auto row =
      std::ranges::find(kReferences, name, &std::pair<std::string_view, std::string_view>::first);
  if (row == kReferences.end()) return false;
  out += row->second;
  return true;
}

}  // namespace

std::string decode_references(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto amp = std::min(text.find('&'), text.size());
    out += text.substr(0, amp);
    text.remove_prefix(amp);
    if (text.empty()) break;
    const auto end = text.substr(0, 12).find(';');
    if (end != std::string_view::npos && append_reference(out, text.substr(1, end - 1))) {
      text.remove_prefix(end + 1);
    } else {
      out += '&';
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string_view HtmlToken::attribute(std::string_view wanted) const {
  for (const auto& [key, value] : attributes)
    if (key == wanted) return value;
  return {};
}

bool HtmlTokens::next(HtmlToken& token) {
  token = {};
  raw_ = {};
  while (at_ < html_.size()) {
    const std::string_view rest = html_.substr(at_);
    if (rest.starts_with("<!--")) {
      const auto end = rest.find("-->", 4);
      at_ = end == rest.npos ? html_.size() : at_ + end + 3;
    } else if (rest.starts_with("<!") || rest.starts_with("<?")) {
      const auto end = rest.find('>');
      at_ = end == rest.npos ? html_.size() : at_ + end + 1;
    } else if (rest.size() > 1 && rest[0] == '<' &&
               (is_letter(rest[1]) || (rest[1] == '/' && rest.size() > 2 && is_letter(rest[2])))) {
      return read_tag(token);
    } else {
      const auto end = std::min(rest.find('<', 1), rest.size());
      token.text = decode_references(rest.substr(0, end));
      at_ += end;
      return true;
    }
  }
  return false;
}

bool HtmlTokens::read_tag(HtmlToken& token) {
  ++at_;
  token.kind = HtmlToken::Kind::open;
  if (html_[at_] == '/') {
    token.kind = HtmlToken::Kind::close;
    ++at_;
  }
  const std::size_t begin = at_;
  while (at_ < html_.size() && !is_space(html_[at_]) && html_[at_] != '>' && html_[at_] != '/')
    ++at_;
  token.name = lowered(html_.substr(begin, at_ - begin));
  read_attributes(token);
  if (token.kind == HtmlToken::Kind::open &&
      std::ranges::find(kRawText, token.name) != kRawText.end())
    skip_raw_text(token.name);
  return true;
}

void HtmlTokens::read_attributes(HtmlToken& token) {
  while (at_ < html_.size()) {
    const char c = html_[at_];
    if (c == '>') {
      ++at_;
      return;
    }
    if (is_space(c) || c == '/') {
      ++at_;
      continue;
    }
    const std::size_t begin = at_++;
    while (at_ < html_.size() && !is_space(html_[at_]) && html_[at_] != '=' && html_[at_] != '>')
      ++at_;
    std::string name = lowered(html_.substr(begin, at_ - begin));
    std::string_view value;
    if (at_ < html_.size() && html_[at_] == '=') {
      ++at_;
      const char quote = at_ < html_.size() ? html_[at_] : ' ';
      const bool quoted = quote == '"' || quote == '\'';
      const std::size_t from = quoted ? at_ + 1 : at_;
      std::size_t end = from;
      while (end < html_.size() &&
             (quoted ? html_[end] != quote : !is_space(html_[end]) && html_[end] != '>'))
        ++end;
      value = html_.substr(from, end - from);
      at_ = std::min(html_.size(), quoted ? end + 1 : end);
    }
    token.attributes.emplace_back(std::move(name), decode_references(value));
  }
}

void HtmlTokens::skip_raw_text(const std::string& name) {
  const std::size_t begin = at_;
  for (; at_ < html_.size(); ++at_) {
    at_ = html_.find("</", at_);
    if (at_ == std::string_view::npos) break;
    if (lowered(html_.substr(at_ + 2, name.size())) != name) continue;
    raw_ = html_.substr(begin, at_ - begin);
    return;
  }
  at_ = html_.size();
}

}  // namespace troupe::api
