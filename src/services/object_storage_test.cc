#include "services/object_storage.h"

#include <gmock/gmock.h>

#include "base/digest.h"
#include "base/testing.h"
#include "net/http_server.h"
#include "net/url.h"

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

ObjectStorageOptions documented() {
  ObjectStorageOptions options;
  options.access_key = "AKIAIOSFODNN7EXAMPLE";
  options.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  options.bucket = "examplebucket";
  return options;
}

// The example "GET Object" of the Amazon S3 API Reference, Signature Calculations.
TEST(SignatureV4, IsTheDocumentedOne) {
  const std::string nothing = to_hex(sha256(""));
  const SignedRequest request{"GET",
                              "/test.txt",
                              {{"host", "examplebucket.s3.amazonaws.com"},
                               {"range", "bytes=0-9"},
                               {"x-amz-content-sha256", nothing},
                               {"x-amz-date", "20130524T000000Z"}},
                              nothing};
  EXPECT_EQ(signature_v4(request, documented()),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

// The example "PUT Object" of the same page: further headers, a path with a character to encode.
TEST(SignatureV4, SignsWhatIsPut) {
  const std::string hash = to_hex(sha256("Welcome to Amazon S3."));
  const SignedRequest request{"PUT",
                              "/test%24file.text",
                              {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                               {"host", "examplebucket.s3.amazonaws.com"},
                               {"x-amz-content-sha256", hash},
                               {"x-amz-date", "20130524T000000Z"},
                               {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                              hash};
  EXPECT_THAT(
      signature_v4(request, documented()),
      HasSubstr("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

// S3 as far as the client needs it. Refuses what is not signed for exactly this request.
class FakeStorage {
 public:
  std::map<std::string, std::string> objects;  // by path as sent
  int failures = 0;                            // answers of 503 to come
  int requests = 0;
  std::string region = "us-east-1";
  net::HttpRequest last;

  net::HttpResponse answer(const net::HttpRequest& request) {
    ++requests;
    last = request;
    if (failures > 0) {
      --failures;
      return error(503, "SlowDown", "Please reduce your request rate.");
    }
    if (!is_signed(request)) return error(403, "SignatureDoesNotMatch", "Check your key.");
    if (!request.target.starts_with("/results/")) return error(404, "NoSuchBucket", "None.");
    if (request.method == "PUT") {
      objects[request.target] = request.body;
      return {};
    }
    if (request.method == "DELETE") {
      objects.erase(request.target);
      return {.status = 204};
    }
    const auto found = objects.find(request.target);
    if (found == objects.end()) return error(404, "NoSuchKey", "The key does not exist.");
    net::HttpResponse response;
    response.content_type = "application/octet-stream";
    response.body = found->second;
    return response;
  }

 private:
  static net::HttpResponse error(int status, const std::string& code, const std::string& message) {
    net::HttpResponse response;
    response.status = status;
    response.content_type = "application/xml";
    response.body = "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>" + message +
                    "</Message></Error>";
    return response;
  }
  bool is_signed(const net::HttpRequest& request) const {
    const std::string given(request.header("authorization"));
    const std::string hash = to_hex(sha256(request.body));
    if (request.header("x-amz-content-sha256") != hash) return false;
    const auto begin = given.find("SignedHeaders=") + 14;
    std::string names = given.substr(begin, given.find(',', begin) - begin) + ";";
    SignedRequest again{request.method, request.target, {}, hash};
    for (std::size_t at = 0; at < names.size();) {
      const auto end = names.find(';', at);
      const std::string name = names.substr(at, end - at);
      again.headers.emplace_back(name, request.header(name));
      at = end + 1;
    }
    ObjectStorageOptions keys = documented();
    keys.region = region;
    return given == signature_v4(again, keys);
  }
};

asio::awaitable<net::HttpResponse> answer(FakeStorage& fake, net::HttpRequest request) {
  co_return fake.answer(request);
}

struct Stage {
  explicit Stage(Context& ctx)
      : server(net::HttpServer::start(ctx.executor(), ctx.clock(), {},
                                      [this](Context&, net::HttpRequest request) {
                                        return answer(fake, std::move(request));
                                      })
                   .value()) {
    options = documented();
    options.bucket = "results";
    options.endpoint = "http://127.0.0.1:" + std::to_string(server->port());
    options.retry.first = milliseconds(1);
    options.retry.max = milliseconds(2);
    remake(ctx);
  }
  void remake(Context& ctx) {
    storage = ObjectStorage::create(ctx.clock(), *client, options).value();
  }
  FakeStorage fake;
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<net::HttpClient> client = net::HttpClient::create();
  ObjectStorageOptions options;
  std::unique_ptr<ObjectStorage> storage;
};

TEST(ObjectStorage, PutsGetsAndErases) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    Stage stage(ctx);
    const auto put = co_await stage.storage->put(ctx, "a b/ä$.txt", "hello", "text/plain");
    EXPECT_TRUE(put) << put.error().describe();
    EXPECT_EQ(stage.fake.last.header("content-type"), "text/plain");
    EXPECT_EQ(stage.fake.last.target, "/results/a%20b/%C3%A4%24.txt");
    EXPECT_EQ((co_await stage.storage->get(ctx, "a b/ä$.txt", 100)).value(), "hello");
    EXPECT_EQ((co_await stage.storage->head(ctx, "a b/ä$.txt")).value(), 5);
    EXPECT_TRUE(co_await stage.storage->erase(ctx, "a b/ä$.txt"));
    EXPECT_TRUE(co_await stage.storage->erase(ctx, "a b/ä$.txt"));
    EXPECT_EQ((co_await stage.storage->head(ctx, "a b/ä$.txt")).value(), std::nullopt);
    EXPECT_EQ((co_await stage.storage->get(ctx, "a b/ä$.txt", 9)).error().code, Errc::not_found);
    (void)co_await stage.server->stop(ctx);
  });
}

TEST(ObjectStorage, SaysWhyItWasRefused) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    Stage stage(ctx);
    stage.options.secret_key = "wrong";
    stage.remake(ctx);
    const auto refused = co_await stage.storage->get(ctx, "x", 10);
    EXPECT_EQ(refused.error().code, Errc::permission_denied);
    EXPECT_THAT(refused.error().message, HasSubstr("403 (SignatureDoesNotMatch: Check your key.)"));
    EXPECT_THAT(refused.error().message, ::testing::Not(HasSubstr("wrong")));
    EXPECT_EQ(stage.fake.requests, 1);
    (void)co_await stage.server->stop(ctx);
  });
}

TEST(ObjectStorage, TriesAgainWhileTheStorageIsBusy) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    Stage stage(ctx);
    stage.fake.failures = 2;
    EXPECT_TRUE(co_await stage.storage->put(ctx, "x", "1", ""));
    EXPECT_EQ(stage.fake.requests, 3);
    stage.fake.failures = 100;
    const auto failed = co_await stage.storage->get(ctx, "x", 10);
    EXPECT_EQ(failed.error().code, Errc::unavailable);
    EXPECT_THAT(failed.error().message, HasSubstr("SlowDown"));
    EXPECT_EQ(stage.fake.requests, 7);
    (void)co_await stage.server->stop(ctx);
  });
}

TEST(ObjectStorage, ReadsNoMoreThanAsked) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    Stage stage(ctx);
    EXPECT_TRUE(co_await stage.storage->put(ctx, "x", "0123456789", ""));
    EXPECT_EQ((co_await stage.storage->get(ctx, "x", 9)).error().code, Errc::payload_too_large);
    (void)co_await stage.server->stop(ctx);
  });
}

TEST(ObjectStorage, KnowsAMissingBucket) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    Stage stage(ctx);
    stage.options.bucket = "elsewhere";
    stage.remake(ctx);
    const auto put = co_await stage.storage->put(ctx, "x", "1", "");
    EXPECT_EQ(put.error().code, Errc::not_found);
    EXPECT_THAT(put.error().message, HasSubstr("NoSuchBucket"));
    (void)co_await stage.server->stop(ctx);
  });
}

TEST(ObjectStorage, PrefixesItsKeys) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    Stage stage(ctx);
    stage.options.prefix = "troupe/";
    stage.remake(ctx);
    EXPECT_TRUE(co_await stage.storage->put(ctx, "x", "1", ""));
    EXPECT_TRUE(stage.fake.objects.contains("/results/troupe/x"));
    (void)co_await stage.server->stop(ctx);
  });
}

TEST(ObjectStorage, RefusesSettingsThatCannotWork) {
  ManualClock clock;
  const auto client = net::HttpClient::create();
  const auto code = [&](auto edit) {
    ObjectStorageOptions options = documented();
    options.endpoint = "https://s3.example.com/";
    edit(options);
    const auto made = ObjectStorage::create(clock, *client, options);
    return made ? std::string("made") : std::string(to_string(made.error().code));
  };
  EXPECT_EQ(code([](auto&) {}), "made");
  EXPECT_EQ(code([](auto& o) { o.endpoint = "s3.example.com"; }), "invalid_argument");
  EXPECT_EQ(code([](auto& o) { o.endpoint = "wss://s3.example.com"; }), "invalid_argument");
  EXPECT_EQ(code([](auto& o) { o.endpoint = "https://s3.example.com/x"; }), "invalid_argument");
  EXPECT_EQ(code([](auto& o) { o.bucket = "A_B"; }), "invalid_argument");
  EXPECT_EQ(code([](auto& o) { o.bucket.clear(); }), "invalid_argument");
  EXPECT_EQ(code([](auto& o) { o.secret_key.clear(); }), "invalid_argument");
}

}  // namespace
}  // namespace troupe::services
