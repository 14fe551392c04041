#include "services/browserbase.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "services/testing.h"

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Answer = FakeFault::Answer;

const std::string kCreate = "POST /v1/sessions";
const std::string kGet = "GET /v1/sessions/{id}";

/// A client and the fake it talks to, on one loop in real time; retries take milliseconds.
class BrowserbaseTest : public ::testing::Test {
 protected:
  BrowserbaseTest() {
    options_.api_key = "bb_test_key";
    options_.retry_first = milliseconds(2);
    options_.retry_max = milliseconds(10);
    restart({});
  }
  ~BrowserbaseTest() override {
    (void)wait(fake_->stop(context_));
    client_.reset();
    fake_.reset();
  }

  void restart(FakeOptions fake) {
    if (fake_) (void)wait(fake_->stop(context_));
    fake_ = FakeBrowserbase::start(io_.get_executor(), *clock_, std::move(fake)).value();
    options_.base_url = fake_->base_url();
    reconnect();
  }
  void reconnect() {
    client_ = make_browserbase_client(options_, *http_, *clock_, Random(1)).value();
  }

  template <class T>
  Result<T> wait(Async<T> call) {
    std::optional<Result<T>> result;
    asio::co_spawn(io_, std::move(call), [&](std::exception_ptr exception, Result<T> value) {
      if (exception) std::rethrow_exception(exception);
      result = std::move(value);
    });
    io_.restart();
    while (!result && io_.run_one_for(seconds(20)) > 0) {
    }
    return std::move(*result);
  }
  RemoteSession create(CreateSession request = {}) {
    return wait(client_->create_session(context_, std::move(request), noting())).value();
  }
  CallOptions noting() {
    CallOptions options;
    options.note = &note_;
    return options;
  }
  /// `code failure attempts` of a call that must fail; the error is kept.
  template <class T>
  std::string outcome(Async<T> call) {
    auto result = wait(std::move(call));
    if (result) return "ok";
    error_ = result.error();
    return std::string(to_string(error_.code)) + " " + std::string(to_string(note_.failure)) + " " +
           std::to_string(note_.attempts);
  }
  std::string outcome_of_get(Context ctx) {
    return outcome(client_->get_session(ctx, "s1", noting()));
  }
  std::string outcome_of_get() { return outcome_of_get(context_); }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context context_{Context(*clock_, io_.get_executor()).with_timeout(seconds(15), "test")};
  std::unique_ptr<net::HttpClient> http_ = net::HttpClient::create();
  BrowserbaseOptions options_;
  std::unique_ptr<FakeBrowserbase> fake_;
  std::unique_ptr<BrowserbaseClient> client_;
  CallNote note_;
  Error error_;
};

TEST_F(BrowserbaseTest, ASessionIsCreatedReadListedAndReleased) {
  CreateSession request;
  request.timeout_seconds = 120;
  request.keep_alive = true;
  request.region = "eu-central-1";
  request.user_metadata = {{"task", "it's"}};
  const auto created = create(request);
  EXPECT_EQ(created.status, RemoteStatus::running);
  EXPECT_TRUE(created.keep_alive);
  EXPECT_EQ(created.region, "eu-central-1");
  EXPECT_EQ(created.expires_at - created.created_at, seconds(120));
  EXPECT_THAT(created.connect_url, HasSubstr("signingKey="));

  const SessionQuery mine{RemoteStatus::running, metadata_query("task", "it's")};
  const auto listed = wait(client_->list_sessions(context_, mine)).value();
  ASSERT_EQ(listed.size(), 1);
  EXPECT_EQ(listed[0].id, created.id);
  EXPECT_EQ(listed[0].connect_url, "");
  const SessionQuery others{{}, metadata_query("task", "its")};
  EXPECT_THAT(wait(client_->list_sessions(context_, others)).value(), IsEmpty());

  EXPECT_EQ(wait(client_->release_session(context_, created.id)).value().status,
            RemoteStatus::completed);
  const auto after = wait(client_->get_session(context_, created.id)).value();
  EXPECT_FALSE(after.is_live());
  EXPECT_TRUE(after.ended_at);
  EXPECT_EQ(after.connect_url, "");
  EXPECT_TRUE(wait(client_->release_session(context_, created.id)));
}

TEST_F(BrowserbaseTest, WhatASessionLeavesCanBeRead) {
  const std::string id = create().id;
  EXPECT_EQ(wait(client_->live_urls(context_, id, 60)).value().pages.size(), 1);
  EXPECT_THAT(fake_->requests().back().target, HasSubstr("/debug?expiresIn=60"));
  EXPECT_EQ(wait(client_->session_logs(context_, id)).value()[0].method, "Page.navigate");
  EXPECT_THAT(wait(client_->session_recording(context_, id)).value(), IsEmpty());
  EXPECT_EQ(wait(client_->session_downloads(context_, id)).value().size(), 22);
  EXPECT_TRUE(wait(client_->delete_session_downloads(context_, id)));
  EXPECT_EQ(wait(client_->session_replays(context_, id)).value()[0].page_id, "0");
  EXPECT_THAT(wait(client_->replay_playlist(context_, id, "0")).value(), HasSubstr("#EXTM3U"));
  EXPECT_EQ(outcome(client_->request_recording_downloads(context_, id, noting())),
            "conflict conflict 1");
  fake_->end_session(id, RemoteStatus::error);
  const auto videos = wait(client_->request_recording_downloads(context_, id)).value();
  EXPECT_EQ(videos[0].status, "COMPLETED");
  EXPECT_EQ(wait(client_->recording_downloads(context_, id)).value().size(), 1);
  EXPECT_EQ(outcome(client_->live_urls(context_, id, {}, noting())), "gone gone 1");
}

TEST_F(BrowserbaseTest, FilesGoBothWaysByteForByte) {
  const std::string id = create().id;
  std::string bytes;
  for (int i = 0; i < 70'000; ++i) bytes += static_cast<char>(i * 31);
  const Upload file{"grüße \"1\".bin", "application/octet-stream", bytes};
  ASSERT_TRUE(wait(client_->upload_file(context_, id, file)));
  const auto& uploads = fake_->sessions().at(id).uploads;
  ASSERT_EQ(uploads.size(), 1);
  EXPECT_EQ(uploads[0].bytes, bytes);
  EXPECT_EQ(uploads[0].filename, "grüße %221%22.bin");

  const std::string download = fake_->add_download({"", id, "a.bin", "x/y", 0, "sum", {}}, bytes);
  DownloadQuery query;
  query.session_id = id;
  query.filename = "a.bin";
  const auto page = wait(client_->list_downloads(context_, query)).value();
  ASSERT_EQ(page.downloads.size(), 1);
  EXPECT_EQ(wait(client_->get_download(context_, download)).value().size, 70'000);
  EXPECT_EQ(wait(client_->download_bytes(context_, download)).value(), bytes);
  EXPECT_TRUE(wait(client_->delete_download(context_, download)));
  EXPECT_EQ(outcome(client_->get_download(context_, download, noting())), "not_found missing 1");
}

TEST_F(BrowserbaseTest, ContextsExtensionsAndCertificatesLiveAndGo) {
  const std::string context = wait(client_->create_context(context_, "Shop")).value().id;
  EXPECT_EQ(wait(client_->get_context(context_, context)).value().name, "Shop");
  EXPECT_EQ(outcome(client_->create_context(context_, "shop", noting())), "conflict conflict 1");
  CreateSession request;
  request.context_id = context;
  EXPECT_EQ(create(request).context_id, context);
  EXPECT_EQ(wait(client_->update_context(context_, context)).value().id, context);
  EXPECT_EQ(fake_->requests().back().route, "PUT /v1/contexts/{id}");
  EXPECT_EQ(fake_->requests().back().body, "");
  EXPECT_EQ(outcome(client_->update_context(context_, "none", noting())), "not_found missing 1");
  EXPECT_TRUE(wait(client_->delete_context(context_, context)));

  const Upload zip{"ext.zip", "application/zip", "PK"};
  const auto extension = wait(client_->upload_extension(context_, zip)).value();
  EXPECT_EQ(extension.file_name, "ext.zip");
  EXPECT_EQ(wait(client_->get_extension(context_, extension.id)).value().id, extension.id);
  EXPECT_TRUE(wait(client_->delete_extension(context_, extension.id)));

  const Upload pem{"ca.pem", "application/x-pem-file", "PEM"};
  const auto certificate = wait(client_->upload_certificate(context_, pem)).value();
  EXPECT_EQ(wait(client_->list_certificates(context_)).value().size(), 1);
  EXPECT_EQ(wait(client_->get_certificate(context_, certificate.id)).value().id, certificate.id);
  EXPECT_TRUE(wait(client_->delete_certificate(context_, certificate.id)));
}

TEST_F(BrowserbaseTest, ProjectsFetchAndSearchAnswer) {
  const auto projects = wait(client_->list_projects(context_)).value();
  ASSERT_EQ(projects.size(), 1);
  EXPECT_EQ(projects[0].concurrency, 3);
  EXPECT_EQ(wait(client_->get_project(context_, projects[0].id)).value().name, "Test");
  EXPECT_EQ(wait(client_->project_usage(context_, projects[0].id)).value().browser_minutes, 0);
  FetchRequest page;
  page.url = "https://example.com";
  EXPECT_EQ(wait(client_->fetch(context_, page)).value().content, "fetched https://example.com");
  page.format = "json";
  EXPECT_TRUE(wait(client_->fetch(context_, page)).value().content.is_object());
  const SearchRequest search{"cats", 3};
  EXPECT_EQ(wait(client_->search(context_, search)).value().results[0].title, "cats");
}

TEST_F(BrowserbaseTest, IdsCannotLeaveTheirPlaceInThePath) {
  EXPECT_EQ(outcome(client_->get_session(context_, "a b/../c?x=1#y", noting())),
            "not_found missing 1");
  EXPECT_EQ(fake_->requests().back().target, "/v1/sessions/a%20b%2F..%2Fc%3Fx%3D1%23y");
  for (const char* id : {"", ".", ".."})
    EXPECT_EQ(outcome(client_->get_session(context_, id, noting())), "invalid_argument local 0");
  EXPECT_EQ(fake_->requests().size(), 1);
}

struct StatusCase {
  int status;
  const char* message;
  const char* expected;
};

class BrowserbaseStatuses : public BrowserbaseTest,
                            public ::testing::WithParamInterface<StatusCase> {};

TEST_P(BrowserbaseStatuses, HaveAnErrorOfTheirOwn) {
  FakeFault fault{.route = kGet, .answer = Answer::status, .times = 9};
  fault.status = GetParam().status;
  fault.message = GetParam().message;
  fake_->inject(fault);
  EXPECT_EQ(outcome_of_get(), GetParam().expected);
  EXPECT_EQ(note_.status, GetParam().status);
  EXPECT_THAT(error_.message, HasSubstr(GetParam().message));
  EXPECT_THAT(error_.message, HasSubstr("GET /v1/sessions/{id} answered"));
  EXPECT_THAT(error_.describe(), Not(HasSubstr(options_.api_key)));
}
INSTANTIATE_TEST_SUITE_P(
    All, BrowserbaseStatuses,
    ::testing::Values(StatusCase{400, "no such field", "invalid_argument bad_request 1"},
                      StatusCase{401, "who are you", "unauthenticated key 1"},
                      StatusCase{402, "free plan", "permission_denied payment 1"},
                      StatusCase{403, "not yours", "permission_denied forbidden 1"},
                      StatusCase{404, "unknown", "not_found missing 1"},
                      StatusCase{409, "not ended", "conflict conflict 1"},
                      StatusCase{410, "ended", "gone gone 1"},
                      StatusCase{413, "too big", "payload_too_large too_large 1"},
                      StatusCase{422, "cannot apply", "invalid_argument unprocessable 1"},
                      StatusCase{429, "max concurrent sessions", "exhausted concurrency 1"},
                      StatusCase{429, "slow down, rate limit", "exhausted rate 4"},
                      StatusCase{418, "teapot", "http_error other_status 1"},
                      StatusCase{500, "oops", "unavailable server 4"},
                      StatusCase{503, "later", "unavailable server 4"}));

TEST_F(BrowserbaseTest, AWrongKeyIsToldFromAllElse) {
  options_.api_key = "bb_wrong";
  reconnect();
  EXPECT_EQ(outcome_of_get(), "unauthenticated key 1");
  EXPECT_THAT(error_.hint, HasSubstr("BROWSERBASE_API_KEY"));
}

TEST_F(BrowserbaseTest, SettingsThatCannotWorkAreRefused) {
  options_.api_key = "";
  EXPECT_FALSE(make_browserbase_client(options_, *http_, *clock_, Random(1)));
  options_.api_key = "a\r\nHost: b";
  EXPECT_FALSE(make_browserbase_client(options_, *http_, *clock_, Random(1)));
  options_.api_key = "k";
  for (const char* url : {"", "api.browserbase.com", "ftp://a", "https://a?x=1"}) {
    options_.base_url = url;
    EXPECT_FALSE(make_browserbase_client(options_, *http_, *clock_, Random(1))) << url;
  }
}

TEST_F(BrowserbaseTest, BothLimitsOnCreatingAreToldApart) {
  FakeOptions fake;
  fake.concurrency = 1;
  fake.creations_per_window = 2;
  restart(fake);
  const std::string first = create().id;
  EXPECT_EQ(client_->creation_rate().remaining, 1);
  EXPECT_EQ(outcome(client_->create_session(context_, {}, noting())), "exhausted concurrency 1");
  EXPECT_EQ(client_->creation_rate().limit, 2);
  EXPECT_TRUE(wait(client_->release_session(context_, first)));
  // The window is used up, which the client knows without asking: it is longer than the deadline.
  const int asked = fake_->count(kCreate);
  EXPECT_EQ(outcome(client_->create_session(context_, {}, noting())), "exhausted rate 0");
  EXPECT_EQ(fake_->count(kCreate), asked);
  EXPECT_FALSE(note_.may_be_applied);
}

TEST_F(BrowserbaseTest, ReadsAreRepeatedUntilTheyWork) {
  const std::string id = create().id;
  fake_->inject({.route = kGet, .answer = Answer::status, .status = 502});
  fake_->inject({.route = kGet, .answer = Answer::cut});
  fake_->inject({.route = kGet, .answer = Answer::garbage});
  EXPECT_EQ(wait(client_->get_session(context_, id, noting())).value().id, id);
  EXPECT_EQ(note_.attempts, 4);
  EXPECT_EQ(note_.failure, RemoteFailure::none);
}

TEST_F(BrowserbaseTest, AnAnswerThatIsNoneIsMalformed) {
  fake_->inject({.route = kGet, .answer = Answer::garbage, .times = 4});
  EXPECT_EQ(outcome_of_get(), "protocol_error malformed 4");
  fake_->inject({.route = "GET /v1/projects", .answer = Answer::web_page, .times = 4});
  EXPECT_EQ(outcome(client_->list_projects(context_, noting())), "protocol_error malformed 4");
  EXPECT_THAT(error_.message, HasSubstr("text/html"));
}

struct AmbiguousCase {
  Answer answer;
  const char* expected;
};

class BrowserbaseLostCreations : public BrowserbaseTest,
                                 public ::testing::WithParamInterface<AmbiguousCase> {};

TEST_P(BrowserbaseLostCreations, AreNotRepeatedBlindly) {
  options_.attempt_timeout = milliseconds(200);
  reconnect();
  FakeFault fault{.route = kCreate, .answer = GetParam().answer};
  fault.apply = true;
  fake_->inject(fault);
  EXPECT_EQ(outcome(client_->create_session(context_, {}, noting())), GetParam().expected);
  EXPECT_TRUE(note_.may_be_applied);
  EXPECT_EQ(fake_->live(), 1);

  fake_->inject(fault);
  CallOptions insisting = noting();
  insisting.retry_ambiguous = true;
  EXPECT_TRUE(wait(client_->create_session(context_, {}, insisting)));
  EXPECT_EQ(note_.attempts, 2);
  EXPECT_FALSE(note_.may_be_applied);
  EXPECT_EQ(fake_->live(), 3);
}
INSTANTIATE_TEST_SUITE_P(All, BrowserbaseLostCreations,
                         ::testing::Values(AmbiguousCase{Answer::cut, "network_error network 1"},
                                           AmbiguousCase{Answer::silence, "timeout timeout 1"},
                                           AmbiguousCase{Answer::status, "unavailable server 1"},
                                           AmbiguousCase{Answer::garbage,
                                                         "protocol_error malformed 1"}));

TEST_F(BrowserbaseTest, ACreationThatSurelyDidNothingIsRepeated) {
  FakeFault busy{.route = kCreate, .answer = Answer::status, .status = 429};
  busy.message = "Too many requests";
  busy.headers = {{"retry-after-ms", "20"}};
  fake_->inject(busy);
  FakeFault asked{.route = kCreate, .answer = Answer::status, .status = 503};
  asked.headers = {{"x-should-retry", "true"}};
  fake_->inject(asked);
  const SteadyTime began = clock_->now();
  create();
  EXPECT_EQ(note_.attempts, 3);
  EXPECT_GE(clock_->now() - began, milliseconds(20));
  EXPECT_EQ(fake_->live(), 1);
}

TEST_F(BrowserbaseTest, ARefusedConnectionHasNoEffectAndIsRepeated) {
  options_.base_url = "http://127.0.0.1:1";
  reconnect();
  EXPECT_EQ(outcome(client_->create_session(context_, {}, noting())), "network_error network 4");
  EXPECT_FALSE(note_.may_be_applied);
}

TEST_F(BrowserbaseTest, TheServersVerdictOnRetriesCounts) {
  FakeFault fault{.route = kGet, .answer = Answer::status, .status = 500};
  fault.headers = {{"x-should-retry", "false"}};
  fake_->inject(fault);
  EXPECT_EQ(outcome_of_get(), "unavailable server 1");
  FakeFault late{.route = kGet, .answer = Answer::status, .status = 500};
  late.headers = {{"retry-after", "3600"}};
  fake_->inject(late);
  EXPECT_EQ(outcome_of_get(), "unavailable server 1");
  EXPECT_EQ(note_.retry_after, std::chrono::hours(1));
}

TEST_F(BrowserbaseTest, TheCallersDeadlineEndsSilenceAndPauses) {
  fake_->inject({.route = kGet, .answer = Answer::silence});
  EXPECT_EQ(outcome_of_get(context_.with_timeout(milliseconds(100), "call")), "timeout timeout 1");
  FakeFault late{.route = kGet, .answer = Answer::status, .status = 500};
  late.headers = {{"retry-after", "5"}};
  fake_->inject(late);
  EXPECT_EQ(outcome_of_get(context_.with_timeout(seconds(2), "call")), "unavailable server 1");
}

TEST_F(BrowserbaseTest, ACancelledCallEndsAsSuch) {
  const CancelSource source;
  Context ctx = context_.with_cancel(source);
  fake_->inject({.route = kGet, .answer = Answer::silence});
  const Timer timer(*clock_, clock_->now() + milliseconds(50),
                    [&source] { source.cancel(fail(Errc::cancelled, "test: enough")); });
  EXPECT_EQ(outcome_of_get(ctx), "cancelled cancelled 1");
}

TEST_F(BrowserbaseTest, ADeletionWhoseAnswerGotLostIsDone) {
  const std::string context = wait(client_->create_context(context_, "")).value().id;
  FakeFault fault{.route = "DELETE /v1/contexts/{id}", .answer = Answer::cut};
  fault.apply = true;
  fake_->inject(fault);
  EXPECT_TRUE(wait(client_->delete_context(context_, context, noting())));
  EXPECT_EQ(note_.attempts, 2);
  EXPECT_EQ(outcome(client_->delete_context(context_, context, noting())), "not_found missing 1");
}

TEST_F(BrowserbaseTest, AGroupThatFailsEveryTimeIsLeftAloneAndTheOthersWork) {
  fake_->inject({.route = kGet, .answer = Answer::status, .times = 100, .status = 500});
  EXPECT_EQ(outcome_of_get(), "unavailable server 4");
  EXPECT_EQ(outcome_of_get(), "unavailable circuit_open 1");
  EXPECT_EQ(outcome_of_get(), "unavailable circuit_open 0");
  EXPECT_EQ(fake_->count(kGet), 5);
  EXPECT_TRUE(wait(client_->list_projects(context_)));
  EXPECT_TRUE(wait(client_->create_session(context_, {})));
}

TEST_F(BrowserbaseTest, RetriesInAnOutageAreBoundedByTheBudget) {
  options_.breaker_failures = 1'000;
  reconnect();
  fake_->inject({.route = kGet, .answer = Answer::status, .times = 1'000, .status = 500});
  for (int i = 0; i < 20; ++i) EXPECT_THAT(outcome_of_get(), HasSubstr("unavailable server"));
  EXPECT_LE(fake_->count(kGet), 20 + 10 + 3);
  EXPECT_GE(fake_->count(kGet), 20 + 10);
}

TEST_F(BrowserbaseTest, ASessionThatVanishesIsMissing) {
  const std::string id = create().id;
  fake_->inject({.route = kGet, .answer = Answer::vanished});
  EXPECT_EQ(outcome(client_->get_session(context_, id, noting())), "not_found missing 1");
  EXPECT_EQ(fake_->live(), 0);
}

TEST_F(BrowserbaseTest, ASilentConnectionCostsOneAttemptNotTheCall) {
  options_.attempt_timeout = milliseconds(150);
  reconnect();
  const std::string id = create().id;
  fake_->inject({.route = kGet, .answer = Answer::silence});
  fake_->inject({.route = kGet, .answer = Answer::normal, .delay = milliseconds(20)});
  EXPECT_EQ(wait(client_->get_session(context_, id, noting())).value().id, id);
  EXPECT_EQ(note_.attempts, 2);
}

TEST_F(BrowserbaseTest, AServerWithoutTlsIsATlsError) {
  options_.base_url.replace(0, 4, "https");
  reconnect();
  EXPECT_EQ(outcome_of_get(), "tls_error tls 1");
  EXPECT_EQ(fake_->requests().size(), 0);
}

TEST_F(BrowserbaseTest, StatesOfASessionFollowTheClock) {
  FakeOptions fake;
  fake.pending = std::chrono::hours(1);
  fake.ending = std::chrono::hours(1);
  restart(fake);
  const auto created = create();
  EXPECT_EQ(created.status, RemoteStatus::pending);
  const auto releasing = wait(client_->release_session(context_, created.id)).value();
  EXPECT_TRUE(releasing.is_live()) << "release is asynchronous";
  EXPECT_EQ(fake_->live(), 1);
  const std::string other = create().id;
  fake_->end_session(other, RemoteStatus::timed_out);
  EXPECT_EQ(wait(client_->get_session(context_, other)).value().status, RemoteStatus::timed_out);
}

TEST_F(BrowserbaseTest, AHostThatIsNoneIsADnsError) {
  options_.base_url = "http://no-such-host.invalid";
  reconnect();
  EXPECT_THAT(outcome_of_get(), HasSubstr("dns_error dns"));
  EXPECT_FALSE(note_.may_be_applied);
}

}  // namespace
}  // namespace troupe::services
