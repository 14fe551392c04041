#include "net/websocket_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>

namespace troupe::net {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeyCharacters = 24;  // 16 bytes as base64

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whether a comma separated list has the word, in any case.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (lower(trim(list.substr(0, comma))) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

bool is_key(std::string_view key) {
  return key.size() == kKeyCharacters && key.ends_with("==") &&
         std::ranges::all_of(key.substr(0, kKeyCharacters - 2), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/';
         });
}

// No name or value can begin another header.
std::string clean(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

std::string_view header_of(std::string_view head, std::string_view name) {
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos && at + 2 < head.size()) {
    const std::string_view rest = head.substr(at + 2);
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && lower(line.substr(0, colon)) == name)
      return trim(line.substr(colon + 1));
    at = head.find("\r\n", at + 2);
  }
  return {};
}

}  // namespace

bool wants_websocket(const HttpRequest& request) {
  return has_word(request.header("upgrade"), "websocket");
}

Result<void> check_handshake(const HttpRequest& request) {
  const auto refuse = [](std::string what) {
    return fail(Errc::invalid_argument, "websocket handshake: " + std::move(what));
  };
  if (request.method != "GET") return refuse("method " + request.method + " is not GET");
  if (!wants_websocket(request) || !has_word(request.header("connection"), "upgrade"))
    return refuse("Connection and Upgrade do not ask for a WebSocket");
  if (request.header("sec-websocket-version") != "13")
    return refuse("version '" + std::string(request.header("sec-websocket-version")) +
                  "' is not 13");
  if (!is_key(request.header("sec-websocket-key")))
    return refuse("Sec-WebSocket-Key is not 16 bytes in base64");
  return {};
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key).append(kGuid);
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return base64({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string handshake_answer(const HttpRequest& request, const Headers& headers) {
  std::string out =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      websocket_accept(request.header("sec-websocket-key")) + "\r\n";
  for (const auto& [name, value] : headers) out += clean(name) + ": " + clean(value) + "\r\n";
  return out + "\r\n";
}

std::string handshake_request(const Url& url, std::string_view key, const Headers& headers) {
  std::string out = "GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
                    "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
                    "\r\nSec-WebSocket-Key: " +
                    std::string(key) + "\r\n";
  if (!url.user_info.empty())
    out += "Authorization: Basic " + base64(percent_decode(url.user_info).value_or(url.user_info)) +
           "\r\n";
  for (const auto& [name, value] : headers) out += clean(name) + ": " + clean(value) + "\r\n";
  return out + "\r\n";
}

Result<void> check_handshake_answer(std::string_view head, std::string_view key) {
  if (!head.starts_with("HTTP/1.1 "))
    return fail(Errc::protocol_error, "did not answer the WebSocket handshake with HTTP/1.1");
  const std::string status(head.substr(9, 3));
  if (status != "101")
    return fail(Errc::protocol_error, "answered the WebSocket handshake with HTTP " + status);
  if (header_of(head, "sec-websocket-accept") != websocket_accept(key))
    return fail(Errc::protocol_error, "answered the WebSocket handshake with a wrong key");
  if (!header_of(head, "sec-websocket-extensions").empty())
    return fail(Errc::protocol_error, "chose a WebSocket extension that was not offered");
  return {};
}

}  // namespace troupe::net
