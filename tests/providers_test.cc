// Providers `browserbase` and `cdp` with the real binary, against a fake service with real
// browsers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "binary.h"
#include "remote_service.h"
#include "service.h"

namespace troupe::e2e {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSlowWorkflow = R"(
workflow: slow
steps:
  - goto: "data:text/html,<p>here</p>"
  - wait_for: {duration: 60s}
)";

TEST(Providers, RunsAWorkflowAtBrowserbaseAndReleasesAll) {
  const Scratch scratch;
  RemoteService service(scratch.path() + "/remote");
  Binary troupe(scratch,
                {"run", "video_discovery", "--site", "demo", "--sessions", "2", "--provider",
                 "browserbase", "--json"},
                service.environment());

  ASSERT_EQ(troupe.wait(), 0) << troupe.err();

  EXPECT_GE(service.sessions(), 2u);
  EXPECT_EQ(service.live(), 0);
}

TEST(Providers, GatewayModeIsBrowserbaseWithAQueueAndASpill) {
  const Scratch scratch;
  RemoteService remote(scratch.path() + "/remote", 1);
  auto environment = remote.environment();
  environment["TROUPE_SPILL_PROVIDERS"] = "local";
  environment["TROUPE_SPILL_AFTER"] = "200ms";
  Service service(scratch, {"--provider", "browserbase"}, environment);

  const auto first = parsed(service.post("/v1/sessions", R"({"keepAlive":true})").body);
  const auto second = parsed(service.post("/v1/sessions", R"({"keepAlive":true})").body);
  const auto context = service.post("/v1/contexts", R"({"name":"login"})");

  EXPECT_EQ(first.at("provider"), "browserbase") << first;
  EXPECT_THAT(std::string(first.at("connectUrl").as_string()),
              HasSubstr(service.url().substr(service.url().find("127."))));
  EXPECT_EQ(second.at("provider"), "local") << "the account has one place: " << second;
  EXPECT_EQ(context.status, 201) << context.body;
  const std::string context_id(parsed(context.body).at("id").as_string());
  EXPECT_EQ(service.get("/v1/contexts/" + context_id).status, 200);
  const std::string first_id(first.at("id").as_string());
  EXPECT_EQ(service.get("/v1/sessions/" + first_id + "/logs").status, 200);
  EXPECT_EQ(remote.live(), 1);

  EXPECT_EQ(service.post("/v1/sessions/" + first_id, R"({"status":"REQUEST_RELEASE"})").status,
            200);
  EXPECT_TRUE(Binary::until(std::chrono::seconds(15), [&] { return remote.live() == 0; }));
  service.binary().signal(SIGTERM);
  EXPECT_EQ(service.binary().wait(), 0) << service.binary().err();
}

TEST(Providers, SessionsOfAKilledTroupeAreReleasedByTheNext) {
  const Scratch scratch;
  RemoteService service(scratch.path() + "/remote");
  const std::string file = scratch.write("slow.yaml", kSlowWorkflow);
  Binary first(scratch, {"run", file, "--sessions", "2", "--provider", "browserbase"},
               service.environment());
  ASSERT_TRUE(first.until(std::chrono::seconds(30), [&] { return service.live() == 2; }))
      << first.err();
  first.signal(SIGKILL);
  EXPECT_EQ(first.wait(), 128 + SIGKILL);
  EXPECT_EQ(service.live(), 2);

  Binary next(scratch, {"serve", "--port", "0"}, service.environment());

  EXPECT_TRUE(next.until(std::chrono::seconds(15), [&] { return service.live() == 0; }))
      << next.err();
  next.signal(SIGTERM);
  EXPECT_EQ(next.wait(), 0) << next.err();
}

TEST(Providers, RunsAWorkflowInABrowserOfSomebodyElse) {
  const Scratch scratch;
  RemoteService service(scratch.path() + "/remote");
  const std::string endpoint = service.browser_of_its_own();
  ASSERT_THAT(endpoint, HasSubstr("ws://"));
  for (const char* isolation : {"context", "process"}) {
    Binary troupe(scratch,
                  {"run", "video_discovery", "--site", "demo", "--sessions", "2", "--provider",
                   "cdp", "--isolation", isolation},
                  {{"TROUPE_CDP_ENDPOINTS", endpoint}});
    ASSERT_EQ(troupe.wait(), 0) << troupe.err();
  }
}

}  // namespace
}  // namespace troupe::e2e
