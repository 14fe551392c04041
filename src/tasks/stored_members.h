// Reads the members of a stored JSON object into a struct; the first that is missing or of another
// type is the error. Pure.
#pragma once

#include <algorithm>
#include <concepts>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace troupe::tasks {

/// The enumerator at the name's place in `names`.
template <class Enum>
std::optional<Enum> named(std::span<const std::string_view> names, std::string_view name) {
  const auto place = std::ranges::find(names, name);
  if (place == names.end()) return std::nullopt;
  return static_cast<Enum>(place - names.begin());
}

class StoredMembers final {
 public:
  /// `what` is for messages: `stored schedule`. Anything but an object lacks every member.
  StoredMembers(const json::value& value, std::string_view what)
      : object_(value.is_object() ? value.get_object() : empty()), what_(what) {}

  void text(std::string_view key, std::string& out) {
    const auto value = find_string(object_, key);
    if (value) out = *value;
    check(key, value.has_value());
  }
  template <std::integral Integer>
  void number(std::string_view key, Integer& out) {
    const auto value = find_int(object_, key);
    if (value) out = static_cast<Integer>(*value);
    check(key, value.has_value());
  }
  void flag(std::string_view key, bool& out) {
    const auto value = find_bool(object_, key);
    if (value) out = *value;
    check(key, value.has_value());
  }
  template <class Enum>
  void word(std::string_view key, std::span<const std::string_view> names, Enum& out) {
    const auto value = named<Enum>(names, find_string(object_, key).value_or(""));
    if (value) out = *value;
    check(key, value.has_value());
  }
  void object(std::string_view key, json::object& out) {
    const json::value* value = find(object_, key);
    if (value && value->is_object()) out = value->get_object();
    check(key, value && value->is_object());
  }
  void texts(std::string_view key, std::vector<std::string>& out) {
    for (const json::value& value : list(key)) {
      if (value.is_string()) out.emplace_back(std::string_view(value.get_string()));
      check(key, value.is_string());
    }
  }
  /// Empty when it is missing.
  const json::array& list(std::string_view key) {
    static const json::array none;
    const json::value* value = find(object_, key);
    check(key, value && value->is_array());
    return value && value->is_array() ? value->get_array() : none;
  }
  Result<void> end() const {
    if (wrong_.empty()) return {};
    return fail(Errc::protocol_error, what_ + ": '" + wrong_ + "' is missing or of another type");
  }

 private:
  static const json::object& empty() {
    static const json::object none;
    return none;
  }
  void check(std::string_view key, bool ok) {
    if (!ok && wrong_.empty()) wrong_ = key;
  }

  const json::object& object_;
  std::string what_;
  std::string wrong_;
};

/// An object with `"v": 1`. Errors: protocol_error.
inline Result<json::value> parse_stored(std::string_view text, std::string_view what) {
  TRY(json::value value, parse_json(text, what));
  if (!value.is_object() || find_int(value.get_object(), "v") != 1)
    return fail(Errc::protocol_error, std::string(what) + ": its version is not 1", {},
                "it was written by another release");
  return value;
}

}  // namespace troupe::tasks
