// Objects on S3-compatible storage: put, get, head, delete, with path-style addresses on any
// endpoint, signed with AWS Signature Version 4.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/async.h"
#include "base/random.h"
#include "net/http_client.h"
#include "net/retry.h"

namespace troupe::services {

struct ObjectStorageOptions {
  std::string endpoint;  ///< `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:9000`.
  std::string bucket;
  std::string region = "us-east-1";
  std::string access_key;
  std::string secret_key;                       ///< Secret.
  std::string prefix;                           ///< Begins every key: `troupe/`.
  Duration timeout = std::chrono::seconds(60);  ///< Of one attempt.
  net::RetryPolicy retry;
};

/// What is signed, apart from the credentials. Pure; for the client and its tests.
struct SignedRequest {
  std::string method;
  std::string path;            ///< Percent-encoded.
  net::Headers headers;        ///< Names in lower case; at least host and x-amz-date.
  std::string payload_sha256;  ///< Hexadecimal.
};
/// The header `authorization`. Query strings are not supported: no call here has one.
std::string signature_v4(const SignedRequest& request, const ObjectStorageOptions& options);

/// Threads: engine. Objects up to 5 GiB; whole in memory.
class ObjectStorage final {
 public:
  /// Errors: invalid_argument (endpoint, bucket or keys missing or malformed).
  static Result<std::unique_ptr<ObjectStorage>> create(Clock& clock, net::HttpClient& client,
                                                       ObjectStorageOptions options);

  /// Errors of all: permission_denied (keys, bucket policy), not_found (bucket), unavailable,
  /// storage_failed, and those of HttpClient. Failures that pass are tried again.
  Async<void> put(Context& ctx, std::string key, std::string bytes, std::string content_type);
  /// Errors: not_found, payload_too_large (more than `bytes_max`).
  Async<std::string> get(Context& ctx, std::string key, std::int64_t bytes_max);
  /// Its size; nothing when there is none.
  Async<std::optional<std::int64_t>> head(Context& ctx, std::string key);
  /// One that is not there is ok.
  Async<void> erase(Context& ctx, std::string key);
  /// Its URL; without credentials.
  std::string address(const std::string& key) const;

 private:
  ObjectStorage(Clock& clock, net::HttpClient& client, ObjectStorageOptions options)
      : clock_(clock), client_(client), options_(std::move(options)) {}
  net::HttpCall call_for(const std::string& method, const std::string& key, const std::string& body,
                         const std::string& content_type) const;
  Async<net::HttpReply> send(Context& ctx, std::string method, std::string key, std::string body,
                             std::string content_type, std::int64_t response_bytes_max);
  Error refusal(const net::HttpReply& reply, const std::string& key) const;

  Clock& clock_;
  net::HttpClient& client_;
  ObjectStorageOptions options_;
  Random random_ = Random::from_system();
};

}  // namespace troupe::services
