#include "api/session_query.h"

namespace troupe::api {
namespace {

constexpr std::string_view kRoot = "user_metadata";
constexpr std::size_t kBytesMax = 8'192;
constexpr std::size_t kDepthMax = 32;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<MetadataQuery> parse() {
    if (text_.size() > kBytesMax)
      return fail(
          Errc::invalid_argument,
          "q: " + std::to_string(text_.size()) + " bytes exceed " + std::to_string(kBytesMax),
          "query");
    MetadataQuery query;
    skip_blanks();
    if (!text_.substr(at_).starts_with(kRoot)) return wrong("'user_metadata'");
    at_ += kRoot.size();
    skip_blanks();
    while (take('[')) {
      if (query.path.size() == kDepthMax) return wrong("at most 32 names");
      skip_blanks();
      TRY(auto name, quoted());
      query.path.push_back(std::move(name));
      skip_blanks();
      if (!take(']')) return wrong("']'");
      skip_blanks();
    }
    if (query.path.empty()) return wrong("['name']");
    if (!take(':')) return wrong("'[' or ':'");
    skip_blanks();
    TRY(query.value, quoted());
    skip_blanks();
    if (at_ != text_.size()) return wrong("the end");
    return query;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Result<std::string> quoted() {
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return wrong("a quoted text");
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        return value;
      }
      const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (c == '\\' && (next == '\'' || next == '"' || next == '\\')) {
        value += next;
        ++at_;
      } else {
        value += c;
      }
    }
    return wrong("the closing quote");
  }
  Error wrong(std::string_view expected) const {
    return fail(Errc::invalid_argument,
                "q: " + std::string(expected) + " expected at offset " + std::to_string(at_),
                "query", "for example user_metadata['order']['id']:'17'");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

bool MetadataQuery::fits(const json::object& metadata) const {
  const json::object* object = &metadata;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    const json::value* next = find(*object, path[i]);
    if (!next || !next->is_object()) return false;
    object = &next->get_object();
  }
  const auto text = find_string(*object, path.back());
  return text && *text == value;
}

Result<MetadataQuery> parse_metadata_query(std::string_view text) { return Parser(text).parse(); }

}  // namespace troupe::api
