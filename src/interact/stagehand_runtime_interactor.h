// The interactor `stagehand`: goto, act, observe and extract are done by the Stagehand runtime in
// the session's own browser, with ourselves as its model; what it does not do is done natively.
#pragma once

#include <memory>
#include <string>

#include "interact/interactor.h"
#include "observe/log.h"

namespace troupe::services {
class Model;
}

namespace troupe::interact {

class ActionCache;

struct StagehandRuntimeSettings {
  std::string folder;    ///< As the setting stagehand_folder.
  std::string data_dir;  ///< Where an installed extension is.
  /// What instructions meant before, for those that are done natively; may be null. Outlives it.
  ActionCache* actions = nullptr;
};

/// One runtime for each browser, shared by the sessions on it. `model` (may be null) and `log`
/// outlive it. Threads: engine. A missing extension is told by require().
std::unique_ptr<Interactor> make_stagehand_runtime_interactor(StagehandRuntimeSettings settings,
                                                              services::Model* model,
                                                              observe::Log& log);

}  // namespace troupe::interact
