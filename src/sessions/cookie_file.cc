#include "sessions/cookie_file.h"

#include <array>
#include <filesystem>
#include <fstream>

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::array kKept = std::to_array<std::string_view>(
    {"name", "value", "domain", "path", "httpOnly", "secure", "sameSite", "priority",
     "sourceScheme", "sourcePort", "partitionKey"});

std::string file_in(const std::string& profile_dir) {
  return profile_dir + "/Default/troupe_cookies.json";
}

}  // namespace

json::array cookies_to_set(const json::array& cookies) {
  json::array result;
  for (const auto& row : cookies) {
    const json::object* cookie = row.if_object();
    if (!cookie) continue;
    json::object kept;
    for (const auto name : kKept)
      if (const auto* value = find(*cookie, name)) kept[name] = *value;
    // Session cookies say -1, which would be taken for a time long past.
    if (const auto expires = find_number(*cookie, "expires"); expires && *expires > 0)
      kept["expires"] = *expires;
    result.push_back(std::move(kept));
  }
  return result;
}

Async<void> write_cookies(Context& ctx, Chromium& chromium) {
  CO_TRY(const auto answer, co_await chromium.connection().call(ctx, "", "Storage.getCookies"));
  const auto* cookies = find(answer, "cookies");
  if (!cookies || !cookies->is_array()) co_return Result<void>{};
  const std::string file = file_in(chromium.profile_dir());
  std::error_code ignored;
  fs::create_directories(fs::path(file).parent_path(), ignored);
  std::ofstream out(file, std::ios::trunc);
  out << json::serialize(cookies_to_set(cookies->get_array()));
  out.close();
  if (!out) co_return fail(Errc::storage_failed, "cookies " + file + ": cannot be written");
  co_return Result<void>{};
}

Result<json::array> cookies_in_profile(const std::string& profile_dir) {
  const std::string file = file_in(profile_dir);
  std::ifstream in(file, std::ios::binary);
  if (!in) return json::array();
  const std::string text(std::istreambuf_iterator<char>(in), {});
  auto cookies = parse_json(text, "cookies");
  if (!cookies || !cookies->is_array())
    return fail(Errc::storage_failed, "cookies " + file + ": damaged");
  return std::move(cookies->get_array());
}

Async<void> read_cookies(Context& ctx, Chromium& chromium) {
  CO_TRY(auto cookies, cookies_in_profile(chromium.profile_dir()));
  if (cookies.empty()) co_return Result<void>{};
  json::object params{{"cookies", std::move(cookies)}};
  auto set = co_await chromium.connection().call(ctx, "", "Storage.setCookies", std::move(params));
  if (!set) co_return set.error();
  co_return Result<void>{};
}

}  // namespace troupe::sessions
