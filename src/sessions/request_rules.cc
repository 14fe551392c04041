#include "sessions/request_rules.h"

#include <algorithm>
#include <array>

namespace troupe::sessions {
namespace {

// The hosts behind most advertisements and trackers; a short list of the project's own.
constexpr std::array kAdHosts = std::to_array<std::string_view>({"2mdn.net",
                                                                 "adform.net",
                                                                 "adnxs.com",
                                                                 "adroll.com",
                                                                 "adsafeprotected.com",
                                                                 "adsrvr.org",
                                                                 "advertising.com",
                                                                 "amazon-adsystem.com",
                                                                 "bidswitch.net",
                                                                 "bluekai.com",
                                                                 "casalemedia.com",
                                                                 "chartbeat.com",
                                                                 "contextweb.com",
                                                                 "criteo.com",
                                                                 "criteo.net",
                                                                 "crwdcntrl.net",
                                                                 "demdex.net",
                                                                 "doubleclick.net",
                                                                 "doubleverify.com",
                                                                 "everesttech.net",
                                                                 "exelator.com",
                                                                 "google-analytics.com",
                                                                 "googleadservices.com",
                                                                 "googlesyndication.com",
                                                                 "googletagmanager.com",
                                                                 "googletagservices.com",
                                                                 "hotjar.com",
                                                                 "imrworldwide.com",
                                                                 "indexww.com",
                                                                 "lijit.com",
                                                                 "mathtag.com",
                                                                 "media.net",
                                                                 "mgid.com",
                                                                 "moatads.com",
                                                                 "mookie1.com",
                                                                 "openx.net",
                                                                 "outbrain.com",
                                                                 "pubmatic.com",
                                                                 "quantserve.com",
                                                                 "rlcdn.com",
                                                                 "rubiconproject.com",
                                                                 "scorecardresearch.com",
                                                                 "sharethrough.com",
                                                                 "smartadserver.com",
                                                                 "spotxchange.com",
                                                                 "taboola.com",
                                                                 "teads.tv",
                                                                 "tremorhub.com",
                                                                 "turn.com",
                                                                 "yieldmo.com",
                                                                 "zedo.com"});

struct ResourceKind {
  std::string_view name;
  std::string_view devtools;
};
constexpr std::array kResources = std::to_array<ResourceKind>(
    {{"image", "Image"}, {"media", "Media"}, {"font", "Font"}, {"stylesheet", "Stylesheet"}});

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The host of a URL with an authority; empty when it has none (data:, blob:, about:).
std::string host_of(std::string_view url) {
  const auto mark = url.find("://");
  if (mark == std::string_view::npos || url.starts_with("blob:")) return {};
  url.remove_prefix(mark + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  if (!url.starts_with('[')) url = url.substr(0, url.find(':'));
  std::string host(url);
  std::transform(host.begin(), host.end(), host.begin(), lower);
  return host;
}

bool fits_any(std::string_view host, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return host_fits(host, pattern); });
}

bool is_ad(std::string_view url) {
  const std::string host = host_of(url);
  return std::any_of(kAdHosts.begin(), kAdHosts.end(),
                     [&](std::string_view name) { return host_fits(host, name); });
}

}  // namespace

bool host_fits(std::string_view host, std::string_view pattern) {
  if (pattern == "*") return true;
  if (pattern.starts_with("*.")) pattern.remove_prefix(2);
  if (pattern.empty() || host.size() < pattern.size()) return false;
  const auto tail = host.substr(host.size() - pattern.size());
  const bool same = std::equal(tail.begin(), tail.end(), pattern.begin(),
                               [](char a, char b) { return lower(a) == lower(b); });
  return same && (host.size() == pattern.size() || host[host.size() - pattern.size() - 1] == '.');
}

RequestRules::RequestRules(const SessionSpec& spec)
    : allowed_(spec.allowed_domains),
      denied_(spec.denied_domains),
      has_domains_(!spec.allowed_domains.empty() || !spec.denied_domains.empty()),
      covers_resources_(spec.domains_cover_resources),
      ads_(spec.block_ads) {
  for (const auto& kind : kResources)
    if (std::find(spec.blocked_resources.begin(), spec.blocked_resources.end(), kind.name) !=
        spec.blocked_resources.end())
      resources_.emplace_back(kind.devtools);
}

json::array RequestRules::patterns() const {
  json::array patterns;
  if (has_domains_ && covers_resources_) {
    patterns.push_back({{"urlPattern", "*"}});
    return patterns;  // everything is held up, the rest included
  }
  if (has_domains_) patterns.push_back({{"urlPattern", "*"}, {"resourceType", "Document"}});
  for (const auto& type : resources_)
    patterns.push_back({{"urlPattern", "*"}, {"resourceType", type}});
  if (!ads_) return patterns;
  for (const auto host : kAdHosts) {
    patterns.push_back({{"urlPattern", "*://" + std::string(host) + "/*"}});
    patterns.push_back({{"urlPattern", "*." + std::string(host) + "/*"}});
  }
  return patterns;
}

// What has no host stays inside the browser, but for files of this machine.
bool RequestRules::domain_allowed(std::string_view url) const {
  const std::string host = host_of(url);
  if (host.empty()) return !url.starts_with("file:") || allowed_.empty();
  return host_allowed(host);
}

bool RequestRules::host_allowed(std::string_view host) const {
  return !fits_any(host, denied_) && (allowed_.empty() || fits_any(host, allowed_));
}

bool RequestRules::allows(std::string_view url, std::string_view type, bool is_main_frame) const {
  if (std::find(resources_.begin(), resources_.end(), type) != resources_.end()) return false;
  if (ads_ && !is_main_frame && is_ad(url)) return false;
  if (!has_domains_ || (!is_main_frame && !covers_resources_)) return true;
  return domain_allowed(url);
}

Result<void> check_request_rules(const SessionSpec& spec) {
  for (const auto& name : spec.blocked_resources)
    if (std::none_of(kResources.begin(), kResources.end(),
                     [&](const ResourceKind& kind) { return kind.name == name; }))
      return fail(Errc::invalid_argument, "session blocked_resources: '" + name +
                                              "' is not one of image, media, font, stylesheet");
  for (const auto* list : {&spec.allowed_domains, &spec.denied_domains})
    for (const auto& domain : *list)
      if (domain.empty() || domain.size() > 253 ||
          domain.find_first_of("/:@ \t\r\n?#") != std::string::npos)
        return fail(Errc::invalid_argument, "session domain: '" + domain + "' is no host name",
                    "session", "write example.com or *.example.com");
  return {};
}

}  // namespace troupe::sessions
