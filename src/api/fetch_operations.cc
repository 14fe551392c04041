// Operations that ask the web without a browser: fetch and search.
#include <algorithm>
#include <boost/url.hpp>

#include "api/markdown.h"
#include "api/operations.h"
#include "api/page_values.h"
#include "base/random.h"
#include "net/http_client.h"
#include "net/url.h"
#include "services/json_schema.h"
#include "services/model.h"
#include "services/prompts.h"
#include "sessions/context_cookies.h"

namespace troupe::api {
namespace {

constexpr std::array<std::string_view, 3> kFormats = {"raw", "json", "markdown"};
constexpr std::int64_t kContentBytesMax = 1'000'000;
constexpr std::int64_t kSearchBytesMax = 4 << 20;
constexpr int kRedirectsMax = 10;
constexpr Duration kFetchTimeout = std::chrono::seconds(30);
constexpr std::size_t kLinksMax = 500;
constexpr std::size_t kModelTextMax = 60'000;

constexpr Field kFetchFields[] = {
    {"url", FieldType::string, "http or https.", true},
    {"allowRedirects", FieldType::boolean, "Follow up to 10 redirects; false when not given."},
    {"allowInsecureSsl", FieldType::boolean, "Take any certificate; false when not given."},
    {"proxies", FieldType::any, "true: through the proxy of setting proxy_url."},
    {"format", FieldType::string, "raw when not given.", false, 0, 0, kFormats},
    {"schema", FieldType::object,
     "JSON Schema of the content in format json: filled from what the page says in structured "
     "data, tables and the like, else by the configured language model."},
    {"contextId", FieldType::string, "The page is asked for with the cookies of this context."},
};
constexpr Field kSearchFields[] = {
    {"query", FieldType::string, "1 to 200 characters.", true},
    {"numResults", FieldType::integer, "10 when not given.", false, 1, 25},
};

Error refused(std::string what, std::string hint = "leave it out") {
  return fail(Errc::unsupported, std::move(what) + ": not offered by this service", "request body",
              std::move(hint));
}

Error no_proxy(const Settings& settings) {
  if (settings.proxy_url.empty())
    return refused("proxies", "set proxy_url, or open the page in a session with an external one");
  return refused("proxies", "fetches take a proxy_url that begins with http:// only");
}

// Who asks: directly or through the proxy, with certificates checked or not.
Result<net::HttpClient*> client_for(const Call& call) {
  const Services& services = call.services;
  const bool insecure = find_bool(call.body, "allowInsecureSsl").value_or(false);
  const json::value* proxies = find(call.body, "proxies");
  const bool direct = !proxies || proxies->is_null() || *proxies == false;
  if (!services.fetcher) return refused("fetch", {});
  if (direct) return insecure ? services.unverified_fetcher : services.fetcher;
  const json::object* choice = proxies->if_object();
  if (!choice && !proxies->is_bool())
    return fail(Errc::invalid_argument, "proxies: is neither a boolean nor an object",
                "request body");
  if (choice && choice->contains("geolocation"))
    return refused("proxies.geolocation", "leave it out: proxy_url is one proxy in one place");
  net::HttpClient* client =
      insecure ? services.unverified_proxied_fetcher : services.proxied_fetcher;
  if (!client) return no_proxy(services.settings);
  return client;
}

Result<std::string> format_of(const json::object& body) {
  const json::value* schema = find(body, "schema");
  const auto format = find_string(body, "format");
  const bool by_schema = schema && !schema->is_null();
  if (by_schema && format && *format != "json")
    return fail(Errc::invalid_argument,
                "schema: only goes with format json, not " + std::string(*format), "request body");
  return by_schema ? "json" : std::string(format.value_or("raw"));
}

// Of the context that the request names; none when it names none.
Async<json::array> cookies_for(Context& ctx, const Call& call) {
  const auto id = find_string(call.body, "contextId");
  if (!id) co_return json::array();
  sessions::ContextStore* contexts = call.services.stores.contexts;
  if (!contexts) co_return refused("contextId");
  const std::string dir = call.services.settings.data_dir + "/browsers";
  std::string name(*id);
  co_return co_await sessions::cookies_of_context(ctx, *contexts, std::move(name), dir);
}

// What went wrong on the way to the page is the page's failure (502), not the caller's.
Error page_failure(Error error) {
  if (error.code == Errc::payload_too_large)
    return fail(Errc::http_error,
                "fetch: the content exceeds " + std::to_string(kContentBytesMax) + " bytes",
                error.source);
  if (error.code == Errc::cancelled) return error;
  error.message = "fetch: " + error.message;
  return error;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string next_address(const std::string& url, std::string_view location) {
  const auto base = boost::urls::parse_uri(url);
  const auto reference = boost::urls::parse_uri_reference(location);
  boost::urls::url next;
  if (!base || !reference || !boost::urls::resolve(*base, *reference, next)) return {};
  return std::string(next.buffer().data(), next.buffer().size());
}

struct Page {
  std::string url;
  net::HttpReply reply;
};

// The cookies are chosen anew for each address on the way; those that answers set are not kept.
Async<Page> get_page(Context& ctx, net::HttpClient& client, std::string url, bool redirects,
                     const json::array& cookies) {
  for (int hops = 0;; ++hops) {
    net::HttpCall call{.url = url,
                       .headers = {{"Accept", "text/html,application/json;q=0.9,*/*;q=0.8"}},
                       .response_bytes_max = kContentBytesMax};
    CO_TRY(const auto address, net::parse_url(url));
    std::string header = sessions::cookie_header(cookies, address, ctx.clock().wall());
    if (!header.empty()) call.headers.emplace_back("Cookie", std::move(header));
    auto reply = co_await client.send(ctx, std::move(call));
    if (!reply) co_return page_failure(std::move(reply).error());
    const std::string_view location = reply->header("location");
    if (!redirects || !is_redirect(reply->status) || location.empty())
      co_return Page{std::move(url), std::move(*reply)};
    if (hops == kRedirectsMax)
      co_return fail(Errc::http_error,
                     "fetch: more than " + std::to_string(kRedirectsMax) + " redirects", "url");
    std::string next = next_address(url, location);
    if (next.empty()) co_return fail(Errc::http_error, "fetch: redirected to no address", "url");
    url = std::move(next);
  }
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      text += k <= bytes.size() - i ? kLetters[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

json::object outline_object(const PageOutline& outline, const std::string& url) {
  json::array links;
  for (const auto& [text, address] : outline.links)
    if (links.size() < kLinksMax) links.push_back({{"text", text}, {"url", address}});
  return {{"url", url},
          {"title", outline.title},
          {"description", outline.description},
          {"headings", json::array(outline.headings.begin(), outline.headings.end())},
          {"links", std::move(links)}};
}

// The content in the format asked for, with its encoding.
json::object content_of(const Page& page, std::string_view format) {
  const std::string type(page.reply.header("content-type"));
  const std::string& body = page.reply.body;
  const bool html = type.find("html") != std::string::npos;
  json::object content{{"encoding", "utf-8"}};
  if (!net::is_utf8(body)) {
    content["content"] = base64(body);
    content["encoding"] = "base64";
  } else if (format == "markdown" && html) {
    content["content"] = markdown_of(body, page.url);
  } else if (format == "json") {
    auto parsed = parse_json(body, "content");
    if (html) {
      content["content"] = outline_object(outline_of(body, page.url), page.url);
    } else if (parsed && parsed->is_object()) {
      content["content"] = std::move(*parsed);
    } else {
      content["content"] = json::object{{"value", parsed ? std::move(*parsed) : json::value(body)}};
    }
  } else {
    content["content"] = body;
  }
  return content;
}

std::string names_of(const std::vector<std::string>& missing) {
  std::string text;
  for (std::size_t i = 0; i < missing.size() && i < 10; ++i)
    text += (i ? ", " : "") + missing[i].substr(0, 80);
  return text;
}

// Reads the page by a language model.
Async<json::value> ask_model(Context& ctx, services::Model& model, const Page& page,
                             json::object schema) {
  std::string text = markdown_of(page.reply.body, page.url).substr(0, kModelTextMax);
  while (!net::is_utf8(text)) text.pop_back();  // half a character
  const std::string wanted = "The values that this JSON Schema names: " + json::serialize(schema);
  const std::string url = page.url.substr(0, 300);
  bool wrapped = false;
  services::ModelRequest request;
  request.schema = services::object_schema(schema, wrapped);
  request.messages.push_back(
      {.text =
           services::prompt("extract", {{"instruction", wanted}, {"url", url}, {"text", text}})});
  request.temperature = 0;
  request.output_tokens_max = 8'192;
  request.purpose = "extract";
  services::ModelOptions options;
  CO_TRY(auto reply, co_await model.generate(ctx, std::move(request), std::move(options)));
  if (!wrapped) co_return std::move(reply.structured);
  const json::value* value = find(reply.structured, "value");
  co_return value ? *value : json::value(nullptr);
}

// What the page says in a form that rules can read; a model only for what they do not find.
Async<json::object> content_by_schema(Context& ctx, const Call& call, const Page& page) {
  const json::object schema = find(call.body, "schema")->get_object();
  const std::string& body = page.reply.body;
  const auto parsed = parse_json(body, "content");
  PageValues found =
      parsed ? values_of_data(*parsed, page.url, schema) : values_by_schema(body, page.url, schema);
  if (parsed && services::check_schema(*parsed, schema)) found = {*parsed, {}};
  const auto fits = services::check_schema(found.value, schema);
  services::Model* model = call.services.model;
  const bool is_done = fits && (found.missing.empty() || !model);
  if (!is_done && !model)
    co_return fail(Errc::unsupported,
                   "schema: the page does not say in structured data: " + names_of(found.missing),
                   "request body", "set models, for a language model to read it");
  if (!is_done) {
    CO_TRY(found.value, co_await ask_model(ctx, *model, page, schema));
  }
  json::object content{{"encoding", "utf-8"}};
  if (found.value.is_object())
    content["content"] = std::move(found.value);
  else
    content["content"] = json::object{{"value", std::move(found.value)}};
  co_return content;
}

std::string with_query(std::string address, std::string_view query, std::int64_t count) {
  const std::pair<std::string_view, std::string> values[] = {
      {"{query}", net::percent_encode(query)}, {"{count}", std::to_string(count)}};
  for (const auto& [name, value] : values)
    if (const auto at = address.find(name); at != std::string::npos)
      address.replace(at, name.size(), value);
  return address;
}

// One row of the search service's answer; nothing without an address.
std::optional<json::object> search_row(const json::value& value) {
  if (!value.is_object()) return std::nullopt;
  const json::object& row = value.get_object();
  const auto url = find_string(row, "url");
  if (!url || !net::parse_url(*url)) return std::nullopt;
  json::object result{
      {"id", *url}, {"url", *url}, {"title", find_string(row, "title").value_or(*url)}};
  const auto copy = [&](std::string_view from, std::string_view to) {
    if (const auto text = find_string(row, from); text && !text->empty()) result[to] = *text;
  };
  copy("author", "author");
  copy("publishedDate", "publishedDate");
  copy("img_src", "image");
  copy("image", "image");
  copy("favicon", "favicon");
  return result;
}

}  // namespace

std::span<const Field> fetch_fields() { return kFetchFields; }
std::span<const Field> search_fields() { return kSearchFields; }

Async<net::HttpResponse> fetch_page(Context& ctx, const Call& call) {
  CO_TRY(net::HttpClient* const client, client_for(call));
  CO_TRY(const std::string format, format_of(call.body));
  std::string url(find_string(call.body, "url").value_or(""));
  CO_TRY(const auto parsed, net::parse_url(url));
  if (!parsed.user_info.empty())
    co_return fail(Errc::invalid_argument, "url: has a user name in it", "request body");
  const bool redirects = find_bool(call.body, "allowRedirects").value_or(false);
  Context limited = ctx.with_timeout(kFetchTimeout, "fetch");
  CO_TRY(const auto cookies, co_await cookies_for(limited, call));
  CO_TRY(const auto page, co_await get_page(limited, *client, std::move(url), redirects, cookies));
  // A page that failed is told as it is.
  const json::value* schema = find(call.body, "schema");
  const bool by_schema = schema && schema->is_object() && page.reply.status / 100 == 2 &&
                         net::is_utf8(page.reply.body);
  json::object body;
  if (by_schema) {
    CO_TRY(body, co_await content_by_schema(ctx, call, page));
  } else {
    body = content_of(page, format);
  }
  json::object headers;
  for (const auto& [name, value] : page.reply.headers)
    if (net::is_utf8(value)) headers[name] = value;
  body["id"] = Random::from_system().uuid();
  body["statusCode"] = page.reply.status;
  body["headers"] = std::move(headers);
  body["contentType"] = page.reply.header("content-type");
  co_return json_response(body);
}

Async<net::HttpResponse> search_web(Context& ctx, const Call& call) {
  const std::string& address = call.services.settings.search_url;
  if (address.empty() || !call.services.searcher)
    co_return refused("search", "set search_url to a search service that answers in JSON");
  const std::string query(find_string(call.body, "query").value_or(""));
  if (query.empty() || query.size() > 800)
    co_return fail(Errc::invalid_argument, "query: is not 1 to 200 characters", "request body");
  const std::int64_t count = find_int(call.body, "numResults").value_or(10);
  net::HttpCall asked{.url = with_query(address, query, count),
                      .headers = {{"Accept", "application/json"}},
                      .response_bytes_max = kSearchBytesMax};
  Context limited = ctx.with_timeout(kFetchTimeout, "search");
  CO_TRY(const auto reply, co_await call.services.searcher->send(limited, std::move(asked)));
  if (reply.status != 200)
    co_return fail(Errc::http_error,
                   "search service: answers with status " + std::to_string(reply.status),
                   "search_url");
  CO_TRY(const auto answer, parse_json(reply.body, "answer of the search service"));
  const json::value* rows = find(answer, "results");
  if (!rows || !rows->is_array())
    co_return fail(Errc::protocol_error, "search service: its answer has no list 'results'",
                   "search_url");
  json::array results;
  for (const json::value& row : rows->get_array()) {
    auto result = search_row(row);
    if (result && static_cast<std::int64_t>(results.size()) < count)
      results.push_back(std::move(*result));
  }
  json::object body{{"requestId", Random::from_system().uuid()},
                    {"query", query},
                    {"results", std::move(results)}};
  co_return json_response(body);
}

}  // namespace troupe::api
