// What the native interactor's own steps cost on pages of about 17, 500 and 5,000 elements:
// looking, act (plain, and remembered), observe, extract. Prints one line of JSON per page.
//   bench_interact [--rounds 30]
#include <unistd.h>

#include <filesystem>

#include "base/testing.h"
#include "interact/action_cache.h"
#include "interact/model_actions.h"
#include "interact/native_interactor.h"
#include "interact/native_tab.h"
#include "interact_bench.h"

namespace {

using namespace troupe;
using namespace troupe::bench;
namespace fs = std::filesystem;

struct Bench {
  interact::Interactor* interactor = nullptr;
  interact::Tab* tab = nullptr;
  int rounds = 30;
};

asio::awaitable<Series> repeat(Context& ctx, Bench bench, interact::Action action) {
  Series series;
  for (int i = 0; i < bench.rounds; ++i) {
    const auto begin = Steady::now();
    interact::Action again = action;
    const auto done = co_await bench.interactor->perform(ctx, *bench.tab, std::move(again));
    if (!done) {
      std::cerr << action.kind << ": " << done.error().describe() << "\n";
      std::exit(1);
    }
    series.add(begin);
  }
  co_return series;
}

asio::awaitable<json::value> perform(Context& ctx, Bench bench, std::string kind,
                                     json::object args) {
  interact::Action action{std::move(kind), std::move(args)};
  auto done = co_await bench.interactor->perform(ctx, *bench.tab, std::move(action));
  if (!done) {
    std::cerr << done.error().describe() << "\n";
    std::exit(1);
  }
  co_return std::move(done->output);
}

// In the page alone, and what a model would be told of it.
asio::awaitable<json::object> look(Context& ctx, Bench bench) {
  auto& tab = static_cast<interact::NativeTab&>(*bench.tab);
  json::object out;
  Series trips, inside;
  for (int i = 0; i < bench.rounds; ++i) {
    const auto begin = Steady::now();
    const json::array none;
    const auto rows = co_await tab.call(ctx, interact::kSnapshot, "snapshot", none);
    trips.add(begin);
    if (!rows) continue;
    const auto snapshot = interact::read_snapshot(*rows);
    const auto all = interact::rank("", snapshot, 250);
    out["listed"] = snapshot.elements.size();
    out["bytes"] = json::serialize(*rows).size();
    out["model_characters"] = interact::native::element_lines(all).size();
    const cdp::Page::EvaluateOptions isolated;
    std::string script =
        "(() => { const t = performance.now(); __troupe.snapshot(); return performance.now() - t "
        "})()";
    const auto took = co_await tab.page().evaluate(ctx, std::move(script), isolated);
    if (took && took->is_number()) inside.ms.push_back(took->to_number<double>());
  }
  out["round_trip_ms"] = trips.told();
  out["in_page_ms"] = inside.told();
  co_return out;
}

asio::awaitable<void> measure(Context& ctx, Bench plain, Bench known, std::string url) {
  json::object row{{"url", url}};
  json::object to{{"url", url}};
  json::object again = to;
  (void)co_await perform(ctx, plain, "goto", std::move(to));
  (void)co_await perform(ctx, known, "goto", std::move(again));
  json::object count{{"expression", "document.querySelectorAll('*').length"}};
  row["elements"] = co_await perform(ctx, plain, "evaluate", std::move(count));
  row["snapshot"] = co_await look(ctx, plain);
  const interact::Action click{"act", {{"instruction", "click Apply filter"}}};
  const interact::Action selected{"click", {{"selector", "form > button"}}};
  const interact::Action fill{"act", {{"instruction", "type Ada into the Customer field"}}};
  const interact::Action observe{"observe", {{"instruction", "apply the filter"}}};
  json::object fields{{"order", json::object{{"selector", "a"}}},
                      {"total", json::object{{"selector", "td:nth-child(3)"}}}};
  const interact::Action extract{"extract", {{"items", ".order"}, {"fields", fields}}};
  const auto run = [&](std::string_view name, Bench bench,
                       const interact::Action& action) -> asio::awaitable<void> {
    Series series = co_await repeat(ctx, bench, action);
    row[name] = series.told();
  };
  co_await run("click by selector", plain, selected);
  co_await run("act click", plain, click);
  co_await run("act fill", plain, fill);
  (void)co_await perform(ctx, known, "act", click.args);
  (void)co_await perform(ctx, known, "act", fill.args);
  co_await run("act click, known", known, click);
  co_await run("act fill, known", known, fill);
  co_await run("observe", plain, observe);
  co_await run("extract", plain, extract);
  std::cout << json::serialize(row) << '\n' << std::flush;
}

asio::awaitable<void> bench_all(Context& ctx, asio::any_io_executor executor, int rounds,
                                std::string dir) {
  auto handler = [](Context&, net::HttpRequest request) {
    return answer_with_page(std::move(request));
  };
  auto server = net::HttpServer::start(executor, ctx.clock(), {}, handler);
  const sessions::ChromiumOptions options{.browsers_dir = dir + "/browsers"};
  auto chromium = co_await sessions::Chromium::launch(ctx, options);
  if (!server || !chromium) {
    std::cerr << (server ? chromium.error() : server.error()).describe() << "\n";
    std::exit(1);
  }
  BenchSession session((*chromium)->connection());
  interact::ActionCache cache(ctx.clock(), {.file = dir + "/actions.json"});
  const auto plain = interact::make_native_interactor();
  const auto known = interact::make_native_interactor(nullptr, &cache);
  for (const int rows : {0, 53, 552}) {
    auto one = co_await plain->open(ctx, session, {});
    auto two = co_await known->open(ctx, session, {});
    const std::string url =
        "http://127.0.0.1:" + std::to_string((*server)->port()) + "/" + std::to_string(rows);
    const Bench first{plain.get(), one->get(), rounds}, second{known.get(), two->get(), rounds};
    co_await measure(ctx, first, second, url);
    (void)co_await plain->close(ctx, std::move(*one), false);
    (void)co_await known->close(ctx, std::move(*two), false);
  }
  (void)co_await (*chromium)->close(ctx);
  (void)co_await (*server)->stop(ctx);
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 30;
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string_view(argv[i]) == "--rounds") rounds = std::max(1, std::atoi(argv[i + 1]));
  const std::string dir =
      (fs::temp_directory_path() / ("troupe-bench-" + std::to_string(getpid()))).string();
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  const Context base(*clock, io.get_executor());
  Context ctx = base.with_timeout(std::chrono::minutes(5), "bench");
  asio::co_spawn(io, bench_all(ctx, io.get_executor(), rounds, dir),
                 [](std::exception_ptr failure) {
                   if (failure) std::rethrow_exception(failure);
                 });
  io.run();
  fs::remove_all(dir);
  return 0;
}
