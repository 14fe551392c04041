// Prompts are files (assets/prompts/<name>.md), with `{{name}}` where a value goes. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace troupe::services {

using PromptValues = std::vector<std::pair<std::string_view, std::string_view>>;

/// `text` with its places filled. Values are put in as they are: places within them stay text.
/// Errors: invalid_argument (a place without a value, or a value without a place).
Result<std::string> fill_prompt(std::string_view text, const PromptValues& values);

/// The prompt of that name; a missing file, or values that do not fit it, are bugs.
std::string prompt(std::string_view name, const PromptValues& values);

}  // namespace troupe::services
