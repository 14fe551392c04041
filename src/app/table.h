// Tables for people, and the results of a run as tables. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "troupe/run.hpp"

namespace troupe::app {

struct Table {
  std::vector<std::string> headers;
  std::vector<std::vector<std::string>> rows;  ///< As many cells as headers.
};

/// Lines, each at most `width` columns: wide columns shrink, then columns at the right are left
/// out, which a last line says. Columns of numbers are right-aligned.
std::vector<std::string> render_table(const Table& table, int width);

/// A table of a list of objects: one column per member, in the order they first come; objects
/// inside give `outer.inner` columns.
Table table_of(const json::array& objects);

struct ReportOptions {
  int width = 100;
  std::size_t rows_max = 25;  ///< Of each list.
};
/// What people are shown of a run's results: the lists that its tasks gave, joined by name, then
/// one line per task with its single values and its error.
std::vector<std::string> render_results(const RunResult& result, const ReportOptions& options);
/// `5 of 5 tasks succeeded in 3.2s on 5 sessions (run run_…)`
std::string summary_line(const RunResult& result);

}  // namespace troupe::app
