#include "net/proxy.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <cstdlib>

namespace troupe::net {
namespace {

namespace ip = boost::asio::ip;

constexpr std::string_view kNames[] = {"http_proxy", "https_proxy", "all_proxy",
                                       "no_proxy",   "HTTP_PROXY",  "HTTPS_PROXY",
                                       "ALL_PROXY",  "NO_PROXY",    "REQUEST_METHOD"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string value_of(const Environment& environment, const std::string& name) {
  const auto row = environment.find(name);
  return row == environment.end() ? std::string() : row->second;
}

struct Named {
  std::string name;
  std::string value;
};

Named read(const Environment& environment, const std::string& small, const std::string& large) {
  const std::string value = value_of(environment, small);
  return value.empty() ? Named{large, value_of(environment, large)} : Named{small, value};
}

Result<std::optional<Url>> proxy_in(const Named& variable) {
  if (variable.value.empty()) return std::optional<Url>{};
  const std::string text =
      variable.value.find("://") == std::string::npos ? "http://" + variable.value : variable.value;
  const std::string scheme = lower(text.substr(0, text.find("://")));
  if (scheme != "http")
    return fail(Errc::unsupported,
                variable.name + ": proxies of scheme '" + scheme + "' are not supported", {},
                "give an http:// proxy");
  auto url = parse_url(text);
  // The value may hold a password: it is not shown.
  if (!url) return fail(Errc::invalid_argument, variable.name + ": is not the URL of a proxy");
  return std::optional<Url>(std::move(*url));
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(", \t"), text.size());
    if (end > 0) parts.push_back(lower(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<ip::address> address_in(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text), error);
  if (error) return {};
  return address;
}

bool in_network(const ip::address& address, const std::string& network) {
  boost::system::error_code error;
  if (address.is_v4()) {
    const auto range = ip::make_network_v4(network, error);
    if (error) return false;
    const auto one = ip::make_network_v4(address.to_v4(), range.prefix_length());
    return one.network() == range.network();
  }
  const auto range = ip::make_network_v6(network, error);
  if (error) return false;
  const auto one = ip::make_network_v6(address.to_v6(), range.prefix_length());
  return one.network() == range.network();
}

bool names(std::string rule, const Url& target) {
  if (rule == "*") return true;
  const auto address = address_in(target.host);
  if (rule.find('/') != std::string::npos) return address && in_network(*address, rule);
  if (const auto literal = address_in(rule)) return address == literal;
  const auto colon = rule.rfind(':');
  if (colon != std::string::npos) {
    if (rule.substr(colon + 1) != target.port) return false;
    rule.resize(colon);
    if (const auto literal = address_in(rule)) return address == literal;
  }
  if (rule.starts_with("*.")) rule.erase(0, 1);
  if (rule.starts_with('.')) return target.host.ends_with(rule);
  return target.host == rule || target.host.ends_with("." + rule);
}

bool is_this_machine(const std::string& host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  const auto address = address_in(host);
  return address && address->is_loopback();
}

}  // namespace

Environment proxy_environment() {
  Environment environment;
  for (const auto name : kNames)
    if (const char* value = std::getenv(std::string(name).c_str()))
      environment[std::string(name)] = value;
  return environment;
}

Result<ProxyRules> proxy_rules(const Environment& environment) {
  ProxyRules rules;
  Named http = read(environment, "http_proxy", "HTTP_PROXY");
  if (http.name == "HTTP_PROXY" && environment.contains("REQUEST_METHOD")) http.value.clear();
  const Named https = read(environment, "https_proxy", "HTTPS_PROXY");
  const Named all = read(environment, "all_proxy", "ALL_PROXY");
  TRY(rules.http, proxy_in(http.value.empty() ? all : http));
  TRY(rules.https, proxy_in(https.value.empty() ? all : https));
  rules.direct = split(read(environment, "no_proxy", "NO_PROXY").value);
  return rules;
}

const Url* proxy_for(const ProxyRules& rules, const Url& target) {
  const auto& proxy = target.secure() ? rules.https : rules.http;
  if (!proxy || is_this_machine(target.host)) return nullptr;
  const bool direct = std::any_of(rules.direct.begin(), rules.direct.end(),
                                  [&](const std::string& rule) { return names(rule, target); });
  return direct ? nullptr : &*proxy;
}

std::string proxy_authorization(const Url& proxy) {
  if (proxy.user_info.empty()) return {};
  const auto colon = proxy.user_info.find(':');
  const auto user = percent_decode(proxy.user_info.substr(0, colon)).value_or("");
  std::string both = user + ":";
  if (colon != std::string::npos)
    both += percent_decode(proxy.user_info.substr(colon + 1)).value_or("");
  std::string encoded((both.size() + 2) / 3 * 4 + 1, '\0');
  const auto size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                    reinterpret_cast<const unsigned char*>(both.data()),
                                    static_cast<int>(both.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return "Basic " + encoded;
}

}  // namespace troupe::net
