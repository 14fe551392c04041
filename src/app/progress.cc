#include "app/progress.h"

#include <unistd.h>

#include <algorithm>

#include "app/text.h"

namespace troupe::app {
namespace {

std::string text_of(const json::object& data, std::string_view key) {
  const auto text = find_string(data, key);
  return text ? one_line(*text) : std::string();
}

int number_of(const json::object& data, std::string_view key, int otherwise) {
  return static_cast<int>(find_int(data, key).value_or(otherwise));
}

std::string error_of(const json::object& data) {
  const auto* error = find(data, "error");
  const auto* message = error ? find(*error, "message") : nullptr;
  return message && message->is_string() ? one_line(message->get_string().c_str()) : std::string();
}

// Of the innermost loop: `37 of 100`.
std::string round_of(const json::object& data) {
  const auto* loops = find(data, "loops");
  if (!loops || !loops->is_array() || loops->get_array().empty()) return {};
  const auto* loop = loops->get_array().back().if_object();
  if (!loop) return {};
  std::string text = std::to_string(number_of(*loop, "round", 1));
  if (const auto of = find_int(*loop, "of")) text += " of " + std::to_string(*of);
  return text;
}

long long milliseconds(SteadyTime from, SteadyTime to) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

}  // namespace

ProgressBoard::ProgressBoard(std::string title, int sessions, std::size_t tasks, SteadyTime started)
    : title_(std::move(title)), tasks_(tasks), started_(started) {
  rows_.resize(
      std::min(static_cast<std::size_t>(std::max(sessions, 1)), std::max<std::size_t>(tasks, 1)));
}

void ProgressBoard::take(const observe::EventRecord& event, SteadyTime now) {
  const bool ends_task = event.type == "task.ended";
  if (ends_task) ++done_;
  const std::string state = text_of(event.data, "state");
  if (ends_task && state != "succeeded") ++failed_;
  const auto slot = static_cast<std::size_t>(number_of(event.data, "slot", -1));
  if (slot >= rows_.size()) return;
  Row& row = rows_[slot];
  if (event.type == "task.started") {
    row = Row{.state = "running",
              .task = number_of(event.data, "index", 0),
              .since = now,
              .ended = false};
    const int attempt = number_of(event.data, "attempt", 1);
    if (attempt > 1) row.state = "attempt " + std::to_string(attempt);
  } else if (event.type == "step.started") {
    row.step = text_of(event.data, "step") + " " + text_of(event.data, "kind");
    if (const std::string round = round_of(event.data); !round.empty()) row.step += " " + round;
  } else if (event.type == "step.ended") {
    row.detail = text_of(event.data, "detail");
  } else if (ends_task || event.type == "task.retrying") {
    row.state = ends_task ? state : "retrying";
    row.detail = error_of(event.data);
    if (ends_task && row.detail.empty()) row.step.clear();
    row.until = now;
    row.ended = true;
  }
}

std::vector<std::string> ProgressBoard::render(SteadyTime now, int width, int height) const {
  std::string head =
      title_ + ": " + std::to_string(done_) + " of " + std::to_string(tasks_) + " tasks done";
  if (failed_ > 0) head += ", " + std::to_string(failed_) + " failed";
  head += ", " + short_time(milliseconds(started_, now));
  std::vector<std::string> lines = {fit(head, width)};
  const auto room = static_cast<std::size_t>(std::max(height - 2, 1));
  const std::size_t shown = rows_.size() <= room ? rows_.size() : room - 1;
  for (std::size_t i = 0; i < shown; ++i) {
    const Row& row = rows_[i];
    std::string line = "  session " + pad(std::to_string(i + 1), 3) + pad(row.state, 11);
    if (row.task >= 0) {
      line += pad("task " + std::to_string(row.task + 1), 10);
      line += pad(short_time(milliseconds(row.since, row.ended ? row.until : now)), 7, true) + "  ";
      line += pad(row.step, 24) + " " + row.detail;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(fit(line, width));
  }
  if (shown < rows_.size())
    lines.push_back("  and " + std::to_string(rows_.size() - shown) + " more sessions");
  return lines;
}

std::string progress_text(const json::object& progress) {
  std::string text = text_of(progress, "step") + " " + text_of(progress, "kind");
  if (const std::string round = round_of(progress); !round.empty()) text += ", round " + round;
  const int done = number_of(progress, "done", 0);
  text += ", " + std::to_string(done) + (done == 1 ? " step done" : " steps done");
  if (const int attempt = number_of(progress, "attempt", 1); attempt > 1)
    text += ", attempt " + std::to_string(attempt);
  if (const auto elapsed = find_int(progress, "elapsed_ms")) text += ", " + short_time(*elapsed);
  return text;
}

std::string progress_line(const observe::EventRecord& event) {
  const auto& data = event.data;
  const std::string task = "task " + std::to_string(number_of(data, "index", 0) + 1);
  if (event.type == "task.started")
    return task + ": started" +
           (event.ids.attempt > 1 ? ", attempt " + std::to_string(event.ids.attempt) : "");
  const std::string error = error_of(data);
  if (event.type == "task.retrying")
    return task + ": retrying in " + short_time(number_of(data, "retry_after_ms", 0)) + ": " +
           error;
  if (event.type == "task.ended")
    return task + ": " + text_of(data, "state") + " after " +
           short_time(number_of(data, "duration_ms", 0)) + (error.empty() ? "" : ": " + error);
  return {};
}

void LiveScreen::draw(const std::vector<std::string>& lines) {
  std::string text = erase();
  for (const auto& line : lines) text += line + "\n";
  put(text);
  drawn_ = lines.size();
  lines_ = lines;
}

void LiveScreen::clear() {
  if (drawn_ > 0) put(erase());
  drawn_ = 0;
  lines_.clear();
}

void LiveScreen::print_above(const std::string& line) {
  std::string text = erase() + line + "\n";
  for (const auto& drawn : lines_) text += drawn + "\n";
  put(text);
  drawn_ = lines_.size();
}

std::string LiveScreen::erase() const {
  // Up to the first line that was drawn, then everything below goes.
  return drawn_ > 0 ? "\x1b[" + std::to_string(drawn_) + "A\r\x1b[J" : std::string();
}

void LiveScreen::put(const std::string& text) const {
  // Best effort: a terminal that is gone must not end the run.
  [[maybe_unused]] const auto written = ::write(descriptor_, text.data(), text.size());
}

}  // namespace troupe::app
