#include "services/object_storage.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/digest.h"
#include "net/url.h"

namespace troupe::services {
namespace {

constexpr std::int64_t kErrorBytesMax = 64 << 10;
constexpr std::size_t kObjectBytesMax = std::size_t{5} << 30;

// `20261123T024500Z`
std::string amz_date(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[20];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

std::string encoded_path(const std::string& bucket, const std::string& key) {
  std::string path = "/" + net::percent_encode(bucket) + "/";
  for (const char c : key) path += c == '/' ? "/" : net::percent_encode(std::string(1, c));
  return path;
}

// The content of `<name>` in an error document; they are small and flat.
std::string element(std::string_view document, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const auto begin = document.find(open);
  if (begin == document.npos) return {};
  const auto end = document.find('<', begin + open.size());
  return std::string(document.substr(begin + open.size(), end - begin - open.size()));
}

bool is_passing(int status) { return status >= 500 || status == 429 || status == 408; }

}  // namespace

std::string signature_v4(const SignedRequest& request, const ObjectStorageOptions& options) {
  net::Headers headers = request.headers;
  std::ranges::sort(headers);
  std::string canonical = request.method + "\n" + request.path + "\n\n";
  std::string names, date;
  for (const auto& [name, value] : headers) {
    canonical += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
    if (name == "x-amz-date") date = value;
  }
  canonical += "\n" + names + "\n" + request.payload_sha256;
  const std::string day = date.substr(0, 8);
  const std::string scope = day + "/" + options.region + "/s3/aws4_request";
  const std::string text =
      "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + to_hex(sha256(canonical));
  std::string key = "AWS4" + options.secret_key;
  for (const std::string& part :
       {day, options.region, std::string("s3"), std::string("aws4_request")})
    key = hmac_sha256(key, part);
  return "AWS4-HMAC-SHA256 Credential=" + options.access_key + "/" + scope +
         ", SignedHeaders=" + names + ", Signature=" + to_hex(hmac_sha256(key, text));
}

Result<std::unique_ptr<ObjectStorage>> ObjectStorage::create(Clock& clock, net::HttpClient& client,
                                                             ObjectStorageOptions options) {
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  TRY(const net::Url url, net::parse_url(options.endpoint));
  const auto wrong = [](const std::string& what) {
    return fail(Errc::invalid_argument, "object storage: " + what, "settings");
  };
  if (url.scheme != "https" && url.scheme != "http")
    return wrong("its endpoint is " + url.scheme + ":, not https: or http:");
  if (url.target != "/") return wrong("its endpoint has a path");
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  if (options.bucket.size() < 3 || options.bucket.size() > 63 ||
      !std::ranges::all_of(options.bucket, fits))
    return wrong("the bucket \"" + options.bucket.substr(0, 64) + "\" is no name of a bucket");
  if (options.access_key.empty() || options.secret_key.empty())
    return wrong("its access key or secret key is missing");
  return std::unique_ptr<ObjectStorage>(new ObjectStorage(clock, client, std::move(options)));
}

std::string ObjectStorage::address(const std::string& key) const {
  return options_.endpoint + encoded_path(options_.bucket, options_.prefix + key);
}

net::HttpCall ObjectStorage::call_for(const std::string& method, const std::string& key,
                                      const std::string& body,
                                      const std::string& content_type) const {
  const auto url = net::parse_url(options_.endpoint);
  SignedRequest request{
      method, encoded_path(options_.bucket, options_.prefix + key), {}, to_hex(sha256(body))};
  request.headers = {{"host", url->authority()},
                     {"x-amz-content-sha256", request.payload_sha256},
                     {"x-amz-date", amz_date(clock_.wall())}};
  if (!content_type.empty()) request.headers.emplace_back("content-type", content_type);
  net::HttpCall call;
  call.method = method;
  call.url = options_.endpoint + request.path;
  call.body = body;
  const std::string authorization = signature_v4(request, options_);
  for (auto& header : request.headers)
    if (header.first != "host") call.headers.push_back(std::move(header));  // the client adds it
  call.headers.emplace_back("authorization", authorization);
  return call;
}

Async<net::HttpReply> ObjectStorage::send(Context& ctx, std::string method, std::string key,
                                          std::string body, std::string content_type,
                                          std::int64_t response_bytes_max) {
  for (int attempt = 1;; ++attempt) {
    // Signed anew each time: a signature is good for some minutes only.
    net::HttpCall call = call_for(method, key, body, content_type);
    call.response_bytes_max = response_bytes_max;
    Context limited = ctx.with_timeout(options_.timeout, "object storage");
    auto reply = co_await client_.send(limited, std::move(call));
    const bool again = reply ? is_passing(reply->status)
                             : reply.error().retryable() && static_cast<bool>(ctx.check());
    if (!again) co_return reply;
    const auto advice = reply ? net::retry_advice(*reply, clock_.wall()) : net::RetryAdvice{};
    const auto pause = net::next_pause(options_.retry, attempt, advice, ctx.remaining(), random_);
    if (!pause) co_return reply;
    CO_TRY_VOID(co_await sleep_for(ctx, *pause));
  }
}

Error ObjectStorage::refusal(const net::HttpReply& reply, const std::string& key) const {
  std::string why = element(reply.body, "Code");
  if (const std::string message = element(reply.body, "Message"); !message.empty())
    why += (why.empty() ? "" : ": ") + message.substr(0, 200);
  const std::string what = "object " + options_.bucket + "/" + options_.prefix + key +
                           ": the storage answered " + std::to_string(reply.status) +
                           (why.empty() ? "" : " (" + why + ")");
  if (reply.status == 401 || reply.status == 403)
    return fail(Errc::permission_denied, what, "object storage",
                "check its keys, the bucket's policy and the clock of this machine");
  if (reply.status == 404) return fail(Errc::not_found, what, "object storage");
  if (is_passing(reply.status)) return fail(Errc::unavailable, what, "object storage");
  return fail(Errc::storage_failed, what, "object storage");
}

Async<void> ObjectStorage::put(Context& ctx, std::string key, std::string bytes,
                               std::string content_type) {
  if (bytes.size() > kObjectBytesMax)
    co_return fail(Errc::payload_too_large, "object " + key + ": " + std::to_string(bytes.size()) +
                                                " bytes are more than " +
                                                std::to_string(kObjectBytesMax));
  const std::string name = key;
  std::string method = "PUT";
  CO_TRY(const auto reply, co_await send(ctx, std::move(method), std::move(key), std::move(bytes),
                                         std::move(content_type), kErrorBytesMax));
  if (reply.status != 200) co_return refusal(reply, name);
  co_return Result<void>();
}

Async<std::string> ObjectStorage::get(Context& ctx, std::string key, std::int64_t bytes_max) {
  const std::string name = key;
  std::string method = "GET", body, content_type;
  const std::int64_t limit = std::max(bytes_max, kErrorBytesMax);
  CO_TRY(auto reply, co_await send(ctx, std::move(method), std::move(key), std::move(body),
                                   std::move(content_type), limit));
  if (reply.status != 200) co_return refusal(reply, name);
  if (static_cast<std::int64_t>(reply.body.size()) > bytes_max)
    co_return fail(Errc::payload_too_large,
                   "object " + name + ": " + std::to_string(reply.body.size()) +
                       " bytes are more than " + std::to_string(bytes_max));
  co_return std::move(reply.body);
}

Async<std::optional<std::int64_t>> ObjectStorage::head(Context& ctx, std::string key) {
  const std::string name = key;
  std::string method = "HEAD", body, content_type;
  CO_TRY(const auto reply, co_await send(ctx, std::move(method), std::move(key), std::move(body),
                                         std::move(content_type), kErrorBytesMax));
  if (reply.status == 404) co_return std::nullopt;
  if (reply.status != 200) co_return refusal(reply, name);
  const std::string_view length = reply.header("content-length");
  std::int64_t bytes = 0;
  const auto end = length.data() + length.size();
  const auto read = std::from_chars(length.data(), end, bytes);
  if (length.empty() || read.ec != std::errc() || read.ptr != end)
    co_return fail(Errc::protocol_error, "object " + name + ": the storage does not tell its size");
  co_return bytes;
}

Async<void> ObjectStorage::erase(Context& ctx, std::string key) {
  const std::string name = key;
  std::string method = "DELETE", body, content_type;
  CO_TRY(const auto reply, co_await send(ctx, std::move(method), std::move(key), std::move(body),
                                         std::move(content_type), kErrorBytesMax));
  // A missing bucket is 404, too, but then there is nothing to delete either.
  if (reply.status != 204 && reply.status != 200 && reply.status != 404)
    co_return refusal(reply, name);
  co_return Result<void>();
}

}  // namespace troupe::services
