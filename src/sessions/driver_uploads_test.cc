// The extension that drives browsers, at a Browserbase account.
#include "sessions/driver_uploads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "services/testing.h"
#include "sessions/testing.h"
#include "sessions/zip_archive.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using services::FakeBrowserbase;
using services::FakeFault;
using ::testing::HasSubstr;
using troupe::testing::run;

constexpr const char* kUpload = "POST /v1/extensions";

struct Fixture {
  Fixture(Context& ctx, std::string dir) : dir(std::move(dir)) {
    fake = FakeBrowserbase::start(ctx.executor(), ctx.clock()).value();
    http = net::HttpClient::create({});
    services::BrowserbaseOptions service{.api_key = fake->options().api_key,
                                         .base_url = fake->base_url(),
                                         .retry_first = std::chrono::milliseconds(1)};
    client = services::make_browserbase_client(service, *http, ctx.clock(), Random(7)).value();
    put("manifest.json", R"({"name": "Driver"})");
    put("inner/worker.js", "1");
    begin_anew();
  }
  // As after a start of Troupe.
  void begin_anew() {
    uploads = std::make_unique<DriverUploads>(*client, null_log(), dir, "account");
  }
  void put(const std::string& name, std::string_view text) const {
    fs::create_directories(fs::path(folder() + "/" + name).parent_path());
    std::ofstream(folder() + "/" + name) << text;
  }
  std::string folder() const { return dir + "/driver"; }
  std::string data_file() const { return dir + "/browserbase-extensions.json"; }
  Async<std::string> id(Context& ctx) { return uploads->id_of(ctx, folder()); }

  std::string dir;
  std::unique_ptr<FakeBrowserbase> fake;
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<services::BrowserbaseClient> client;
  std::unique_ptr<DriverUploads> uploads;
};

class DriverUploadsTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  template <class Body>
  void on(Body body) {
    run([&](Context& ctx) { return with(ctx, dir_, body); });
  }

 private:
  using Test = std::function<asio::awaitable<void>(Context&, Fixture&)>;
  static asio::awaitable<void> with(Context& ctx, std::string dir, Test body) {
    Fixture f(ctx, std::move(dir));
    co_await body(ctx, f);
    (void)co_await f.fake->stop(ctx);
  }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-driver-" + std::to_string(getpid()))).string();
};

asio::awaitable<void> once(Context& ctx, Fixture& f) {
  std::vector<Async<std::string>> asked;
  for (int i = 0; i < 4; ++i) asked.push_back(f.id(ctx));
  const auto ids = co_await gather(ctx, std::move(asked));
  for (const auto& id : ids) EXPECT_EQ(id.value(), ids.front().value());
  EXPECT_EQ(f.fake->count(kUpload), 1);

  const std::string unpacked = f.dir + "/unpacked";
  EXPECT_TRUE(unpack_zip(f.fake->extensions().at(ids.front().value()), unpacked, {}));
  EXPECT_TRUE(fs::exists(unpacked + "/manifest.json")) << "at its root";
  EXPECT_TRUE(fs::exists(unpacked + "/inner/worker.js"));
  std::size_t archives = 0;
  for (const auto& entry : fs::directory_iterator(f.dir))
    archives += entry.path().extension() == ".zip" ? 1 : 0;
  EXPECT_EQ(archives, 0u) << "an archive was left";
}
TEST_F(DriverUploadsTest, UploadsOnceForAllWhoAsk) { on(once); }

asio::awaitable<void> remembers(Context& ctx, Fixture& f) {
  const auto first = co_await f.id(ctx);
  f.begin_anew();
  const auto second = co_await f.id(ctx);
  EXPECT_EQ(second.value(), first.value());
  EXPECT_EQ(f.fake->count(kUpload), 1);
  EXPECT_EQ(f.fake->count("GET /v1/extensions/{id}"), 1)
      << "that it is there is not taken on trust";

  std::ofstream(f.data_file()) << "half a fi";
  f.begin_anew();
  EXPECT_TRUE(co_await f.id(ctx)) << "a damaged file costs an upload";
  EXPECT_EQ(f.fake->count(kUpload), 2);
}
TEST_F(DriverUploadsTest, FindsTheUploadOfAnEarlierStart) { on(remembers); }

asio::awaitable<void> replaces(Context& ctx, Fixture& f) {
  const auto first = co_await f.id(ctx);
  f.put("inner/worker.js", "2");
  f.begin_anew();
  const auto second = co_await f.id(ctx);
  EXPECT_NE(second.value(), first.value());
  EXPECT_EQ(f.fake->extensions().size(), 1u) << "the one that nobody asks for any more is left";
  EXPECT_TRUE(f.fake->extensions().contains(second.value()));
}
TEST_F(DriverUploadsTest, ReplacesTheUploadOfOtherContents) { on(replaces); }

asio::awaitable<void> renews(Context& ctx, Fixture& f) {
  const auto first = co_await f.id(ctx);
  EXPECT_FALSE((co_await f.uploads->is_gone(ctx, f.folder(), *first)).value());
  EXPECT_EQ((co_await f.id(ctx)).value(), *first);
  EXPECT_TRUE(co_await f.client->delete_extension(ctx, *first));
  EXPECT_TRUE((co_await f.uploads->is_gone(ctx, f.folder(), *first)).value());
  const auto second = co_await f.id(ctx);
  EXPECT_NE(second.value(), *first);
  EXPECT_TRUE((co_await f.uploads->is_gone(ctx, f.folder(), *first)).value());
  EXPECT_EQ((co_await f.id(ctx)).value(), *second) << "the new one was forgotten with the old one";
}
TEST_F(DriverUploadsTest, UploadsAgainWhatIsGone) { on(renews); }

asio::awaitable<void> survives(Context& ctx, Fixture& f) {
  f.fake->inject({.route = kUpload,
                  .answer = FakeFault::Answer::status,
                  .times = 2,
                  .status = 429,
                  .message = "Too many uploads"});
  EXPECT_TRUE(co_await f.id(ctx));
  EXPECT_EQ(f.fake->count(kUpload), 3);
  EXPECT_EQ(f.fake->extensions().size(), 1u);
}
TEST_F(DriverUploadsTest, TriesAgainWhenUploadsAreThrottled) { on(survives); }

asio::awaitable<void> tells(Context& ctx, Fixture& f) {
  f.fake->inject({.route = kUpload,
                  .answer = FakeFault::Answer::status,
                  .status = 402,
                  .message = "extensions are not in this plan"});
  const auto refused = co_await f.id(ctx);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_TRUE(co_await f.id(ctx)) << "the next one tries again";

  const auto missing = co_await f.uploads->id_of(ctx, f.dir + "/nowhere");
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere"));
}
TEST_F(DriverUploadsTest, TellsWhyThereIsNone) { on(tells); }

}  // namespace
}  // namespace troupe::sessions
