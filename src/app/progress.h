// Live progress of a run: a board with one line per session, kept from events. The board is pure;
// the screen that shows it is at the end.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "observe/events.h"

namespace troupe::app {

class ProgressBoard final {
 public:
  ProgressBoard(std::string title, int sessions, std::size_t tasks, SteadyTime started);

  void take(const observe::EventRecord& event, SteadyTime now);
  /// A headline and one line per session; at most `height` lines of `width` columns.
  std::vector<std::string> render(SteadyTime now, int width, int height) const;

 private:
  struct Row {
    std::string state = "waiting";
    int task = -1;
    std::string step;
    std::string detail;
    SteadyTime since;  ///< Of the present state.
    SteadyTime until;  ///< Of the end, when it has ended.
    bool ended = true;
  };
  std::string title_;
  std::size_t tasks_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
  SteadyTime started_;
  std::vector<Row> rows_;
};

/// `progress` of a task for people: `open goto, round 37 of 100, 73 steps done, attempt 2, 12.3 s`.
std::string progress_text(const json::object& progress);

/// The event as one line for logs of other programs; empty when it is not worth one.
std::string progress_line(const observe::EventRecord& event);

/// Redraws lines in place on a terminal.
class LiveScreen final {
 public:
  explicit LiveScreen(int descriptor) : descriptor_(descriptor) {}
  ~LiveScreen() { clear(); }
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  void draw(const std::vector<std::string>& lines);
  /// Removes what was drawn.
  void clear();
  /// A line that stays, above what is redrawn.
  void print_above(const std::string& line);

 private:
  std::string erase() const;
  void put(const std::string& text) const;
  int descriptor_;
  std::size_t drawn_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace troupe::app
