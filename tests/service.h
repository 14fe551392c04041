// A `troupe serve` or `troupe demo-site` of its own for a test, and a plain client for it.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/async.h"
#include "base/clock.h"
#include "binary.h"
#include "net/http_client.h"

namespace troupe::e2e {

/// One request on a connection of its own; status 0 and the error as body when there is no answer.
inline net::HttpReply send(net::HttpCall call) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  const auto client = net::HttpClient::create();
  Context unbounded(*clock, io.get_executor());
  Context ctx = unbounded.with_timeout(std::chrono::seconds(60), "request of a test");
  net::HttpReply reply;
  asio::co_spawn(io, client->send(ctx, std::move(call)),
                 [&](std::exception_ptr exception, Result<net::HttpReply> given) {
                   if (!exception && given) reply = std::move(*given);
                   if (!exception && !given) reply.body = given.error().describe();
                   io.stop();
                 });
  io.run();
  return reply;
}

inline json::value parsed(const std::string& text) {
  auto value = parse_json(text, "answer");
  EXPECT_TRUE(value) << text.substr(0, 2'000);
  return value ? *value : json::value(nullptr);
}

/// Files, sockets and the like that a process has open.
inline std::size_t descriptors_of(pid_t pid) {
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error))
    count += !entry.path().empty();
  return count;
}

/// A server of the binary on a free port.
class Server {
 public:
  Server(const Scratch& scratch, std::vector<std::string> arguments, const std::string& announces,
         std::map<std::string, std::string> environment)
      : binary_(scratch, std::move(arguments), std::move(environment)) {
    // The line is written in pieces.
    const bool told = Binary::until(std::chrono::seconds(30), [&] {
      const std::string log = binary_.err();
      const auto at = log.find(announces);
      return at != std::string::npos && log.find('\n', at) != std::string::npos;
    });
    if (!told) ADD_FAILURE() << "no server: " << binary_.err();
    const std::string log = binary_.err();
    const auto at = log.find(announces) + announces.size();
    url_ = log.substr(at, log.find(' ', at) - at);
  }
  Binary& binary() { return binary_; }
  const std::string& url() const { return url_; }

 private:
  Binary binary_;
  std::string url_;
};

class DemoSite final : public Server {
 public:
  explicit DemoSite(const Scratch& scratch)
      : Server(scratch, {"demo-site", "--port", "0"}, "the demo site is at ", {}) {}
};

class Service final : public Server {
 public:
  explicit Service(const Scratch& scratch, std::vector<std::string> arguments = {},
                   std::map<std::string, std::string> environment = {})
      : Server(scratch, with(std::move(arguments)), "serves ", std::move(environment)) {}

  net::HttpReply get(const std::string& path, net::Headers headers = {}) const {
    return send({.method = "GET", .url = url() + path, .headers = std::move(headers), .body = {}});
  }
  net::HttpReply post(const std::string& path, std::string body, net::Headers headers = {}) const {
    headers.emplace_back("content-type", "application/json");
    return send({.method = "POST",
                 .url = url() + path,
                 .headers = std::move(headers),
                 .body = std::move(body)});
  }
  /// Starts a run and gives its id.
  std::string start(const json::object& request) const {
    const auto reply = post("/v1/runs", json::serialize(request));
    EXPECT_EQ(reply.status, 202) << reply.body;
    const json::value run = parsed(reply.body);
    return reply.status == 202 ? std::string(run.at("run_id").as_string()) : "";
  }
  json::value run(const std::string& id) const { return parsed(get("/v1/runs/" + id).body); }
  /// The run at its end, or as far as it came within the limit.
  json::value ended(const std::string& id,
                    std::chrono::seconds limit = std::chrono::seconds(30)) const {
    Binary::until(limit, [&] { return run(id).as_object().contains("ended_at"); });
    return run(id);
  }

 private:
  static std::vector<std::string> with(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"serve", "--port", "0"});
    return arguments;
  }
};

}  // namespace troupe::e2e
