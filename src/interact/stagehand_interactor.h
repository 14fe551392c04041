// The interactor `stagehand-api`: act, observe, extract and agent are done by a Stagehand v3
// service on the session's own browser; what names its elements by selectors is done natively.
#pragma once

#include <memory>

#include "base/random.h"
#include "interact/interactor.h"
#include "net/http_client.h"
#include "observe/log.h"
#include "services/stagehand_api.h"

namespace troupe::interact {

struct StagehandInteractorOptions {
  services::StagehandOptions service;
  services::StagehandModel model;  ///< Without a name its actions fail with `unsupported`.
};

/// Each tab that needs it has a session of its own at the service, ended with the tab. Threads:
/// engine. Wrong options are told by the first action that needs the service.
std::unique_ptr<Interactor> make_stagehand_interactor(StagehandInteractorOptions options,
                                                      std::unique_ptr<net::HttpClient> http,
                                                      Clock& clock, Random random,
                                                      observe::Log& log);

}  // namespace troupe::interact
