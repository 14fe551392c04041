// The native interactor against the real Stagehand runtime with a model that answers at once, on
// the same pages in one run; and what a session costs in memory on either.
//   bench_stagehand FOLDER [--rounds 20] [--rows N | --memory]
// FOLDER: of the extension, or npm package @browserbasehq/stagehand 4.4.0.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/testing.h"
#include "interact/action_cache.h"
#include "interact/model_actions.h"
#include "interact/native_interactor.h"
#include "interact/native_tab.h"
#include "interact/stagehand_runtime_interactor.h"
#include "interact_bench.h"
#include "observe/log.h"
#include "services/stagehand_calls.h"

namespace {

using namespace troupe;
using namespace troupe::bench;
namespace fs = std::filesystem;
namespace requests = services::stagehand;

constexpr int kSlowRounds = 5;
constexpr int kWarmUp = 5;
constexpr auto kSlowModel = std::chrono::seconds(1);

// Says which element, by a part of its line in the prompt.
class Model final : public services::StagehandServant {
 public:
  std::string line, method;
  std::vector<std::string> arguments;
  Duration delay{};
  std::size_t characters = 0;  // of the requests since it was set to 0
  int asked = 0;

  Async<json::value> serve(Context& ctx, std::string, json::object params) override {
    ++asked;
    const json::object& format = params.at("response_format").as_object();
    if (const json::value* system = params.if_contains("system_prompt"))
      characters += system->is_string() ? system->get_string().size() : 0;
    characters += json::serialize(format.at("schema")).size();
    const std::string text = text_of(params);
    characters += text.size();
    if (delay > Duration::zero()) CO_TRY_VOID(co_await sleep_for(ctx, delay));
    const std::string name(format.at("name").as_string());
    json::object structured;
    if (name == "Act") structured = {{"action", chosen(text)}, {"twoStep", false}};
    if (name == "Observation") structured = {{"elements", json::array{chosen(text)}}};
    if (name == "Extraction") structured = {{"total", 1250.5}};
    if (name == "Metadata") structured = {{"progress", ""}, {"completed", true}};
    const std::string said = json::serialize(structured);
    co_return json::object{{"role", "assistant"},
                           {"content", json::object{{"type", "text"}, {"text", said}}},
                           {"output_format", "json_schema"},
                           {"structured_content", std::move(structured)}};
  }

 private:
  static std::string text_of(const json::object& params) {
    std::string text;
    for (const json::value& message : params.at("messages").as_array()) {
      const json::value& content = message.at("content");
      if (content.is_object() && content.get_object().contains("text"))
        text += content.at("text").as_string();
      if (content.is_array())
        for (const json::value& block : content.get_array())
          if (block.as_object().contains("text")) text += block.at("text").as_string();
    }
    return text;
  }
  json::value chosen(const std::string& text) const {
    const auto at = text.find(line);
    if (at == std::string::npos) return nullptr;
    const auto begin = text.rfind('[', at) + 1;
    return json::object{{"elementId", text.substr(begin, text.find(']', begin) - begin)},
                        {"description", line},
                        {"method", method},
                        {"arguments", json::value_from(arguments)}};
  }
};

struct Stagehand {
  std::unique_ptr<sessions::Chromium> chromium;
  std::shared_ptr<services::StagehandRuntime> runtime;
  Model model;
  std::string page;
  int marks = 0;

  // Both live until the call is over.
  services::StagehandAsker asker(const std::string& mark) {
    return {.servant = &model, .mark = mark};
  }
};

requests::Scope scope() { return {.timeout = std::chrono::seconds(30)}; }

enum class Kind { click, fill, known, observe, extract };

asio::awaitable<void> do_once(Context& ctx, Stagehand& s, Kind kind) {
  const std::string mark = " (call t" + std::to_string(++s.marks) + ")";
  auto asker = s.asker(mark);
  auto& runtime = *s.runtime;
  s.model.line = kind == Kind::fill ? "textbox: Customer" : "button: Apply filter";
  s.model.method = kind == Kind::fill ? "fill" : "click";
  s.model.arguments.clear();
  if (kind == Kind::fill) s.model.arguments = {"Ada"};
  if (kind == Kind::known) {
    const services::StagehandAction action{.selector = "xpath=/html[1]/body[1]/form[1]/button[1]",
                                           .method = "click"};
    auto request = requests::act(s.page, action, scope());
    const auto done = co_await services::stagehand_act(ctx, runtime, std::move(request));
    if (!must(done, "known act").success) std::exit(1);
  } else if (kind == Kind::observe) {
    auto request = requests::observe(s.page, "apply the filter" + mark, scope());
    auto rows =
        co_await services::stagehand_observe(ctx, runtime, std::move(request), std::move(asker));
    if (must(std::move(rows), "observe").empty()) std::exit(1);
  } else if (kind == Kind::extract) {
    json::object schema{{"type", "object"},
                        {"properties", json::object{{"total", json::object{{"type", "number"}}}}},
                        {"required", json::array{"total"}}};
    auto request = requests::extract(s.page, "the total" + mark, std::move(schema), scope());
    auto read =
        co_await services::stagehand_extract(ctx, runtime, std::move(request), std::move(asker));
    (void)must(std::move(read), "extract");
  } else {
    const std::string words =
        kind == Kind::fill ? "type Ada into the Customer field" : "click Apply filter";
    auto request = requests::act(s.page, words + mark, scope());
    const auto done =
        co_await services::stagehand_act(ctx, runtime, std::move(request), std::move(asker));
    if (!must(done, words).success) std::exit(1);
  }
}

asio::awaitable<Series> repeat(Context& ctx, Stagehand& s, Kind kind, int rounds) {
  Series series;
  const int before = rounds > kSlowRounds ? kWarmUp : 1;
  for (int i = 0; i < before + rounds; ++i) {
    const auto begin = Steady::now();
    co_await do_once(ctx, s, kind);
    if (i >= before) series.add(begin);
  }
  co_return series;
}

asio::awaitable<Series> repeat(Context& ctx, interact::Interactor& interactor, interact::Tab& tab,
                               interact::Action action, int rounds) {
  Series series;
  for (int i = 0; i < kWarmUp + rounds; ++i) {
    const auto begin = Steady::now();
    interact::Action again = action;
    (void)must(co_await interactor.perform(ctx, tab, std::move(again)), action.kind);
    if (i >= kWarmUp) series.add(begin);
  }
  co_return series;
}

interact::Action action_for(Kind kind) {
  switch (kind) {
    case Kind::click: return {"act", {{"instruction", "click Apply filter"}}};
    case Kind::fill: return {"act", {{"instruction", "type Ada into the Customer field"}}};
    case Kind::known:
      return {"act", {{"action", json::object{{"kind", "click"}, {"selector", "form > button"}}}}};
    case Kind::observe: return {"observe", {{"instruction", "apply the filter"}}};
    case Kind::extract: break;
  }
  return {"extract", {{"fields", json::object{{"total", "price"}}}}};
}

constexpr std::pair<Kind, const char*> kKinds[] = {{Kind::click, "act click"},
                                                   {Kind::fill, "act fill"},
                                                   {Kind::known, "known action"},
                                                   {Kind::observe, "observe"},
                                                   {Kind::extract, "extract"}};

asio::awaitable<std::unique_ptr<interact::Tab>> open_at(Context& ctx,
                                                        interact::Interactor& interactor,
                                                        sessions::LiveSession& session,
                                                        std::string url) {
  auto tab = must(co_await interactor.open(ctx, session, {}), "tab");
  interact::Action go{"goto", {{"url", url}}};
  (void)must(co_await interactor.perform(ctx, *tab, std::move(go)), url);
  co_return tab;
}

double ratio(double a, double b) {
  return b > 0 ? static_cast<double>(static_cast<long>(a / b * 10)) / 10 : 0;
}

struct Bench {
  std::string folder, dir;
  int rounds = 20;
  std::vector<int> rows{0, 53, 552};
  std::string base;  // of the pages
  sessions::Chromium* shell = nullptr;
  Stagehand stagehand;
};

// With the wait for a quiet network that it has by default.
asio::awaitable<void> start_as_it_comes(Context& ctx, Stagehand& s) {
  services::StagehandRequest close{.method = "stagehand.close", .params = {}};
  (void)must(co_await s.runtime->call(ctx, std::move(close)), "close");
  auto init = services::stagehand_init_request(s.chromium->endpoint(), "off");
  init.params.erase("dom_settle_timeout_ms");
  (void)must(co_await s.runtime->call(ctx, std::move(init)), "init");
}

asio::awaitable<std::unique_ptr<cdp::Page>> open_page(Context& ctx, Stagehand& s, std::string url) {
  auto page = must(co_await cdp::Page::open(ctx, s.chromium->connection(), {.url = url}), "page");
  (void)must(co_await page->wait_loaded(ctx, cdp::WaitUntil::load), "load");
  s.page = page->target_id();
  for (bool known = false; !known;) {
    auto request = requests::url(s.page);
    known = bool(co_await services::stagehand_text(ctx, *s.runtime, std::move(request)));
    if (!known) (void)co_await sleep_for(ctx, std::chrono::milliseconds(20));
  }
  co_return page;
}

struct Row {
  json::object native, same_browser, stagehand, times_faster, tokens;
};

// Each of ours, on either browser.
asio::awaitable<void> measure_native(Context& ctx, Bench& b, const std::string& url,
                                     cdp::Connection& connection, json::object& out,
                                     std::map<std::string, double>& p50) {
  BenchSession session(connection);
  interact::ActionCache cache(ctx.clock(), {.file = b.dir + "/actions.json"});
  const auto plain = interact::make_native_interactor();
  const auto known = interact::make_native_interactor(nullptr, &cache);
  auto tab = co_await open_at(ctx, *plain, session, url);
  for (const auto& [kind, name] : kKinds) {
    auto series = co_await repeat(ctx, *plain, *tab, action_for(kind), b.rounds);
    p50[name] = series.at(0.5);
    out[name] = series.told();
  }
  auto other = co_await open_at(ctx, *known, session, url);
  for (const Kind kind : {Kind::click, Kind::fill}) {
    const std::string name = kind == Kind::click ? "replay click" : "replay fill";
    auto series = co_await repeat(ctx, *known, *other, action_for(kind), b.rounds);
    p50[name] = series.at(0.5);
    out[name] = series.told();
  }
  (void)co_await plain->close(ctx, std::move(tab), false);
  (void)co_await known->close(ctx, std::move(other), false);
}

asio::awaitable<void> measure_stagehand(Context& ctx, Bench& b, const std::string& url, Row& row,
                                        std::map<std::string, double>& p50) {
  Stagehand& s = b.stagehand;
  auto page = co_await open_page(ctx, s, url);
  for (const auto& [kind, name] : kKinds) {
    s.model.characters = 0;
    s.model.asked = 0;
    auto series = co_await repeat(ctx, s, kind, b.rounds);
    p50[name] = series.at(0.5);
    row.stagehand[name] = series.told();
    if (s.model.asked == 0) continue;
    const auto calls = static_cast<std::size_t>(b.rounds + kWarmUp);
    row.tokens[name] = s.model.characters / calls / 4;
  }
  s.model.delay = kSlowModel;
  for (const Kind kind : {Kind::click, Kind::fill}) {
    const std::string name =
        kind == Kind::click ? "act click, model of 1 s" : "act fill, model of 1 s";
    auto series = co_await repeat(ctx, s, kind, kSlowRounds);
    p50[name] = series.at(0.5);
    row.stagehand[name] = series.told();
  }
  s.model.delay = {};
  (void)co_await page->close(ctx);
}

// Our interactor `stagehand`, which replays what it learnt by the same runtime.
asio::awaitable<void> measure_replay(Context& ctx, Bench& b, const std::string& url, Row& row,
                                     std::map<std::string, double>& p50) {
  const auto log = observe::make_null_log();
  interact::ActionCache cache(ctx.clock(), {.file = b.dir + "/stagehand.json"});
  const interact::StagehandRuntimeSettings settings{
      .folder = b.folder, .data_dir = b.dir, .actions = &cache};
  const auto ours = interact::make_stagehand_runtime_interactor(settings, nullptr, *log);
  BenchSession session(b.stagehand.chromium->connection(), {}, b.stagehand.chromium->endpoint());
  auto tab = co_await open_at(ctx, *ours, session, url);
  for (const Kind kind : {Kind::click, Kind::fill}) {
    const std::string name =
        kind == Kind::click ? "replay click, by Stagehand" : "replay fill, by Stagehand";
    auto series = co_await repeat(ctx, *ours, *tab, action_for(kind), b.rounds);
    p50[name] = series.at(0.5);
    row.native[name] = series.told();
  }
  (void)co_await ours->close(ctx, std::move(tab), false);
}

asio::awaitable<void> start_runtime(Context& ctx, Bench& b) {
  Stagehand& s = b.stagehand;
  services::StagehandRuntimeOptions options{.folder = b.folder, .endpoint = s.chromium->endpoint()};
  s.runtime =
      std::make_shared<services::StagehandRuntime>(s.chromium->connection(), std::move(options));
  must(co_await s.runtime->ensure(ctx), "Stagehand");
}

asio::awaitable<void> measure(Context& ctx, Bench& b, int rows) {
  const std::string url = b.base + std::to_string(rows);
  Row row;
  std::map<std::string, double> ours, there, theirs;
  co_await measure_native(ctx, b, url, b.shell->connection(), row.native, ours);
  co_await start_runtime(ctx, b);
  co_await measure_stagehand(ctx, b, url, row, theirs);
  co_await start_as_it_comes(ctx, b.stagehand);
  auto page = co_await open_page(ctx, b.stagehand, url);
  auto settled = co_await repeat(ctx, b.stagehand, Kind::click, kSlowRounds);
  row.stagehand["act click, as it comes"] = settled.told();
  (void)co_await page->close(ctx);
  co_await measure_native(ctx, b, url, b.stagehand.chromium->connection(), row.same_browser, there);
  (void)co_await b.stagehand.runtime->close(ctx);
  b.stagehand.runtime.reset();
  co_await measure_replay(ctx, b, url, row, ours);
  for (const auto& [kind, name] : kKinds)
    row.times_faster[name] = json::object{{"own browser", ratio(theirs[name], ours[name])},
                                          {"same browser", ratio(theirs[name], there[name])}};
  for (const char* what : {"click", "fill"}) {
    const std::string slow = "act " + std::string(what) + ", model of 1 s";
    const std::string replay = "replay " + std::string(what);
    row.times_faster[replay] =
        json::object{{"own browser", ratio(theirs[slow], ours[replay])},
                     {"same browser", ratio(theirs[slow], there[replay])},
                     {"by Stagehand", ratio(theirs[slow], ours[replay + ", by Stagehand"])}};
  }
  std::cout << json::serialize(json::object{{"rows", rows},
                                            {"native", row.native},
                                            {"native in the same browser", row.same_browser},
                                            {"stagehand", row.stagehand},
                                            {"times faster", row.times_faster},
                                            {"stagehand tokens a call", row.tokens}})
            << '\n'
            << std::flush;
}

// ---------------------------------------------------------------- memory

std::int64_t pss_kb(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("Pss:")) return std::atoll(line.c_str() + 4);
  return 0;
}

// Of a process and all below it, in MiB.
double tree_mb(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const int pid = std::atoi(entry.path().filename().c_str());
    std::ifstream file(entry.path() / "stat");
    std::string text;
    std::getline(file, text);
    const auto end = text.rfind(')');
    if (pid > 0 && end != std::string::npos)
      children.emplace(std::atoi(text.c_str() + end + 4), pid);
  }
  std::int64_t kb = 0;
  std::vector<pid_t> left{root};
  while (!left.empty()) {
    const pid_t pid = left.back();
    left.pop_back();
    kb += pss_kb(pid);
    const auto [begin, end] = children.equal_range(pid);
    for (auto at = begin; at != end; ++at) left.push_back(at->second);
  }
  return static_cast<double>(kb) / 1024;
}

struct Inhabitant {
  std::unique_ptr<BenchSession> session;
  std::unique_ptr<interact::Tab> tab;
};

asio::awaitable<Inhabitant> move_in(Context& ctx, interact::Interactor& interactor,
                                    sessions::Chromium& chromium, std::string url) {
  auto made =
      must(co_await chromium.connection().call(ctx, "", "Target.createBrowserContext"), "context");
  Inhabitant one;
  one.session = std::make_unique<BenchSession>(chromium.connection(),
                                               std::string(made.at("browserContextId").as_string()),
                                               chromium.endpoint());
  one.tab = co_await open_at(ctx, interactor, *one.session, std::move(url));
  interact::Action act = action_for(Kind::fill);
  (void)must(co_await interactor.perform(ctx, *one.tab, std::move(act)), "act");
  co_return one;
}

asio::awaitable<void> measure_memory(Context& ctx, std::string_view name,
                                     interact::Interactor& interactor, sessions::Chromium& chromium,
                                     std::string url) {
  std::vector<Inhabitant> all;
  json::object row{{"memory", name}};
  double one = 0;
  for (int count = 1; count <= 16; ++count) {
    all.push_back(co_await move_in(ctx, interactor, chromium, url));
    if (count != 1 && count != 16) continue;
    (void)co_await sleep_for(ctx, std::chrono::seconds(3));
    const double mb = tree_mb(chromium.process().pid());
    row[std::to_string(count) + " sessions, MiB"] = static_cast<int>(mb);
    if (count == 1) one = mb;
    if (count == 16) row["MiB a further session"] = static_cast<int>((mb - one) / 15);
  }
  std::cout << json::serialize(row) << '\n' << std::flush;
  for (Inhabitant& each : all) (void)co_await interactor.close(ctx, std::move(each.tab), false);
}

asio::awaitable<void> run_all(Context& ctx, asio::any_io_executor executor, Bench b, bool memory) {
  auto server = must(net::HttpServer::start(executor, ctx.clock(), {},
                                            [](Context&, net::HttpRequest request) {
                                              return answer_with_page(std::move(request));
                                            }),
                     "server");
  b.base = "http://127.0.0.1:" + std::to_string(server->port()) + "/";
  const auto extension = must(services::read_stagehand(b.folder), "folder");
  b.folder = extension.folder;
  const sessions::ChromiumOptions small{.browsers_dir = b.dir + "/browsers"};
  auto shell = must(co_await sessions::Chromium::launch(ctx, small), "browser");
  b.shell = shell.get();
  sessions::ChromiumOptions full{.browser = must(sessions::find_full_browser(""), "browser").path,
                                 .browsers_dir = b.dir + "/browsers",
                                 .listening = true,
                                 .driver_folder = b.folder};
  b.stagehand.chromium = must(co_await sessions::Chromium::launch(ctx, std::move(full)), "browser");
  if (memory) {
    const auto log = observe::make_null_log();
    const interact::StagehandRuntimeSettings settings{.folder = b.folder, .data_dir = b.dir};
    const auto ours = interact::make_stagehand_runtime_interactor(settings, nullptr, *log);
    const auto native = interact::make_native_interactor();
    co_await measure_memory(ctx, "stagehand", *ours, *b.stagehand.chromium, b.base + "53");
    co_await measure_memory(ctx, "native", *native, *shell, b.base + "53");
  } else {
    for (const int rows : b.rows) co_await measure(ctx, b, rows);
  }
  (void)co_await b.stagehand.chromium->close(ctx);
  (void)co_await shell->close(ctx);
  (void)co_await server->stop(ctx);
}

}  // namespace

int main(int argc, char** argv) {
  Bench b;
  bool memory = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--memory")
      memory = true;
    else if (word == "--rows" && i + 1 < argc)
      b.rows = {std::max(0, std::atoi(argv[++i]))};
    else if (word == "--rounds" && i + 1 < argc)
      b.rounds = std::max(1, std::atoi(argv[++i]));
    else
      b.folder = word;
  }
  if (b.folder.empty()) {
    std::cerr << "bench_stagehand FOLDER [--rounds 20] [--rows N | --memory]\n";
    return 2;
  }
  b.dir = (fs::temp_directory_path() / ("troupe-bench-" + std::to_string(getpid()))).string();
  const std::string dir = b.dir;
  fs::create_directories(dir);
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  const Context base(*clock, io.get_executor());
  Context ctx = base.with_timeout(std::chrono::minutes(5), "bench");
  asio::co_spawn(io, run_all(ctx, io.get_executor(), std::move(b), memory),
                 [](std::exception_ptr failure) {
                   if (failure) std::rethrow_exception(failure);
                 });
  io.run();
  fs::remove_all(dir);
  return 0;
}
