// A language model, whoever offers it: messages with text, images and tools in; text, tool calls or
// JSON by a schema out. The wire formats are in model_wire.h, the chain of configured models with
// budgets and cache in models.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/async.h"
#include "base/json.h"

namespace troupe::services {

/// Why a call failed, finer than the error code (see model_errors.h).
enum class ModelFailure {
  none,
  bad_request,   ///< 400: this model does not take such a request.
  key,           ///< 401, or a key that the service calls invalid.
  quota,         ///< 402, or the account has no credit left.
  forbidden,     ///< 403.
  missing,       ///< 404: no such model or address.
  too_long,      ///< 413, or more tokens than the model's context holds.
  rate,          ///< 429.
  overloaded,    ///< 503, 529.
  server,        ///< Other 5xx.
  other_status,  ///< Any other status.
  timeout,       ///< An attempt's or the caller's time passed.
  cancelled,     ///< Somebody asked for it to stop.
  dns,           ///< The host name does not resolve.
  tls,           ///< The certificate or handshake is not acceptable.
  network,       ///< Refused, reset.
  cut,           ///< The stream ended before its end.
  malformed,     ///< The answer is not what the wire format says, or not JSON where that was asked.
  schema,        ///< JSON that does not fit the schema, also after one try to mend it.
  refusal,       ///< The model, or the service's filter, declines.
  output_limit,  ///< The answer was longer than `output_tokens_max`.
  circuit_open,  ///< Not sent: the last calls of this model failed.
  budget,        ///< Not sent: it could cost more than is left.
  local,         ///< Not sent: the request or the settings are wrong.
};
std::string_view to_string(ModelFailure failure);

struct ModelImage {
  std::string media_type = "image/png";
  std::string bytes;
};

struct ModelToolCall {
  std::string id;
  std::string name;
  json::object arguments;
  /// What the service wants back with the call (Google's thought signature); empty: nothing.
  std::string signature;
};

enum class ModelRole { user, assistant, tool };

/// One message. `tool_calls` belong to an assistant's, the fields behind it to a tool's answer.
struct ModelMessage {
  ModelRole role = ModelRole::user;
  std::string text;
  std::vector<ModelImage> images;
  std::vector<ModelToolCall> tool_calls;
  std::string tool_call_id;
  std::string tool_name;
  bool tool_failed = false;
};

struct ModelTool {
  std::string name;  ///< [A-Za-z0-9_-], at most 64.
  std::string description;
  json::object parameters;  ///< JSON Schema of an object.
};

enum class ToolChoice { automatic, none, required };

struct ModelRequest {
  std::string system;
  std::vector<ModelMessage> messages;
  std::vector<ModelTool> tools;
  ToolChoice tool_choice = ToolChoice::automatic;
  /// JSON Schema: the answer is JSON that fits it.
  std::optional<json::object> schema;
  std::string schema_name = "answer";
  std::int64_t output_tokens_max = 4'096;  ///< Thinking counts, too.
  std::optional<double> temperature;
  std::vector<std::string> stop;
  /// Never sent: where a value stands in a text, `%name%` is sent in its place.
  std::vector<std::pair<std::string, std::string>> secrets;
  bool cacheable = true;  ///< An earlier answer to the same request may be given.
  std::string purpose;    ///< For logs: `act`, `extract`.
};

struct ModelUsage {
  std::int64_t input_tokens = 0;         ///< All, cached ones too.
  std::int64_t cached_input_tokens = 0;  ///< Of these, at the lower price.
  std::int64_t output_tokens = 0;        ///< All, thinking too.
  std::int64_t reasoning_tokens = 0;     ///< Of these, thinking.

  ModelUsage& operator+=(const ModelUsage& other);
  bool operator==(const ModelUsage&) const = default;
};

struct ModelReply {
  std::string text;
  json::value structured;  ///< Where a schema was given; else null.
  std::vector<ModelToolCall> tool_calls;
  ModelUsage usage;  ///< Of all attempts that were answered; zero for a cached answer.
  std::int64_t cost_microdollars = 0;
  std::string model;  ///< As configured: `openai/gpt-5-mini`.
  bool cached = false;
};

/// What comes while a model still writes.
struct ModelDelta {
  enum class Kind {
    text,     ///< A piece of the text (or of the JSON).
    restart,  ///< All before it is void: another attempt, or another model.
  };
  Kind kind = Kind::text;
  std::string_view text;
};

/// What became of a call, for those who must know more than its error.
struct ModelNote {
  ModelFailure failure = ModelFailure::none;
  std::string model;  ///< The last one asked.
  int attempts = 0;   ///< Of all models.
  int status = 0;     ///< Of the last answer; 0: none came.
  std::optional<Duration> retry_after;
  ModelUsage usage;  ///< Paid for, also when the call failed.
  std::int64_t cost_microdollars = 0;
  std::string partial_text;  ///< With `output_limit`: what there is.
};

struct ModelOptions {
  /// Asks for a stream and calls this for each piece. Called on the engine thread.
  std::function<void(const ModelDelta&)> on_delta;
  /// Only this configured model; empty: all, in their order.
  std::string model;
  /// Filled before the call returns. It must outlive the call.
  ModelNote* note = nullptr;
};

/// Seam. Threads: engine. The context's deadline and cancellation end a call; its ids say whose
/// budgets it uses.
class Model {
 public:
  virtual ~Model() = default;
  /// Errors: invalid_argument, unauthenticated, permission_denied, not_found, payload_too_large,
  /// exhausted (rate, quota, budget), unavailable, timeout, cancelled, network_error, dns_error,
  /// tls_error, protocol_error, http_error, unsupported (refusal, or no model is configured).
  virtual Async<ModelReply> generate(Context& ctx, ModelRequest request,
                                     ModelOptions options = {}) = 0;
};

}  // namespace troupe::services
