// The cookies of a persisted context, for requests that need no browser.
#pragma once

#include <string>

#include "base/async.h"
#include "base/json.h"
#include "net/url.h"
#include "sessions/context_store.h"

namespace troupe::sessions {

/// The cookies that the last session left in context `id`, as DevTools writes them; empty for a
/// context that was never saved. `browsers_dir`: where profiles are unpacked for the moment.
/// Errors: not_found, storage_failed.
Async<json::array> cookies_of_context(Context& ctx, ContextStore& contexts, std::string id,
                                      std::string browsers_dir);

/// The value of the header `Cookie` for a request of somebody who types `url` (RFC 6265 5.4), or
/// empty. Partitioned cookies belong to frames of other sites and are left out. Pure.
std::string cookie_header(const json::array& cookies, const net::Url& url, WallTime now);

}  // namespace troupe::sessions
