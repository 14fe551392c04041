#include "services/via.h"

#include <algorithm>

#include "base/random.h"

namespace troupe::services {
namespace {

constexpr std::ptrdiff_t kServicesMax = 8;
constexpr std::size_t kNameBytes = 9;

Error leads_back(std::string message) {
  return fail(Errc::invalid_argument, std::move(message), "browserbase_base_url",
              "BROWSERBASE_BASE_URL of a troupe serve must name another service, for example "
              "https://api.browserbase.com");
}

}  // namespace

const std::string& instance_name() {
  static const std::string name = secure_token(kNameBytes);
  return name;
}

std::string via_from_here(std::string_view via) {
  return via.empty() ? instance_name() : std::string(via) + "," + instance_name();
}

Result<void> check_via(std::string_view via) {
  if (via.find(instance_name()) != std::string_view::npos)
    return leads_back("browserbase_base_url: leads back to this troupe itself");
  if (const auto services = std::ranges::count(via, ',') + 1; services > kServicesMax)
    return leads_back("browserbase_base_url: the request came through " + std::to_string(services) +
                      " services, more than " + std::to_string(kServicesMax));
  return {};
}

}  // namespace troupe::services
