#include "base/random.h"

#include <sys/random.h>

#include <cstdlib>
#include <vector>

namespace troupe {

Random Random::from_system() {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) std::abort();
  return Random(seed);
}

std::int64_t Random::between(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
}

std::string Random::id(std::string_view prefix, WallTime now) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string text(prefix);
  text += '_';
  std::string stamp(8, '0');  // 36^8 ms reach past the year 2059
  auto ms = static_cast<std::uint64_t>(to_unix_ms(now));
  for (auto digit = stamp.rbegin(); digit != stamp.rend(); ++digit, ms /= 36)
    *digit = digits[ms % 36];
  text += stamp;
  std::uint64_t bits = next();
  for (int i = 0; i < 8; ++i, bits /= 36) text += digits[bits % 36];
  return text;
}

std::string Random::uuid() {
  const std::uint64_t high = (next() & ~0xf000ULL) | 0x4000ULL;
  const std::uint64_t low = (next() & ~(3ULL << 62)) | (2ULL << 62);
  // By hand: every API request makes one, and printf is a tenth of answering GET /health.
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(36, '-');
  std::size_t at = 0;
  for (const std::uint64_t half : {high, low})
    for (int shift = 60; shift >= 0; shift -= 4) {
      if (at == 8 || at == 13 || at == 18 || at == 23) ++at;
      text[at++] = digits[half >> shift & 15];
    }
  return text;
}

std::string secure_token(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  if (getrandom(raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) std::abort();
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t window = 0;
  int bits = 0;
  for (const unsigned char byte : raw) {
    window = window << 8 | byte;
    bits += 8;
    while (bits >= 6) text += digits[window >> (bits -= 6) & 63];
  }
  if (bits > 0) text += digits[window << (6 - bits) & 63];
  return text;
}

}  // namespace troupe
