#include "services/stagehand_runtime.h"

#include <array>
#include <charconv>
#include <optional>

namespace troupe::services {
namespace {

using std::chrono::milliseconds;

constexpr auto kPoll = milliseconds(10);
constexpr auto kPollLater = milliseconds(50);
constexpr auto kWakeAfter = std::chrono::seconds(1);
constexpr auto kOldWorker = std::chrono::seconds(4);
constexpr auto kAttach = std::chrono::seconds(10);
constexpr int kAttachFailuresMax = 20;
constexpr auto kFind = std::chrono::seconds(3);
constexpr auto kProbe = std::chrono::seconds(2);
constexpr std::size_t kSaidMax = 4'000;

constexpr const char* kMarker =
    "({marker: globalThis.__stagehand_runtime ?? null, "
    "receives: typeof globalThis.__stagehandReceiveFromHost === 'function'})";

std::string string_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

struct Release {
  std::array<int, 3> numbers{};
  std::string_view before;  ///< Pre-release.
};

std::optional<Release> release_from(std::string_view text) {
  Release release;
  text = text.substr(0, text.find('+'));
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) release.before = text.substr(dash + 1);
  text = text.substr(0, dash);
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto read = std::from_chars(at, end, release.numbers[i]);
    if (read.ec != std::errc()) return std::nullopt;
    at = read.ptr;
    if (i < 2 && (at == end || *at++ != '.')) return std::nullopt;
  }
  if (at != end) return std::nullopt;
  return release;
}

// What Runtime.evaluate gave by value.
const json::value* value_of(const json::object& answer) {
  const json::value* result = find(answer, "result");
  return result ? find(*result, "value") : nullptr;
}

Error no_extensions(const Error& why) {
  return fail(Errc::unsupported, "stagehand: this browser takes no extension: " + why.message,
              "browser",
              "use a full build: apt-get install chromium, and leave TROUPE_BROWSER empty");
}

}  // namespace

bool stagehand_compatible(std::string_view wanted, std::string_view offered) {
  const auto want = release_from(wanted);
  const auto have = release_from(offered);
  return want && have && want->numbers[0] == have->numbers[0] &&
         have->numbers[1] >= want->numbers[1] && want->before == have->before;
}

StagehandRuntime::StagehandRuntime(cdp::Connection& connection, StagehandRuntimeOptions options)
    : connection_(connection), options_(std::move(options)) {}

StagehandRuntime::~StagehandRuntime() = default;

void StagehandRuntime::on_root_event(std::string_view method, const json::object& params) {
  if (method != "Target.detachedFromTarget") return;
  const std::string session = string_at(params, "sessionId");
  // It may end before the answer tells that it began.
  if (worker_session_.empty()) detached_.insert(session);
  if (session != worker_session_) return;
  const Error ended = fail(Errc::unavailable, "stagehand: its worker has ended", "stagehand");
  connection_.fail_session(session, ended);
  if (rpc_) rpc_->end(ended);
}

void StagehandRuntime::on_notification(std::string_view method, const json::object& params) {
  if (method != "stagehand.log" || !options_.on_log) return;
  const std::string said = without_endpoint(string_at(params, "message").substr(0, kSaidMax));
  options_.on_log(find_string(params, "level").value_or("info"), said.substr(0, 300));
}

// It may hold a key.
std::string StagehandRuntime::without_endpoint(std::string text) const {
  if (options_.endpoint.empty()) return text;
  for (auto at = text.find(options_.endpoint); at != std::string::npos;
       at = text.find(options_.endpoint, at))
    text.replace(at, options_.endpoint.size(), "[endpoint]");
  return text;
}

Async<void> StagehandRuntime::ensure(Context& ctx) {
  const auto self = shared_from_this();
  for (;;) {
    if (is_ready()) co_return Result<void>{};
    if (!starting_) break;
    CO_TRY_VOID(co_await changed_.wait(ctx));
  }
  starting_ = true;
  Context limited = ctx.with_timeout(options_.start_timeout, "start of Stagehand");
  auto started = co_await start(limited);
  starting_ = false;
  changed_.pulse();
  co_return started;
}

Async<void> StagehandRuntime::start(Context& ctx) {
  if (running() && !distrusted_) {
    CO_TRY(const bool works, co_await answers(ctx));
    if (works) co_return Result<void>{};
  }
  drop_watch();
  const bool again = rpc_ != nullptr;
  if (rpc_) rpc_->end(fail(Errc::unavailable, "stagehand: is loaded anew", "stagehand"));
  if (again) CO_TRY_VOID(co_await unload(ctx));
  CO_TRY_VOID(co_await load(ctx, again));
  CO_TRY_VOID(co_await attach(ctx));
  CO_TRY_VOID(co_await initialise(ctx));
  ++starts_;
  distrusted_ = false;
  co_return Result<void>{};
}

// A call got no answer in time. That may be the page's fault: is anything answered?
Async<bool> StagehandRuntime::answers(Context& ctx) {
  Context brief = ctx.with_timeout(options_.health_timeout, "Stagehand's health");
  const auto rpc = rpc_;
  StagehandRequest pages{.method = "context.pages", .params = {}};
  const auto answer = co_await rpc->call(brief, std::move(pages));
  if (answer) rpc->clear_suspicion();
  CO_TRY_VOID(ctx.check());
  if (answer || answer.error().code == Errc::session_lost) co_return bool(answer);
  if (options_.on_log) options_.on_log("warn", "does not answer: loading it anew");
  co_return false;
}

Async<void> StagehandRuntime::load(Context& ctx, bool again) {
  if (options_.folder.empty()) co_return co_await adopt(ctx, again);
  id_ = unpacked_extension_id(options_.folder);
  auto loaded = co_await load_folder(ctx, options_.folder);
  if (loaded || loaded.error().code != Errc::protocol_error) co_return loaded;
  // A browser behind a port of this machine may have other files, and the extension among them.
  const auto there = co_await listed(ctx);
  if (!there || there->id.empty()) co_return no_extensions(loaded.error());
  options_.folder.clear();
  co_return co_await adopt(ctx, again);
}

Async<void> StagehandRuntime::load_folder(Context& ctx, std::string folder) {
  // A worker that is there already ends when its extension is loaded again, and tells nobody.
  CO_TRY(old_worker_, co_await worker_target(ctx, {}));
  // In every context: else its content scripts are in the default one only.
  json::object params{{"path", folder}, {"enableInIncognito", true}};
  CO_TRY(const auto loaded,
         co_await connection_.call(ctx, "", "Extensions.loadUnpacked", std::move(params)));
  id_ = string_at(loaded, "id");
  co_return Result<void>{};
}

// What the browser was started with. Where it is on that machine lets it be loaded anew.
Async<void> StagehandRuntime::adopt(Context& ctx, bool again) {
  CO_TRY(const auto there, co_await installed(ctx));
  id_ = there.id;
  old_worker_.clear();
  if (!again && !options_.in_contexts) co_return Result<void>{};
  if (there.folder.empty() && !again) co_return Result<void>{};
  if (there.folder.empty())
    co_return fail(Errc::unavailable, "stagehand: does not answer, and cannot be loaded anew here",
                   "browser", "the next session has a new one");
  auto loaded = co_await load_folder(ctx, there.folder);
  const bool refused = !loaded && loaded.error().code == Errc::protocol_error;
  if (refused && !again) co_return Result<void>{};
  co_return loaded;
}

// Right after its start a browser may not have it yet.
Async<StagehandRuntime::Installed> StagehandRuntime::installed(Context& ctx) {
  const SteadyTime began = ctx.clock().now();
  for (;;) {
    auto there = co_await listed(ctx);
    if (!there && there.error().code == Errc::protocol_error) there = co_await find_by_marker(ctx);
    if (!there || !there->id.empty()) co_return there;
    if (ctx.clock().now() - began >= kFind)
      co_return fail(Errc::not_found, "stagehand: the browser has no such extension", "browser",
                     "start it with the extension loaded");
    CO_TRY_VOID(co_await sleep_for(ctx, kPollLater));
  }
}

Async<StagehandRuntime::Installed> StagehandRuntime::listed(Context& ctx) {
  CO_TRY(const auto known, co_await connection_.call(ctx, "", "Extensions.getExtensions"));
  Installed there;
  const json::value* list = find(known, "extensions");
  if (!list || !list->is_array()) co_return there;
  for (const json::value& one : list->get_array()) {
    if (!one.is_object() || string_at(one.get_object(), "name") != kStagehandName) continue;
    if (!find_bool(one.get_object(), "enabled").value_or(true)) continue;
    there = {.id = string_at(one.get_object(), "id"),
             .folder = string_at(one.get_object(), "path")};
  }
  co_return there;
}

// A browser that does not tell its extensions: its workers say what they are.
Async<StagehandRuntime::Installed> StagehandRuntime::find_by_marker(Context& ctx) {
  CO_TRY(const auto all, co_await workers(ctx));
  for (const json::object& worker : all) {
    constexpr std::string_view kScheme = "chrome-extension://";
    const std::string url = string_at(worker, "url");
    if (!url.starts_with(kScheme) || !url.ends_with("/service-worker.js")) continue;
    std::string target = string_at(worker, "targetId");
    CO_TRY(const bool is_it, co_await has_marker(ctx, std::move(target)));
    const auto end = url.find('/', kScheme.size());
    if (is_it)
      co_return Installed{.id = url.substr(kScheme.size(), end - kScheme.size()), .folder = {}};
  }
  co_return Installed{};
}

Async<bool> StagehandRuntime::has_marker(Context& ctx, std::string target) {
  json::object attach{{"targetId", target}, {"flatten", true}};
  const auto attached =
      co_await connection_.call(ctx, "", "Target.attachToTarget", std::move(attach));
  if (!attached && attached.error().code == Errc::protocol_error) co_return false;  // just ended
  if (!attached) co_return attached.error();
  const std::string session = string_at(*attached, "sessionId");
  json::object params{{"expression", kMarker}, {"returnByValue", true}};
  Context brief = ctx.with_timeout(kProbe, "a worker's answer");
  const auto answer =
      co_await connection_.call(brief, session, "Runtime.evaluate", std::move(params));
  connection_.post("", "Target.detachFromTarget", {{"sessionId", session}});
  CO_TRY_VOID(ctx.check());
  const json::value* value = answer ? value_of(*answer) : nullptr;
  const json::value* marker = value ? find(*value, "marker") : nullptr;
  co_return marker && marker->is_object();
}

void StagehandRuntime::drop_watch() {
  if (watched_target_.empty()) return;
  connection_.post("", "Target.closeTarget", {{"targetId", std::exchange(watched_target_, {})}});
}

Async<void> StagehandRuntime::unload(Context& ctx) {
  rpc_.reset();
  if (options_.folder.empty() || id_.empty()) co_return Result<void>{};
  json::object params{{"id", id_}};
  const auto gone = co_await connection_.call(ctx, "", "Extensions.uninstall", std::move(params));
  if (!gone && gone.error().code != Errc::protocol_error) co_return gone.error();
  co_return Result<void>{};
}

Async<std::vector<json::object>> StagehandRuntime::workers(Context& ctx) {
  // Said outright: else the filter counts that others on this connection look for targets with.
  json::array filter{json::object{{"type", "service_worker"}}};
  json::object params{{"filter", std::move(filter)}};
  CO_TRY(const auto targets,
         co_await connection_.call(ctx, "", "Target.getTargets", std::move(params)));
  std::vector<json::object> found;
  const json::value* infos = find(targets, "targetInfos");
  if (infos && infos->is_array())
    for (const json::value& info : infos->get_array())
      if (info.is_object() && string_at(info.get_object(), "type") == "service_worker")
        found.push_back(info.get_object());
  co_return found;
}

Async<std::string> StagehandRuntime::worker_target(Context& ctx, std::string other_than) {
  CO_TRY(const auto all, co_await workers(ctx));
  const std::string url = "chrome-extension://" + id_ + "/";
  for (const json::object& target : all)
    if (string_at(target, "url").starts_with(url) && string_at(target, "targetId") != other_than)
      co_return string_at(target, "targetId");
  co_return std::string();
}

// A worker that sleeps is woken by its own page.
Async<std::string> StagehandRuntime::find_worker(Context& ctx) {
  const SteadyTime began = ctx.clock().now();
  std::string page;
  for (;;) {
    const Duration spent = ctx.clock().now() - began;
    std::string old = spent < kOldWorker ? old_worker_ : std::string();
    auto found = co_await worker_target(ctx, std::move(old));
    const bool over = !found || !found->empty();
    if (over && !page.empty()) connection_.post("", "Target.closeTarget", {{"targetId", page}});
    if (over) co_return found;
    if (page.empty() && spent > kWakeAfter) {
      json::object params{{"url", "chrome-extension://" + id_ + "/wake-service-worker.html"},
                          {"background", true}};
      const auto opened =
          co_await connection_.call(ctx, "", "Target.createTarget", std::move(params));
      page = opened ? string_at(*opened, "targetId") : "none";
    }
    CO_TRY_VOID(co_await sleep_for(ctx, kPoll));
  }
}

// An extension that was just loaded anew may still show its old worker, which ends in a moment.
Async<void> StagehandRuntime::attach(Context& ctx) {
  worker_session_.clear();
  root_events_ = connection_.on_events(
      "", [this](std::string_view m, const json::object& p) { on_root_event(m, p); });
  for (int failures = 1;; ++failures) {
    detached_.clear();
    Context brief = ctx.with_timeout(kAttach, "Stagehand's worker");
    auto attached = co_await attach_once(brief);
    if (attached || attached.error().code == Errc::unsupported) co_return attached;
    if (!connection_.is_open() || !ctx.check()) co_return attached;
    drop_watch();
    if (!worker_session_.empty())
      connection_.post("", "Target.detachFromTarget",
                       {{"sessionId", std::exchange(worker_session_, {})}});
    if (failures == kAttachFailuresMax) co_return attached;
    CO_TRY_VOID(co_await sleep_for(ctx, kPollLater));
  }
}

Async<void> StagehandRuntime::attach_once(Context& ctx) {
  CO_TRY(std::string target, co_await find_worker(ctx));
  json::object attach{{"targetId", target}, {"flatten", true}};
  CO_TRY(const auto attached,
         co_await connection_.call(ctx, "", "Target.attachToTarget", std::move(attach)));
  const std::string session = string_at(attached, "sessionId");
  worker_session_ = session;
  if (detached_.contains(session))
    co_return fail(Errc::unavailable, "stagehand: its worker has ended", "stagehand");
  auto rpc = std::make_shared<StagehandRpc>(
      connection_, session,
      [this](std::string_view m, const json::object& p) { on_notification(m, p); });
  const json::object none;
  CO_TRY_VOID(co_await connection_.call(ctx, session, "Runtime.enable", none));
  json::object binding{{"name", StagehandRpc::kBinding}};
  CO_TRY_VOID(co_await connection_.call(ctx, session, "Runtime.addBinding", std::move(binding)));
  CO_TRY_VOID(co_await await_marker(ctx, session));
  CO_TRY_VOID(co_await announce(ctx, session));
  rpc_ = std::move(rpc);
  co_return Result<void>{};
}

Async<void> StagehandRuntime::await_marker(Context& ctx, std::string session_id) {
  Duration pause = kPoll;
  for (;;) {
    json::object params{{"expression", kMarker}, {"returnByValue", true}};
    auto answer = co_await connection_.call(ctx, session_id, "Runtime.evaluate", std::move(params));
    if (!answer) co_return answer.error();
    const json::value* value = value_of(*answer);
    const json::value* marker = value ? find(*value, "marker") : nullptr;
    if (marker && marker->is_object()) {
      const std::string offered = string_at(marker->get_object(), "protocolVersion");
      const json::value* info = find(*marker, "serverInfo");
      if (info && info->is_object()) version_ = string_at(info->get_object(), "version");
      if (!stagehand_compatible(kStagehandProtocol, offered))
        co_return fail(Errc::unsupported,
                       "stagehand: the extension speaks protocol " + offered + ", not " +
                           std::string(kStagehandProtocol),
                       "settings", "install the right one: troupe stagehand install");
      if (find(*value, "receives") && *find(*value, "receives") == json::value(true))
        co_return Result<void>{};
    }
    CO_TRY_VOID(co_await sleep_for(ctx, pause));
    pause = kPollLater;
  }
}

// A hidden target that dies with our connection tells the runtime that nobody listens any more.
Async<void> StagehandRuntime::announce(Context& ctx, std::string session_id) {
  json::object create{
      {"url", "about:blank#stagehand-client-connection"}, {"hidden", true}, {"background", true}};
  CO_TRY(const auto created,
         co_await connection_.call(ctx, "", "Target.createTarget", std::move(create)));
  watched_target_ = string_at(created, "targetId");
  const json::object action{{"action", "attach"},
                            {"targetId", watched_target_},
                            {"cdpUrl", options_.endpoint},
                            {"closeBrowserOnDisconnect", false}};
  json::object params{{"expression", "globalThis.__stagehandClientLifecycle(" +
                                         json::serialize(action) + ").then(() => true)"},
                      {"awaitPromise", true},
                      {"returnByValue", true}};
  CO_TRY(const auto answer,
         co_await connection_.call(ctx, session_id, "Runtime.evaluate", std::move(params)));
  const json::value* details = find(answer, "exceptionDetails");
  if (!details) co_return Result<void>{};
  const json::value* exception = find(*details, "exception");
  const json::value* text = exception ? find(*exception, "description") : nullptr;
  std::string why = text && text->is_string() ? std::string(text->get_string()) : "";
  co_return fail(Errc::unavailable,
                 "stagehand: it does not take us on: " +
                     without_endpoint(why).substr(0, std::min<std::size_t>(why.find('\n'), 300)),
                 "stagehand");
}

StagehandRequest stagehand_init_request(const std::string& endpoint, const std::string& log_level) {
  json::object params{{"protocol_version", kStagehandProtocol},
                      {"client_info", json::object{{"name", "troupe"}, {"version", "1"}}},
                      {"browser_cdp_url", endpoint},
                      {"model", json::object{{"source", "client"}}},
                      {"log_level", log_level},
                      {"self_heal", false},
                      {"dom_settle_timeout_ms", 1},
                      {"cache", false}};
  return {.method = "stagehand.init", .params = std::move(params)};
}

Async<void> StagehandRuntime::initialise(Context& ctx) {
  const auto rpc = rpc_;
  StagehandRequest request = stagehand_init_request(options_.endpoint, options_.log_level);
  StagehandRequest first = request;
  auto done = co_await rpc->call(ctx, std::move(first));
  if (!done && done.error().message.find("already initialized") != std::string::npos) {
    // Somebody before us, who is gone: else we would not have been taken on.
    StagehandRequest close{.method = "stagehand.close", .params = {}};
    CO_TRY_VOID(co_await rpc->call(ctx, std::move(close)));
    done = co_await rpc->call(ctx, std::move(request));
  }
  if (!done) {
    Error error = done.error();
    error.message = without_endpoint(std::move(error.message));
    rpc->end(error);
    co_return error;
  }
  co_return Result<void>{};
}

Async<json::value> StagehandRuntime::call(Context& ctx, StagehandRequest request,
                                          StagehandAsker asker) {
  const auto self = shared_from_this();
  const auto rpc = rpc_;
  if (!rpc) co_return fail(Errc::unavailable, "stagehand: is not started", "stagehand");
  co_return co_await rpc->call(ctx, std::move(request), std::move(asker));
}

Async<void> StagehandRuntime::close(Context& ctx) {
  const auto self = shared_from_this();
  const auto rpc = std::exchange(rpc_, nullptr);
  if (!rpc || rpc->ended()) co_return Result<void>{};
  StagehandRequest request{.method = "stagehand.close", .params = {}};
  auto closed = co_await rpc->call(ctx, std::move(request));
  rpc->end(fail(Errc::unavailable, "stagehand: closed", "stagehand"));
  drop_watch();
  if (!closed) co_return closed.error();
  co_return Result<void>{};
}

}  // namespace troupe::services
