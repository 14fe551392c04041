// What the sessions of a service use, as a table: `troupe sessions top`. Pure.
#pragma once

#include "app/table.h"
#include "base/clock.h"
#include "base/json.h"

namespace troupe::app {

/// One row per session, the largest first. Sessions that share a browser process show no figures:
/// nobody can tell which part of it is theirs.
Table top_table(const json::array& sessions, WallTime now);

}  // namespace troupe::app
