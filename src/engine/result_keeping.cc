#include "engine/result_keeping.h"

namespace troupe::engine {
namespace {

// A run's outputs stay at least as long as the run, which counts from its end.
constexpr auto kBeyondTheRun = std::chrono::hours(24);

}  // namespace

Result<std::unique_ptr<ResultKeeping>> ResultKeeping::create(Clock& clock,
                                                             asio::any_io_executor executor,
                                                             tasks::Backend& backend,
                                                             observe::Log& log,
                                                             const Settings& settings) {
  std::unique_ptr<ResultKeeping> keeping(new ResultKeeping);
  if (settings.s3_endpoint.empty()) {
    keeping->blobs_ = tasks::make_file_blobs(keeping->pool_, settings.data_dir + "/results");
  } else {
    net::HttpClientOptions client;
    TRY(client.proxy, net::proxy_rules(net::proxy_environment()));
    keeping->client_ = net::HttpClient::create(std::move(client));
    services::ObjectStorageOptions options{.endpoint = settings.s3_endpoint,
                                           .bucket = settings.s3_bucket,
                                           .region = settings.s3_region,
                                           .access_key = settings.s3_access_key,
                                           .secret_key = settings.s3_secret_key,
                                           .prefix = settings.s3_prefix};
    TRY(auto storage,
        services::ObjectStorage::create(clock, *keeping->client_, std::move(options)));
    keeping->blobs_ = tasks::make_object_blobs(std::move(storage));
  }
  const tasks::ResultsOptions options{.inline_bytes_max = settings.result_inline_bytes,
                                      .bytes_max = settings.result_bytes_max,
                                      .kept = settings.runs_retention + kBeyondTheRun,
                                      .kept_bytes_max = settings.results_bytes_kept};
  keeping->results_ = std::make_unique<tasks::Results>(clock, std::move(executor), backend,
                                                       *keeping->blobs_, log, options);
  return keeping;
}

}  // namespace troupe::engine
