// Persisted browser profiles ("contexts"): cookies, localStorage, IndexedDB, service workers, kept
// encrypted between sessions in `<data_dir>/contexts`.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"

namespace troupe::sessions {

struct StoredContext {
  std::string id;  ///< UUID.
  std::string project;
  std::string name;  ///< May be empty; unique in its project, whatever the case.
  WallTime created_at{};
  WallTime updated_at{};
};

/// Seam. Threads: engine; files are touched on the blocking pool.
class ContextStore {
 public:
  virtual ~ContextStore() = default;
  /// Errors: invalid_argument (name), conflict (name taken), storage_failed.
  virtual Async<StoredContext> create(Context& ctx, std::string project, std::string name) = 0;
  /// Errors: not_found.
  virtual Result<StoredContext> find(const std::string& id) const = 0;
  /// Errors: not_found, conflict (a session is saving into it), storage_failed.
  virtual Async<void> remove(Context& ctx, std::string id) = 0;
  /// Unpacks the profile into an empty `user_data_dir` for a session that starts. Nothing is
  /// written for a context that was never saved. Errors: not_found, storage_failed, conflict (with
  /// `persist`: another session that persists has it).
  virtual Async<void> load(Context& ctx, std::string id, std::string user_data_dir,
                           bool persist) = 0;
  /// Packs the profile of a browser that has ended. The old one stays until the new one is whole.
  virtual Async<void> save(Context& ctx, std::string id, std::string user_data_dir) = 0;
  /// Ends the claim of a load() with `persist` without saving.
  virtual void give_up(const std::string& id) = 0;
};

/// Keeps contexts in `dir`, which is made on first use, with the key they are sealed with.
std::unique_ptr<ContextStore> make_context_store(Clock& clock, std::string dir);

}  // namespace troupe::sessions
