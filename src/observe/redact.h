// What must not reach a log: values under secret names, and the secret parts of URLs. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace troupe::observe {

/// Whether values of this name are secrets: password, api-key, authToken, Cookie, …
bool is_secret_name(std::string_view name);
/// `text` with the user info and the signing query values of every URL in it replaced.
std::string redact_urls(std::string_view text);
/// A copy without secrets at any depth: members under secret names, and URLs in texts.
json::value redact(const json::value& value);

}  // namespace troupe::observe
