// The metadata query of the session list: `user_metadata['shop']['name']:'spoons'`. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace troupe::api {

/// One text at one place of the metadata.
struct MetadataQuery {
  std::vector<std::string> path;
  std::string value;
  /// Whether the metadata has exactly that text there.
  bool fits(const json::object& metadata) const;
};

/// `user_metadata` `['name']`... `:` `'value'`; single or double quotes; `\` before a quote or a
/// backslash; blanks around the colon. Errors: invalid_argument, with the offset.
Result<MetadataQuery> parse_metadata_query(std::string_view text);

}  // namespace troupe::api
