// What the CDP gateway adds: the same round trips and large messages directly and through it, in
// turn, against an echo server and against Chromium. Each part is a process of its own. Prints one
// line of JSON per target.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "api/server.h"
#include "net/websocket.h"
#include "sessions/chromium.h"

namespace {

using namespace troupe;
using Steady = std::chrono::steady_clock;
constexpr const char* kId = "00000000-0000-4000-8000-000000000001";

// One session whose browser is wherever `endpoint` says.
class OneSession final : public api::SessionService {
 public:
  explicit OneSession(std::string endpoint) : endpoint_(std::move(endpoint)) {}
  Async<Session> create(Context&, SessionSpec) override { co_return session(); }
  Result<Session> find(const std::string&) const override { return session(); }
  std::vector<Session> list() const override { return {session()}; }
  Async<void> release(Context&, std::string) override { co_return Result<void>{}; }
  Async<void> end(Context&, std::string, EndReason) override { co_return Result<void>{}; }
  Async<std::string> endpoint(Context&, std::string) override { co_return endpoint_; }
  Result<std::string> downloads_dir(const std::string&) override { return std::string("."); }
  Result<std::string> uploads_dir(const std::string&) override { return std::string("."); }
  Result<SessionSpec> spec(const std::string&) const override { return SessionSpec(); }
  void count(const std::string&, int, const Session::Counters&) override {}
  std::shared_ptr<void> on_created(std::function<void(const std::string&)>) override { return {}; }
  std::shared_ptr<void> on_ended(std::function<void(const std::string&)>) override { return {}; }

 private:
  static Session session() {
    Session session;
    session.id = kId;
    session.state = SessionState::running;
    session.keep_alive = true;
    session.expires_at = std::chrono::system_clock::now() + std::chrono::hours(1);
    return session;
  }
  std::string endpoint_;
};

class NoRuns final : public api::RunService {
 public:
  Async<std::string> submit(Context&, RunRequest) override { co_return none(); }
  Async<RunResult> wait(Context&, std::string) override { co_return none(); }
  Async<RunResult> find(Context&, std::string) override { co_return none(); }
  Async<std::vector<RunResult>> list(Context&, std::string, int) override { co_return none(); }
  Async<std::vector<tasks::Accepted>> submit_all(Context&, std::vector<RunRequest>) override {
    co_return none();
  }
  Async<tasks::Moved> cancel_task(Context&, std::string, std::string) override { co_return none(); }
  Async<tasks::Moved> replay_task(Context&, std::string) override { co_return none(); }
  Async<int> replay_run(Context&, std::string) override { co_return none(); }
  Result<void> cancel(const std::string&, std::string) override { return none(); }
  std::unique_ptr<api::EventSource> events(const std::string&, std::uint64_t) override {
    return nullptr;
  }

 private:
  static Error none() { return fail(Errc::unsupported, "bench"); }
};

class NoLibrary final : public api::Library {
 public:
  json::array workflows() const override { return {}; }
  Result<json::object> workflow(const std::string&) const override { return none(); }
  json::array sites() const override { return {}; }
  Result<json::object> site(const std::string&) const override { return none(); }
  Result<Workflow> parse(const json::object&) const override { return none(); }

 private:
  static Error none() { return fail(Errc::unsupported, "bench"); }
};

// Runs `body` in a child that writes one line (an address) to the parent and then serves.
template <class Body>
std::pair<pid_t, std::string> serve(Body body) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    body([&](const std::string& line) {
      (void)!write(ends[1], line.data(), line.size());
      close(ends[1]);
    });
    _exit(0);
  }
  close(ends[1]);
  std::string line;
  char c = 0;
  while (read(ends[0], &c, 1) == 1) line += c;
  close(ends[0]);
  return {child, line};
}

asio::awaitable<void> echo(Context& ctx, net::WebSocket& socket) {
  for (;;) {
    auto message = co_await socket.read(ctx, std::size_t{64} << 20);
    if (!message) co_return;
    socket.queue(net::Opcode::text, message->data);
    const auto flushed = co_await socket.flush(ctx);
    if (!flushed) co_return;
  }
}

asio::awaitable<net::HttpResponse> answer(Context&, net::HttpRequest) {
  net::HttpResponse response;
  response.upgrade = echo;
  co_return response;
}

void serve_echo(const std::function<void(const std::string&)>& tell) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  auto server = net::HttpServer::start(io.get_executor(), *clock, {}, answer);
  tell("ws://127.0.0.1:" + std::to_string((*server)->port()) + "/devtools/browser/echo");
  auto work = asio::make_work_guard(io);
  io.run();
}

void serve_gateway(const std::string& endpoint,
                   const std::function<void(const std::string&)>& tell) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  OneSession sessions(endpoint);
  NoRuns runs;
  NoLibrary library;
  observe::MemoryLog log;
  const Settings settings;
  api::Services services{.runs = runs,
                         .sessions = sessions,
                         .library = library,
                         .clock = *clock,
                         .log = log,
                         .settings = settings,
                         .readiness = [] { return std::vector<engine::Check>(); }};
  auto server = api::ApiServer::start(std::move(services), io.get_executor(), "127.0.0.1", 0);
  if (!server) std::abort();
  tell("ws://127.0.0.1:" + std::to_string((*server)->port()) + "/?sessionId=" + kId);
  auto work = asio::make_work_guard(io);
  io.run();
}

struct Peer {
  asio::io_context io;
  std::unique_ptr<Clock> clock = make_real_clock(io.get_executor());
  Context ctx{*clock, io.get_executor()};

  template <class T>
  T run(Async<T> work) {
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
};

Async<std::vector<double>> round_trips(Context& ctx, net::WebSocket& socket, std::string message,
                                       int count) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto began = Steady::now();
    socket.queue(net::Opcode::text, message);
    socket.send_queued();
    const auto answered = co_await socket.read(ctx, std::size_t{64} << 20);
    if (!answered) co_return answered.error();
    times.push_back(std::chrono::duration<double, std::micro>(Steady::now() - began).count());
  }
  co_return times;
}

double at(std::vector<double> times, double share) {
  std::sort(times.begin(), times.end());
  return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
}

// Through both ways in turn, so that both meet the same noise.
json::object compare(Peer& peer, net::WebSocket& direct, net::WebSocket& through,
                     const std::string& message, int blocks, int count) {
  std::vector<double> plain;
  std::vector<double> proxied;
  for (int i = 0; i < blocks; ++i)
    for (auto* way : {&direct, &through}) {
      auto times = peer.run(round_trips(peer.ctx, *way, message, count));
      auto& into = way == &direct ? plain : proxied;
      into.insert(into.end(), times.begin(), times.end());
    }
  return {{"direct_p50_us", at(plain, 0.5)},
          {"direct_p95_us", at(plain, 0.95)},
          {"gateway_p50_us", at(proxied, 0.5)},
          {"gateway_p95_us", at(proxied, 0.95)},
          {"added_p50_us", at(proxied, 0.5) - at(plain, 0.5)}};
}

std::unique_ptr<net::WebSocket> dial(Peer& peer, const std::string& url) {
  return peer.run(net::connect_websocket(peer.ctx, url, {}));
}

json::object measure_echo(Peer& peer) {
  const auto [echo_pid, target] = serve([](auto tell) { serve_echo(tell); });
  const std::string endpoint = target;
  const auto [gateway_pid, address] = serve([&](auto tell) { serve_gateway(endpoint, tell); });
  const auto direct = dial(peer, target);
  const auto through = dial(peer, address);
  const std::string small = R"({"id":1,"method":"A.b","pad":")" + std::string(1'000, 'x') + "\"}";
  const std::string large =
      R"({"id":1,"method":"A.b","pad":")" + std::string(10 << 20, 'x') + "\"}";
  json::object result{{"target", "echo"},
                      {"1KB", compare(peer, *direct, *through, small, 20, 500)},
                      {"10MB", compare(peer, *direct, *through, large, 5, 3)}};
  kill(gateway_pid, SIGKILL);
  kill(echo_pid, SIGKILL);
  waitpid(gateway_pid, nullptr, 0);
  waitpid(echo_pid, nullptr, 0);
  return result;
}

json::object measure_chromium(Peer& peer) {
  const auto dir =
      std::filesystem::temp_directory_path() / ("troupe-bench-gateway-" + std::to_string(getpid()));
  sessions::ChromiumOptions options{.browsers_dir = dir.string()};
  options.extra_flags = {"--remote-debugging-port=0"};
  auto chromium = peer.run(sessions::Chromium::launch(peer.ctx, std::move(options)));
  std::string port;
  std::string path;
  for (int i = 0; i < 100 && path.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::ifstream file(chromium->profile_dir() + "/DevToolsActivePort");
    std::getline(file, port);
    std::getline(file, path);
  }
  const std::string endpoint = "ws://127.0.0.1:" + port + path;
  const auto [gateway_pid, address] = serve([&](auto tell) { serve_gateway(endpoint, tell); });
  const auto direct = dial(peer, endpoint);
  const auto through = dial(peer, address);
  const std::string pad(1'000, 'x');
  const std::string small = R"({"id":1,"method":"Browser.getVersion","pad":")" + pad + "\"}";
  json::object result{{"target", "chromium"},
                      {"1KB", compare(peer, *direct, *through, small, 20, 200)}};
  kill(gateway_pid, SIGKILL);
  waitpid(gateway_pid, nullptr, 0);
  direct->abort();
  (void)through->is_open();
  chromium.reset();
  std::filesystem::remove_all(dir);
  return result;
}

}  // namespace

int main() {
  signal(SIGPIPE, SIG_IGN);
  Peer peer;
  std::cout << measure_echo(peer) << "\n" << measure_chromium(peer) << "\n";
}
