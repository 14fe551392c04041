// Recordings: what was seen of a session's pages, as the contract lists it, as our own replay page
// plays it, and as videos when a packaged encoder is here.
#include <algorithm>
#include <charconv>

#include "api/gateway.h"
#include "api/live_pages.h"
#include "api/operations.h"

namespace troupe::api {
namespace {

using Pages = std::vector<sessions::RecordedPage>;
constexpr Duration kKeyLife = std::chrono::hours(6);
// The official client gives up after 60 s and asks again after a 503.
constexpr Duration kPlaylistWait = std::chrono::seconds(30);
constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr std::size_t kPlaylistMax = std::size_t{4} << 20;

sessions::RecordingStore& store_of(const Call& call) {
  return call.services.gateway->recorder().store();
}
sessions::RecordingVideos& videos_of(const Call& call) {
  return call.services.gateway->recorder().videos();
}

// A session that is known, or whose recording is left from an earlier life of the service.
Async<Pages> recorded_pages(Context& ctx, const Call& call) {
  std::string id = call.path_values[0];
  auto pages = co_await store_of(call).pages(ctx, std::move(id));
  if (pages || pages.error().code != Errc::not_found) co_return pages;
  CO_TRY_VOID(call.services.sessions.find(call.path_values[0]));
  co_return Pages();
}

// The pages of a session that has ended, with everything written: what videos are made of.
// Errors: those of the contract, but for 422, which only HTTP knows (is_declined()).
Async<Pages> finished_pages(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  const auto session = call.services.sessions.find(id);
  if (session && session->state != SessionState::ended)
    co_return fail(Errc::conflict, "session " + id + ": has not ended");
  if (store_of(call).is_writing(id)) CO_TRY_VOID(co_await store_of(call).settle(ctx));
  CO_TRY(auto pages, co_await recorded_pages(ctx, call));
  if (pages.empty())
    co_return fail(Errc::not_found, "recording of session " + id + ": there is none");
  co_return pages;
}

std::optional<net::HttpResponse> refusal_of_declined(const Call& call) {
  const std::string& id = call.path_values[0];
  if (!call.services.gateway->recorder().is_declined(id)) return std::nullopt;
  const Error error = fail(Errc::invalid_argument, "session " + id + ": was not recorded",
                           "browserSettings", "create it with recordSession: true");
  return problem_response(error, call.request.path, {}, 422);
}

std::string view_key(const Call& call) {
  return call.services.gateway->keys().sign({.session_id = call.path_values[0],
                                             .scope = KeyScope::view,
                                             .expires = call.services.clock.wall() + kKeyLife});
}

// Where a file of a page's video is, for anybody who has the key.
std::string video_address(const Call& call, std::string_view page, std::string_view file,
                          std::string_view key) {
  return Gateway::base_url(call.request, "http") + "/live/videos/" + call.path_values[0] + "/" +
         std::string(page) + "/" + std::string(file) + "?key=" + std::string(key);
}

json::object download_row(const Call& call, const sessions::RecordedPage& page,
                          const std::string& key) {
  const std::string& id = call.path_values[0];
  json::object row{{"pageId", page.id}};
  if (videos_of(call).is_pending(id, page.id)) {
    row["status"] = "PENDING";
  } else if (page.video_at) {
    row["status"] = "COMPLETED";
    row["downloadUrl"] = video_address(call, page.id, "video.mp4", key);
    row["completedAt"] = to_rfc3339(*page.video_at);
  } else if (const auto error = videos_of(call).failure(id, page.id)) {
    row["status"] = "FAILED";
    row["error"] = error->message;
  } else {
    row["status"] = "NOT_REQUESTED";
  }
  return row;
}

// Segments are named relative to the playlist; the caller has it from elsewhere.
std::string with_addresses(const Call& call, std::string_view playlist, const std::string& page) {
  const std::string key = view_key(call);
  std::string text;
  while (!playlist.empty()) {
    const auto end = std::min(playlist.find('\n'), playlist.size());
    const std::string_view line = playlist.substr(0, end);
    const bool segment = !line.empty() && !line.starts_with('#');
    text += segment ? video_address(call, page, line, key) : std::string(line);
    text += '\n';
    playlist.remove_prefix(std::min(end + 1, playlist.size()));
  }
  return text;
}

Async<void> wait_for_video(Context& ctx, const Call& call, std::string page) {
  std::string id = call.path_values[0];
  CO_TRY_VOID(videos_of(call).request(id, page));
  Context limited = ctx.with_timeout(kPlaylistWait, "making a video");
  const std::string name = page;
  auto made = co_await videos_of(call).wait(limited, std::move(id), std::move(page));
  if (!made && made.error().code == Errc::timeout &&
      videos_of(call).is_pending(call.path_values[0], name))
    co_return fail(Errc::unavailable, "recording: its video is still being made", "video_encoder",
                   "ask again, or wait for recording/downloads");
  co_return made;
}

struct Range {
  std::uint64_t from = 0;
  std::uint64_t end = 0;  ///< Behind the last byte.
};

// `bytes=3-`, `bytes=3-9`; of anything else all is sent.
std::optional<Range> range_of(std::string_view header, std::uint64_t size) {
  constexpr std::string_view prefix = "bytes=";
  if (!header.starts_with(prefix)) return std::nullopt;
  header.remove_prefix(prefix.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  Range range{.end = size};
  const char* stop = header.data() + dash;
  const auto [first, bad] = std::from_chars(header.data(), stop, range.from);
  if (bad != std::errc() || first != stop || range.from >= size) return std::nullopt;
  const std::string_view rest = header.substr(dash + 1);
  if (rest.empty()) return range;
  const char* all = rest.data() + rest.size();
  const auto [last, wrong] = std::from_chars(rest.data(), all, range.end);
  if (wrong != std::errc() || last != all || range.end < range.from) return std::nullopt;
  range.end = std::min(range.end + 1, size);
  return range;
}

struct VideoFile {
  std::string session, page, file;
  Range range;
};

asio::awaitable<void> stream_video(Context& ctx, net::BodyWriter& writer,
                                   sessions::RecordingStore& store, VideoFile video) {
  std::uint64_t at = video.range.from;
  while (at < video.range.end) {
    std::string session = video.session, page = video.page, file = video.file;
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, video.range.end - at));
    auto piece = co_await store.video_piece(ctx, std::move(session), std::move(page),
                                            std::move(file), at, size);
    if (!piece || piece->empty()) co_return;
    at += piece->size();
    const auto written = co_await writer.write(ctx, std::move(*piece));
    if (!written) co_return;
  }
}

std::string_view video_type(std::string_view file) {
  if (file.ends_with(".mp4")) return "video/mp4";
  if (file.ends_with(".ts")) return "video/mp2t";
  return "application/vnd.apple.mpegurl";
}

}  // namespace

Async<net::HttpResponse> session_recording(Context& ctx, const Call& call) {
  CO_TRY(const auto pages, co_await recorded_pages(ctx, call));
  json::array events;
  for (const auto& page : pages) {
    const json::object payload{{"pageId", page.id},
                               {"url", page.url},
                               {"startTimeMs", page.start_ms},
                               {"endTimeMs", page.end_ms},
                               {"frames", page.frames}};
    // rrweb's type 5 is a custom event: there is no DOM to replay, only pictures.
    events.push_back({{"type", 5},
                      {"timestamp", page.start_ms},
                      {"sessionId", call.path_values[0]},
                      {"data", {{"tag", "troupe.page"}, {"payload", payload}}}});
  }
  co_return json_response(events);
}

Async<net::HttpResponse> delete_recording(Context& ctx, const Call& call) {
  std::string id = call.path_values[0];
  const std::string name = "recording of session " + id;
  if (call.services.gateway->recorder().is_recording(id))
    co_return fail(Errc::conflict, name + ": is being written");
  if (videos_of(call).busy().contains(id))
    co_return fail(Errc::conflict, name + ": its videos are being made");
  if (store_of(call).is_writing(id)) CO_TRY_VOID(co_await store_of(call).settle(ctx));
  CO_TRY_VOID(co_await store_of(call).remove(ctx, std::move(id)));
  co_return net::HttpResponse{.status = 204, .content_type = {}};
}

Async<net::HttpResponse> create_recording_downloads(Context& ctx, const Call& call) {
  if (auto refused = refusal_of_declined(call)) co_return std::move(*refused);
  CO_TRY(const auto pages, co_await finished_pages(ctx, call));
  json::array list;
  for (const auto& page : pages) {
    CO_TRY_VOID(videos_of(call).request(call.path_values[0], page.id));
    list.push_back({{"pageId", page.id}, {"status", "PENDING"}});
  }
  co_return json_response({{"downloads", std::move(list)}}, 202);
}

Async<net::HttpResponse> list_recording_downloads(Context& ctx, const Call& call) {
  if (auto refused = refusal_of_declined(call)) co_return std::move(*refused);
  CO_TRY(const auto pages, co_await finished_pages(ctx, call));
  const std::string key = view_key(call);
  json::array list;
  for (const auto& page : pages) list.push_back(download_row(call, page, key));
  co_return json_response({{"downloads", std::move(list)}});
}

Async<net::HttpResponse> session_replays(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY(const auto pages, co_await recorded_pages(ctx, call));
  json::array list;
  for (const auto& page : pages)
    list.push_back({{"pageId", page.id},
                    {"url", page.url},
                    {"startTimeMs", page.start_ms},
                    {"endTimeMs", page.end_ms}});
  json::object answer{{"pageCount", pages.size()}, {"pages", std::move(list)}};
  if (!pages.empty())
    answer["replayUrl"] =
        Gateway::base_url(call.request, "http") + "/live/replay/" + id + "?key=" + view_key(call);
  std::string session = id;
  const auto end = co_await store_of(call).end(ctx, std::move(session));
  if (end && !end->reason.empty()) answer["endReason"] = end->reason;
  if (end && end->frames_dropped > 0) answer["framesDropped"] = end->frames_dropped;
  co_return json_response(answer);
}

Async<net::HttpResponse> session_replay_playlist(Context& ctx, const Call& call) {
  CO_TRY(const auto pages, co_await finished_pages(ctx, call));
  const auto found = std::ranges::find(pages, call.path_values[1], &sessions::RecordedPage::id);
  if (found == pages.end())
    co_return fail(Errc::not_found,
                   "recording: there is no page '" + call.path_values[1].substr(0, 16) + "'");
  std::string page = found->id;
  if (!found->video_at) CO_TRY_VOID(co_await wait_for_video(ctx, call, std::move(page)));
  std::string session = call.path_values[0], wanted = found->id, file = "playlist.m3u8";
  CO_TRY(const auto playlist,
         co_await store_of(call).video_piece(ctx, std::move(session), std::move(wanted),
                                             std::move(file), 0, kPlaylistMax));
  net::HttpResponse response;
  response.content_type = "application/vnd.apple.mpegurl";
  response.body = with_addresses(call, playlist, found->id);
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

Async<net::HttpResponse> recording_index(Context& ctx, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  const std::string& id = call.path_values[0];
  std::string session = id;
  CO_TRY(const auto pages, co_await store_of(call).pages(ctx, std::move(session)));
  json::array list;
  for (const auto& page : pages) {
    std::string of = id, number = page.id;
    CO_TRY(const auto frames,
           co_await store_of(call).frames(ctx, std::move(of), std::move(number)));
    json::array times;
    for (const auto& frame : frames) times.push_back({{"t", frame.time_ms}, {"url", frame.url}});
    list.push_back({{"id", page.id}, {"url", page.url}, {"frames", std::move(times)}});
  }
  json::object answer{{"pages", std::move(list)}};
  std::string of_log = id, of_end = id;
  if (const auto log = co_await store_of(call).log(ctx, std::move(of_log))) {
    const auto entries = parse_json(*log, "log");
    if (entries) answer["log"] = *entries;
  }
  const auto end = co_await store_of(call).end(ctx, std::move(of_end));
  if (end && !end->reason.empty()) answer["endReason"] = end->reason;
  answer["live"] = call.services.gateway->recorder().is_recording(id);
  co_return json_response(answer);
}

Async<net::HttpResponse> recording_frame(Context& ctx, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  const std::string& text = call.path_values[2];
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    co_return fail(Errc::not_found, "recording: '" + text.substr(0, 16) + "' is no picture");
  net::HttpResponse response;
  std::string session = call.path_values[0], page = call.path_values[1];
  CO_TRY(response.body,
         co_await store_of(call).picture(ctx, std::move(session), std::move(page), number));
  response.content_type = "image/jpeg";
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
  co_return response;
}

Async<net::HttpResponse> recording_video(Context& ctx, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  sessions::RecordingStore& store = store_of(call);
  VideoFile video{call.path_values[0], call.path_values[1], call.path_values[2], {}};
  std::string session = video.session, page = video.page, file = video.file;
  CO_TRY(const auto size,
         co_await store.video_size(ctx, std::move(session), std::move(page), std::move(file)));
  video.range.end = size;
  net::HttpResponse response;
  if (const auto range = range_of(call.request.header("range"), size)) {
    video.range = *range;
    response.status = 206;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range->from) + "-" +
                                                       std::to_string(range->end - 1) + "/" +
                                                       std::to_string(size));
  }
  response.content_type = video_type(video.file);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
  // The key is in the address: a player on another site has it from whoever may see this.
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  if (video.file.ends_with(".mp4"))
    response.headers.emplace_back(
        "Content-Disposition", "inline; filename=\"" + video.session + "-" + video.page + ".mp4\"");
  response.stream = [&store, video](Context& streaming, net::BodyWriter& writer) {
    return stream_video(streaming, writer, store, video);
  };
  co_return response;
}

}  // namespace troupe::api
