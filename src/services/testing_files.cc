#include "services/browserbase_wire.h"
#include "services/testing.h"

namespace troupe::services {
namespace {

// What stands between `before` and `after`; nothing when one of them is missing.
std::optional<std::string> between(std::string_view text, std::string_view before,
                                   std::string_view after) {
  const auto start = text.find(before);
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start + before.size());
  const auto end = text.find(after);
  if (end == std::string_view::npos) return {};
  return std::string(text.substr(0, end));
}

json::object download_json(const Download& download) {
  return {{"id", download.id},
          {"sessionId", download.session_id},
          {"filename", download.filename},
          {"mimeType", download.mime_type},
          {"size", download.size},
          {"checksum", download.checksum},
          {"createdAt", to_rfc3339(download.created_at)}};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

}  // namespace

std::optional<Upload> FakeBrowserbase::uploaded_file(const net::HttpRequest& request) {
  const auto type = request.header("content-type");
  const auto at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string_view::npos) return {};
  const std::string boundary = "--" + std::string(type.substr(at + 9));
  const std::string_view body = request.body;
  const auto header_end = body.find("\r\n\r\n");
  if (!body.starts_with(boundary + "\r\n") || header_end == std::string_view::npos) return {};
  const auto head = body.substr(0, header_end);
  const auto field = between(head, " name=\"", "\"");
  const auto name = between(head, "filename=\"", "\"");
  const auto bytes = between(body, "\r\n\r\n", "\r\n" + boundary + "--\r\n");
  if (field != "file" || !name || !bytes) return {};
  Upload upload{*name, {}, *bytes};
  upload.content_type = std::string(head.substr(head.rfind(' ') + 1));
  return upload;
}

json::object FakeBrowserbase::upload_of_context(const std::string& id) const {
  return {{"id", id},
          {"uploadUrl", base_url() + "/none"},
          {"publicKey", "none"},
          {"cipherAlgorithm", "AES-256-CBC"},
          {"initializationVectorSize", 16}};
}

net::HttpResponse FakeBrowserbase::contexts(const Place& place, const net::HttpRequest& request) {
  const std::string now = to_rfc3339(clock_.wall());
  if (place.method == "POST" && place.id.empty()) {
    const auto body = parse_json(request.body.empty() ? "{}" : request.body, "body");
    if (!body || !body->is_object()) return refusal(400, "Body is not a JSON object");
    const auto name = find_string(body->get_object(), "name");
    for (const auto& [id, context] : contexts_)
      if (name && lower(find_string(context, "name").value_or("")) == lower(*name))
        return refusal(409, "A context of that name exists");
    const std::string id = random_.uuid();
    json::object context{
        {"id", id}, {"createdAt", now}, {"updatedAt", now}, {"projectId", options_.project_id}};
    if (name) context["name"] = *name;
    contexts_[id] = std::move(context);
    return json_answer(201, upload_of_context(id));
  }
  const auto found = contexts_.find(place.id);
  if (found == contexts_.end()) return refusal(404, "Context not found");
  if (place.method == "GET") return json_answer(200, found->second);
  if (place.method == "PUT") return json_answer(200, upload_of_context(place.id));
  if (place.method != "DELETE") return refusal(404, "Not found");
  contexts_.erase(found);
  return {.status = 204};
}

net::HttpResponse FakeBrowserbase::files(const Place& place, const net::HttpRequest& request) {
  auto& kind = files_[place.kind];
  const std::string now = to_rfc3339(clock_.wall());
  if (place.method == "POST" && place.id.empty()) {
    const auto file = uploaded_file(request);
    if (!file || file->bytes.empty()) return refusal(400, "The multipart field 'file' is missing");
    const bool extension = place.kind == "extensions";
    if (extension && !file->bytes.starts_with("PK"))
      return refusal(400, "The file is not a zip archive");
    const std::string id = random_.uuid();
    if (extension) extensions_[id] = file->bytes;
    kind[id] = json::object{{"id", id},
                            {"createdAt", now},
                            {"updatedAt", now},
                            {"fileName", file->filename},
                            {"projectId", options_.project_id}};
    return json_answer(200, kind[id]);
  }
  if (place.method == "GET" && place.id.empty() && place.kind == "certificates") {
    json::array all;
    for (const auto& [id, file] : kind) all.push_back(file);
    return json_answer(200, all);
  }
  const auto found = kind.find(place.id);
  if (found == kind.end()) return refusal(404, "Not found");
  if (place.method == "GET") return json_answer(200, found->second);
  if (place.method != "DELETE") return refusal(404, "Not found");
  kind.erase(found);
  extensions_.erase(place.id);
  return {.status = 204};
}

net::HttpResponse FakeBrowserbase::downloads(const Place& place, const net::HttpRequest& request) {
  if (place.id.empty()) {
    const std::string* session = request.query_value("sessionId");
    if (!session) return refusal(400, "sessionId: is required");
    const std::string* name = request.query_value("filename");
    json::array all;
    for (const auto& [id, row] : downloads_)
      if (row.first.session_id == *session && (!name || row.first.filename == *name))
        all.push_back(download_json(row.first));
    const auto total = all.size();
    return json_answer(
        200, json::object{
                 {"downloads", std::move(all)}, {"total", total}, {"limit", 20}, {"offset", 0}});
  }
  const auto found = downloads_.find(place.id);
  if (found == downloads_.end()) return refusal(404, "Download not found");
  if (place.method == "DELETE") {
    downloads_.erase(found);
    return {.status = 204};
  }
  if (request.header("accept") == "application/json")
    return json_answer(200, download_json(found->second.first));
  net::HttpResponse response;
  response.content_type = found->second.first.mime_type;
  response.body = found->second.second;
  return response;
}

net::HttpResponse FakeBrowserbase::projects(const Place& place) const {
  const std::string then = "2026-01-01T00:00:00.000Z";
  const json::object project{{"id", options_.project_id},
                             {"createdAt", then},
                             {"updatedAt", then},
                             {"name", "Test"},
                             {"ownerId", "owner-1"},
                             {"defaultTimeout", options_.default_timeout_seconds},
                             {"concurrency", options_.concurrency}};
  if (place.id.empty()) return json_answer(200, json::array{project});
  if (place.id != options_.project_id) return refusal(404, "Project not found");
  if (place.suffix.empty()) return json_answer(200, project);
  if (place.suffix != "/usage") return refusal(404, "Not found");
  // One minute is the least that a session costs.
  return json_answer(200, json::object{{"browserMinutes", sessions_.size()}, {"proxyBytes", 0}});
}

net::HttpResponse FakeBrowserbase::fetch_or_search(const Place& place,
                                                   const net::HttpRequest& request) {
  const auto body = parse_json(request.body, "body");
  if (place.method != "POST" || !body || !body->is_object())
    return refusal(400, "Body is not a JSON object");
  const auto& object = body->get_object();
  if (place.kind == "search") {
    const auto query = find_string(object, "query");
    if (!query || query->empty()) return refusal(400, "query: is required");
    const json::object hit{
        {"id", "1"}, {"url", "https://example.com/"}, {"title", *query}, {"author", "nobody"}};
    return json_answer(
        200, json::object{
                 {"requestId", random_.uuid()}, {"query", *query}, {"results", json::array{hit}}});
  }
  const auto url = find_string(object, "url");
  if (!url || !url->starts_with("http")) return refusal(400, "url: is not a URL");
  json::object result{{"id", random_.uuid()}, {"statusCode", 200}};
  result["headers"] = json::object{{"content-type", "text/html"}};
  result["content"] = "fetched " + std::string(*url);
  if (find_string(object, "format") == "json") result["content"] = json::object{{"url", *url}};
  result["contentType"] = "text/html";
  result["encoding"] = "utf-8";
  return json_answer(200, result);
}

}  // namespace troupe::services
