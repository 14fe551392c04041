// Where large outputs of tasks are, by the settings: tasks/results.h with what it needs.
#pragma once

#include <memory>

#include "net/http_client.h"
#include "tasks/results.h"
#include "troupe/settings.hpp"

namespace troupe::engine {

/// Threads: engine; files are read and written on threads of its own.
class ResultKeeping final {
 public:
  /// `clock`, `backend` and `log` outlive it. Errors: invalid_argument (the settings of s3_…).
  static Result<std::unique_ptr<ResultKeeping>> create(Clock& clock, asio::any_io_executor executor,
                                                       tasks::Backend& backend, observe::Log& log,
                                                       const Settings& settings);
  ~ResultKeeping() { pool_.join(); }
  tasks::Results& results() { return *results_; }

 private:
  ResultKeeping() = default;
  asio::thread_pool pool_{2};
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<tasks::BlobStore> blobs_;
  std::unique_ptr<tasks::Results> results_;
};

}  // namespace troupe::engine
