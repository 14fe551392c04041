// The durable store of a simulated world, the bad lines between it and each node, and the referee
// who watches what is applied to it. Tests only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/testing_world.h"
#include "tasks/backend.h"

namespace troupe::simulation {

/// What the referee knows of a task: follows every applied call, and says when one breaks a rule.
struct TaskView {
  tasks::Spec spec;
  tasks::State state = tasks::State::queued;
  std::uint64_t token = 0;
  std::int64_t ready_ms = 0;                        ///< World time at which it became claimable.
  std::map<std::string, std::uint64_t> journalled;  ///< Step → token that wrote it down first.
  std::set<std::uint64_t> finished;  ///< Tokens whose finish was applied: it may be repeated.
  bool page_failed = false;          ///< By the script: its journal may be given up then.
  int retries = 0;
};

/// The rules of the store: tokens only grow, one holder, states follow the table, gates and pauses
/// hold, nothing disappears.
class Referee {
 public:
  explicit Referee(World& world) : world_(world) {}

  void accepted(const tasks::Submission& submission, const std::vector<tasks::Accepted>& answers);
  void claimed(const std::string& node, const std::vector<tasks::Claim>& claims);
  void finished(const std::vector<tasks::Finish>& finishes,
                const std::vector<tasks::Finished>& answers);
  void moved(const tasks::Moved& moved, bool replayed);
  void moved(const std::vector<tasks::Moved>& all);
  void journalled(const std::string& id, std::uint64_t token, const std::string& key,
                  const std::string& text);
  void paused(const std::string& queue, bool paused);
  /// An action of a step had its effect outside.
  void effect(const std::string& id, std::uint64_t token, const std::string& step);
  /// A task's record at the end.
  void compare(const tasks::Record& record);

  std::map<std::string, TaskView> tasks;
  std::set<std::string> open_runs;             ///< By their markers.
  std::map<std::string, std::int64_t> served;  ///< Claims by tenant.
  int effects = 0;
  int repeated = 0;  ///< Effects of steps that had had theirs, but were not written down.

 private:
  void take_finish(TaskView& task, tasks::Finish::Verdict verdict, tasks::State now);
  void go(TaskView& task, tasks::State to, const std::string& why);
  TaskView* find(const std::string& id, const std::string& who);

  World& world_;
  std::map<std::string, int> running_by_gate_;
  std::set<std::string> paused_;
  std::set<std::string> effects_seen_;
};

/// How bad the lines are; the chances are per call.
struct Weather {
  double lose_call = 0, lose_answer = 0, twice = 0, refuse = 0, lose_news = 0;
  Duration latency_max = std::chrono::milliseconds(5);
  Duration disk_max{};  ///< What a change may take besides.
};

class Link;

/// The store itself: a place of its own, with the backend in memory as what is on its disk.
class Hub final {
 public:
  Hub(World& world, Referee& referee, Place& place);

  World& world;
  Referee& referee;
  Place& place;
  std::unique_ptr<tasks::Backend> store;
  Weather weather;
  std::vector<Link*> links;
};

/// A node's way to the store. What was sent arrives though the sender dies; an answer to a dead
/// one goes nowhere.
class Link final : public tasks::Backend {
 public:
  Link(Hub& hub, Place& node, std::string_view name);
  ~Link() override;

  bool cut = false;      ///< Partition: nothing goes through.
  bool severed = false;  ///< The node is dead for the world; only its memory is still tidied up.
  /// Tokens as this node was told, and until when it may act on them (its own clock).
  std::map<std::string, std::uint64_t> tokens;
  std::map<std::uint64_t, SteadyTime> lease_until;  ///< By token.

  std::string_view name() const override { return name_; }
  Async<std::vector<tasks::Accepted>> enqueue(Context& ctx, tasks::Submission submission) override;
  Async<tasks::Claimed> claim(Context& ctx, tasks::ClaimRequest request) override;
  Async<std::vector<tasks::Beat>> beat(Context& ctx, std::string worker,
                                       std::vector<tasks::Held> held,
                                       tasks::UnixMs lease_ms) override;
  Async<std::vector<tasks::Finished>> finish(Context& ctx,
                                             std::vector<tasks::Finish> finishes) override;
  Async<tasks::Moved> cancel(Context& ctx, std::string id, std::string reason,
                             tasks::UnixMs grace_ms) override;
  Async<std::vector<tasks::Moved>> cancel_run(Context& ctx, std::string run_id, std::string reason,
                                              tasks::UnixMs grace_ms) override;
  Async<tasks::Moved> replay(Context& ctx, std::string id) override;
  Async<void> change(Context& ctx, std::string id, tasks::Change change) override;
  Async<void> pause(Context& ctx, std::string queue, bool paused) override;
  Async<void> set_limit(Context& ctx, std::string key, std::optional<std::int64_t> limit) override;
  Async<std::optional<tasks::Record>> get(Context& ctx, std::string id) override;
  Async<tasks::Page> list(Context& ctx, tasks::Filter filter, std::string cursor,
                          int limit) override;
  Async<tasks::Counts> run_counts(Context& ctx, std::string run_id) override;
  Async<tasks::Stats> stats(Context& ctx) override;
  Async<std::int64_t> purge(Context& ctx, tasks::Filter filter, int max) override;
  Async<tasks::Swept> sweep(Context& ctx, int max) override;
  Async<void> journal_add(Context& ctx, std::string id, std::uint64_t token,
                          tasks::Journal entries) override;
  Async<tasks::Journal> journal(Context& ctx, std::string id) override;
  Async<std::uint64_t> put(Context& ctx, tasks::Document document) override;
  Async<std::optional<tasks::Document>> document(Context& ctx, std::string kind,
                                                 std::string id) override;
  Async<std::vector<tasks::Document>> documents(Context& ctx, std::string kind, std::string cursor,
                                                int limit, bool newest_first) override;
  Async<void> erase(Context& ctx, std::string kind, std::string id) override;
  void watch(std::function<void()> news) override { news_ = std::move(news); }
  asio::awaitable<void> close() override;
  void tell_news();

 private:
  template <class T>
  using Work = std::function<Async<T>(Context&)>;
  template <class T>
  struct SeenBy {
    using type = std::function<void(const T&)>;
  };
  template <class T>
  using Seen =
      typename std::conditional_t<std::is_void_v<T>, std::type_identity<std::function<void()>>,
                                  SeenBy<T>>::type;
  template <class T>
  Async<T> call(Context& ctx, std::string what, Work<T> work, Seen<T> seen, bool writes);
  template <class T>
  static asio::awaitable<void> apply(Hub& hub, std::string who, std::string what, Work<T> work,
                                     Seen<T> seen, bool twice,
                                     std::function<void(Result<T>)> answer);

  Hub& hub_;
  Place& node_;
  std::string name_;
  std::function<void()> news_;
};

}  // namespace troupe::simulation
