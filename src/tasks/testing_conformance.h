// The conformance suite of queue backends: the tests are in conformance*_test.cc; a backend takes
// part with
//   INSTANTIATE_TEST_SUITE_P(Memory, Conformance, testing::Values(factory), name_of);
// from any test file. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/testing.h"
#include "tasks/backend.h"

namespace troupe::tasks {

/// A fresh, empty backend and the time that it goes by.
class Subject {
 public:
  virtual ~Subject() = default;
  /// What must be waited for before the first call.
  virtual asio::awaitable<void> prepare() { co_return; }
  virtual Backend& backend() = 0;
  virtual Context& ctx() = 0;
  /// Time as the backend sees it.
  virtual UnixMs now() = 0;
  /// Lets at least so much time pass for the backend; virtual where it can be.
  virtual asio::awaitable<void> advance(UnixMs ms) = 0;
};

struct Factory {
  std::string name;
  /// Has room for `tasks_max` tasks that have not ended.
  std::function<std::unique_ptr<Subject>(Context& real, std::int64_t tasks_max)> make;
  /// It goes by a clock that stands still: times are exact.
  bool exact_time = true;
};
inline std::string name_of(const ::testing::TestParamInfo<Factory>& info) {
  return info.param.name;
}

class Conformance : public ::testing::TestWithParam<Factory> {
 protected:
  using Body = std::function<asio::awaitable<void>(Subject&)>;
  void with(Body body, std::int64_t tasks_max = 100'000) {
    troupe::testing::run([&](Context& real) { return one(real, body, tasks_max); });
  }

 private:
  asio::awaitable<void> one(Context& real, Body body, std::int64_t tasks_max) {
    const auto subject = GetParam().make(real, tasks_max);
    co_await subject->prepare();
    co_await body(*subject);
    co_await subject->backend().close();
  }
};

/// A backend on a clock that the test moves.
class ManualSubject : public Subject {
 public:
  explicit ManualSubject(Context& real) : ctx_(clock_, real.executor()) {}
  Backend& backend() override { return *backend_; }
  Context& ctx() override { return ctx_; }
  UnixMs now() override { return to_unix_ms(clock_.wall()); }
  asio::awaitable<void> advance(UnixMs ms) override {
    clock_.advance(std::chrono::milliseconds(ms));
    co_return;
  }
  Clock& clock() { return clock_; }
  void use(std::unique_ptr<Backend> backend) { backend_ = std::move(backend); }

 private:
  ManualClock clock_;
  Context ctx_;
  std::unique_ptr<Backend> backend_;
};

// Short forms; each fails the test when the call fails.

inline Spec spec(std::string id, std::string run = "run_1") {
  Spec spec;
  spec.id = std::move(id);
  spec.run_id = std::move(run);
  spec.job = "job of " + spec.id;
  return spec;
}

asio::awaitable<std::vector<Accepted>> add(Subject& subject, std::vector<Spec> specs);
asio::awaitable<Accepted> add(Subject& subject, Spec spec);
/// The error that enqueue ends with; none: `internal`.
asio::awaitable<Error> add_fails(Subject& subject, std::vector<Spec> specs);
asio::awaitable<std::vector<Claim>> take(Subject& subject, int max, std::string worker = "node_a",
                                         UnixMs lease_ms = 10'000);
/// Ids of what was claimed, comma separated.
asio::awaitable<std::string> take_ids(Subject& subject, int max);
/// Claims one; the test fails when there is none.
asio::awaitable<Claim> take_one(Subject& subject);
asio::awaitable<Finished> finish(Subject& subject, const Claim& claim, Finish::Verdict verdict,
                                 UnixMs delay_ms = 0);
asio::awaitable<Record> get(Subject& subject, std::string id);
asio::awaitable<State> state(Subject& subject, std::string id);
asio::awaitable<std::vector<Moved>> sweep(Subject& subject);
/// "id state cause" of each, comma separated, in order of ids.
std::string describe(std::vector<Moved> moved);

}  // namespace troupe::tasks
