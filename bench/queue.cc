// Benchmarks of the queue's backends: memory and SQLite.
//   bench_queue memory              operations per second on one core
//   bench_queue enqueue FOLDER [ROUNDS [SUBMITTERS...]]
//                                   durable enqueues against a bare group commit, interleaved
//   bench_queue claim FOLDER        claim and finish, one by one and in batches
//   bench_queue million FOLDER      what a million waiting tasks cost
// FOLDER is on the disk to be measured; files are made in it and deleted.
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/async.h"
#include "tasks/backend.h"

namespace troupe::tasks {
namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

long resident_mib() {
  std::ifstream status("/proc/self/statm");
  long size = 0, resident = 0;
  status >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE) / (1 << 20);
}

double quantile(std::vector<double>& values, double at) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(at * static_cast<double>(values.size() - 1))];
}

Spec spec(std::int64_t number) {
  char id[32];
  std::snprintf(id, sizeof id, "task_%016lld", static_cast<long long>(number));
  Spec one;
  one.id = id;
  one.run_id = "run_0000000000000001";
  one.index = static_cast<int>(number % 10'000'000);
  one.job = std::string(256, 'x');
  return one;
}

/// A loop, a clock and one coroutine that has them.
template <class Body>
void with_loop(Body body) {
  asio::io_context io(1);
  const auto clock = make_real_clock(io.get_executor());
  Context ctx(*clock, io.get_executor());
  asio::co_spawn(io, body(ctx, *clock), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}

/// Removes the file and what SQLite puts beside it.
struct File {
  explicit File(const std::string& folder)
      : path(folder + "/bench-" + std::to_string(getpid()) + ".db") {
    remove();
  }
  ~File() { remove(); }
  void remove() const {
    for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path + end);
  }
  std::string path;
};

std::unique_ptr<Backend> open_file(Context& ctx, Clock& clock, const std::string& path) {
  auto opened = make_sqlite_backend(ctx.executor(), clock, {.path = path, .tasks_max = 10'000'000});
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().describe().c_str());
    std::exit(1);
  }
  return std::move(*opened);
}

asio::awaitable<void> add(Context& ctx, Backend& backend, std::int64_t from, std::int64_t count) {
  Submission submission;
  submission.tasks.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) submission.tasks.push_back(spec(from + i));
  auto added = co_await backend.enqueue(ctx, std::move(submission));
  if (!added) std::fprintf(stderr, "%s\n", added.error().describe().c_str());
}

// Claims `batch` and finishes them, until `count` are done. Seconds per call of both kinds.
asio::awaitable<Result<void>> work_off(Context& ctx, Backend& backend, std::int64_t count,
                                       int batch, std::vector<double>& latencies) {
  for (std::int64_t done = 0; done < count;) {
    ClaimRequest request;
    request.worker = "node_a";
    request.max = batch;
    const auto start = Steady::now();
    auto claimed = co_await backend.claim(ctx, std::move(request));
    if (!claimed || claimed->claims.empty()) break;
    std::vector<Finish> finishes;
    for (Claim& claim : claimed->claims)
      finishes.push_back({.id = std::move(claim.spec.id), .token = claim.token, .result = "{}"});
    done += static_cast<std::int64_t>(finishes.size());
    auto finished = co_await backend.finish(ctx, std::move(finishes));
    if (!finished) break;
    latencies.push_back(seconds_since(start));
  }
  co_return Result<void>();
}

// ---------------------------------------------------------------- memory

asio::awaitable<void> memory(Context& ctx, Clock& clock) {
  for (const int batch : {1, 50}) {
    const auto backend = make_memory_backend(clock, {.tasks_max = 10'000'000});
    constexpr std::int64_t kTasks = 300'000;
    std::vector<Submission> made;
    for (std::int64_t i = 0; i < kTasks; i += batch) {
      Submission& one = made.emplace_back();
      for (int k = 0; k < batch; ++k) one.tasks.push_back(spec(i + k));
    }
    auto start = Steady::now();
    for (Submission& one : made) (void)co_await backend->enqueue(ctx, std::move(one));
    const double enqueueing = seconds_since(start);
    std::vector<double> latencies;
    start = Steady::now();
    (void)co_await work_off(ctx, *backend, kTasks, batch, latencies);
    const double working = seconds_since(start);
    const double total = 3.0 * static_cast<double>(kTasks) / (enqueueing + working);
    std::printf(
        "memory, batches of %2d: enqueue %.2f M/s, claim and finish %.2f M/s each, "
        "all %.2f M operations/s\n",
        batch, kTasks / enqueueing / 1e6, 2 * kTasks / working / 1e6, total / 1e6);
    co_await backend->close();
  }
}

// ---------------------------------------------------------------- enqueue against the floor

// What cannot be done without: one thread, one insert per submission into one table with one
// index, one commit for all that wait.
class Floor {
 public:
  Floor(asio::io_context& io, const std::string& path) : io_(io) {
    sqlite3_open(path.c_str(), &db_);
    exec(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
        "CREATE TABLE job(id INTEGER PRIMARY KEY, state INTEGER, due INTEGER, job TEXT);"
        "CREATE INDEX ready ON job(due, id) WHERE state=0");
    sqlite3_prepare_v2(db_, "INSERT INTO job VALUES(NULL,0,?,?)", -1, &insert_, nullptr);
    thread_ = std::thread([this] { loop(); });
  }
  ~Floor() {
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }
  void submit(std::function<void()> done) {
    bool first = false;
    {
      const std::lock_guard guard(mutex_);
      first = waiting_.empty();
      waiting_.push_back(std::move(done));
    }
    if (first) changed_.notify_one();
  }

 private:
  void exec(const char* sql) { sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); }
  void loop() {
    const std::string job(256, 'x');
    for (;;) {
      std::vector<std::function<void()>> batch;
      {
        std::unique_lock guard(mutex_);
        changed_.wait(guard, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        batch.swap(waiting_);
      }
      exec("BEGIN IMMEDIATE");
      for (std::size_t i = 0; i < batch.size(); ++i) {
        sqlite3_bind_int64(insert_, 1, ++due_);
        sqlite3_bind_text(insert_, 2, job.data(), static_cast<int>(job.size()), SQLITE_STATIC);
        sqlite3_step(insert_);
        sqlite3_reset(insert_);
      }
      exec("COMMIT");
      asio::post(io_, [batch = std::move(batch)] {
        for (const auto& done : batch) done();
      });
    }
  }

  asio::io_context& io_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::int64_t due_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

struct Rate {
  double per_second = 0, cpu_us = 0, p50_ms = 0, p99_ms = 0;
};

Rate rate_of(std::vector<double>& latencies, double took, double cpu) {
  const auto count = static_cast<double>(latencies.size());
  return {count / took, cpu / count * 1e6, quantile(latencies, 0.5) * 1e3,
          quantile(latencies, 0.99) * 1e3};
}

Rate floor_rate(const std::string& folder, int submitters, double seconds) {
  const File file(folder);
  asio::io_context io(1);
  auto work = std::make_optional(asio::make_work_guard(io));
  std::vector<double> latencies;
  const double cpu = cpu_seconds();
  const auto start = Steady::now();
  {
    Floor floor(io, file.path);
    int open = submitters;
    std::function<void()> next = [&] {
      const auto begun = Steady::now();
      floor.submit([&, begun] {
        latencies.push_back(seconds_since(begun));
        if (seconds_since(start) < seconds)
          next();
        else if (--open == 0)
          work.reset();
      });
    };
    for (int i = 0; i < submitters; ++i) next();
    io.run();
  }
  return rate_of(latencies, seconds_since(start), cpu_seconds() - cpu);
}

asio::awaitable<Result<void>> submitter(Context& ctx, Backend& backend, std::int64_t& last,
                                        Steady::time_point until, std::vector<double>& latencies) {
  while (Steady::now() < until) {
    Submission submission;
    submission.tasks.push_back(spec(++last));
    const auto begun = Steady::now();
    auto added = co_await backend.enqueue(ctx, std::move(submission));
    if (!added) co_return added.error();
    latencies.push_back(seconds_since(begun));
  }
  co_return Result<void>();
}

asio::awaitable<void> enqueue_some(Context& ctx, Clock& clock, const std::string& path,
                                   int submitters, double seconds, Rate& rate) {
  const auto backend = open_file(ctx, clock, path);
  std::vector<double> latencies;
  std::int64_t last = 0;
  const double cpu = cpu_seconds();
  const auto start = Steady::now();
  const auto until = start + std::chrono::milliseconds(static_cast<int>(seconds * 1000));
  std::vector<Async<void>> all;
  for (int i = 0; i < submitters; ++i)
    all.push_back(submitter(ctx, *backend, last, until, latencies));
  (void)co_await gather(ctx, std::move(all));
  rate = rate_of(latencies, seconds_since(start), cpu_seconds() - cpu);
  co_await backend->close();
}

Rate our_rate(const std::string& folder, int submitters, double seconds) {
  const File file(folder);
  Rate rate;
  with_loop([&](Context& ctx, Clock& clock) {
    return enqueue_some(ctx, clock, file.path, submitters, seconds, rate);
  });
  return rate;
}

void enqueue(const std::string& folder, const std::vector<int>& cases, int rounds) {
  std::printf("durable enqueues/s (WAL, synchronous=FULL), 256 bytes, median of %d rounds\n",
              rounds);
  for (const int submitters : cases) {
    std::vector<double> floors, ours, ratios, cpus, p50, p99, floor_cpus;
    for (int round = 0; round < rounds; ++round) {
      const Rate floor = floor_rate(folder, submitters, 1.5);
      const Rate our = our_rate(folder, submitters, 1.5);
      floors.push_back(floor.per_second);
      floor_cpus.push_back(floor.cpu_us);
      ours.push_back(our.per_second);
      ratios.push_back(our.per_second / floor.per_second);
      cpus.push_back(our.cpu_us);
      p50.push_back(our.p50_ms);
      p99.push_back(our.p99_ms);
    }
    std::printf(
        "%3d submitters: floor %7.0f (%.0f us CPU), Troupe %7.0f (%.0f us CPU), ratio %.2f, "
        "p50 %.2f ms, p99 %.2f ms\n",
        submitters, quantile(floors, 0.5), quantile(floor_cpus, 0.5), quantile(ours, 0.5),
        quantile(cpus, 0.5), quantile(ratios, 0.5), quantile(p50, 0.5), quantile(p99, 0.5));
  }
}

// ---------------------------------------------------------------- claim and finish

asio::awaitable<void> claim_case(Context& ctx, Backend& backend, std::int64_t& last, int workers,
                                 int batch, std::int64_t tasks) {
  for (std::int64_t i = 0; i < tasks; i += 5000) co_await add(ctx, backend, last + i, 5000);
  last += tasks;
  std::vector<double> latencies;
  const double cpu = cpu_seconds();
  const auto start = Steady::now();
  std::vector<Async<void>> all;
  for (int i = 0; i < workers; ++i)
    all.push_back(work_off(ctx, backend, tasks / workers, batch, latencies));
  (void)co_await gather(ctx, std::move(all));
  const double took = seconds_since(start);
  const double used = (cpu_seconds() - cpu) / static_cast<double>(tasks) * 1e6;
  std::printf(
      "%3d workers, batches of %2d: claim and finish of %6.0f tasks/s, %.0f us CPU a task, "
      "p50 %.2f ms, p99 %.2f ms for both calls\n",
      workers, batch, static_cast<double>(tasks) / took, used, quantile(latencies, 0.5) * 1e3,
      quantile(latencies, 0.99) * 1e3);
}

asio::awaitable<void> claim(Context& ctx, Clock& clock, const std::string& path) {
  const auto backend = open_file(ctx, clock, path);
  std::int64_t last = 0;
  co_await claim_case(ctx, *backend, last, 1, 1, 5'000);
  co_await claim_case(ctx, *backend, last, 16, 1, 30'000);
  co_await claim_case(ctx, *backend, last, 64, 1, 50'000);
  co_await claim_case(ctx, *backend, last, 1, 50, 50'000);
  co_await claim_case(ctx, *backend, last, 4, 50, 100'000);
  co_await backend->close();
}

// ---------------------------------------------------------------- a million

asio::awaitable<void> measure_claims(Context& ctx, Backend& backend, const char* when) {
  std::vector<double> one, many;
  const double cpu = cpu_seconds();
  (void)co_await work_off(ctx, backend, 2'000, 1, one);
  (void)co_await work_off(ctx, backend, 10'000, 50, many);
  const double used = (cpu_seconds() - cpu) / 12'000 * 1e6;
  std::printf(
      "%s: claim and finish one by one p50 %.3f ms, p99 %.3f ms; 50 at a time p50 %.2f ms; "
      "%.0f us CPU a task; %ld MiB resident\n",
      when, quantile(one, 0.5) * 1e3, quantile(one, 0.99) * 1e3, quantile(many, 0.5) * 1e3, used,
      resident_mib());
}

asio::awaitable<void> million(Context& ctx, Clock& clock, const std::string& path) {
  auto backend = open_file(ctx, clock, path);
  co_await add(ctx, *backend, 0, 20'000);
  co_await measure_claims(ctx, *backend, "    20,000 waiting");
  const auto start = Steady::now();
  for (int i = 0; i < 100; ++i) co_await add(ctx, *backend, 1'000'000 + i * 10'000, 10'000);
  std::printf("1,000,000 enqueued in batches of 10,000: %.0f/s\n", 1e6 / seconds_since(start));
  co_await measure_claims(ctx, *backend, " 1,000,000 waiting");
  co_await backend->close();
  backend.reset();
  // In a process of its own: what this one's heap keeps is not the database's.
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::fflush(stdout);
  const std::string command = "'" + self + "' reopened '" + path + "'";
  if (std::system(command.c_str()) != 0) std::fprintf(stderr, "reopening failed\n");
}

asio::awaitable<void> reopened(Context& ctx, Clock& clock, const std::string& path) {
  const auto again = Steady::now();
  const auto backend = open_file(ctx, clock, path);
  std::printf("opened by a new process in %.1f s: %ld MiB resident\n", seconds_since(again),
              resident_mib());
  co_await measure_claims(ctx, *backend, "      after opening");
  co_await backend->close();
}

int main_of(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string folder = argc > 2 ? argv[2] : "";
  if (what == "memory") {
    with_loop(memory);
    return 0;
  }
  if (folder.empty()) {
    std::fprintf(stderr,
                 "bench_queue memory | enqueue FOLDER [ROUNDS [SUBMITTERS...]] | claim FOLDER | "
                 "million FOLDER\n");
    return 2;
  }
  if (what == "reopened") {
    with_loop([&](Context& ctx, Clock& clock) { return reopened(ctx, clock, folder); });
    return 0;
  }
  const File file(folder);
  if (what == "enqueue") {
    std::vector<int> cases;
    for (int i = 4; i < argc; ++i) cases.push_back(std::max(1, std::atoi(argv[i])));
    if (cases.empty()) cases = {1, 16, 64, 256};
    enqueue(folder, cases, argc > 3 ? std::max(1, std::atoi(argv[3])) : 5);
  }
  if (what == "claim")
    with_loop([&](Context& ctx, Clock& clock) { return claim(ctx, clock, file.path); });
  if (what == "million")
    with_loop([&](Context& ctx, Clock& clock) { return million(ctx, clock, file.path); });
  return 0;
}

}  // namespace
}  // namespace troupe::tasks

int main(int argc, char** argv) { return troupe::tasks::main_of(argc, argv); }
