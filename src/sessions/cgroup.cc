#include "sessions/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "troupe-";
constexpr const char* kOwnGroup = "troupe";

std::string read_all(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool has_word(const std::string& text, std::string_view word) {
  std::istringstream words(text);
  for (std::string next; words >> next;)
    if (next == word) return true;
  return false;
}

// The kernel's files take one write, and answer it.
bool write_text(const std::string& path, std::string_view text, int flags = 0) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
  if (file < 0) return false;
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(file);
  errno = error;
  return written;
}

Error unsupported(const std::string& why, const std::string& hint) {
  return fail(Errc::unsupported, "cgroup v2: " + why, "host", hint);
}

// Where the unified hierarchy is mounted, from the table of mounts; empty: nowhere.
std::string mount_point(const std::string& root) {
  std::ifstream mounts(root + "/proc/self/mounts");
  std::string device, place, type, rest;
  while (mounts >> device >> place >> type) {
    std::getline(mounts, rest);
    if (type == "cgroup2") return root + place;
  }
  return {};
}

// `0::/user.slice/…` of the unified hierarchy.
Result<std::string> own_folder(const std::string& root) {
  const std::string mount = mount_point(root);
  if (mount.empty())
    return unsupported("is not mounted", "boot with the unified hierarchy, or mount cgroup2");
  std::ifstream lines(root + "/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("0::")) continue;
    const std::string folder = mount + (line == "0::/" ? "" : line.substr(3));
    // Where enable() moved this process: what it was given is the parent.
    const fs::path parent = fs::path(folder).parent_path();
    const bool moved = fs::path(folder).filename() == kOwnGroup &&
                       has_word(read_all(parent.string() + "/cgroup.subtree_control"), "memory");
    return moved ? parent.string() : folder;
  }
  return unsupported("this process is in none of its groups", "");
}

bool is_alone(const std::string& folder) {
  std::istringstream pids(read_all(folder + "/cgroup.procs"));
  for (long pid = 0; pids >> pid;)
    if (pid != getpid()) return false;
  return true;
}

// Makes room for children: a group with limits for its children may have no processes itself.
Result<void> enable(const std::string& folder) {
  const std::string file = folder + "/cgroup.subtree_control";
  if (has_word(read_all(file), "memory")) return {};
  const bool cpu = has_word(read_all(folder + "/cgroup.controllers"), "cpu");
  const std::string_view wanted = cpu ? "+memory +cpu" : "+memory";
  if (write_text(file, wanted)) return {};
  if (errno != EBUSY)
    return unsupported(file + ": " + std::strerror(errno), "delegate the folder to troupe's user");
  const bool alone = is_alone(folder);
  std::error_code error;
  if (alone) fs::create_directory(folder + "/" + kOwnGroup, error);
  if (alone && !error && write_text(folder + "/" + kOwnGroup + "/cgroup.procs", "0") &&
      write_text(file, wanted))
    return {};
  return unsupported(folder + " has processes besides Troupe",
                     "start troupe in a group of its own: systemd-run --user --scope "
                     "-p Delegate=yes troupe serve");
}

// Groups of a Troupe that has died: `troupe-<pid>-…`.
void sweep(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const int owner = std::atoi(name.c_str() + kPrefix.size());
    if (owner <= 0 || owner == getpid() || kill(owner, 0) == 0 || errno != ESRCH) continue;
    (void)write_text(entry.path().string() + "/cgroup.kill", "1");
    rmdir(entry.path().c_str());
  }
}

}  // namespace

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  std::swap(folder_, other.folder_);
  return *this;
}

Cgroup::~Cgroup() {
  if (folder_.empty()) return;
  (void)write_text(folder_ + "/cgroup.kill", "1");
  // Busy for as long as something in it dies; then the next start of Troupe sweeps it away.
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (rmdir(folder_.c_str()) == 0 || errno != EBUSY) return;
    usleep(1'000);
  }
}

std::uint64_t Cgroup::oom_kills() const {
  if (folder_.empty()) return 0;
  std::istringstream events(read_all(folder_ + "/memory.events"));
  std::string name;
  std::uint64_t count = 0;
  while (events >> name >> count)
    if (name == "oom_kill") return count;
  return 0;
}

Result<std::string> Cgroups::look(const std::string& given, const std::string& root) {
  if (given == "-") return unsupported("switched off by cgroup_folder", "");
  std::string folder = given;
  if (folder.empty()) {
    TRY(folder, own_folder(root));
  }
  const std::string controllers = folder + "/cgroup.controllers";
  if (access(controllers.c_str(), R_OK) != 0)
    return unsupported(folder + " is no group of it", "set cgroup_folder to a delegated one");
  if (!has_word(read_all(controllers), "memory"))
    return unsupported(folder + " has no memory controller",
                       "enable it in the parent's cgroup.subtree_control; where cgroup v1 holds "
                       "it, boot with systemd.unified_cgroup_hierarchy=1");
  for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control"})
    if (access((folder + file).c_str(), W_OK) != 0)
      return unsupported(folder + file + " cannot be written",
                         "delegate it: systemd-run --user --scope -p Delegate=yes troupe serve, "
                         "or Delegate=yes in the unit");
  return folder;
}

Result<Cgroups> Cgroups::open(const std::string& given, const std::string& root) {
  Cgroups groups;
  TRY(groups.folder_, look(given, root));
  TRY_VOID(enable(groups.folder_));
  sweep(groups.folder_);
  return groups;
}

Result<Cgroup> Cgroups::make(const std::string& name, const CgroupLimits& limits) const {
  Cgroup group;
  const std::string folder =
      folder_ + "/" + std::string(kPrefix) + std::to_string(getpid()) + "-" + name;
  std::error_code error;
  if (!fs::create_directory(folder, error))
    return fail(Errc::storage_failed,
                "cgroup " + folder + ": " + (error ? error.message() : "is there already"), "host");
  group.folder_ = folder;
  if (limits.memory_bytes > 0) {
    if (!write_text(folder + "/memory.max", std::to_string(limits.memory_bytes), O_CREAT))
      return fail(Errc::storage_failed, "cgroup " + folder + "/memory.max: " + std::strerror(errno),
                  "host");
    // Else the limit would only be the machine's swap away.
    (void)write_text(folder + "/memory.swap.max", "0", O_CREAT);
  }
  (void)write_text(folder + "/cpu.weight", std::to_string(limits.cpu_weight), O_CREAT);
  return group;
}

}  // namespace troupe::sessions
