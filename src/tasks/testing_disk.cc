#include "tasks/testing_disk.h"

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <new>

namespace troupe::tasks {
namespace {

constexpr std::size_t kSector = 512;

// SQLite's file, with the real one behind it in the same allocation.
struct File {
  sqlite3_file base;
  Disk* disk;
  int number;  // -1: not one that matters
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
static_assert(sizeof(File) % alignof(std::max_align_t) == 0 || sizeof(File) % 8 == 0);

File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* real(sqlite3_file* file) { return of(file)->real(); }
const sqlite3_io_methods* methods(sqlite3_file* file) { return real(file)->pMethods; }

int x_close(sqlite3_file* f) { return methods(f)->xClose(real(f)); }
int x_read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  return methods(f)->xRead(real(f), to, size, at);
}
int x_write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  File* file = of(f);
  if (file->number >= 0) {
    if (!file->disk->takes(size)) return SQLITE_FULL;
    file->disk->note(Disk::What::write, file->number, at,
                     std::string(static_cast<const char*>(from), static_cast<std::size_t>(size)));
  }
  return methods(f)->xWrite(real(f), from, size, at);
}
int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (of(f)->number >= 0) of(f)->disk->note(Disk::What::truncate, of(f)->number, size, {});
  return methods(f)->xTruncate(real(f), size);
}
int x_sync(sqlite3_file* f, int flags) {
  File* file = of(f);
  if (!file->disk->syncs()) return SQLITE_IOERR_FSYNC;
  (void)flags;  // the real file need not be synced: nothing asks it after a power loss
  if (file->number >= 0) file->disk->note(Disk::What::sync, file->number, 0, {});
  return SQLITE_OK;
}
int x_size(sqlite3_file* f, sqlite3_int64* size) { return methods(f)->xFileSize(real(f), size); }
int x_lock(sqlite3_file* f, int level) { return methods(f)->xLock(real(f), level); }
int x_unlock(sqlite3_file* f, int level) { return methods(f)->xUnlock(real(f), level); }
int x_reserved(sqlite3_file* f, int* is) { return methods(f)->xCheckReservedLock(real(f), is); }
int x_control(sqlite3_file* f, int what, void* value) {
  return methods(f)->xFileControl(real(f), what, value);
}
int x_sector(sqlite3_file* f) { return methods(f)->xSectorSize(real(f)); }
// Promises nothing: no atomic writes, no safe appends.
int x_device(sqlite3_file*) { return 0; }
int x_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** to) {
  return methods(f)->xShmMap(real(f), page, size, extend, to);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return methods(f)->xShmLock(real(f), offset, n, flags);
}
void x_shm_barrier(sqlite3_file* f) { methods(f)->xShmBarrier(real(f)); }
int x_shm_unmap(sqlite3_file* f, int remove) { return methods(f)->xShmUnmap(real(f), remove); }

const sqlite3_io_methods kMethods = {
    2,          x_close,       x_read,      x_write,   x_truncate, x_sync,   x_size,
    x_lock,     x_unlock,      x_reserved,  x_control, x_sector,   x_device, x_shm_map,
    x_shm_lock, x_shm_barrier, x_shm_unmap, nullptr,   nullptr};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

struct Disk::Vfs {
  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;
};

namespace {

Disk* disk_of(sqlite3_vfs* vfs) { return static_cast<Disk*>(vfs->pAppData); }

int x_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* f, int flags, int* out) {
  File* file = of(f);
  file->base.pMethods = nullptr;
  file->disk = disk_of(vfs);
  const bool matters = name && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0;
  file->number = matters ? file->disk->file(name) : -1;
  std::memset(file->real(), 0, sizeof(sqlite3_file));
  sqlite3_vfs* real = sqlite3_vfs_find("unix");
  const int code = real->xOpen(real, name, file->real(), flags, out);
  if (code == SQLITE_OK) file->base.pMethods = &kMethods;
  return code;
}

int x_delete(sqlite3_vfs* vfs, const char* name, int sync) {
  const std::string path = name;
  if (path.ends_with("-wal"))
    disk_of(vfs)->note(Disk::What::truncate, disk_of(vfs)->file(path), 0, {});
  sqlite3_vfs* real = sqlite3_vfs_find("unix");
  return real->xDelete(real, name, sync);
}

}  // namespace

Disk::Disk() : vfs_(std::make_unique<Vfs>()) {
  static std::atomic<int> count = 0;
  name_ = "disk" + std::to_string(++count);
  vfs_->real = sqlite3_vfs_find("unix");
  vfs_->vfs = *vfs_->real;
  vfs_->vfs.pNext = nullptr;
  vfs_->vfs.zName = name_.c_str();
  vfs_->vfs.pAppData = this;
  vfs_->vfs.szOsFile = static_cast<int>(sizeof(File)) + vfs_->real->szOsFile;
  vfs_->vfs.xOpen = x_open;
  vfs_->vfs.xDelete = x_delete;
  sqlite3_vfs_register(&vfs_->vfs, 0);
}

Disk::~Disk() { sqlite3_vfs_unregister(&vfs_->vfs); }

std::size_t Disk::moment() const {
  const std::lock_guard guard(mutex_);
  return log_.size();
}

void Disk::full_after(std::int64_t bytes) {
  const std::lock_guard guard(mutex_);
  left_ = bytes;
}

void Disk::fail_syncs(bool fail) {
  const std::lock_guard guard(mutex_);
  syncs_ = !fail;
}

int Disk::file(const std::string& path) {
  const std::lock_guard guard(mutex_);
  return files_.try_emplace(base_name(path), static_cast<int>(files_.size())).first->second;
}

void Disk::note(What what, int file, std::int64_t offset, std::string bytes) {
  const std::lock_guard guard(mutex_);
  log_.push_back({what, file, offset, std::move(bytes)});
}

bool Disk::takes(std::int64_t bytes) {
  const std::lock_guard guard(mutex_);
  if (left_ < 0) return true;
  if (left_ < bytes) return false;
  left_ -= bytes;
  return true;
}

bool Disk::syncs() const {
  const std::lock_guard guard(mutex_);
  return syncs_;
}

void Disk::after_power_loss(std::size_t moment, Random& random, const std::string& folder) const {
  const std::lock_guard guard(mutex_);
  const auto apply = [](std::string& on, const Happening& one, std::size_t from, std::size_t size) {
    if (one.what == What::truncate) return on.resize(static_cast<std::size_t>(one.offset));
    const std::size_t at = static_cast<std::size_t>(one.offset) + from;
    if (on.size() < at + size) on.resize(at + size);
    on.replace(at, size, one.bytes, from, size);
  };
  std::vector<std::string> durable(files_.size());
  std::vector<std::vector<const Happening*>> pending(files_.size());
  for (std::size_t i = 0; i < moment; ++i) {
    const Happening& one = log_[i];
    const auto file = static_cast<std::size_t>(one.file);
    if (one.what != What::sync) {
      pending[file].push_back(&one);
      continue;
    }
    for (const Happening* write : pending[file])
      apply(durable[file], *write, 0, write->bytes.size());
    pending[file].clear();
  }
  // Sometimes nothing of the rest, sometimes all, mostly something.
  const double chances[] = {0.0, 0.1, 0.5, 0.9, 1.0};
  const double chance = chances[random.between(0, 4)];
  for (std::size_t file = 0; file < pending.size(); ++file)
    for (const Happening* one : pending[file]) {
      if (one->what == What::truncate && random.unit() < chance) apply(durable[file], *one, 0, 0);
      for (std::size_t from = 0; from < one->bytes.size(); from += kSector)
        if (random.unit() < chance)
          apply(durable[file], *one, from, std::min(kSector, one->bytes.size() - from));
    }
  for (const auto& [name, file] : files_)
    std::ofstream(folder + "/" + name, std::ios::binary) << durable[static_cast<std::size_t>(file)];
}

}  // namespace troupe::tasks
