#include "engine/testing_simulation.h"

#include <algorithm>
#include <array>

#include "engine/run_codec.h"
#include "workflows/definition.h"

namespace troupe::simulation {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;

constexpr auto kEndsWithin = 10min;  // after the last fault
constexpr auto kAskAgain = 25s;

constexpr std::string_view kWorkflow = R"(
workflow: three_steps
inputs:
  word: {type: string}
steps:
  - {id: a, evaluate: "a {{ inputs.word }}", save_as: first}
  - {id: b, evaluate: "b {{ inputs.word }}", save_as: second}
  - {id: c, evaluate: "c {{ inputs.word }}", save_as: third}
output:
  said: "{{ first }}, {{ second }}, {{ third }}"
)";

constexpr std::string_view kLooped = R"(
workflow: with_a_loop
inputs:
  word: {type: string}
steps:
  - {id: a, evaluate: "a {{ inputs.word }}", save_as: first}
  - id: l
    for_each: [1, 2, 3]
    as: n
    collect: "{{ round }}"
    save_as: rounds
    do:
      - {id: round, evaluate: "l{{ n }} {{ inputs.word }}", save_as: round}
  - {id: z, evaluate: "z {{ inputs.word }}", save_as: last}
output:
  said: "{{ first }}, {{ rounds | join(', ') }}, {{ last }}"
)";

Workflow three_steps() {
  static const auto definition = workflows::parse_definition(kWorkflow, "three_steps.yaml").value();
  return Workflow(definition);
}

Workflow with_a_loop() {
  static const auto definition = workflows::parse_definition(kLooped, "with_a_loop.yaml").value();
  return Workflow(definition);
}

std::string expected(const std::string& word, bool looped) {
  std::string text = "a " + word;
  for (const std::string_view step : looped ? std::vector<std::string_view>{"l1", "l2", "l3", "z"}
                                            : std::vector<std::string_view>{"b", "c"})
    text += ", " + std::string(step) + " " + word;
  return text;
}

// What a client wants, and insists on.
struct Order {
  RunRequest request;
  bool looped = false;  ///< Its workflow has a loop.
  bool accepted = false;
  bool cancelled = false;  ///< Somebody asked for that.
  std::string run_id;
};

class Simulation final {
 public:
  Simulation(std::uint64_t seed, bool keep_trace)
      : world_(seed, seed % 4 == 3),
        outside_(world_.add_place("world")),
        referee_(world_),
        hub_(world_, referee_, world_.add_place("store")) {
    world_.keep_trace = keep_trace;
    world_.before_handler = [this](Place& place) { count_down(place); };
  }

  Verdict play();
  Verdict play_crowd();

 private:
  using Act = std::function<void()>;
  void after(Duration delay, Act act) { outside_.at(world_.now() + delay, std::move(act)); }

  // What happens.
  void prepare();
  void start(std::size_t machine);
  Node* living(std::size_t machine);
  Node* some_living();
  void order(int number);
  Order& order_of(std::string tenant, int items, int priority, Duration when);
  void insist(Order& order);
  asio::awaitable<void> ask(Node& node, Order& order);
  asio::awaitable<void> ask_cancel(Node& node, Order& order);
  void fault();
  void count_down(Place& place);
  void restart_when_closed(Node& node, std::size_t machine);
  void heal();

  // How it ends.
  bool run_until(const std::function<bool()>& done, Duration limit);
  bool settled() const;
  std::string unsettled() const;
  void finish();
  void close_all();
  asio::awaitable<void> inspect();
  void inspect(const tasks::Record& record);
  void inspect_run(const tasks::Document& document);

  World world_;
  Place& outside_;
  Referee referee_;
  Hub hub_;
  Script script_;
  int sessions_least_ = 1;
  bool one_machine_ = false;  ///< On SQLite; else nodes on Redis.
  bool healed_ = false;
  bool over_ = false;  ///< Nobody is started any more.
  bool inspected_ = false;
  std::vector<std::vector<std::unique_ptr<Node>>> machines_;  ///< With all their lives.
  std::size_t widowed_ = 1'000;                               ///< A machine that stays dead.
  std::vector<std::unique_ptr<Order>> orders_;
  Verdict verdict_;
};

void Simulation::prepare() {
  Random& random = world_.random;
  one_machine_ = world_.happens(0.3);
  machines_.resize(one_machine_ ? 1 : static_cast<std::size_t>(random.between(2, 3)));
  if (!one_machine_ && world_.happens(0.2)) widowed_ = machines_.size() - 1;
  script_.action_fails = world_.happens(0.5) ? 0.1 : 0;
  script_.action_hangs = world_.happens(0.2) ? 0.05 : 0;
  script_.creation_fails = world_.happens(0.3) ? 0.15 : 0;
  script_.creation_hangs = world_.happens(0.1) ? 0.1 : 0;
  script_.session_dies = world_.happens(0.3) ? 0.2 : 0;
  script_.close_fails = world_.happens(0.2) ? 0.3 : 0;
  hub_.weather.disk_max = world_.happens(0.3) ? 300ms : 0ms;
  if (!one_machine_ && world_.happens(0.5))
    hub_.weather = {.lose_call = 0.02,
                    .lose_answer = 0.05,
                    .twice = 0.05,
                    .refuse = 0.03,
                    .lose_news = 0.3,
                    .latency_max = 50ms,
                    .disk_max = hub_.weather.disk_max};
  for (std::size_t i = 0; i < machines_.size(); ++i) start(i);
  const auto orders = random.between(1, 4);
  for (int i = 0; i < orders; ++i) order(i);
  const auto faults = random.between(0, 8);
  for (int i = 0; i < faults; ++i) after(world_.between(10ms, 30s), [this] { fault(); });
}

void Simulation::start(std::size_t machine) {
  auto& lives = machines_[machine];
  const std::string name =
      "node" + std::to_string(machine + 1) + "." + std::to_string(lives.size() + 1);
  world_.trace(name, "starts");
  lives.push_back(std::make_unique<Node>(
      hub_, script_,
      NodeOptions{.name = name,
                  .backend_name = one_machine_ ? "sqlite" : "redis",
                  .sessions_max = static_cast<int>(world_.random.between(sessions_least_, 3)),
                  .seed = world_.random.next()}));
  if (one_machine_) lives.back()->place.wall_offset = hub_.place.wall_offset;
}

Node* Simulation::living(std::size_t machine) {
  Node* node = machines_[machine].back().get();
  return node->place.life == Place::Life::killed || node->closing ? nullptr : node;
}

Node* Simulation::some_living() {
  std::vector<Node*> all;
  for (std::size_t i = 0; i < machines_.size(); ++i)
    if (Node* node = living(i)) all.push_back(node);
  if (all.empty()) return nullptr;
  return all[static_cast<std::size_t>(
      world_.random.between(0, static_cast<std::int64_t>(all.size()) - 1))];
}

void Simulation::order(int number) {
  Random& random = world_.random;
  auto order = std::make_unique<Order>();
  RunRequest& request = order->request;
  order->looped = world_.happens(0.5);
  request.workflow = order->looped ? with_a_loop() : three_steps();
  request.tenant = number % 2 ? "acme" : "zenith";
  request.priority = static_cast<int>(random.between(-3, 3));
  request.idempotency_key = "order" + std::to_string(number);
  const auto items = random.between(1, 3);
  for (int i = 0; i < items; ++i)
    request.items.push_back({{"word", "w" + std::to_string(number) + std::to_string(i)}});
  request.sessions = 1;
  if (world_.happens(0.3)) {
    request.concurrency_key = "shared";
    request.concurrency_limit = 1;
  }
  Order* place = order.get();
  orders_.push_back(std::move(order));
  after(world_.between(0ms, 10s), [this, place] { insist(*place); });
  if (!world_.happens(0.15)) return;
  after(world_.between(1s, 25s), [this, place] {
    Node* node = some_living();
    if (!node || !place->accepted) return;
    place->cancelled = true;
    node->place.spawn(ask_cancel(*node, *place));
  });
}

// Asks until somebody has said that it is accepted.
void Simulation::insist(Order& order) {
  if (order.accepted) return;
  Node* node = some_living();
  if (node) node->place.spawn(ask(*node, order));
  after(node ? Duration(kAskAgain) : Duration(500ms), [this, &order] { insist(order); });
}

asio::awaitable<void> Simulation::ask(Node& node, Order& order) {
  Context base = node.place.context();
  Context ctx = base.with_timeout(20s, "order");
  RunRequest request = order.request;
  auto id = co_await node.engine->submit(ctx, std::move(request));
  if (node.buried) co_return;
  if (id) {
    if (order.accepted && order.run_id != *id)
      world_.broken("one order became the runs " + order.run_id + " and " + *id);
    order.accepted = true;
    order.run_id = *id;
    world_.trace(node.options.name, "accepted " + order.request.idempotency_key + " as " + *id);
  } else if (!id.error().retryable() && id.error().code != Errc::cancelled) {
    world_.broken("an order was refused: " + id.error().describe());
  }
}

asio::awaitable<void> Simulation::ask_cancel(Node& node, Order& order) {
  Context base = node.place.context();
  Context ctx = base.with_timeout(20s, "cancelling");
  const std::string id = order.run_id;
  world_.trace(node.options.name, "is asked to cancel " + id);
  if (co_await node.engine->find_run(ctx, id)) (void)node.engine->cancel(id, "as the client wants");
}

// A node that is doomed dies between two of its handlers: at any place where it waits.
void Simulation::count_down(Place& place) {
  for (const auto& lives : machines_) {
    Node& node = *lives.back();
    if (&node.place != &place || node.handlers_left == 0) continue;
    if (--node.handlers_left > 0) return;
    node.kill();
    ++verdict_.kills;
    const auto machine = static_cast<std::size_t>(&lives - machines_.data());
    if (healed_ || machine == widowed_) return;
    after(world_.between(100ms, 15s), [this, machine] {
      if (!living(machine) && !over_) start(machine);
    });
    return;
  }
}

void Simulation::restart_when_closed(Node& node, std::size_t machine) {
  if (node.place.life == Place::Life::killed) return;  // that has a start of its own
  if (!node.closed)
    return after(100ms, [this, &node, machine] { restart_when_closed(node, machine); });
  if (!node.ward.open.empty())
    world_.broken(node.options.name + " left " + std::to_string(node.ward.open.size()) +
                  " sessions open");
  if (machines_[machine].back().get() == &node && !over_) start(machine);
}

void Simulation::fault() {
  if (healed_) return;
  const auto machine = static_cast<std::size_t>(
      world_.random.between(0, static_cast<std::int64_t>(machines_.size()) - 1));
  const auto kind = world_.random.between(0, one_machine_ ? 5 : 7);
  const Duration lasts = world_.between(100ms, 20s);
  Node* node = living(machine);
  if (!node) return;
  ++verdict_.faults;
  const std::string& name = node->options.name;
  switch (kind) {
    case 0:
    case 1: node->handlers_left = static_cast<std::uint64_t>(world_.random.between(1, 200)); return;
    case 2:
      world_.trace(name, "freezes");
      node->place.life = Place::Life::frozen;
      return after(lasts, [this, node] {
        if (node->place.life != Place::Life::frozen) return;
        world_.trace(node->options.name, "thaws");
        node->place.life = Place::Life::running;
        node->place.thawed_at = world_.now();
      });
    case 3:
      if (node->place.life != Place::Life::running) return;
      world_.trace(name, "is stopped");
      node->close(world_.happens(0.5));
      return restart_when_closed(*node, machine);
    case 4: {
      const Duration jump = world_.between(-2min, 2min);
      world_.trace(name, "has its clock moved by " + std::to_string(jump / 1ms) + " ms");
      node->place.wall_offset += jump;
      if (one_machine_) hub_.place.wall_offset = node->place.wall_offset;
      return;
    }
    case 5:
      world_.trace("store", "has a slow disk");
      hub_.weather.disk_max = 3s;
      return after(lasts, [this] { hub_.weather.disk_max = {}; });
    case 6:
      world_.trace(name, "is cut off");
      node->link->cut = true;
      return after(lasts, [node] { node->link->cut = false; });
    default:
      world_.trace("store", "is hardly reached");
      hub_.weather.lose_call = hub_.weather.lose_answer = hub_.weather.refuse = 0.3;
      return after(lasts, [this] {
        hub_.weather.lose_call = hub_.weather.lose_answer = hub_.weather.refuse = 0;
      });
  }
}

void Simulation::heal() {
  world_.trace("world", "no more faults");
  healed_ = true;
  hub_.weather = {};
  script_ = {};
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    Node& node = *machines_[i].back();
    node.handlers_left = 0;
    node.link->cut = false;
    if (node.place.life == Place::Life::frozen) {
      node.place.life = Place::Life::running;
      node.place.thawed_at = world_.now();
    }
    if (node.place.life == Place::Life::killed && i != widowed_) start(i);
  }
}

bool Simulation::run_until(const std::function<bool()>& done, Duration limit) {
  const SteadyTime end = world_.now() + limit;
  SteadyTime looked = world_.now();
  while (world_.violations.empty() && world_.now() < end) {
    if (!world_.step()) return true;
    verdict_.digest = verdict_.digest * 1'099'511'628'211ULL +
                      static_cast<std::uint64_t>(world_.now().time_since_epoch().count());
    if (world_.now() - looked < 100ms) continue;
    looked = world_.now();
    if (done()) return true;
  }
  return false;
}

bool Simulation::settled() const {
  return referee_.open_runs.empty() &&
         std::ranges::all_of(orders_, [](const auto& order) { return order->accepted; }) &&
         std::ranges::all_of(referee_.tasks,
                             [](const auto& row) { return tasks::is_final(row.second.state); });
}

std::string Simulation::unsettled() const {
  std::string text = "not ended 10 minutes after the last fault:";
  for (const auto& order : orders_)
    if (!order->accepted) text += " " + order->request.idempotency_key + " (never accepted)";
  for (const auto& [id, task] : referee_.tasks)
    if (!tasks::is_final(task.state))
      text += " " + id + " (" + std::string(to_string(task.state)) + ")";
  for (const std::string& id : referee_.open_runs) text += " " + id + " (its end is not stored)";
  return text;
}

void Simulation::inspect(const tasks::Record& record) {
  referee_.compare(record);
  const auto owner = std::ranges::find_if(
      orders_, [&](const auto& order) { return order->run_id == record.spec.run_id; });
  if (owner == orders_.end())
    return world_.broken("task " + record.spec.id + " belongs to no accepted order");
  const Order& order = **owner;
  const auto state = record.status.state;
  const auto word = order.request.items[static_cast<std::size_t>(record.spec.index)].at("word");
  if (state == tasks::State::succeeded) {
    const auto result = parse_json(record.status.result, "result").value().at("output").at("said");
    if (result != json::value(expected(std::string(word.as_string()), order.looped)))
      world_.broken("task " + record.spec.id + " gave " + json::serialize(result));
    return;
  }
  if (state == tasks::State::cancelled && !order.cancelled)
    world_.broken("task " + record.spec.id + " was cancelled, which nobody wanted");
  if (state != tasks::State::failed) return;
  ++verdict_.failed;
  if (record.status.error.empty()) return;  // poisoned: its workers died
  const auto code = parse_json(record.status.error, "error").value().at("error").at("code");
  constexpr std::array kNever = {Errc::not_found, Errc::draining,         Errc::conflict,
                                 Errc::internal,  Errc::invalid_argument, Errc::cancelled};
  for (const Errc never : kNever)
    if (code == json::value(to_string(never)))
      world_.broken("task " + record.spec.id + " failed with " + record.status.error);
}

void Simulation::inspect_run(const tasks::Document& document) {
  const auto value = parse_json(document.text, "run").value();
  const std::string state(value.at("state").as_string());
  std::int64_t succeeded = 0;
  for (const auto& [id, task] : referee_.tasks)
    succeeded += task.spec.run_id == document.id && task.state == tasks::State::succeeded;
  if (value.at("succeeded") != json::value(succeeded))
    world_.broken("run " + document.id + " is stored with " +
                  json::serialize(value.at("succeeded")) + " tasks that succeeded, not " +
                  std::to_string(succeeded));
  if (state == "pending" || state == "running")
    world_.broken("run " + document.id + " is stored as " + state + ", though all has ended");
}

asio::awaitable<void> Simulation::inspect() {
  Context ctx = hub_.place.context();
  const std::string kind(engine::kRunKind), none;
  std::size_t wanted = 0, found = 0;
  for (const auto& order : orders_) wanted += order->request.items.size();
  std::string cursor;
  do {
    tasks::Filter filter;
    auto page = co_await hub_.store->list(ctx, std::move(filter), cursor, 1000);
    for (const auto& record : page->records) inspect(record);
    found += page->records.size();
    cursor = page->next_cursor;
  } while (!cursor.empty());
  if (found != wanted)
    world_.broken(std::to_string(wanted) + " tasks were ordered, there are " +
                  std::to_string(found));
  const auto documents = co_await hub_.store->documents(ctx, kind, none, 1000, false);
  if (documents->size() != orders_.size())
    world_.broken(std::to_string(orders_.size()) + " runs were ordered, there are " +
                  std::to_string(documents->size()));
  for (const auto& document : *documents) inspect_run(document);
  inspected_ = true;
}

void Simulation::close_all() {
  over_ = true;
  for (const auto& lives : machines_)
    for (const auto& node : lives) {
      if (node->place.life == Place::Life::killed)
        node->bury();
      else if (!node->closing)
        node->close(false);
    }
  const auto never = [] { return false; };
  if (!run_until(never, kEndsWithin) && world_.violations.empty())
    world_.broken("something still runs ten minutes after everything was closed");
  if (!world_.violations.empty()) return;
  for (const auto& lives : machines_)
    for (const auto& node : lives) {
      if (!node->closed) world_.broken(node->options.name + " does not end its close()");
      if (!node->buried && !node->ward.open.empty())
        world_.broken(node->options.name + " left sessions open");
    }
}

// From when nothing bad happens any more: everything ends, and ends well.
void Simulation::finish() {
  if (!run_until([this] { return settled(); }, kEndsWithin) && world_.violations.empty())
    world_.broken(unsettled());
  if (world_.violations.empty()) {
    hub_.place.spawn(inspect());
    run_until([this] { return inspected_; }, 1s);
  }
  if (world_.violations.empty()) close_all();
  verdict_.violations = world_.violations;
  verdict_.trace.assign(world_.lines.begin(), world_.lines.end());
  verdict_.steps = world_.steps();
  verdict_.tasks = static_cast<int>(referee_.tasks.size());
  verdict_.effects = referee_.effects;
  verdict_.repeated = referee_.repeated;
}

Verdict Simulation::play() {
  prepare();
  run_until([] { return false; }, world_.between(5s, 45s));
  heal();
  finish();
  return verdict_;
}

Order& Simulation::order_of(std::string tenant, int items, int priority, Duration when) {
  auto order = std::make_unique<Order>();
  RunRequest& request = order->request;
  request.workflow = three_steps();
  request.tenant = std::move(tenant);
  request.priority = priority;
  request.idempotency_key = "order" + std::to_string(orders_.size());
  for (int i = 0; i < items; ++i)
    request.items.push_back({{"word", "w" + std::to_string(orders_.size()) + std::to_string(i)}});
  request.sessions = 2;
  Order* place = order.get();
  orders_.push_back(std::move(order));
  after(when, [this, place] { insist(*place); });
  return *place;
}

Verdict Simulation::play_crowd() {
  machines_.resize(1);
  healed_ = true;
  sessions_least_ = 3;
  start(0);
  constexpr int kMany = 40, kFew = 4;
  order_of("acme", kMany, 0, 0s);
  Order& few = order_of("zenith", kFew, 0, 5s);
  Order& humble = order_of("acme", 1, -9, 5s);
  // A little more urgent work than one node can do, for half an hour.
  for (int i = 0; i < 120; ++i) order_of("acme", 12, 9, 10s + i * 15s);
  const auto all_ended = [this](const Order& order) {
    return order.accepted && std::ranges::all_of(referee_.tasks, [&](const auto& row) {
             return row.second.spec.run_id != order.run_id || tasks::is_final(row.second.state);
           });
  };
  run_until([] { return false; }, 5s);
  const auto served_before = referee_.served["acme"];
  const SteadyTime ordered = world_.now();
  if (!run_until([&] { return all_ended(few); }, 5min))
    world_.broken("few tasks of a second tenant waited for the many of the first");
  const auto overtaken = referee_.served["acme"] - served_before;
  verdict_.overtaken = static_cast<int>(overtaken);
  if (overtaken > kFew + 2 * machines_[0].back()->options.sessions_max + 2)
    world_.broken("while " + std::to_string(kFew) + " tasks of one tenant were served, " +
                  std::to_string(overtaken) + " of the other were");
  // A step of priority is worth a minute: 18 steps are 18 minutes.
  if (!run_until([&] { return all_ended(humble); }, 25min))
    world_.broken("a task of the lowest priority starved");
  verdict_.humble_s = std::chrono::duration<double>(world_.now() - ordered).count();
  if (settled()) world_.broken("there was not enough urgent work for the question");
  verdict_.violations = world_.violations;
  if (!world_.violations.empty()) return verdict_;
  run_until([this] { return settled(); }, 2h);
  finish();
  return verdict_;
}

}  // namespace

Verdict play(std::uint64_t seed, bool keep_trace) {
  auto simulation = std::make_unique<Simulation>(seed, keep_trace);
  Verdict verdict = simulation->play();
  // After a broken rule the processes are in the middle of something: their memory is left alone.
  if (!verdict.violations.empty()) (void)simulation.release();
  return verdict;
}

Verdict play_crowd(std::uint64_t seed) {
  auto simulation = std::make_unique<Simulation>(seed, false);
  Verdict verdict = simulation->play_crowd();
  if (!verdict.violations.empty()) (void)simulation.release();
  return verdict;
}

}  // namespace troupe::simulation
