// Composition: the parts of a production engine from its settings. The only place in the library
// that names concrete providers, interactors and queues.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "engine/engine.h"
#include "engine/parts.h"
#include "engine/places.h"
#include "interact/native_interactor.h"
#include "interact/stagehand_interactor.h"
#include "interact/stagehand_runtime_interactor.h"
#include "net/url.h"
#include "services/models.h"
#include "sessions/browserbase_provider.h"
#include "sessions/cdp_provider.h"
#include "sessions/local_provider.h"
#include "sessions/proxy_forwarder.h"
#include "tasks/redis_backend.h"

namespace troupe::engine {
namespace fs = std::filesystem;

std::string data_dir(const Settings& settings) {
  if (!settings.data_dir.empty()) return settings.data_dir;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string(state) + "/troupe";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.local/state/troupe";
  return (fs::temp_directory_path() / ("troupe-" + std::to_string(getuid()))).string();
}

std::string database_file(const Settings& settings) { return data_dir(settings) + "/troupe.db"; }

namespace {

Result<void> prepare_data_dir(const std::string& dir) {
  constexpr auto hint =
      "free disk space, mend its permissions, or set TROUPE_DATA_DIR to a folder "
      "that can be written";
  std::error_code error;
  for (const char* part : {"/browsers", "/downloads", "/runs"}) {
    fs::create_directories(dir + part, error);
    if (error)
      return fail(Errc::storage_failed, "data_dir " + dir + part + ": " + error.message(),
                  "data_dir", hint);
  }
  if (access(dir.c_str(), W_OK) != 0)
    return fail(Errc::storage_failed, "data_dir " + dir + ": cannot be written", "data_dir", hint);
  return {};
}

Result<void> open_stores(Parts& parts, const Settings& settings) {
  const std::string& dir = settings.data_dir;
  parts.contexts = sessions::make_context_store(*parts.clock, dir + "/contexts");
  TRY(parts.extensions, sessions::make_extension_store(*parts.clock, dir + "/extensions"));
  TRY(parts.certificates, sessions::make_certificate_store(*parts.clock, dir + "/certificates"));
  sessions::SessionFilesOptions files{.data_dir = dir, .downloads_kept = settings.downloads_kept};
  parts.files = std::make_unique<sessions::SessionFiles>(*parts.clock, std::move(files));
  parts.usage = std::make_unique<sessions::UsageLedger>(*parts.clock, dir + "/usage.json");
  if (const auto& damage = parts.usage->damage())
    parts.log->write({}, {.level = observe::Level::warning,
                          .action = "usage.read",
                          .status = "damaged",
                          .error = &*damage});
  parts.usage->know(settings.project);
  return {};
}

// `troupe run` beside a service on the same folder: it works, and says what it cannot promise.
Result<std::unique_ptr<tasks::Backend>> open_file(Parts& parts, asio::any_io_executor executor,
                                                  const Settings& settings, Use use) {
  using Durability = tasks::SqliteOptions::Durability;
  tasks::SqliteOptions options{
      .path = database_file(settings),
      .durability = settings.durability == "normal" ? Durability::normal : Durability::full};
  auto opened = tasks::make_sqlite_backend(std::move(executor), *parts.clock, std::move(options));
  if (opened || use == Use::service || opened.error().code != Errc::conflict) return opened;
  const Error error = opened.error();
  parts.log->write({}, {.level = observe::Level::info,
                        .action = "backend.open",
                        .status = "in use: this run is kept in memory only",
                        .error = &error});
  return tasks::make_memory_backend(*parts.clock, {});
}

// Made by whoever comes first.
Async<std::string> shared_secret(Context& ctx, tasks::Backend& backend) {
  constexpr std::size_t bytes = 32;
  const std::string kind = "secret", id = "nodes";
  for (;;) {
    CO_TRY(const auto stored, co_await backend.document(ctx, kind, id));
    if (stored) co_return stored->text;
    tasks::Document made{.kind = kind, .id = id, .text = secure_token(bytes)};
    const auto put = co_await backend.put(ctx, std::move(made));
    if (!put && put.error().code != Errc::conflict) co_return put.error();
  }
}

Async<std::unique_ptr<tasks::Backend>> open_shared(Context& ctx, tasks::RedisOptions options,
                                                   std::string& secret) {
  CO_TRY(auto backend, co_await tasks::open_redis_backend(ctx, std::move(options)));
  auto read = co_await shared_secret(ctx, *backend);
  if (read) {
    secret = std::move(*read);
    co_return std::move(backend);
  }
  co_await backend->close();
  co_return read.error();
}

// Connecting needs the event loop, which nobody runs yet.
Result<std::unique_ptr<tasks::Backend>> open_redis(Parts& parts, asio::io_context& io,
                                                   const Settings& settings) {
  if (settings.redis_url.empty())
    return fail(Errc::invalid_argument, "redis_url: is empty, and backend is redis", "settings",
                "set TROUPE_REDIS_URL, such as redis://127.0.0.1:6379");
  observe::Log* log = parts.log.get();
  tasks::RedisOptions options{.url = settings.redis_url,
                              .prefix = settings.redis_prefix,
                              .replicas = settings.redis_replicas};
  options.warn = [log](const std::string& text) {
    const Error error = fail(Errc::unavailable, text, "redis");
    log->write({}, {.level = observe::Level::warning,
                    .action = "backend.redis",
                    .status = "warning",
                    .error = &error});
  };
  std::optional<Result<std::unique_ptr<tasks::Backend>>> opened;
  Context ctx = Context(*parts.clock, io.get_executor())
                    .with_timeout(std::chrono::seconds(15), "opening the backend");
  asio::co_spawn(
      io, open_shared(ctx, std::move(options), parts.shared_secret),
      [&opened](std::exception_ptr exception, Result<std::unique_ptr<tasks::Backend>> backend) {
        if (exception) die_of_bug("opening the backend", exception);
        opened = std::move(backend);
      });
  while (!opened && io.run_one() > 0) continue;
  io.restart();
  return std::move(*opened);
}

Result<void> open_backend(Parts& parts, asio::io_context& io, const Settings& settings, Use use) {
  if (settings.backend == "redis") {
    TRY(parts.backend, open_redis(parts, io, settings));
  } else if (settings.backend == "sqlite") {
    TRY(parts.backend, open_file(parts, io.get_executor(), settings, use));
  } else {
    parts.backend = tasks::make_memory_backend(*parts.clock, {});
  }
  parts.one_shot = use == Use::one_shot;
  parts.keep_runs = use == Use::service && parts.backend->name() != "memory";
  return {};
}

std::function<Result<std::string>(const std::string&)> certificate_files(
    const sessions::CertificateStore& store) {
  return [&store](const std::string& id) -> Result<std::string> {
    TRY(const auto certificate, store.find(id));
    return certificate.file;
  };
}

// All providers are there whatever is configured: one that lacks something says so when it is
// asked.
Result<void> add_providers(Parts& parts, const asio::any_io_executor& executor,
                           const Settings& settings) {
  for (const std::string& name : settings.spill_providers)
    if (name != "local" && name != "cdp" && name != "browserbase")
      return fail(Errc::invalid_argument,
                  "spill_providers: '" + name + "' is none of local, cdp, browserbase", "settings");
  if (!settings.proxy_url.empty()) TRY_VOID(sessions::proxy_from_url(settings.proxy_url));
  sessions::LocalOptions local{.browser = settings.browser,
                               .data_dir = settings.data_dir,
                               .contexts_per_browser = settings.contexts_per_browser,
                               .warm_sessions = settings.warm_sessions,
                               .warm_processes = settings.warm_processes,
                               .browser_recycle_after = settings.browser_recycle_after,
                               .renderer_heap_mb = settings.renderer_heap_mb,
                               .browser_memory_mb = settings.browser_memory_mb,
                               .browser_recycle_age = settings.browser_recycle_age,
                               .browser_crashes_max = settings.browser_crashes_max,
                               .browser_memory_max_mb = settings.browser_memory_max_mb,
                               .browser_cpu_weight = settings.browser_cpu_weight,
                               .cgroup_folder = settings.cgroup_folder,
                               .warm_processes_min = settings.warm_processes_min,
                               .warm_latency = settings.warm_latency,
                               .tabs_max = settings.session_tabs_max,
                               .downloads_bytes_max = settings.session_downloads_bytes_max,
                               .downloads_max = settings.session_downloads_max,
                               .proxy_url = settings.proxy_url,
                               .contexts = parts.contexts.get(),
                               .extensions = parts.extensions.get(),
                               .certificate_file = certificate_files(*parts.certificates),
                               .machine_load = [] { return sessions::read_machine_load(); }};
  parts.providers.push_back(
      sessions::make_local_provider(*parts.clock, executor, *parts.log, std::move(local)));
  // Both pauses together are how long paid sessions outlive a network that was cut.
  services::BrowserbaseOptions service{.api_key = settings.browserbase_api_key,
                                       .base_url = settings.browserbase_base_url,
                                       .project_id = settings.browserbase_project_id,
                                       .breaker_open = std::chrono::seconds(4)};
  sessions::BrowserbaseAccountOptions account{.project_id = settings.browserbase_project_id,
                                              .data_dir = settings.data_dir,
                                              .retry_max = std::chrono::seconds(4)};
  TRY(auto browserbase,
      sessions::make_browserbase_provider(*parts.clock, executor, *parts.log, std::move(service),
                                          std::move(account)));
  parts.providers.push_back(std::move(browserbase));
  sessions::CdpOptions cdp{.endpoints = settings.cdp_endpoints, .data_dir = settings.data_dir};
  TRY(auto browsers,
      sessions::make_cdp_provider(*parts.clock, executor, *parts.log, std::move(cdp)));
  parts.providers.push_back(std::move(browsers));
  return {};
}

// The first configured model, as a Stagehand service names it.
services::StagehandModel stagehand_model(const services::ModelsOptions& models) {
  services::StagehandModel model;
  if (models.endpoints.empty()) return model;
  const services::ModelEndpoint& endpoint = models.endpoints.front();
  const auto own = services::model_endpoint_from(endpoint.name);
  const bool chat = endpoint.name.starts_with("openai-chat/");
  model.name = chat ? "openai/" + endpoint.model : endpoint.name;
  model.api_key = endpoint.key;
  if (own && own->base_url == endpoint.base_url) return model;
  model.base_url = endpoint.base_url;
  model.endpoint_format = chat ? "chat" : "";
  return model;
}

Result<void> add_interactors(Parts& parts, const Settings& settings) {
  TRY(auto models, services::models_options(settings));
  interact::StagehandInteractorOptions options;
  options.model = stagehand_model(models);
  options.service.base_url = settings.stagehand_api_url;
  options.service.api_key = settings.stagehand_api_key;
  options.service.model_key = options.model.api_key;
  // The account's key goes to its own service only.
  const auto url = net::parse_url(settings.stagehand_api_url);
  if (options.service.api_key.empty() && url && url->host.ends_with(".browserbase.com"))
    options.service.api_key = settings.browserbase_api_key;
  net::HttpClientOptions client;
  TRY(client.proxy, net::proxy_rules(net::proxy_environment()));
  parts.http = net::HttpClient::create(client);
  parts.models = std::make_unique<services::Models>(std::move(models), *parts.http, *parts.clock,
                                                    Random::from_system(), *parts.log);
  services::Model* const model = parts.models->empty() ? nullptr : parts.models.get();
  if (settings.action_cache == "on") {
    interact::ActionCacheOptions limits{
        .file = settings.data_dir + "/actions.json",
        .actions_max = static_cast<std::size_t>(settings.action_cache_max),
        .bytes_max = static_cast<std::size_t>(settings.action_cache_bytes_max)};
    parts.actions = std::make_unique<interact::ActionCache>(*parts.clock, std::move(limits));
    if (const auto& damage = parts.actions->damage())
      parts.log->write({}, {.level = observe::Level::warning,
                            .action = "actions.read",
                            .status = "damaged",
                            .error = &*damage});
  }
  interact::ActionCache* const actions = parts.actions.get();
  parts.interactors.push_back(interact::make_native_interactor(model, actions));
  interact::StagehandRuntimeSettings runtime{
      .folder = settings.stagehand_folder, .data_dir = settings.data_dir, .actions = actions};
  parts.interactors.push_back(
      interact::make_stagehand_runtime_interactor(std::move(runtime), model, *parts.log));
  parts.interactors.push_back(interact::make_stagehand_interactor(
      std::move(options), net::HttpClient::create(std::move(client)), *parts.clock,
      Random::from_system(), *parts.log));
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(asio::io_context& io, Settings settings,
                                               std::unique_ptr<observe::Log> log, Use use) {
  const asio::any_io_executor executor = io.get_executor();
  settings.data_dir = data_dir(settings);
  settings.data_dir = fs::absolute(settings.data_dir).lexically_normal().string();
  TRY_VOID(prepare_data_dir(settings.data_dir));
  Parts parts;
  parts.seed = Random::from_system().next();
  parts.clock = make_real_clock(executor);
  parts.log = std::move(log);
  TRY_VOID(open_backend(parts, io, settings, use));
  TRY(parts.results,
      ResultKeeping::create(*parts.clock, executor, *parts.backend, *parts.log, settings));
  TRY_VOID(open_stores(parts, settings));
  TRY_VOID(add_providers(parts, executor, settings));
  TRY_VOID(add_interactors(parts, settings));
  parts.settings = std::move(settings);
  return assemble(executor, std::move(parts));
}

}  // namespace troupe::engine
