#include "api/gateway_testing.h"

namespace troupe::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(GatewayTest, ForwardsMessagesBothWays) {
  const auto socket = client();
  ASSERT_TRUE(socket);

  send(*socket, R"({"id":1,"method":"Browser.getVersion"})");

  EXPECT_EQ(text(*socket), R"({"id":1,"method":"Browser.getVersion"})");
  EXPECT_THAT(paths_, ElementsAre("/devtools/browser/b"));
  EXPECT_EQ(clients_, 1);
}

TEST_F(GatewayTest, ForwardsMessagesOfAnySizeAndBinaryOnes) {
  const auto socket = client();
  ASSERT_TRUE(socket);
  for (const std::size_t size : {0, 1, 65'000, 65'536, 200'000, 10 << 20}) {
    const std::string message(size, 'x');
    socket->queue(net::Opcode::binary, message);
    socket->send_queued();
    const auto back = read(*socket);
    ASSERT_TRUE(back) << back.error().describe();
    EXPECT_FALSE(back->text);
    EXPECT_TRUE(back->data == message) << size;
  }
}

TEST_F(GatewayTest, ForwardsFragmentedMessagesShortAndLong) {
  const auto socket = client();
  ASSERT_TRUE(socket);
  for (const std::size_t size : {3, 50'000, 100'000}) {
    const std::string part(size, 'p');
    socket->begin_frame(net::Opcode::text, false, size);
    socket->append(part);
    socket->begin_frame(net::Opcode::continuation, false, size);
    socket->append(part);
    socket->begin_frame(net::Opcode::continuation, true, size);
    socket->append(part);
    socket->send_queued();
    EXPECT_TRUE(text(*socket) == part + part + part) << size;
  }
}

TEST_F(GatewayTest, ServesManyClientsOfOneSession) {
  std::vector<std::unique_ptr<net::WebSocket>> sockets;
  for (int i = 0; i < 50; ++i) sockets.push_back(client());
  for (std::size_t i = 0; i < sockets.size(); ++i)
    send(*sockets[i], R"({"id":)" + std::to_string(i) + "}");
  for (std::size_t i = 0; i < sockets.size(); ++i)
    EXPECT_EQ(text(*sockets[i]), R"({"id":)" + std::to_string(i) + "}");
  EXPECT_EQ(clients_, 50);
  EXPECT_EQ(connected_, 50);

  for (auto& socket : sockets) socket->abort();

  EXPECT_TRUE(wait_until([&] { return connected_ == 0 && !ends_.empty(); }));
  EXPECT_EQ(clients_, 0);
  EXPECT_THAT(ends_, ElementsAre(EndReason::client_left));
}

TEST_F(GatewayTest, TheLastClientEndsTheSessionAndNotTheFirst) {
  auto one = client();
  auto two = client();
  one->close(1000, {});
  ASSERT_TRUE(wait_until([&] { return clients_ == 1; }));
  EXPECT_TRUE(ends_.empty());

  two->close(1000, {});

  EXPECT_TRUE(wait_until([&] { return !ends_.empty(); }));
  EXPECT_THAT(ends_, ElementsAre(EndReason::client_left));
}

TEST_F(GatewayTest, AKeptSessionOutlivesItsClients) {
  session_.keep_alive = true;
  auto socket = client();
  socket->abort();
  ASSERT_TRUE(wait_until([&] { return clients_ == 0; }));
  turn(std::chrono::milliseconds(30));

  EXPECT_TRUE(ends_.empty());
  const auto again = client();
  send(*again, "{}");
  EXPECT_EQ(text(*again), "{}");
}

TEST_F(GatewayTest, BrowserCloseIsAnsweredAndEndsTheSession) {
  const auto socket = client();
  send(*socket, R"({"id":9,"method":"Browser.close"})");

  EXPECT_EQ(text(*socket), R"({"id":9,"result":{}})");
  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_code(), 1001);
  EXPECT_EQ(socket->peer_close_reason(), "session ended: released");
  EXPECT_THAT(ends_, ElementsAre(EndReason::released));
  EXPECT_TRUE(received_.empty());
}

TEST_F(GatewayTest, BrowserCloseOnlyDetachesFromAKeptSession) {
  session_.keep_alive = true;
  const auto other = client();
  const auto socket = client();
  send(*socket, R"({"id":9,"m\u0065thod":"Browser.close"})");

  EXPECT_EQ(text(*socket), R"({"id":9,"result":{}})");
  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_code(), 1000);
  send(*other, "{}");
  EXPECT_EQ(text(*other), "{}");
  EXPECT_TRUE(ends_.empty());
}

TEST_F(GatewayTest, DownloadsGoToTheSessionsDirectory) {
  const auto socket = client();
  send(*socket, R"({"id":2,"method":"Browser.setDownloadBehavior","params":)"
                R"({"behavior":"allowAndName","downloadPath":"/etc","eventsEnabled":true}})");

  const auto params = json::parse(text(*socket)).at("params").as_object();
  EXPECT_EQ(params.at("downloadPath"), "/data/downloads/s");
  EXPECT_EQ(params.at("behavior"), "allowAndName");
  EXPECT_EQ(params.at("eventsEnabled"), true);
}

TEST_F(GatewayTest, UploadedFilesAreFoundWhereTheContractSaysTheyAre) {
  const auto socket = client();
  send(*socket, R"({"id":2,"method":"DOM.setFileInputFiles","params":)"
                R"({"files":["/tmp/.uploads/a.csv"],"nodeId":4}})");
  const auto params = json::parse(text(*socket)).at("params").as_object();
  EXPECT_EQ(params.at("files"), json::parse(R"(["/data/uploads/s/a.csv"])"));
  EXPECT_EQ(params.at("nodeId"), 4);
}

TEST_F(GatewayTest, AGuardedMessageCannotHideInALongOne) {
  const auto socket = client();
  send(*socket, R"({"pad":")" + std::string(300'000, 'x') + R"(","method":"Browser.close"})");

  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_code(), 1008);
  EXPECT_TRUE(received_.empty());
}

TEST_F(GatewayTest, RefusesBeforeTheUpgradeAndSaysWhy) {
  const auto status = [&](const std::string& target, net::Headers headers = {}) {
    const auto socket = dial(target, std::move(headers));
    return socket ? "connected" : socket.error().message.substr(socket.error().message.size() - 3);
  };
  const std::string good = "/?signingKey=" + key();
  EXPECT_EQ(status("/"), "401");
  EXPECT_EQ(status("/?signingKey=c.x.1.y"), "401");
  EXPECT_EQ(status("/?sessionId=unknown"), "404");
  EXPECT_EQ(status(good, {{"origin", "https://evil.example"}}), "403");
  EXPECT_EQ(status("/?signingKey=" + key(KeyScope::view)), "403");
  EXPECT_EQ(status("/debug/other/devtools/page/AB?key=" + key()), "404");
  EXPECT_EQ(status("/debug/" + std::string(kId) + "/devtools/page/..%2fx?key=" + key()), "404");
  const std::string expired = server_->gateway().keys().sign(
      {kId, KeyScope::connect, clock_->wall() - std::chrono::seconds(2)});
  EXPECT_EQ(status("/?signingKey=" + expired), "410");
  session_.state = SessionState::ended;
  session_.end_reason = EndReason::timed_out;
  EXPECT_EQ(status(good), "410");
  EXPECT_EQ(connected_, 0);
}

TEST_F(GatewayTest, ADeadBrowserIsRefusedBeforeTheUpgrade) {
  Context ctx = base().with_timeout(std::chrono::seconds(2), "stop");
  ASSERT_TRUE(run(browser_->stop(ctx)));

  const auto socket = dial("/?signingKey=" + key());

  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().message, HasSubstr("HTTP 502"));
}

TEST_F(GatewayTest, AdmitsExtensionsAnyPathAndTheSessionIdForm) {
  session_.keep_alive = true;
  EXPECT_TRUE(dial("/any/path?x=1&signingKey=" + key(), {{"origin", "chrome-extension://abc"}}));
  EXPECT_TRUE(dial("/?apiKey=whatever&sessionId=" + std::string(kId)));
}

TEST_F(GatewayTest, TellsClientsWhyTheSessionEnded) {
  const auto socket = client();
  session_.state = SessionState::ended;
  session_.end_reason = EndReason::timed_out;
  ended_(kId);

  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_code(), 1001);
  EXPECT_EQ(socket->peer_close_reason(), "session ended: timed_out");
}

TEST_F(GatewayTest, TellsThatTheBrowserDiedBeforeThePoolKnows) {
  const auto socket = client();
  sockets_.front()->abort();
  turn(std::chrono::milliseconds(20));
  session_.state = SessionState::ended;
  session_.end_reason = EndReason::crashed;
  ended_(kId);

  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_code(), 1011);
  EXPECT_EQ(socket->peer_close_reason(), "session ended: crashed");
}

TEST_F(GatewayTest, ABrowserThatDoesNotReadStopsItsClientNotTheMemory) {
  deaf_ = true;
  const auto socket = client();
  const std::string message(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) socket->queue(net::Opcode::binary, message);
  socket->send_queued();
  turn(std::chrono::milliseconds(300));

  // What the kernel's buffers took is gone from here; the rest waits at the sender.
  EXPECT_GT(socket->unsent_bytes(), std::size_t{40} << 20);
  EXPECT_TRUE(received_.empty());
  deaf_ = false;
  never_.set();
  socket->abort();
}

TEST_F(GatewayTest, GarbageOfAClientEndsOnlyThatClient) {
  session_.keep_alive = true;
  const auto good = client();
  const auto bad = client();
  bad->begin_frame(net::Opcode::continuation, true, 3);
  bad->append("abc");
  bad->send_queued();

  EXPECT_FALSE(read(*bad));
  EXPECT_EQ(bad->peer_close_code(), 1002);
  send(*good, "{}");
  EXPECT_EQ(text(*good), "{}");
}

TEST_F(GatewayTest, PageKeysReachPagesAndOnlyForWhatTheyAllow) {
  const auto socket =
      dial("/debug/" + std::string(kId) + "/devtools/page/AB12?key=" + key(KeyScope::view),
           {{"origin", "http://127.0.0.1:" + std::to_string(server_->port())}});
  ASSERT_TRUE(socket) << socket.error().describe();
  EXPECT_EQ(paths_.back(), "/devtools/page/AB12");
  send(**socket, R"({"id":1,"method":"Page.startScreencast"})");
  EXPECT_EQ(text(**socket), R"({"id":1,"method":"Page.startScreencast"})");
  send(**socket, R"({"id":2,"method":"Runtime.evaluate"})");
  EXPECT_THAT(text(**socket), HasSubstr("this key does not allow Runtime.evaluate"));
  send(**socket, "not json");
  EXPECT_FALSE(read(**socket));
  EXPECT_EQ(received_.size(), 1u);
  // A viewer is no client: it neither counts nor ends the session.
  EXPECT_EQ(clients_, 0);
  turn(std::chrono::milliseconds(20));
  EXPECT_TRUE(ends_.empty());
}

TEST_F(GatewayTest, CountsTrafficAsUse) {
  auto socket = client();
  send(*socket, R"({"id":1,"method":"A.b"})");
  (void)text(*socket);
  send(*socket, R"({"id":2,"method":"A.b"})");
  (void)text(*socket);
  socket->abort();

  EXPECT_TRUE(wait_until([&] { return commands_ == 2; }));
}

// A gateway of its own with short limits, behind a server that only upgrades.
TEST_F(GatewayTest, ClientsThatDoNotAnswerArePingedAndThenGone) {
  session_.keep_alive = true;
  const auto access = AccessRules::create({}, "127.0.0.1");
  Gateway gateway(
      sessions_, *clock_, io_.get_executor(), log_, *access,
      {.ping_every = std::chrono::milliseconds(20), .silence_max = std::chrono::milliseconds(100)});
  auto handler = [&gateway](Context& ctx, net::HttpRequest request) {
    return upgrade(gateway, ctx, std::move(request));
  };
  auto server = net::HttpServer::start(io_.get_executor(), *clock_, {}, handler);
  ASSERT_TRUE(server);
  const std::string address = "ws://127.0.0.1:" + std::to_string((*server)->port()) +
                              "/?signingKey=" + gateway.signing_key(session_);
  Context ctx = base().with_timeout(std::chrono::seconds(10), "dial");
  // Nobody reads from this one, so nobody answers its pings.
  const auto silent = run(net::connect_websocket(ctx, address, {}));
  const auto lively = run(net::connect_websocket(ctx, address, {}));
  ASSERT_TRUE(silent && lively);
  std::optional<Result<net::WebSocketMessage>> heard;
  asio::co_spawn(io_, (*lively)->read(ctx, 1'000),
                 [&](std::exception_ptr, Result<net::WebSocketMessage> message) {
                   heard = std::move(message);
                 });

  EXPECT_TRUE(wait_until([&] { return gateway.client_count() == 1; }));
  turn(std::chrono::milliseconds(150));
  EXPECT_EQ(gateway.client_count(), 1u) << "the one that answers stays";
  EXPECT_FALSE(heard);

  (*lively)->abort();
  gateway.stop();
  EXPECT_TRUE(run((*server)->stop(ctx)));
  EXPECT_TRUE(run(gateway.join(ctx)));
}

TEST_F(GatewayTest, StoppingTheServiceTellsItsClients) {
  const auto socket = client();
  Context ctx = base().with_timeout(std::chrono::seconds(3), "stop");
  EXPECT_TRUE(run(server_->stop(ctx)));
  server_.reset();

  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_reason(), "service is shutting down");
}

}  // namespace
}  // namespace troupe::api
