// The session benchmark through the library: what bench/floor.mjs does by hand, as a workflow.
// Prints one line of JSON with the same fields.
//   bench_session --url http://…/session.html [--sessions 100] [--parallel 5] [--isolation context]
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <troupe/orchestrator.hpp>

namespace {

constexpr const char* kWorkflow = R"yaml(
workflow: session_bench
inputs:
  url: {type: string}
  text: {type: string}
steps:
  - goto: "{{ inputs.url }}"
  - fill: {selector: "#name", value: "{{ inputs.text }}"}
  - click: "#go"
  - extract:
      fields:
        shown: {selector: "#shown", required: true}
        items:
          items: .item
          fields:
            id: {selector: a, attribute: href, pattern: "item-([0-9]+)"}
            title: {selector: .item-title}
            price: {selector: .item-price}
    save_as: found
  - assert: "len(found.items) == 50 and found.shown == inputs.text + ' true'"
output: "{{ len(found.items) }}"
)yaml";

double own_cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) { return t.tv_sec * 1e3 + t.tv_usec / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

// CPU of all descendants, and of the ended ones that their parents waited for.
double children_cpu_ms() {
  std::multimap<int, int> children;
  std::map<int, long> ticks;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    std::ifstream file(entry.path() / "stat");
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (text.empty()) continue;
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string word;
    long sum = 0;
    int parent = 0;
    for (int i = 0; i < 15 && fields >> word; ++i) {
      if (i == 1) parent = std::stoi(word);
      if (i >= 11) sum += std::stol(word);
    }
    children.emplace(parent, pid);
    ticks[pid] = sum;
  }
  long total = 0;
  std::set<int> open{getpid()};
  while (!open.empty()) {
    const int pid = *open.begin();
    open.erase(open.begin());
    for (auto [row, end] = children.equal_range(pid); row != end; ++row) {
      total += ticks[row->second];
      open.insert(row->second);
    }
  }
  return static_cast<double>(total) * 1e3 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

troupe::RunRequest request(const troupe::Workflow& workflow, std::string_view url, int sessions,
                           int parallel, troupe::Isolation isolation) {
  troupe::RunRequest run{.workflow = workflow, .sessions = parallel};
  run.isolation = isolation;
  run.attempts = 1;
  for (int i = 0; i < sessions; ++i)
    run.items.push_back({{"url", url}, {"text", "visitor " + std::to_string(i)}});
  return run;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given{{"--url", ""},
                                           {"--sessions", "100"},
                                           {"--parallel", "5"},
                                           {"--isolation", "context"},
                                           {"--browser", ""}};
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  const int sessions = std::atoi(given["--sessions"].c_str());
  const int parallel = std::atoi(given["--parallel"].c_str());
  const auto isolation = troupe::isolation_from(given["--isolation"]);
  if (given["--url"].empty() || sessions < 1 || parallel < 1 || !isolation) {
    std::cerr << "usage: bench_session --url URL [--sessions N] [--parallel N] [--isolation I]"
                 " [--browser PATH]\n";
    return 2;
  }
  troupe::Settings settings;
  settings.log_level = "error";
  settings.warm_sessions = 0;
  settings.browser_recycle_after = 1'000'000;
  const auto dir =
      std::filesystem::temp_directory_path() / ("troupe-bench-" + std::to_string(getpid()));
  settings.data_dir = dir;
  settings.browser = given["--browser"];
  int code = 0;
  {
    troupe::Orchestrator orchestrator(settings);
    const auto workflow = troupe::Workflow::from_text(kWorkflow);
    orchestrator.run_workflow(request(workflow, given["--url"], parallel, parallel, *isolation));
    const double chromium = children_cpu_ms();
    const double own = own_cpu_ms();
    const auto began = std::chrono::steady_clock::now();
    const auto run = orchestrator.run_workflow(
        request(workflow, given["--url"], sessions, parallel, *isolation));
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const double used = own_cpu_ms() - own;
    const double browser = children_cpu_ms() - chromium;
    if (!run.ok()) {
      std::cerr << run.error->describe() << "\n";
      code = 1;
    }
    std::cout << boost::json::object{{"sessions", sessions},
                                     {"parallel", parallel},
                                     {"seconds", seconds},
                                     {"sessions_per_s", sessions / seconds},
                                     {"chromium_cpu_ms_per_session", browser / sessions},
                                     {"client_cpu_ms_per_session", used / sessions}}
              << "\n";
  }
  std::filesystem::remove_all(dir);
  return code;
}
