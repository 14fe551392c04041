#include "services/model_errors.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/json.h"
#include "net/retry.h"

namespace troupe::services {
namespace {

// One row for each ModelFailure, in its order.
struct Row {
  std::string_view name;
  Errc code;
  bool later;      // the same model may do better
  bool elsewhere;  // another model may do better
  bool outage;     // speaks against the service, not against the request
  bool charged;    // the work may have been done, and no usage was told
  std::string_view hint;
};

constexpr std::array kRows = std::to_array<Row>({
    {"none", Errc::internal, false, false, false, false, ""},
    {"bad_request", Errc::invalid_argument, false, true, false, false,
     "check that the model takes such requests (images, tools, schema)"},
    {"key", Errc::unauthenticated, false, true, false, false,
     "check the model's key: openai_api_key, anthropic_api_key, google_api_key or model_keys"},
    {"quota", Errc::permission_denied, false, true, false, false,
     "the account has no credit left, or its plan does not include this model"},
    {"forbidden", Errc::permission_denied, false, true, false, false,
     "this key may not use that model"},
    {"missing", Errc::not_found, false, true, false, false,
     "check the model's name and address in the setting models"},
    {"too_long", Errc::payload_too_large, false, true, false, false,
     "send less: narrow the part of the page, or use a model with a longer context"},
    {"rate", Errc::exhausted, true, true, false, false, "too many requests: send fewer"},
    {"overloaded", Errc::unavailable, true, true, true, false,
     "the service is overloaded; try again later"},
    {"server", Errc::unavailable, true, true, true, false,
     "the service has trouble; try again later"},
    {"other_status", Errc::http_error, false, true, false, false,
     "check the address in the setting models: this is no answer of a model"},
    {"timeout", Errc::timeout, true, true, true, true, "raise model_timeout, or ask for less"},
    {"cancelled", Errc::cancelled, false, false, false, true, ""},
    {"dns", Errc::dns_error, true, true, true, false,
     "check the address in the setting models, and the name server"},
    {"tls", Errc::tls_error, false, true, true, false,
     "check the address in the setting models, the clock and the system's certificates"},
    {"network", Errc::network_error, true, true, true, true,
     "check the address in the setting models, the network and the proxy variables"},
    {"cut", Errc::network_error, true, true, true, true, ""},
    {"malformed", Errc::protocol_error, true, true, true, true,
     "check the wire format in the setting models: this is no answer of it"},
    {"schema", Errc::protocol_error, false, true, false, false,
     "the model does not keep to the schema; use a better one, or a simpler schema"},
    {"refusal", Errc::unsupported, false, true, false, false, "the model declines to answer"},
    {"output_limit", Errc::exhausted, false, false, false, false,
     "raise output_tokens_max, or ask for less"},
    {"circuit_open", Errc::unavailable, false, true, false, false,
     "the last calls failed, so none is sent for a while"},
    {"budget", Errc::exhausted, false, false, false, false, "raise model_budgets"},
    {"local", Errc::invalid_argument, false, true, false, false, ""},
});
static_assert(kRows.size() == static_cast<std::size_t>(ModelFailure::local) + 1);

const Row& row(ModelFailure failure) { return kRows[static_cast<std::size_t>(failure)]; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool holds_any(const std::string& text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

// The service's own words: `{"error": {"type"|"code"|"status", "message"}}` in all formats, or
// `{"error": "…"}` and `{"message": "…"}` of local servers.
struct Words {
  std::string type;
  std::string message;
};

Words words_of(const json::value& body) {
  Words words;
  const json::object* object = body.if_object();
  if (!object && body.is_array() && !body.get_array().empty())
    object = body.get_array()[0].if_object();  // Google's, where a stream was asked for
  if (!object) return words;
  if (const auto message = find_string(*object, "message")) words.message = *message;
  const json::value* error = find(*object, "error");
  if (!error) return words;
  if (error->is_string()) words.message = error->get_string();
  if (!error->is_object()) return words;
  const auto& inner = error->get_object();
  for (const char* key : {"type", "code", "status"})
    if (const auto text = find_string(inner, key)) words.type += std::string(*text) + " ";
  if (const json::value* details = find(inner, "details"))
    if (json::serialize(*details).find("API_KEY_INVALID") != std::string::npos)
      words.type += "api_key_invalid ";
  words.message = find_string(inner, "message").value_or(words.message);
  return words;
}

Words words_of(const net::HttpReply& reply) {
  const auto body = parse_json(reply.body, "answer");
  if (body) return words_of(*body);
  return {{}, reply.body.substr(0, 300)};
}

// On one line and not endless.
std::string tidy(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  constexpr std::size_t kMost = 300;
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

std::string_view to_string(ModelFailure failure) { return row(failure).name; }

ModelUsage& ModelUsage::operator+=(const ModelUsage& other) {
  input_tokens += other.input_tokens;
  cached_input_tokens += other.cached_input_tokens;
  output_tokens += other.output_tokens;
  reasoning_tokens += other.reasoning_tokens;
  return *this;
}

ModelFailure failure_of_words(std::string_view type, std::string_view message) {
  const std::string kind = lower(type);
  const std::string text = lower(message);
  if (holds_any(kind, {"context_length", "request_too_large", "string_above_max_length"}) ||
      holds_any(text,
                {"context length", "context window", "maximum context", "prompt is too long",
                 "exceeds the maximum number of tokens", "input token count", "too many tokens",
                 "exceed context limit", "exceeds the available context size"}))
    return ModelFailure::too_long;
  if (holds_any(kind, {"insufficient_quota", "billing"}) ||
      holds_any(text, {"credit balance", "billing", "insufficient credits", "payment"}))
    return ModelFailure::quota;
  if (holds_any(kind,
                {"authentication", "invalid_api_key", "api_key_invalid", "unauthenticated"}) ||
      holds_any(text, {"api key not valid", "invalid api key", "incorrect api key"}))
    return ModelFailure::key;
  if (holds_any(kind, {"content_policy", "content_filter", "moderation"}))
    return ModelFailure::refusal;
  if (holds_any(kind, {"overloaded", "unavailable"})) return ModelFailure::overloaded;
  if (holds_any(kind, {"rate_limit", "resource_exhausted"})) return ModelFailure::rate;
  if (holds_any(kind, {"permission"})) return ModelFailure::forbidden;
  if (holds_any(kind, {"not_found"})) return ModelFailure::missing;
  if (holds_any(kind, {"timeout", "deadline_exceeded"})) return ModelFailure::timeout;
  if (holds_any(kind, {"server_error", "api_error", "internal"})) return ModelFailure::server;
  return ModelFailure::bad_request;
}

ModelFailure failure_of_model(const net::HttpReply& reply) {
  if (reply.status >= 200 && reply.status < 300) return ModelFailure::none;
  const Words words = words_of(reply);
  const ModelFailure told = failure_of_words(words.type, words.message);
  switch (reply.status) {
    case 400:
    case 422: {
      // What a good service tells in another status, too.
      const bool finer = told == ModelFailure::too_long || told == ModelFailure::quota ||
                         told == ModelFailure::key || told == ModelFailure::refusal ||
                         told == ModelFailure::missing;
      return finer ? told : ModelFailure::bad_request;
    }
    case 401: return ModelFailure::key;
    case 402: return ModelFailure::quota;
    case 403: return told == ModelFailure::quota ? told : ModelFailure::forbidden;
    case 404: return ModelFailure::missing;
    case 408: return ModelFailure::timeout;
    case 413: return ModelFailure::too_long;
    case 429: return told == ModelFailure::quota ? told : ModelFailure::rate;
    case 503:
    case 529: return ModelFailure::overloaded;
    default: return reply.status >= 500 ? ModelFailure::server : ModelFailure::other_status;
  }
}

ModelFailure failure_of_model(const Error& error) {
  switch (error.code) {
    case Errc::timeout: return ModelFailure::timeout;
    case Errc::cancelled: return ModelFailure::cancelled;
    case Errc::dns_error: return ModelFailure::dns;
    case Errc::tls_error: return ModelFailure::tls;
    case Errc::network_error: return ModelFailure::network;
    case Errc::protocol_error:
    case Errc::payload_too_large: return ModelFailure::malformed;  // of the answer, not of ours
    default: return ModelFailure::local;
  }
}

Error model_error(ModelFailure failure, const net::HttpReply& reply, const std::string& model,
                  const std::string& secret) {
  std::string text = words_of(reply).message;
  for (auto at = text.find(secret); !secret.empty() && at != std::string::npos;
       at = text.find(secret))
    text.replace(at, secret.size(), "[secret]");
  std::string message = "answered " + std::to_string(reply.status);
  if (!text.empty()) message += ": " + tidy(std::move(text));
  return model_error(failure, std::move(message), model);
}

Error model_error(ModelFailure failure, std::string message, const std::string& model) {
  return fail(row(failure).code, "model " + model + ": " + tidy(std::move(message)), {},
              std::string(row(failure).hint));
}

std::optional<Duration> retry_after_of(const net::HttpReply& reply, WallTime now) {
  if (const auto advice = net::retry_advice(reply, now); advice.after) return advice.after;
  const auto body = parse_json(reply.body, "answer");
  if (!body || !body->is_object()) return {};
  const json::value* error = find(*body, "error");
  const json::value* details = error ? find(*error, "details") : nullptr;
  if (!details || !details->is_array()) return {};
  for (const auto& detail : details->get_array()) {
    const json::value* delay = find(detail, "retryDelay");
    if (!delay || !delay->is_string()) continue;
    const auto& text = delay->get_string();  // `37s`, `0.5s`
    double seconds = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (bad == std::errc{} && seconds >= 0 && seconds < 1e6)
      return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }
  return {};
}

bool may_pass_later(ModelFailure failure) { return row(failure).later; }
bool may_pass_elsewhere(ModelFailure failure) { return row(failure).elsewhere; }
bool blames_service(ModelFailure failure) { return row(failure).outage; }
bool may_be_charged(ModelFailure failure) { return row(failure).charged; }

}  // namespace troupe::services
