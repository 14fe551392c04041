#include "observe/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "observe/redact.h"

namespace troupe::observe {
namespace {

constexpr std::size_t kValueBytesMax = 4096;  // longer values are cut, and say how long they were
constexpr std::array<std::string_view, 6> kLevels = {"trace",   "debug", "info",
                                                     "warning", "error", "off"};

std::string_view upper(Level level) {
  constexpr std::array<std::string_view, 6> names = {"TRACE",   "DEBUG", "INFO",
                                                     "WARNING", "ERROR", "OFF"};
  return names[static_cast<std::size_t>(level)];
}

// Length of the well-formed UTF-8 sequence at the front of `text`; 0 when it is not well-formed.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

// Characters that would end the line or drive a terminal: C0, DEL, C1, line and paragraph
// separator.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  if (character.size() == 2)
    return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
  return character == "\xe2\x80\xa8" || character == "\xe2\x80\xa9";
}

std::string escape_bytes(std::string_view bytes) {
  if (bytes == "\n") return "\\n";
  if (bytes == "\r") return "\\r";
  if (bytes == "\t") return "\\t";
  std::string out;
  constexpr std::string_view digits = "0123456789abcdef";
  for (const unsigned char byte : bytes)
    out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  return out;
}

// Calls `take(character, good)` for every character; a byte that is no UTF-8 comes alone, not good.
template <class Take>
void for_each_character(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    take(text.substr(0, std::max<std::size_t>(length, 1)), length != 0);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

std::string cut(std::string_view text) {
  if (text.size() <= kValueBytesMax) return std::string(text);
  std::size_t end = kValueBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "… (" + std::to_string(text.size()) + " bytes)";
}

// A value of the text form: bare when nothing in it could be taken for the line's own syntax.
std::string text_value(std::string_view text) {
  constexpr std::string_view special = " \t\n\r\",=\\";
  bool bare = !text.empty() && text.find_first_of(special) == std::string_view::npos;
  std::string out;
  for_each_character(text, [&](std::string_view character, bool good) {
    if (!good || is_control(character)) {
      out += escape_bytes(character);
      bare = false;
    } else {
      if (character == "\"" || character == "\\") out += '\\';
      out += character;
    }
  });
  return bare ? out : "\"" + out + "\"";
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::string text_value(const json::value& value) {
  if (const auto* text = value.if_string()) return text_value(cut(view(*text)));
  const std::string serialized = json::serialize(value);
  if (serialized.size() > kValueBytesMax) return text_value(cut(serialized));
  // Compact JSON says itself where it ends; only what JSON leaves unescaped is left to do.
  std::string out;
  for_each_character(serialized, [&](std::string_view character, bool good) {
    out += good && !is_control(character) ? std::string(character) : escape_bytes(character);
  });
  return out;
}

json::value json_text(std::string_view text) {
  json::string out;
  for_each_character(cut(text), [&](std::string_view character, bool good) {
    out.append(good ? json::string_view(character.data(), character.size()) : "\xef\xbf\xbd");
  });
  return out;
}

json::value redacted(const Detail& detail) {
  if (is_secret_name(detail.key)) return "[secret]";
  return redact(detail.value);
}

std::string text_line(const Ids& ids, const LogLine& line) {
  std::string out(upper(line.level));
  out.append(" Action: ").append(text_value(line.action));
  const auto field = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(", ").append(name).append(": ").append(text_value(value));
  };
  field("Status", line.status);
  field("Workflow", ids.workflow);
  field("RunID", ids.run);
  field("TaskID", ids.task);
  field("Attempt", ids.attempt > 0 ? std::to_string(ids.attempt) : "");
  field("SessionID", ids.session);
  field("ProjectID", ids.project);
  std::string details;
  const auto detail = [&](std::string_view key, const std::string& value) {
    details.append(details.empty() ? "" : " ").append(text_value(key)).append("=").append(value);
  };
  for (const auto& item : line.details) detail(item.key, text_value(redacted(item)));
  if (line.error) {
    detail("error", std::string(to_string(line.error->code)));
    detail("message", text_value(cut(redact_urls(line.error->message))));
    if (!line.error->source.empty())
      detail("source", text_value(cut(redact_urls(line.error->source))));
    if (!line.error->hint.empty()) detail("hint", text_value(cut(line.error->hint)));
  }
  if (!details.empty()) out.append(", Details: ").append(details);
  return out;
}

std::string json_line(const std::string& time, const Ids& ids, const LogLine& line) {
  json::object out;
  out["time"] = time;
  out["level"] = kLevels[static_cast<std::size_t>(line.level)];
  const auto field = [&](const char* name, std::string_view value) {
    if (!value.empty()) out[name] = json_text(value);
  };
  field("action", line.action);
  field("status", line.status);
  field("workflow", ids.workflow);
  field("run_id", ids.run);
  field("task_id", ids.task);
  if (ids.attempt > 0) out["attempt"] = ids.attempt;
  field("session_id", ids.session);
  field("project_id", ids.project);
  json::object details;
  for (const auto& item : line.details) {
    const json::value value = redacted(item);
    details[item.key] = value.is_string() ? json_text(view(value.get_string())) : value;
  }
  if (!details.empty()) out["details"] = std::move(details);
  if (line.error) {
    json::object error;
    error["code"] = to_string(line.error->code);
    error["message"] = json_text(redact_urls(line.error->message));
    if (!line.error->source.empty()) error["source"] = json_text(redact_urls(line.error->source));
    if (!line.error->hint.empty()) error["hint"] = json_text(line.error->hint);
    out["error"] = std::move(error);
  }
  return json::serialize(out);
}

// One write(2) per line, so that lines of several processes appending to one file do not mix.
class DescriptorLog final : public Log {
 public:
  DescriptorLog(LogOptions options, int descriptor)
      : options_(std::move(options)), descriptor_(descriptor) {}
  ~DescriptorLog() override {
    if (descriptor_ != STDERR_FILENO) ::close(descriptor_);
  }

  bool enabled(Level level) const override {
    return level >= options_.level && options_.level != Level::off;
  }

  void write(const Ids& ids, const LogLine& line) override {
    if (!enabled(line.level)) return;
    const std::string time = to_rfc3339(std::chrono::system_clock::now());
    std::string text =
        options_.json ? json_line(time, ids, line) : time + " " + text_line(ids, line);
    text += '\n';
    const std::lock_guard lock(mutex_);
    std::string_view left = text;
    while (!left.empty()) {
      const ssize_t written = ::write(descriptor_, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // a full disk must not stop the work that is logged
      left.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  void flush() override {
    if (descriptor_ != STDERR_FILENO) ::fdatasync(descriptor_);
  }

 private:
  LogOptions options_;
  int descriptor_;
  std::mutex mutex_;
};

class NullLog final : public Log {
 public:
  bool enabled(Level) const override { return false; }
  void write(const Ids&, const LogLine&) override {}
  void flush() override {}
};

}  // namespace

Result<Level> level_from(std::string_view name) {
  for (std::size_t i = 0; i < kLevels.size(); ++i)
    if (kLevels[i] == name) return static_cast<Level>(i);
  return fail(Errc::invalid_argument, "log level: \"" + std::string(name) +
                                          "\" is none of trace, debug, info, warning, error, off");
}

Result<std::unique_ptr<Log>> open_log(const LogOptions& options) {
  int descriptor = STDERR_FILENO;
  if (!options.file.empty()) {
    descriptor = ::open(options.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
      return fail(Errc::storage_failed,
                  "log file " + options.file + ": cannot be opened: " + std::strerror(errno),
                  "log_file", "name a file in a folder that exists and can be written");
  }
  return std::unique_ptr<Log>(std::make_unique<DescriptorLog>(options, descriptor));
}

std::unique_ptr<Log> make_null_log() { return std::make_unique<NullLog>(); }

void MemoryLog::write(const Ids& ids, const LogLine& line) {
  lines_.push_back(text_line(ids, line));
}

}  // namespace troupe::observe
