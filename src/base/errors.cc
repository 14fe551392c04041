#include <algorithm>
#include <array>

#include "base/result.h"
#include "troupe/error.hpp"

namespace troupe {
namespace {

// The only mapping of failures that exists. docs/reference/errors.md is generated from it.
// Exit codes: 1 failed, 2 wrong input, 3 partly failed (runs only), 4 environment, 5 timeout, 6
// busy, 70 bug, 130 interrupted.
constexpr std::array kTable = std::to_array<ErrorTraits>({
    {Errc::invalid_argument, "invalid_argument", "Invalid argument", 400, 2, false, Fault::user},
    {Errc::not_found, "not_found", "Not found", 404, 2, false, Fault::user},
    {Errc::conflict, "conflict", "Conflict", 409, 1, false, Fault::user},
    {Errc::gone, "gone", "Gone", 410, 1, false, Fault::user},
    {Errc::unauthenticated, "unauthenticated", "Unauthenticated", 401, 2, false, Fault::user},
    {Errc::permission_denied, "permission_denied", "Permission denied", 403, 2, false, Fault::user},
    {Errc::payload_too_large, "payload_too_large", "Payload too large", 413, 2, false, Fault::user},
    {Errc::unsupported, "unsupported", "Not supported", 501, 2, false, Fault::user},
    {Errc::exhausted, "exhausted", "Limit reached", 429, 6, true, Fault::provider},
    {Errc::unavailable, "unavailable", "Unavailable", 503, 4, true, Fault::provider},
    {Errc::draining, "draining", "Shutting down", 503, 6, true, Fault::host},
    {Errc::timeout, "timeout", "Timed out", 504, 5, true, Fault::page},
    {Errc::cancelled, "cancelled", "Cancelled", 409, 130, false, Fault::user},
    {Errc::network_error, "network_error", "Network error", 502, 1, true, Fault::network},
    {Errc::dns_error, "dns_error", "Host name not resolved", 502, 1, true, Fault::network},
    {Errc::tls_error, "tls_error", "TLS error", 502, 1, false, Fault::network},
    {Errc::http_error, "http_error", "HTTP error", 502, 1, true, Fault::page},
    {Errc::navigation_failed, "navigation_failed", "Navigation failed", 502, 1, true, Fault::page},
    {Errc::target_not_found, "target_not_found", "Element not found", 422, 1, true, Fault::page},
    {Errc::target_ambiguous, "target_ambiguous", "Element ambiguous", 422, 1, false, Fault::page},
    {Errc::not_actionable, "not_actionable", "Element not actionable", 422, 1, true, Fault::page},
    {Errc::script_error, "script_error", "Script error", 422, 1, false, Fault::page},
    {Errc::extraction_failed, "extraction_failed", "Extraction failed", 422, 1, true, Fault::page},
    {Errc::assertion_failed, "assertion_failed", "Assertion failed", 422, 1, false, Fault::page},
    {Errc::page_crashed, "page_crashed", "Page crashed", 502, 1, true, Fault::session},
    {Errc::session_lost, "session_lost", "Session lost", 502, 1, true, Fault::session},
    {Errc::browser_missing, "browser_missing", "Browser not available", 503, 4, false, Fault::host},
    {Errc::storage_failed, "storage_failed", "Storage failed", 507, 4, false, Fault::host},
    {Errc::protocol_error, "protocol_error", "Protocol error", 502, 1, true, Fault::provider},
    {Errc::internal, "internal", "Internal error", 500, 70, false, Fault::troupe},
});

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].code) != i) return false;
  return kTable.size() == static_cast<std::size_t>(Errc::internal) + 1;
}
static_assert(rows_follow_the_enum());

}  // namespace

const ErrorTraits& traits(Errc code) { return kTable[static_cast<std::size_t>(code)]; }

const ErrorTraits& traits(std::string_view wire_name) {
  const auto row = std::find_if(kTable.begin(), kTable.end(),
                                [&](const ErrorTraits& r) { return r.name == wire_name; });
  return row == kTable.end() ? kTable.back() : *row;
}

std::string_view to_string(Errc code) { return traits(code).name; }

std::string_view to_string(Fault fault) {
  constexpr std::string_view names[] = {"user",     "page", "network", "session",
                                        "provider", "host", "troupe"};
  return names[static_cast<std::size_t>(fault)];
}

std::string Error::describe() const {
  std::string text = message;
  if (!source.empty()) text += " (" + source + ")";
  if (!hint.empty()) text += ": " + hint;
  return text;
}

std::span<const ErrorTraits> error_table() { return kTable; }

Error fail(Errc code, std::string message, std::string source, std::string hint) {
  return Error{code, std::move(message), std::move(source), std::move(hint)};
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.describe());
}

}  // namespace troupe
