#include "api/recorder.h"

#include <algorithm>
#include <functional>

namespace troupe::api {
namespace {

constexpr Duration kSweepEvery = std::chrono::minutes(10);
constexpr Duration kSweepTimeout = std::chrono::minutes(5);
constexpr Duration kDialTimeout = std::chrono::seconds(10);
// A browser is gone some moments before its session is known to have ended.
constexpr Duration kEndNotice = std::chrono::seconds(5);
// An empty page is what a session begins with: pictures of it would cost its maker time and show
// nothing. One that a script fills without going anywhere is seen a little later.
constexpr std::string_view kEmptyPage = "about:blank";
constexpr Duration kEmptyPageWaits = std::chrono::seconds(1);
constexpr std::size_t kMessageBytesMax = std::size_t{16} << 20;
constexpr std::size_t kDeclinedRemembered = 10'000;
constexpr int kPictureSide = 1'024;
constexpr int kPictureQuality = 50;

json::object screencast() {
  return {{"format", "jpeg"},
          {"quality", kPictureQuality},
          {"maxWidth", kPictureSide},
          {"maxHeight", kPictureSide}};
}

// Pages only: frames and workers show nothing of their own.
json::array page_filter() {
  return {json::object{{"type", "page"}, {"exclude", false}}, json::object{{"exclude", true}}};
}

}  // namespace

struct Recorder::RecordedTab {
  int number = 0;
  std::string target;
  Timer next;
  bool begun = false;     // pictures are asked for
  std::size_t looks = 0;  // of the last picture, as a hash
  std::optional<SteadyTime> seen_at;
};

struct Recorder::Recording {
  std::string session_id;
  std::unique_ptr<net::WebSocket> socket;
  std::map<std::string, RecordedTab> pages;  // by flat session
  std::map<std::string, std::string> urls;   // by target
  int last_id = 0;
  int last_page = 0;
  double allowed = 0;  // pictures; below zero is what was taken in advance
  SteadyTime counted{};
  bool over = false;  // no picture comes any more
  SteadyTime over_at{};
  std::string reason;  // why, if not with the session

  void call(std::string_view flat, std::string_view method, json::object params) {
    json::object message{{"id", ++last_id}, {"method", method}, {"params", std::move(params)}};
    if (!flat.empty()) message["sessionId"] = flat;
    socket->queue(net::Opcode::text, json::serialize(message));
    socket->send_queued();
  }
};

Recorder::Recorder(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                   RecorderOptions options, Dial dial)
    : clock_(clock),
      executor_(executor),
      log_(log),
      rate_(options.rate),
      store_(executor, std::move(options.dir), options.limits),
      videos_(clock, executor, log, store_, std::move(options.video)),
      dial_(std::move(dial)),
      scope_(executor) {}

Recorder::~Recorder() = default;

void Recorder::begin() {
  if (store_.stores()) arm_sweep();
}

// Old recordings go although nobody makes new ones.
void Recorder::arm_sweep() {
  scope_.spawn("sweep of recordings", sweep());
  sweep_timer_ = Timer(clock_, clock_.now() + kSweepEvery, [this] { arm_sweep(); });
}

asio::awaitable<void> Recorder::sweep() {
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(kSweepTimeout, "sweep of recordings");
  auto busy = videos_.busy();
  const auto gone = co_await store_.sweep(ctx, clock_.wall(), std::move(busy));
  if (!gone) {
    const Error error = gone.error();
    log_.write({}, {.level = observe::Level::warning,
                    .action = "recording.sweep",
                    .status = "failed",
                    .error = &error});
  } else if (*gone > 0) {
    log_.write({}, {.action = "recording.sweep", .status = "ok", .details = {{"deleted", *gone}}});
  }
}

void Recorder::decline(const std::string& session_id) {
  declined_.push_back(session_id);
  if (declined_.size() > kDeclinedRemembered) declined_.pop_front();
}

bool Recorder::is_declined(const std::string& session_id) const {
  return std::ranges::find(declined_, session_id) != declined_.end();
}

std::vector<std::string> Recorder::recording() const {
  std::vector<std::string> ids;
  for (const auto& [id, recording] : running_) ids.push_back(id);
  return ids;
}

void Recorder::start(const std::string& session_id) {
  if (!store_.stores() || running_.contains(session_id)) return;
  auto recording = std::make_shared<Recording>();
  recording->session_id = session_id;
  recording->allowed = rate_.burst;
  recording->counted = clock_.now();
  running_[session_id] = recording;
  scope_.spawn("recording", record(std::move(recording)));
}

asio::awaitable<void> Recorder::record(std::shared_ptr<Recording> recording) {
  Context base(clock_, executor_);
  Context limited = base.with_timeout(kDialTimeout, "recording");
  std::string session_id = recording->session_id;
  auto socket = co_await dial_(limited, std::move(session_id));
  if (!socket) {
    if (!recording->over) end(*recording, socket.error());
    co_return;
  }
  if (recording->over) co_return;  // the session has ended meanwhile
  recording->socket = std::move(*socket);
  recording->call("", "Target.setDiscoverTargets", {{"discover", true}, {"filter", page_filter()}});
  recording->call("", "Target.setAutoAttach",
                  {{"autoAttach", true},
                   {"waitForDebuggerOnStart", false},
                   {"flatten", true},
                   {"filter", page_filter()}});
  for (;;) {
    auto message = co_await recording->socket->read(base, kMessageBytesMax);
    if (!message) break;
    const auto parsed = parse_json(message->data, "recording");
    if (parsed && parsed->is_object()) take(*recording, parsed->get_object());
  }
  for (auto& [flat, page] : recording->pages) page.next.reset();
  if (std::exchange(recording->over, true)) co_return;
  recording->over_at = clock_.now();
}

void Recorder::take(Recording& recording, const json::object& message) {
  const auto method = find_string(message, "method").value_or("");
  const json::value* params = find(message, "params");
  if (recording.over || method.empty() || !params || !params->is_object()) return;
  const json::object& members = params->get_object();
  const std::string flat(find_string(message, "sessionId").value_or(""));
  if (method == "Target.attachedToTarget") attach(recording, members);
  if (method == "Target.detachedFromTarget") {
    const auto page =
        recording.pages.find(std::string(find_string(members, "sessionId").value_or("")));
    if (page == recording.pages.end()) return;
    close(recording, page->second);
    recording.urls.erase(page->second.target);
    recording.pages.erase(page);
  }
  if (method == "Page.screencastFrame") take_frame(recording, flat, members);
  if (method != "Target.targetInfoChanged") return;
  const json::value* info = find(members, "targetInfo");
  if (info && info->is_object()) rename(recording, info->get_object());
}

void Recorder::attach(Recording& recording, const json::object& params) {
  const json::value* info = find(params, "targetInfo");
  const std::string flat(find_string(params, "sessionId").value_or(""));
  if (!info || !info->is_object() || flat.empty()) return;
  const json::object& target = info->get_object();
  if (find_string(target, "type") != "page") {
    recording.call("", "Target.detachFromTarget", {{"sessionId", flat}});
    return;
  }
  auto& page = recording.pages[flat];
  page.number = recording.last_page++;
  page.target = std::string(find_string(target, "targetId").value_or(""));
  recording.urls[page.target] = std::string(find_string(target, "url").value_or(""));
  if (recording.urls[page.target] != kEmptyPage) return begin(recording, flat);
  // The timer belongs to the page, which belongs to the recording.
  page.next = Timer(clock_, clock_.now() + kEmptyPageWaits,
                    [this, &recording, flat] { begin(recording, flat); });
}

void Recorder::begin(Recording& recording, const std::string& flat) {
  RecordedTab& page = recording.pages[flat];
  if (std::exchange(page.begun, true)) return;
  recording.call(flat, "Page.startScreencast", screencast());
}

// A page has gone somewhere.
void Recorder::rename(Recording& recording, const json::object& target) {
  const auto known = recording.urls.find(std::string(find_string(target, "targetId").value_or("")));
  if (known == recording.urls.end()) return;
  known->second = std::string(find_string(target, "url").value_or(""));
  if (known->second == kEmptyPage) return;
  for (auto& [flat, page] : recording.pages) {
    if (page.target != known->first || page.begun) continue;
    page.next.reset();
    begin(recording, flat);
  }
}

// How long the page that was just seen is not looked at again.
Duration Recorder::next_pause(Recording& recording) const {
  const SteadyTime now = clock_.now();
  const std::chrono::duration<double> passed = now - recording.counted;
  const std::chrono::duration<double> refill = rate_.refill;
  recording.counted = now;
  recording.allowed =
      std::min(rate_.burst, recording.allowed + passed.count() / refill.count()) - 1;
  if (recording.allowed >= 0) return rate_.between;
  const auto debt = std::chrono::duration_cast<Duration>(refill * -recording.allowed);
  return std::max(rate_.between, debt);
}

void Recorder::take_frame(Recording& recording, const std::string& flat,
                          const json::object& params) {
  const auto found = recording.pages.find(flat);
  const auto number = find_int(params, "sessionId");
  if (found == recording.pages.end() || !number) return;
  RecordedTab& page = found->second;
  sessions::NewFrame frame{.page = page.number,
                           .time_ms = to_unix_ms(clock_.wall()),
                           .url = recording.urls[page.target],
                           .base64 = std::string(find_string(params, "data").value_or(""))};
  const std::size_t looks = std::hash<std::string>()(frame.base64);
  const bool same = page.seen_at && page.looks == looks;
  const SteadyTime now = clock_.now();
  const bool moves = !same && page.seen_at && now - *page.seen_at < rate_.calm;
  page.looks = looks;
  page.seen_at = now;
  if (!same) {
    const auto stored = store_.add_frame(recording.session_id, std::move(frame));
    if (!stored) return end(recording, stored.error());
  }
  const Duration pause = same ? rate_.between : next_pause(recording);
  if (!moves && pause <= rate_.between) {
    recording.call(flat, "Page.screencastFrameAck", {{"sessionId", *number}});
    return;
  }
  recording.call(flat, "Page.stopScreencast", {});
  // The timer belongs to the page, which belongs to the recording. Starting gives a picture at
  // once, also when nothing has changed.
  page.next = Timer(clock_, now + pause, [&recording, flat] {
    recording.call(flat, "Page.startScreencast", screencast());
  });
}

void Recorder::close(const Recording& recording, const RecordedTab& tab) {
  if (tab.seen_at) store_.close_page(recording.session_id, tab.number, to_unix_ms(clock_.wall()));
}

// The browser stops to make pictures; the session goes on.
void Recorder::end(Recording& recording, const Error& why) {
  recording.over = true;
  recording.over_at = clock_.now();
  recording.reason = why.message;
  for (auto& [flat, page] : recording.pages) {
    page.next.reset();
    recording.call(flat, "Page.stopScreencast", {});
    close(recording, page);
  }
  recording.pages.clear();
  if (recording.socket) recording.socket->close(1000, {});
  log_.write({.session = recording.session_id},
             {.level = observe::Level::warning,
              .action = recording.socket ? "recording.end" : "recording.start",
              .status = why.code == Errc::exhausted ? "full" : "failed",
              .error = &why});
}

void Recorder::stop(const std::string& session_id, json::array log) {
  const auto found = running_.find(session_id);
  if (found == running_.end()) return;
  const auto recording = found->second;
  running_.erase(found);
  const bool broke = recording->over && recording->reason.empty() &&
                     clock_.now() - recording->over_at > kEndNotice;
  if (broke) recording->reason = "the connection to the browser broke";
  recording->over = true;
  for (const auto& [flat, page] : recording->pages) close(*recording, page);
  recording->pages.clear();
  const auto dropped = store_.frames_dropped(session_id);
  if (dropped > 0)
    log_.write({.session = session_id}, {.level = observe::Level::warning,
                                         .action = "recording.write",
                                         .status = "slow",
                                         .details = {{"dropped", dropped}}});
  store_.finish(session_id, std::move(log), recording->reason);
  if (recording->socket) recording->socket->abort();
}

Async<void> Recorder::join(Context& ctx) {
  sweep_timer_.reset();
  videos_.stop();
  auto ended = co_await videos_.join(ctx);
  CO_TRY_VOID(co_await store_.settle(ctx));
  CO_TRY_VOID(co_await scope_.join(ctx));
  co_return ended;
}

}  // namespace troupe::api
