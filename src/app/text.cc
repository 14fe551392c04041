#include "app/text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace troupe::app {
namespace {

// Takes one character off the front of `text`. A byte that begins no UTF-8 sequence is U+FFFD.
char32_t take(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || text.size() < length) {
    text.remove_prefix(1);
    return 0xfffd;
  }
  char32_t code = length == 1 ? first : first & (0x7f >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) {
      text.remove_prefix(1);
      return 0xfffd;
    }
    code = code << 6 | (byte & 0x3f);
  }
  text.remove_prefix(length);
  return code;
}

int columns_of(char32_t c) {
  const auto in = [c](char32_t low, char32_t high) { return c >= low && c <= high; };
  if (c < 0x20 || in(0x7f, 0x9f)) return 0;
  if (in(0x300, 0x36f) || in(0x200b, 0x200f) || in(0x20d0, 0x20ff) || in(0xfe00, 0xfe0f)) return 0;
  const bool wide = in(0x1100, 0x115f) || in(0x2e80, 0x303e) || in(0x3041, 0xa4cf) ||
                    in(0xac00, 0xd7a3) || in(0xf900, 0xfaff) || in(0xfe30, 0xfe6f) ||
                    in(0xff00, 0xff60) || in(0xffe0, 0xffe6) || in(0x1f300, 0x1f64f) ||
                    in(0x1f680, 0x1f6ff) || in(0x1f900, 0x1f9ff) || in(0x20000, 0x3fffd);
  return wide ? 2 : 1;
}

winsize size_of(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) size = {};
  return size;
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) width += columns_of(take(text));
  return width;
}

std::string fit(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  if (width <= 0) return {};
  std::string_view rest = text;
  int used = 0;
  std::size_t kept = 0;
  while (!rest.empty()) {
    used += columns_of(take(rest));
    if (used > width - 1) break;
    kept = text.size() - rest.size();
  }
  return std::string(text.substr(0, kept)) + "…";
}

std::string pad(std::string_view text, int width, bool right) {
  std::string fitted = fit(text, width);
  const auto space = static_cast<std::size_t>(std::max(0, width - display_width(fitted)));
  return right ? std::string(space, ' ') + fitted : fitted + std::string(space, ' ');
}

std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t c = take(text);
    if (c == 0xfffd)
      out += '?';
    else if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029)
      out += ' ';
    else
      out += before.substr(0, before.size() - text.size());
  }
  return out;
}

std::string short_time(long long milliseconds) {
  char text[32];
  const long long seconds = milliseconds / 1000;
  if (milliseconds < 60'000)
    std::snprintf(text, sizeof text, "%lld.%llds", seconds, milliseconds % 1000 / 100);
  else if (seconds < 3600)
    std::snprintf(text, sizeof text, "%lldm%02llds", seconds / 60, seconds % 60);
  else
    std::snprintf(text, sizeof text, "%lldh%02lldm", seconds / 3600, seconds / 60 % 60);
  return text;
}

bool is_terminal(int descriptor) { return isatty(descriptor) == 1; }

int terminal_width(int descriptor) {
  const int columns = size_of(descriptor).ws_col;
  return columns > 0 ? columns : 100;
}

int terminal_height(int descriptor) {
  const int rows = size_of(descriptor).ws_row;
  return rows > 0 ? rows : 24;
}

bool wants_color(int descriptor) {
  const char* term = std::getenv("TERM");
  const char* no_color = std::getenv("NO_COLOR");
  const bool dumb = !term || std::string_view(term) == "dumb";
  return is_terminal(descriptor) && !dumb && !(no_color && *no_color);
}

}  // namespace troupe::app
