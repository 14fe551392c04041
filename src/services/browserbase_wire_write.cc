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

// `text` must be digits only; -1 otherwise.
int number(std::string_view text) {
  int value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc{} && end == last && text[0] != '-' ? value : -1;
}

// Takes `Z` or `+hh:mm` at the end; minutes east of Greenwich.
std::optional<int> offset_minutes(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return {};
  const int hours = number(text.substr(1, 2));
  const int minutes = number(text.substr(4, 2));
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return {};
  return (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

// Microseconds of `.123…`; further digits are cut off.
std::optional<std::chrono::microseconds> fraction(std::string_view digits) {
  if (digits.empty()) return {};
  int micros = 0;
  int scale = 100'000;
  for (const char c : digits) {
    if (c < '0' || c > '9') return {};
    micros += (c - '0') * scale;
    scale /= 10;
  }
  return std::chrono::microseconds(micros);
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() < form.size() + 1) return {};
  for (const std::size_t at : {4, 7, 13, 16})
    if (text[at] != form[at]) return {};
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return {};
  const int year = number(text.substr(0, 4));
  const int month = number(text.substr(5, 2));
  const int day = number(text.substr(8, 2));
  const int hour = number(text.substr(11, 2));
  const int minute = number(text.substr(14, 2));
  const int second = number(text.substr(17, 2));
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return {};
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return {};
  std::string_view rest = text.substr(form.size());
  std::chrono::microseconds part{};
  if (rest[0] == '.') {
    const auto end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    const auto micros = fraction(rest.substr(1, end - 1));
    if (!micros) return {};
    part = *micros;
    rest = rest.substr(end);
  }
  const auto offset = offset_minutes(rest);
  if (!offset) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + part - std::chrono::minutes(*offset);
}

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
