// HTML pages as Markdown: headings, paragraphs, lists, links, images, code, quotes, tables,
// emphasis. Scripts, styles and forms' controls are left out. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

/// Never fails: whatever is no markup is text. `base` makes relative links absolute.
std::string markdown_of(std::string_view html, std::string_view base);

/// What a page says of itself.
struct PageOutline {
  std::string title;
  std::string description;
  std::vector<std::string> headings;
  std::vector<std::pair<std::string, std::string>> links;  ///< Text, absolute address.
};
PageOutline outline_of(std::string_view html, std::string_view base);

}  // namespace troupe::api
