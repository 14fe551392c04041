// The wire formats of models as pure mappings: a request to a body, an answer or a stream of events
// to a reply. No I/O, no retries, no keys but for the header that carries one.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/event_stream.h"
#include "net/http_server.h"
#include "services/model.h"

namespace troupe::services::model_wire {

/// What goes over the wire.
struct Outgoing {
  std::string path;  ///< Below the base URL.
  net::Headers headers;
  json::object body;
};

/// What an answer holds. With `failure` other than none, `problem` says what is wrong with it.
struct Incoming {
  std::string text;
  std::vector<ModelToolCall> tool_calls;
  ModelUsage usage;
  ModelFailure failure = ModelFailure::none;
  std::string problem;
};

/// Puts a stream's events together.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  /// Gives the text that the event adds. Errors: protocol_error (not of this format).
  virtual Result<std::string> read(const net::ServerEvent& event) = 0;
  /// The format's last event came: nothing after it counts.
  virtual bool is_complete() const = 0;
  /// All so far; without is_complete() the failure is `cut`.
  virtual Incoming take() = 0;
};

/// One format. Stateless.
class Format {
 public:
  virtual ~Format() = default;
  virtual std::string_view name() const = 0;
  /// Errors: invalid_argument for what this format cannot say.
  virtual Result<Outgoing> request(const ModelRequest& request, const std::string& model,
                                   const std::string& key, bool stream) const = 0;
  /// Errors: protocol_error.
  virtual Result<Incoming> reply(const json::value& body) const = 0;
  virtual std::unique_ptr<StreamReader> stream() const = 0;
};

/// `chat`: OpenAI Chat Completions. `plain` speaks to servers that only resemble OpenAI's: the
/// older name of the output limit.
const Format& openai_chat(bool plain);
const Format& openai_responses();
const Format& anthropic();
const Format& google();

// What the formats share.

/// Standard base64 with padding.
std::string base64(std::string_view bytes);
/// A tool's arguments that came as text; an empty text is an empty object. Errors: protocol_error.
Result<json::object> arguments_from(std::string_view text, std::string_view tool);
/// The JSON of one event. Errors: protocol_error.
Result<json::object> event_object(const net::ServerEvent& event);
/// Whether OpenAI's strict mode takes the schema: each object closed, all its properties required.
bool is_strict(const json::value& schema);
/// A member that is an integer, or 0.
std::int64_t count_at(const json::object& object, std::string_view key);
/// An inner object, or an empty one.
const json::object& object_at(const json::object& object, std::string_view key);
const json::array& array_at(const json::object& object, std::string_view key);
std::string text_at(const json::object& object, std::string_view key);

}  // namespace troupe::services::model_wire
