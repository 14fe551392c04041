// Hands for the fake Stagehand service: it does in a real browser what it is asked for, by the
// native engine in place of a model. Tests only. Threads: engine.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cdp/connection.h"
#include "interact/interactor.h"
#include "services/testing_stagehand.h"

namespace troupe::interact {

class StagehandHands final {
 public:
  /// `shared`: the browser of every session; null: the one of each session's `cdpUrl`.
  explicit StagehandHands(cdp::Connection* shared = nullptr);
  ~StagehandHands();

  /// For FakeStagehand::Options.
  Async<json::value> perform(Context& ctx, services::FakeStagehand::Request request);
  asio::awaitable<void> changed(Context& ctx, std::string session, json::object request);

  /// Acts succeed from now on without being done: a service that lies.
  bool idle = false;

 private:
  Async<cdp::Connection*> connection(Context& ctx, const std::string& session);
  Async<json::value> act(Context& ctx, Tab& tab, const json::object& body);
  Async<json::value> extract(Context& ctx, Tab& tab, const json::object& body);
  Async<json::value> observe(Context& ctx, Tab& tab, const json::object& body);
  Async<json::value> agent(Context& ctx, Tab& tab, const json::object& body);

  cdp::Connection* shared_;
  std::unique_ptr<Interactor> native_;
  std::map<std::string, std::string> urls_;
  std::map<std::string, std::unique_ptr<cdp::Connection>> connections_;
};

}  // namespace troupe::interact
