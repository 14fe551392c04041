#include "cdp/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/testing.h"
#include "cdp/page.h"
#include "cdp/testing.h"

namespace troupe::cdp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using troupe::testing::run;

TEST(Codec, WritesCommandsAsTheBrowserReadsThem) {
  std::string text;
  encode_command(text, 7, "S1", "Page.navigate", {{"url", "x\""}});
  EXPECT_EQ(text, R"({"id":7,"method":"Page.navigate","params":{"url":"x\""},"sessionId":"S1"})");
  text.clear();
  encode_command(text, 8, "", "Browser.getVersion", {});
  EXPECT_EQ(text, R"({"id":8,"method":"Browser.getVersion"})");
}

TEST(Codec, TellsAnswersEventsAndGarbageApart) {
  auto answer = decode_message(R"({"id":3,"result":{"a":1},"sessionId":"S"})");
  EXPECT_EQ(std::get<Answer>(*answer).result, (json::object{{"a", 1}}));
  auto error = decode_message(R"({"id":3,"error":{"code":-32000,"message":"no"}})");
  EXPECT_EQ(std::get<Answer>(*error).error_message, "no");
  auto event = decode_message(R"({"method":"Page.x","params":{}})");
  EXPECT_EQ(std::get<EventMessage>(*event).method, "Page.x");
  for (const char* garbage : {"", "{", "[1]", "null", "{}", R"({"id":"x"})", "\x01\x02"})
    EXPECT_EQ(decode_message(garbage).error().code, Errc::protocol_error) << garbage;
  EXPECT_FALSE(decode_message(std::string(5'000, '[')));
}

struct Fixture {
  explicit Fixture(Context& ctx)
      : connection(std::make_unique<ScriptedTransport>(ctx.executor(), wire)) {}
  Wire wire;
  Connection connection;
};

asio::awaitable<void> out_of_order(Context& ctx) {
  Fixture f(ctx);
  std::vector<json::object> seen;
  f.wire.on_send = [&](const json::object& sent) {
    seen.push_back(sent);
    if (seen.size() < 2) return;
    f.wire.deliver(R"({"id":2,"result":{"n":2}})");
    f.wire.deliver(R"({"id":1,"result":{"n":1}})");
  };
  std::vector<Async<json::object>> calls;
  calls.push_back(f.connection.call(ctx, "", "A.first"));
  calls.push_back(f.connection.call(ctx, "", "B.second"));
  auto answers = co_await gather(ctx, std::move(calls));
  EXPECT_EQ(answers[0]->at("n"), 1);
  EXPECT_EQ(answers[1]->at("n"), 2);
}

TEST(Connection, MatchesAnswersById) { run(out_of_order); }

asio::awaitable<void> no_answer(Context& ctx) {
  Fixture f(ctx);
  Context brief = ctx.with_timeout(std::chrono::milliseconds(10), "probe");
  auto answer = co_await f.connection.call(brief, "", "Page.hang");
  EXPECT_EQ(answer.error().code, Errc::timeout);
  EXPECT_THAT(answer.error().message, HasSubstr("Page.hang"));
  f.wire.deliver(R"({"id":1,"result":{}})");  // late: nobody waits any more
  const CancelSource cancel;
  Context cancelled = ctx.with_cancel(cancel);
  f.wire.on_send = [&](const json::object&) { cancel.cancel(fail(Errc::cancelled, "stop")); };
  answer = co_await f.connection.call(cancelled, "", "Page.hang");
  EXPECT_EQ(answer.error().message, "stop");
}

TEST(Connection, EndsACallAtItsDeadlineOrCancellation) { run(no_answer); }

asio::awaitable<void> hang_up(Context& ctx) {
  Fixture f(ctx);
  f.wire.on_send = [&](const json::object&) {
    f.wire.hang_up(fail(Errc::session_lost, "the browser ended"));
  };
  auto answer = co_await f.connection.call(ctx, "", "Page.hang");
  EXPECT_EQ(answer.error().code, Errc::session_lost);
  auto later = co_await f.connection.call(ctx, "", "Page.more");
  EXPECT_EQ(later.error().message, "the browser ended");
  EXPECT_TRUE(f.connection.closed_event().is_set());
  EXPECT_EQ(f.wire.sent.size(), 1u);
}

TEST(Connection, FailsEverythingWhenTheBrowserGoes) { run(hang_up); }

asio::awaitable<void> garbage(Context& ctx) {
  Fixture f(ctx);
  f.wire.on_send = [&](const json::object&) { f.wire.deliver("not json"); };
  auto answer = co_await f.connection.call(ctx, "", "Page.x");
  EXPECT_EQ(answer.error().code, Errc::protocol_error);
  EXPECT_TRUE(f.wire.closed);
}

TEST(Connection, ClosesOnGarbage) { run(garbage); }

asio::awaitable<void> events(Context& ctx) {
  Fixture f(ctx);
  std::vector<std::string> seen;
  auto first = f.connection.on_events(
      "S", [&](std::string_view method, const json::object&) { seen.emplace_back(method); });
  {
    auto brief = f.connection.on_events(
        "S", [&](std::string_view, const json::object&) { seen.emplace_back("brief"); });
    f.wire.deliver(R"({"method":"one","sessionId":"S"})");
  }
  f.wire.deliver(R"({"method":"two","sessionId":"S"})");
  f.wire.deliver(R"({"method":"other","sessionId":"T"})");
  EXPECT_THAT(seen, ElementsAre("one", "brief", "two"));
  co_return;
}

TEST(Connection, DeliversEventsWhileSubscribed) { run(events); }

asio::awaitable<void> detached(Context& ctx) {
  Fixture f(ctx);
  int events = 0;
  auto subscription =
      f.connection.on_events("S1", [&](std::string_view, const json::object&) { ++events; });
  f.connection.post("S1", "Page.enable");
  f.wire.deliver(R"({"method":"Page.x","params":{},"sessionId":"S1"})");
  (void)co_await sleep_for(ctx, Duration::zero());
  EXPECT_EQ(events, 1);
  EXPECT_EQ(f.connection.session_counters("S1").commands, 1u);

  f.wire.deliver(R"({"method":"Target.detachedFromTarget","params":{"sessionId":"S1"}})");
  f.wire.deliver(R"({"method":"Page.x","params":{},"sessionId":"S1"})");
  (void)co_await sleep_for(ctx, Duration::zero());
  EXPECT_EQ(events, 1);
  EXPECT_EQ(f.connection.session_counters("S1").commands, 0u);
  EXPECT_EQ(f.connection.session_counters("S1").bytes_received, 0u);
}

TEST(Connection, ForgetsASessionThatIsDetached) { run(detached); }

asio::awaitable<void> recorded(Context& ctx) {
  Fixture f(ctx);
  Transcript transcript(std::string(TROUPE_SOURCE_DIR) + "/tests/data/cdp_session.jsonl");
  transcript.attach(f.wire);
  (void)co_await f.connection.call(ctx, "", "Browser.getVersion");
  auto context = co_await f.connection.call(ctx, "", "Target.createBrowserContext");
  Page::Options where{.browser_context_id =
                          std::string(context->at("browserContextId").as_string())};
  auto page = co_await Page::open(ctx, f.connection, where);
  EXPECT_TRUE(page) << page.error().describe();
  auto navigation =
      co_await (*page)->navigate(ctx, "data:text/html,<title>T</title>", WaitUntil::load);
  EXPECT_TRUE(navigation) << navigation.error().describe();
  EXPECT_EQ(navigation->url, "data:text/html,<title>T</title><p id=a>Hello</p>");
  Page::EvaluateOptions isolated;
  auto text = co_await (*page)->evaluate(ctx, "document.querySelector('#a').textContent", isolated);
  EXPECT_EQ(*text, json::value("Hello"));
  auto thrown = co_await (*page)->evaluate(ctx, "nothing.there", isolated);
  EXPECT_EQ(thrown.error().message, "script: ReferenceError: nothing is not defined");
  auto replaced = co_await (*page)->evaluate(ctx, "1", isolated);
  EXPECT_EQ(replaced.error().code, Errc::navigation_failed);
  auto gone = co_await f.connection.call(ctx, "0123456789ABCDEF0123456789ABCDEF", "Page.enable");
  EXPECT_EQ(gone.error().code, Errc::session_lost);
  (void)co_await f.connection.call(ctx, "", "Target.disposeBrowserContext");
  EXPECT_TRUE((*page)->closed());
  EXPECT_EQ(transcript.mismatch(), "");
  EXPECT_TRUE(transcript.finished());
}

TEST(Connection, ReplaysARecordedSession) { run(recorded); }

// A pipe transport and the other ends of its sockets.
struct PipeEnds {
  explicit PipeEnds(Context& ctx) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
    transport = make_pipe_transport(ctx.executor(), in[0], out[0]);
    transport->start(
        [this](std::string_view text) {
          received.emplace_back(text);
          arrived.pulse();
        },
        [this](Error error) {
          end = std::move(error);
          arrived.pulse();
        });
  }
  ~PipeEnds() {
    ::close(in[1]);
    ::close(out[1]);
  }
  void say(const std::string& bytes) {
    EXPECT_EQ(::write(in[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  int in[2], out[2];
  std::unique_ptr<Transport> transport;
  std::vector<std::string> received;
  std::optional<Error> end;
  Event arrived;
};

asio::awaitable<void> framing(Context& ctx) {
  PipeEnds ends(ctx);
  ends.say(std::string("{\"a\":1}\0{\"b\"", 12));
  (void)co_await ends.arrived.wait(ctx);
  EXPECT_THAT(ends.received, ElementsAre("{\"a\":1}"));
  ends.say(std::string(":2}\0", 4));
  (void)co_await ends.arrived.wait(ctx);
  EXPECT_THAT(ends.received, ElementsAre("{\"a\":1}", "{\"b\":2}"));
  ends.transport->send("one");
  ends.transport->send("two");
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  char buffer[16];
  EXPECT_EQ(::read(ends.out[1], buffer, sizeof buffer), 8);
  EXPECT_EQ(std::string(buffer, 8), std::string("one\0two\0", 8));
  shutdown(ends.in[1], SHUT_RDWR);
  (void)co_await ends.arrived.wait(ctx);
  EXPECT_EQ(ends.end->code, Errc::session_lost);
}

TEST(PipeTransport, CutsMessagesAtNulAndTellsTheEnd) { run(framing); }

}  // namespace
}  // namespace troupe::cdp
