// The demo site as a server on this machine: a video site to try workflows on, and pages that
// misbehave for tests. docs/guides/demo-site.md lists its pages.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"

namespace troupe::demo {

/// Threads: engine.
class DemoSite {
 public:
  virtual ~DemoSite() = default;
  virtual int port() const = 0;
  /// `http://127.0.0.1:8090`, without a slash at the end.
  virtual std::string url() const = 0;
  /// Ends pages that never answer, then the server, within the context's deadline.
  virtual Async<void> stop(Context& ctx) = 0;
};

/// Port 0 takes any free one. Errors: those of net::HttpServer::start.
Result<std::unique_ptr<DemoSite>> start_demo_site(asio::any_io_executor executor, Clock& clock,
                                                  std::string host, int port);

}  // namespace troupe::demo
