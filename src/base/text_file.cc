#include "base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace troupe {
namespace {

constexpr auto kHint = "free disk space, or mend the permissions of data_dir";

Error failure(const std::string& path, const char* what) {
  const int number = errno;
  return fail(number == ENOENT ? Errc::not_found : Errc::storage_failed,
              path + ": cannot be " + what + ": " + std::strerror(number), "data_dir",
              number == ENOENT ? "" : kHint);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return failure(path, "opened");
  std::string text;
  char piece[16'384];
  while (true) {
    const ssize_t count = read(file.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(path, "read");
    if (count == 0) return text;
    text.append(piece, static_cast<std::size_t>(count));
    if (text.size() > bytes_max)
      return fail(Errc::payload_too_large,
                  path + ": is larger than " + std::to_string(bytes_max) + " bytes", "data_dir");
  }
}

Result<void> replace_text_file(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  {
    const Descriptor file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.get() < 0 || !write_all(file.get(), text) || fsync(file.get()) != 0) {
      auto error = failure(fresh, "written");
      error.code = Errc::storage_failed;
      return error;
    }
  }
  if (std::rename(fresh.c_str(), path.c_str()) == 0) return {};
  auto error = failure(path, "replaced");
  error.code = Errc::storage_failed;
  unlink(fresh.c_str());
  return error;
}

}  // namespace troupe
