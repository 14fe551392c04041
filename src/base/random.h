// Randomness and ids as arguments: seeded, so that a test or a simulation replays exactly.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace troupe {

/// Not for keys or tokens: those come from secure_token(). Threads: one.
class Random final {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// Seeded by the operating system.
  static Random from_system();

  std::uint64_t next() { return engine_(); }
  /// Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// Uniform in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high);
  /// `prefix_` and 16 characters of [0-9a-z] that sort by time: `run_0k3v…`.
  std::string id(std::string_view prefix, WallTime now);
  /// A version 4 UUID in lower case.
  std::string uuid();

 private:
  std::mt19937_64 engine_;
};

/// `bytes` random bytes of the operating system as unpadded base64url. For keys and tokens.
std::string secure_token(std::size_t bytes);

}  // namespace troupe
