#include "api/recorder.h"

#include <openssl/evp.h>

namespace troupe::api {
namespace {

// The browser sends the next picture only after the last one was acknowledged: at most so many.
constexpr Duration kBetweenPictures = std::chrono::milliseconds(200);
constexpr Duration kSweepEvery = std::chrono::minutes(10);
constexpr std::size_t kMessageBytesMax = std::size_t{16} << 20;
constexpr int kPictureWidth = 1'024;
constexpr int kPictureQuality = 50;

std::string decode_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

}  // namespace

struct Recorder::Recording {
  struct Page {
    int number = 0;
    std::string target;
    Timer acknowledge;
  };
  std::string session_id;
  std::unique_ptr<net::WebSocket> socket;
  std::map<std::string, Page> pages;        // by flat session
  std::map<std::string, std::string> urls;  // by target
  int last_id = 0;
  int last_page = 0;
  bool full = false;

  void call(std::string_view flat, std::string_view method, json::object params) {
    json::object message{{"id", ++last_id}, {"method", method}, {"params", std::move(params)}};
    if (!flat.empty()) message["sessionId"] = flat;
    socket->queue(net::Opcode::text, json::serialize(message));
    socket->send_queued();
  }
};

Recorder::Recorder(Clock& clock, asio::any_io_executor executor, observe::Log& log, std::string dir,
                   Dial dial)
    : clock_(clock),
      executor_(executor),
      log_(log),
      store_(std::move(dir)),
      dial_(std::move(dial)),
      scope_(executor) {
  arm_sweep();
}

// Old recordings go although nobody makes new ones.
void Recorder::arm_sweep() {
  (void)store_.sweep(clock_.wall());
  sweep_ = Timer(clock_, clock_.now() + kSweepEvery, [this] { arm_sweep(); });
}

Recorder::~Recorder() = default;

void Recorder::start(const std::string& session_id) {
  if (running_.contains(session_id)) return;
  auto recording = std::make_shared<Recording>();
  recording->session_id = session_id;
  running_[session_id] = recording;
  scope_.spawn("recording", record(std::move(recording)));
}

asio::awaitable<void> Recorder::record(std::shared_ptr<Recording> recording) {
  Context base(clock_, executor_);
  Context limited = base.with_timeout(std::chrono::seconds(10), "recording");
  auto socket = co_await dial_(limited, recording->session_id);
  if (!socket) {
    const Error error = socket.error();
    log_.write({.session = recording->session_id}, {.level = observe::Level::warning,
                                                    .action = "recording.start",
                                                    .status = "failed",
                                                    .error = &error});
    running_.erase(recording->session_id);
    co_return;
  }
  recording->socket = std::move(*socket);
  recording->call("", "Target.setDiscoverTargets", {{"discover", true}});
  recording->call("", "Target.setAutoAttach",
                  {{"autoAttach", true}, {"waitForDebuggerOnStart", false}, {"flatten", true}});
  for (;;) {
    auto message = co_await recording->socket->read(base, kMessageBytesMax);
    if (!message) break;
    const auto parsed = parse_json(message->data, "recording");
    if (parsed && parsed->is_object()) take(*recording, parsed->get_object());
  }
  recording->pages.clear();
  store_.finish(recording->session_id);
  running_.erase(recording->session_id);
}

void Recorder::take(Recording& recording, const json::object& message) {
  const auto method = find_string(message, "method").value_or("");
  const json::value* params = find(message, "params");
  if (method.empty() || !params || !params->is_object()) return;
  const json::object& members = params->get_object();
  const std::string flat(find_string(message, "sessionId").value_or(""));
  if (method == "Target.attachedToTarget") attach(recording, members);
  if (method == "Target.detachedFromTarget")
    recording.pages.erase(std::string(find_string(members, "sessionId").value_or("")));
  if (method == "Page.screencastFrame") take_frame(recording, flat, members);
  if (method != "Target.targetInfoChanged" && method != "Target.targetCreated") return;
  const json::value* info = find(members, "targetInfo");
  if (!info || !info->is_object() || find_string(info->get_object(), "type") != "page") return;
  recording.urls[std::string(find_string(info->get_object(), "targetId").value_or(""))] =
      std::string(find_string(info->get_object(), "url").value_or(""));
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
  recording.call(flat, "Page.startScreencast",
                 {{"format", "jpeg"},
                  {"quality", kPictureQuality},
                  {"maxWidth", kPictureWidth},
                  {"maxHeight", kPictureWidth}});
}

void Recorder::take_frame(Recording& recording, const std::string& flat,
                          const json::object& params) {
  const auto found = recording.pages.find(flat);
  const auto number = find_int(params, "sessionId");
  if (found == recording.pages.end() || !number || recording.full) return;
  Recording::Page& page = found->second;
  const std::string picture = decode_base64(find_string(params, "data").value_or(""));
  const auto stored = store_.add_frame(recording.session_id, page.number, to_unix_ms(clock_.wall()),
                                       recording.urls[page.target], picture);
  if (!stored) {
    recording.full = true;
    const Error error = stored.error();
    log_.write({.session = recording.session_id}, {.level = observe::Level::warning,
                                                   .action = "recording.write",
                                                   .status = "failed",
                                                   .error = &error});
    return;
  }
  // The timer belongs to the page, which belongs to the recording.
  page.acknowledge =
      Timer(clock_, clock_.now() + kBetweenPictures, [&recording, flat, acknowledged = *number] {
        recording.call(flat, "Page.screencastFrameAck", {{"sessionId", acknowledged}});
      });
}

void Recorder::stop(const std::string& session_id, const json::array& log) {
  const auto found = running_.find(session_id);
  if (found == running_.end()) return;
  (void)store_.set_log(session_id, log);
  if (found->second->socket) found->second->socket->abort();
}

Async<void> Recorder::join(Context& ctx) {
  sweep_.reset();
  for (const auto& [id, recording] : running_)
    if (recording->socket) recording->socket->abort();
  co_return co_await scope_.join(ctx);
}

}  // namespace troupe::api
