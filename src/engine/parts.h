// What an Engine is put together from. Production fills it from the settings (composition); tests
// put scripted providers, interactors and queues in.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "engine/result_keeping.h"
#include "interact/action_cache.h"
#include "interact/interactor.h"
#include "net/http_client.h"
#include "observe/log.h"
#include "services/models.h"
#include "sessions/certificate_store.h"
#include "sessions/context_store.h"
#include "sessions/extension_store.h"
#include "sessions/provider.h"
#include "sessions/session_files.h"
#include "sessions/usage_ledger.h"
#include "tasks/backend.h"
#include "troupe/settings.hpp"

namespace troupe::engine {

struct Parts {
  Settings settings;  ///< data_dir filled in.
  std::unique_ptr<Clock> clock;
  std::unique_ptr<observe::Log> log;
  std::unique_ptr<tasks::Backend> backend;
  std::unique_ptr<ResultKeeping> results;  ///< Null: outputs stay in the backend.
  /// Runs that have not ended at the end of this process go on in the next one, or in another.
  bool keep_runs = false;
  /// All processes that share the backend have the same one; empty when it is not shared.
  std::string shared_secret;
  /// Claims only what it submits itself (`troupe run`).
  bool one_shot = false;
  // Stores; null where a service does not offer them. Before the providers, which refer to them.
  std::unique_ptr<sessions::ContextStore> contexts;
  std::unique_ptr<sessions::ExtensionStore> extensions;
  std::unique_ptr<sessions::CertificateStore> certificates;
  std::unique_ptr<sessions::SessionFiles> files;
  std::unique_ptr<sessions::UsageLedger> usage;
  std::vector<std::unique_ptr<sessions::SessionProvider>> providers;
  std::unique_ptr<net::HttpClient> http;           ///< Of the models.
  std::unique_ptr<services::Models> models;        ///< Before the interactors, which ask them.
  std::unique_ptr<interact::ActionCache> actions;  ///< Null: nothing is remembered.
  std::vector<std::unique_ptr<interact::Interactor>> interactors;
  std::uint64_t seed = 0;
};

}  // namespace troupe::engine
