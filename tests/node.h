// Several `troupe serve` on one Redis, each as a machine of its own would have it: its own folder,
// its own port.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "net/testing_redis_server.h"
#include "service.h"

namespace troupe::e2e {

/// A folder, a Redis, and what every node of a test is told.
class Installation final {
 public:
  using Environment = std::map<std::string, std::string>;

  explicit Installation(Environment common = {}) : common_(std::move(common)) {
    common_.try_emplace("TROUPE_TASK_LEASE", "2s");
  }
  /// `name` is the node's folder: the same one again is the same machine started anew.
  std::unique_ptr<Service> node(const std::string& name, const std::string& role = "all",
                                Environment more = {}) const {
    Environment environment = common_;
    environment.merge(more);
    environment["TROUPE_DATA_DIR"] = scratch_.path() + "/" + name;
    environment["TROUPE_BACKEND"] = "redis";
    environment.try_emplace("TROUPE_REDIS_URL", redis_.url());
    environment["TROUPE_ROLE"] = role;
    environment.try_emplace("TROUPE_WARM_SESSIONS", "0");
    environment.try_emplace("TROUPE_WARM_PROCESSES", "0");
    return std::make_unique<Service>(scratch_, std::vector<std::string>{}, std::move(environment));
  }
  net::RedisServer& redis() { return redis_; }
  const Scratch& scratch() const { return scratch_; }

 private:
  Scratch scratch_;
  net::RedisServer redis_;
  Environment common_;
};

/// One page for each item: `/begin?ID`, a pause, `/end?ID`.
inline json::object paced_run(const std::string& witness, int items, const std::string& pause,
                              int sessions) {
  json::array list;
  for (int i = 0; i < items; ++i) list.push_back({{"id", "t" + std::to_string(i)}});
  const json::object wait{{"duration", pause}};
  json::array steps{{{"goto", witness + "/begin?{{ inputs.id }}"}},
                    {{"wait_for", wait}},
                    {{"goto", witness + "/end?{{ inputs.id }}"}}};
  const json::object workflow{{"workflow", "paced"},
                              {"inputs", {{"id", "string"}}},
                              {"steps", std::move(steps)},
                              {"output", "done"}};
  return {
      {"workflow", workflow}, {"sessions", sessions}, {"attempts", 20}, {"items", std::move(list)}};
}

}  // namespace troupe::e2e
