#include "sessions/process_sessions.h"

#include <filesystem>

#include "sessions/session_shape.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

ChromiumOptions default_shape(const LocalOptions& options) {
  return {.browser = options.browser,
          .browsers_dir = options.data_dir + "/browsers",
          .renderer_heap_mb = options.renderer_heap_mb,
          .listening = true};
}

}  // namespace

class ProcessSession final : public ProviderSession {
 public:
  ProcessSession(ProcessSessions& owner, std::unique_ptr<Chromium> chromium, std::string id,
                 SessionSpec spec)
      : owner_(owner), chromium_(std::move(chromium)), id_(std::move(id)), spec_(std::move(spec)) {}

  const std::string& id() const override { return id_; }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return chromium_->connection().closed_event(); }
  Error lost_reason() const override { return chromium_->death(); }

  Result<Browser> browser() override {
    if (ended_) return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
    if (!chromium_->alive()) return lost_reason();
    return Browser{.connection = &chromium_->connection(),
                   .viewport_width = spec_.viewport_width,
                   .viewport_height = spec_.viewport_height};
  }

  Async<std::string> endpoint(Context& ctx) override {
    if (ended_) co_return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
    if (!chromium_->alive()) co_return lost_reason();
    if (chromium_->endpoint().empty()) co_return co_await ProviderSession::endpoint(ctx);
    co_return chromium_->endpoint();
  }

  std::unique_ptr<cdp::Page> take_page() override { return std::move(page_); }

  void give_back_page(std::unique_ptr<cdp::Page> page) override {
    if (!page) return;
    const auto traffic = chromium_->connection().session_counters(page->session_id());
    counters_.cdp_commands += traffic.commands;
    counters_.cdp_bytes_sent += traffic.bytes_sent;
    counters_.cdp_bytes_received += traffic.bytes_received;
    if (!page_) page_ = std::move(page);
  }

  Result<std::string> downloads_dir() override {
    const std::string dir = owner_.options().data_dir + "/downloads/" + id_;
    std::error_code error;
    fs::create_directories(dir, error);
    if (error)
      return fail(Errc::storage_failed, "downloads folder " + dir + ": " + error.message(),
                  "data_dir", "free disk space, or set data_dir to a folder that can be written");
    has_downloads_ = true;
    return dir;
  }

  // Nothing of the profile is kept, so nothing has to be flushed: the whole group is killed.
  Async<void> close(Context& ctx, bool) override {
    ended_ = true;
    page_.reset();
    auto killed = co_await chromium_->kill(ctx);
    // What a client of the API downloaded it fetches later (SessionFiles).
    if (has_downloads_ && !spec_.connectable) {
      std::error_code ignored;
      fs::remove_all(owner_.options().data_dir + "/downloads/" + id_, ignored);
    }
    co_return killed;
  }

 private:
  ProcessSessions& owner_;
  std::unique_ptr<Chromium> chromium_;
  std::string id_;
  SessionSpec spec_;
  Session::Counters counters_{.tasks = 1};
  std::unique_ptr<cdp::Page> page_;
  bool ended_ = false;
  bool has_downloads_ = false;
};

ProcessSessions::ProcessSessions(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                                 LocalOptions options)
    : options_(std::move(options)),
      spares_(clock, std::move(executor), log,
              {.chromium = default_shape(options_), .max = options_.warm_processes}) {}

ProcessSessions::~ProcessSessions() = default;

Async<std::unique_ptr<ProviderSession>> ProcessSessions::create(Context& ctx, std::string id,
                                                                SessionSpec spec) {
  std::unique_ptr<Chromium> chromium;
  if (is_listening(spec) && is_default_shape(spec)) chromium = spares_.take();
  if (!chromium) {
    ChromiumOptions shape = default_shape(options_);
    shape.listening = is_listening(spec);
    shape.width = spec.viewport_width;
    shape.height = spec.viewport_height;
    CO_TRY(chromium, co_await Chromium::launch(ctx, std::move(shape)));
  }
  std::unique_ptr<ProviderSession> session =
      std::make_unique<ProcessSession>(*this, std::move(chromium), std::move(id), std::move(spec));
  co_return session;
}

void ProcessSessions::tend() { spares_.tend(false); }

Async<void> ProcessSessions::shutdown(Context& ctx) { co_return co_await spares_.shutdown(ctx); }

}  // namespace troupe::sessions
