// The queue on Redis, without browsers: how many tasks go in and through in a second, what that
// costs this process, how soon a task starts. Counterpart of bullmq.mjs; bench/queue.sh runs both
// in turns on one server. One JSON line on stdout.
//   bench_queue_redis URL CASE [COUNT] [CONCURRENCY] [priorities]
//   cases: add (one at a time), add-many (CONCURRENCY in flight), bulk (CONCURRENCY in one call),
//   process (no-ops, CONCURRENCY at once), latency (COUNT tasks, CONCURRENCY a second)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/random.h"
#include "tasks/redis_backend.h"

namespace {

using namespace troupe;
using namespace troupe::tasks;
using Steady = std::chrono::steady_clock;

struct Plan {
  std::string url;
  std::string name;
  int count = 20'000;
  int concurrency = 1;
  bool priorities = false;
};

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "bench: %s\n", error.describe().c_str());
  std::exit(1);
}

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) { return time.tv_sec * 1e6 + time.tv_usec; };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Steady::now().time_since_epoch())
      .count();
}

class Bench {
 public:
  Bench(Context& ctx, Plan plan, std::unique_ptr<Backend> backend)
      : ctx_(ctx), plan_(std::move(plan)), backend_(std::move(backend)) {}

  asio::awaitable<void> run() {
    if (plan_.name == "process") co_await add(plan_.count, 500, 4);
    if (plan_.name == "latency") {
      co_await work_and_measure();
    } else {
      const auto begin = Steady::now();
      const double cpu = cpu_us();
      if (plan_.name == "add") co_await add(plan_.count, 1, 1);
      if (plan_.name == "add-many") co_await add(plan_.count, 1, plan_.concurrency);
      if (plan_.name == "bulk") co_await add(plan_.count, plan_.concurrency, 1);
      if (plan_.name == "process") co_await process();
      report(std::chrono::duration<double>(Steady::now() - begin).count(), cpu_us() - cpu);
    }
    co_await backend_->close();
  }

  // Another process: adds at an even rate, with the time in the job.
  asio::awaitable<void> produce() {
    const auto begin = Steady::now();
    const auto gap = std::chrono::nanoseconds(1'000'000'000 / plan_.concurrency);
    Scope scope(ctx_.executor());
    for (int i = 0; i < plan_.count; ++i) {
      const auto due = begin + gap * i;
      if (const auto left = due - Steady::now(); left > Duration::zero()) {
        const auto slept = co_await sleep_for(ctx_, left);
        if (!slept) give_up(slept.error());
      }
      scope.spawn("add", add_one(std::to_string(steady_ns())));
    }
    (void)co_await scope.join(ctx_);
    co_await backend_->close();
  }

 private:
  Spec spec(std::string job = {}) {
    Spec spec;
    spec.id = random_.id("task", ctx_.clock().wall());
    spec.run_id = "run_bench";
    spec.index = next_++;
    if (plan_.priorities) spec.priority = next_ % 10;
    spec.job = job.empty() ? R"({"url":"https://example.com/catalogue?page=12","steps":)"
                             R"(["goto","click","extract"],"note":"about 190 bytes of payload, )"
                             R"(as a workflow's reference and its inputs would be, no more"})"
                           : std::move(job);
    return spec;
  }

  asio::awaitable<void> add_one(std::string job) {
    Submission submission;
    submission.tasks.push_back(spec(std::move(job)));
    const auto added = co_await backend_->enqueue(ctx_, std::move(submission));
    if (!added) give_up(added.error());
  }

  asio::awaitable<void> add_loop(int& left, int batch) {
    while (left > 0) {
      Submission submission;
      for (int i = 0; i < batch && left > 0; ++i, --left) submission.tasks.push_back(spec());
      const auto added = co_await backend_->enqueue(ctx_, std::move(submission));
      if (!added) give_up(added.error());
    }
  }

  asio::awaitable<void> add(int count, int batch, int loops) {
    Scope scope(ctx_.executor());
    for (int i = 0; i < loops; ++i) scope.spawn("add", add_loop(count, batch));
    (void)co_await scope.join(ctx_);
  }

  Async<Claimed> claim(int most) {
    ClaimRequest request;
    request.worker = "node_bench";
    request.max = most;
    co_return co_await backend_->claim(ctx_, std::move(request));
  }

  asio::awaitable<void> finish(std::vector<Finish> finishes) {
    const auto size = static_cast<int>(finishes.size());
    const auto finished = co_await backend_->finish(ctx_, std::move(finishes));
    if (!finished) give_up(finished.error());
    done_ += size;
  }

  // What ended is told together with the question for more, as the worker does.
  asio::awaitable<void> work_loop(int most) {
    Scope scope(ctx_.executor());
    for (int empty = 0; done_ < plan_.count && empty < 1000;) {
      const auto claimed = co_await claim(most);
      if (!claimed) give_up(claimed.error());
      empty = claimed->claims.empty() ? empty + 1 : 0;
      std::vector<Finish> finishes;
      for (const Claim& one : claimed->claims)
        finishes.push_back({.id = one.spec.id, .token = one.token, .result = "null"});
      if (!finishes.empty()) scope.spawn("finish", finish(std::move(finishes)));
    }
    (void)co_await scope.join(ctx_);
  }

  asio::awaitable<void> process() {
    Scope scope(ctx_.executor());
    const int loops = plan_.concurrency > 1 ? 2 : 1;
    for (int i = 0; i < loops; ++i) scope.spawn("work", work_loop(plan_.concurrency / loops));
    (void)co_await scope.join(ctx_);
    if (done_ != plan_.count) std::fprintf(stderr, "bench: %d of %d done\n", done_, plan_.count);
  }

  void take(const Claimed& claimed) {
    const auto now = steady_ns();
    for (const Claim& one : claimed.claims)
      waits_.push_back(static_cast<double>(now - std::atoll(one.spec.job.c_str())) / 1e6);
  }

  asio::awaitable<void> work_and_measure() {
    Event news;
    backend_->watch([&news] { news.set(); });
    Scope scope(ctx_.executor());
    const double cpu = cpu_us();
    const auto begin = Steady::now();
    while (static_cast<int>(waits_.size()) < plan_.count) {
      const auto claimed = co_await claim(50);
      if (!claimed) give_up(claimed.error());
      take(*claimed);
      std::vector<Finish> finishes;
      for (const Claim& one : claimed->claims)
        finishes.push_back({.id = one.spec.id, .token = one.token, .result = "null"});
      if (!finishes.empty()) scope.spawn("finish", finish(std::move(finishes)));
      if (!claimed->claims.empty()) continue;
      Context limited = ctx_.with_timeout(std::chrono::seconds(1), "news");
      (void)co_await news.wait(limited);
      news.reset();
    }
    (void)co_await scope.join(ctx_);
    report(std::chrono::duration<double>(Steady::now() - begin).count(), cpu_us() - cpu);
  }

  void report(double seconds, double cpu) {
    json::object line{{"tool", "troupe"},
                      {"case", plan_.name},
                      {"count", plan_.count},
                      {"concurrency", plan_.concurrency},
                      {"priorities", plan_.priorities},
                      {"per_second", std::llround(plan_.count / seconds)},
                      {"client_cpu_us", std::round(cpu / plan_.count * 10) / 10}};
    if (waits_.size() > 400) {
      // The first ones warm everything up.
      std::vector<double> waits(waits_.begin() + 200, waits_.end());
      std::ranges::sort(waits);
      const auto at = [&](double part) {
        return std::round(waits[static_cast<std::size_t>(part * (waits.size() - 1))] * 1000) / 1000;
      };
      line["p50_ms"] = at(0.5);
      line["p99_ms"] = at(0.99);
    }
    std::printf("%s\n", json::serialize(line).c_str());
  }

  Context& ctx_;
  Plan plan_;
  std::unique_ptr<Backend> backend_;
  Random random_ = Random::from_system();
  int next_ = 0;
  int done_ = 0;
  std::vector<double> waits_;
};

void run(Plan plan, bool produces) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  Context ctx(*clock, io.get_executor());
  auto body = [](Context& ctx, Plan plan, bool produces) -> asio::awaitable<void> {
    RedisOptions options;
    options.url = plan.url;
    options.persistence_required = false;
    options.prefix = "bench";
    auto backend = co_await open_redis_backend(ctx, std::move(options));
    if (!backend) give_up(backend.error());
    Bench bench(ctx, plan, std::move(*backend));
    if (produces)
      co_await bench.produce();
    else
      co_await bench.run();
  };
  asio::co_spawn(io, body(ctx, std::move(plan), produces), [](std::exception_ptr exception) {
    if (exception) die_of_bug("bench", exception);
  });
  io.run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s URL CASE [COUNT] [CONCURRENCY] [priorities]\n", argv[0]);
    return 2;
  }
  Plan plan{.url = argv[1], .name = argv[2]};
  if (argc > 3) plan.count = std::atoi(argv[3]);
  if (argc > 4) plan.concurrency = std::atoi(argv[4]);
  plan.priorities = argc > 5 && std::strcmp(argv[5], "priorities") == 0;
  pid_t producer = 0;
  if (plan.name == "latency") {
    producer = ::fork();
    if (producer == 0) {
      ::usleep(500'000);  // the worker waits already
      run(plan, true);
      return 0;
    }
  }
  run(plan, false);
  if (producer > 0) ::waitpid(producer, nullptr, 0);
  return 0;
}
