// Completion scripts for shells, generated from the tree of commands. Pure.
#pragma once

#include <string>

#include "app/invocation.h"

namespace troupe::app {

std::string bash_completion(const CommandInfo& root);
std::string zsh_completion(const CommandInfo& root);
std::string fish_completion(const CommandInfo& root);

}  // namespace troupe::app
