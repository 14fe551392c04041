// The cookies of a profile in a file of its own beside Chromium's: Chromium forgets session cookies
// at its end, and may not have written the last ones by then.
#pragma once

#include "base/async.h"
#include "base/json.h"
#include "sessions/chromium.h"

namespace troupe::sessions {

/// What `Storage.setCookies` takes for what `Storage.getCookies` gave. Pure.
json::array cookies_to_set(const json::array& cookies);

/// Asks the browser for its cookies and writes them into its profile.
/// Errors: storage_failed, and those of the connection.
Async<void> write_cookies(Context& ctx, Chromium& chromium);
/// Those that are written in a profile; none when there is no such file.
/// Errors: storage_failed (not readable).
Result<json::array> cookies_in_profile(const std::string& profile_dir);
/// Gives a browser the cookies of its profile, if there are any written.
/// Errors: storage_failed (not readable), and those of the connection.
Async<void> read_cookies(Context& ctx, Chromium& chromium);

}  // namespace troupe::sessions
