// The extensions of this machine that drive browsers (SessionSpec::driver_folder), stored at one
// Browserbase account: each is uploaded once and named to all sessions. What is there is remembered
// across starts.
#pragma once

#include <map>
#include <string>

#include "base/async.h"
#include "observe/log.h"
#include "services/browserbase.h"

namespace troupe::sessions {

/// Threads: engine.
class DriverUploads final {
 public:
  /// `client` and `log` outlive it. `account`: see BrowserbaseAccountOptions.
  DriverUploads(services::BrowserbaseClient& client, observe::Log& log, std::string data_dir,
                std::string account);
  ~DriverUploads();

  /// The id there of what is in `folder`; uploads it when it is not there, or changed since.
  /// Callers at the same time share one upload. Errors: not_found (no folder), invalid_argument
  /// (too much in it), storage_failed, the client's.
  Async<std::string> id_of(Context& ctx, std::string folder);
  /// A session was refused: whether that is because `id` is not there any more. Then the next
  /// id_of() uploads it again.
  Async<bool> is_gone(Context& ctx, std::string folder, std::string id);

 private:
  struct Upload {
    std::string id;
    bool busy = false;
    Event settled;
  };
  Async<std::string> find_or_upload(Context& ctx, const std::string& folder);
  Async<bool> is_there(Context& ctx, std::string id);
  Async<void> remember(Context& ctx, std::string id, std::string digest);
  void tell(std::string_view status, const std::string& id, const Error* error = nullptr);

  services::BrowserbaseClient& client_;
  observe::Log& log_;
  std::string data_dir_;
  std::string account_;
  std::map<std::string, Upload> uploads_;  ///< By folder. References stay valid.
  asio::thread_pool files_{1};
};

}  // namespace troupe::sessions
