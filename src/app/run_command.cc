// `troupe run`: one run on an engine of its own, with progress, and its results at the end.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "app/commands.h"
#include "app/loop.h"
#include "app/progress.h"
#include "app/request.h"
#include "app/table.h"
#include "app/text.h"
#include "demo/site.h"
#include "engine/engine.h"
#include "tasks/backend.h"

namespace troupe::app {
namespace {

constexpr Duration kRedraw = std::chrono::milliseconds(100);

// The log would write into the live display, so `run` logs only when one of its settings is given.
Result<std::unique_ptr<observe::Log>> log_of(const config::Loaded& loaded, bool& shares_stderr) {
  const Settings& settings = loaded.settings;
  bool asked = false;
  for (const char* name : {"log_level", "log_format", "log_file"})
    asked = asked || loaded.origins.at(name) != "default";
  shares_stderr = asked && settings.log_file.empty();
  if (!asked) return observe::make_null_log();
  TRY(const auto level, observe::level_from(settings.log_level));
  return observe::open_log(
      {.level = level, .json = settings.log_format == "json", .file = settings.log_file});
}

// Written beside the target and renamed, so that a failure leaves no half file.
class ResultFile final {
 public:
  static Result<ResultFile> open(const std::string& path) {
    ResultFile file;
    file.path_ = path;
    if (path.empty()) return file;
    std::ofstream probe(file.part(), std::ios::binary);
    if (!probe)
      return fail(Errc::storage_failed, "output file " + path + ": cannot be written", "--output",
                  "name a file in a folder that exists and can be written");
    return file;
  }
  Result<void> write(const std::string& text) const {
    if (path_.empty()) return {};
    std::ofstream stream(part(), std::ios::binary);
    stream << text;
    stream.close();
    std::error_code error;
    if (stream) std::filesystem::rename(part(), path_, error);
    if (stream && !error) return {};
    discard();
    return fail(Errc::storage_failed, "output file " + path_ + ": writing failed", "--output",
                "is the disk full?");
  }
  void discard() const {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(part(), ignored);
  }
  bool has_lines() const { return path_.ends_with(".jsonl") || path_.ends_with(".ndjson"); }

 private:
  std::string part() const { return path_ + ".part"; }
  std::string path_;
};

std::string json_lines(const RunResult& result) {
  std::string text;
  for (const auto& task : result.tasks) text += json::serialize(to_json(task)) + "\n";
  return text;
}

// One `troupe run`. Lives until its loop has ended.
class RunCommand final {
 public:
  RunCommand(const Invocation& invocation, Loop& loop, engine::Engine& engine, ResultFile file,
             bool log_on_stderr)
      : invocation_(invocation),
        loop_(loop),
        engine_(engine),
        file_(std::move(file)),
        live_(is_terminal(STDERR_FILENO) && !log_on_stderr && !invocation.run.quiet),
        plain_(!live_ && !log_on_stderr && !invocation.run.quiet),
        screen_(STDERR_FILENO),
        scope_(loop.executor()) {}

  asio::awaitable<int> execute(RunRequest request) {
    Context ctx(engine_.clock(), loop_.executor());
    const auto listener =
        engine_.events().listen([this](const observe::EventRecord& event) { on_event(event); });
    const Interrupts interrupts(loop_.io(), [this](int count) { on_interrupt(count); });
    const int code = co_await run(ctx, std::move(request));
    over_.set();
    screen_.clear();
    co_await engine_.close(interrupted_ > 1);
    if (demo_) {
      Context stop_ctx = ctx.with_timeout(std::chrono::seconds(2), "demo site stop");
      (void)co_await demo_->stop(stop_ctx);
    }
    (void)co_await scope_.join(ctx);
    co_return code;
  }

 private:
  asio::awaitable<int> run(Context& ctx, RunRequest request) {
    if (auto started = start_demo(request); !started) co_return refuse(started.error());
    title_ = invocation_.run.workflow;
    if (!request.site.empty()) title_ += " on " + request.site;
    auto id = co_await engine_.submit(ctx, std::move(request));
    if (!id) co_return refuse(id.error());
    if (live_) scope_.spawn("progress", redraw(ctx));
    auto result = co_await engine_.wait(ctx, *id);
    over_.set();
    screen_.clear();
    if (!result) co_return refuse(result.error());
    co_return show(*result);
  }

  // `--site demo` needs nothing else: the site runs inside this process.
  Result<void> start_demo(RunRequest& request) {
    if (request.site != "demo" || request.site_overrides.contains("base_url")) return {};
    TRY(demo_, demo::start_demo_site(loop_.executor(), engine_.clock(), "127.0.0.1", 0));
    request.site_overrides["base_url"] = demo_->url();
    say("the demo site runs at " + demo_->url() + " while this run lasts");
    return {};
  }

  void on_event(const observe::EventRecord& event) {
    if (event.type == "run.created" && live_)
      board_.emplace(title_, static_cast<int>(find_int(event.data, "sessions").value_or(1)),
                     static_cast<std::size_t>(find_int(event.data, "tasks").value_or(1)),
                     engine_.clock().now());
    if (board_) board_->take(event, engine_.clock().now());
    if (!plain_) return;
    const std::string line = progress_line(event);
    if (!line.empty()) say(line);
  }

  asio::awaitable<void> redraw(Context ctx) {
    while (!over_.is_set()) {
      if (board_)
        screen_.draw(board_->render(engine_.clock().now(), terminal_width(STDERR_FILENO) - 1,
                                    terminal_height(STDERR_FILENO)));
      Context pause = ctx.with_timeout(kRedraw, "redraw");
      (void)co_await over_.wait(pause);
    }
  }

  void on_interrupt(int count) {
    interrupted_ = count;
    if (count == 1)
      say("stopping: running tasks may end within " +
          short_time(engine_.settings().drain_timeout.count()) + "; once more aborts them");
    if (count == 2) say("aborting");
    if (count <= 2) scope_.spawn("close", engine_.close(count > 1));
  }

  int show(const RunResult& result) {
    const Output output = invocation_.output == Output::automatic && wants_json(Output::automatic)
                              ? Output::json_lines
                              : invocation_.output;
    const std::string document = pretty(json::value(to_json(result)));
    if (output == Output::json) {
      print(document);
    } else if (output == Output::json_lines) {
      print(json_lines(result));
    } else {
      print_lines(render_results(result, {.width = terminal_width(STDOUT_FILENO)}));
      std::cout.flush();
    }
    if (!invocation_.run.quiet) say(summary_line(result));
    if (result.error) say("troupe: " + result.error->describe());
    const auto written = file_.write(file_.has_lines() ? json_lines(result) : document);
    if (!written) return report(written.error());
    return exit_code(result);
  }

  int exit_code(const RunResult& result) const {
    if (result.ok()) return 0;
    if (interrupted_ > 0) return traits(Errc::cancelled).exit_code;
    if (result.state == RunState::partial) return 3;
    return result.error ? traits(result.error->code).exit_code : 1;
  }

  int refuse(const Error& error) {
    file_.discard();
    return report(error);
  }

  void say(const std::string& line) {
    if (live_)
      screen_.print_above(line);
    else if (!invocation_.run.quiet)
      std::cerr << line << "\n";
  }

  const Invocation& invocation_;
  Loop& loop_;
  engine::Engine& engine_;
  ResultFile file_;
  bool live_;
  bool plain_;
  LiveScreen screen_;
  Scope scope_;
  std::string title_;
  std::optional<ProgressBoard> board_;
  std::unique_ptr<demo::DemoSite> demo_;
  Event over_;
  int interrupted_ = 0;
};

}  // namespace

int run_workflow(const Invocation& invocation, config::Loaded loaded) {
  for (const auto& dir : invocation.run.workflow_dirs) loaded.settings.workflow_dirs.push_back(dir);
  auto request = request_from(invocation.run, loaded.settings);
  if (!request) return report(request.error());
  bool log_on_stderr = false;
  auto log = log_of(loaded, log_on_stderr);
  if (!log) return report(log.error());
  Loop loop;
  auto engine =
      engine::Engine::create(loop.io(), loaded.settings, std::move(*log), engine::Use::one_shot);
  if (!engine) return report(engine.error());
  const bool downgraded =
      loaded.settings.backend != "memory" && (*engine)->backend().name() == "memory";
  if (downgraded && !invocation.run.quiet)
    std::cerr << "troupe: the data folder is in use by a service: this run is kept in memory only "
                 "(`troupe submit` hands it to the service)\n";
  auto file = ResultFile::open(invocation.run.output_file);
  if (!file) return report(file.error());
  RunCommand command(invocation, loop, **engine, std::move(*file), log_on_stderr);
  return loop.run(command.execute(std::move(*request)));
}

}  // namespace troupe::app
