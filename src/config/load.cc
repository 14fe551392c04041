#include "config/load.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/suggest.h"
#include "config/fields.h"
#include "config/toml.h"

extern char** environ;  // NOLINT: the name that POSIX gives it

namespace troupe::config {
namespace {

// Names of TROUPE_… variables that are no settings.
constexpr std::string_view kOtherNames[] = {"TROUPE_CONFIG", "TROUPE_ENV", "TROUPE_URL",
                                            "TROUPE_API_KEY"};
constexpr std::uintmax_t kFileBytesMax = 1 << 20;

std::string value_or_empty(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto row = map.find(key);
  return row == map.end() ? std::string() : row->second;
}

bool is_foreign_name(std::string_view name) {
  return std::any_of(fields().begin(), fields().end(),
                     [&](const Field& field) { return field.foreign_environment == name; });
}

std::string hint_of(std::string_view best) {
  return best.empty() ? "see `troupe config show` for all settings"
                      : "did you mean " + std::string(best) + "?";
}

// Collects every mistake, so that a file is mended in one go.
class Loader {
 public:
  explicit Loader(const Sources& sources) : sources_(sources) {
    for (const Field& field : fields()) {
      names_.emplace_back(field.name);
      loaded_.origins[std::string(field.name)] = "default";
    }
  }

  Result<Loaded> run() {
    read_foreign_environment();
    TRY_VOID(read_file());
    read_environment();
    for (const auto& [name, value] : sources_.flags) read_flag(name, value);
    if (mistakes_.empty()) return std::move(loaded_);
    if (mistakes_.size() == 1) return mistakes_.front();
    std::string all = std::to_string(mistakes_.size()) + " settings are wrong";
    for (const Error& mistake : mistakes_) all += "; " + mistake.describe();
    return fail(Errc::invalid_argument, all);
  }

 private:
  Result<std::string> find_file() const {
    std::string named = sources_.file;
    if (named.empty()) named = value_or_empty(sources_.environment, "TROUPE_CONFIG");
    std::error_code error;
    if (!named.empty()) {
      if (std::filesystem::is_regular_file(named, error)) return named;
      return fail(Errc::not_found, "configuration file " + named + ": there is no such file",
                  sources_.file.empty() ? "TROUPE_CONFIG" : "--config");
    }
    const std::string home = value_or_empty(sources_.environment, "HOME");
    std::string folder = value_or_empty(sources_.environment, "XDG_CONFIG_HOME");
    if (folder.empty() && !home.empty()) folder = home + "/.config";
    std::vector<std::string> places = {"troupe.toml"};
    if (!folder.empty()) places.push_back(folder + "/troupe/troupe.toml");
    for (const auto& place : places)
      if (std::filesystem::is_regular_file(place, error)) return place;
    return std::string();
  }

  Result<void> read_file() {
    TRY(const std::string file, find_file());
    if (file.empty()) return {};
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (!error && size > kFileBytesMax)
      return fail(Errc::invalid_argument, "configuration file " + file + ": " +
                                              std::to_string(size) + " bytes exceed " +
                                              std::to_string(kFileBytesMax));
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream content;
    content << stream.rdbuf();
    if (!stream)
      return fail(Errc::storage_failed, "configuration file " + file + ": cannot be read");
    TRY(const auto entries, parse_toml(content.str(), file));
    loaded_.file = file;
    const std::string environment = value_or_empty(sources_.environment, "TROUPE_ENV");
    for (const auto& entry : entries) read_entry(entry, "", file);
    if (environment.empty()) return {};
    bool found = false;
    for (const auto& entry : entries) {
      found = found || entry.table == "env." + environment;
      read_entry(entry, "env." + environment, file);
    }
    if (!found)
      loaded_.warnings.push_back("TROUPE_ENV: " + file + " has no table [env." + environment + "]");
    return {};
  }

  // Takes entries of `table`; others are only checked for their names, by the pass over the top.
  void read_entry(const TomlEntry& entry, const std::string& table, const std::string& file) {
    const std::string place = file + ":" + std::to_string(entry.line);
    const Field* field = find_field(entry.key);
    const bool known_table = entry.table.empty() || entry.table.starts_with("env.");
    if ((!field || !known_table) && table.empty()) {
      const std::string name = known_table ? entry.key : entry.table;
      const auto best = known_table ? nearest(name, names_) : std::string_view{};
      mistakes_.push_back(
          fail(Errc::invalid_argument, name + ": there is no such setting", place, hint_of(best)));
    }
    if (field && entry.table == table)
      keep(set_value(loaded_.settings, *field, entry.value, place), *field, place);
  }

  // Below the file: who names a setting in Troupe's own file means Troupe.
  void read_foreign_environment() {
    for (const Field& field : fields()) {
      const std::string name(field.foreign_environment);
      const std::string value = value_or_empty(sources_.environment, name);
      if (!value.empty()) keep(set_text(loaded_.settings, field, value, name), field, name);
    }
  }

  void read_environment() {
    std::vector<std::string> names;
    for (const Field& field : fields()) names.push_back(environment_name(field));
    for (const auto& [name, value] : sources_.environment) {
      if (!name.starts_with("TROUPE_")) continue;
      const auto row = std::find(names.begin(), names.end(), name);
      if (row != names.end()) {
        const Field& field = fields()[static_cast<std::size_t>(row - names.begin())];
        keep(set_text(loaded_.settings, field, value, name), field, name);
        continue;
      }
      const auto* end = std::end(kOtherNames);
      if (std::find(std::begin(kOtherNames), end, name) != end) continue;
      // Not an error: container platforms define variables by the names of services.
      const std::vector<std::string_view> known(names.begin(), names.end());
      loaded_.warnings.push_back(name +
                                 ": there is no such setting: " + hint_of(nearest(name, known)));
    }
  }

  void read_flag(const std::string& name, const std::string& value) {
    const Field* field = find_field(name);
    if (!field) {
      mistakes_.push_back(fail(Errc::invalid_argument, name + ": there is no such setting", "--set",
                               hint_of(nearest(name, names_))));
      return;
    }
    const std::string origin = flag_name(*field);
    keep(set_text(loaded_.settings, *field, value, origin), *field, origin);
  }

  void keep(Result<void> result, const Field& field, const std::string& origin) {
    if (!result)
      mistakes_.push_back(std::move(result).error());
    else
      loaded_.origins[std::string(field.name)] = origin;
  }

  const Sources& sources_;
  Loaded loaded_;
  std::vector<std::string_view> names_;
  std::vector<Error> mistakes_;
};

}  // namespace

Result<Loaded> load(const Sources& sources) { return Loader(sources).run(); }

Result<void> check(const Settings& settings) {
  for (const Field& field : fields()) TRY_VOID(check_field(settings, field, "settings"));
  return {};
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> out;
  for (char** row = environ; *row; ++row) {
    const std::string_view text(*row);
    const auto equals = text.find('=');
    const std::string name(text.substr(0, equals));
    if (equals != std::string_view::npos && (name.starts_with("TROUPE_") || name == "HOME" ||
                                             name == "XDG_CONFIG_HOME" || is_foreign_name(name)))
      out[name] = text.substr(equals + 1);
  }
  return out;
}

}  // namespace troupe::config
