#include "net/url.h"
#include "services/browserbase_wire.h"
#include "services/testing.h"

namespace troupe::services {
namespace {

// Checks `user_metadata['a']['b']:'v'` against the metadata; nothing when it is not of that form.
std::optional<bool> matches(const json::object& metadata, std::string_view q) {
  constexpr std::string_view start = "user_metadata";
  if (!q.starts_with(start)) return {};
  q.remove_prefix(start.size());
  const auto quoted = [&q]() -> std::optional<std::string> {
    std::string text;
    if (!q.starts_with('\'')) return {};
    for (std::size_t i = 1; i < q.size(); ++i) {
      if (q[i] == '\'') {
        q.remove_prefix(i + 1);
        return text;
      }
      if (q[i] == '\\' && i + 1 < q.size()) ++i;
      text += q[i];
    }
    return {};
  };
  const json::value whole(metadata);
  const json::value* place = &whole;
  bool any = false;
  while (q.starts_with('[')) {
    q.remove_prefix(1);
    const auto key = quoted();
    if (!key || !q.starts_with(']')) return {};
    q.remove_prefix(1);
    any = true;
    place = place ? find(*place, *key) : nullptr;
  }
  if (!any || !q.starts_with(':')) return {};
  q.remove_prefix(1);
  const auto value = quoted();
  if (!value || !q.empty()) return {};
  return place && place->is_string() && place->get_string() == *value;
}

// Zip's end record alone: an archive without files.
std::string empty_archive() { return std::string("PK\5\6", 4) + std::string(18, '\0'); }

std::string text_or(const json::object& object, std::string_view key, std::string_view other) {
  return std::string(find_string(object, key).value_or(other));
}

}  // namespace

std::optional<net::HttpResponse> FakeBrowserbase::refuse_creation(const json::object& body,
                                                                  net::Headers& rate) {
  const SteadyTime now = clock_.now();
  if (now >= window_began_ + options_.window) {
    window_began_ = now;
    created_in_window_ = 0;
  }
  const auto left = window_began_ + options_.window - now;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(left).count();
  const bool rate_used_up = created_in_window_ >= options_.creations_per_window;
  if (!rate_used_up) ++created_in_window_;
  rate = {
      {"x-ratelimit-limit", std::to_string(options_.creations_per_window)},
      {"x-ratelimit-remaining", std::to_string(options_.creations_per_window - created_in_window_)},
      {"x-ratelimit-reset", std::to_string(seconds)}};
  if (rate_used_up) {
    rate.emplace_back("retry-after", std::to_string(seconds));
    return refusal(429, "Too many session creations in this window");
  }
  const auto timeout = find_int(body, "timeout");
  if (timeout && (*timeout < 60 || *timeout > 21'600))
    return refusal(400, "timeout: must be between 60 and 21600");
  const auto* metadata = find(body, "userMetadata");
  if (metadata && json::serialize(*metadata).size() > 512)
    return refusal(400, "userMetadata: must be under 512 characters");
  const auto* settings = find(body, "browserSettings");
  const auto* context = settings ? find(*settings, "context") : nullptr;
  if (context &&
      (!context->is_object() || !contexts_.contains(text_or(context->get_object(), "id", ""))))
    return refusal(404, "Context not found");
  const std::string extension = text_or(body, "extensionId", "");
  if (!extension.empty() && !files_["extensions"].contains(extension))
    return refusal(404, "Extension not found");
  const std::string project = text_or(body, "projectId", options_.project_id);
  if (project != options_.project_id) return refusal(403, "This key is not of that project");
  if (const int now_live = live(); now_live >= options_.concurrency)
    return refusal(429, "Max concurrent sessions limit reached (limit " +
                            std::to_string(options_.concurrency) + ", currently " +
                            std::to_string(now_live) + ")");
  return {};
}

asio::awaitable<net::HttpResponse> FakeBrowserbase::create_session(
    Context& ctx, const net::HttpRequest& request) {
  const auto body = parse_json(request.body.empty() ? "{}" : request.body, "body");
  if (!body || !body->is_object()) co_return refusal(400, "Body is not a JSON object");
  net::Headers rate;
  if (auto refused = refuse_creation(body->get_object(), rate)) {
    refused->headers = std::move(rate);
    co_return std::move(*refused);
  }
  Session session;
  session.id = random_.uuid();
  session.request = body->get_object();
  session.created = clock_.wall();
  const auto seconds =
      find_int(session.request, "timeout").value_or(options_.default_timeout_seconds);
  session.expires = session.created + std::chrono::seconds(seconds);
  const std::string id = session.id;
  json::object copy = session.request;
  sessions_[id] = std::move(session);
  if (options_.open) {
    auto url = co_await options_.open(ctx, id, std::move(copy));
    if (!url) {
      sessions_.erase(id);
      co_return refusal(500, url.error().message);
    }
    sessions_.at(id).connect_url = std::move(*url);
  }
  auto response = json_answer(201, session_json(sessions_.at(id), true));
  response.headers = std::move(rate);
  co_return response;
}

std::string FakeBrowserbase::connect_url(const Session& session) const {
  if (!session.connect_url.empty()) return session.connect_url;
  return "ws://127.0.0.1:" + std::to_string(server_->port()) + "/connect?signingKey=" + session.id +
         "-" + std::to_string(session.connect_key);
}

json::object FakeBrowserbase::session_json(const Session& session, bool with_connection) const {
  const auto status = status_of(session);
  const bool is_live = status == RemoteStatus::pending || status == RemoteStatus::running;
  json::object out{{"id", session.id},
                   {"createdAt", to_rfc3339(session.created)},
                   {"updatedAt", to_rfc3339(session.ended.value_or(session.created))},
                   {"projectId", options_.project_id},
                   {"startedAt", to_rfc3339(session.created)},
                   {"expiresAt", to_rfc3339(session.expires)},
                   {"status", to_string(status)},
                   {"proxyBytes", 0},
                   {"keepAlive", find_bool(session.request, "keepAlive").value_or(false)},
                   {"region", text_or(session.request, "region", "us-west-2")}};
  if (!is_live) out["endedAt"] = to_rfc3339(session.ended.value_or(session.expires));
  if (const auto* metadata = find(session.request, "userMetadata")) out["userMetadata"] = *metadata;
  const auto* settings = find(session.request, "browserSettings");
  const auto* context = settings ? find(*settings, "context") : nullptr;
  if (context) out["contextId"] = text_or(context->get_object(), "id", "");
  if (with_connection && is_live) {
    out["connectUrl"] = connect_url(session);
    out["seleniumRemoteUrl"] = base_url() + "/webdriver";
    out["signingKey"] = session.id + "-" + std::to_string(session.connect_key);
  }
  return out;
}

net::HttpResponse FakeBrowserbase::list_sessions(const net::HttpRequest& request) const {
  const std::string* status = request.query_value("status");
  if (status && wire::status_from(*status) == RemoteStatus::unknown)
    return refusal(400, "status: is not one of the known ones");
  const std::string* q = request.query_value("q");
  json::array out;
  for (const auto& [id, session] : sessions_) {
    if (status && to_string(status_of(session)) != *status) continue;
    const auto* metadata = find(session.request, "userMetadata");
    if (q) {
      const auto fits = matches(metadata ? metadata->get_object() : json::object{}, *q);
      if (!fits) return refusal(400, "q: is not of the form user_metadata['key']:'value'");
      if (!*fits) continue;
    }
    out.push_back(session_json(session, false));
  }
  return json_answer(200, out);
}

net::HttpResponse FakeBrowserbase::live_urls(const Session& session) const {
  const std::string page = base_url() + "/inspector.html?id=" + session.id;
  json::object entry{{"id", "PAGE1"},       {"url", "about:blank"},
                     {"faviconUrl", ""},    {"title", ""},
                     {"debuggerUrl", page}, {"debuggerFullscreenUrl", page + "&full=1"}};
  return json_answer(200, json::object{{"debuggerUrl", page},
                                       {"debuggerFullscreenUrl", page + "&full=1"},
                                       {"wsUrl", connect_url(session)},
                                       {"pages", json::array{entry}}});
}

net::HttpResponse FakeBrowserbase::recording_downloads(const Place& place,
                                                       const Session& session) const {
  const auto* settings = find(session.request, "browserSettings");
  const auto* record = settings ? find(*settings, "recordSession") : nullptr;
  if (record && record->is_bool() && !record->get_bool())
    return refusal(422, "The session was not recorded");
  if (!session.ended) return refusal(409, "The session has not ended");
  json::object page{{"pageId", "0"}, {"status", "COMPLETED"}};
  page["downloadUrl"] = base_url() + "/recordings/" + session.id + ".mp4";
  page["completedAt"] = to_rfc3339(*session.ended);
  return json_answer(place.method == "POST" ? 202 : 200,
                     json::object{{"downloads", json::array{page}}});
}

net::HttpResponse FakeBrowserbase::session_operation(const Place& place,
                                                     const net::HttpRequest& request) {
  const auto found = sessions_.find(place.id);
  if (found == sessions_.end()) return refusal(404, "Session not found");
  Session& session = found->second;
  const std::string operation = place.method + " " + place.suffix;
  if (operation == "GET ") return json_answer(200, session_json(session, true));
  if (operation == "POST ") {
    const auto body = parse_json(request.body, "body");
    const auto* status = body ? find(*body, "status") : nullptr;
    if (!status || *status != "REQUEST_RELEASE") return refusal(400, "status: REQUEST_RELEASE");
    ++session.releases;
    if (!session.ended)
      session.ended =
          clock_.wall() + std::chrono::duration_cast<WallTime::duration>(options_.ending);
    return json_answer(200, session_json(session, false));
  }
  if (operation == "GET /debug")
    return session.ended ? refusal(410, "Session has ended") : live_urls(session);
  if (operation == "GET /logs") {
    json::object line{{"method", "Page.navigate"},
                      {"pageId", 0},
                      {"sessionId", session.id},
                      {"timestamp", to_unix_ms(session.created)}};
    line["request"] =
        json::object{{"params", json::object{{"url", "about:blank"}}}, {"rawBody", ""}};
    return json_answer(200, json::array{line});
  }
  if (operation == "GET /recording") return json_answer(200, json::array{});
  if (place.suffix == "/recording/downloads") return recording_downloads(place, session);
  if (operation == "GET /replays") {
    const auto start = to_unix_ms(session.created);
    const json::object page{{"pageId", "0"},
                            {"url", "about:blank"},
                            {"startTimeMs", start},
                            {"endTimeMs", start + 1'000}};
    return json_answer(200, json::object{{"pageCount", 1}, {"pages", json::array{page}}});
  }
  if (operation == "GET /replays/0") {
    net::HttpResponse response;
    response.content_type = "application/vnd.apple.mpegurl";
    response.body = "#EXTM3U\n#EXT-X-ENDLIST\n";
    return response;
  }
  if (operation == "GET /downloads") {
    net::HttpResponse response;
    response.content_type = "application/zip";
    response.body = session.archive.empty() ? empty_archive() : session.archive;
    return response;
  }
  if (operation == "DELETE /downloads") {
    session.archive.clear();
    return {.status = 204};
  }
  if (operation == "POST /uploads") {
    const auto file = uploaded_file(request);
    if (!file) return refusal(400, "The multipart field 'file' is missing");
    session.uploads.push_back(*file);
    return json_answer(200, json::object{{"message", "File uploaded"}});
  }
  return refusal(404, "Not found");
}

}  // namespace troupe::services
