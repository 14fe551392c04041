// Where things are kept.
#pragma once

#include <string>

#include "troupe/settings.hpp"

namespace troupe::engine {

/// The setting, or its default.
std::string data_dir(const Settings& settings);
/// Of the tasks, with backend `sqlite`.
std::string database_file(const Settings& settings);

}  // namespace troupe::engine
