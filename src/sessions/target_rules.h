// What holds for every page, frame and worker of one browser, whoever opens them: request rules,
// headers, locale. Works on Troupe's own connection, beside foreign clients.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/async.h"
#include "cdp/connection.h"
#include "sessions/request_rules.h"

namespace troupe::sessions {

struct TargetRulesOptions {
  RequestRules requests;
  std::vector<std::pair<std::string, std::string>> extra_headers;
  std::string locale;

  bool rules_targets() const {
    return !requests.empty() || !extra_headers.empty() || !locale.empty();
  }
};

/// Threads: engine. Lives while the connection does.
class TargetRules final {
 public:
  TargetRules(cdp::Connection& connection, TargetRulesOptions options);
  TargetRules(const TargetRules&) = delete;

  /// Returns once they hold for the pages that are there; later ones are held back until they do.
  /// Sends nothing when nothing is asked for.
  Async<void> start(Context& ctx);
  std::uint64_t refused() const { return refused_; }

 private:
  void on_root_event(std::string_view method, const json::object& params);
  void on_target_event(const std::string& session_id, std::string_view method,
                       const json::object& params);
  void attached(const json::object& params);
  void detached(const json::object& params);
  void prepare(const std::string& session_id, const std::string& type);
  void judge(const std::string& session_id, const json::object& params);

  struct Target {
    std::string target_id;
    cdp::Connection::Subscription events;
  };
  cdp::Connection& connection_;
  TargetRulesOptions options_;
  json::object fetch_;
  json::object headers_;
  std::map<std::string, Target> targets_;  // by flat session
  std::uint64_t refused_ = 0;
  cdp::Connection::Subscription root_events_;
};

}  // namespace troupe::sessions
