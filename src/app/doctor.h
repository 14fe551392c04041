// The checks of `troupe doctor`: whether this machine can run browsers, and how to mend it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "troupe/settings.hpp"

namespace troupe::app {

enum class Verdict { ok, warning, failure };
std::string_view to_string(Verdict verdict);

struct Finding {
  std::string name;
  Verdict verdict = Verdict::ok;
  std::string detail;
  std::string mend;  ///< What to do; empty when it is ok.
};

/// The folder that `data_dir` means: itself, or the usual place.
std::string data_dir_of(const Settings& settings);

Finding check_sandbox();
Finding check_shared_memory(const std::string& path);
Finding check_file_limit(int sessions_max);
Finding check_cgroup(const Settings& settings);
Finding check_memory();
Finding check_data_dir(const std::string& dir);
Finding check_port(const std::string& host, int port, const std::string& what);
/// A warning at most: without one, recordings give no videos.
Finding check_video_encoder(const Settings& settings, std::string_view path);
Finding check_clock(WallTime now);
/// Nothing when no session at Browserbase is left over.
std::optional<Finding> check_paid_sessions(const std::string& dir, bool has_key);
/// Finds the browser, starts it, asks for its version over CDP and ends it.
asio::awaitable<Finding> check_browser(Context& ctx, Settings settings);

}  // namespace troupe::app
