// What a page says of itself in a form that rules can read: JSON-LD, microdata, meta elements,
// tables of two columns, lists of definitions; put into the shape of a JSON Schema. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace troupe::api {

struct PageValues {
  json::value value;
  std::vector<std::string> missing;  ///< Wanted, and not found: `offers.price`.
};

/// Names are compared without case, `_`, `-` and the like. Texts become numbers and so on where the
/// schema wants them.
PageValues values_by_schema(std::string_view html, std::string_view url,
                            const json::object& schema);

/// The same from JSON.
PageValues values_of_data(const json::value& data, std::string_view url,
                          const json::object& schema);

}  // namespace troupe::api
