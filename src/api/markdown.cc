#include "api/markdown.h"

#include <boost/url.hpp>

#include <algorithm>
#include <array>

#include "api/html_tokens.h"

namespace troupe::api {
namespace {

constexpr std::array<std::string_view, 22> kBlocks = {
    "p",     "div",     "section",    "article", "header",  "footer",  "main", "nav",
    "aside", "ul",      "ol",         "table",   "form",    "figure",  "dl",   "dt",
    "dd",    "address", "figcaption", "details", "summary", "fieldset"};
constexpr std::size_t kListDepthMax = 16;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

int heading_level(std::string_view name) {
  return name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6' ? name[1] - '0' : 0;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_space(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  return trimmed(out);
}

// Absolute, and only what a reader may follow.
std::string absolute(std::string_view link, std::string_view base) {
  const std::string text(trimmed(link));  // the parsed reference looks into it
  const auto reference = boost::urls::parse_uri_reference(text);
  const auto root = boost::urls::parse_uri(base);
  if (!reference || !root) return {};
  boost::urls::url resolved;
  // A reference with a scheme is whole already, with or without slashes.
  if (reference->has_scheme())
    resolved = *reference;
  else if (!boost::urls::resolve(*root, *reference, resolved))
    return {};
  const std::string_view scheme(resolved.scheme().data(), resolved.scheme().size());
  if (scheme != "http" && scheme != "https" && scheme != "mailto") return {};
  return std::string(resolved.buffer().data(), resolved.buffer().size());
}

class Writer {
 public:
  Writer(std::string_view base) : base_(base) {}

  void take(const HtmlToken& token) {
    switch (token.kind) {
      case HtmlToken::Kind::text: text(token.text); break;
      case HtmlToken::Kind::open: open(token); break;
      case HtmlToken::Kind::close: close(token.name); break;
    }
  }
  std::string finish() {
    while (!out_.empty() && is_space(out_.back())) out_.pop_back();
    if (!out_.empty()) out_ += '\n';
    return std::move(out_);
  }

 private:
  void text(std::string_view piece) {
    if (in_title_) return;
    if (preformatted_ > 0) {
      flush_breaks();
      out_ += piece;
      return;
    }
    for (const char c : piece) {
      if (is_space(c)) {
        space_ = true;
      } else {
        flush_breaks();
        out_ += c;
      }
    }
  }
  // Blocks begin when something comes to stand in them, so that empty ones leave no trace.
  void flush_breaks() {
    if (breaks_ > 0 && !out_.empty()) {
      while (!out_.empty() && out_.back() == ' ') out_.pop_back();
      out_.append(static_cast<std::size_t>(breaks_), '\n');
    }
    const bool begins = breaks_ > 0 || out_.empty();
    if (begins) {
      for (int i = 0; i < quotes_; ++i) out_ += "> ";
      if (marker_.empty() && !lists_.empty() && !in_cell_) out_.append(2 * lists_.size(), ' ');
    } else if (space_ && out_.back() != ' ' && out_.back() != '\n') {
      out_ += ' ';
    }
    out_ += marker_;
    marker_.clear();
    breaks_ = 0;
    space_ = false;
  }
  void want_breaks(int count) {
    if (in_cell_) {
      space_ = true;
    } else {
      breaks_ = std::max(breaks_, count);
    }
  }
  void mark(std::string_view sign) {
    if (preformatted_ > 0) return;
    flush_breaks();
    out_ += sign;
  }

  void open(const HtmlToken& token) {
    const std::string& name = token.name;
    if (name == "title" || name == "head") {
      in_title_ = true;
    } else if (name == "body") {
      in_title_ = false;
    } else if (const int level = heading_level(name)) {
      want_breaks(2);
      marker_ = std::string(static_cast<std::size_t>(level), '#') + " ";
    } else if (name == "br") {
      want_breaks(1);
    } else if (name == "hr") {
      want_breaks(2);
      mark("---");
      want_breaks(2);
    } else if (name == "pre") {
      want_breaks(2);
      mark("```\n");
      ++preformatted_;
    } else if (name == "blockquote") {
      want_breaks(2);
      ++quotes_;
    } else if (name == "a") {
      link_ = absolute(token.attribute("href"), base_);
      if (!link_.empty()) mark("[");
    } else if (name == "img") {
      image(token);
    } else {
      open_part(name);
    }
  }
  void open_part(const std::string& name) {
    if (name == "ul" || name == "ol") {
      want_breaks(lists_.empty() ? 2 : 1);
      if (lists_.size() < kListDepthMax) lists_.push_back(name == "ol" ? 1 : 0);
    } else if (name == "li") {
      want_breaks(1);
      list_item();
    } else if (name == "tr") {
      want_breaks(1);
      cells_ = 0;
    } else if (name == "td" || name == "th") {
      in_cell_ = false;
      mark(cells_++ == 0 ? "| " : " | ");
      in_cell_ = true;
      space_ = false;
    } else if (name == "strong" || name == "b") {
      mark("**");
    } else if (name == "em" || name == "i") {
      mark("*");
    } else if (name == "code") {
      mark("`");
    } else if (is_block(name)) {
      want_breaks(2);
    }
  }
  void list_item() {
    const std::size_t depth = lists_.empty() ? 0 : lists_.size() - 1;
    int& number = lists_.empty() ? loose_ : lists_.back();
    marker_ = std::string(2 * depth, ' ') +
              (number > 0 ? std::to_string(number) + ". " : std::string("- "));
    if (number > 0) ++number;
  }
  void image(const HtmlToken& token) {
    const std::string address = absolute(token.attribute("src"), base_);
    const std::string text = collapsed(token.attribute("alt"));
    if (!address.empty() && !text.empty()) mark("![" + text + "](" + address + ")");
  }

  void close(const std::string& name) {
    if (name == "title" || name == "head") {
      in_title_ = false;
    } else if (heading_level(name) > 0) {
      marker_.clear();
      want_breaks(2);
    } else if (name == "pre") {
      preformatted_ = std::max(0, preformatted_ - 1);
      if (!out_.empty() && out_.back() != '\n') out_ += '\n';
      mark("```");
      want_breaks(2);
    } else if (name == "blockquote") {
      quotes_ = std::max(0, quotes_ - 1);
      want_breaks(2);
    } else if (name == "a") {
      if (!link_.empty()) out_ += "](" + link_ + ")";
      link_.clear();
    } else if (name == "ul" || name == "ol") {
      if (!lists_.empty()) lists_.pop_back();
      want_breaks(lists_.empty() ? 2 : 1);
    } else {
      close_part(name);
    }
  }
  void close_part(const std::string& name) {
    if (name == "tr") {
      close_row();
    } else if (name == "td" || name == "th") {
      in_cell_ = false;
      head_ = name == "th";
    } else if (name == "li") {
      marker_.clear();
      want_breaks(1);
    } else if (name == "strong" || name == "b") {
      if (preformatted_ == 0) out_ += "**";
    } else if (name == "em" || name == "i") {
      if (preformatted_ == 0) out_ += "*";
    } else if (name == "code") {
      if (preformatted_ == 0) out_ += "`";
    } else if (is_block(name)) {
      want_breaks(2);
    }
  }
  void close_row() {
    in_cell_ = false;
    if (cells_ > 0) out_ += " |";
    if (cells_ > 0 && head_) {
      out_ += "\n|";
      for (int i = 0; i < cells_; ++i) out_ += " --- |";
    }
    head_ = false;
    cells_ = 0;
    want_breaks(1);
  }
  static bool is_block(std::string_view name) {
    return std::ranges::find(kBlocks, name) != kBlocks.end();
  }

  std::string base_;
  std::string out_;
  std::string marker_;  ///< What the next text begins with.
  std::string link_;
  std::vector<int> lists_;  ///< Next number; 0: bullets.
  int loose_ = 0;           ///< The same for an item outside of any list.
  int breaks_ = 0;
  int preformatted_ = 0;
  int quotes_ = 0;
  int cells_ = 0;
  bool in_cell_ = false;
  bool head_ = false;
  bool in_title_ = false;
  bool space_ = false;
};

}  // namespace

std::string markdown_of(std::string_view html, std::string_view base) {
  HtmlTokens tokens(html);
  Writer writer(base);
  HtmlToken token;
  while (tokens.next(token)) writer.take(token);
  return writer.finish();
}

PageOutline outline_of(std::string_view html, std::string_view base) {
  // The text inside of an element that is open; a link can stand in a heading.
  struct Capture {
    bool on = false;
    std::string text;
    std::string take() {
      on = false;
      return collapsed(std::exchange(text, {}));
    }
  };
  PageOutline outline;
  Capture title, heading, link;
  std::string address;
  HtmlTokens tokens(html);
  HtmlToken token;
  while (tokens.next(token)) {
    const bool opens = token.kind == HtmlToken::Kind::open;
    if (token.kind == HtmlToken::Kind::text) {
      for (Capture* capture : {&title, &heading, &link})
        if (capture->on) capture->text += token.text;
    } else if (token.name == "meta" && token.attribute("name") == "description") {
      outline.description = collapsed(token.attribute("content"));
    } else if (token.name == "title") {
      if (!opens && title.on) outline.title = title.take();
      title.on = opens && outline.title.empty();
    } else if (heading_level(token.name) > 0) {
      if (!opens && heading.on) outline.headings.push_back(heading.take());
      heading.on = opens;
    } else if (token.name == "a") {
      if (!opens && link.on) outline.links.emplace_back(link.take(), std::move(address));
      if (opens) address = absolute(token.attribute("href"), base);
      link.on = opens && !address.empty();
      link.text.clear();
    }
  }
  return outline;
}

}  // namespace troupe::api
