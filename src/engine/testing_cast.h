// Who plays in a simulated world: sessions that take their time, fail, hang and die; pages whose
// actions do the same; and the node that puts the real engine on top of them. Tests only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/engine.h"
#include "engine/testing_link.h"
#include "interact/interactor.h"
#include "sessions/provider.h"

namespace troupe::simulation {

/// How the browsers and pages behave; the chances are per call.
struct Script {
  double action_fails = 0, action_hangs = 0;
  double creation_fails = 0, creation_hangs = 0;
  double session_dies = 0, close_fails = 0;
  Duration action_max = std::chrono::seconds(2);
};

/// The sessions of one node's life, as their provider sees them.
struct Ward {
  std::set<std::string> open;
  std::set<std::string> ended;  ///< Closed, or died by themselves.
  int made = 0;
};

struct NodeOptions {
  std::string name;
  std::string backend_name = "redis";
  int sessions_max = 2;
  std::uint64_t seed = 0;
};

/// One life of a process: a place, an engine on it, a link to the store.
class Node final {
 public:
  Node(Hub& hub, Script& script, NodeOptions options);

  /// kill -9, between two handlers. Its browsers die with it.
  void kill();
  /// Tidies up the memory of a killed one, unseen by the world.
  void bury();
  /// A graceful end; `closed` says when it is over.
  void close(bool now);

  World& world;
  Hub& hub;
  Script& script;
  const NodeOptions options;
  Place& place;
  Ward ward;
  Link* link = nullptr;
  std::unique_ptr<engine::Engine> engine;
  bool closing = false, closed = false, buried = false;
  std::uint64_t handlers_left = 0;  ///< Not 0: it is killed before that many handlers more.
};

}  // namespace troupe::simulation
