// The settings table: one row per member of troupe::Settings. Files, environment, flags, help,
// checks and docs/reference/settings.md all come from these rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "troupe/settings.hpp"

namespace troupe::config {

using Member =
    std::variant<std::string Settings::*, std::vector<std::string> Settings::*, int Settings::*,
                 std::int64_t Settings::*, std::chrono::milliseconds Settings::*>;

struct Field {
  std::string_view group;  ///< Heading in help and docs.
  std::string_view name;   ///< In files; TROUPE_<NAME> in the environment, --<na-me> as a flag.
  Member member;
  std::string_view help;
  std::int64_t min = 0;  ///< Numbers; durations in milliseconds.
  std::int64_t max = 0;
  std::string_view choices = {};  ///< Allowed words separated by `|`; empty: any.
  bool secret = false;            ///< Never shown.
  bool restart = true;            ///< A running service takes it over only when started again.
  /// Variable that others know it by; counts less than the TROUPE_ one and the file's value.
  std::string_view foreign_environment = {};
};

std::span<const Field> fields();
/// The row, or nullptr.
const Field* find_field(std::string_view name);

/// `TROUPE_SESSIONS_MAX`.
std::string environment_name(const Field& field);
/// `--sessions-max`.
std::string flag_name(const Field& field);
/// `text`, `list`, `integer`, `bytes`, `duration`.
std::string_view type_of(const Field& field);
/// Bounds or choices for people: `1..50`, `1s..6h`, `text | json`; empty when there are none.
std::string limits_of(const Field& field);

/// Parses `text` into the member and checks it. `origin` is named in the error.
/// Errors: invalid_argument with name, value, limit and origin.
Result<void> set_text(Settings& settings, const Field& field, std::string_view text,
                      const std::string& origin);
/// The same from a typed value: texts, numbers and lists of texts.
Result<void> set_value(Settings& settings, const Field& field, const json::value& value,
                       const std::string& origin);
/// Checks the bounds of the present value.
Result<void> check_field(const Settings& settings, const Field& field, const std::string& origin);
/// The present value for people; `[secret]` for a secret that is set. Lists are comma separated.
std::string show_value(const Settings& settings, const Field& field);
/// The present value for programs; durations as text (`30s`).
json::value value_of(const Settings& settings, const Field& field);

/// `500ms`, `30s`, `5m`, `2h`, or a plain number of seconds (`1.5`).
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// The shortest exact form: `90s`, `5m`, `1500ms`.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace troupe::config
