// The conformance suite on a real server, and what only Redis has.
#include "tasks/redis_backend.h"

#include <gmock/gmock.h>

#include "net/testing_redis_server.h"
#include "tasks/testing_conformance.h"

namespace troupe::tasks {
namespace {

using net::RedisServer;
using testing::HasSubstr;

// One server for all tests that do not harm it; each test takes a prefix of its own.
RedisServer& shared_server() {
  static RedisServer server({"--appendonly", "yes", "--appendfsync", "everysec"});
  return server;
}

std::string fresh_prefix() {
  static int last = 0;
  return "test" + std::to_string(++last);
}

// Connects with the first call.
class LateBackend final : public Backend {
 public:
  explicit LateBackend(RedisOptions options) : options_(std::move(options)) {}
  std::string_view name() const override { return "redis"; }
