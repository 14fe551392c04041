#include "api/connect_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/random.h"
#include "base/text_file.h"

namespace troupe::api {
namespace {

constexpr std::array<std::string_view, 3> kScopes = {"v", "i", "c"};

std::string base64url(const unsigned char* bytes, unsigned size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(length));
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

// The parts up to the signature.
std::optional<KeyClaim> parse(std::string_view text) {
  const auto first = text.find('.');
  const auto last = text.rfind('.');
  if (first == std::string_view::npos || last <= first) return std::nullopt;
  const auto scope = std::ranges::find(kScopes, text.substr(0, first));
  const std::string_view expiry = text.substr(last + 1);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(expiry.data(), expiry.data() + expiry.size(), seconds);
  if (scope == kScopes.end() || error != std::errc() || end != expiry.data() + expiry.size())
    return std::nullopt;
  return KeyClaim{.session_id = std::string(text.substr(first + 1, last - first - 1)),
                  .scope = static_cast<KeyScope>(scope - kScopes.begin()),
                  .expires = WallTime(std::chrono::seconds(seconds))};
}

constexpr std::size_t kSecretBytes = 32;

bool is_secret(std::string_view text) {
  return text.size() >= kSecretBytes && std::ranges::all_of(text, [](char c) {
           return c > ' ' && static_cast<unsigned char>(c) < 0x7F;
         });
}

}  // namespace

Result<std::string> kept_secret(const std::string& file, std::string& said) {
  auto text = read_text_file(file, 4'096);
  if (!text && text.error().code != Errc::not_found) return text.error();
  struct stat about{};
  if (text && stat(file.c_str(), &about) == 0 && (about.st_mode & 077) != 0) {
    said = file + ": others could read it, a new one was made; connect URLs so far are void";
  } else if (text) {
    while (text->ends_with('\n')) text->pop_back();
    if (is_secret(*text)) return text;
    said = file + ": is damaged, a new one was made; connect URLs so far are void";
  }
  std::string secret = secure_token(kSecretBytes);
  unlink(file.c_str());  // whoever has the old one open learns nothing of the new one
  TRY_VOID(replace_text_file(file, secret + "\n"));
  return secret;
}

std::string ConnectKeys::mac(std::string_view text) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return base64url(digest.data(), size);
}

std::string ConnectKeys::sign(const KeyClaim& claim) const {
  const auto expiry = std::chrono::ceil<std::chrono::seconds>(claim.expires.time_since_epoch());
  const std::string text = std::string(kScopes[static_cast<std::size_t>(claim.scope)]) + "." +
                           claim.session_id + "." + std::to_string(expiry.count());
  return text + "." + mac(text);
}

Result<KeyClaim> ConnectKeys::check(std::string_view key, WallTime now) const {
  const Error unknown = fail(Errc::unauthenticated, "signing key: is not one of this service", {},
                             "read the session again for its present connect URL");
  const auto dot = key.rfind('.');
  if (dot == std::string_view::npos) return unknown;
  const std::string_view text = key.substr(0, dot);
  const std::string expected = mac(text);
  const std::string_view given = key.substr(dot + 1);
  if (given.size() != expected.size() ||
      CRYPTO_memcmp(given.data(), expected.data(), expected.size()) != 0)
    return unknown;
  auto claim = parse(text);
  if (!claim) return unknown;
  if (claim->expires <= now)
    return fail(Errc::gone, "signing key: has expired", {},
                "read the session again for its present connect URL");
  return std::move(*claim);
}

}  // namespace troupe::api
