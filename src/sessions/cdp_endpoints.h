// The browsers of provider `cdp`: their addresses, what is known of each, and the connection that
// its sessions share.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/cdp_provider.h"
#include "sessions/remote_browser.h"

namespace troupe::sessions {

/// A connection that several sessions use. When it breaks, one of them asks for all why.
struct SharedConnection {
  std::shared_ptr<RemoteBrowser> browser;
  bool dropped = false;  ///< By us: nobody uses it.
  ConnectionLoss loss;
  Event diagnosed;  ///< `loss` is known.
};

/// One address.
struct Endpoint {
  std::string address;
  std::string name;  ///< The address without secrets.
  std::shared_ptr<SharedConnection> shared;
  bool connecting = false;
  Event settled;  ///< Pulsed when an attempt to connect ended.
  int sessions = 0;
  bool default_taken = false;
  int failures = 0;  ///< Attempts in a row.
  SteadyTime retry_at{};
  std::optional<Error> failure;
  SteadyTime used_at{};
  /// What could not be cleared away: done on the next connection.
  struct Chore {
    std::string method;
    json::object params;
  };
  std::vector<Chore> left_over;

  bool connected() const { return shared && shared->browser->alive(); }
};

/// Sessions refer to it. Threads: engine.
class Endpoints final {
 public:
  Endpoints(Clock& clock, asio::any_io_executor executor, observe::Log& log, CdpOptions options,
            std::unique_ptr<net::HttpClient> http);

  const CdpOptions& options() const { return options_; }
  bool any() const { return !all_.empty(); }

  struct Taken {
    Endpoint* endpoint = nullptr;
    std::shared_ptr<RemoteBrowser> browser;
    std::shared_ptr<SharedConnection> shared;  ///< Null: `browser` is the taker's alone.
  };
  /// Counted as used by one more session; give_back() undoes it. Tries one address after the other,
  /// those that failed lately last and not before their time.
  Async<Taken> take(Context& ctx, bool default_context);
  void give_back(Endpoint& endpoint, bool default_context);

  /// Runs beside everything else until shutdown.
  void spawn(std::string name, asio::awaitable<void> fiber) {
    scope_.spawn(std::move(name), std::move(fiber));
  }
  Context fiber_context(const CancelSource& stop) const;
  void note(observe::Level level, std::string_view action, std::string_view status,
            std::vector<observe::Detail> details, const Error* error = nullptr);

  void tend();
  Async<void> shutdown(Context& ctx);
  const CancelSource& stop_source() const { return stop_; }

 private:
  Endpoint* choose(const std::set<Endpoint*>& tried, bool default_context) const;
  Async<std::shared_ptr<SharedConnection>> shared_connection(Context& ctx, Endpoint& endpoint);
  Async<std::shared_ptr<RemoteBrowser>> connect(Context& ctx, Endpoint& endpoint);
  void note_failure(Context& ctx, Endpoint& endpoint, const Error& error);
  asio::awaitable<void> reconnect(Endpoint& endpoint);
  asio::awaitable<void> attend(std::shared_ptr<SharedConnection> shared, std::string name);
  void drop(Endpoint& endpoint);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  CdpOptions options_;
  std::unique_ptr<net::HttpClient> http_;
  std::vector<std::unique_ptr<Endpoint>> all_;
  Event given_back_;
  CancelSource stop_;
  Scope scope_;
  bool closed_ = false;
};

}  // namespace troupe::sessions
