// A folder that goes with the test. Tests only.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace troupe::tasks {

struct Folder {
  Folder() {
    // In memory where that is: the tests are not about this machine's disk.
    const char* root = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    path = std::string(root) + "/troupe-tasks-XXXXXX";
    if (!::mkdtemp(path.data())) std::abort();
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string file() const { return path + "/tasks.db"; }
  std::string path;
};

}  // namespace troupe::tasks
