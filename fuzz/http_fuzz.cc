// Requests, targets and URLs from outside: whatever the bytes and however they are cut, the parser
// ends in one of its states and gives only what it promises.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/router.h"
#include "net/request_parser.h"
#include "net/url.h"

namespace {

using troupe::net::RequestParser;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const troupe::net::HttpRequest& request) {
  require(!request.method.empty());
  require(request.path == "*" || request.path.starts_with('/'));
  require(troupe::net::is_utf8(request.path));
  require(request.path.find('\0') == std::string::npos);
  for (const auto& [name, value] : request.query)
    require(troupe::net::is_utf8(name) && troupe::net::is_utf8(value));
  for (const auto& [name, value] : request.headers)
    require(value.find_first_of("\r\n") == std::string::npos);
  (void)troupe::api::find_route(request.method, request.target);
}

// Feeds `bytes` in pieces of `piece` bytes, as a socket would.
void feed(std::string_view bytes, std::size_t piece) {
  RequestParser parser({.header_bytes_max = 512, .body_bytes_max = 256});
  std::string buffer;
  while (!bytes.empty()) {
    const std::string_view now = bytes.substr(0, piece);
    bytes.remove_prefix(now.size());
    buffer += now;
    const std::size_t used = parser.feed(buffer);
    require(used <= buffer.size());
    buffer.erase(0, used);
    if (parser.state() == RequestParser::State::refused) {
      require(parser.refusal().status >= 400 && !parser.refusal().error.message.empty());
      return;
    }
    if (parser.state() != RequestParser::State::complete) continue;
    const auto request = parser.take();
    require(request.body.size() <= 256);
    check(request);
    parser.reset();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  feed(bytes, data[0] == 0 ? bytes.size() + 1 : data[0]);
  if (const auto url = troupe::net::parse_url(bytes)) {
    require(url->target.starts_with('/') && !url->host.empty());
    require(url->target.find_first_of("\r\n ") == std::string::npos);
  }
  if (const auto decoded = troupe::net::percent_decode(bytes))
    require(troupe::net::percent_decode(troupe::net::percent_encode(*decoded)) == decoded);
  (void)troupe::net::parse_query(bytes);
  return 0;
}
