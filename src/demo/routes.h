// What the demo site answers to a request: one table of routes. Pure: waits are only described
// here, site.cc performs them.
#pragma once

#include <span>
#include <string_view>

#include "base/clock.h"
#include "demo/catalogue.h"
#include "net/http_server.h"

namespace troupe::demo {

struct Answer {
  /// What never ends: nothing, the wait for the headers, or the body.
  enum class Hang { none, headers, body };

  net::HttpResponse response;
  Duration delay{};  ///< Before the response.
  Hang hang = Hang::none;
};

/// One row of the table; `path` ends in `*` when it stands for all that begin so.
struct Route {
  std::string_view path;
  std::string_view purpose;  ///< One sentence for docs/guides/demo-site.md.
  Answer (*answer)(const Catalogue& catalogue, WallTime now, const net::HttpRequest& request);
};

std::span<const Route> routes();
/// Never fails: an unknown path is answered with a 404 page.
Answer answer(const Catalogue& catalogue, WallTime now, const net::HttpRequest& request);

}  // namespace troupe::demo
