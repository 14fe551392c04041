// Makes an Orchestrator over an engine of the caller's choice. For tests and for the command line.
#pragma once

#include <memory>

#include "api/host.h"
#include "troupe/orchestrator.hpp"

namespace troupe {

struct OrchestratorAccess {
  static std::unique_ptr<Orchestrator> make(const api::EngineFactory& factory);
};

}  // namespace troupe
