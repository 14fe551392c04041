// The scripts of assets/interact inside one page: sent to a document when first needed there, then
// called by name. Waiting happens in the page, so that one command tells the outcome.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cdp/page.h"

namespace troupe::interact {

/// Bits: which scripts a call needs. `core` is always there.
enum Script : unsigned {
  kCore = 1,
  kNames = 2,
  kSnapshot = 4 | kNames,
  kExtract = 8 | kNames,
  kInput = 16,
};

/// Threads: engine. One per page.
class PageScript final {
 public:
  /// Calls `__troupe.<function>(args…)` in the page's isolated world.
  /// Errors: navigation_failed (the document went away meanwhile; see call_settled), script_error,
  /// timeout (says that the page's main thread does not answer).
  Async<json::value> call(Context& ctx, cdp::Page& page, unsigned scripts, std::string function,
                          json::array args);

 private:
  std::uint64_t serial_ = 0;
  unsigned loaded_ = 0;
};

/// Milliseconds that a wait inside the page may take, so that its reason comes back before the
/// context's deadline; at most 30 s when there is none.
std::int64_t page_wait_ms(const Context& ctx);

/// Source of a script without comments and indentation.
std::string compact_script(std::string_view source);

}  // namespace troupe::interact
