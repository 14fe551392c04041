// Contexts, extensions, certificates, files, projects, fetch, and what is not there, over HTTP.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "api/testing.h"
#include "net/connect.h"
#include "services/model.h"
#include "sessions/context_store.h"
#include "sessions/extension_store.h"
#include "sessions/session_files.h"
#include "sessions/usage_ledger.h"

namespace troupe::api {
namespace {

namespace fs = std::filesystem;
using testing::_;
using testing::HasSubstr;
using testing::Return;

template <class T>
Async<T> ready(Result<T> result) {
  co_return result;
}

class MockContexts : public sessions::ContextStore {
 public:
  using Stored = sessions::StoredContext;
  MOCK_METHOD(Async<Stored>, create, (Context&, std::string, std::string), (override));
  MOCK_METHOD(Result<Stored>, find, (const std::string&), (const, override));
  MOCK_METHOD(Async<void>, remove, (Context&, std::string), (override));
  MOCK_METHOD(Async<void>, load, (Context&, std::string, std::string, bool), (override));
  MOCK_METHOD(Async<void>, save, (Context&, std::string, std::string), (override));
  MOCK_METHOD(void, give_up, (const std::string&), (override));
};

class MockExtensions : public sessions::ExtensionStore {
 public:
  using Stored = sessions::StoredExtension;
  MOCK_METHOD(Async<Stored>, add, (Context&, std::string, std::string, std::string), (override));
  MOCK_METHOD(Result<Stored>, find, (const std::string&), (const, override));
  MOCK_METHOD(Async<void>, remove, (Context&, std::string), (override));
};

class StoreOperations : public ApiTest {
 protected:
  StoreOperations() {
    char name[] = "/tmp/troupe-api-XXXXXX";
    dir_ = mkdtemp(name);
    stores_.contexts = &contexts_;
    stores_.extensions = &extensions_;
    files_ = std::make_unique<sessions::SessionFiles>(
        *clock_, sessions::SessionFilesOptions{.data_dir = dir_});
    usage_ = std::make_unique<sessions::UsageLedger>(*clock_, dir_ + "/usage.json");
    stores_.files = files_.get();
    stores_.usage = usage_.get();
  }
  ~StoreOperations() override {
    files_.reset();
    usage_.reset();
    fs::remove_all(dir_);
  }
  net::HttpReply upload(const std::string& path, const std::string& content) {
    return send("POST", path,
                "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.zip\"\r\n\r\n" +
                    content + "\r\n--b--\r\n\r\n",
                {{"Content-Type", "multipart/form-data; boundary=b"}});
  }
  static Session running() {
    Session session;
    session.id = "s1";
    session.tenant = "acme";
    session.state = SessionState::running;
    return session;
  }

  std::string dir_;
  testing::NiceMock<MockContexts> contexts_;
  testing::NiceMock<MockExtensions> extensions_;
  std::unique_ptr<sessions::SessionFiles> files_;
  std::unique_ptr<sessions::UsageLedger> usage_;
};

TEST_F(StoreOperations, ContextsAreCreatedInTheirProject) {
  EXPECT_CALL(contexts_, create(_, "acme", "Login"))
      .WillOnce([](Context&, auto project, auto name) {
        return ready<sessions::StoredContext>(
            sessions::StoredContext{.id = "c1", .project = project, .name = name});
      });
  start();

  const auto reply = send("POST", "/v1/contexts", R"({"projectId": "acme", "name": "Login"})");

  ASSERT_EQ(reply.status, 201) << reply.body;
  const auto body = body_of(reply);
  for (const char* name : {"id", "uploadUrl", "publicKey", "cipherAlgorithm"})
    EXPECT_TRUE(body.as_object().contains(name)) << name;
  EXPECT_EQ(send("POST", "/v1/contexts", R"({"name": "  "})").status, 400);
}

TEST_F(StoreOperations, AContextInUseIsNotDeleted) {
  EXPECT_CALL(contexts_, remove).WillOnce([](Context&, std::string) {
    return ready<void>(fail(Errc::conflict, "context c1: in use"));
  });
  start();

  EXPECT_EQ(send("DELETE", "/v1/contexts/c1").status, 409);
}

TEST_F(StoreOperations, AnUploadIsTakenOnceOrRefusedForGood) {
  std::string zip;
  EXPECT_CALL(extensions_, add(_, _, "x.zip", _))
      .WillOnce([&](Context&, auto, auto, std::string given) {
        zip = std::move(given);
        return ready<sessions::StoredExtension>(sessions::StoredExtension{.id = "e1"});
      })
      .WillOnce([](Context&, auto, auto, auto) {
        return ready<sessions::StoredExtension>(fail(Errc::exhausted, "extensions: full"));
      });
  settings_.request_bytes_max = 1'024;
  start();
  const std::string content(100'000, 'z');

  EXPECT_EQ(upload("/v1/extensions", content).status, 200);
  EXPECT_EQ(zip, content);
  const auto refused = upload("/v1/extensions", content);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("x-should-retry"), "false");
  EXPECT_EQ(send("POST", "/v1/extensions", "{}", {{"Content-Type", "application/json"}}).status,
            400);
  EXPECT_EQ(send("POST", "/v1/contexts", std::string(5'000, ' ')).status, 413);
}

TEST_F(StoreOperations, AStrangersUploadIsNotReadBeyondTheOrdinaryLimit) {
  EXPECT_CALL(extensions_, add).Times(0);
  settings_.request_bytes_max = 1'024;
  settings_.api_keys = {"me:a-long-enough-key"};
  start();

  EXPECT_EQ(upload("/v1/extensions", std::string(50'000, 'z')).status, 413);
  EXPECT_EQ(upload("/v1/extensions", "z").status, 401);
}

TEST_F(StoreOperations, WhatASessionStartsFromMustBeThere) {
  EXPECT_CALL(sessions_, create).Times(0);
  EXPECT_CALL(contexts_, find("c1")).WillOnce(Return(fail(Errc::not_found, "context c1")));
  EXPECT_CALL(extensions_, find("e1")).WillOnce(Return(fail(Errc::not_found, "extension e1")));
  start();

  EXPECT_EQ(
      send("POST", "/v1/sessions", R"({"browserSettings": {"context": {"id": "c1"}}})").status,
      404);
  EXPECT_EQ(send("POST", "/v1/sessions", R"({"extensionId": "e1"})").status, 404);
}

TEST_F(StoreOperations, DownloadsArePagedFilteredAndSent) {
  fs::create_directories(dir_ + "/downloads/s1");
  for (const char* name : {"a.txt", "b.csv", "c.csv"})
    std::ofstream(dir_ + "/downloads/s1/" + name) << name;
  start();

  const auto page = body_of(get("/v1/downloads?sessionId=s1&mimeType=text/csv&limit=1"));
  EXPECT_EQ(page.at("total"), 2);
  ASSERT_EQ(page.at("downloads").as_array().size(), 1u);
  const auto file = page.at("downloads").at(0);
  const std::string path = "/v1/downloads/" + std::string(file.at("id").as_string());
  const auto bytes = get(path, {{"Accept", "*/*"}});
  EXPECT_EQ(bytes.body, file.at("filename").as_string());
  EXPECT_EQ(bytes.header("content-type"), "text/csv");
  EXPECT_EQ(body_of(get(path, {{"Accept", "application/json"}})).at("size"), 5);
  EXPECT_EQ(send("DELETE", path).status, 204);
  EXPECT_EQ(get(path).status, 404);
  EXPECT_EQ(get("/v1/sessions/s1/downloads").header("content-type"), "application/zip");
  EXPECT_EQ(send("DELETE", "/v1/sessions/s1/downloads").status, 204);
  for (const char* query :
       {"", "?sessionId=s1&limit=0", "?sessionId=s1&createdAfter=yesterday", "?sessionId=..%2Fx"})
    EXPECT_EQ(get(std::string("/v1/downloads") + query).status, 400) << query;
}

TEST_F(StoreOperations, UploadsNeedARunningSession) {
  Session ended = running();
  ended.state = SessionState::ended;
  EXPECT_CALL(sessions_, find(_))
      .WillOnce(Return(running()))
      .WillOnce(Return(ended))
      .WillOnce(Return(fail(Errc::not_found, "session s1")));
  start();

  EXPECT_EQ(upload("/v1/sessions/s1/uploads", "x").status, 200);
  EXPECT_EQ(upload("/v1/sessions/s1/uploads", "x").status, 410);
  EXPECT_EQ(upload("/v1/sessions/s1/uploads", "x").status, 404);
}

TEST_F(StoreOperations, ProjectsKnowWhatTheyUsed) {
  Session session = running();
  session.started_at = clock_->wall() - std::chrono::seconds(61);
  EXPECT_CALL(sessions_, list).WillRepeatedly(Return(std::vector{session}));
  usage_->know("acme");
  start();

  EXPECT_EQ(body_of(get("/v1/projects")).at(0).at("id"), "acme");
  EXPECT_EQ(body_of(get("/v1/projects/acme/usage")).at("browserMinutes"), 2);
  EXPECT_EQ(get("/v1/projects/other").status, 404);
}

TEST_F(StoreOperations, FetchStaysOutsideOfPrivateNetworks) {
  const auto careful = net::HttpClient::create({.public_addresses_only = true});
  fetcher_ = careful.get();
  start();

  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port()) + "/health";
  const auto reply = send("POST", "/v1/fetch", json::serialize(json::object{{"url", own}}));

  EXPECT_EQ(reply.status, 403);
  EXPECT_THAT(reply.body, HasSubstr("public"));
}

TEST_F(StoreOperations, FetchGivesWhatCame) {
  const auto client = net::HttpClient::create();
  fetcher_ = client.get();
  start();
  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  const auto fetch = [&](const std::string& path, json::object more = {}) {
    more["url"] = own + path;
    return send("POST", "/v1/fetch", json::serialize(more));
  };

  const auto raw = body_of(fetch("/health"));
  EXPECT_EQ(raw.at("statusCode"), 200);
  EXPECT_EQ(raw.at("content"), R"({"status":"healthy"})");
  EXPECT_EQ(raw.at("contentType"), "application/json");
  EXPECT_EQ(body_of(fetch("/health", {{"format", "json"}})).at("content").at("status"), "healthy");
  EXPECT_EQ(body_of(fetch("/nothing")).at("statusCode"), 404);
  EXPECT_EQ(fetch("/health", {{"proxies", false}}).status, 200);
  const auto refused = fetch("/health", {{"proxies", true}});
  EXPECT_EQ(refused.status, 501);
  EXPECT_THAT(refused.body, HasSubstr("proxy_url"));
  EXPECT_EQ(fetch("/health", {{"proxies", 1}}).status, 400);
  EXPECT_EQ(fetch("/health", {{"format", "pdf"}}).status, 400);
  EXPECT_EQ(send("POST", "/v1/fetch", R"({"url": "file:///etc/passwd"})").status, 400);
  EXPECT_EQ(send("POST", "/v1/fetch", R"({"url": "http://127.0.0.1:1/"})").status, 502);
  EXPECT_EQ(send("POST", "/v1/search", R"({"query": "x"})").status, 501);
}

// Answers for every host, and tells for whom.
asio::awaitable<net::HttpResponse> host_told(Context&, net::HttpRequest request) {
  co_return net::HttpResponse{.content_type = "text/plain",
                              .body = "for " + std::string(request.header("host"))};
}

TEST_F(StoreOperations, FetchGoesThroughTheProxyThatIsConfigured) {
  const auto direct = net::HttpClient::create();
  fetcher_ = direct.get();
  auto proxy = net::HttpServer::start(io_.get_executor(), *clock_, {}, host_told);
  ASSERT_TRUE(proxy);
  const auto url = net::parse_url("http://127.0.0.1:" + std::to_string((*proxy)->port()));
  const auto proxied = net::HttpClient::create({.public_addresses_only = true,
                                                .always_proxied = true,
                                                .proxy = {.http = *url, .https = *url}});
  proxied_fetcher_ = proxied.get();
  start();
  const auto fetch = [&](const std::string& at, json::value proxies = true) {
    return send("POST", "/v1/fetch",
                json::serialize(json::object{{"url", at}, {"proxies", std::move(proxies)}}));
  };

  EXPECT_EQ(body_of(fetch("http://shop.invalid/")).at("content"), "for shop.invalid");
  EXPECT_EQ(body_of(fetch("http://shop.invalid/", json::object())).at("content"),
            "for shop.invalid");
  EXPECT_EQ(fetch("http://127.0.0.1/").status, 403) << "would not go through the proxy";
  EXPECT_EQ(fetch("http://10.0.0.1/").status, 403) << "a private address behind the proxy";
  const auto place = fetch("http://shop.invalid/", {{"geolocation", {{"country", "DE"}}}});
  EXPECT_EQ(place.status, 501) << place.body;
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "stop");
  EXPECT_TRUE(run((*proxy)->stop(ctx)));
}

asio::awaitable<net::HttpResponse> shop(Context&, net::HttpRequest request) {
  if (request.path == "/gone") co_return net::HttpResponse{.status = 404, .body = "gone"};
  co_return net::HttpResponse{.content_type = "text/html",
                              .body = R"(<title>Kettle</title><script type="application/ld+json">
               {"@type": "Product", "name": "Kettle", "offers": {"price": "19.90"}}</script>)"};
}

class ModelOfOneAnswer final : public services::Model {
 public:
  Async<services::ModelReply> generate(Context&, services::ModelRequest request,
                                       services::ModelOptions) override {
    asked.push_back(std::move(request));
    services::ModelReply reply;
    reply.structured = answer;
    co_return reply;
  }
  json::value answer;
  std::vector<services::ModelRequest> asked;
};

TEST_F(StoreOperations, FetchFillsASchemaByRulesAndElseByTheModel) {
  const auto client = net::HttpClient::create();
  fetcher_ = client.get();
  auto site = net::HttpServer::start(io_.get_executor(), *clock_, {}, shop);
  ASSERT_TRUE(site);
  start();
  const auto fetch = [&](const std::string& properties, const std::string& more = "",
                         const std::string& path = "/") {
    return send("POST", "/v1/fetch",
                R"({"url": "http://127.0.0.1:)" + std::to_string((*site)->port()) + path +
                    R"(", "schema": {"type": "object", "properties": )" + properties +
                    R"(, "required": ["price"]})" + more + "}");
  };
  const std::string price = R"({"price": {"type": "number"}})";
  const std::string weight = R"({"price": {"type": "number"}, "weight": {"type": "string"}})";

  EXPECT_EQ(body_of(fetch(price)).at("content").at("price"), 19.9);
  EXPECT_EQ(body_of(fetch(weight)).at("content"), json::parse(R"({"price": 19.9})"));
  const auto unknown = fetch(R"({"price": {"type": "boolean"}})");
  EXPECT_EQ(unknown.status, 501);
  EXPECT_THAT(unknown.body, HasSubstr("price"));
  EXPECT_THAT(unknown.body, HasSubstr("models"));
  EXPECT_EQ(fetch(price, R"(, "format": "markdown")").status, 400);
  EXPECT_EQ(body_of(fetch(price, "", "/gone")).at("statusCode"), 404);

  ModelOfOneAnswer model;
  model.answer = json::parse(R"({"price": 19.9, "weight": "1 kg"})");
  model_ = &model;
  TearDown();
  start();
  EXPECT_EQ(body_of(fetch(price)).at("content").at("price"), 19.9);
  EXPECT_EQ(model.asked.size(), 0u) << "the rules knew";
  EXPECT_EQ(body_of(fetch(weight)).at("content").at("weight"), "1 kg");
  ASSERT_EQ(model.asked.size(), 1u);
  EXPECT_THAT(model.asked[0].messages.at(0).text, HasSubstr("weight"));
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "stop");
  EXPECT_TRUE(run((*site)->stop(ctx)));
}

// A site with a door: `/door` leads to `/inside` and `localhost`, which tell what they were given.
asio::awaitable<net::HttpResponse> cookies_told(Context&, net::HttpRequest request) {
  net::HttpResponse response{.content_type = "text/plain",
                             .body = std::string(request.header("cookie"))};
  const std::string* to = request.query_value("to");
  if (to) response = {.status = 302, .headers = {{"Location", *to}}};
  co_return response;
}

Async<void> unpack_cookies(std::string dir) {
  const auto cookie = [](std::string_view name, std::string_view domain, std::string_view path) {
    return json::object{{"name", name}, {"value", "1"}, {"domain", domain}, {"path", path}};
  };
  fs::create_directories(dir + "/Default");
  std::ofstream(dir + "/Default/troupe_cookies.json") << json::serialize(
      json::array{cookie("login", "127.0.0.1", "/"), cookie("deep", "127.0.0.1", "/inside"),
                  cookie("elsewhere", "localhost", "/")});
  co_return Result<void>{};
}

TEST_F(StoreOperations, FetchTakesTheCookiesOfAContext) {
  const auto client = net::HttpClient::create();
  fetcher_ = client.get();
  settings_.data_dir = dir_;
  auto site = net::HttpServer::start(io_.get_executor(), *clock_, {}, cookies_told);
  ASSERT_TRUE(site);
  const std::string port = std::to_string((*site)->port());
  EXPECT_CALL(contexts_, load(_, std::string("ctx"), _, false))
      .WillRepeatedly([](Context&, std::string, std::string dir, bool) {
        return unpack_cookies(std::move(dir));
      });
  EXPECT_CALL(contexts_, load(_, std::string("none"), _, false)).WillOnce([] {
    return ready<void>(fail(Errc::not_found, "context none: not known"));
  });
  start();
  const auto fetch = [&](const std::string& path, json::object more) {
    more["url"] = "http://127.0.0.1:" + port + path;
    more["allowRedirects"] = true;
    return send("POST", "/v1/fetch", json::serialize(more));
  };

  const json::object with{{"contextId", "ctx"}};
  EXPECT_EQ(body_of(fetch("/", {})).at("content"), "");
  EXPECT_EQ(body_of(fetch("/", with)).at("content"), "login=1");
  EXPECT_EQ(body_of(fetch("/?to=/inside", with)).at("content"), "deep=1; login=1");
  EXPECT_EQ(body_of(fetch("/?to=http://localhost:" + port + "/", with)).at("content"),
            "elsewhere=1");
  EXPECT_EQ(fetch("/", {{"contextId", "none"}}).status, 404);
  EXPECT_TRUE(fs::is_empty(dir_ + "/browsers"));
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "stop");
  EXPECT_TRUE(run((*site)->stop(ctx)));
}

TEST_F(StoreOperations, WebdriverIsRefusedInItsOwnWords) {
  start();
  for (const char* method : {"GET", "POST", "DELETE"}) {
    const auto reply = send(method, "/webdriver/session", "{}");
    EXPECT_EQ(reply.status, 501) << method;
    EXPECT_EQ(reply.header("x-should-retry"), "false");
    const auto body = json::parse(reply.body);
    EXPECT_EQ(body.at("value").at("error"), "session not created");
    EXPECT_THAT(std::string(body.at("message").as_string()), HasSubstr("connectUrl"));
  }
  EXPECT_EQ(get("/webdriver").status, 501);
  EXPECT_EQ(get("/webdrivers").status, 404);
}

TEST(PublicAddress, IsToldFromAllOthers) {
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.0.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "ff02::1",
                           "::ffff:127.0.0.1",
                           "2002:7f00:1::",
                           "2001:db8::1",
                           "64:ff9b::7f00:1"})
    EXPECT_FALSE(net::is_public_address(asio::ip::make_address(text))) << text;
  for (const char* text :
       {"1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"})
    EXPECT_TRUE(net::is_public_address(asio::ip::make_address(text))) << text;
}

TEST_F(StoreOperations, WhatIsNotThereSaysSoInTheContractsShape) {
  start();
  for (const char* path : {"/v1/agents", "/v1/agents/runs/1", "/v1/functions",
                           "/v1/secrets/keypair", "/v1/webhooks/1"}) {
    const auto reply = get(path);
    EXPECT_EQ(reply.status, 501) << path;
    EXPECT_EQ(reply.header("content-type"), "application/json") << path;
    EXPECT_EQ(body_of(reply).at("statusCode"), 501) << path;
  }
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    const auto reply = send(method, "/v1/unheard/of");
    EXPECT_EQ(reply.status, 404) << method;
    EXPECT_EQ(body_of(reply).at("statusCode"), 404) << method;
  }
}

}  // namespace
}  // namespace troupe::api
