// A request that another node must answer: sent there as it came, and answered as that one answers.
// One hop only: what comes from a node is never sent on. The asked node is sure of the sender by a
// token for it alone; the client's own key stays here.
#pragma once

#include <memory>
#include <string>

#include "api/nodes.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace troupe::net {
class WebSocket;
}  // namespace troupe::net

namespace troupe::api {

/// The node that was asked is not the one that was meant: it was started anew.
inline constexpr int kMisdirected = 421;
/// What the client called this service, for addresses in answers.
inline constexpr std::string_view kClientHostHeader = "x-troupe-host";

/// Threads: engine.
class Forwarder final {
 public:
  /// `nodes` must live as long as what this gives out.
  explicit Forwarder(Nodes& nodes);

  /// The node's answer: streamed, when it is more than a little. Ends with `stopping`.
  /// Errors: unavailable (the node does not answer), timeout, cancelled.
  Async<net::HttpResponse> send(Context& ctx, const net::HttpRequest& request, const Node& node,
                                CancelSource stopping);
  /// Connects to the node first, so that its refusal is this one's.
  /// Errors: unavailable, and what the node refuses with.
  Async<net::HttpResponse> connect(Context& ctx, const net::HttpRequest& request, const Node& node,
                                   CancelSource stopping);
  /// Posts JSON to the node itself. Errors: as above.
  Async<void> post(Context& ctx, std::string path, std::string body, const Node& node);

 private:
  net::Headers headers_for(const net::HttpRequest& request, const Node& node) const;
  Nodes& nodes_;
  std::unique_ptr<net::HttpClient> client_ = net::HttpClient::create();
};

/// `/path?a=1&apiKey=secret` without the key. Pure.
std::string without_api_key(std::string_view target);
/// Passes frames both ways until one side ends; the other side is then closed with its code. A side
/// that says nothing for a minute, although asked, counts as gone.
asio::awaitable<void> relay(Context& ctx, net::WebSocket& client, net::WebSocket& node);

}  // namespace troupe::api
