// Closed shadow roots: the page's scripts cannot see into them, the browser can.
#pragma once

#include <cstddef>
#include <string>

#include "cdp/page.h"

namespace troupe::interact {

/// Looks into the elements that core.js suspects (`suspected`) in the frame's isolated world, and
/// gives it the closed roots that they have. Returns how many. Costs nothing where it is not
/// called. Errors: those of cdp::Page::call; elements that went away are passed over.
Async<std::size_t> open_closed_roots(Context& ctx, cdp::Page& page, std::string frame_id);

}  // namespace troupe::interact
