// How long a caller waits for a session: from the warm pool, and without spares. Prints one line of
// JSON.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>
#include <troupe/orchestrator.hpp>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

boost::json::object measure(int warm, int rounds) {
  troupe::Settings settings;
  settings.log_level = "error";
  settings.warm_sessions = warm;
  const auto dir =
      std::filesystem::temp_directory_path() / ("troupe-acquire-" + std::to_string(getpid()));
  settings.data_dir = dir;
  std::vector<double> times;
  double first = 0;
  {
    troupe::Orchestrator orchestrator(settings);
    const auto began = Clock::now();
    orchestrator.release_session(orchestrator.create_session().id);
    first = milliseconds_since(began);
    for (int i = 0; i < rounds; ++i) {
      // The pool refills its spares in the background; here that is given the time it needs.
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const auto start = Clock::now();
      const auto session = orchestrator.create_session();
      times.push_back(milliseconds_since(start));
      orchestrator.release_session(session.id);
    }
  }
  std::filesystem::remove_all(dir);
  std::sort(times.begin(), times.end());
  return {{"first_ms", first},
          {"p50_ms", times[times.size() / 2]},
          {"p95_ms", times[times.size() * 95 / 100]}};
}

}  // namespace

int main() {
  std::cout << boost::json::object{{"warm", measure(4, 100)}, {"cold", measure(0, 100)}} << "\n";
}
