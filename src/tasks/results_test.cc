#include "tasks/results.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/testing.h"
#include "net/http_server.h"
#include "tasks/testing.h"
#include "tasks/testing_folder.h"

namespace troupe::tasks {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::minutes;
using ::testing::HasSubstr;

class ResultsTest : public ::testing::Test {
 protected:
  ResultsTest() {
    options_.inline_bytes_max = 100;
    options_.bytes_max = 10'000;
    remake();
  }
  ~ResultsTest() override { pool_.join(); }
  void remake() {
    blobs_ = make_file_blobs(pool_, folder_ + "/results");
    results_ = std::make_unique<Results>(loop_.clock, loop_.io.get_executor(), backend_, *blobs_,
                                         *log_, options_);
  }
  // Waits for the pool, too: its answers come through the loop.
  template <class T>
  Result<T> run(Async<T> call) {
    const auto busy = asio::make_work_guard(loop_.io);
    return loop_.run(std::move(call));
  }
  ResultRef put(const std::string& bytes) {
    Context ctx = loop_.context();
    return run(results_->put(ctx, bytes, "text/plain")).value();
  }
  Result<std::string> get(const ResultRef& ref) {
    Context ctx = loop_.context();
    return run(results_->get(ctx, ref));
  }
  Results::Swept sweep() {
    Context ctx = loop_.context();
    return run(results_->sweep(ctx)).value();
  }
  std::string path(const ResultRef& ref) const {
    return folder_ + "/results/" + ref.sha256.substr(0, 2) + "/" + ref.sha256;
  }

  testing::StandingLoop loop_;
  testing::DocumentBackend backend_;
  asio::thread_pool pool_{1};
  const Folder keeper_;
  const std::string folder_ = keeper_.path;
  ResultsOptions options_;
  std::unique_ptr<observe::Log> log_ = observe::make_null_log();
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<Results> results_;
};

TEST_F(ResultsTest, KeepsBytesUnderTheirChecksum) {
  const std::string bytes("a\0b", 3);
  const ResultRef ref = put(bytes);
  EXPECT_EQ(ref.sha256, to_hex(sha256(bytes)));
  EXPECT_EQ(ref.bytes, 3);
  EXPECT_EQ(get(ref).value(), bytes);
  EXPECT_EQ(put(bytes), ref);
  EXPECT_EQ(backend_.count("result"), 1u);
}

TEST_F(ResultsTest, FindsAResultByItsName) {
  const ResultRef ref = put("hello");
  Context ctx = loop_.context();
  EXPECT_EQ(run(results_->find(ctx, ref.sha256)).value(), ref);
  EXPECT_EQ(run(results_->find(ctx, std::string(64, '0'))).error().code, Errc::not_found);
  EXPECT_EQ(run(results_->find(ctx, "../../etc/passwd")).error().code, Errc::not_found);
}

TEST_F(ResultsTest, TellsMissingBytesAndOtherBytes) {
  const ResultRef ref = put("hello");
  const std::string expected = "result " + path(ref) +
                               ": is not what was written: expected 5 bytes with SHA-256 " +
                               to_hex(sha256("hello")) + ", found ";
  std::ofstream(path(ref)) << "hellp";  // one byte
  EXPECT_EQ(get(ref).error().code, Errc::storage_failed);
  EXPECT_EQ(get(ref).error().message, expected + "5 bytes with SHA-256 " + to_hex(sha256("hellp")));
  std::ofstream(path(ref)) << "hell";
  EXPECT_EQ(get(ref).error().message, expected + "4 bytes with SHA-256 " + to_hex(sha256("hell")));
  std::ofstream(path(ref)) << "hello and more";
  EXPECT_EQ(get(ref).error().message, expected + "more than 5 bytes");
  std::ofstream(path(ref)).flush();
  EXPECT_EQ(get(ref).error().message, expected + "0 bytes with SHA-256 " + to_hex(sha256("")));
  fs::remove(path(ref));
  EXPECT_EQ(get(ref).error().code, Errc::gone);
  EXPECT_EQ(get({"../../etc/passwd", 5, ""}).error().code, Errc::not_found);
}

TEST_F(ResultsTest, PuttingAgainMendsBrokenBytes) {
  const ResultRef ref = put("hello");
  std::ofstream(path(ref)) << "garbage";
  put("hello");
  EXPECT_EQ(get(ref).value(), "hello");
}

TEST_F(ResultsTest, RefusesWhatIsTooLarge) {
  Context ctx = loop_.context();
  const auto refused = run(results_->put(ctx, std::string(10'001, 'x'), "text/plain"));
  EXPECT_EQ(refused.error().code, Errc::payload_too_large);
  EXPECT_THAT(refused.error().message, HasSubstr("10001 bytes are more than 10000"));
}

TEST_F(ResultsTest, AFolderThatCannotBeWrittenIsAnError) {
  std::ofstream(folder_ + "/results") << "a file where the folder should be";
  Context ctx = loop_.context();
  EXPECT_FALSE(run(results_->put(ctx, "x", "text/plain")));
}

TEST_F(ResultsTest, ShrinksLargeValuesOnly) {
  Context ctx = loop_.context();
  const json::value small{{"a", 1}}, large{{"text", std::string(500, 'x')}};

  EXPECT_EQ(run(results_->shrink(ctx, small)).value(), small);
  const json::value shrunk = run(results_->shrink(ctx, large)).value();
  EXPECT_TRUE(result_ref_from(shrunk));
  EXPECT_EQ(run(results_->restore(ctx, shrunk)).value(), large);
  EXPECT_EQ(run(results_->restore(ctx, small)).value(), small);
}

TEST_F(ResultsTest, AnOutputCannotPoseAsAReference) {
  const ResultRef secret = put("\"somebody else's\"");
  const json::value disguised = to_json(secret);
  Context ctx = loop_.context();

  const json::value shrunk = run(results_->shrink(ctx, disguised)).value();

  EXPECT_NE(shrunk, disguised);
  EXPECT_EQ(run(results_->restore(ctx, shrunk)).value(), disguised);
}

TEST_F(ResultsTest, SweepsByAge) {
  const ResultRef old = put("old");
  loop_.clock.advance(hours(24 * 4));
  const ResultRef young = put("young");
  loop_.clock.advance(hours(24 * 4));

  const auto swept = sweep();

  EXPECT_EQ(swept.erased, 1);
  EXPECT_EQ(swept.erased_bytes, 3);
  EXPECT_EQ(swept.left, 1);
  EXPECT_EQ(get(old).error().code, Errc::gone);
  EXPECT_FALSE(fs::exists(path(old)));
  EXPECT_EQ(get(young).value(), "young");
}

TEST_F(ResultsTest, PuttingAgainKeepsItLonger) {
  const ResultRef ref = put("x");
  loop_.clock.advance(hours(24 * 4));
  put("x");
  loop_.clock.advance(hours(24 * 4));
  EXPECT_EQ(sweep().erased, 0);
  EXPECT_EQ(get(ref).value(), "x");
}

TEST_F(ResultsTest, SweepsTheOldestByNumberAndSize) {
  options_.kept_max = 4;
  options_.kept_bytes_max = 250;
  remake();
  std::vector<ResultRef> refs;
  for (int i = 0; i < 6; ++i) {
    refs.push_back(put(std::string(100, static_cast<char>('a' + i))));
    loop_.clock.advance(minutes(1));
  }
  const auto swept = sweep();
  EXPECT_EQ(swept.erased, 4);
  EXPECT_EQ(swept.left_bytes, 200);
  EXPECT_FALSE(get(refs[3]));
  EXPECT_TRUE(get(refs[4]) && get(refs[5]));
}

TEST_F(ResultsTest, ASweepThatDiedIsFinishedByTheNext) {
  const ResultRef ref = put("x");
  loop_.clock.advance(hours(24 * 8));
  backend_.before = [](std::string_view call, const Document&) -> Result<void> {
    if (call == "erase") return fail(Errc::unavailable, "crash");
    return {};
  };
  Context ctx = loop_.context();
  EXPECT_FALSE(run(results_->sweep(ctx)));
  backend_.before = nullptr;
  EXPECT_EQ(run(results_->put(ctx, "x", "text/plain")).error().code, Errc::unavailable);
  EXPECT_EQ(run(results_->find(ctx, ref.sha256)).error().code, Errc::not_found);

  loop_.clock.advance(minutes(6));
  EXPECT_EQ(sweep().erased, 1);
  EXPECT_EQ(backend_.count("result"), 0u);
  put("x");
  EXPECT_EQ(get(ref).value(), "x");
}

TEST_F(ResultsTest, AResultThatIsPutDuringASweepStays) {
  const ResultRef ref = put("x");
  loop_.clock.advance(hours(24 * 8));
  bool once = false;
  backend_.before = [&](std::string_view call, const Document&) -> Result<void> {
    if (call != "put" || std::exchange(once, true)) return {};
    return fail(Errc::conflict, "somebody put it again at this moment");
  };
  EXPECT_EQ(sweep().erased, 0);
  EXPECT_EQ(get(ref).value(), "x");
}

// Takes everything, and gives what it likes.
struct LyingStorage {
  std::string gives;
  asio::awaitable<net::HttpResponse> answer(net::HttpRequest request) {
    net::HttpResponse response;
    if (request.method == "GET") response.body = gives;
    co_return response;
  }
};

asio::awaitable<void> storage_lies(Context& ctx) {
  LyingStorage liar;
  auto server =
      net::HttpServer::start(ctx.executor(), ctx.clock(), {}, [&](Context&, net::HttpRequest r) {
        return liar.answer(std::move(r));
      }).value();
  const auto client = net::HttpClient::create();
  services::ObjectStorageOptions options;
  options.access_key = options.secret_key = "key";
  options.bucket = "bucket";
  options.endpoint = "http://127.0.0.1:" + std::to_string(server->port());
  const auto blobs =
      make_object_blobs(services::ObjectStorage::create(ctx.clock(), *client, options).value());
  const auto log = observe::make_null_log();
  const auto backend = make_memory_backend(ctx.clock(), {});
  Results results(ctx.clock(), ctx.executor(), *backend, *blobs, *log, {});
  const auto ref = co_await results.put(ctx, "what was written", "text/plain");
  EXPECT_TRUE(ref) << ref.error().describe();
  for (const std::string lie : {"What was written", "what was", "what was written, and more", ""}) {
    liar.gives = lie;
    const auto got = co_await results.get(ctx, *ref);
    EXPECT_EQ(got.error().code, Errc::storage_failed);
    EXPECT_THAT(got.error().message, HasSubstr(options.endpoint + "/bucket/" + ref->sha256));
    EXPECT_THAT(got.error().message, HasSubstr("expected 16 bytes with SHA-256 " + ref->sha256));
  }
  liar.gives = "what was written";
  EXPECT_EQ((co_await results.get(ctx, *ref)).value(), "what was written");
  (void)co_await server->stop(ctx);
}

TEST(ObjectResults, AStorageThatLiesIsFoundOut) { troupe::testing::run(storage_lies); }

}  // namespace
}  // namespace troupe::tasks
