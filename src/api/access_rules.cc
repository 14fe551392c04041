#include "api/access_rules.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace troupe::api {
namespace {

constexpr std::size_t kKeyCharactersMin = 8;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// `host:port` without the port and the brackets of IPv6.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  if (std::ranges::count(host, ':') > 1) return host;
  return host.substr(0, host.find(':'));
}

// The key as sent, by whichever of the three headers.
std::string_view given_key(const net::HttpRequest& request) {
  const std::string_view authorization = request.header("authorization");
  constexpr std::string_view scheme = "bearer ";
  if (lower(authorization.substr(0, scheme.size())) == scheme)
    return authorization.substr(scheme.size());
  const std::string_view key = request.header("x-api-key");
  return key.empty() ? request.header("x-bb-api-key") : key;
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  const std::string name = lower(without_port(host));
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(name, error);
  return !error && address.is_loopback();
}

AccessRules::Hash AccessRules::hash_of(std::string_view key) {
  Hash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

Result<AccessRules> AccessRules::create(const std::vector<std::string>& keys,
                                        std::string_view host) {
  AccessRules rules;
  rules.loopback_ = is_loopback_host(host);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string_view text = keys[i];
    const auto colon = text.find(':');
    const std::string_view key = colon == std::string_view::npos ? text : text.substr(colon + 1);
    std::string name = colon == std::string_view::npos ? "key" + std::to_string(i + 1)
                                                       : std::string(text.substr(0, colon));
    if (key.size() < kKeyCharactersMin)
      return fail(Errc::invalid_argument,
                  "api_keys[" + std::to_string(i) + "]: " + std::to_string(key.size()) +
                      " characters are fewer than " + std::to_string(kKeyCharactersMin),
                  "settings", "make one with: openssl rand -hex 24");
    const auto at = std::min(name.find('@'), name.size());
    std::string project = name.substr(std::min(at + 1, name.size()));
    if (at < name.size() && project.empty())
      return fail(Errc::invalid_argument,
                  "api_keys[" + std::to_string(i) + "]: no project after '@'", "settings",
                  "write name@project:key, or name:key for a key of all projects");
    name.resize(at);
    const auto same = std::ranges::find(rules.keys_, name, &Key::name);
    if (same != rules.keys_.end() && same->project != project)
      return fail(Errc::invalid_argument,
                  "api_keys[" + std::to_string(i) + "]: name '" + name + "' is of two projects",
                  "settings", "give each project's key a name of its own");
    rules.keys_.push_back({std::move(name), std::move(project), hash_of(key)});
  }
  return rules;
}

Result<std::string> AccessRules::check(const net::HttpRequest& request) const {
  if (!keys_.empty()) return check_key(request);
  if (!loopback_)
    return fail(Errc::permission_denied, "request: this service has no API keys", {},
                "set api_keys (TROUPE_API_KEYS), or listen on 127.0.0.1");
  const std::string_view host = request.header("host");
  if (!host.empty() && !is_loopback_host(host))
    return fail(Errc::permission_denied,
                "request: Host '" + std::string(host) + "' is not this machine", {},
                "use 127.0.0.1 or localhost, or set api_keys");
  const std::string_view origin = request.header("origin");
  const bool own =
      origin == "http://" + std::string(host) || origin == "https://" + std::string(host);
  if (!origin.empty() && !own)
    return fail(Errc::permission_denied,
                "request: Origin '" + std::string(origin) + "' is another site", {},
                "set api_keys to call the service from web pages");
  return std::string();
}

std::string_view AccessRules::project_of(std::string_view key_name) const {
  const auto key = std::ranges::find(keys_, key_name, &Key::name);
  return key == keys_.end() ? std::string_view() : std::string_view(key->project);
}

Result<std::string> AccessRules::check_key(const net::HttpRequest& request) const {
  const std::string_view given = given_key(request);
  if (given.empty())
    return fail(Errc::unauthenticated, "request: an API key is needed", {},
                "send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'");
  const Hash hash = hash_of(given);
  const Key* found = nullptr;
  // All are compared, each in constant time, so that the time taken says nothing.
  for (const Key& key : keys_)
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0) found = &key;
  if (!found) return fail(Errc::unauthenticated, "request: the API key is not known");
  return found->name;
}

}  // namespace troupe::api
