// The native interactor: trusted input and data extraction over DevTools, without a model.
#pragma once

#include <memory>

#include "interact/interactor.h"

namespace troupe::interact {

/// Threads: engine. Without state of its own: one serves any number of sessions.
std::unique_ptr<Interactor> make_native_interactor();

}  // namespace troupe::interact
