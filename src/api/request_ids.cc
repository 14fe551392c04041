#include "api/request_ids.h"

#include <algorithm>

namespace troupe::api {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace

std::string trace_id_of(std::string_view traceparent, Random& random) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may append.
  const bool shaped = traceparent.size() >= 55 && traceparent[2] == '-' && traceparent[35] == '-' &&
                      traceparent[52] == '-' && is_hex(traceparent.substr(0, 2)) &&
                      traceparent.substr(0, 2) != "ff";
  if (shaped) {
    const std::string_view trace = traceparent.substr(3, 32);
    const std::string_view parent = traceparent.substr(36, 16);
    if (is_hex(trace) && !is_zero(trace) && is_hex(parent) && !is_zero(parent))
      return std::string(trace);
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string id;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = random.next() | 1;  // never all zero
    for (int i = 0; i < 16; ++i, bits >>= 4) id += digits[bits & 15];
  }
  return id;
}

std::string request_id_of(std::string_view given, Random& random) {
  const bool usable = !given.empty() && given.size() <= 128 &&
                      std::ranges::all_of(given, [](char c) { return c > 0x20 && c < 0x7f; });
  return usable ? std::string(given) : random.uuid();
}

}  // namespace troupe::api
