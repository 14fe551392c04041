// Text on a terminal: how wide it is, cut and padded to columns, without characters that would
// drive the terminal. Pure, except for the questions about the terminal itself.
#pragma once

#include <string>
#include <string_view>

namespace troupe::app {

/// Columns that `text` takes: wide East Asian characters and emoji take two, combining marks none.
int display_width(std::string_view text);
/// At most `width` columns; a cut text ends with `…`.
std::string fit(std::string_view text, int width);
/// Fitted, then filled with spaces to exactly `width` columns.
std::string pad(std::string_view text, int width, bool right = false);
/// One line: control characters and bytes that are no UTF-8 become spaces or `?`.
std::string one_line(std::string_view text);
/// `0.8s`, `12.3s`, `2m05s`, `1h02m`.
std::string short_time(long long milliseconds);

bool is_terminal(int descriptor);
/// Columns of the terminal behind `descriptor`; 100 when there is none.
int terminal_width(int descriptor);
int terminal_height(int descriptor);
/// Whether colours are wanted: a terminal, no NO_COLOR, TERM not dumb.
bool wants_color(int descriptor);

}  // namespace troupe::app
