// The page as a model is told it, one numbered line per element, and what changed since. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "interact/resolver.h"

namespace troupe::interact {

/// In one line, of at most `most` bytes.
std::string clipped(std::string_view text, std::size_t most);

struct PageView {
  std::uint64_t document = 0;  ///< Numbers are valid within one document.
  std::string url, title;
  std::vector<std::pair<int, std::string>> rows;  ///< Reference of the element, and its line.
  std::size_t left_out = 0;
};

/// At most `rows_max` rows: what can be used first, then texts. Values of `secrets` are concealed.
PageView view_of(const Snapshot& snapshot, std::uint64_t document, const json::object& secrets,
                 std::size_t rows_max);
/// All lines, each with its number.
std::string whole_page(const PageView& view);
/// Lines that came (`+ 12 button "Pay"`), went (`- 7`) or are other ones now (`~ 9 textbox = "x"`).
/// The whole page where it is another document, or where that is shorter. Empty: nothing changed.
std::string page_changes(const PageView& before, const PageView& now);

}  // namespace troupe::interact
