// The HTTP exchange that opens a WebSocket (RFC 6455, 4). Pure.
#pragma once

#include <string>
#include <string_view>

#include "net/http_server.h"
#include "net/url.h"

namespace troupe::net {

/// Whether the request asks for an upgrade to WebSocket (perhaps wrongly).
bool wants_websocket(const HttpRequest& request);
/// Errors: invalid_argument (not a handshake that can be answered with 101).
Result<void> check_handshake(const HttpRequest& request);
/// `Sec-WebSocket-Accept` for a key.
std::string websocket_accept(std::string_view key);
/// The bytes of the 101 answer to a request that check_handshake() passed.
std::string handshake_answer(const HttpRequest& request, const Headers& headers);

/// The client's request, with the credentials that the URL holds.
std::string handshake_request(const Url& url, std::string_view key, const Headers& headers);
/// `head` is the answer up to its empty line. Errors: protocol_error.
Result<void> check_handshake_answer(std::string_view head, std::string_view key);

}  // namespace troupe::net
