// HTML as a row of tokens, forgiving as browsers are. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::api {

struct HtmlToken {
  enum class Kind { text, open, close };
  Kind kind = Kind::text;
  std::string name;  ///< Of a tag, lower case.
  std::string text;  ///< With character references resolved.
  std::vector<std::pair<std::string, std::string>> attributes;
  /// Value of the first attribute of that (lower-case) name, or "".
  std::string_view attribute(std::string_view wanted) const;
};

/// Comments, declarations and the contents of script, style and the like are left out.
class HtmlTokens final {
 public:
  explicit HtmlTokens(std::string_view html) : html_(html) {}
  /// False at the end.
  bool next(HtmlToken& token);
  /// What stood between the tags of the script or the like that the last token opened.
  std::string_view raw_text() const { return raw_; }

 private:
  bool read_tag(HtmlToken& token);
  void read_attributes(HtmlToken& token);
  void skip_raw_text(const std::string& name);

  std::string_view html_;
  std::string_view raw_;
  std::size_t at_ = 0;
};

/// `&amp;`, `&#65;`, `&#x41;` and the common names; the rest stays as it is.
std::string decode_references(std::string_view text);

}  // namespace troupe::api
