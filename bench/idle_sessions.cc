// What sessions cost this process when nothing happens: many of a stub provider, held by an engine
// with its API; then a part of them with a DevTools client each. Prints JSON.
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "api/server.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "interact/native_interactor.h"
#include "net/websocket.h"
#include "sessions/provider.h"

namespace {

using namespace troupe;
constexpr int kSessions = 10'000;
constexpr int kClients = 1'000;

class StubSession final : public sessions::ProviderSession {
 public:
  StubSession(std::string id, std::string endpoint)
      : id_(std::move(id)), endpoint_(std::move(endpoint)) {}
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override { return fail(Errc::unsupported, "stub"); }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page>) override {}
  Result<std::string> downloads_dir() override { return fail(Errc::unsupported, "stub"); }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return lost_; }
  Error lost_reason() const override { return fail(Errc::session_lost, "stub"); }
  Async<void> close(Context&, bool) override { co_return Result<void>{}; }
  Async<std::string> endpoint(Context&) override { co_return endpoint_; }

 private:
  std::string id_;
  std::string endpoint_;
  Event lost_;
  Session::Counters counters_;
};

class StubProvider final : public sessions::SessionProvider {
 public:
  explicit StubProvider(const std::string& endpoint) : endpoint_(endpoint) {}
  std::string_view name() const override { return "local"; }
  Async<std::unique_ptr<sessions::ProviderSession>> create(Context&, std::string id,
                                                           SessionSpec) override {
    std::unique_ptr<sessions::ProviderSession> session =
        std::make_unique<StubSession>(std::move(id), endpoint_);
    co_return session;
  }
  Async<void> tend(Context&) override { co_return Result<void>{}; }
  Async<void> shutdown(Context&) override { co_return Result<void>{}; }

 private:
  const std::string& endpoint_;
};

double resident_mb() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

double cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

asio::awaitable<void> stay(Context& ctx, net::WebSocket& socket) {
  (void)co_await socket.read(ctx, 1'000);
}

asio::awaitable<net::HttpResponse> browser(Context&, net::HttpRequest) {
  net::HttpResponse response;
  response.upgrade = stay;
  co_return response;
}

template <class T>
T run(asio::io_context& io, Async<T> work) {
  std::optional<Result<T>> value;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr exception, Result<T> result) {
    if (exception) std::rethrow_exception(exception);
    value = std::move(result);
    io.stop();
  });
  io.restart();
  io.run();
  if (value && *value) return std::move(**value);
  std::cerr << "bench: " << (value ? value->error().describe() : "no answer") << "\n";
  std::exit(1);
}

// CPU that this process uses in a second in which nothing is asked of it.
double idle_cpu(asio::io_context& io) {
  io.restart();
  const double before = cpu_ms();
  io.run_for(std::chrono::seconds(10));
  return (cpu_ms() - before) / 10;
}

}  // namespace

int main() {
  rlimit files{65'536, 65'536};
  setrlimit(RLIMIT_NOFILE, &files);
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  const auto dir =
      std::filesystem::temp_directory_path() / ("troupe-idle-" + std::to_string(getpid()));
  std::string endpoint;
  engine::Parts parts;
  parts.settings.data_dir = dir.string();
  parts.settings.sessions_max = kSessions;
  parts.settings.connections_max = 4 * kClients;
  parts.settings.session_idle_timeout = std::chrono::hours(1);
  parts.clock = make_real_clock(io.get_executor());
  parts.log = std::make_unique<observe::MemoryLog>();
  parts.backend = tasks::make_memory_backend(*parts.clock, {});
  parts.providers.push_back(std::make_unique<StubProvider>(endpoint));
  parts.interactors.push_back(interact::make_native_interactor());
  auto engine = engine::Engine::assemble(io.get_executor(), std::move(parts));
  Context ctx(engine->clock(), io.get_executor());
  net::HttpServerOptions options{.connections_max = 4 * kClients};
  auto target = net::HttpServer::start(io.get_executor(), engine->clock(), options, browser);
  endpoint = "ws://127.0.0.1:" + std::to_string((*target)->port()) + "/devtools/browser/stub";
  auto server = api::ApiServer::start(*engine, io.get_executor(), "127.0.0.1", 0);

  const double empty = resident_mb();
  const double before = cpu_ms();
  std::vector<std::string> ids;
  for (int i = 0; i < kSessions; ++i)
    ids.push_back(run(io, engine->create_session(ctx, {.keep_alive = true})).id);
  const double creation = (cpu_ms() - before) / kSessions;
  const double held = resident_mb();
  const double idle = idle_cpu(io);
  std::vector<std::unique_ptr<net::WebSocket>> clients;
  const std::string base = "ws://127.0.0.1:" + std::to_string((*server)->port()) + "/?sessionId=";
  for (int i = 0; i < kClients; ++i) {
    std::string url = base + ids[static_cast<std::size_t>(i)];
    clients.push_back(run(io, net::connect_websocket(ctx, std::move(url), {})));
  }
  const double connected = resident_mb();
  const double idle_connected = idle_cpu(io);
  std::cout
      << json::object{{"sessions", kSessions},     {"empty_mb", empty},
                      {"held_mb", held},           {"creation_cpu_ms", creation},
                      {"idle_cpu_ms_per_s", idle}, {"clients", kClients},
                      {"connected_mb", connected}, {"connected_idle_cpu_ms_per_s", idle_connected}}
      << "\n"
      << std::flush;
  std::filesystem::remove_all(dir);
  _exit(0);
}
