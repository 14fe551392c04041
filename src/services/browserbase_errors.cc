#include "services/browserbase_errors.h"

#include <algorithm>
#include <array>

#include "base/json.h"

namespace troupe::services {
namespace {

// One row for each RemoteFailure, in its order.
struct Row {
  std::string_view name;
  Errc code;
  bool later;    // a new attempt may do better
  bool applied;  // the request may have had its effect (if it was sent)
  bool outage;   // speaks against the service, not against the request
  std::string_view hint;
};

constexpr std::array kRows = std::to_array<Row>({
    {"none", Errc::internal, false, false, false, ""},
    {"bad_request", Errc::invalid_argument, false, false, false, ""},
    {"key", Errc::unauthenticated, false, false, false,
     "check browserbase_api_key (or BROWSERBASE_API_KEY)"},
    {"payment", Errc::permission_denied, false, false, false,
     "the account's plan or quota does not include this"},
    {"forbidden", Errc::permission_denied, false, false, false,
     "this key may not do that; check the key's project"},
    {"missing", Errc::not_found, false, false, false, ""},
    {"conflict", Errc::conflict, false, false, false, ""},
    {"gone", Errc::gone, false, false, false, "the session has ended, or the data aged out"},
    {"too_large", Errc::payload_too_large, false, false, false, ""},
    {"unprocessable", Errc::invalid_argument, false, false, false, ""},
    {"concurrency", Errc::exhausted, false, false, false,
     "too many sessions at once: release some, or wait until one ends"},
    {"rate", Errc::exhausted, true, false, false, "too many requests in a short time: send fewer"},
    {"server", Errc::unavailable, true, true, true, "the service has trouble; try again later"},
    {"other_status", Errc::http_error, false, true, false,
     "check browserbase_base_url: this is no answer of the API"},
    {"timeout", Errc::timeout, true, true, true, ""},
    {"cancelled", Errc::cancelled, false, true, false, ""},
    {"dns", Errc::dns_error, true, false, true, "check browserbase_base_url and the name server"},
    {"tls", Errc::tls_error, false, false, true,
     "check browserbase_base_url, the clock and the system's certificates"},
    {"network", Errc::network_error, true, true, true,
     "check browserbase_base_url, the network and the proxy variables"},
    {"malformed", Errc::protocol_error, true, true, true,
     "check browserbase_base_url and proxies on the way: this is no answer of the API"},
    {"circuit_open", Errc::unavailable, false, false, false,
     "the last calls failed, so none is sent for a while"},
    {"proxy", Errc::unauthenticated, false, false, true, "check the proxy variables"},
    {"local", Errc::invalid_argument, false, false, false, ""},
});
static_assert(kRows.size() == static_cast<std::size_t>(RemoteFailure::local) + 1);

const Row& row(RemoteFailure failure) { return kRows[static_cast<std::size_t>(failure)]; }

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The service's own words, on one line and not endless.
std::string text_of(const net::HttpReply& reply) {
  std::string text = reply.body.substr(0, 4'096);
  if (const auto body = parse_json(reply.body, "answer"); body && body->is_object()) {
    const auto& object = body->get_object();
    const auto message = find_string(object, "message");
    text = std::string(message ? *message : find_string(object, "error").value_or(""));
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  constexpr std::size_t kMost = 300;
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// 429 has two causes that need different answers: the text tells them apart, else the headers.
RemoteFailure limit_of(const net::HttpReply& reply) {
  const std::string text = lower(text_of(reply));
  const auto says = [&](std::string_view word) { return text.find(word) != std::string::npos; };
  if (says("concurren")) return RemoteFailure::concurrency;
  if (says("rate") || says("too many requests") || says("per minute")) return RemoteFailure::rate;
  const auto remaining = reply.header("x-ratelimit-remaining");
  const bool rate_is_left = !remaining.empty() && remaining != "0";
  return rate_is_left ? RemoteFailure::concurrency : RemoteFailure::rate;
}

}  // namespace

std::string_view to_string(RemoteFailure failure) { return row(failure).name; }

RemoteFailure failure_of(const net::HttpReply& reply) {
  if (reply.status >= 200 && reply.status < 300) return RemoteFailure::none;
  if (reply.status >= 500) return RemoteFailure::server;
  switch (reply.status) {
    case 400: return RemoteFailure::bad_request;
    case 401: return RemoteFailure::key;
    case 402: return RemoteFailure::payment;
    case 403: return RemoteFailure::forbidden;
    case 404: return RemoteFailure::missing;
    case 408: return RemoteFailure::timeout;
    case 409: return RemoteFailure::conflict;
    case 410: return RemoteFailure::gone;
    case 413: return RemoteFailure::too_large;
    case 422: return RemoteFailure::unprocessable;
    case 429: return limit_of(reply);
    default: return RemoteFailure::other_status;
  }
}

RemoteFailure failure_of(const Error& error) {
  switch (error.code) {
    case Errc::timeout: return RemoteFailure::timeout;
    case Errc::cancelled: return RemoteFailure::cancelled;
    case Errc::dns_error: return RemoteFailure::dns;
    case Errc::tls_error: return RemoteFailure::tls;
    case Errc::network_error: return RemoteFailure::network;
    case Errc::protocol_error: return RemoteFailure::malformed;
    case Errc::payload_too_large: return RemoteFailure::too_large;
    case Errc::unauthenticated: return RemoteFailure::proxy;  // a wrong key is a status
    default: return RemoteFailure::local;
  }
}

Error error_for(RemoteFailure failure, const net::HttpReply& reply, const std::string& what) {
  std::string message = "browserbase: " + what + " answered " + std::to_string(reply.status);
  const std::string text = text_of(reply);
  if (!text.empty()) message += ": " + text;
  return fail(row(failure).code, std::move(message), {}, std::string(row(failure).hint));
}

Error error_for(RemoteFailure failure, Error error, const std::string& what) {
  error.message = "browserbase: " + what + ": " + error.message;
  if (error.hint.empty()) error.hint = row(failure).hint;
  return error;
}

bool may_pass_later(RemoteFailure failure) { return row(failure).later; }

bool may_be_applied(RemoteFailure failure, bool request_was_sent) {
  return request_was_sent && row(failure).applied;
}

bool blames_service(RemoteFailure failure) { return row(failure).outage; }

}  // namespace troupe::services
