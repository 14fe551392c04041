#include "api/openapi.h"

#include "api/operations.h"
#include "base/assets.h"

namespace troupe::api {
namespace {

json::object reference(std::string_view schema) {
  return {{"$ref", "#/components/schemas/" + std::string(schema)}};
}

json::object content(std::string_view type, json::object schema) {
  return {{type, json::object{{"schema", std::move(schema)}}}};
}

json::array parameters(const Operation& operation) {
  json::array list;
  std::string_view rest = operation.path;
  for (auto open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
    const auto close = rest.find('}', open);
    list.push_back({{"name", rest.substr(open + 1, close - open - 1)},
                    {"in", "path"},
                    {"required", true},
                    {"schema", {{"type", "string"}}}});
    rest.remove_prefix(close);
  }
  for (const auto& query : operation.query)
    list.push_back({{"name", query.name},
                    {"in", "query"},
                    {"description", query.help},
                    {"schema", {{"type", query.type}}}});
  return list;
}

json::object operation_object(const Operation& operation) {
  json::object success{{"description", operation.summary}};
  if (!operation.response.empty())
    success["content"] = content(operation.response_type, reference(operation.response));
  const bool browserbase = is_browserbase_path(operation.path);
  json::object failure{
      {"description", "A problem (RFC 9457)."},
      {"content", content(browserbase ? "application/json" : "application/problem+json",
                          reference("Problem"))}};
  json::object object{
      {"operationId", operation.id},
      {"summary", operation.summary},
      {"responses",
       {{std::to_string(operation.success), std::move(success)}, {"default", std::move(failure)}}}};
  if (json::array list = parameters(operation); !list.empty())
    object["parameters"] = std::move(list);
  if (!operation.body.empty())
    object["requestBody"] = {
        {"content", content("application/json", schema_of(operation.body, operation.unknown))}};
  if (operation.upload)
    object["requestBody"] = {{"required", true},
                             {"content", content("multipart/form-data", reference("UploadForm"))}};
  if (operation.access == Access::open) object["security"] = json::array();
  return object;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c + 32);
  return out;
}

}  // namespace

json::object openapi_document() {
  json::object paths;
  for (const Operation& operation : operations()) {
    auto& path = paths[operation.path];
    if (!path.is_object()) path.emplace_object();
    path.get_object()[lower(operation.method)] = operation_object(operation);
  }
  auto schemas = parse_json(assets::get("api/schemas.json"), "api/schemas.json");
  json::object schemes{
      {"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
      {"apiKey", {{"type", "apiKey"}, {"in", "header"}, {"name", "X-API-Key"}}},
      {"browserbaseKey", {{"type", "apiKey"}, {"in", "header"}, {"name", "X-BB-API-Key"}}}};
  json::array security;
  for (const auto& scheme : schemes)
    security.push_back(json::object{{scheme.key(), json::array()}});
  return {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Troupe"},
        {"version", TROUPE_VERSION},
        {"description", "Runs workflows on parallel browser sessions."},
        {"license", {{"name", "MIT"}, {"identifier", "MIT"}}}}},
      {"security", std::move(security)},
      {"paths", std::move(paths)},
      {"components", {{"securitySchemes", std::move(schemes)}, {"schemas", std::move(*schemas)}}}};
}

}  // namespace troupe::api
