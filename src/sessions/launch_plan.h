// How a browser process is started for a session spec: flags, environment, what is checked before.
#pragma once

#include <string>

#include "sessions/chromium.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// Errors: invalid_argument (names the member and its value), unsupported.
Result<void> check_local_spec(const SessionSpec& spec);

/// What had to be found or started first.
struct LaunchParts {
  std::string extension_folder;
  int proxy_port = 0;  ///< Of the session's forwarder; 0: none.
  std::string home;    ///< Has the certificate store, when there are certificates.
};

/// `base` is the default shape. Pure.
ChromiumOptions plan_launch(ChromiumOptions base, const SessionSpec& spec,
                            const LaunchParts& parts);

}  // namespace troupe::sessions
