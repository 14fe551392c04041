// Faults between Troupe and Browserbase, with the real binary: a way that breaks, a service that
// lies, a Troupe that is killed. The browsers are stubs, so that there can be many.
// TROUPE_ABANDONED sets how many sessions a killed Troupe leaves (40).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>

#include "relay.h"
#include "service.h"
#include "services/testing.h"
#include "sessions/testing_devtools.h"

namespace troupe::e2e {
namespace {

using services::FakeBrowserbase;
using services::FakeFault;
using ::testing::HasSubstr;

constexpr auto kLimit = std::chrono::seconds(15);

// The service and the browsers of its sessions, each behind a way that can break; on a thread of
// its own.
class RemoteStub final {
 public:
  RemoteStub() : thread_([this] { work(); }) { ready_.get_future().wait(); }
  ~RemoteStub() {
    asio::post(io_, [this] { end_.set(); });
    thread_.join();
  }

  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        result.set_value();
      } else {
        result.set_value(work());
      }
    });
    return result.get_future().get();
  }
  int live() {
    return on_thread([this] { return fake_->live(); });
  }
  std::size_t sessions() {
    return on_thread([this] { return fake_->sessions().size(); });
  }
  std::size_t clients() {
    return on_thread([this] { return stub_->clients(); });
  }
  // Its browser crashes.
  void end_session(const std::string& id, services::RemoteStatus status) {
    on_thread([&] {
      fake_->end_session(id, status);
      stub_->remove(id);
    });
  }
  void inject(FakeFault fault) {
    on_thread([&] { fake_->inject(fault); });
  }
  void cut() {
    on_thread([this] {
      api_->cut();
      browsers_->cut();
    });
  }
  void mend() {
    on_thread([this] {
      api_->mend();
      browsers_->mend();
    });
  }
  // Connections to the service go dead; those to browsers stay.
  void deaden() {
    on_thread([this] { api_->deaden(); });
  }
  std::map<std::string, std::string> environment() {
    const int port = on_thread([this] { return api_->port(); });
    return {{"BROWSERBASE_API_KEY", "bb_test_key"},
            {"BROWSERBASE_BASE_URL", "http://127.0.0.1:" + std::to_string(port)},
            {"TROUPE_SESSIONS_MAX", "300"},
            {"TROUPE_LOG_LEVEL", "info"}};
  }

 private:
  static Async<std::string> open(RemoteStub& self, std::string id) {
    self.stub_->add(id);
    co_return "ws://127.0.0.1:" + std::to_string(self.browsers_->port()) + "/devtools/browser/" +
        id;
  }
  static asio::awaitable<void> close(RemoteStub& self, std::string id) {
    self.stub_->remove(id);
    co_return;
  }
  static asio::awaitable<void> serve(RemoteStub& self) {
    const auto executor = self.io_.get_executor();
    Context ctx(*self.clock_, executor);
    self.stub_ = sessions::DevtoolsStub::start(executor, *self.clock_);
    services::FakeOptions options;
    options.concurrency = 400;
    options.open = [&self](Context&, std::string id, json::object) {
      return open(self, std::move(id));
    };
    options.close = [&self](Context&, std::string id) { return close(self, std::move(id)); };
    self.fake_ = FakeBrowserbase::start(executor, *self.clock_, options).value();
    const auto port_in = [](const std::string& url) {
      return std::stoi(url.substr(url.rfind(':') + 1));
    };
    self.api_ = std::make_unique<Relay>(executor, port_in(self.fake_->base_url()));
    self.browsers_ = std::make_unique<Relay>(executor, port_in(self.stub_->address()));
    self.ready_.set_value();
    (void)co_await self.end_.wait(ctx);
    self.api_->cut();
    self.browsers_->cut();
    Context cleanup = ctx.with_timeout(std::chrono::seconds(5), "end");
    (void)co_await self.fake_->stop(cleanup);
    (void)co_await self.stub_->stop(cleanup);
  }
  void work() {
    scope_.spawn("service", serve(*this));
    io_.run();
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Scope scope_{io_.get_executor()};
  Event end_;
  std::promise<void> ready_;
  std::unique_ptr<FakeBrowserbase> fake_;
  std::unique_ptr<sessions::DevtoolsStub> stub_;
  std::unique_ptr<Relay> api_;
  std::unique_ptr<Relay> browsers_;
  std::thread thread_;
};

std::string create(const Service& service, const std::string& body) {
  const auto reply = service.post("/v1/sessions", body);
  EXPECT_EQ(reply.status, 201) << reply.body;
  return reply.status == 201 ? std::string(parsed(reply.body).at("id").as_string()) : "";
}

void release(const Service& service, const std::string& id) {
  const auto reply = service.post("/v1/sessions/" + id, R"({"status":"REQUEST_RELEASE"})");
  EXPECT_EQ(reply.status, 200) << reply.body;
}

std::size_t running(const Service& service) {
  return parsed(service.get("/v1/sessions?status=RUNNING").body).as_array().size();
}

void end(Service& service) {
  service.binary().signal(SIGTERM);
  EXPECT_EQ(service.binary().wait(), 0) << service.binary().err();
}

TEST(Faults, SessionsOutliveANetworkThatWasCut) {
  const Scratch scratch;
  RemoteStub remote;
  Service service(scratch, {"--provider", "browserbase"}, remote.environment());
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(create(service, R"({"keepAlive":true})"));
  ASSERT_EQ(remote.clients(), 6u);

  remote.cut();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.clients() == 0; }));
  release(service, ids[0]);  // answered at once; the rest goes on until it is confirmed
  std::this_thread::sleep_for(std::chrono::seconds(2));
  EXPECT_EQ(remote.live(), 6);
  EXPECT_EQ(running(service), 5u);
  remote.mend();

  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.clients() == 5; })) << remote.clients();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 5; })) << remote.live();
  EXPECT_EQ(running(service), 5u);
  for (std::size_t i = 1; i < ids.size(); ++i) release(service, ids[i]);
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 0; })) << remote.live();
  EXPECT_EQ(remote.clients(), 0u);
  end(service);
}

TEST(Faults, AReleaseOnADeadConnectionIsAskedForOnANewOne) {
  const Scratch scratch;
  RemoteStub remote;
  Service service(scratch, {"--provider", "browserbase"}, remote.environment());
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(create(service, R"({"keepAlive":true})"));

  remote.deaden();
  for (const auto& id : ids) release(service, id);

  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 0; })) << remote.live();
  end(service);
}

TEST(Faults, AServiceThatLiesGetsNoSessionForgotten) {
  const Scratch scratch;
  RemoteStub remote;
  Service service(scratch, {"--provider", "browserbase"}, remote.environment());
  using Answer = FakeFault::Answer;
  const auto create_fault = [&](Answer answer, bool apply) {
    remote.inject({.route = "POST /v1/sessions", .answer = answer, .apply = apply});
  };
  create_fault(Answer::cut, true);
  create_fault(Answer::garbage, true);
  create_fault(Answer::web_page, true);
  create_fault(Answer::status, true);
  create_fault(Answer::another, true);
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) ids.push_back(create(service, R"({"keepAlive":true})"));
  EXPECT_EQ(remote.live(), 12);
  for (const Answer answer :
       {Answer::says_ended, Answer::says_running, Answer::another, Answer::garbage, Answer::cut,
        Answer::vanished, Answer::status, Answer::web_page, Answer::says_ended})
    remote.inject({.route = "POST /v1/sessions/{id}", .answer = answer});

  for (const auto& id : ids) release(service, id);

  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 0; })) << remote.live();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.clients() == 0; })) << remote.clients();
  EXPECT_EQ(running(service), 0u);
  end(service);
}

TEST(Faults, SessionsThatEndByThemselvesAreToldAsThat) {
  const Scratch scratch;
  RemoteStub remote;
  Service service(scratch, {"--provider", "browserbase"}, remote.environment());
  const std::string id = create(service, R"({"keepAlive":true})");

  const auto there = std::string(
      parsed(service.get("/v1/sessions/" + id).body).at("providerSessionId").as_string());
  remote.end_session(there, services::RemoteStatus::error);

  const auto told = [&] { return parsed(service.get("/v1/sessions/" + id).body).as_object(); };
  EXPECT_TRUE(Binary::until(kLimit, [&] { return told().contains("endReason"); }));
  EXPECT_EQ(told().at("endReason"), "crashed");
  EXPECT_EQ(told().at("status"), "ERROR");
  end(service);
}

TEST(Faults, AKilledTroupeLeavesNoPaidSession) {
  const Scratch scratch;
  RemoteStub remote;
  const char* asked = std::getenv("TROUPE_ABANDONED");
  const int count = asked ? std::atoi(asked) : 40;
  {
    Service service(scratch, {"--provider", "browserbase"}, remote.environment());
    for (int i = 0; i < count; ++i) create(service, R"({"keepAlive":true})");
    ASSERT_EQ(remote.live(), count);
    // One more, whose answer never comes.
    remote.inject(
        {.route = "POST /v1/sessions", .answer = FakeFault::Answer::silence, .apply = true});
    std::thread last([&] { service.post("/v1/sessions", "{}"); });
    EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == count + 1; }));
    service.binary().signal(SIGKILL);
    service.binary().wait();
    last.join();
  }
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.clients() == 0; }));
  EXPECT_EQ(remote.live(), count + 1);

  const auto began = std::chrono::steady_clock::now();
  Service again(scratch, {"--provider", "browserbase"}, remote.environment());

  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 0; })) << remote.live();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  RecordProperty("seconds_until_none_was_left", std::to_string(took.count()));
  EXPECT_EQ(remote.clients(), 0u);
  EXPECT_EQ(running(again), 0u);
  end(again);
  std::size_t journals = 0;
  for (const auto& entry : fs::directory_iterator(scratch.path() + "/data/sessions"))
    journals += entry.path().filename() != "install_id";
  EXPECT_EQ(journals, 0u);
}

TEST(Faults, WithoutAKeyWhatIsLeftIsToldAndKept) {
  const Scratch scratch;
  RemoteStub remote;
  {
    Service service(scratch, {"--provider", "browserbase"}, remote.environment());
    create(service, R"({"keepAlive":true})");
    service.binary().signal(SIGKILL);
    service.binary().wait();
  }
  {
    Service keyless(scratch, {}, {{"TROUPE_LOG_LEVEL", "info"}});
    EXPECT_TRUE(Binary::until(kLimit, [&] {
      return keyless.binary().err().find("BROWSERBASE_API_KEY") != std::string::npos;
    })) << keyless.binary().err();
    end(keyless);
  }
  Binary doctor(scratch, {"doctor", "--json"});
  doctor.wait();
  EXPECT_THAT(doctor.out(), HasSubstr("paid sessions"));
  EXPECT_EQ(remote.live(), 1);

  Service again(scratch, {"--provider", "browserbase"}, remote.environment());
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 0; }));
  end(again);
}

// A port that is free, at least now.
int free_port() {
  asio::io_context io;
  using asio::ip::tcp;
  const tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  return acceptor.local_endpoint().port();
}

std::map<std::string, std::string> served_by(int port) {
  return {{"BROWSERBASE_API_KEY", "a_key_of_some_length"},
          {"BROWSERBASE_BASE_URL", "http://127.0.0.1:" + std::to_string(port)}};
}

TEST(Faults, AServiceThatIsItsOwnBrowserbaseRefuses) {
  const Scratch scratch;
  const std::string port = std::to_string(free_port());
  Service service(scratch, {"--provider", "browserbase", "--port", port},
                  served_by(std::stoi(port)));

  const auto created = service.post("/v1/sessions", "{}");
  const auto context = service.get("/v1/contexts/one");

  EXPECT_EQ(created.status, 400) << created.body;
  EXPECT_THAT(created.body, HasSubstr("leads back to this troupe itself"));
  EXPECT_EQ(context.status, 400) << context.body;
  EXPECT_THAT(context.body, HasSubstr("leads back to this troupe itself"));
  end(service);
}

TEST(Faults, TwoServicesThatAreEachOthersBrowserbaseRefuse) {
  const Scratch first_scratch, second_scratch;
  const int first_port = free_port();
  const int second_port = free_port();
  Service first(first_scratch, {"--provider", "browserbase", "--port", std::to_string(first_port)},
                served_by(second_port));
  Service second(second_scratch,
                 {"--provider", "browserbase", "--port", std::to_string(second_port)},
                 served_by(first_port));

  const auto created = first.post("/v1/sessions", "{}");
  const auto context = first.get("/v1/contexts/one");

  EXPECT_EQ(created.status, 400) << created.body;
  EXPECT_THAT(created.body, HasSubstr("leads back"));
  EXPECT_EQ(context.status, 400) << context.body;
  end(first);
  end(second);
}

}  // namespace
}  // namespace troupe::e2e
