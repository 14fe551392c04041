// Structured log: one line per event. Text form:
//   2026-11-22T19:48:10.123Z INFO Action: session.create, Status: ok, Workflow: video_discovery,
//   RunID: run_…, TaskID: task_…, Attempt: 1, SessionID: …, ProjectID: default, Details:
//   provider=local
// or JSON with the same fields. Secrets never: pass them as observe::Secret, which prints [secret].
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/json.h"

namespace troupe::observe {

enum class Level { trace, debug, info, warning, error, off };
Result<Level> level_from(std::string_view name);

/// A value that is never printed.
struct Secret {
  std::string value;
};

/// One `key=value` of a line's details.
struct Detail {
  Detail(std::string_view k, json::value v) : key(k), value(std::move(v)) {}
  template <std::convertible_to<std::string_view> Text>
  Detail(std::string_view k, const Text& text) : key(k), value(std::string_view(text)) {}
  Detail(std::string_view k, const Secret&) : key(k), value("[secret]") {}
  std::string key;
  json::value value;
};

/// One event. `action` is `noun.verb` (session.create, task.execute), `status` one word (started,
/// ok, failed, retrying, cancelled).
struct LogLine {
  Level level = Level::info;
  std::string_view action;
  std::string_view status;
  std::vector<Detail> details;
  const Error* error = nullptr;  ///< Adds code, message and source to the details.
};

/// Threads: any.
class Log {
 public:
  virtual ~Log() = default;
  virtual bool enabled(Level level) const = 0;
  virtual void write(const Ids& ids, const LogLine& line) = 0;
  virtual void flush() = 0;
};

struct LogOptions {
  Level level = Level::info;
  bool json = false;
  std::string file;  ///< Empty: standard error.
};
/// Errors: storage_failed (the file cannot be opened).
Result<std::unique_ptr<Log>> open_log(const LogOptions& options);
/// Drops everything.
std::unique_ptr<Log> make_null_log();
/// Keeps lines in memory, for tests.
class MemoryLog : public Log {
 public:
  bool enabled(Level) const override { return true; }
  void write(const Ids& ids, const LogLine& line) override;
  void flush() override {}
  /// Text lines without the time stamp.
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace troupe::observe
