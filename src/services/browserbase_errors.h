// What a failed exchange with Browserbase means. Pure.
#pragma once

#include <string>

#include "net/http_client.h"
#include "services/browserbase.h"

namespace troupe::services {

/// `none` for 2xx.
RemoteFailure failure_of(const net::HttpReply& reply);
/// Of an error that HttpClient gave.
RemoteFailure failure_of(const Error& error);

/// The error of a call `what` (`POST /v1/sessions`) that was answered with a failing status; its
/// message holds status and the service's own text.
Error error_for(RemoteFailure failure, const net::HttpReply& reply, const std::string& what);
/// The same for an exchange that gave no answer: message and code stay, a hint is added.
Error error_for(RemoteFailure failure, Error error, const std::string& what);

/// Whether a new attempt may do better, if the service does not say so itself.
bool may_pass_later(RemoteFailure failure);
/// Whether the service may have done what was asked although the exchange failed.
bool may_be_applied(RemoteFailure failure, bool request_was_sent);
/// Whether it says that the service does not work (for the circuit breaker).
bool blames_service(RemoteFailure failure);

}  // namespace troupe::services
