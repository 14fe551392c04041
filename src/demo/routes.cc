#include "demo/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/assets.h"
#include "demo/figures.h"
#include "demo/form.h"
#include "demo/pages.h"

namespace troupe::demo {
namespace {

using net::HttpRequest;
constexpr int kPageSize = 12;
constexpr int kSlowMsMax = 600'000;

Answer reply(int status, std::string_view content_type, std::string body) {
  Answer answer;
  answer.response.status = status;
  answer.response.content_type = content_type;
  answer.response.body = std::move(body);
  return answer;
}

Answer html(std::string body, int status = 200) {
  return reply(status, "text/html; charset=utf-8", std::move(body));
}

/// JSON after a pause of 50 to 150 ms that depends only on the request: lists that load late.
Answer late_json(const HttpRequest& request, const json::object& body) {
  Answer answer = reply(200, "application/json", json::serialize(body));
  answer.delay = std::chrono::milliseconds(50 + hash_of(request.target, 11) % 101);
  return answer;
}

Answer redirect(std::string location) {
  Answer answer = html(plain_page("Moved", "<p>Moved.</p>"), 302);
  answer.response.headers.emplace_back("Location", std::move(location));
  return answer;
}

std::string query_text(const HttpRequest& request, std::string_view name) {
  const std::string* value = request.query_value(name);
  return value ? *value : std::string();
}

/// The whole number of that name, kept within the limits; `otherwise` when absent or no number.
int query_number(const HttpRequest& request, std::string_view name, int otherwise, int low,
                 int high) {
  const std::string text = query_text(request, name);
  int value = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) value = otherwise;
  return std::clamp(value, low, high);
}

Visit visit_of(WallTime now, const HttpRequest& request) {
  const std::string_view cookies = request.header("cookie");
  return {.now = now,
          .consented = cookies.find("consent=") != cookies.npos,
          .query = query_text(request, "search_query")};
}

/// What stands behind the `*` of a route's path.
std::string_view rest_of(const HttpRequest& request, std::string_view prefix) {
  return std::string_view(request.path).substr(prefix.size());
}

Answer not_found(WallTime now, const HttpRequest& request, std::string_view what) {
  return html(not_found_page(visit_of(now, request), what), 404);
}

Answer lab(std::string_view title, std::string_view page) {
  return html(plain_page(title, assets::get(fmt::format("demo/pages/{}.html", page))));
}

// The video site.

Answer home(const Catalogue& catalogue, WallTime now, const HttpRequest& request) {
  return html(home_page(catalogue, visit_of(now, request)));
}

Answer results(const Catalogue&, WallTime now, const HttpRequest& request) {
  const int page = query_number(request, "page", 1, 1, 100);
  return html(
      results_page(visit_of(now, request), static_cast<std::size_t>((page - 1) * kPageSize)));
}

Answer api_search(const Catalogue& catalogue, WallTime now, const HttpRequest& request) {
  const auto found = catalogue.search(query_text(request, "q"));
  const auto offset = static_cast<std::size_t>(query_number(request, "offset", 0, 0, 10'000));
  const auto limit = static_cast<std::size_t>(query_number(request, "limit", kPageSize, 1, 50));
  return late_json(request, list_json(catalogue, found, offset, limit, now));
}

Answer api_related(const Catalogue& catalogue, WallTime now, const HttpRequest& request) {
  const Film* film = catalogue.film(query_text(request, "v"));
  if (!film) return reply(404, "application/json", R"({"error":"no such film"})");
  return late_json(request, list_json(catalogue, catalogue.related(*film), 0, kPageSize, now));
}

Answer api_comments(const Catalogue& catalogue, WallTime, const HttpRequest& request) {
  const Film* film = catalogue.film(query_text(request, "v"));
  if (!film) return reply(404, "application/json", R"({"error":"no such film"})");
  return late_json(request, comments_json(*film));
}

Answer watch(const Catalogue& catalogue, WallTime now, const HttpRequest& request) {
  const std::string id = query_text(request, "v");
  const Film* film = catalogue.film(id);
  if (!film) return not_found(now, request, fmt::format("There is no film '{}'.", id));
  return html(watch_page(catalogue, visit_of(now, request), *film));
}

Answer channel(const Catalogue& catalogue, WallTime now, const HttpRequest& request) {
  const std::string_view id = rest_of(request, "/channel/");
  const Channel* found = catalogue.channel(id);
  if (!found) return not_found(now, request, fmt::format("There is no channel '{}'.", id));
  return html(channel_page(catalogue, visit_of(now, request), *found));
}

Answer download(const Catalogue& catalogue, WallTime now, const HttpRequest& request) {
  const std::string_view name = rest_of(request, "/download/");
  const std::size_t dot = name.rfind(".txt");
  const Film* film = dot == name.npos ? nullptr : catalogue.film(name.substr(0, dot));
  if (!film) return not_found(now, request, fmt::format("There is no file '{}'.", name));
  Answer answer = reply(200, "text/plain; charset=utf-8", film_text(catalogue, *film));
  answer.response.headers.emplace_back("Content-Disposition",
                                       fmt::format("attachment; filename=\"{}.txt\"", film->id));
  return answer;
}

Answer static_file(const Catalogue&, WallTime now, const HttpRequest& request) {
  const std::string_view name = rest_of(request, "/static/");
  const std::string path = fmt::format("demo/static/{}", name);
  if (!assets::has(path)) return not_found(now, request, "There is no such file.");
  std::string_view type = "text/plain; charset=utf-8";
  if (name.ends_with(".css")) type = "text/css; charset=utf-8";
  if (name.ends_with(".js")) type = "text/javascript; charset=utf-8";
  if (name.ends_with(".svg")) type = "image/svg+xml";
  Answer answer = reply(200, type, std::string(assets::get(path)));
  answer.response.headers.emplace_back("Cache-Control", "max-age=3600");
  return answer;
}

// Forms.

Answer received(const std::vector<FormField>& fields) {
  std::string rows;
  for (const FormField& field : fields) {
    std::string value = field.value;
    if (field.is_file)
      value = field.file_name.empty()
                  ? "no file"
                  : fmt::format("{} ({} bytes)", field.file_name, field.value.size());
    rows += fmt::format("<dt>{}</dt><dd>{}</dd>", html_escape(field.name), html_escape(value));
  }
  return html(plain_page("Received", fmt::format("<p role=\"status\">Thank you. This is what was "
                                                 "received; nothing is kept.</p><dl>{}</dl>"
                                                 "<p><a href=\"/upload\">Send another</a></p>",
                                                 rows)));
}

Answer bad_form(const Error& error) {
  return html(plain_page("Bad request",
                         fmt::format("<p role=\"alert\">{}</p>", html_escape(error.message))),
              400);
}

Answer upload(const Catalogue&, WallTime, const HttpRequest& request) {
  if (request.method != "POST") return lab("Submit a film", "upload");
  const auto fields = parse_form(request.header("content-type"), request.body);
  return fields ? received(*fields) : bad_form(fields.error());
}

Answer login(const Catalogue&, WallTime, const HttpRequest& request) {
  if (request.method != "POST") return lab("Sign in", "login");
  const auto fields = parse_form(request.header("content-type"), request.body);
  if (!fields) return bad_form(fields.error());
  const std::string_view user = field_value(*fields, "user");
  if (user.empty() || field_value(*fields, "password") != "curtain") {
    const std::string form(assets::get("demo/pages/login.html"));
    return html(plain_page("Sign in", "<p role=\"alert\">Wrong name or password.</p>" + form), 401);
  }
  Answer answer = html(plain_page(
      "Signed in", fmt::format("<p role=\"status\">Signed in as {}.</p>", html_escape(user))));
  answer.response.headers.emplace_back("Set-Cookie", "demo_user=1; Path=/; HttpOnly; SameSite=Lax");
  return answer;
}

// Misbehaviour, for tests.

Answer status(const Catalogue&, WallTime now, const HttpRequest& request) {
  const std::string_view text = rest_of(request, "/status/");
  int code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc() || end != text.data() + text.size() || code < 200 || code > 599)
    return not_found(now, request, "A status is a number from 200 to 599.");
  return html(plain_page(fmt::format("Status {}", code), "<p>This page always answers so.</p>"),
              code);
}

Answer slow(const Catalogue&, WallTime, const HttpRequest& request) {
  const int ms = query_number(request, "ms", 1'000, 0, kSlowMsMax);
  Answer answer = html(plain_page("Slow", fmt::format("<p>This page took {} ms.</p>", ms)));
  answer.delay = std::chrono::milliseconds(ms);
  return answer;
}

Answer never(const Catalogue&, WallTime, const HttpRequest& request) {
  Answer answer = html(plain_page("Never", "<p>This page never ends.</p>"));
  answer.hang = query_text(request, "part") == "body" ? Answer::Hang::body : Answer::Hang::headers;
  return answer;
}

Answer redirects(const Catalogue&, WallTime now, const HttpRequest& request) {
  const std::string to = query_text(request, "to");
  if (to == "loop") return redirect("/redirect?to=loop");
  // Only paths of this site: `//host` and `/\host` would leave it.
  const bool local = to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\");
  if (!local) return not_found(now, request, "The address must be a path of this site.");
  return redirect(to);
}

template <const auto& title, const auto& page>
Answer lab_page(const Catalogue&, WallTime, const HttpRequest&) {
  return lab(title, page);
}

constexpr std::string_view kCrash = "crash";
constexpr std::string_view kDialogs = "dialogs";
constexpr std::string_view kFrames = "frames";
constexpr std::string_view kFrame = "frame";
constexpr std::string_view kCovered = "covered";
constexpr std::string_view kTable = "table";
constexpr std::string_view kLabels = "labels";
constexpr std::string_view kCrashTitle = "A page to kill";
constexpr std::string_view kDialogsTitle = "Dialogs";
constexpr std::string_view kFramesTitle = "Frames";
constexpr std::string_view kFrameTitle = "Frame";
constexpr std::string_view kCoveredTitle = "Hard to click";
constexpr std::string_view kTableTitle = "Tables";
constexpr std::string_view kLabelsTitle = "Labels";

constexpr std::array kRoutes{
    Route{"/", "Home: featured films, channels, search box.", &home},
    Route{"/results", "Search results for `search_query`; drawn late, 12 more on scrolling.",
          &results},
    Route{"/watch", "A film (`v`): shadow-DOM player, details, late comments and related films.",
          &watch},
    Route{"/channel/*", "A channel: table of its films, tab 'About'.", &channel},
    Route{"/download/*", "`ID.txt`: a film's facts as an attachment.", &download},
    Route{"/upload", "A form with text, select, checkbox, date and file; shows what it received.",
          &upload},
    Route{"/login", "A sign-in form; any name, password `curtain`.", &login},
    Route{"/api/search", "JSON of the results: `q`, `offset`, `limit`; after 50 to 150 ms.",
          &api_search},
    Route{"/api/related", "JSON of related films of `v`; late.", &api_related},
    Route{"/api/comments", "JSON of the comments on `v`; late.", &api_comments},
    Route{"/static/*", "Style sheets and scripts.", &static_file},
    Route{"/status/*", "Answers with that HTTP status.", &status},
    Route{"/slow", "Answers after `ms` milliseconds (default 1000).", &slow},
    Route{"/never", "Never answers; with `part=body` the headers come, but the body never ends.",
          &never},
    Route{"/redirect", "302 to the path `to`; `to=loop` redirects to itself for ever.", &redirects},
    Route{"/crash", "A page without links, whose renderer a test kills; can also spin for ever.",
          &lab_page<kCrashTitle, kCrash>},
    Route{"/dialogs", "Buttons that open alert, confirm and prompt; beforeunload on request.",
          &lab_page<kDialogsTitle, kDialogs>},
    Route{"/frames", "A form in a frame of the same origin.", &lab_page<kFramesTitle, kFrames>},
    Route{"/frame", "The inner page of /frames.", &lab_page<kFrameTitle, kFrame>},
    Route{"/covered", "Buttons that are covered, disabled, moving, hidden, late, far down, twins.",
          &lab_page<kCoveredTitle, kCovered>},
    Route{"/table", "A table with a header row, and one with merged cells and row headers.",
          &lab_page<kTableTitle, kTable>},
    Route{"/labels", "The same facts as a definition list, as `label: value` lines and as a card.",
          &lab_page<kLabelsTitle, kLabels>},
};

bool fits(const Route& route, std::string_view path) {
  if (!route.path.ends_with('*')) return route.path == path;
  return path.starts_with(route.path.substr(0, route.path.size() - 1));
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Answer answer(const Catalogue& catalogue, WallTime now, const net::HttpRequest& request) {
  const auto route = std::find_if(kRoutes.begin(), kRoutes.end(),
                                  [&](const Route& row) { return fits(row, request.path); });
  Answer answer = route == kRoutes.end() ? not_found(now, request, "There is no such page.")
                                         : route->answer(catalogue, now, request);
  answer.response.headers.emplace_back("Content-Security-Policy", "default-src 'self'");
  answer.response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return answer;
}

}  // namespace troupe::demo
