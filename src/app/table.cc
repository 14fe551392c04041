#include "app/table.h"

#include <algorithm>
#include <map>

#include "app/text.h"

namespace troupe::app {
namespace {

constexpr int kColumnMin = 12;  // a column shrinks no further; the last ones are left out instead
constexpr int kGap = 2;

std::string cell_text(const json::value& value) {
  if (const auto* text = value.if_string()) return one_line({text->data(), text->size()});
  if (value.is_null()) return "";
  if (!value.is_double()) return one_line(json::serialize(value));
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value.get_double());
  return text;
}

bool is_url(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.,-+%:sm ") == std::string::npos;
}

struct Column {
  std::size_t index = 0;
  int width = 0;
  bool numeric = false;
  bool has_urls = false;
};

std::vector<Column> measure(const Table& table) {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < table.headers.size(); ++i) {
    Column column{.index = i, .width = display_width(table.headers[i])};
    column.numeric = !table.rows.empty();
    for (const auto& row : table.rows) {
      column.width = std::max(column.width, display_width(row[i]));
      column.numeric = column.numeric && (row[i].empty() || is_number(row[i]));
      column.has_urls = column.has_urls || is_url(row[i]);
    }
    columns.push_back(column);
  }
  return columns;
}

int total(const std::vector<Column>& columns) {
  int width = columns.empty() ? 0 : kGap * (static_cast<int>(columns.size()) - 1);
  for (const Column& column : columns) width += column.width;
  return width;
}

// Takes from the widest column until all fit, or none can give more.
void shrink(std::vector<Column>& columns, int width) {
  while (total(columns) > width) {
    const auto widest =
        std::max_element(columns.begin(), columns.end(),
                         [](const Column& a, const Column& b) { return a.width < b.width; });
    if (widest == columns.end() || widest->width <= kColumnMin) return;
    --widest->width;
  }
}

// Lays the members of `object` into `row`; objects inside are opened once.
void flatten(const json::object& object, const std::string& prefix,
             std::vector<std::pair<std::string, std::string>>& row) {
  for (const auto& member : object) {
    const std::string name = prefix + std::string(member.key());
    const auto* inner = member.value().if_object();
    if (inner && prefix.empty())
      flatten(*inner, name + ".", row);
    else
      row.emplace_back(name, cell_text(member.value()));
  }
}

bool is_list_of_objects(const json::value& value) {
  const auto* array = value.if_array();
  return array && !array->empty() &&
         std::all_of(array->begin(), array->end(), [](const auto& v) { return v.is_object(); });
}

struct List {
  std::string name;
  json::array rows;
};

// Rows of all tasks under one name belong together; the task is told by a column of its own.
std::vector<List> lists_of(const RunResult& result) {
  std::vector<List> lists;
  const auto add = [&](const std::string& name, const json::array& rows, int task) {
    auto list =
        std::find_if(lists.begin(), lists.end(), [&](const List& l) { return l.name == name; });
    if (list == lists.end()) list = lists.insert(list, List{name, {}});
    for (const auto& row : rows) {
      json::object labelled;
      if (result.tasks.size() > 1) labelled["task"] = task + 1;
      for (const auto& member : row.get_object()) labelled[member.key()] = member.value();
      list->rows.push_back(std::move(labelled));
    }
  };
  for (const auto& task : result.tasks) {
    if (is_list_of_objects(task.output)) add("results", task.output.get_array(), task.index);
    const auto* object = task.output.if_object();
    if (!object) continue;
    for (const auto& member : *object)
      if (is_list_of_objects(member.value()))
        add(std::string(member.key()), member.value().get_array(), task.index);
  }
  return lists;
}

json::object task_row(const TaskResult& task) {
  json::object row;
  row["task"] = task.index + 1;
  row["state"] = to_string(task.state);
  row["attempts"] = task.attempts;
  row["time"] = short_time(task.duration.count());
  if (const auto* object = task.output.if_object()) {
    for (const auto& member : *object)
      if (!is_list_of_objects(member.value())) row[member.key()] = member.value();
  } else if (!task.output.is_null() && !is_list_of_objects(task.output)) {
    row["output"] = task.output;
  }
  return row;
}

}  // namespace

std::vector<std::string> render_table(const Table& table, int width) {
  std::vector<Column> columns = measure(table);
  std::vector<std::string> hidden;
  const auto hide = [&](std::size_t at) {
    hidden.push_back(table.headers[columns[at].index]);
    columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(at));
  };
  // A cut address is of no use to anybody, so addresses give way first.
  for (std::size_t i = columns.size(); i-- > 0;)
    if (columns[i].has_urls && total(columns) > width && columns.size() > 1) hide(i);
  shrink(columns, width);
  while (columns.size() > 1 && total(columns) > width) hide(columns.size() - 1);

  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (const Column& column : columns) {
      if (!text.empty()) text.append(kGap, ' ');
      text += pad(cells[column.index], std::min(column.width, width), column.numeric);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::vector<std::string> lines = {line(table.headers)};
  for (const auto& row : table.rows) lines.push_back(line(row));
  if (!hidden.empty()) {
    std::string names;
    for (const auto& name : hidden) names += (names.empty() ? "" : ", ") + name;
    lines.push_back(fit("(no room for: " + names + ")", width));
  }
  return lines;
}

Table table_of(const json::array& objects) {
  Table table;
  std::map<std::string, std::size_t> places;
  std::vector<std::vector<std::pair<std::string, std::string>>> flat;
  for (const auto& item : objects) {
    auto& row = flat.emplace_back();
    if (const auto* object = item.if_object())
      flatten(*object, "", row);
    else
      row.emplace_back("value", cell_text(item));
    for (const auto& [name, value] : row)
      if (places.try_emplace(name, table.headers.size()).second) table.headers.push_back(name);
  }
  for (const auto& row : flat) {
    auto& cells = table.rows.emplace_back(table.headers.size());
    for (const auto& [name, value] : row) cells[places.at(name)] = value;
  }
  return table;
}

std::vector<std::string> render_results(const RunResult& result, const ReportOptions& options) {
  std::vector<std::string> lines;
  const auto append = [&](const json::array& rows) {
    for (auto& line : render_table(table_of(rows), options.width)) lines.push_back(std::move(line));
  };
  for (auto& list : lists_of(result)) {
    const std::size_t all = list.rows.size();
    if (all > options.rows_max) list.rows.resize(options.rows_max);
    lines.push_back(list.name + " (" + std::to_string(all) + ")");
    append(list.rows);
    if (all > options.rows_max)
      lines.push_back("… " + std::to_string(all - options.rows_max) + " more; --json gives all");
    lines.emplace_back();
  }
  json::array tasks;
  for (const auto& task : result.tasks)
    if (tasks.size() < options.rows_max) tasks.push_back(task_row(task));
  lines.push_back("tasks (" + std::to_string(result.tasks.size()) + ")");
  append(tasks);
  for (const auto& task : result.tasks) {
    if (!task.error) continue;
    std::string text = "task " + std::to_string(task.index + 1);
    if (!task.failed_step.empty()) text += ", step " + task.failed_step;
    text += ": " + std::string(to_string(task.error->code)) + ": " + task.error->describe();
    if (!task.screenshot.empty()) text += " [picture: " + task.screenshot + "]";
    lines.push_back(one_line(text));
  }
  return lines;
}

std::string summary_line(const RunResult& result) {
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(result.ended_at - result.created_at);
  return std::to_string(result.succeeded()) + " of " + std::to_string(result.tasks.size()) +
         " tasks succeeded in " + short_time(took.count()) + " on " +
         std::to_string(result.sessions) + (result.sessions == 1 ? " session" : " sessions") +
         " (" + result.run_id + ")";
}

}  // namespace troupe::app
