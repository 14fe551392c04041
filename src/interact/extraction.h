// What an `extract` step wants, as the page's script takes it, and the texts that come back turned
// into typed values. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace troupe::interact {

/// One wanted field. Types: string, integer, number, boolean, count (`1.2M views`), duration
/// (`1:37:24`, seconds), price, url, image (its URL), date, rating; `string[]` and the like are
/// lists.
struct FieldPlan {
  std::string name;
  std::string type = "string";
  bool list = false;
  bool iso = false;  ///< Of a JSON Schema's `format: date`: as ISO 8601 where it can be read so.
  /// true: must be there. false: null when it is missing or does not fit. Not said: null when it is
  /// missing; one that does not fit is an error, but in a list of items null.
  std::optional<bool> required;
  std::vector<FieldPlan> fields;  ///< Not empty: an object, or a list of objects when `list`.
};

struct ExtractionPlan {
  json::object script;  ///< Argument of the script's extract().
  std::vector<FieldPlan> fields;
  bool list = false;
  std::int64_t min = 0;
  std::int64_t limit = 1000;
  /// `none`; `scroll`: a list is read on by scrolling; `pages`: also by its buttons and links for
  /// more, through `pages_max` parts at most.
  std::string more = "none";
  std::int64_t pages_max = 20;
  std::string unique_by, within;
  bool sources = false;        ///< Each value tells its element.
  std::string inner_list;      ///< The only list of an object: what `more` and `limit` are about.
  bool wrapped_value = false;  ///< The schema is one plain value: the result is `value` alone.
};

/// Errors: invalid_argument naming the field.
Result<ExtractionPlan> plan_extraction(const json::object& args);

/// Types all values. `page_url` completes relative URLs.
/// Errors: extraction_failed, naming item, field and value.
Result<json::value> type_values(const ExtractionPlan& plan, const json::value& raw,
                                std::string_view page_url);

/// One text to one value of a type. Errors: extraction_failed.
Result<json::value> convert(std::string_view raw, std::string_view type, std::string_view page_url);
/// A date in English or by numbers, when it can mean one day only: `2024-11-02`. The text when not.
std::string iso_date(std::string_view raw);
bool is_field_type(std::string_view type);
/// The types that is_field_type() knows.
std::span<const std::string_view> field_types();
/// What a field that is written as an object may say.
std::span<const std::string_view> field_keys();

}  // namespace troupe::interact
