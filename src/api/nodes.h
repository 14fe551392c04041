// The processes that share one backend: who is there, and whose session is whose. A node puts
// itself and its sessions into the backend's documents; a node that says nothing any more counts as
// gone, by the reader's own clock, so the nodes' clocks need not agree.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/service.h"
#include "net/http_server.h"

namespace troupe::api {

/// What a node tells of itself.
struct Node {
  std::string id;
  std::string url;  ///< `http://10.0.0.7:8000`
  std::string role;
};

/// A session of another node.
struct RemoteSession {
  std::optional<Node> node;  ///< Nothing: it is gone, and the session has ended with it.
  std::string node_id;
  json::object shown;  ///< As its node told of it last, or as it ended.
  std::int64_t created_ms = 0;
};

struct NodesOptions {
  Node self;
  std::string secret;  ///< Of the installation: Engine::shared_secret().
  Duration beat_every = std::chrono::seconds(2);
  Duration silence_max = std::chrono::seconds(10);  ///< Then a node counts as gone.
  /// How long is remembered what sessions a gone node had.
  std::chrono::milliseconds kept{std::chrono::hours(24)};
  std::size_t ended_kept = 1'000;  ///< Ended sessions of this node that the others know of.
};

/// Threads: engine.
class Nodes final {
 public:
  /// The header by which a node knows another; its value is for one receiver only.
  static constexpr std::string_view kHeader = "x-troupe-node";

  /// What is referred to must live until stop() ended.
  Nodes(tasks::Backend& backend, const SessionService& sessions, Clock& clock,
        asio::any_io_executor executor, observe::Log& log, NodesOptions options);

  /// `url` is where the others reach this node.
  void start(std::string url);
  /// Tells what is left to tell and that this node goes. Idempotent.
  asio::awaitable<void> stop();

  const Node& self() const { return options_.self; }
  /// The others that are there.
  std::vector<Node> others() const;
  /// Those that are there at this moment, also the newest; those known before if nobody can say.
  Async<std::vector<Node>> others_now(Context& ctx);
  /// One of them.
  std::optional<Node> find_node(const std::string& id) const;
  /// A secret of the whole installation for one purpose.
  std::string secret_for(std::string_view purpose) const;
  /// What `kHeader` must be for a request to that node.
  std::string token_for(const std::string& node_id) const;
  /// Whether a request comes from a node. Errors: unavailable (it is meant for another one).
  Result<bool> is_from_node(const net::HttpRequest& request) const;

  /// A session of this node is new, has changed or has ended. Others are ignored.
  void changed(const std::string& session_id);
  /// Waits until the other nodes can know of it as it is now.
  Async<void> told(Context& ctx, const std::string& session_id);

  /// Nothing: no other node has or had it. Errors: those of the backend.
  Async<std::optional<RemoteSession>> find_session(Context& ctx, std::string session_id);
  /// All of the others', in no order. Errors: those of the backend.
  Async<std::vector<RemoteSession>> sessions(Context& ctx);

 private:
  struct Seen {
    Node node;
    std::uint64_t version = 0;
    Duration silent{};
  };
  // What the backend has of a session of this node.
  struct Told {
    std::string shown;
    std::uint64_t version = 0;
    bool ended = false;
  };
  asio::awaitable<void> beat_forever();
  Async<void> beat(Context& ctx);
  Async<void> introduce(Context& ctx);
  Async<void> look(Context& ctx);
  void tell_all();
  asio::awaitable<void> tell_forever();
  Async<void> tell(Context ctx, std::string id);
  Async<void> forget(Context ctx, std::string id);
  Async<void> forget_gone(Context& ctx);
  std::optional<RemoteSession> read(const tasks::Document& document) const;
  Context base() const { return Context(clock_, executor_); }
  void complain(std::string_view action, const Error& error);

  tasks::Backend& backend_;
  const SessionService& sessions_;
  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  NodesOptions options_;
  std::uint64_t version_ = 0;
  std::map<std::string, Seen> seen_;
  SteadyTime looked_at_{};
  SteadyTime forgot_at_{};
  std::map<std::string, Told> told_;
  std::set<std::string> news_;     ///< Sessions to tell of.
  std::set<std::string> telling_;  ///< Those that are being told of.
  std::deque<std::string> ended_;
  Event has_news_;
  Event has_told_;
  CancelSource stopping_;
  bool complained_ = false;
  bool stopped_ = false;
  Scope scope_;
};

}  // namespace troupe::api
