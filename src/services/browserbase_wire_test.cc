#include "services/browserbase_wire.h"

#include <gmock/gmock.h>

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

json::value parse(std::string_view text) { return parse_json(text, "test").value(); }

constexpr std::string_view kSession = R"({
  "id": "s1", "projectId": "p1", "status": "RUNNING", "region": "us-west-2", "keepAlive": true,
  "createdAt": "2026-11-22T19:48:10.123Z", "updatedAt": "2026-11-22T19:48:11Z",
  "startedAt": "2026-11-22T19:48:10Z", "expiresAt": "2026-11-22T20:48:10+01:00", "proxyBytes": 7,
  "endedAt": null, "userMetadata": {"a": {"b": 1}}, "connectUrl": "wss://c/?signingKey=k",
  "signingKey": "k", "seleniumRemoteUrl": "http://c/webdriver", "brandNew": [1, 2]})";

TEST(BrowserbaseWire, ASessionIsReadAndUnknownMembersAreIgnored) {
  const auto session = wire::session_from(parse(kSession)).value();
  EXPECT_EQ(session.id, "s1");
  EXPECT_EQ(session.status, RemoteStatus::running);
  EXPECT_TRUE(session.is_live());
  EXPECT_TRUE(session.keep_alive);
  EXPECT_EQ(to_rfc3339(session.created_at), "2026-11-22T19:48:10.123Z");
  EXPECT_EQ(to_rfc3339(session.expires_at), "2026-11-22T19:48:10.000Z");
  EXPECT_EQ(session.ended_at, std::nullopt);
  EXPECT_EQ(session.context_id, "");
  EXPECT_EQ(session.proxy_bytes, 7);
  EXPECT_EQ(json::serialize(session.user_metadata), R"({"a":{"b":1}})");
  EXPECT_EQ(session.connect_url, "wss://c/?signingKey=k");
}

TEST(BrowserbaseWire, AMissingRequiredMemberIsNamed) {
  for (const char* member : {"id", "projectId", "status", "region", "keepAlive", "createdAt",
                             "updatedAt", "startedAt", "expiresAt", "proxyBytes"}) {
    json::value value = parse(kSession);
    value.get_object().erase(member);
    const auto session = wire::session_from(value);
    ASSERT_FALSE(session) << member;
    EXPECT_EQ(session.error().code, Errc::protocol_error);
    EXPECT_EQ(session.error().message, "session: '" + std::string(member) + "' is missing");
    value.get_object()[member] = nullptr;
    EXPECT_FALSE(wire::session_from(value)) << member;
  }
}

TEST(BrowserbaseWire, AMemberOfAnotherTypeIsNamed) {
  const auto message = [](const char* member, json::value wrong) {
    json::value value = parse(kSession);
    value.get_object()[member] = std::move(wrong);
    const auto session = wire::session_from(value);
    return session ? "ok" : session.error().message;
  };
  EXPECT_EQ(message("id", 1), "session: 'id' is of type integer, not string");
  EXPECT_EQ(message("keepAlive", "yes"), "session: 'keepAlive' is of type string, not boolean");
  EXPECT_EQ(message("proxyBytes", "7"), "session: 'proxyBytes' is of type string, not integer");
  EXPECT_EQ(message("createdAt", "today"),
            "session: 'createdAt' is \"today\", not an RFC 3339 time");
  EXPECT_EQ(message("userMetadata", 3), "session: 'userMetadata' is of type integer, not object");
  EXPECT_EQ(message("status", "SLEEPING"), "ok");
  EXPECT_EQ(wire::sessions_from(parse("{}")).error().message,
            "sessions: is of type object, not array");
  EXPECT_EQ(wire::session_from(parse("[]")).error().message,
            "session: is of type array, not object");
}

TEST(BrowserbaseWire, AWrongEntryOfAListFailsIt) {
  const auto urls = wire::live_urls_from(parse(
      R"({"debuggerUrl": "a", "debuggerFullscreenUrl": "b", "wsUrl": "c", "pages": [{"id": "1"}]})"));
  ASSERT_FALSE(urls);
  EXPECT_EQ(urls.error().message, "live urls: pages: live page: 'url' is missing");
  const auto search = wire::search_from(parse(R"({"requestId": "r", "query": "q", "results": 1})"));
  EXPECT_THAT(search.error().message, HasSubstr("results: search results: is of type integer"));
}

TEST(BrowserbaseWire, LogsKeepTheirPayloads) {
  const auto logs = wire::logs_from(parse(
      R"([{"method": "m", "sessionId": "s", "pageId": 2, "timestamp": 1790000000123.5,
           "request": {"params": {"x": 1}, "rawBody": "r"}},
          {"method": "n", "sessionId": "s", "pageId": 0}])"));
  ASSERT_TRUE(logs) << logs.error().describe();
  EXPECT_EQ(logs.value()[0].timestamp_ms, 1'790'000'000'123);
  EXPECT_EQ(json::serialize(logs.value()[0].request), R"({"params":{"x":1},"rawBody":"r"})");
  EXPECT_EQ(logs.value()[1].timestamp_ms, std::nullopt);
}

TEST(BrowserbaseWire, AnEmptyRequestIsAnEmptyObject) {
  EXPECT_EQ(json::serialize(wire::to_wire(CreateSession{}, "")), "{}");
  EXPECT_EQ(json::serialize(wire::to_wire(CreateSession{}, "p")), R"({"projectId":"p"})");
}

TEST(BrowserbaseWire, EverythingThatIsAskedForIsSent) {
  CreateSession request;
  request.project_id = "own";
  request.extension_id = "e";
  request.timeout_seconds = 60;
  request.keep_alive = true;
  request.proxies = {{.type = "external", .server = "http://p:1", .username = "u"},
                     {.type = "browserbase", .geolocation = {{"country", "DE"}}}};
  request.ca_certificates = {"c1"};
  request.region = "eu-central-1";
  request.user_metadata = {{"k", "v"}};
  request.context_id = "ctx";
  request.context_persist = true;
  request.viewport_width = 800;
  request.viewport_height = 600;
  request.block_ads = true;
  request.solve_captchas = false;
  request.record_session = false;
  request.log_session = true;
  request.ignore_certificate_errors = true;
  request.allowed_domains = {"a.test"};
  request.browser_settings = {{"verified", true}, {"blockAds", false}};
  EXPECT_EQ(wire::to_wire(request, "other"), parse(R"({
    "projectId": "own", "extensionId": "e", "timeout": 60, "keepAlive": true,
    "proxies": [{"type": "external", "server": "http://p:1", "username": "u"},
                {"type": "browserbase", "geolocation": {"country": "DE"}}],
    "proxySettings": {"caCertificates": ["c1"]}, "region": "eu-central-1",
    "userMetadata": {"k": "v"},
    "browserSettings": {"context": {"id": "ctx", "persist": true},
      "viewport": {"width": 800, "height": 600}, "blockAds": true, "solveCaptchas": false,
      "recordSession": false, "logSession": true, "ignoreCertificateErrors": true,
      "allowedDomains": ["a.test"], "verified": true}})"));
  request.proxies.clear();
  request.default_proxies = true;
  EXPECT_EQ(wire::to_wire(request, "").at("proxies"), true);
}

TEST(BrowserbaseWire, FetchAndSearchSendOnlyWhatDiffersFromTheDefaults) {
  FetchRequest fetch;
  fetch.url = "https://a.test";
  EXPECT_EQ(wire::to_wire(fetch), parse(R"({"url": "https://a.test"})"));
  fetch.allow_redirects = true;
  fetch.format = "markdown";
  fetch.proxy_geolocation = {{"country", "DE"}};
  fetch.context_id = "c";
  EXPECT_EQ(wire::to_wire(fetch), parse(R"({"url": "https://a.test", "allowRedirects": true,
      "format": "markdown", "proxies": {"geolocation": {"country": "DE"}}, "contextId": "c"})"));
  EXPECT_EQ(wire::to_wire(SearchRequest{"q", 5}), parse(R"({"query": "q", "numResults": 5})"));
}

TEST(BrowserbaseWire, QueriesAreEncoded) {
  EXPECT_EQ(wire::to_query(SessionQuery{}), "");
  EXPECT_EQ(metadata_query("a'b", "c\\d"), "user_metadata['a\\'b']:'c\\\\d'");
  EXPECT_EQ(wire::to_query(SessionQuery{RemoteStatus::timed_out, metadata_query("k", "v&w")}),
            "?status=TIMED_OUT&q=user_metadata%5B%27k%27%5D%3A%27v%26w%27");
  DownloadQuery query;
  query.session_id = "s";
  query.size_min = 1;
  query.limit = 100;
  query.created_after = WallTime(seconds(1'790'000'000));
  EXPECT_EQ(wire::to_query(query),
            "?sessionId=s&minSize=1&createdAfter=2026-09-21T14%3A13%3A20.000Z&limit=100");
}

TEST(BrowserbaseWire, AMultipartBodyHasOneFileAndNoForeignHeader) {
  const Upload file{"a\"\r\nX: 1.txt", "text/plain", "hello"};
  EXPECT_EQ(wire::to_multipart(file, "bb"),
            "--bb\r\nContent-Disposition: form-data; name=\"file\"; "
            "filename=\"a%22%0D%0AX: 1.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--bb--"
            "\r\n");
}

TEST(Rfc3339, IsReadWithFractionsAndOffsets) {
  const WallTime second(seconds(1'790'000'000));
  EXPECT_EQ(wire::parse_rfc3339("2026-09-21T14:13:20Z"), second);
  EXPECT_EQ(wire::parse_rfc3339("2026-09-21T14:13:20.5Z"), second + milliseconds(500));
  EXPECT_EQ(wire::parse_rfc3339("2026-09-21T14:13:20.123456789Z"),
            second + std::chrono::microseconds(123'456));
  EXPECT_EQ(wire::parse_rfc3339("2026-09-21T16:13:20+02:00"), second);
  EXPECT_EQ(wire::parse_rfc3339("2026-09-21T11:43:20-02:30"), second);
  for (const char* text :
       {"", "2026-09-21", "2026-09-21T14:13:20", "2026-02-30T14:13:20Z", "2026-09-21T24:13:20Z",
        "2026-09-21T14:13:20.Z", "2026-09-21T14:13:20+2", "2026-09-21T14:13:20Zx",
        "2O26-09-21T14:13:20Z", "2026/09/21T14:13:20Z", "2026-09-21T14:13:20+25:00"})
    EXPECT_FALSE(wire::parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace troupe::services
