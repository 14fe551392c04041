// Recordings: what was seen of a session's pages, as the contract lists it and as our own replay
// page plays it. There is no video: no encoder is used.
#include <charconv>

#include "api/gateway.h"
#include "api/live_pages.h"
#include "api/operations.h"

namespace troupe::api {
namespace {

sessions::RecordingStore& store_of(const Call& call) {
  return call.services.gateway->recorder().store();
}

// A session that is known, or whose recording is left from an earlier life of the service.
Result<std::vector<sessions::RecordedPage>> recorded_pages(const Call& call) {
  const std::string& id = call.path_values[0];
  auto pages = store_of(call).pages(id);
  if (pages) return pages;
  TRY_VOID(call.services.sessions.find(id));
  return std::vector<sessions::RecordedPage>();
}

Error no_video(const Call& call) {
  return fail(Errc::unsupported, "recording: this service makes no video files", {},
              "GET /v1/sessions/" + call.path_values[0] + "/replays has the address of a replay");
}

// Why there can be no MP4, in the order of the contract's answers.
Error why_no_download(const Call& call) {
  const std::string& id = call.path_values[0];
  const auto pages = recorded_pages(call);
  if (!pages) return pages.error();
  const auto session = call.services.sessions.find(id);
  if (session && session->state != SessionState::ended)
    return fail(Errc::conflict, "session " + id + ": has not ended");
  if (pages->empty())
    return fail(Errc::not_found, "recording of session " + id + ": there is none");
  return no_video(call);
}

}  // namespace

Async<net::HttpResponse> session_recording(Context&, const Call& call) {
  CO_TRY(const auto pages, recorded_pages(call));
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

Async<net::HttpResponse> create_recording_downloads(Context&, const Call& call) {
  co_return why_no_download(call);
}

Async<net::HttpResponse> list_recording_downloads(Context&, const Call& call) {
  CO_TRY(const auto pages, recorded_pages(call));
  json::array list;
  for (const auto& page : pages) list.push_back({{"pageId", page.id}, {"status", "NOT_REQUESTED"}});
  co_return json_response({{"downloads", std::move(list)}});
}

Async<net::HttpResponse> session_replays(Context&, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY(const auto pages, recorded_pages(call));
  json::array list;
  for (const auto& page : pages)
    list.push_back({{"pageId", page.id},
                    {"url", page.url},
                    {"startTimeMs", page.start_ms},
                    {"endTimeMs", page.end_ms}});
  json::object answer{{"pageCount", pages.size()}, {"pages", std::move(list)}};
  if (!pages.empty()) {
    const KeyClaim claim{.session_id = id,
                         .scope = KeyScope::view,
                         .expires = call.services.clock.wall() + std::chrono::hours(6)};
    answer["replayUrl"] = Gateway::base_url(call.request, "http") + "/live/replay/" + id +
                          "?key=" + call.services.gateway->keys().sign(claim);
  }
  co_return json_response(answer);
}

Async<net::HttpResponse> session_replay_playlist(Context&, const Call& call) {
  CO_TRY(const auto pages, recorded_pages(call));
  const auto found = std::ranges::find(pages, call.path_values[1], &sessions::RecordedPage::id);
  if (found == pages.end())
    co_return fail(Errc::not_found,
                   "recording: there is no page '" + call.path_values[1].substr(0, 16) + "'");
  co_return no_video(call);
}

Async<net::HttpResponse> recording_index(Context&, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  const std::string& id = call.path_values[0];
  CO_TRY(const auto pages, store_of(call).pages(id));
  json::array list;
  for (const auto& page : pages) {
    CO_TRY(const auto frames, store_of(call).frames(id, page.id));
    json::array times;
    for (const auto& frame : frames) times.push_back({{"t", frame.time_ms}, {"url", frame.url}});
    list.push_back({{"id", page.id}, {"url", page.url}, {"frames", std::move(times)}});
  }
  json::object answer{{"pages", std::move(list)}};
  if (const auto log = store_of(call).log(id)) {
    const auto entries = parse_json(*log, "log");
    if (entries) answer["log"] = *entries;
  }
  co_return json_response(answer);
}

Async<net::HttpResponse> recording_frame(Context&, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  const std::string& text = call.path_values[2];
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    co_return fail(Errc::not_found, "recording: '" + text.substr(0, 16) + "' is no picture");
  net::HttpResponse response;
  CO_TRY(response.body, store_of(call).picture(call.path_values[0], call.path_values[1], number));
  response.content_type = "image/jpeg";
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
  co_return response;
}

}  // namespace troupe::api
