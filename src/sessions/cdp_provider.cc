#include "sessions/cdp_provider.h"

#include "net/url.h"
#include "sessions/cdp_endpoints.h"
#include "sessions/cdp_session.h"

namespace troupe::sessions {
namespace {

// What can only be said when a browser is started, or needs more than a DevTools address.
Result<void> refuse_unsupported(const SessionSpec& spec) {
  const std::pair<std::string_view, bool> asked[] = {
      {"region", !spec.region.empty()},
      {"context_id", !spec.context_id.empty()},
      {"extension_id", !spec.extension_id.empty()},
      {"proxies", !spec.proxies.empty()},
      {"ca_certificates", !spec.ca_certificates.empty()},
      {"ignore_certificate_errors", spec.ignore_certificate_errors},
      {"allowed_domains", !spec.allowed_domains.empty()},
      {"denied_domains", !spec.denied_domains.empty()},
      {"block_ads", spec.block_ads},
      {"blocked_resources", !spec.blocked_resources.empty()},
      {"user_agent", !spec.user_agent.empty()},
      {"locale", !spec.locale.empty()},
      {"timezone", !spec.timezone.empty()},
      {"extra_headers", !spec.extra_headers.empty()},
      {"solve_captchas", spec.solve_captchas.value_or(false)},
  };
  for (const auto& [name, is_asked] : asked)
    if (is_asked)
      return fail(Errc::unsupported,
                  "session " + std::string(name) +
                      ": provider cdp cannot give that to a browser "
                      "that runs already",
                  "session", "leave it out, or use another provider");
  return {};
}

class CdpProvider final : public SessionProvider {
 public:
  CdpProvider(Clock& clock, asio::any_io_executor executor, observe::Log& log, CdpOptions options,
              std::unique_ptr<net::HttpClient> http)
      : endpoints_(clock, std::move(executor), log, std::move(options), std::move(http)) {}

  std::string_view name() const override { return "cdp"; }

  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                 SessionSpec spec) override {
    CO_TRY_VOID(refuse_unsupported(spec));
    if (!endpoints_.any())
      co_return fail(Errc::invalid_argument, "cdp_endpoints: none is set", "cdp_endpoints",
                     "give the addresses of the browsers, for example http://127.0.0.1:9222");
    co_return co_await make_cdp_session(ctx, endpoints_, std::move(id), std::move(spec));
  }

  Async<void> tend(Context&) override {
    endpoints_.tend();
    co_return Result<void>{};
  }
  Async<void> shutdown(Context& ctx) override { co_return co_await endpoints_.shutdown(ctx); }

 private:
  Endpoints endpoints_;
};

}  // namespace

Result<std::unique_ptr<SessionProvider>> make_cdp_provider(Clock& clock,
                                                           asio::any_io_executor executor,
                                                           observe::Log& log, CdpOptions options) {
  TRY_VOID(check_cdp_endpoints(options.endpoints));
  TRY(auto http, make_http_client());
  return std::make_unique<CdpProvider>(clock, std::move(executor), log, std::move(options),
                                       std::move(http));
}

Result<void> check_cdp_endpoints(const std::vector<std::string>& endpoints) {
  for (const auto& endpoint : endpoints)
    if (!net::parse_url(endpoint))
      return fail(Errc::invalid_argument,
                  "cdp_endpoints: '" + address_without_secrets(endpoint) +
                      "' is not a ws, wss, http or https URL",
                  "cdp_endpoints", "for example http://127.0.0.1:9222");
  return {};
}

}  // namespace troupe::sessions
