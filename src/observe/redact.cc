#include "observe/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace troupe::observe {
namespace {

constexpr std::string_view kSecret = "[secret]";

// Compared without case, hyphens and underscores: `X-Api-Key`, `api_key` and `apiKey` are one name.
std::string folded(std::string_view name) {
  std::string text;
  for (const unsigned char c : name)
    if (c != '-' && c != '_' && c != ' ') text += static_cast<char>(std::tolower(c));
  return text;
}

bool is_signing_name(std::string_view name) {
  constexpr std::array names = {"key", "sig", "signature", "auth", "signingkey", "xamzsignature"};
  const std::string text = folded(name);
  return std::find(names.begin(), names.end(), text) != names.end() || is_secret_name(name);
}

bool ends_url(char c) {
  return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' ||
         c == '`';
}

// `url` begins at its authority, behind `://`.
std::string redact_authority_and_query(std::string_view url) {
  std::string out;
  const auto authority_end = std::min(url.find_first_of("/?#"), url.size());
  if (const auto at = url.substr(0, authority_end).rfind('@'); at != std::string_view::npos) {
    out.append(kSecret).append("@");
    url.remove_prefix(at + 1);
  }
  while (!url.empty()) {
    const auto name_start = url.find_first_of("?&#;");
    if (name_start == std::string_view::npos) break;
    out += url.substr(0, name_start + 1);
    url.remove_prefix(name_start + 1);
    const auto name_end = url.find_first_of("=?&#;");
    if (name_end == std::string_view::npos || url[name_end] != '=') continue;
    const auto value_end = std::min(url.find_first_of("&#;", name_end), url.size());
    const auto name = url.substr(0, name_end);
    out.append(name).append("=");
    out += is_signing_name(name) ? kSecret : url.substr(name_end + 1, value_end - name_end - 1);
    url.remove_prefix(value_end);
  }
  return out.append(url);
}

}  // namespace

bool is_secret_name(std::string_view name) {
  constexpr std::array parts = {"password",   "passwd",     "passphrase", "token",
                                "secret",     "apikey",     "cookie",     "authorization",
                                "credential", "privatekey", "signingkey", "bearer"};
  const std::string text = folded(name);
  if (text.ends_with("tokens")) return false;  // a count: input_tokens, max_tokens
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

std::string redact_urls(std::string_view text) {
  std::string out;
  while (true) {
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return out.append(text);
    out += text.substr(0, scheme_end + 3);
    text.remove_prefix(scheme_end + 3);
    const auto end = std::find_if(text.begin(), text.end(), ends_url) - text.begin();
    out += redact_authority_and_query(text.substr(0, static_cast<std::size_t>(end)));
    text.remove_prefix(static_cast<std::size_t>(end));
  }
}

json::value redact(const json::value& value) {
  if (const auto* text = value.if_string())
    return json::string(redact_urls(std::string_view(text->data(), text->size())));
  if (const auto* array = value.if_array()) {
    json::array copy;
    for (const auto& item : *array) copy.push_back(redact(item));
    return copy;
  }
  if (const auto* object = value.if_object()) {
    json::object copy;
    for (const auto& member : *object) {
      const std::string_view key(member.key().data(), member.key().size());
      copy[member.key()] =
          is_secret_name(key) ? json::value(json::string(kSecret)) : redact(member.value());
    }
    return copy;
  }
  return value;
}

}  // namespace troupe::observe
