#include "net/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace troupe::net {
namespace {

Error failure(const std::string& what) {
  return fail(Errc::storage_failed, "request body: " + what + ": " + std::strerror(errno),
              "data_dir", "free disk space, or mend the permissions of data_dir");
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::make(const std::string& given) {
  std::error_code error;
  const std::string folder =
      given.empty() ? std::filesystem::temp_directory_path(error).string() : given;
  int file = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) {  // a file system that has no such files
    std::string name = folder + "/.body-XXXXXX";
    file = mkostemp(name.data(), O_CLOEXEC);
    if (file >= 0) unlink(name.c_str());
  }
  if (file < 0) return failure("no file for it in " + folder);
  return std::unique_ptr<Spool>(new Spool(file));
}

Spool::~Spool() {
  if (mapped_) munmap(mapped_, size_);
  close(file_);
}

Result<void> Spool::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failure("cannot be kept on disk");
    size_ += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string_view> Spool::view() {
  if (size_ == 0) return std::string_view();
  if (!mapped_) {
    void* address = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_, 0);
    if (address == MAP_FAILED) return failure("cannot be mapped");
    madvise(address, size_, MADV_SEQUENTIAL);
    mapped_ = address;
  }
  return std::string_view(static_cast<const char*>(mapped_), size_);
}

}  // namespace troupe::net
