// What the benchmarks of interactions share: a session on a browser of their own, pages of any
// size, and series of times.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "interact/interactor.h"
#include "net/http_server.h"
#include "sessions/chromium.h"

namespace troupe::bench {

using Steady = std::chrono::steady_clock;

class BenchSession final : public sessions::LiveSession {
 public:
  explicit BenchSession(cdp::Connection& connection, std::string context = {},
                        std::string endpoint = {})
      : connection_(connection), context_(std::move(context)), endpoint_(std::move(endpoint)) {}
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override {
    return sessions::Browser{.connection = &connection_, .browser_context_id = context_};
  }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page> page) override { page.reset(); }
  Result<std::string> downloads_dir() override { return fail(Errc::unsupported, "no downloads"); }
  Session::Counters& counters() override { return counters_; }
  Async<std::string> driver_endpoint(Context&) override { co_return endpoint_; }

 private:
  cdp::Connection& connection_;
  std::string context_, endpoint_;
  std::string id_ = "bench";
  Session::Counters counters_;
};

// A form, and a table of `rows` rows with nine elements each.
inline std::string page_of(int rows) {
  std::string html =
      "<!doctype html><title>Orders</title><h1>Orders</h1><form onsubmit='return false'>"
      "<label>Customer <input name=customer></label><select name=state aria-label=State>"
      "<option>Open<option>Closed</select><label><input type=checkbox name=late> Late</label>"
      "<button onclick='shown.textContent=++window.n'>Apply filter</button></form><p id=shown>"
      "<p>Total: $1,250.50";
  html += "<script>n = 0</script>";
  if (rows > 0) html += "<table><tr><th>Order<th>Customer<th>Total<th>State</tr>";
  for (int i = 1; i <= rows; ++i) {
    const std::string n = std::to_string(i);
    html += "<tr class=order><td><a href='/orders/" + n + "'>Order " + n +
            "</a><td><span>Customer " + std::to_string(i % 37) + "</span><td>$" + n +
            ".50<td>open<td><button>Cancel " + n + "</button></tr>";
  }
  return html;
}

inline asio::awaitable<net::HttpResponse> answer_with_page(net::HttpRequest request) {
  net::HttpResponse response{.content_type = "text/html; charset=utf-8"};
  response.body = page_of(std::atoi(request.path.substr(1).c_str()));
  co_return response;
}

struct Series {
  std::vector<double> ms;
  void add(Steady::time_point since) {
    ms.push_back(std::chrono::duration<double, std::milli>(Steady::now() - since).count());
  }
  double at(double part) {
    std::sort(ms.begin(), ms.end());
    if (ms.empty()) return 0;
    const double value = ms[static_cast<std::size_t>(part * static_cast<double>(ms.size() - 1))];
    return static_cast<double>(static_cast<long>(value * 100)) / 100;
  }
  json::object told() { return {{"p50", at(0.5)}, {"p95", at(0.95)}}; }
};

template <class T>
T must(Result<T> result, std::string_view what) {
  if (!result) {
    std::cerr << what << ": " << result.error().describe() << "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace troupe::bench
