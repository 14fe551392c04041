// The seams of service.h over the engine.
#include "api/automation.h"
#include "api/node_events.h"
#include "api/server.h"
#include "engine/engine.h"
#include "sessions/pool.h"
#include "sessions/session_files.h"
#include "workflows/catalogue.h"
#include "workflows/definition.h"

namespace troupe::api {
namespace {

class BusSource final : public EventSource {
 public:
  explicit BusSource(std::shared_ptr<observe::EventBus::Subscriber> subscriber)
      : subscriber_(std::move(subscriber)) {}
  Async<observe::EventRecord> next(Context& ctx) override { return subscriber_->next(ctx); }
  std::uint64_t dropped() const override { return subscriber_->dropped(); }

 private:
  std::shared_ptr<observe::EventBus::Subscriber> subscriber_;
};

class EngineRuns final : public RunService {
 public:
  explicit EngineRuns(engine::Engine& engine) : engine_(engine) {}
  Async<std::string> submit(Context& ctx, RunRequest request) override {
    return engine_.submit(ctx, std::move(request));
  }
  Async<RunResult> wait(Context& ctx, std::string run_id) override {
    return engine_.wait(ctx, std::move(run_id));
  }
  Async<RunResult> find(Context& ctx, std::string run_id) override {
    return engine_.find_run(ctx, std::move(run_id));
  }
  Async<std::vector<RunResult>> list(Context& ctx, std::string cursor, int limit) override {
    return engine_.list_runs(ctx, std::move(cursor), limit);
  }
  Async<std::vector<tasks::Accepted>> submit_all(Context& ctx,
                                                 std::vector<RunRequest> requests) override {
    return engine_.submit_all(ctx, std::move(requests));
  }
  Async<tasks::Moved> cancel_task(Context& ctx, std::string task_id, std::string reason) override {
    return engine_.cancel_task(ctx, std::move(task_id), std::move(reason));
  }
  Async<tasks::Moved> replay_task(Context& ctx, std::string task_id) override {
    return engine_.replay_task(ctx, std::move(task_id));
  }
  Async<int> replay_run(Context& ctx, std::string run_id) override {
    return engine_.replay_run(ctx, std::move(run_id));
  }
  Result<void> cancel(const std::string& run_id, std::string reason) override {
    return engine_.cancel(run_id, std::move(reason));
  }
  std::unique_ptr<EventSource> events(const std::string& run_id, std::uint64_t after) override {
    return std::make_unique<BusSource>(engine_.events().subscribe(run_id, after));
  }
  std::string node_of(const std::string& run_id) const override { return engine_.node_of(run_id); }

 private:
  engine::Engine& engine_;
};

class EngineSessions final : public SessionService {
 public:
  explicit EngineSessions(engine::Engine& engine) : engine_(engine) {}
  Async<Session> create(Context& ctx, SessionSpec spec) override {
    return engine_.create_session(ctx, std::move(spec));
  }
  Result<Session> find(const std::string& session_id) const override {
    return engine_.session(session_id);
  }
  std::vector<Session> list() const override { return engine_.sessions(false); }
  Async<void> release(Context& ctx, std::string session_id) override {
    return engine_.release_session(ctx, std::move(session_id));
  }
  Async<void> end(Context& ctx, std::string session_id, EndReason reason) override {
    return engine_.release_session(ctx, std::move(session_id), reason);
  }
  Async<std::string> endpoint(Context& ctx, std::string session_id) override {
    return engine_.pool().endpoint(ctx, std::move(session_id));
  }
  Result<std::string> downloads_dir(const std::string& session_id) override {
    return engine_.pool().downloads_dir(session_id);
  }
  Result<std::string> uploads_dir(const std::string& session_id) override {
    // A session whose browser is elsewhere sees no folder of this machine.
    TRY_VOID(engine_.pool().downloads_dir(session_id));
    sessions::SessionFiles* files = engine_.stores().files;
    if (!files) return fail(Errc::unsupported, "files: not offered by this service");
    return files->upload_dir(session_id);
  }
  Result<SessionSpec> spec(const std::string& session_id) const override {
    return engine_.pool().spec(session_id);
  }
  void count(const std::string& session_id, int clients, const Session::Counters& more) override {
    if (clients != 0) engine_.pool().count_client(session_id, clients);
    engine_.pool().count_traffic(session_id, more);
  }
  std::shared_ptr<void> on_created(std::function<void(const std::string&)> listener) override {
    return listen("session.created", std::move(listener));
  }
  std::shared_ptr<void> on_ended(std::function<void(const std::string&)> listener) override {
    return listen("session.ended", std::move(listener));
  }

 private:
  std::shared_ptr<void> listen(std::string_view type,
                               std::function<void(const std::string&)> listener) {
    auto handle = engine_.events().listen([type, listener](const observe::EventRecord& event) {
      if (event.type == type) listener(event.ids.session);
    });
    return handle.handler;
  }

  engine::Engine& engine_;
};

json::object input_object(const workflows::Input& input) {
  json::object object{{"name", input.name},
                      {"type", workflows::to_string(input.type)},
                      {"required", input.required}};
  if (input.default_value) object["default"] = *input.default_value;
  if (!input.description.empty()) object["description"] = input.description;
  if (!input.allowed.empty())
    object["enum"] = json::array(input.allowed.begin(), input.allowed.end());
  return object;
}

class CatalogueLibrary final : public Library {
 public:
  explicit CatalogueLibrary(const workflows::Catalogue& catalogue) : catalogue_(catalogue) {}

  json::array workflows() const override {
    json::array list;
    for (const auto& row : catalogue_.list_workflows())
      list.push_back({{"name", row.name},
                      {"version", row.version},
                      {"description", row.description},
                      {"origin", row.origin}});
    return list;
  }

  Result<json::object> workflow(const std::string& name) const override {
    TRY(const auto definition, catalogue_.workflow(name));
    json::array inputs;
    for (const auto& input : definition->inputs) inputs.push_back(input_object(input));
    return json::object{{"name", definition->name},
                        {"version", definition->version},
                        {"description", definition->description},
                        {"inputs", std::move(inputs)},
                        {"output_schema", definition->output_schema}};
  }

  json::array sites() const override {
    json::array list;
    for (const auto& site : catalogue_.list_sites())
      list.push_back(
          {{"name", site.name}, {"description", site.description}, {"origin", site.origin}});
    return list;
  }

  Result<json::object> site(const std::string& name) const override {
    TRY(const auto site, catalogue_.site(name));
    return json::object{{"name", site.name},
                        {"description", site.description},
                        {"origin", site.origin},
                        {"profile", site.profile}};
  }

  Result<Workflow> parse(const json::object& document) const override {
    TRY(auto definition, workflows::parse_definition(document, "request body"));
    return Workflow(std::move(definition));
  }

 private:
  const workflows::Catalogue& catalogue_;
};

net::HttpClientOptions fetch_options(const Settings& settings, bool verify) {
  net::HttpClientOptions options;
  options.verify_certificates = verify;
  options.public_addresses_only = settings.fetch_addresses != "all";
  // Where only public addresses may be asked there is no proxy: it would look names up by itself.
  if (const auto rules = net::proxy_rules(net::proxy_environment()); rules) options.proxy = *rules;
  return options;
}

// Through the proxy of the settings and no other way; null when there is none that fetches can use.
std::unique_ptr<net::HttpClient> proxied_client(const Settings& settings, bool verify) {
  const auto proxy = net::parse_url(settings.proxy_url);
  if (!proxy || proxy->scheme != "http") return nullptr;
  net::HttpClientOptions options = fetch_options(settings, verify);
  options.proxy = {.http = *proxy, .https = *proxy};
  options.always_proxied = true;
  return net::HttpClient::create(std::move(options));
}

// One of several processes on a shared backend.
struct Membership {
  Membership(engine::Engine& from, const SessionService& sessions, asio::any_io_executor executor)
      : engine(from),
        nodes(from.backend(), sessions, from.clock(), executor, from.log(), options(from)),
        events(nodes, from.events(), from.clock(), executor,
               [&from](const std::string& run_id) { return from.node_of(run_id); }) {
    listener = from.events().listen([this](const observe::EventRecord& event) {
      if (event.type.starts_with("session.")) nodes.changed(event.ids.session);
    });
    from.on_close([this] { return stop(); });
  }
  ~Membership() { engine.on_close(nullptr); }

  static NodesOptions options(const engine::Engine& from) {
    const Settings& settings = from.settings();
    return {.self = {.id = from.node(), .url = {}, .role = settings.role},
            .secret = from.shared_secret(),
            .beat_every = std::min<Duration>(std::chrono::seconds(2), settings.task_lease / 4),
            .silence_max = settings.task_lease,
            .kept = settings.downloads_kept};
  }
  asio::awaitable<void> stop() {
    co_await events.stop();
    co_await nodes.stop();
  }

  engine::Engine& engine;
  Nodes nodes;
  NodeEvents events;
  observe::EventBus::Listener listener;
};

struct Adapters {
  Adapters(engine::Engine& engine, asio::any_io_executor executor,
           std::unique_ptr<net::HttpClient> search_client)
      : runs(engine),
        sessions(engine),
        library(engine.catalogue()),
        fetcher(net::HttpClient::create(fetch_options(engine.settings(), true))),
        unverified_fetcher(net::HttpClient::create(fetch_options(engine.settings(), false))),
        proxied_fetcher(proxied_client(engine.settings(), true)),
        unverified_proxied_fetcher(proxied_client(engine.settings(), false)),
        searcher(std::move(search_client)),
        membership(engine.shared_secret().empty()
                       ? nullptr
                       : std::make_unique<Membership>(engine, sessions, executor)),
        automation(engine, runs, library, std::move(executor)) {}
  EngineRuns runs;
  EngineSessions sessions;
  CatalogueLibrary library;
  std::unique_ptr<net::HttpClient> fetcher;
  std::unique_ptr<net::HttpClient> unverified_fetcher;
  std::unique_ptr<net::HttpClient> proxied_fetcher;
  std::unique_ptr<net::HttpClient> unverified_proxied_fetcher;
  std::unique_ptr<net::HttpClient> searcher;
  std::unique_ptr<Membership> membership;
  Automation automation;
};

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(engine::Engine& engine,
                                                    asio::any_io_executor executor,
                                                    std::string host, int port) {
  net::HttpClientOptions search;
  TRY(search.proxy, net::proxy_rules(net::proxy_environment()));
  auto adapters =
      std::make_shared<Adapters>(engine, executor, net::HttpClient::create(std::move(search)));
  Services services{.runs = adapters->runs,
                    .sessions = adapters->sessions,
                    .library = adapters->library,
                    .clock = engine.clock(),
                    .log = engine.log(),
                    .settings = engine.settings(),
                    .readiness = [&engine] { return engine.readiness(); },
                    .stores = engine.stores(),
                    .fetcher = adapters->fetcher.get(),
                    .unverified_fetcher = adapters->unverified_fetcher.get(),
                    .searcher = adapters->searcher.get(),
                    .proxied_fetcher = adapters->proxied_fetcher.get(),
                    .unverified_proxied_fetcher = adapters->unverified_proxied_fetcher.get(),
                    .model = engine.models(),
                    .backend = &engine.backend(),
                    .schedules = &adapters->automation.schedules(),
                    .webhooks = &adapters->automation.webhooks()};
  if (adapters->membership) services.nodes = &adapters->membership->nodes;
  services.progress = [&engine](const std::string& task_id) { return engine.progress(task_id); };
  services.take_news = [&engine](std::string type, const Ids& ids, json::object data) {
    engine.take_news(std::move(type), ids, std::move(data));
  };
  TRY(auto server, start(std::move(services), std::move(executor), std::move(host), port));
  adapters->automation.start();
  server->adapters_ = std::move(adapters);
  return server;
}

}  // namespace troupe::api
