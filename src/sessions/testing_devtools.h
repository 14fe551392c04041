// DevTools endpoints without browsers: many "browsers" behind one port, whose connections can be
// counted, hung up, and made to say nothing. Tests only. Threads: engine.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/async.h"
#include "base/json.h"
#include "net/http_server.h"
#include "net/websocket.h"

namespace troupe::sessions {

class DevtoolsStub final {
 public:
  /// With one browser, which `/json/version` names.
  static std::unique_ptr<DevtoolsStub> start(asio::any_io_executor executor, Clock& clock);
  Async<void> stop(Context& ctx);

  std::string address() const;  ///< `http://127.0.0.1:port`
  const std::string& browser() const { return browser_; }
  std::string url(const std::string& browser) const;

  void add(const std::string& browser);
  /// Its clients are hung up, and whoever comes gets 404.
  void remove(const std::string& browser);
  /// A new browser is in the place of the first one.
  void restart();
  /// Hangs up all clients; the browsers go on.
  void hang_up();
  /// Nothing is answered any more, on connections that stay open.
  void fall_silent(bool silent) { silent_ = silent; }

  std::size_t clients() const;                  ///< Connected now.
  int connected() const { return connected_; }  ///< Ever.
  const std::set<std::string>& pages(const std::string& browser) const {
    return browsers_.at(browser).pages;
  }
  /// Commands of that name so far.
  int count(const std::string& method) const;

 private:
  struct Browser {
    std::set<std::string> pages;
    std::set<net::WebSocket*> clients;
  };
  asio::awaitable<net::HttpResponse> handle(net::HttpRequest request);
  asio::awaitable<void> serve(Context& ctx, net::WebSocket& socket, std::string browser);
  void answer(net::WebSocket& socket, Browser& browser, const json::object& command);
  json::object result_of(net::WebSocket& socket, Browser& browser, const json::object& command);

  std::unique_ptr<net::HttpServer> server_;
  std::string browser_;
  std::map<std::string, Browser> browsers_;
  std::map<std::string, int> counts_;
  int number_ = 0;
  int connected_ = 0;
  bool silent_ = false;
};

}  // namespace troupe::sessions
