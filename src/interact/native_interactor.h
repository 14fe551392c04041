// The native interactor: trusted input and data extraction over DevTools. It needs no model.
#pragma once

#include <memory>

#include "interact/interactor.h"

namespace troupe::services {
class Model;
}

namespace troupe::interact {

class ActionCache;

/// Threads: engine. Without state of its own: one serves any number of sessions.
/// `model` outlives it and is asked where its rules do not know (act: which element; extract with
/// an instruction: what is missing); null: nobody is. `actions` outlives it, too, and remembers
/// which elements instructions meant; null: nothing is remembered.
std::unique_ptr<Interactor> make_native_interactor(services::Model* model = nullptr,
                                                   ActionCache* actions = nullptr);

}  // namespace troupe::interact
