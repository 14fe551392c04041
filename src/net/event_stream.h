// Reads a stream of server-sent events (text/event-stream) from pieces of any size. Pure, bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe::net {

/// One event. `name` is "" where the stream names none.
struct ServerEvent {
  std::string name;
  std::string data;  ///< Lines of data joined by `\n`.
};

/// Understands LF, CRLF and CR line ends, comments and a byte order mark; ignores `id` and `retry`.
/// An event that the stream's end cuts off is dropped, as the standard says.
class EventStreamReader final {
 public:
  /// Takes one event; false: no more are wanted.
  using OnEvent = std::function<bool(ServerEvent)>;
  explicit EventStreamReader(OnEvent on_event, std::size_t event_bytes_max = 4 << 20)
      : on_event_(std::move(on_event)), event_bytes_max_(event_bytes_max) {}

  /// Reads a piece and calls `on_event` for each event that it completes. Gives false once the
  /// events' taker has enough. Errors: payload_too_large (an event beyond the limit); nothing is
  /// read any more after it.
  Result<bool> read(std::string_view piece);

 private:
  bool end_line();
  std::size_t held() const { return line_.size() + event_.data.size() + event_.name.size(); }

  OnEvent on_event_;
  std::size_t event_bytes_max_;
  std::string line_;
  ServerEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool first_line_ = true;
  bool ended_ = false;
};

}  // namespace troupe::net
