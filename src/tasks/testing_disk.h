// A disk for SQLite that can lose power: it remembers every write and every sync, and afterwards
// shows what a disk could hold if the power had gone at any moment: all that was synced, and of
// the rest any sectors. It can also be full, and fail to sync. Tests only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.h"

namespace troupe::tasks {

class Disk final {
 public:
  Disk();
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  /// Name of its VFS.
  const std::string& vfs() const { return name_; }
  /// How much has happened.
  std::size_t moment() const;
  /// Writes what the disk could hold had the power gone at `moment`: the files by their names,
  /// into `folder`.
  void after_power_loss(std::size_t moment, Random& random, const std::string& folder) const;

  /// Writes fail as on a full disk after so many bytes more; negative: not any more.
  void full_after(std::int64_t bytes);
  void fail_syncs(bool fail);

  // For the VFS.
  enum class What { write, sync, truncate };
  int file(const std::string& path);
  void note(What what, int file, std::int64_t offset, std::string bytes);
  bool takes(std::int64_t bytes);
  bool syncs() const;

 private:
  struct Happening {
    What what;
    int file;
    std::int64_t offset;  // or the new size
    std::string bytes;
  };
  struct Vfs;

  std::string name_;
  std::unique_ptr<Vfs> vfs_;
  mutable std::mutex mutex_;
  std::map<std::string, int> files_;  // by name without the folder
  std::vector<Happening> log_;
  std::int64_t left_ = -1;
  bool syncs_ = true;
};

}  // namespace troupe::tasks
