#include "sessions/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace troupe::sessions {

struct Process::Impl : std::enable_shared_from_this<Process::Impl> {
  explicit Impl(asio::any_io_executor executor) : pidfd(std::move(executor)) {}

  void watch() {
    pidfd.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error) return;
                       self->reap(WNOHANG);
                       if (self->alive) self->watch();  // woken without an exit: seen to happen
                     });
  }

  void reap(int flags) {
    if (!alive) return;
    int status = 0;
    const pid_t done = waitpid(pid, &status, flags);
    if (done == 0) return;
    alive = false;
    exit_text = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                    : "exit code " + std::to_string(WEXITSTATUS(status));
    // What it left behind in its group must not live on.
    ::kill(-pid, SIGKILL);
    exited.set();
  }

  asio::posix::stream_descriptor pidfd;
  pid_t pid = -1;
  bool alive = false;
  std::string exit_text;
  Event exited;
};

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Runs between vfork and exec: system calls only.
[[noreturn]] void become(const ProcessOptions& options, char** argv, char** envp, int output_fd,
                         int cgroup_fd, pid_t parent, int* failure) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_DFL);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  if (cgroup_fd >= 0 && write(cgroup_fd, "0", 1) != 1) {
    // It runs all the same, unguarded.
  }
  if (options.data_bytes_max > 0) {
    const rlimit limit{static_cast<rlim_t>(options.data_bytes_max),
                       static_cast<rlim_t>(options.data_bytes_max)};
    setrlimit(RLIMIT_DATA, &limit);
  }
  if (options.niceness != 0 && nice(options.niceness) == -1) {
    // It runs all the same, at our priority.
  }
  if (!options.working_dir.empty() && chdir(options.working_dir.c_str()) != 0) {
    *failure = errno;
    _exit(127);
  }
  // Above the range that is about to be filled, so that no dup2 overwrites a source.
  const int three = options.fd3 < 0 ? -1 : fcntl(options.fd3, F_DUPFD, 10);
  const int four = options.fd4 < 0 ? -1 : fcntl(options.fd4, F_DUPFD, 10);
  const int output = fcntl(output_fd, F_DUPFD, 10);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(output, 1);
  dup2(output, 2);
  if (three >= 0) dup2(three, 3);
  if (four >= 0) dup2(four, 4);
  const unsigned first = four >= 0 ? 5 : three >= 0 ? 4 : 3;
  syscall(SYS_close_range, first, ~0U, 0);
  execve(options.path.c_str(), argv, envp);
  *failure = errno;
  _exit(127);
}

Error spawn_error(const std::string& path, int code) {
  const std::string why = std::strerror(code);
  if (code == EAGAIN || code == ENOMEM)
    return fail(Errc::exhausted, "process " + path + ": " + why, "host",
                "raise the limits on processes or memory (ulimit -u, cgroup pids.max)");
  return fail(Errc::browser_missing, "process " + path + ": " + why, "host",
              "install chromium-headless-shell, or set TROUPE_BROWSER to a browser binary");
}

}  // namespace

Process::Process() = default;

Result<std::unique_ptr<Process>> Process::spawn(asio::any_io_executor executor,
                                                const ProcessOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), options.path);
  std::vector<std::string> environment = options.environment;
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);
  const char* file = options.output_file.empty() ? "/dev/null" : options.output_file.c_str();
  const int output = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0)
    return fail(Errc::storage_failed, std::string(file) + ": " + std::strerror(errno), "host");
  const int cgroup =
      options.cgroup_procs.empty() ? -1 : open(options.cgroup_procs.c_str(), O_WRONLY | O_CLOEXEC);
  int failure = 0;
  const pid_t parent = getpid();
  const pid_t pid = vfork();
  if (pid == 0)
    become(options, const_cast<char**>(argv.data()), const_cast<char**>(envp.data()), output,
           cgroup, parent, &failure);
  const int fork_error = errno;
  close(output);
  if (cgroup >= 0) close(cgroup);
  if (pid < 0) return spawn_error(options.path, fork_error);
  if (failure != 0) {
    waitpid(pid, nullptr, 0);
    return spawn_error(options.path, failure);
  }
  std::unique_ptr<Process> process(new Process);
  process->impl_ = std::make_shared<Impl>(std::move(executor));
  process->impl_->pid = pid;
  process->impl_->alive = true;
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    process->kill_group();
    return fail(Errc::unsupported, std::string("pidfd_open: ") + std::strerror(errno), "host",
                "Linux 5.3 or later is needed");
  }
  process->impl_->pidfd.assign(pidfd);
  process->impl_->watch();
  return process;
}

Process::~Process() {
  if (!impl_) return;
  if (impl_->alive) {
    kill_group();
    impl_->reap(0);  // a killed process ends at once
  }
  boost::system::error_code ignored;
  impl_->pidfd.close(ignored);
}

pid_t Process::pid() const { return impl_->pid; }
Event& Process::exited() { return impl_->exited; }
bool Process::running() const { return impl_->alive; }
const std::string& Process::exit_text() const { return impl_->exit_text; }

void Process::kill_group() {
  if (!impl_->alive) return;
  ::kill(-impl_->pid, SIGKILL);
  ::kill(impl_->pid, SIGKILL);  // should it not have become a group leader yet
}

std::map<pid_t, GroupUsage> usage_of_groups() {
  std::map<pid_t, GroupUsage> groups;
  DIR* proc = opendir("/proc");
  if (!proc) return groups;
  static const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const long page = sysconf(_SC_PAGESIZE);
  while (const dirent* entry = readdir(proc)) {
    if (std::atoi(entry->d_name) <= 0) continue;
    const std::string path = std::string("/proc/") + entry->d_name + "/stat";
    char line[1024];
    FILE* file = std::fopen(path.c_str(), "r");
    if (!file) continue;
    const std::size_t size = std::fread(line, 1, sizeof line - 1, file);
    std::fclose(file);
    line[size] = '\0';
    // The name may hold anything, parentheses too: proc(5) fields count from the last one.
    const char* rest = std::strrchr(line, ')');
    int group = 0;
    unsigned long user = 0, system = 0;
    long resident = 0;
    if (!rest ||
        std::sscanf(rest + 1,
                    " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
                    "%*u %*u %ld",
                    &group, &user, &system, &resident) != 4)
      continue;
    GroupUsage& usage = groups[group];
    const std::int64_t bytes = static_cast<std::int64_t>(resident) * page;
    usage.resident_bytes += bytes;
    const pid_t pid = std::atoi(entry->d_name);
    if (pid != group && bytes > usage.largest_bytes) {
      usage.largest = pid;
      usage.largest_bytes = bytes;
    }
    usage.cpu_seconds += static_cast<double>(user + system) / ticks;
  }
  closedir(proc);
  return groups;
}

}  // namespace troupe::sessions
