// Faults between Troupe and Browserbase, with the real binary: a way that breaks, a service that
// lies, a Troupe that is killed. The browsers are stubs, so that there can be many.
// TROUPE_ABANDONED sets how many sessions are abandoned (40).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "remote_stub.h"

namespace troupe::e2e {
namespace {

using services::FakeFault;
using ::testing::HasSubstr;

constexpr auto kLimit = std::chrono::seconds(15);

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

int abandoned_count() {
  const char* asked = std::getenv("TROUPE_ABANDONED");
  return asked ? std::atoi(asked) : 40;
}

// Waits until nothing is left of the sessions, here and there; says how long that took.
void expect_all_gone(RemoteStub& remote, Service& service, std::size_t descriptors, int count) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.live() == 0; })) << remote.live();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return remote.clients() == 0; })) << remote.clients();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return running(service) == 0; })) << running(service);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_LT(took, kLimit);
  // Connections that are kept for the next request, and the one that asks.
  EXPECT_TRUE(Binary::until(
      kLimit, [&] { return descriptors_of(service.binary().pid()) <= descriptors + 20; }))
      << descriptors_of(service.binary().pid()) << " descriptors, " << descriptors
      << " at the start";
  std::cout << count << " sessions: gone after " << took.count() << " s\n";
}

// While the network is cut nobody hears of their end; they end then.
TEST(Faults, SessionsAbandonedByACutNetworkAreGone) {
  const Scratch scratch;
  RemoteStub remote;
  auto environment = remote.environment();
  environment["TROUPE_SESSION_IDLE_TIMEOUT"] = "2s";
  Service service(scratch, {"--provider", "browserbase"}, environment);
  const std::size_t descriptors = descriptors_of(service.binary().pid());
  const int count = abandoned_count();
  int made = 0;
  for (int i = 0; i < count; ++i) {
    // In the middle of creations, too.
    if (i % 20 == 19) remote.cut();
    made += service.post("/v1/sessions", "{}").status == 201;
    if (i % 20 == 19) remote.mend();
  }
  EXPECT_GE(made, count * 9 / 10);

  remote.cut();
  EXPECT_TRUE(Binary::until(kLimit, [&] { return running(service) == 0; })) << running(service);
  remote.mend();

  expect_all_gone(remote, service, descriptors, count);
  end(service);
}

TEST(Faults, SessionsOfAServiceThatLiesAreGone) {
  const Scratch scratch;
  RemoteStub remote;
  Service service(scratch, {"--provider", "browserbase"}, remote.environment());
  const std::size_t descriptors = descriptors_of(service.binary().pid());
  const int count = abandoned_count();
  using Answer = FakeFault::Answer;
  // One after the other, each at some request.
  const auto lie = [&](const std::string& route, std::vector<Answer> answers, int times,
                       double probability, bool apply) {
    for (int i = 0; i < times; ++i)
      remote.inject({.route = route,
                     .answer = answers[static_cast<std::size_t>(i) % answers.size()],
                     .probability = probability,
                     .apply = apply});
  };
  lie("POST /v1/sessions", {Answer::cut, Answer::garbage, Answer::web_page, Answer::another},
      count / 8, 0.25, true);
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) {
    const auto reply = service.post("/v1/sessions", R"({"keepAlive":true})");
    if (reply.status == 201) ids.emplace_back(parsed(reply.body).at("id").as_string());
  }
  EXPECT_GE(ids.size(), static_cast<std::size_t>(count) * 9 / 10);
  lie("POST /v1/sessions/{id}",
      {Answer::says_ended, Answer::says_running, Answer::another, Answer::garbage, Answer::vanished,
       Answer::cut, Answer::status, Answer::web_page},
      count, 0.7, false);

  for (const auto& id : ids) release(service, id);

  expect_all_gone(remote, service, descriptors, count);
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
  const int count = abandoned_count();
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
  std::cout << count + 1 << " sessions: gone after " << took.count() << " s\n";
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
