// A run's events as server-sent events (WHATWG HTML, 9.2): numbered, resumable, with a sign of
// life.
#include <charconv>

#include "api/operations.h"

namespace troupe::api {
namespace {

constexpr Duration kHeartbeat = std::chrono::seconds(15);

std::string frame(const observe::EventRecord& event) {
  return "id: " + std::to_string(event.number) + "\nevent: " + event.type +
         "\ndata: " + json::serialize(observe::to_json(event)) + "\n\n";
}

// The number after which to begin: the query's, or else the one that a reconnecting client sends.
Result<std::uint64_t> begin_after(const net::HttpRequest& request) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  TRY(const auto number, query_number(request, "after", 0, most, -1));
  if (number >= 0) return static_cast<std::uint64_t>(number);
  std::uint64_t last = 0;
  const auto header = request.header("last-event-id");
  std::from_chars(header.data(), header.data() + header.size(), last);
  return last;
}

// What one stream needs after the request is gone.
struct Feed {
  std::unique_ptr<EventSource> source;
  CancelSource stopping;
  std::string run_id;
  std::uint64_t dropped = 0;
};

// The next piece of text, or nothing at the end.
asio::awaitable<std::optional<std::string>> next_piece(Context& ctx, Feed& feed) {
  Context limited = ctx.with_timeout(kHeartbeat, "next event");
  const auto event = co_await feed.source->next(limited);
  if (!event && event.error().code == Errc::timeout && ctx.check()) co_return ": still here\n\n";
  if (!event) co_return std::nullopt;
  std::string text;
  if (const auto dropped = feed.source->dropped(); dropped != feed.dropped) {
    text = "event: dropped\ndata: {\"count\":" + std::to_string(dropped - feed.dropped) + "}\n\n";
    feed.dropped = dropped;
  }
  co_return text + frame(*event);
}

asio::awaitable<void> send_events(std::shared_ptr<Feed> feed, Context& ctx,
                                  net::BodyWriter& writer) {
  const CancelSource end = CancelSource::linked(ctx.cancel_source());
  const auto registration =
      feed->stopping.on_cancel([end, feed] { end.cancel(feed->stopping.reason()); });
  Context stream = ctx.with_cancel(end);
  std::string greeting = "retry: 2000\n\n";
  Result<void> written = co_await writer.write(ctx, std::move(greeting));
  while (written) {
    auto piece = co_await next_piece(stream, *feed);
    if (!piece) co_return;
    written = co_await writer.write(ctx, std::move(*piece));
  }
}

}  // namespace

Async<net::HttpResponse> run_events(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY_VOID(co_await call.services.runs.find(ctx, id));
  CO_TRY(const auto after, begin_after(call.request));
  auto feed = std::make_shared<Feed>();
  feed->source = call.services.runs.events(id, after);
  feed->stopping = call.stopping;
  feed->run_id = id;
  net::HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("X-Accel-Buffering", "no");
  response.stream = [feed](Context& ctx, net::BodyWriter& writer) {
    return send_events(feed, ctx, writer);
  };
  co_return response;
}

}  // namespace troupe::api
