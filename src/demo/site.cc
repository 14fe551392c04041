#include "demo/site.h"

#include <fmt/format.h>

#include "base/assets.h"
#include "demo/catalogue.h"
#include "demo/routes.h"
#include "net/http_server.h"

namespace troupe::demo {
namespace {

class RunningSite final : public DemoSite {
 public:
  RunningSite(Catalogue catalogue, std::string host)
      : catalogue_(std::move(catalogue)), host_(std::move(host)) {}

  Result<void> start(asio::any_io_executor executor, Clock& clock, int port) {
    net::HttpServerOptions options;
    options.host = host_;
    options.port = port;
    options.handler_timeout = std::chrono::minutes(30);  // /never outlives every limit of a test
    auto handler = [this](Context& ctx, net::HttpRequest request) {
      return handle(*this, ctx, std::move(request));
    };
    TRY(server_, net::HttpServer::start(std::move(executor), clock, std::move(options), handler));
    return {};
  }

  int port() const override { return server_->port(); }

  std::string url() const override {
    const std::string host = host_ == "0.0.0.0" ? "127.0.0.1" : host_;
    if (host.find(':') != host.npos) return fmt::format("http://[{}]:{}", host, port());
    return fmt::format("http://{}:{}", host, port());
  }

  Async<void> stop(Context& ctx) override {
    stopping_.set();
    co_return co_await server_->stop(ctx);
  }

 private:
  static asio::awaitable<net::HttpResponse> handle(RunningSite& site, Context& ctx,
                                                   net::HttpRequest request) {
    Answer answer = demo::answer(site.catalogue_, ctx.clock().wall(), request);
    if (answer.hang == Answer::Hang::headers) (void)co_await site.stopping_.wait(ctx);
    if (answer.hang == Answer::Hang::body)
      answer.response.stream = [&site, body = std::move(answer.response.body)](
                                   Context& stream_ctx, net::BodyWriter& writer) {
        return hang(site, stream_ctx, writer, body);
      };
    if (answer.delay > Duration::zero()) co_await pause(site, ctx, answer.delay);
    co_return std::move(answer.response);
  }

  static asio::awaitable<void> hang(RunningSite& site, Context& ctx, net::BodyWriter& writer,
                                    std::string body) {
    const Result<void> written = co_await writer.write(ctx, std::move(body));
    if (written) (void)co_await site.stopping_.wait(ctx);
  }

  /// Ends early when the site stops.
  static asio::awaitable<void> pause(RunningSite& site, Context& ctx, Duration delay) {
    Context limited = ctx.with_timeout(delay, "demo site pause");
    (void)co_await site.stopping_.wait(limited);
  }

  const Catalogue catalogue_;
  const std::string host_;
  Event stopping_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace

Result<std::unique_ptr<DemoSite>> start_demo_site(asio::any_io_executor executor, Clock& clock,
                                                  std::string host, int port) {
  TRY(Catalogue catalogue, Catalogue::parse(assets::get("demo/catalogue.json")));
  auto site = std::make_unique<RunningSite>(std::move(catalogue), std::move(host));
  TRY_VOID(site->start(std::move(executor), clock, port));
  return std::unique_ptr<DemoSite>(std::move(site));
}

}  // namespace troupe::demo
