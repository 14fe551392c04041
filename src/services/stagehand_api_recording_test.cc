// Exchanges with a self-hosted Stagehand v3 server (3.7.5, recorded on this project's own page with
// a scripted model), repeated: what is sent must be what the server took, and its answers are read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <fstream>

#include "base/testing.h"
#include "net/http_server.h"
#include "services/stagehand_api.h"

namespace troupe::services {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using troupe::testing::run;

// Answers as recorded, in order, and notes what was asked differently.
class RecordedServer final {
 public:
  RecordedServer(Context& ctx, const std::string& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      exchanges_.push_back(parse_json(line, path).value().as_object());
    server_ = net::HttpServer::start(
                  ctx.executor(), ctx.clock(), {},
                  [this](Context&, net::HttpRequest request) { return answer(std::move(request)); })
                  .value();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  Async<void> stop(Context& ctx) { return server_->stop(ctx); }
  const std::vector<std::string>& differences() const { return differences_; }
  std::size_t left() const { return exchanges_.size(); }

 private:
  void compare(const net::HttpRequest& request, const json::object& expected) {
    const auto differs = [&](std::string_view what, const std::string& is, const std::string& was) {
      if (is != was)
        differences_.push_back(request.target + ": " + std::string(what) + " " + is +
                               ", recorded " + was);
    };
    differs("method", request.method, std::string(expected.at("method").as_string()));
    differs("path", request.target, std::string(expected.at("path").as_string()));
    const bool streams = request.header("x-stream-response") == "true";
    differs("stream", streams ? "yes" : "no", expected.at("stream").as_bool() ? "yes" : "no");
    const auto body = parse_json(request.body.empty() ? "null" : request.body, "body");
    // An empty object says no more than nothing.
    const json::value& was = expected.at("sent");
    const bool nothing = was.is_null() && body && (body->is_null() || *body == json::object());
    if (!nothing && (!body || *body != was)) differs("body", request.body, json::serialize(was));
    if (!request.header("x-language").empty()) differs("x-language", "sent", "not for C++");
  }

  asio::awaitable<net::HttpResponse> answer(net::HttpRequest request) {
    net::HttpResponse response{.status = 500};
    if (exchanges_.empty()) {
      differences_.push_back(request.target + ": was not recorded");
      co_return response;
    }
    const json::object expected = std::move(exchanges_.front());
    exchanges_.pop_front();
    compare(request, expected);
    response.status = static_cast<int>(expected.at("status").as_int64());
    response.content_type = std::string(expected.at("type").as_string());
    response.body = std::string(expected.at("body").as_string());
    co_return response;
  }

  std::deque<json::object> exchanges_;
  std::vector<std::string> differences_;
  std::unique_ptr<net::HttpServer> server_;
};

constexpr const char* kPage = "http://127.0.0.1:8931/tiny.html";
const StagehandAction kSignIn{.selector = "xpath=/html[1]/body[1]/form[1]/button[1]",
                              .description = "Sign in",
                              .method = "click"};

StagehandCall with_model() {
  StagehandCall call;
  call.model = {.name = "openai/gpt-4.1-mini",
                .api_key = "sk-local",
                .base_url = "http://127.0.0.1:8941/v1",
                .endpoint_format = "chat"};
  return call;
}

json::object status_schema() {
  return {{"type", "object"},
          {"properties", json::object{{"status", json::object{{"type", "string"}}}}},
          {"required", json::array{"status"}}};
}

asio::awaitable<void> whole_answers(Context& ctx, StagehandApi& api, std::string id) {
  const StagehandCall plain;
  EXPECT_TRUE(co_await api.navigate(ctx, id, kPage, "", plain));
  const auto seen = co_await api.observe(ctx, id, "find the sign in button", with_model());
  EXPECT_EQ(seen.value().at(0).selector, kSignIn.selector);
  const auto typed = co_await api.act(ctx, id, "type a@b.c into email", with_model());
  EXPECT_TRUE(typed.value().success);
  EXPECT_THAT(typed.value().actions.at(0).arguments, ElementsAre("a@b.c"));
  const auto pressed = co_await api.act(ctx, id, kSignIn, with_model());
  EXPECT_TRUE(pressed.value().success);
  const auto read = co_await api.extract(ctx, id, "status", status_schema(), with_model());
  EXPECT_EQ(read.value(), (json::object{{"status", "idle"}}));
}

asio::awaitable<void> streams(Context& ctx, StagehandApi& api, std::string id) {
  std::vector<std::string> progress;
  StagehandCall call = with_model();
  call.on_progress = [&](std::string_view category, std::string_view message) {
    progress.push_back(std::string(category) + ": " + std::string(message));
  };
  const auto seen = co_await api.observe(ctx, id, "find the sign in button", call);
  EXPECT_EQ(seen.value().at(0).description, "Sign in button");
  EXPECT_THAT(progress, ::testing::Contains("observation: starting observation"));
  EXPECT_TRUE((co_await api.act(ctx, id, "type a@b.c into email", call)).value().success);
  EXPECT_TRUE((co_await api.act(ctx, id, kSignIn, call)).value().success);
  const auto read = co_await api.extract(ctx, id, "status", status_schema(), call);
  EXPECT_EQ(read.value(), (json::object{{"status", "idle"}}));
  const StagehandCall plain;
  const auto page = co_await api.extract(ctx, id, "", std::nullopt, plain);
  EXPECT_THAT(std::string(page.value().at("pageText").as_string()), HasSubstr("Tiny page"));
  EXPECT_EQ((co_await api.replay(ctx, id)).value(), json::array{});
  // The server acted on another element than it was told, and calls it a success: that much it
  // says, and nobody else can.
  StagehandCall limited = call;
  limited.timeout = std::chrono::milliseconds(3'000);
  const StagehandAction nowhere{
      .selector = "xpath=/html/body/nope", .description = "x", .method = "click"};
  const auto healed = co_await api.act(ctx, id, nowhere, limited);
  EXPECT_NE(healed.value().actions.at(0).selector, nowhere.selector);
}

asio::awaitable<void> repeats(Context& ctx) {
  RecordedServer server(ctx, TROUPE_SOURCE_DIR "/tests/data/stagehand_v3.jsonl");
  const auto http = net::HttpClient::create({});
  StagehandOptions options{.api_key = "bb_test_placeholder",
                           .base_url = server.url(),
                           .model_key = "sk-local",
                           .attempts_max = 1};
  const auto api = make_stagehand_api(options, *http, ctx.clock(), Random(1)).value();
  EXPECT_TRUE(co_await api->ready(ctx));
  StagehandStart begin{.model_name = "openai/gpt-4.1-mini"};
  begin.launch_options = {
      {"executablePath", "<CHROMIUM>"},
      {"headless", true},
      {"args", json::array{"--no-sandbox", "--disable-gpu", "--disable-background-networking",
                           "--disable-component-update", "--disable-sync", "--no-first-run"}}};
  begin.more = {{"verbose", 1}};
  const auto started = co_await api->start(ctx, begin);
  const std::string id = started.value().session_id;
  EXPECT_THAT(started.value().cdp_url, HasSubstr("/devtools/browser/"));
  co_await whole_answers(ctx, *api, id);
  co_await streams(ctx, *api, id);

  const StagehandCall plain;
  const auto lost = co_await api->act(ctx, "nope", "x", plain);
  EXPECT_EQ(lost.error().code, Errc::session_lost);
  StagehandStart strange{.model_name = "foo/bar"};
  strange.more = {{"browser", json::object{{"type", "local"}, {"launchOptions", json::object{}}}}};
  const auto refused = co_await api->start(ctx, strange);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("Invalid provider: foo"));
  EXPECT_TRUE(co_await api->end(ctx, id));
  const auto over = co_await api->observe(ctx, id, "x", plain);
  EXPECT_EQ(over.error().code, Errc::session_lost);

  EXPECT_THAT(server.differences(), IsEmpty());
  EXPECT_EQ(server.left(), 0u);
  (void)co_await server.stop(ctx);
}
TEST(StagehandApiRecording, IsRepeatedExchangeByExchange) { run(repeats); }

}  // namespace
}  // namespace troupe::services
