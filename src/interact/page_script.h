// The scripts of assets/interact inside one page: sent to a document when first needed there, then
// called by name. Waiting happens in the page, so that one command tells the outcome.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cdp/page.h"

namespace troupe::interact {

/// Bits: which scripts a call needs. `core` is always there. Each costs the document that gets it,
/// so what is rarely needed is in a script of its own; one that a call turns out to need besides is
/// sent.
enum Script : unsigned {
  kCore = 1,
  kNames = 2,
  kSnapshot = 4 | kNames,
  kRead = 4096,  ///< Values by selector.
  kExtract = 8 | 128 | 256 | kRead | kNames,
  kInput = 16,
  kControls = 8192 | kInput,
  kWidgets = 32 | kNames | kControls,
  kKnown = 64 | kNames,
  kFigures = 512 | kNames,
  kReckon = 1024 | kNames,
  kEditing = 2048,
};

/// Threads: engine. One per page, and one per frame of another origin.
class PageScript final {
 public:
  /// `context_id`: the frame's context; 0 is the page's own isolated world.
  explicit PageScript(std::int64_t context_id = 0) : context_id_(context_id) {}
  /// Calls `__troupe.<function>(args…)` in the page's isolated world.
  /// Errors: navigation_failed (the document went away meanwhile; see call_settled), script_error,
  /// timeout (says that the page's main thread does not answer).
  Async<json::value> call(Context& ctx, cdp::Page& page, unsigned scripts, std::string function,
                          json::array args);

 private:
  std::int64_t context_id_;
  std::uint64_t serial_ = 0;
  unsigned loaded_ = 0;
};

/// Milliseconds that a wait inside the page may take, so that its reason comes back before the
/// context's deadline also on a busy machine; at most 30 s when there is none.
std::int64_t page_wait_ms(const Context& ctx);

/// Source of a script without comments and indentation.
std::string compact_script(std::string_view source);

}  // namespace troupe::interact
