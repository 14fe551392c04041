// A browser with the Stagehand runtime in it, for tests: answers what the client sends over CDP as
// the real one does, checks each message against the contract, and misbehaves by script. Tests
// only. Threads: engine.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cdp/connection.h"
#include "cdp/testing.h"
#include "services/stagehand_rpc.h"

namespace troupe::services {

/// tests/contract/stagehand_v4.json.
class StagehandContract final {
 public:
  StagehandContract();
  /// What is wrong with `value` as the `part` (params, result) of the method; empty: nothing.
  std::string problem(std::string_view method, std::string_view part,
                      const json::value& value) const;
  std::string notification_problem(std::string_view method, const json::value& params) const;
  std::vector<std::string> methods() const;

 private:
  json::object contract_;
};

class FakeStagehandRuntime final {
 public:
  explicit FakeStagehandRuntime(asio::any_io_executor executor);

  cdp::Connection& connection() { return *connection_; }
  /// The runtime's side asks (method, params); its number is the return value.
  std::int64_t ask(std::string method, json::object params);
  void notify(const std::string& method, json::object params);
  void answer(std::int64_t id, json::value result);
  void refuse(std::int64_t id, std::int64_t code, const std::string& message,
              const std::string& name = "Error");
  /// Says it as it is.
  void say(const std::string& text);
  void end_worker();
  int count(std::string_view method) const;

  std::string protocol = "3.1.1";
  bool has_extensions = true;
  bool preloaded = false;         ///< The browser started with it.
  bool is_listed = true;          ///< As one of the browser's extensions.
  std::string folder;             ///< Where the browser says it is; empty: it does not say.
  std::set<std::string> unknown;  ///< CDP methods that the browser does not have.
  int sleeps = 0;                 ///< So often the worker is not there yet when looked for.
  int dying_workers = 0;          ///< So many end while they are attached to.
  bool has_old_worker = false;    ///< Before it is loaded.
  bool receives = true;           ///< It takes messages.
  std::string refuses_client;     ///< Why; empty: it takes the client on.
  std::map<std::string, json::value> results;  ///< By method; the rest has defaults.
  std::set<std::string> silent;                ///< Never answered.
  bool silent_until_loaded = false;            ///< Nothing is, until it is loaded anew.
  /// Sees each call before it is answered; true: it answers itself.
  std::function<bool(std::int64_t id, const StagehandRequest&)> on_call;

  /// Sees each answer to what the runtime asked.
  std::function<void(const json::object& reply)> on_reply;

  std::vector<StagehandRequest> calls;  ///< Of the client.
  std::vector<json::object> replies;    ///< To what the runtime asked.
  std::vector<std::string> problems;    ///< What broke the contract.
  std::vector<json::object> commands;   ///< CDP.

 private:
  void on_command(const json::object& command);
  json::object answer_of(const std::string& method, const json::object& params);
  json::object evaluate(const json::object& params);
  void receive(const std::string& text);
  void on_rpc(std::int64_t id, StagehandRequest request);

  StagehandContract contract_;
  cdp::Wire wire_;
  std::unique_ptr<cdp::Connection> connection_;
  std::map<std::int64_t, std::string> asked_;
  std::int64_t last_asked_ = 0;
  int sessions_ = 0;
  bool loaded_ = false;
  int loads_ = 0;
};

}  // namespace troupe::services
