#include "sessions/recording_videos.h"

#include <cstdlib>

#include "sessions/video_encoder.h"

namespace troupe::sessions {
namespace {

constexpr std::size_t kFailuresRemembered = 1'000;

}  // namespace

RecordingVideos::RecordingVideos(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                                 const RecordingStore& store, VideoOptions options)
    : clock_(clock),
      executor_(executor),
      log_(log),
      store_(store),
      options_(std::move(options)),
      scope_(executor) {}

Result<std::string> RecordingVideos::encoder() const {
  const char* path = std::getenv("PATH");
  return find_video_encoder(options_.encoder, path ? path : "");
}

Result<void> RecordingVideos::request(const std::string& session, const std::string& page) {
  const Key key(session, page);
  if (jobs_.contains(key)) return {};
  if (stopping_.is_cancelled()) return fail(Errc::draining, "service: is shutting down");
  TRY(const auto program, encoder());
  if (waiting_.size() >= options_.waiting_max)
    return fail(Errc::exhausted, "recording: " + std::to_string(waiting_.size()) +
                                     " videos wait already to be made");
  failures_.erase(key);
  auto job = std::make_shared<Job>();
  jobs_[key] = job;
  waiting_.push_back(job.get());
  scope_.spawn("video of a recording", make(key, std::move(job), program));
  return {};
}

// In the order of asking.
Async<void> RecordingVideos::turn(Context& ctx, const Job* job) {
  Result<void> waited;
  while (waited && (waiting_.front() != job || making_ >= options_.at_once))
    waited = co_await changed_.wait(ctx);
  std::erase(waiting_, job);
  if (waited) ++making_;
  changed_.pulse();
  co_return waited;
}

asio::awaitable<void> RecordingVideos::make(Key key, std::shared_ptr<Job> job,
                                            std::string encoder) {
  const Context base(clock_, executor_);
  const Context stoppable = base.with_cancel(stopping_);
  Context waiting = stoppable.with_timeout(options_.turn_timeout, "waiting for the video encoder");
  const Job* self = job.get();
  Result<void> made = co_await turn(waiting, self);
  const bool had_turn = made.has_value();
  const SteadyTime began = clock_.now();
  if (had_turn) {
    Context limited = stoppable.with_timeout(options_.timeout, "making a video");
    VideoRequest request{.encoder = std::move(encoder), .session = key.first, .page = key.second};
    made = co_await make_video(limited, store_, std::move(request));
    --making_;
    changed_.pulse();
  }
  end(key, *job, made, clock_.now() - began);
}

void RecordingVideos::end(const Key& key, Job& job, const Result<void>& made, Duration took) {
  jobs_.erase(key);
  if (!made) {
    job.error = made.error();
    if (failures_.size() >= kFailuresRemembered) failures_.erase(failures_.begin());
    failures_.insert_or_assign(key, made.error());
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  log_.write({.session = key.first},
             {.level = made ? observe::Level::info : observe::Level::warning,
              .action = "recording.video",
              .status = made ? "ok" : "failed",
              .details = {{"page", key.second}, {"ms", ms}},
              .error = made ? nullptr : &*job.error});
  job.done.set();
}

bool RecordingVideos::is_pending(const std::string& session, const std::string& page) const {
  return jobs_.contains(Key(session, page));
}

std::optional<Error> RecordingVideos::failure(const std::string& session,
                                              const std::string& page) const {
  const auto found = failures_.find(Key(session, page));
  return found == failures_.end() ? std::nullopt : std::optional(found->second);
}

Async<void> RecordingVideos::wait(Context& ctx, std::string session, std::string page) {
  const auto found = jobs_.find(Key(std::move(session), std::move(page)));
  if (found == jobs_.end()) co_return Result<void>{};
  const std::shared_ptr<Job> job = found->second;
  CO_TRY_VOID(co_await job->done.wait(ctx));
  if (job->error) co_return *job->error;
  co_return Result<void>{};
}

std::set<std::string> RecordingVideos::busy() const {
  std::set<std::string> sessions;
  for (const auto& [key, job] : jobs_) sessions.insert(key.first);
  return sessions;
}

void RecordingVideos::stop() {
  stopping_.cancel(fail(Errc::draining, "service: is shutting down"));
}

}  // namespace troupe::sessions
