#include "workflows/items.h"

#include <filesystem>
#include <fstream>

namespace troupe::workflows {
namespace {

Error at_line(std::string_view file, std::size_t line, const std::string& message) {
  return fail(Errc::invalid_argument,
              std::string(file) + ":" + std::to_string(line) + ": " + message, std::string(file));
}

Error too_many(std::string_view file, std::size_t limit) {
  return fail(Errc::invalid_argument,
              std::string(file) + ": more than " + std::to_string(limit) + " items",
              std::string(file), "split it over several runs");
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

/// Reads one record at a time; fields may hold commas, quotes ("") and line ends when quoted.
class CsvReader final {
 public:
  CsvReader(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  bool at_end() const { return at_ >= text_.size(); }
  std::size_t line() const { return line_; }
  Result<std::vector<std::string>> record() {
    std::vector<std::string> fields;
    while (true) {
      TRY(std::string field, this->field());
      fields.push_back(std::move(field));
      if (at_end()) return fields;
      const char c = text_[at_++];
      if (c == ',') {
        if (at_end()) fields.emplace_back();
        if (at_end()) return fields;
        continue;
      }
      if (c == '\r' && !at_end() && text_[at_] == '\n') ++at_;
      ++line_;
      return fields;
    }
  }

 private:
  Result<std::string> field() {
    if (!at_end() && text_[at_] == '"') return quoted();
    const auto end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    const std::string_view field = text_.substr(at_, end - at_);
    if (field.find('"') != std::string_view::npos)
      return at_line(file_, line_, "a quote inside a field that does not begin with one");
    at_ = end;
    return std::string(field);
  }
  Result<std::string> quoted() {
    const std::size_t first_line = line_;
    std::string field;
    bool closed = false;
    for (++at_; !at_end() && !closed; ++at_) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      const bool escaped = c == '"' && text_.substr(at_ + 1).starts_with('"');
      if (escaped) ++at_;
      if (c != '"' || escaped)
        field += c;
      else
        closed = true;
    }
    if (!closed) return at_line(file_, first_line, "a quoted field is not closed");
    if (!at_end() && std::string_view(",\r\n").find(text_[at_]) == std::string_view::npos)
      return at_line(file_, line_, "text after the closing quote of a field");
    return field;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

Result<std::vector<json::object>> parse_csv(std::string_view text, std::string_view file,
                                            const ItemLimits& limits) {
  CsvReader reader(without_mark(text), file);
  if (reader.at_end()) return at_line(file, 1, "no header row");
  TRY(const std::vector<std::string> header, reader.record());
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i].empty())
      return at_line(file, 1, "column " + std::to_string(i + 1) + " has no name");
    if (std::find(header.begin(), header.begin() + i, header[i]) != header.begin() + i)
      return at_line(file, 1, "column '" + header[i] + "' is given twice");
  }
  std::vector<json::object> items;
  while (!reader.at_end()) {
    const std::size_t line = reader.line();
    TRY(const std::vector<std::string> fields, reader.record());
    if (fields.size() == 1 && fields[0].empty()) continue;  // an empty line
    if (fields.size() != header.size())
      return at_line(file, line,
                     std::to_string(fields.size()) + " fields, but the header has " +
                         std::to_string(header.size()));
    if (items.size() >= limits.items_max) return too_many(file, limits.items_max);
    json::object item;
    for (std::size_t i = 0; i < header.size(); ++i)
      if (!fields[i].empty()) item[header[i]] = fields[i];  // empty: the default holds
    items.push_back(std::move(item));
  }
  return items;
}

Result<std::vector<json::object>> parse_json_lines(std::string_view text, std::string_view file,
                                                   const ItemLimits& limits) {
  text = without_mark(text);
  std::vector<json::object> items;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const auto end = text.find('\n');
    const std::string_view row = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto value = parse_json(row, "line");
    if (!value) return at_line(file, line, value.error().message);
    if (!value->is_object())
      return at_line(file, line, "must be an object, not " + std::string(type_name(*value)));
    if (items.size() >= limits.items_max) return too_many(file, limits.items_max);
    items.push_back(std::move(value->get_object()));
  }
  return items;
}

Result<std::vector<json::object>> parse_json_items(std::string_view text, std::string_view file,
                                                   const ItemLimits& limits) {
  TRY(json::value document, parse_json(without_mark(text), file));
  auto* list = document.if_array();
  if (!list)
    return fail(
        Errc::invalid_argument,
        std::string(file) + ": must be a list of objects, not " + std::string(type_name(document)),
        std::string(file));
  if (list->size() > limits.items_max) return too_many(file, limits.items_max);
  std::vector<json::object> items;
  for (json::value& item : *list) {
    if (!item.is_object())
      return fail(Errc::invalid_argument,
                  std::string(file) + ": [" + std::to_string(items.size()) +
                      "] must be an object, not " + std::string(type_name(item)),
                  std::string(file));
    items.push_back(std::move(item.get_object()));
  }
  return items;
}

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return fail(Errc::not_found, path + ": no such file", path);
  if (std::filesystem::is_directory(status))
    return fail(Errc::invalid_argument, path + ": is a folder, not a file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::storage_failed, path + ": cannot be read", path);
  // Read to a limit instead of asking for the size: a pipe or /proc file has none.
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return fail(Errc::storage_failed, path + ": cannot be read", path);
  if (text.size() > bytes_max)
    return fail(Errc::invalid_argument,
                path + ": more than " + std::to_string(bytes_max) + " bytes", path);
  text.shrink_to_fit();
  return text;
}

Result<std::vector<json::object>> load_items(const std::string& path, const ItemLimits& limits) {
  const std::string ending = std::filesystem::path(path).extension().string();
  const bool known =
      ending == ".csv" || ending == ".jsonl" || ending == ".ndjson" || ending == ".json";
  if (!known)
    return fail(Errc::invalid_argument, path + ": unknown kind of file '" + ending + "'", path,
                "use .csv, .jsonl, .ndjson or .json");
  TRY(const std::string text, read_text_file(path, limits.bytes_max));
  if (ending == ".csv") return parse_csv(text, path, limits);
  if (ending == ".json") return parse_json_items(text, path, limits);
  return parse_json_lines(text, path, limits);
}

}  // namespace troupe::workflows
