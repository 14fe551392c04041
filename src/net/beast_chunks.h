// A defect of Beast 1.81 to stay clear of. Internal to net/.
#pragma once

#include <cstddef>

namespace troupe::net {

/// A chunked body that is not at its end has at least `0 CRLF CRLF` ahead. Beast's parser, given
/// fewer bytes than that a second time, fails an assertion (parse_chunk_header), so it is called
/// with more only.
inline constexpr std::size_t kChunkedRestMin = 5;

template <class Parser>
bool needs_more_first(const Parser& parser, std::size_t available) {
  return parser.is_header_done() && !parser.is_done() && parser.chunked() &&
         available < kChunkedRestMin;
}

}  // namespace troupe::net
