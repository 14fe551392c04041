// What the schema's steps need beyond SQL: functions that pack the columns of older schemas.
#pragma once

#include "tasks/sqlite_file.h"

namespace troupe::tasks {

/// `packed_spec(...)` and `packed_status(...)`, on this connection alone.
void add_upgrade_functions(Connection& connection);

}  // namespace troupe::tasks
