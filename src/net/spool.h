// The body of a large request on disk instead of in memory: a file without a name, so that it goes
// with its last user whatever happens. Linux.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe::net {

/// Threads: one at a time.
class Spool final {
 public:
  /// In `folder`, which must be there; empty: the system's folder for temporary files.
  /// Errors: storage_failed.
  static Result<std::unique_ptr<Spool>> make(const std::string& folder);
  ~Spool();
  Spool(const Spool&) = delete;

  /// Errors: storage_failed (no space left).
  Result<void> append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  /// All of it, mapped: the kernel reads pages as they are looked at and drops them again. Valid
  /// while this lives; no append() afterwards. Errors: storage_failed.
  Result<std::string_view> view();

 private:
  explicit Spool(int file) : file_(file) {}
  int file_;
  std::uint64_t size_ = 0;
  void* mapped_ = nullptr;
};

}  // namespace troupe::net
