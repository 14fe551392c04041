#include "net/event_stream.h"

namespace troupe::net {

// A line is complete: a field of the event, or the event's end. False when no more are wanted.
bool EventStreamReader::end_line() {
  std::string line = std::exchange(line_, {});
  if (std::exchange(first_line_, false) && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  if (line.empty()) {
    ServerEvent event = std::exchange(event_, {});
    return !std::exchange(has_data_, false) || on_event_(std::move(event));
  }
  const auto colon = std::min(line.find(':'), line.size());
  const std::string_view field = std::string_view(line).substr(0, colon);
  std::string_view value = std::string_view(line).substr(std::min(colon + 1, line.size()));
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.name = value;
  if (field != "data") return true;
  if (has_data_) event_.data += '\n';
  event_.data += value;
  has_data_ = true;
  return true;
}

Result<bool> EventStreamReader::read(std::string_view piece) {
  while (!piece.empty() && !ended_) {
    if (std::exchange(after_cr_, false) && piece.front() == '\n') {
      piece.remove_prefix(1);
      continue;
    }
    const auto end = piece.find_first_of("\r\n");
    const bool complete = end != std::string_view::npos;
    const std::string_view part = complete ? piece.substr(0, end) : piece;
    if (held() + part.size() > event_bytes_max_) {
      ended_ = true;
      return fail(Errc::payload_too_large,
                  "event stream: an event exceeds " + std::to_string(event_bytes_max_) + " bytes");
    }
    line_ += part;
    if (!complete) break;
    after_cr_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    ended_ = !end_line();
  }
  return !ended_;
}

}  // namespace troupe::net
