#include "sessions/process_sessions.h"

#include <filesystem>

#include "sessions/certificates.h"
#include "sessions/cookie_file.h"
#include "sessions/launch_plan.h"
#include "sessions/proxy_forwarder.h"
#include "sessions/session_shape.h"
#include "sessions/tab_limits.h"
#include "sessions/target_rules.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr auto kFlushTimeout = std::chrono::seconds(5);

ChromiumOptions default_shape(const LocalOptions& options, const KernelLimits& limits) {
  return {.browser = options.browser,
          .browsers_dir = options.data_dir + "/browsers",
          .renderer_heap_mb = options.renderer_heap_mb,
          .listening = true,
          .memory_bytes_max = limits.memory_bytes_max,
          .cgroups = limits.cgroups(),
          .cpu_weight = options.browser_cpu_weight};
}

SparesOptions spares_options(const LocalOptions& options, const KernelLimits& limits) {
  return {.chromium = default_shape(options, limits),
          .goal = {.min = options.warm_processes_min,
                   .max = options.warm_processes,
                   .latency = options.warm_latency},
          .age_max = options.browser_recycle_age,
          .memory_mb = options.browser_memory_mb};
}

}  // namespace

// What a session has besides its id. The rules go before the browser whose connection they use.
struct ProcessSessions::Prepared {
  std::unique_ptr<ProxyForwarder> forwarder;
  std::unique_ptr<Chromium> chromium;
  std::unique_ptr<TargetRules> rules;
  std::unique_ptr<TabLimits> tabs;
};

class ProcessSession final : public ProviderSession {
 public:
  ProcessSession(ProcessSessions& owner, ProcessSessions::Prepared parts, std::string id,
                 SessionSpec spec)
      : owner_(owner), parts_(std::move(parts)), id_(std::move(id)), spec_(std::move(spec)) {
    owner_.running_.insert(this);
    TabWatcher watcher{.storm = [this](Error error) { end_for(std::move(error)); },
                       .crashed = [this](const std::string&) { page_crashed(); }};
    parts_.tabs->watch("", std::move(watcher));
  }
  ~ProcessSession() override { owner_.running_.erase(this); }

  const std::string& id() const override { return id_; }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return chromium().connection().closed_event(); }
  Error lost_reason() const override {
    return over_limit_ ? *over_limit_ : parts_.chromium->death();
  }
  EndReason lost_as() const override { return end_of(*parts_.chromium); }
  Async<void> diagnose(Context& ctx) override {
    if (over_limit_) co_return Result<void>{};
    co_return co_await chromium().await_exit(ctx);
  }

  Result<Browser> browser() override {
    if (ended_) return has_ended();
    if (!chromium().alive()) return lost_reason();
    return Browser{.connection = &chromium().connection(),
                   .viewport_width = spec_.viewport_width,
                   .viewport_height = spec_.viewport_height};
  }

  Async<std::string> endpoint(Context& ctx) override {
    if (ended_) co_return has_ended();
    if (!chromium().alive()) co_return lost_reason();
    if (chromium().endpoint().empty()) co_return co_await ProviderSession::endpoint(ctx);
    co_return chromium().endpoint();
  }

  std::unique_ptr<cdp::Page> take_page() override { return std::move(page_); }

  void give_back_page(std::unique_ptr<cdp::Page> page) override {
    if (!page) return;
    const auto traffic = chromium().connection().session_counters(page->session_id());
    counters_.cdp_commands += traffic.commands;
    counters_.cdp_bytes_sent += traffic.bytes_sent;
    counters_.cdp_bytes_received += traffic.bytes_received;
    if (!page_) page_ = std::move(page);
  }

  Result<std::string> downloads_dir() override {
    const std::string dir = downloads_path();
    std::error_code error;
    fs::create_directories(dir, error);
    if (error)
      return fail(Errc::storage_failed, "downloads folder " + dir + ": " + error.message(),
                  "data_dir", "free disk space, or set data_dir to a folder that can be written");
    return dir;
  }

  void describe(Session& session) const override {
    session.memory_bytes = usage_.resident_bytes;
    session.cpu_seconds = usage_.cpu_seconds;
    session.context_id = spec_.context_id;
    session.keep_alive = spec_.keep_alive;
    if (parts_.forwarder) session.proxy_bytes = parts_.forwarder->proxied_bytes();
  }

  // What a client of the API downloaded it fetches later (SessionFiles); other sessions' files are
  // moved out of here by their task.
  Async<void> close(Context& ctx, bool) override {
    ended_ = true;
    page_.reset();
    Result<void> saved;
    if (!spec_.context_id.empty() && spec_.context_persist) saved = co_await save_context(ctx);
    auto killed = co_await chromium().kill(ctx);
    if (!is_listening(spec_)) {
      std::error_code ignored;
      fs::remove_all(downloads_path(), ignored);
    }
    co_return saved ? killed : saved;
  }

  pid_t group() const { return parts_.chromium->process().pid(); }
  void note_usage(const GroupUsage& usage) {
    // Processors of helper processes that have ended are no longer told.
    usage_ = {.resident_bytes = usage.resident_bytes,
              .cpu_seconds = std::max(usage_.cpu_seconds, usage.cpu_seconds)};
  }
  // Ends the browser when the session takes more than it may; the pool learns it from lost().
  void hold_to_limits(const LocalOptions& options) {
    const std::int64_t megabytes = usage_.resident_bytes >> 20;
    std::string what = over_download_limits(options, downloads_path());
    if (megabytes > options.browser_memory_mb)
      what = std::to_string(megabytes) + " MiB of memory exceed browser_memory_mb " +
             std::to_string(options.browser_memory_mb);
    if (!what.empty()) end_for(fail(Errc::exhausted, "session " + id_ + ": " + what, "session"));
  }

 private:
  Chromium& chromium() { return *parts_.chromium; }
  void end_for(Error error) {
    if (ended_ || over_limit_) return;
    over_limit_ = std::move(error);
    chromium().process().kill_group();
  }
  // A page that crashed by itself is its client's to notice.
  void page_crashed() {
    ++counters_.page_errors;
    if (chromium().cgroup().oom_kills() == 0) return;
    end_for(fail(Errc::exhausted, "session " + id_ + ": its memory reached browser_memory_max_mb",
                 "session"));
  }
  Error has_ended() const {
    return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
  }
  std::string downloads_path() const { return owner_.options_.data_dir + "/downloads/" + id_; }

  // Only what a browser wrote that ended by itself is whole.
  Async<void> save_context(Context& ctx) {
    ContextStore& contexts = *owner_.options_.contexts;
    if (chromium().alive()) {
      Context brief = ctx.for_cleanup(kFlushTimeout, "cookies");
      (void)co_await write_cookies(brief, chromium());
      chromium().connection().post("", "Browser.close");
      Context limit = ctx.for_cleanup(kFlushTimeout, "browser close");
      (void)co_await chromium().process().exited().wait(limit);
    }
    if (chromium().closed())
      co_return co_await contexts.save(ctx, spec_.context_id, chromium().profile_dir());
    contexts.give_up(spec_.context_id);
    co_return fail(Errc::storage_failed, "context " + spec_.context_id +
                                             ": not saved, the browser did not end by itself");
  }

  ProcessSessions& owner_;
  ProcessSessions::Prepared parts_;
  std::string id_;
  SessionSpec spec_;
  Session::Counters counters_{.tasks = 1};
  std::unique_ptr<cdp::Page> page_;
  GroupUsage usage_;
  std::optional<Error> over_limit_;
  bool ended_ = false;
};

ProcessSessions::ProcessSessions(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                                 LocalOptions options, const KernelLimits& limits)
    : clock_(clock),
      executor_(executor),
      log_(log),
      options_(std::move(options)),
      limits_(limits),
      spares_(clock, executor, log, spares_options(options_, limits)) {}

ProcessSessions::~ProcessSessions() = default;

Async<std::unique_ptr<ProviderSession>> ProcessSessions::create(Context& ctx, std::string id,
                                                                SessionSpec spec) {
  CO_TRY_VOID(give_own_proxy(spec.proxies, options_.proxy_url));
  CO_TRY_VOID(check_local_spec(spec));
  Prepared parts;
  const bool spare_fits = is_listening(spec) && is_default_shape(spec);
  const SteadyTime asked_at = clock_.now();
  if (spare_fits) parts.chromium = spares_.take();
  if (!parts.chromium) {
    CO_TRY(parts, co_await prepare(ctx, spec));
  }
  if (spare_fits) spares_.acquired(clock_.now() - asked_at);
  const TabLimitsOptions tabs{.tabs_max = options_.tabs_max};
  parts.tabs = std::make_unique<TabLimits>(clock_, parts.chromium->connection(), tabs);
  parts.tabs->start();
  TargetRulesOptions rules{
      .requests = RequestRules(spec), .extra_headers = spec.extra_headers, .locale = spec.locale};
  parts.rules = std::make_unique<TargetRules>(parts.chromium->connection(), std::move(rules));
  auto ruled = co_await parts.rules->start(ctx);
  std::unique_ptr<ProviderSession> session =
      std::make_unique<ProcessSession>(*this, std::move(parts), std::move(id), std::move(spec));
  if (ruled) co_return session;
  (void)co_await session->close(ctx, false);
  co_return ruled.error();
}

// The claim on a context ends with a failure; afterwards the session has it.
Async<ProcessSessions::Prepared> ProcessSessions::prepare(Context& ctx, SessionSpec spec) {
  CO_TRY(ProfileFolder profile, ProfileFolder::make(options_.data_dir + "/browsers"));
  if (spec.context_id.empty()) co_return co_await launch(ctx, spec, std::move(profile));
  if (!options_.contexts)
    co_return fail(Errc::unsupported, "session context: this service keeps none", "session");
  const bool persist = spec.context_persist;
  CO_TRY_VOID(co_await options_.contexts->load(ctx, spec.context_id, profile.path(), persist));
  auto parts = co_await launch(ctx, spec, std::move(profile));
  if (parts) {
    const auto restored = co_await read_cookies(ctx, *parts->chromium);
    if (!restored) parts = restored.error();
  }
  if (!parts && persist) options_.contexts->give_up(spec.context_id);
  co_return parts;
}

Async<ProcessSessions::Prepared> ProcessSessions::launch(Context& ctx, SessionSpec spec,
                                                         ProfileFolder profile) {
  Prepared parts;
  LaunchParts found;
  ChromiumOptions base = default_shape(options_, limits_);
  if (!spec.extension_id.empty()) {
    if (!options_.extensions)
      co_return fail(Errc::unsupported, "session extension: this service keeps none", "session");
    CO_TRY(const auto extension, options_.extensions->find(spec.extension_id));
    CO_TRY(const auto binary, find_full_browser(options_.browser));
    found.extension_folder = extension.folder;
    base.browser = binary.path;
  }
  if (!spec.driver_folder.empty()) {
    CO_TRY(const auto binary, find_full_browser(options_.browser));
    base.browser = binary.path;
  }
  const RequestRules rules(spec);
  if (!spec.proxies.empty() || rules.covers_connections()) {
    CO_TRY(parts.forwarder, ProxyForwarder::start(clock_, executor_, spec.proxies));
    if (rules.covers_connections())
      parts.forwarder->allow_only(
          [rules](const std::string& host) { return rules.host_allowed(host); });
    found.proxy_port = parts.forwarder->port();
  }
  if (!spec.ca_certificates.empty()) {
    CO_TRY(auto files, certificate_files(spec));
    found.home = profile.path() + "/home";
    CO_TRY_VOID(co_await trust_certificates(ctx, found.home, std::move(files)));
  }
  ChromiumOptions options = plan_launch(std::move(base), spec, found);
  CO_TRY(parts.chromium, co_await Chromium::launch(ctx, std::move(options), std::move(profile)));
  co_return parts;
}

Result<std::vector<std::string>> ProcessSessions::certificate_files(const SessionSpec& spec) const {
  std::vector<std::string> files;
  if (!options_.certificate_file)
    return fail(Errc::unsupported, "session certificates: this service keeps none", "session");
  for (const auto& id : spec.ca_certificates) {
    TRY(std::string file, options_.certificate_file(id));
    files.push_back(std::move(file));
  }
  return files;
}

void ProcessSessions::tend(bool short_of_memory) {
  spares_.tend(short_of_memory);
  if (running_.empty()) return;
  const auto usage = usage_of_groups();
  for (ProcessSession* session : running_) {
    const auto found = usage.find(session->group());
    if (found != usage.end()) session->note_usage(found->second);
    session->hold_to_limits(options_);
  }
}

Async<void> ProcessSessions::shutdown(Context& ctx) { co_return co_await spares_.shutdown(ctx); }

}  // namespace troupe::sessions
