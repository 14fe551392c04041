// WebSocket frames and DevTools messages from outside: however the bytes are cut, the parsers give
// the same, never more than they got, and end.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/cdp_message.h"
#include "net/websocket_frames.h"

namespace {

using namespace troupe;

void require(bool holds) {
  if (!holds) std::abort();
}

// All payloads, with a mark after each frame and one for the error.
std::string parse(std::string bytes, net::WebSocketRole role, std::size_t step) {
  net::FrameParser parser(role);
  std::string all;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::span<char> rest = std::span(bytes).subspan(at, std::min(step, bytes.size() - at));
    for (;;) {
      const auto piece = parser.next(rest);
      if (!piece) return all + "!";
      if (!*piece) break;
      require((*piece)->offset + (*piece)->data.size() <= (*piece)->length);
      all += (*piece)->data;
      if ((*piece)->ends_frame()) all += '|';
    }
  }
  return all;
}

std::string method_of(std::string_view text, std::size_t step) {
  api::MethodScanner scanner;
  for (std::size_t at = 0; at < text.size(); at += step) scanner.feed(text.substr(at, step));
  require(scanner.method().size() <= 128);
  return scanner.method();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto role = (data[0] & 1) != 0 ? net::WebSocketRole::server : net::WebSocketRole::client;
  const std::size_t step = 1 + data[0] / 2;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  require(parse(bytes, role, step) == parse(bytes, role, bytes.size()));
  (void)net::parse_close_payload(bytes);

  const std::string method = method_of(bytes, step);
  require(method == method_of(bytes, bytes.size()));
  // What a parser takes for the method is what was found, so that nothing is let through unseen.
  const auto parsed = parse_json(bytes, "message");
  if (!parsed || !parsed->is_object()) return 0;
  const auto wanted = find_string(parsed->get_object(), "method");
  if (wanted && api::guard_of(*wanted) != api::Guard::none) require(method == *wanted);
  return 0;
}
