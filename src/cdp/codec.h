// The DevTools wire format without any I/O: commands to text, text to answers and events.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"

namespace troupe::cdp {

/// The browser's answer to one command: a result, or an error it reported.
struct Answer {
  std::uint64_t id = 0;
  std::string session_id;
  json::object result;
  bool is_error = false;
  std::int64_t error_code = 0;
  std::string error_message;
};

struct EventMessage {
  std::string session_id;  ///< Empty: the browser's own.
  std::string method;
  json::object params;
};

using Message = std::variant<Answer, EventMessage>;

/// Deepest nesting accepted from a browser.
inline constexpr std::size_t kMessageDepthMax = 1'000;

/// Appends `{"id":…,"method":…,"params":…,"sessionId":…}` to `out`.
void encode_command(std::string& out, std::uint64_t id, std::string_view session_id,
                    std::string_view method, const json::object& params);

/// Errors: protocol_error (not JSON, too deep, or neither answer nor event).
Result<Message> decode_message(std::string_view text);

}  // namespace troupe::cdp
