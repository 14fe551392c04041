#include <array>
#include <charconv>

#include "net/url.h"
#include "services/browserbase_wire.h"

namespace troupe::services {
namespace {

constexpr std::array<std::string_view, 6> kStatuses = {"PENDING",   "RUNNING",   "ERROR",
                                                       "TIMED_OUT", "COMPLETED", "UNKNOWN"};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string_view to_string(RemoteStatus status) {
  return kStatuses[static_cast<std::size_t>(status)];
}

std::string metadata_query(std::string_view key, std::string_view value) {
  return "user_metadata['" + escaped(key) + "']:'" + escaped(value) + "'";
}

namespace wire {
namespace {

void put(json::object& object, std::string_view key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

template <class T>
void put(json::object& object, std::string_view key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

json::array texts(const std::vector<std::string>& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

json::object to_wire(const RemoteProxy& proxy) {
  json::object out{{"type", proxy.type}};
  put(out, "server", proxy.server);
  put(out, "domainPattern", proxy.domain_pattern);
  put(out, "username", proxy.username);
  put(out, "password", proxy.password);
  if (!proxy.geolocation.empty()) out["geolocation"] = proxy.geolocation;
  return out;
}

json::object browser_settings(const CreateSession& request) {
  json::object out = request.browser_settings;
  if (!request.context_id.empty()) {
    out["context"] = json::object{{"id", request.context_id}, {"persist", request.context_persist}};
  }
  if (request.viewport_width && request.viewport_height)
    out["viewport"] =
        json::object{{"width", *request.viewport_width}, {"height", *request.viewport_height}};
  put(out, "blockAds", request.block_ads);
  put(out, "solveCaptchas", request.solve_captchas);
  put(out, "recordSession", request.record_session);
  put(out, "logSession", request.log_session);
  put(out, "ignoreCertificateErrors", request.ignore_certificate_errors);
  if (!request.allowed_domains.empty()) out["allowedDomains"] = texts(request.allowed_domains);
  return out;
}

// Collects `name=value` pairs.
class Query final {
 public:
  Query& add(std::string_view name, const std::string& value) {
    if (value.empty()) return *this;
    text_ += text_.empty() ? '?' : '&';
    text_.append(name).append("=").append(net::percent_encode(value));
    return *this;
  }
  template <class T>
  Query& add(std::string_view name, const std::optional<T>& value) {
    return value ? add(name, std::to_string(*value)) : *this;
  }
  Query& add(std::string_view name, const std::optional<WallTime>& value) {
    return value ? add(name, to_rfc3339(*value)) : *this;
  }
  std::string text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

RemoteStatus status_from(std::string_view text) {
  for (std::size_t i = 0; i < kStatuses.size(); ++i)
    if (kStatuses[i] == text) return static_cast<RemoteStatus>(i);
  return RemoteStatus::unknown;
}

json::object to_wire(const CreateSession& request, const std::string& project_id) {
  json::object out;
  put(out, "projectId", request.project_id.empty() ? project_id : request.project_id);
  put(out, "extensionId", request.extension_id);
  put(out, "timeout", request.timeout_seconds);
  if (request.keep_alive) out["keepAlive"] = true;
  if (!request.proxies.empty()) {
    json::array proxies;
    for (const auto& proxy : request.proxies) proxies.push_back(to_wire(proxy));
    out["proxies"] = std::move(proxies);
  } else if (request.default_proxies) {
    out["proxies"] = true;
  }
  if (!request.ca_certificates.empty())
    out["proxySettings"] = json::object{{"caCertificates", texts(request.ca_certificates)}};
  put(out, "region", request.region);
  if (!request.user_metadata.empty()) out["userMetadata"] = request.user_metadata;
  json::object settings = browser_settings(request);
  if (!settings.empty()) out["browserSettings"] = std::move(settings);
  return out;
}

json::object to_wire(const FetchRequest& request) {
  json::object out{{"url", request.url}};
  if (request.allow_redirects) out["allowRedirects"] = true;
  if (request.allow_insecure_ssl) out["allowInsecureSsl"] = true;
  if (!request.proxy_geolocation.empty()) {
    out["proxies"] = json::object{{"geolocation", request.proxy_geolocation}};
  } else if (request.proxies) {
    out["proxies"] = true;
  }
  put(out, "format", request.format);
  if (!request.schema.empty()) out["schema"] = request.schema;
  put(out, "contextId", request.context_id);
  return out;
}

json::object to_wire(const SearchRequest& request) {
  json::object out{{"query", request.query}};
  put(out, "numResults", request.num_results);
  return out;
}

std::string to_query(const SessionQuery& query) {
  const std::string status = query.status ? std::string(to_string(*query.status)) : std::string{};
  return Query().add("status", status).add("q", query.q).text();
}

std::string to_query(const DownloadQuery& query) {
  return Query()
      .add("sessionId", query.session_id)
      .add("filename", query.filename)
      .add("mimeType", query.mime_type)
      .add("minSize", query.size_min)
      .add("maxSize", query.size_max)
      .add("createdAfter", query.created_after)
      .add("createdBefore", query.created_before)
      .add("limit", query.limit)
      .add("offset", query.offset)
      .text();
}

std::string to_multipart(const Upload& file, std::string_view boundary) {
  // As browsers write names: quotes and line ends percent-encoded, the rest as UTF-8.
  std::string name;
  for (const char c : file.filename) {
    if (c == '"') {
      name += "%22";
    } else if (c == '\r') {
      name += "%0D";
    } else if (c == '\n') {
      name += "%0A";
    } else {
      name += c;
    }
  }
  std::string body = "--" + std::string(boundary) +
                     "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name +
                     "\"\r\nContent-Type: " + file.content_type + "\r\n\r\n";
  body += file.bytes;
  body.append("\r\n--").append(boundary).append("--\r\n");
  return body;
}

}  // namespace wire
}  // namespace troupe::services
