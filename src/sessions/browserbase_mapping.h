// Between Troupe's sessions and Browserbase's: what is asked for, how one ended. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "services/browserbase_models.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// Keys of the metadata that mark a session as ours.
inline constexpr std::string_view kInstallKey = "troupe";
inline constexpr std::string_view kSessionKey = "troupe_session";

/// The request for `spec`. The user's metadata goes along unless all of it is too long for
/// Browserbase (512 characters); our two marks always do.
/// Errors: unsupported (what Browserbase cannot do), invalid_argument.
Result<services::CreateSession> browserbase_request(const SessionSpec& spec, const std::string& id,
                                                    const std::string& install_id);

/// Why a session that has this final status ended, if Troupe did not ask for it.
EndReason browserbase_end_reason(services::RemoteStatus status, bool keep_alive);

/// The same as an error for whoever holds it.
Error browserbase_end_error(const std::string& id, services::RemoteStatus status, bool keep_alive);

}  // namespace troupe::sessions
