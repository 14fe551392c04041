// Runs the real troupe binary as a user would, each test in a data directory of its own.
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"

namespace troupe::e2e {

namespace fs = std::filesystem;

/// A folder that goes with the test.
class Scratch final {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "troupe-e2e-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
    return path_ + "/" + name;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

/// In a child: also when the tests' time is up and nobody ends it.
inline void end_with_the_test() { prctl(PR_SET_PDEATHSIG, SIGKILL); }

/// One started binary. Its standard output and error go to files of the scratch folder.
class Binary final {
 public:
  Binary(const Scratch& scratch, std::vector<std::string> arguments,
         std::map<std::string, std::string> environment = {})
      : scratch_(scratch), number_(++count_) {
    environment.try_emplace("TROUPE_DATA_DIR", scratch.path() + "/data");
    arguments.insert(arguments.begin(), TROUPE_BINARY);
    pid_ = fork();
    if (pid_ == 0) {
      end_with_the_test();
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      (void)!freopen(out_path().c_str(), "w", stdout);
      (void)!freopen(err_path().c_str(), "w", stderr);
      // What the test has open is its own: a connection would not end when it closes it.
      close_range(3, ~0U, 0);
      std::vector<char*> argv;
      for (auto& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(TROUPE_BINARY, argv.data());
      _exit(127);
    }
  }
  ~Binary() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }
  std::string out() const { return read(out_path()); }
  std::string err() const { return read(err_path()); }

  /// Exit code, or 128 + signal; -1 when it still runs after `limit`.
  int wait(std::chrono::seconds limit = std::chrono::seconds(60)) {
    int code = -1;
    until(limit, [&] {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
      code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      pid_ = -1;
      return true;
    });
    return code;
  }

  /// Waits until `text` stands in its error output.
  bool says(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(30)) const {
    return until(limit, [&] { return err().find(text) != std::string::npos; });
  }

  /// Polls a fact of another process, which cannot be awaited.
  static bool until(std::chrono::seconds limit, const std::function<bool()>& fact) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!fact()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }

 private:
  std::string out_path() const { return scratch_.path() + "/out." + std::to_string(number_); }
  std::string err_path() const { return scratch_.path() + "/err." + std::to_string(number_); }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  inline static int count_ = 0;
  const Scratch& scratch_;
  int number_;
  pid_t pid_ = -1;
};

/// Another program of the test's own, ended with this object.
class Child final {
 public:
  explicit Child(std::vector<std::string> arguments) {
    pid_ = fork();
    if (pid_ != 0) return;
    end_with_the_test();
    (void)!freopen("/dev/null", "r", stdin);
    (void)!freopen("/dev/null", "w", stdout);
    (void)!freopen("/dev/null", "w", stderr);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

/// A loopback port that was free a moment ago.
inline int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  close(listener);
  return ntohs(address.sin_port);
}

/// Whether something listens there.
inline bool listens(int port) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected =
      connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(client);
  return connected;
}

/// Process groups of the browsers with a profile below `data_dir`. Take them while the browsers
/// run: a renderer cannot be told from others by its command line.
inline std::set<pid_t> browser_groups(const std::string& data_dir) {
  std::set<pid_t> groups;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 1) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line(std::istreambuf_iterator<char>(file), {});
    if (line.find("--user-data-dir=" + data_dir) != std::string::npos) groups.insert(getpgid(pid));
  }
  return groups;
}

/// Ended, and only waiting for its new parent to take note of it.
inline bool is_zombie(const fs::path& process) {
  std::ifstream file(process / "stat");
  const std::string line(std::istreambuf_iterator<char>(file), {});
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") Z") == 0;
}

/// Processes of the groups that still run.
inline int processes_in(const std::set<pid_t>& groups) {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    count += pid > 1 && groups.contains(getpgid(pid)) && !is_zombie(entry.path());
  }
  return count;
}

/// A disk that is full after `size`. Only for those who may mount.
class TinyDisk final {
 public:
  TinyDisk(std::string path, const std::string& size) : path_(std::move(path)) {
    fs::create_directories(path_);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~TinyDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

inline int browsers_of(const std::string& data_dir) {
  return static_cast<int>(browser_groups(data_dir).size());
}

inline std::size_t profiles_in(const std::string& data_dir) {
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(data_dir + "/browsers", error))
    count += entry.is_directory();
  return count;
}

}  // namespace troupe::e2e
