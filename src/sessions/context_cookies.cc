#include "sessions/context_cookies.h"

#include <algorithm>
#include <chrono>

#include "sessions/chromium.h"
#include "sessions/cookie_file.h"

namespace troupe::sessions {
namespace {

bool domain_fits(std::string_view host, std::string_view domain) {
  if (!domain.starts_with('.')) return host == domain;  // of that host alone
  return host == domain.substr(1) || host.ends_with(domain);
}

bool path_fits(std::string_view path, std::string_view cookie) {
  if (!path.starts_with(cookie)) return false;
  return path.size() == cookie.size() || cookie.ends_with('/') || path[cookie.size()] == '/';
}

bool fits(const json::object& cookie, const net::Url& url, WallTime now) {
  const auto path = url.target.substr(0, url.target.find('?'));
  if (find(cookie, "partitionKey")) return false;
  if (find_bool(cookie, "secure").value_or(false) && !url.secure()) return false;
  const auto expires = find_number(cookie, "expires");
  const std::chrono::duration<double> since = now.time_since_epoch();
  if (expires && *expires > 0 && *expires <= since.count()) return false;
  return domain_fits(url.host, find_string(cookie, "domain").value_or("")) &&
         path_fits(path, find_string(cookie, "path").value_or("/"));
}

// What would end the header, or begin another one, is in no cookie that a browser took.
bool is_plain(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

Async<json::array> cookies_of_context(Context& ctx, ContextStore& contexts, std::string id,
                                      std::string browsers_dir) {
  CO_TRY(const ProfileFolder folder, ProfileFolder::make(browsers_dir));
  std::string dir = folder.path();
  CO_TRY_VOID(co_await contexts.load(ctx, std::move(id), std::move(dir), false));
  co_return cookies_in_profile(folder.path());
}

std::string cookie_header(const json::array& cookies, const net::Url& url, WallTime now) {
  std::vector<const json::object*> chosen;
  for (const auto& row : cookies)
    if (row.is_object() && fits(row.get_object(), url, now)) chosen.push_back(&row.get_object());
  // Longer paths come first.
  std::ranges::stable_sort(chosen, std::greater<>(), [](const json::object* cookie) {
    return find_string(*cookie, "path").value_or("/").size();
  });
  std::string header;
  for (const json::object* cookie : chosen) {
    const auto name = find_string(*cookie, "name").value_or("");
    const auto value = find_string(*cookie, "value").value_or("");
    if (!is_plain(name) || !is_plain(value)) continue;
    if (!header.empty()) header += "; ";
    header += name.empty() ? std::string(value) : std::string(name) + "=" + std::string(value);
  }
  return header;
}

}  // namespace troupe::sessions
