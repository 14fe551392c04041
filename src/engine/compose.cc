// Composition: the parts of a production engine from its settings. The only place in the library
// that names concrete providers, interactors and queues.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "engine/engine.h"
#include "engine/parts.h"
#include "interact/native_interactor.h"
#include "sessions/browserbase_provider.h"
#include "sessions/cdp_provider.h"
#include "sessions/local_provider.h"

namespace troupe::engine {
namespace fs = std::filesystem;
namespace {

std::string default_data_dir() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string(state) + "/troupe";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.local/state/troupe";
  return (fs::temp_directory_path() / ("troupe-" + std::to_string(getuid()))).string();
}

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
    parts.log->write({},
                     {.level = observe::Level::warning, .action = "usage.read", .error = &*damage});
  parts.usage->know(settings.project);
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
                               .contexts = parts.contexts.get(),
                               .extensions = parts.extensions.get(),
                               .certificate_file = certificate_files(*parts.certificates),
                               .machine_load = [] { return sessions::read_machine_load(); }};
  parts.providers.push_back(
      sessions::make_local_provider(*parts.clock, executor, *parts.log, std::move(local)));
  services::BrowserbaseOptions service{.api_key = settings.browserbase_api_key,
                                       .base_url = settings.browserbase_base_url,
                                       .project_id = settings.browserbase_project_id};
  sessions::BrowserbaseAccountOptions account{.project_id = settings.browserbase_project_id,
                                              .data_dir = settings.data_dir};
  TRY(auto browserbase,
      sessions::make_browserbase_provider(*parts.clock, executor, *parts.log, std::move(service),
                                          std::move(account)));
  parts.providers.push_back(std::move(browserbase));
  TRY_VOID(sessions::check_cdp_endpoints(settings.cdp_endpoints));
  sessions::CdpOptions cdp{.endpoints = settings.cdp_endpoints, .data_dir = settings.data_dir};
  parts.providers.push_back(
      sessions::make_cdp_provider(*parts.clock, executor, *parts.log, std::move(cdp)));
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(asio::any_io_executor executor, Settings settings,
                                               std::unique_ptr<observe::Log> log) {
  if (settings.data_dir.empty()) settings.data_dir = default_data_dir();
  settings.data_dir = fs::absolute(settings.data_dir).lexically_normal().string();
  TRY_VOID(prepare_data_dir(settings.data_dir));
  Parts parts;
  parts.seed = Random::from_system().next();
  parts.clock = make_real_clock(executor);
  parts.log = std::move(log);
  parts.queue = tasks::make_memory_queue(*parts.clock, {});
  TRY_VOID(open_stores(parts, settings));
  TRY_VOID(add_providers(parts, executor, settings));
  parts.interactors.push_back(interact::make_native_interactor());
  parts.settings = std::move(settings);
  return assemble(executor, std::move(parts));
}

}  // namespace troupe::engine
