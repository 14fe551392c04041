// The bytes in front of a response's body. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "net/http_server.h"

namespace troupe::net {

/// How a response goes out.
struct Framing {
  int version = 11;
  bool keep_alive = true;
  /// Nothing: streamed (chunked in HTTP/1.1, up to the connection's end in 1.0).
  std::optional<std::uint64_t> content_length;
};

/// Appends status line and headers. Control characters in names and values become spaces, so that
/// no value can add a header.
void append_head(std::string& out, const HttpResponse& response, const Framing& framing,
                 std::string_view date);

/// 1xx, 204 and 304 have no body and no length.
bool has_no_body(int status);

/// `Sun, 22 Nov 2026 19:48:10 GMT` (RFC 9110 5.6.7).
std::string http_date(WallTime time);

}  // namespace troupe::net
