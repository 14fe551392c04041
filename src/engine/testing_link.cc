#include "engine/testing_link.h"

#include <algorithm>

#include "engine/run_codec.h"

namespace troupe::simulation {
namespace {

using std::chrono_literals::operator""s;
using tasks::State;

constexpr auto kGiveUp = 5s;  // a client of a store that does not answer

}  // namespace

Hub::Hub(World& w, Referee& r, Place& p)
    : world(w), referee(r), place(p), store(tasks::make_memory_backend(p, {})) {
  store->watch([this] {
    for (Link* link : links) link->tell_news();
  });
}

Link::Link(Hub& hub, Place& node, std::string_view name) : hub_(hub), node_(node), name_(name) {
  hub_.links.push_back(this);
}

Link::~Link() { std::erase(hub_.links, this); }

asio::awaitable<void> Link::close() {
  news_ = nullptr;
  co_return;
}

void Link::tell_news() {
  if (!news_ || cut || severed || hub_.world.happens(hub_.weather.lose_news)) return;
  const Duration way = hub_.world.between(Duration::zero(), hub_.weather.latency_max);
  node_.at(hub_.world.now() + way, [this] {
    if (news_ && !severed) news_();
  });
}

template <class T>
asio::awaitable<void> Link::apply(Hub& hub, std::string who, std::string what, Work<T> work,
                                  Seen<T> seen, bool twice, std::function<void(Result<T>)> answer) {
  Context ctx = hub.place.context();
  for (int i = 0; i < (twice ? 2 : 1); ++i) {
    auto applied = work(ctx);
    Result<T> result = co_await std::move(applied);
    if (hub.world.keep_trace)
      hub.world.trace(
          who, what + (result ? "" : ": " + result.error().describe()) + (twice ? " (twice)" : ""));
    if constexpr (std::is_void_v<T>) {
      if (result && seen) seen();
    } else {
      if (result && seen) seen(*result);
    }
    if (i == 0) answer(std::move(result));
  }
}

template <class T>
Async<T> Link::call(Context& ctx, std::string what, Work<T> work, Seen<T> seen, bool writes) {
  if (severed) co_return fail(Errc::cancelled, "store: this node is dead", "simulation");
  CO_TRY_VOID(ctx.check());
  World& world = hub_.world;
  const Weather& weather = hub_.weather;
  auto promise = std::make_shared<Promise<T>>();
  const bool refused = cut ? world.happens(0.5) : world.happens(weather.refuse);
  const bool lost = cut || world.happens(weather.lose_call);
  const bool answer_lost = world.happens(weather.lose_answer);
  const bool twice = writes && world.happens(weather.twice);
  Duration out = world.between(Duration::zero(), weather.latency_max);
  if (writes) out += world.between(Duration::zero(), weather.disk_max);
  const Duration back = world.between(Duration::zero(), weather.latency_max);
  Link* link = this;
  std::function<void(Result<T>)> answer = [promise, link, back, answer_lost](Result<T> result) {
    if (answer_lost || link->cut) return;
    auto kept = std::make_shared<Result<T>>(std::move(result));
    Place& node = link->node_;
    node.at(node.now() + back, [promise, kept] { promise->set(std::move(*kept)); });
  };
  if (refused) {
    node_.at(world.now() + out, [promise] {
      promise->set(fail(Errc::unavailable, "store: connection refused", "simulation"));
    });
  } else if (!lost) {
    Hub* hub = &hub_;
    const std::string who = node_.name();
    hub_.place.at(world.now() + out,
                  [=] { hub->place.spawn(apply<T>(*hub, who, what, work, seen, twice, answer)); });
  }
  Context limited = ctx.with_timeout(kGiveUp, "store: " + what);
  co_return co_await promise->wait(limited);
}

Async<std::vector<tasks::Accepted>> Link::enqueue(Context& ctx, tasks::Submission submission) {
  Hub* hub = &hub_;
  return call<std::vector<tasks::Accepted>>(
      ctx, "enqueue",
      [hub, submission](Context& at) { return hub->store->enqueue(at, submission); },
      [hub, submission](const auto& answers) { hub->referee.accepted(submission, answers); }, true);
}

Async<tasks::Claimed> Link::claim(Context& ctx, tasks::ClaimRequest request) {
  Hub* hub = &hub_;
  const SteadyTime until = hub_.world.now() + std::chrono::milliseconds(request.lease_ms);
  const std::string who = node_.name();
  Work<tasks::Claimed> work = [hub, request](Context& at) {
    return hub->store->claim(at, request);
  };
  Seen<tasks::Claimed> seen = [hub, who](const tasks::Claimed& claimed) {
    hub->referee.claimed(who, claimed.claims);
  };
  auto answer = co_await call<tasks::Claimed>(ctx, "claim", work, seen, true);
  if (answer)
    for (const tasks::Claim& claim : answer->claims) {
      tokens[claim.spec.id] = claim.token;
      lease_until[claim.token] = until;
    }
  co_return answer;
}

Async<std::vector<tasks::Beat>> Link::beat(Context& ctx, std::string worker,
                                           std::vector<tasks::Held> held, tasks::UnixMs lease_ms) {
  Hub* hub = &hub_;
  const SteadyTime until = hub_.world.now() + std::chrono::milliseconds(lease_ms);
  Work<std::vector<tasks::Beat>> work = [hub, worker, held, lease_ms](Context& at) {
    return hub->store->beat(at, worker, held, lease_ms);
  };
  auto answer = co_await call<std::vector<tasks::Beat>>(ctx, "beat", work, {}, true);
  for (std::size_t i = 0; answer && i < held.size(); ++i)
    if ((*answer)[i] != tasks::Beat::lost) lease_until[held[i].token] = until;
  co_return answer;
}

Async<std::vector<tasks::Finished>> Link::finish(Context& ctx,
                                                 std::vector<tasks::Finish> finishes) {
  Hub* hub = &hub_;
  return call<std::vector<tasks::Finished>>(
      ctx, "finish " + finishes.front().id,
      [hub, finishes](Context& at) { return hub->store->finish(at, finishes); },
      [hub, finishes](const auto& answers) { hub->referee.finished(finishes, answers); }, true);
}

Async<tasks::Moved> Link::cancel(Context& ctx, std::string id, std::string reason,
                                 tasks::UnixMs grace_ms) {
  Hub* hub = &hub_;
  return call<tasks::Moved>(
      ctx, "cancel " + id,
      [=](Context& at) { return hub->store->cancel(at, id, reason, grace_ms); },
      [hub](const auto& moved) { hub->referee.moved(moved, false); }, true);
}

Async<std::vector<tasks::Moved>> Link::cancel_run(Context& ctx, std::string run_id,
                                                  std::string reason, tasks::UnixMs grace_ms) {
  Hub* hub = &hub_;
  return call<std::vector<tasks::Moved>>(
      ctx, "cancel_run " + run_id,
      [=](Context& at) { return hub->store->cancel_run(at, run_id, reason, grace_ms); },
      [hub](const auto& all) { hub->referee.moved(all); }, true);
}

Async<tasks::Moved> Link::replay(Context& ctx, std::string id) {
  Hub* hub = &hub_;
  return call<tasks::Moved>(
      ctx, "replay " + id, [=](Context& at) { return hub->store->replay(at, id); },
      [hub](const auto& moved) { hub->referee.moved(moved, true); }, true);
}

Async<void> Link::change(Context& ctx, std::string id, tasks::Change change) {
  Hub* hub = &hub_;
  return call<void>(
      ctx, "change", [=](Context& at) { return hub->store->change(at, id, change); }, {}, true);
}

Async<void> Link::pause(Context& ctx, std::string queue, bool paused) {
  Hub* hub = &hub_;
  return call<void>(
      ctx, "pause", [=](Context& at) { return hub->store->pause(at, queue, paused); },
      [=] { hub->referee.paused(queue, paused); }, true);
}

Async<void> Link::set_limit(Context& ctx, std::string key, std::optional<std::int64_t> limit) {
  Hub* hub = &hub_;
  return call<void>(
      ctx, "set_limit", [=](Context& at) { return hub->store->set_limit(at, key, limit); }, {},
      true);
}

Async<std::optional<tasks::Record>> Link::get(Context& ctx, std::string id) {
  Hub* hub = &hub_;
  return call<std::optional<tasks::Record>>(
      ctx, "get", [=](Context& at) { return hub->store->get(at, id); }, {}, false);
}

Async<tasks::Page> Link::list(Context& ctx, tasks::Filter filter, std::string cursor, int limit) {
  Hub* hub = &hub_;
  return call<tasks::Page>(
      ctx, "list", [=](Context& at) { return hub->store->list(at, filter, cursor, limit); }, {},
      false);
}

Async<tasks::Counts> Link::run_counts(Context& ctx, std::string run_id) {
  Hub* hub = &hub_;
  return call<tasks::Counts>(
      ctx, "run_counts", [=](Context& at) { return hub->store->run_counts(at, run_id); }, {},
      false);
}

Async<tasks::Stats> Link::stats(Context& ctx) {
  Hub* hub = &hub_;
  return call<tasks::Stats>(
      ctx, "stats", [=](Context& at) { return hub->store->stats(at); }, {}, false);
}

Async<std::int64_t> Link::purge(Context& ctx, tasks::Filter filter, int max) {
  Hub* hub = &hub_;
  return call<std::int64_t>(
      ctx, "purge", [=](Context& at) { return hub->store->purge(at, filter, max); }, {}, true);
}

Async<tasks::Swept> Link::sweep(Context& ctx, int max) {
  Hub* hub = &hub_;
  return call<tasks::Swept>(
      ctx, "sweep", [=](Context& at) { return hub->store->sweep(at, max); },
      [hub](const auto& swept) { hub->referee.moved(swept.moved); }, true);
}

Async<void> Link::journal_add(Context& ctx, std::string id, std::uint64_t token,
                              tasks::Journal entries) {
  Hub* hub = &hub_;
  std::string name = "journal_add " + id;
  for (const auto& [key, text] : entries) name += " " + key;
  return call<void>(
      ctx, name, [=](Context& at) { return hub->store->journal_add(at, id, token, entries); },
      [=] {
        for (const auto& [key, text] : entries) hub->referee.journalled(id, token, key, text);
      },
      true);
}

Async<tasks::Journal> Link::journal(Context& ctx, std::string id) {
  Hub* hub = &hub_;
  return call<tasks::Journal>(
      ctx, "journal", [=](Context& at) { return hub->store->journal(at, id); }, {}, false);
}

Async<std::uint64_t> Link::put(Context& ctx, tasks::Document document) {
  Hub* hub = &hub_;
  return call<std::uint64_t>(
      ctx, "put " + document.kind + " " + document.id,
      [=](Context& at) { return hub->store->put(at, document); }, {}, true);
}

Async<std::optional<tasks::Document>> Link::document(Context& ctx, std::string kind,
                                                     std::string id) {
  Hub* hub = &hub_;
  return call<std::optional<tasks::Document>>(
      ctx, "document", [=](Context& at) { return hub->store->document(at, kind, id); }, {}, false);
}

Async<std::vector<tasks::Document>> Link::documents(Context& ctx, std::string kind,
                                                    std::string cursor, int limit,
                                                    bool newest_first) {
  Hub* hub = &hub_;
  return call<std::vector<tasks::Document>>(
      ctx, "documents",
      [=](Context& at) { return hub->store->documents(at, kind, cursor, limit, newest_first); }, {},
      false);
}

Async<void> Link::erase(Context& ctx, std::string kind, std::string id) {
  Hub* hub = &hub_;
  return call<void>(
      ctx, "erase " + kind + " " + id, [=](Context& at) { return hub->store->erase(at, kind, id); },
      [=] {
        if (kind == engine::kOpenRunKind) hub->referee.open_runs.erase(id);
      },
      true);
}

}  // namespace troupe::simulation
