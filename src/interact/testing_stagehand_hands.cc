#include "interact/testing_stagehand_hands.h"

#include "cdp/transport.h"
#include "interact/native_interactor.h"

namespace troupe::interact {
namespace {

// One page that is somebody else's: taken, and not closed.
class BorrowedPage final : public sessions::LiveSession {
 public:
  BorrowedPage(cdp::Connection& connection, std::unique_ptr<cdp::Page> page)
      : connection_(connection), page_(std::move(page)) {}
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override {
    return sessions::Browser{.connection = &connection_};
  }
  std::unique_ptr<cdp::Page> take_page() override { return std::move(page_); }
  void give_back_page(std::unique_ptr<cdp::Page> page) override { page.reset(); }
  Result<std::string> downloads_dir() override {
    return fail(Errc::unsupported, "borrowed page: downloads");
  }
  Session::Counters& counters() override { return counters_; }

 private:
  cdp::Connection& connection_;
  std::unique_ptr<cdp::Page> page_;
  std::string id_ = "borrowed";
  Session::Counters counters_;
};

json::value act_result(bool success, const std::string& message) {
  json::array actions;
  if (success)
    actions.push_back({{"selector", "xpath=/html[1]/body[1]"},
                       {"description", message},
                       {"method", "click"},
                       {"arguments", json::array{}}});
  return json::object{{"success", success},
                      {"message", message},
                      {"actionDescription", message},
                      {"actions", std::move(actions)}};
}

}  // namespace

StagehandHands::StagehandHands(cdp::Connection* shared)
    : shared_(shared), native_(make_native_interactor()) {}
StagehandHands::~StagehandHands() = default;

asio::awaitable<void> StagehandHands::changed(Context&, std::string session, json::object request) {
  const json::value* browser = find(request, "browser");
  const json::value* url = browser ? find(*browser, "cdpUrl") : nullptr;
  if (url && url->is_string()) urls_[session] = url->get_string();
  if (request.empty()) connections_.erase(session);
  co_return;
}

Async<cdp::Connection*> StagehandHands::connection(Context& ctx, const std::string& session) {
  if (shared_) co_return shared_;
  auto& own = connections_[session];
  if (own) co_return own.get();
  std::string url = urls_[session];
  CO_TRY(auto transport, co_await cdp::connect_websocket(ctx, std::move(url)));
  own = std::make_unique<cdp::Connection>(std::move(transport));
  co_return own.get();
}

Async<json::value> StagehandHands::perform(Context& ctx, services::FakeStagehand::Request request) {
  CO_TRY(cdp::Connection* const browser, co_await connection(ctx, request.session));
  std::string target(find_string(request.body, "frameId").value_or(""));
  CO_TRY(auto page, co_await cdp::Page::adopt(ctx, *browser, std::move(target)));
  BorrowedPage session(*browser, std::move(page));
  InteractOptions options;
  CO_TRY(auto tab, co_await native_->open(ctx, session, std::move(options)));
  Result<json::value> result = fail(Errc::invalid_argument, "no such operation");
  if (request.operation == "act") result = co_await act(ctx, *tab, request.body);
  if (request.operation == "extract") result = co_await extract(ctx, *tab, request.body);
  if (request.operation == "observe") result = co_await observe(ctx, *tab, request.body);
  if (request.operation == "agentExecute") result = co_await agent(ctx, *tab, request.body);
  (void)co_await native_->close(ctx, std::move(tab), true);
  co_return result;
}

Async<json::value> StagehandHands::act(Context& ctx, Tab& tab, const json::object& body) {
  const std::string instruction(find_string(body, "input").value_or(""));
  if (idle) co_return act_result(true, "performed: " + instruction);
  Action action{.kind = "act", .args = {{"instruction", instruction}}};
  const json::value* options = find(body, "options");
  if (const json::value* given = options ? find(*options, "variables") : nullptr)
    action.args["variables"] = *given;
  const json::value* known = find(body, "input");
  if (known && known->is_object()) action.args = {{"action", *known}};
  Context limited = ctx.with_timeout(std::chrono::seconds(2), "act of the fake");
  const auto done = co_await native_->perform(limited, tab, std::move(action));
  if (done) co_return act_result(true, "performed: " + done->detail);
  const bool nothing = done.error().code == Errc::target_not_found;
  co_return act_result(false, nothing ? "No action found" : done.error().message);
}

Async<json::value> StagehandHands::extract(Context& ctx, Tab& tab, const json::object& body) {
  const json::value* schema = find(body, "schema");
  if (!schema) {
    Action text{.kind = "evaluate", .args = {{"expression", "document.body.innerText"}}};
    CO_TRY(auto read, co_await native_->perform(ctx, tab, std::move(text)));
    const char* key = body.contains("instruction") ? "extraction" : "pageText";
    co_return json::value(json::object{{key, std::move(read.output)}});
  }
  const json::value* properties = find(*schema, "properties");
  const json::value* items = properties ? find(*properties, "items") : nullptr;
  const json::value* inner = items ? find(*items, "items") : nullptr;
  Action action{.kind = "extract", .args = {}};
  action.args["fields"] = inner ? *find(*inner, "properties") : *properties;
  if (inner) action.args["list"] = true;
  CO_TRY(auto read, co_await native_->perform(ctx, tab, std::move(action)));
  if (!inner) co_return std::move(read.output);
  co_return json::value(json::object{{"items", std::move(read.output)}});
}

Async<json::value> StagehandHands::observe(Context& ctx, Tab& tab, const json::object& body) {
  Action action{.kind = "observe", .args = {}};
  action.args["instruction"] = find_string(body, "instruction").value_or("");
  CO_TRY(auto seen, co_await native_->perform(ctx, tab, std::move(action)));
  json::array actions;
  for (const auto& row : seen.output.as_array())
    actions.push_back({{"selector", row.at("selector")},
                       {"description", row.at("description")},
                       {"method", row.at("kind")},
                       {"arguments", json::array{}}});
  co_return actions;
}

// A goal is steps with `; ` between them.
Async<json::value> StagehandHands::agent(Context& ctx, Tab& tab, const json::object& body) {
  const json::value* options = find(body, "executeOptions");
  std::string goal(find_string(options->as_object(), "instruction").value_or(""));
  json::array actions;
  bool done = true;
  while (done && !goal.empty()) {
    const auto end = std::min(goal.find("; "), goal.size());
    const json::object step{{"input", goal.substr(0, end)}};
    goal.erase(0, end + 2);
    CO_TRY(const auto result, co_await act(ctx, tab, step));
    done = result.at("success").as_bool();
    actions.push_back({{"type", "act"}, {"action", step.at("input")}});
  }
  co_return json::value(json::object{{"success", done},
                                     {"completed", done},
                                     {"message", done ? "goal reached" : "gave up"},
                                     {"actions", std::move(actions)}});
}

}  // namespace troupe::interact
