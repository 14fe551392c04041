#include "demo/site.h"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

namespace troupe::demo {
namespace {

using asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

class DemoSiteTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = start_demo_site(io_.get_executor(), *clock_, "127.0.0.1", 0);
    ASSERT_TRUE(started) << started.error().describe();
    site_ = std::move(*started);
  }

  /// Stops the site, which must end within `limit`.
  Result<void> stop(Duration limit) {
    Context root(*clock_, io_.get_executor());
    Context ctx = root.with_timeout(limit, "stop");
    std::optional<Result<void>> result;
    asio::co_spawn(io_, site_->stop(ctx),
                   [&](std::exception_ptr, Result<void> stopped) { result = std::move(stopped); });
    while (!result) io_.run_one();
    return *result;
  }

  /// Sends a request and runs the loop until the head came, at most `limit`; "" when it did not.
  std::string head_of(const std::string& path, Duration limit) {
    socket_.connect(
        {asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(site_->port())});
    asio::write(socket_, asio::buffer("GET " + path + " HTTP/1.1\r\nHost: demo\r\n\r\n"));
    const auto came = std::make_shared<bool>(false);  // the read may outlive this call
    asio::async_read_until(
        socket_, buffer_, "\r\n\r\n",
        [came](boost::system::error_code error, std::size_t) { *came = !error; });
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!*came && std::chrono::steady_clock::now() < end) io_.run_one_until(end);
    if (!*came) {
      socket_.cancel();
      return {};
    }
    return {asio::buffers_begin(buffer_.data()), asio::buffers_end(buffer_.data())};
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  std::unique_ptr<DemoSite> site_;
  tcp::socket socket_{io_};
  asio::streambuf buffer_;
};

TEST_F(DemoSiteTest, ServesItsHomePage) {
  EXPECT_EQ(site_->url(), "http://127.0.0.1:" + std::to_string(site_->port()));

  const std::string head = head_of("/", std::chrono::seconds(5));

  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(head, HasSubstr("Content-Security-Policy: default-src 'self'"));
  EXPECT_TRUE(stop(std::chrono::seconds(5)));
}

TEST_F(DemoSiteTest, StopsWhileAPageNeverAnswers) {
  EXPECT_EQ(head_of("/never", std::chrono::milliseconds(50)), "");

  EXPECT_TRUE(stop(std::chrono::seconds(5)));
}

TEST_F(DemoSiteTest, StopsWhileABodyNeverEnds) {
  EXPECT_THAT(head_of("/never?part=body", std::chrono::seconds(5)), StartsWith("HTTP/1.1 200"));

  EXPECT_TRUE(stop(std::chrono::seconds(5)));
}

TEST_F(DemoSiteTest, RefusesAPortThatIsTaken) {
  const auto second = start_demo_site(io_.get_executor(), *clock_, "127.0.0.1", site_->port());

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_TRUE(stop(std::chrono::seconds(5)));
}

}  // namespace
}  // namespace troupe::demo
