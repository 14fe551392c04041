#include "api/router.h"

#include "net/url.h"

namespace troupe::api {
namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> list;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto end = std::min(path.find('/'), path.size());
    list.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return list;
}

// The values of the template's parameters, or nothing when the path is another one.
std::optional<std::vector<std::string>> match(const std::vector<std::string_view>& path,
                                              std::string_view pattern) {
  const auto wanted = segments(pattern);
  if (wanted.size() != path.size()) return std::nullopt;
  std::vector<std::string> values;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (!wanted[i].starts_with('{')) {
      if (wanted[i] != path[i]) return std::nullopt;
      continue;
    }
    auto value = net::percent_decode(path[i]);
    if (!value || value->empty()) return std::nullopt;
    values.push_back(std::move(*value));
  }
  return values;
}

}  // namespace

Route find_route(std::string_view method, std::string_view target) {
  Route route;
  const std::string_view whole = target.substr(0, target.find('?'));
  const auto path = segments(whole);
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const Operation& operation : operations()) {
    const bool literal = operation.path.find('{') == std::string_view::npos;
    if (literal && operation.path != whole) continue;
    auto values = match(path, operation.path);
    if (!values) continue;
    route.allow += (route.allow.empty() ? "" : ", ") + std::string(operation.method);
    if (operation.method == "GET") route.allow += ", HEAD";
    if (operation.method != wanted) continue;
    route.operation = &operation;
    route.path_values = std::move(*values);
  }
  return route;
}

}  // namespace troupe::api
