// Handlers of live view, logs and recordings, and the checks that they share.
#pragma once

#include "api/gateway.h"
#include "api/operations.h"

namespace troupe::api {

/// The key of a `/live/…` request; its session must be the first path value.
/// Errors: unauthenticated, gone (expired), permission_denied (another session).
Result<KeyClaim> live_claim(const Call& call);
/// Errors: not_found, gone (it has ended).
Result<Session> live_session(const Call& call, const std::string& id);

Async<net::HttpResponse> session_debug(Context& ctx, const Call& call);
Async<net::HttpResponse> session_logs(Context& ctx, const Call& call);
Async<net::HttpResponse> live_page(Context& ctx, const Call& call);
Async<net::HttpResponse> live_asset(Context& ctx, const Call& call);
Async<net::HttpResponse> live_state(Context& ctx, const Call& call);
Async<net::HttpResponse> replay_page(Context& ctx, const Call& call);

Async<net::HttpResponse> session_recording(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_recording(Context& ctx, const Call& call);
Async<net::HttpResponse> create_recording_downloads(Context& ctx, const Call& call);
Async<net::HttpResponse> list_recording_downloads(Context& ctx, const Call& call);
Async<net::HttpResponse> session_replays(Context& ctx, const Call& call);
Async<net::HttpResponse> session_replay_playlist(Context& ctx, const Call& call);
Async<net::HttpResponse> recording_index(Context& ctx, const Call& call);
Async<net::HttpResponse> recording_frame(Context& ctx, const Call& call);
Async<net::HttpResponse> recording_video(Context& ctx, const Call& call);

}  // namespace troupe::api
