#include "services/testing.h"

#include <algorithm>
#include <charconv>

#include "net/url.h"
#include "services/browserbase_wire.h"

namespace troupe::services {
namespace {

std::vector<std::string> segments_of(std::string_view target) {
  std::vector<std::string> parts;
  target = target.substr(0, target.find('?'));
  while (!target.empty()) {
    target.remove_prefix(1);
    const auto end = std::min(target.find('/'), target.size());
    parts.push_back(net::percent_decode(target.substr(0, end)).value_or(""));
    target.remove_prefix(end);
  }
  return parts;
}

}  // namespace

net::HttpResponse FakeBrowserbase::json_answer(int status, const json::value& body) {
  net::HttpResponse response;
  response.status = status;
  response.body = json::serialize(body);
  return response;
}

net::HttpResponse FakeBrowserbase::refusal(int status, std::string_view message) {
  return json_answer(
      status, json::object{{"statusCode", status}, {"error", "Refused"}, {"message", message}});
}

FakeBrowserbase::~FakeBrowserbase() = default;

Result<std::unique_ptr<FakeBrowserbase>> FakeBrowserbase::start(asio::any_io_executor executor,
                                                                Clock& clock, FakeOptions options) {
  auto fake = std::make_unique<FakeBrowserbase>(clock, std::move(options));
  net::HttpServerOptions server;
  server.body_bytes_max = 256 << 20;
  TRY(fake->server_,
      net::HttpServer::start(executor, clock, server,
                             [self = fake.get()](Context& ctx, net::HttpRequest request) {
                               return self->handle(ctx, std::move(request));
                             }));
  return fake;
}

FakeBrowserbase::FakeBrowserbase(Clock& clock, FakeOptions options)
    : options_(std::move(options)),
      clock_(clock),
      random_(options_.seed),
      window_began_(clock.now()) {}

Async<void> FakeBrowserbase::stop(Context& ctx) { co_return co_await server_->stop(ctx); }

std::string FakeBrowserbase::base_url() const {
  return "http://127.0.0.1:" + std::to_string(server_->port());
}

int FakeBrowserbase::count(std::string_view route) const {
  return static_cast<int>(
      std::count_if(requests_.begin(), requests_.end(),
                    [&](const Request& request) { return request.route == route; }));
}

RemoteStatus FakeBrowserbase::status_of(const Session& session) const {
  const WallTime now = clock_.wall();
  if (session.ended && now >= *session.ended) return session.final_status;
  if (now >= session.expires) return RemoteStatus::timed_out;
  return now < session.created + std::chrono::duration_cast<WallTime::duration>(options_.pending)
             ? RemoteStatus::pending
             : RemoteStatus::running;
}

int FakeBrowserbase::live() const {
  return static_cast<int>(std::count_if(sessions_.begin(), sessions_.end(), [&](const auto& row) {
    const auto status = status_of(row.second);
    return status == RemoteStatus::pending || status == RemoteStatus::running;
  }));
}

void FakeBrowserbase::end_session(const std::string& id, RemoteStatus status) {
  Session& session = sessions_.at(id);
  if (session.ended) return;
  session.ended = clock_.wall();
  session.final_status = status;
}

std::string FakeBrowserbase::add_download(Download download, std::string bytes) {
  download.id = random_.uuid();
  download.created_at = clock_.wall();
  download.size = static_cast<std::int64_t>(bytes.size());
  const std::string id = download.id;
  downloads_[id] = {std::move(download), std::move(bytes)};
  return id;
}

// Closes what is behind sessions that have ended.
asio::awaitable<void> FakeBrowserbase::settle(Context& ctx) {
  std::vector<std::string> ended;
  for (auto& [id, session] : sessions_) {
    const auto status = status_of(session);
    if (session.closed || status == RemoteStatus::pending || status == RemoteStatus::running)
      continue;
    if (!session.ended) session.final_status = status;
    if (!session.ended) session.ended = session.expires;
    session.closed = true;
    ended.push_back(id);
  }
  if (!options_.close) co_return;
  for (const auto& id : ended) co_await options_.close(ctx, id);
}

asio::awaitable<void> FakeBrowserbase::vanish(Context& ctx, std::string id) {
  const auto place = sessions_.find(id);
  if (place == sessions_.end()) co_return;
  const bool closed = place->second.closed;
  sessions_.erase(place);
  if (!closed && options_.close) co_await options_.close(ctx, id);
}

std::optional<FakeFault> FakeBrowserbase::take_fault(const std::string& route) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->route != route && fault->route != "*") continue;
    if (random_.unit() >= fault->probability) return {};
    FakeFault taken = *fault;
    if (--fault->times <= 0) faults_.erase(fault);
    return taken;
  }
  return {};
}

asio::awaitable<net::HttpResponse> FakeBrowserbase::handle(Context& ctx, net::HttpRequest request) {
  Place place;
  place.method = request.method;
  auto parts = segments_of(request.target);
  if (parts.size() >= 2 && parts[0] == "v1") place.kind = parts[1];
  if (parts.size() >= 3) place.id = parts[2];
  for (std::size_t i = 3; i < parts.size(); ++i) place.suffix += "/" + parts[i];
  place.route =
      request.method + " /v1/" + place.kind + (place.id.empty() ? "" : "/{id}") + place.suffix;
  requests_.push_back({place.route, request.target, request.headers, request.body});
  const auto fault = take_fault(place.route);
  if (fault && fault->delay > Duration::zero()) {
    const auto slept = co_await sleep_for(ctx, fault->delay);
    if (!slept) co_return refusal(503, "stopped");
  }
  if (fault && fault->answer == FakeFault::Answer::vanished) co_await vanish(ctx, place.id);
  const bool does = !fault || fault->apply || fault->answer == FakeFault::Answer::normal ||
                    fault->answer == FakeFault::Answer::vanished;
  const std::string id = place.id;
  net::HttpResponse response;
  if (does) response = co_await answer(ctx, std::move(place), std::move(request));
  if (fault && fault->answer >= FakeFault::Answer::says_ended) co_return lie(fault->answer, id);
  if (fault) response = co_await misbehave(ctx, *fault, std::move(response));
  co_return response;
}

net::HttpResponse FakeBrowserbase::lie(FakeFault::Answer answer, const std::string& id) const {
  for (const auto& [other, session] : sessions_) {
    if ((other == id) == (answer == FakeFault::Answer::another)) continue;
    json::object told = session_json(session, true);
    if (answer == FakeFault::Answer::says_ended) told["status"] = "COMPLETED";
    if (answer == FakeFault::Answer::says_running) told["status"] = "RUNNING";
    return json_answer(200, told);
  }
  return refusal(404, "Session not found");
}

asio::awaitable<net::HttpResponse> FakeBrowserbase::misbehave(Context& ctx, FakeFault fault,
                                                              net::HttpResponse applied) {
  net::HttpResponse response;
  switch (fault.answer) {
    case FakeFault::Answer::normal:
    case FakeFault::Answer::vanished: co_return applied;
    case FakeFault::Answer::status:
      response = refusal(fault.status, fault.message);
      response.headers = std::move(fault.headers);
      co_return response;
    case FakeFault::Answer::cut:
      response.stream = [](Context&, net::BodyWriter&) -> asio::awaitable<void> {
        throw std::runtime_error("cut by the test");
        co_return;
      };
      co_return response;
    case FakeFault::Answer::silence: {
      Event never;
      (void)co_await never.wait(ctx);
      co_return refusal(503, "stopped");
    }
    case FakeFault::Answer::garbage: response.body = R"({"id": "half of a)"; co_return response;
    case FakeFault::Answer::says_ended:
    case FakeFault::Answer::says_running:
    case FakeFault::Answer::another: break;  // see lie()
    case FakeFault::Answer::web_page:
      response.content_type = "text/html";
      response.body = "<html><body>Please sign in to the network</body></html>";
      co_return response;
  }
  co_return applied;
}

asio::awaitable<net::HttpResponse> FakeBrowserbase::answer(Context& ctx, Place place,
                                                           net::HttpRequest request) {
  co_await settle(ctx);
  if (request.header("x-bb-api-key") != options_.api_key) co_return refusal(401, "Unauthorized");
  if (place.kind == "sessions" && place.id.empty() && place.method == "POST")
    co_return co_await create_session(ctx, request);
  if (place.kind == "sessions" && place.id.empty() && place.method == "GET")
    co_return list_sessions(request);
  if (place.kind == "sessions") {
    auto response = session_operation(place, request);
    co_await settle(ctx);
    co_return response;
  }
  if (place.kind == "contexts") co_return contexts(place, request);
  if (place.kind == "extensions" || place.kind == "certificates") co_return files(place, request);
  if (place.kind == "downloads") co_return downloads(place, request);
  if (place.kind == "projects") co_return projects(place);
  if (place.kind == "fetch" || place.kind == "search") co_return fetch_or_search(place, request);
  co_return refusal(404, "Not found");
}

}  // namespace troupe::services
