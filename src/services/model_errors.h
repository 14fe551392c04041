// What a failed exchange with a model means. Pure.
#pragma once

#include <string>

#include "net/http_client.h"
#include "services/model.h"

namespace troupe::services {

/// `none` for 2xx. Reads status and the service's own words, of all wire formats.
ModelFailure failure_of_model(const net::HttpReply& reply);
/// Of an error that HttpClient gave.
ModelFailure failure_of_model(const Error& error);
/// Of an error inside a stream, or in a body with a good status: its type or code, and its text.
ModelFailure failure_of_words(std::string_view type, std::string_view message);

/// The error of a model that answered with a failing status. `secret` is cut out of the text.
Error model_error(ModelFailure failure, const net::HttpReply& reply, const std::string& model,
                  const std::string& secret);
/// The same for all else: the message stays, the code follows the failure.
Error model_error(ModelFailure failure, std::string message, const std::string& model);

/// What the service asked for, in headers or in Google's body.
std::optional<Duration> retry_after_of(const net::HttpReply& reply, WallTime now);

/// Whether a new attempt with the same model may do better.
bool may_pass_later(ModelFailure failure);
/// Whether another model may do better.
bool may_pass_elsewhere(ModelFailure failure);
/// Whether it says that the service does not work (for the circuit breaker).
bool blames_service(ModelFailure failure);
/// Whether the service may have done the work, and charge for it, although no usage was told.
bool may_be_charged(ModelFailure failure);

}  // namespace troupe::services
