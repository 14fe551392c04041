// Finds the operation for a method and a path. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/operations.h"

namespace troupe::api {

/// What a path stands for: an operation, or only the methods that would fit, or nothing.
struct Route {
  const Operation* operation = nullptr;
  std::vector<std::string> path_values;
  std::string allow;  ///< `GET, HEAD, POST`; empty when the path is unknown.
};

/// `target` is as on the request line, so that an encoded slash stays within its segment. HEAD
/// finds GET.
Route find_route(std::string_view method, std::string_view target);

}  // namespace troupe::api
