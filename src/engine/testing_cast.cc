#include "engine/testing_cast.h"

#include <array>

#include "engine/parts.h"

namespace troupe::simulation {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;

// A place is its own clock; the engine wants to own one.
class PlaceClock final : public Clock {
 public:
  explicit PlaceClock(Place& place) : place_(place) {}
  SteadyTime now() const override { return place_.now(); }
  WallTime wall() const override { return place_.wall(); }
  TimerId at(SteadyTime when, std::function<void()> callback) override {
    return place_.at(when, std::move(callback));
  }
  void cancel(TimerId id) override { place_.cancel(id); }

 private:
  Place& place_;
};

class TraceLog final : public observe::Log {
 public:
  TraceLog(World& world, std::string who) : world_(world), who_(std::move(who)) {}
  bool enabled(observe::Level) const override { return world_.keep_trace; }
  void write(const Ids& ids, const observe::LogLine& line) override {
    if (!world_.keep_trace) return;
    std::string text = std::string(line.action) + " " + std::string(line.status);
    if (!ids.task.empty()) text += " " + ids.task + "/" + std::to_string(ids.attempt);
    if (!ids.session.empty()) text += " " + ids.session;
    if (line.error) text += ": " + line.error->describe();
    world_.trace(who_, text);
  }
  void flush() override {}

 private:
  World& world_;
  std::string who_;
};

class ScriptedBrowser final : public sessions::ProviderSession {
 public:
  ScriptedBrowser(Node& node, std::string id) : node_(node), id_(std::move(id)) {
    node.ward.open.insert(id_);
    ++node.ward.made;
    const auto most = static_cast<std::size_t>(node.options.sessions_max);
    if (node.ward.open.size() > most)
      node.world.broken(node.options.name + " has more than " + std::to_string(most) + " sessions");
    World& world = node.world;
    if (!world.happens(node.script.session_dies)) return;
    const SteadyTime when = world.now() + world.between(10ms, 6s);
    death_ = Timer(node.place, when, [this] { die(); });
  }
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override { return fail(Errc::unsupported, "simulation"); }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page>) override {}
  Result<std::string> downloads_dir() override { return fail(Errc::unsupported, "simulation"); }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return lost_; }
  Error lost_reason() const override { return fail(Errc::session_lost, "browser: died"); }
  Async<void> close(Context& ctx, bool) override {
    World& world = node_.world;
    const Duration takes = world.between(1ms, 500ms);
    (void)co_await sleep_for(ctx, takes);
    if (!node_.buried && !died_ && !node_.ward.open.contains(id_))
      world.broken("session " + id_ + " was closed twice");
    death_.reset();
    node_.ward.open.erase(id_);
    node_.ward.ended.insert(id_);
    if (world.happens(node_.script.close_fails))
      co_return fail(Errc::protocol_error, "browser: answered nonsense to its end");
    co_return Result<void>{};
  }

 private:
  void die() {
    died_ = true;
    node_.ward.open.erase(id_);
    node_.ward.ended.insert(id_);
    node_.world.trace(node_.options.name, "session " + id_ + " dies");
    lost_.set();
  }

  Node& node_;
  std::string id_;
  bool died_ = false;
  Timer death_;
  Event lost_;
  Session::Counters counters_;
};

class ScriptedMaker final : public sessions::SessionProvider {
 public:
  explicit ScriptedMaker(Node& node) : node_(node) {}
  std::string_view name() const override { return "local"; }
  Async<std::unique_ptr<sessions::ProviderSession>> create(Context& ctx, std::string id,
                                                           SessionSpec) override {
    World& world = node_.world;
    const bool hangs = world.happens(node_.script.creation_hangs);
    const bool fails = world.happens(node_.script.creation_fails);
    const Duration takes = hangs ? Duration(1h) : world.between(10ms, 1500ms);
    CO_TRY_VOID(co_await sleep_for(ctx, takes));
    if (fails) co_return fail(Errc::unavailable, "browser: could not be started");
    std::unique_ptr<sessions::ProviderSession> session =
        std::make_unique<ScriptedBrowser>(node_, std::move(id));
    co_return session;
  }
  Async<void> tend(Context&) override { co_return Result<void>{}; }
  Async<void> shutdown(Context&) override { co_return Result<void>{}; }

 private:
  Node& node_;
};

class BlankTab final : public interact::Tab {
 public:
  std::string url() const override { return "about:blank"; }
};

// Actions are texts `step word`; what they say is their result.
class ScriptedPages final : public interact::Interactor {
 public:
  explicit ScriptedPages(Node& node) : node_(node) {}
  std::string_view name() const override { return "native"; }
  Async<std::unique_ptr<interact::Tab>> open(Context&, sessions::LiveSession&,
                                             interact::InteractOptions) override {
    std::unique_ptr<interact::Tab> tab = std::make_unique<BlankTab>();
    co_return tab;
  }
  Async<interact::ActionResult> perform(Context& ctx, interact::Tab&,
                                        interact::Action action) override {
    World& world = node_.world;
    const std::string text(action.args.at("expression").as_string());
    const bool hangs = world.happens(node_.script.action_hangs);
    const bool fails = world.happens(node_.script.action_fails);
    const auto kind = static_cast<std::size_t>(world.random.between(0, 4));
    const Duration takes = hangs ? Duration(1h) : world.between(1ms, node_.script.action_max);
    if (hangs) mark(ctx);
    CO_TRY_VOID(co_await sleep_for(ctx, takes));
    if (fails) {
      constexpr std::array kKinds = {Errc::network_error, Errc::navigation_failed,
                                     Errc::target_not_found, Errc::unavailable,
                                     Errc::assertion_failed};
      if (traits(kKinds[kind]).fault == Fault::page) mark(ctx);
      co_return fail(kKinds[kind], "page: as the script says");
    }
    take_effect(ctx, text.substr(0, text.find(' ')));
    interact::ActionResult result{.output = json::value(text), .changed = "dom"};
    co_return result;
  }
  Async<std::string> screenshot(Context&, interact::Tab&) override {
    co_return fail(Errc::unsupported, "simulation");
  }
  Async<void> close(Context&, std::unique_ptr<interact::Tab>, bool) override {
    co_return Result<void>{};
  }

 private:
  void mark(Context& ctx) {
    const auto task = node_.hub.referee.tasks.find(ctx.ids().task);
    if (task != node_.hub.referee.tasks.end()) task->second.page_failed = true;
  }

  void take_effect(Context& ctx, const std::string& step) {
    if (node_.buried) return;
    const std::string& task = ctx.ids().task;
    const auto token = node_.link->tokens.find(task);
    if (token == node_.link->tokens.end())
      return node_.world.broken(node_.options.name + " performs task " + task +
                                ", which it never got");
    node_.hub.referee.effect(task, token->second, step);
    const SteadyTime until = node_.link->lease_until[token->second];
    const SteadyTime now = node_.world.now();
    if (now > until && now > node_.place.thawed_at)
      node_.world.broken(node_.options.name + " acts on task " + task + " after its lease, by " +
                         std::to_string((now - until) / 1ms) + " ms");
    if (node_.world.keep_trace)
      node_.world.trace(node_.options.name, "effect " + step + " " + task);
  }

  Node& node_;
};

}  // namespace

Node::Node(Hub& h, Script& s, NodeOptions o)
    : world(h.world),
      hub(h),
      script(s),
      options(std::move(o)),
      place(world.add_place(options.name)) {
  engine::Parts parts;
  parts.clock = std::make_unique<PlaceClock>(place);
  parts.log = std::make_unique<TraceLog>(world, options.name);
  auto way = std::make_unique<Link>(hub, place, options.backend_name);
  link = way.get();
  parts.backend = std::move(way);
  parts.keep_runs = true;
  parts.settings.data_dir = "/nonexistent";
  parts.settings.sessions_max = options.sessions_max;
  parts.settings.step_timeout = 8s;
  parts.settings.session_create_timeout = 10s;
  parts.settings.drain_timeout = 3s;
  parts.settings.task_attempts = 4;
  parts.providers.push_back(std::make_unique<ScriptedMaker>(*this));
  parts.interactors.push_back(std::make_unique<ScriptedPages>(*this));
  parts.seed = options.seed;
  engine = engine::Engine::assemble(place.any(), std::move(parts));
}

void Node::kill() {
  world.trace(options.name, "is killed");
  place.life = Place::Life::killed;
  link->severed = true;
  link->watch(nullptr);
  ward.open.clear();
  handlers_left = 0;
}

void Node::bury() {
  if (place.life != Place::Life::killed) return;
  buried = true;
  place.life = Place::Life::running;
  close(true);
}

void Node::close(bool now) {
  closing = true;
  place.spawn([](Node& node, bool at_once) -> asio::awaitable<void> {
    co_await node.engine->close(at_once);
    node.closed = true;
  }(*this, now));
}

}  // namespace troupe::simulation
