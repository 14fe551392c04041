#include "demo/routes.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "base/assets.h"
#include "base/json.h"
#include "demo/pages.h"
#include "net/url.h"

namespace troupe::demo {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::Contains;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::Not;
using testing::Pair;

const WallTime kNow{std::chrono::seconds(1'790'000'000)};

const Catalogue& shipped() {
  static const Catalogue catalogue = Catalogue::parse(assets::get("demo/catalogue.json")).value();
  return catalogue;
}

net::HttpRequest get(std::string target) {
  net::HttpRequest request;
  request.method = "GET";
  request.target = target;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != target.npos)
    request.query = net::parse_query(target.substr(question + 1)).value();
  return request;
}

Answer ask(std::string target) { return answer(shipped(), kNow, get(std::move(target))); }

Answer post(std::string target, std::string body) {
  net::HttpRequest request = get(std::move(target));
  request.method = "POST";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = std::move(body);
  return answer(shipped(), kNow, request);
}

json::object json_of(const Answer& given) {
  return parse_json(given.response.body, "answer").value().get_object();
}

TEST(DemoRoutes, CoverPagesWithTheConsentDialogUntilTheCookieIsThere) {
  net::HttpRequest request = get("/");
  const Answer first = answer(shipped(), kNow, request);
  request.headers = {{"cookie", "theme=dark; consent=accepted"}};
  const Answer second = answer(shipped(), kNow, request);

  EXPECT_THAT(first.response.body, HasSubstr("Before you continue"));
  EXPECT_THAT(first.response.body, HasSubstr("class=\"locked\""));
  EXPECT_THAT(second.response.body, Not(HasSubstr("Before you continue")));
  EXPECT_THAT(second.response.body, Not(HasSubstr("class=\"locked\"")));
}

TEST(DemoRoutes, FillEveryPlaceOfTheTemplates) {
  for (const char* target : {"/", "/results?search_query=horror", "/watch?v=nosfera1922",
                             "/channel/noir-corner", "/upload", "/login", "/nowhere"})
    EXPECT_THAT(ask(target).response.body, Not(HasSubstr("{{"))) << target;
}

TEST(DemoRoutes, SendAPolicyThatForbidsForeignContent) {
  EXPECT_THAT(ask("/").response.headers,
              Contains(Pair("Content-Security-Policy", "default-src 'self'")));
  EXPECT_THAT(ask("/").response.body, Not(HasSubstr("://")));
}

TEST(DemoRoutes, EscapeTheQueryInThePage) {
  const std::string body = ask("/results?search_query=%3Cscript%3Ealert(1)").response.body;

  EXPECT_THAT(body, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(body, Not(HasSubstr("<script>alert")));
}

TEST(DemoRoutes, GiveSearchResultsLateAndInPages) {
  const Answer given = ask("/api/search?q=comedy&offset=12&limit=12");
  const json::object body = json_of(given);

  EXPECT_THAT(given.delay, AllOf(Ge(milliseconds(50)), Le(milliseconds(150))));
  EXPECT_EQ(find(body, "items")->get_array().size(), 12U);
  EXPECT_EQ(find_int(body, "offset"), 12);
  EXPECT_EQ(find_int(body, "total"), static_cast<std::int64_t>(shipped().search("comedy").size()));
}

TEST(DemoRoutes, GiveNothingBehindTheLastResult) {
  const json::object body = json_of(ask("/api/search?q=comedy&offset=5000"));

  EXPECT_TRUE(find(body, "items")->get_array().empty());
}

TEST(DemoRoutes, StartTheResultsAtThePageAskedFor) {
  EXPECT_THAT(ask("/results?search_query=comedy&page=3").response.body,
              HasSubstr("data-offset=\"24\""));
  EXPECT_THAT(ask("/results?search_query=comedy&page=x").response.body,
              HasSubstr("data-offset=\"0\""));
}

TEST(DemoRoutes, ShowAFilmWithItsTrueFacts) {
  const std::string body = ask("/watch?v=nosfera1922").response.body;

  EXPECT_THAT(body, HasSubstr("<h1 class=\"watch-title\">Nosferatu</h1>"));
  EXPECT_THAT(body, HasSubstr("<dt>Director</dt><dd class=\"watch-director\">F. W. Murnau</dd>"));
  EXPECT_THAT(body, HasSubstr("<dd class=\"watch-duration\">1:34:00</dd>"));
  EXPECT_THAT(body, HasSubstr("data-seconds=\"5640\""));
}

TEST(DemoRoutes, ShowAChannelAsATable) {
  const std::string body = ask("/channel/noir-corner").response.body;

  EXPECT_THAT(body, HasSubstr("<th scope=\"col\">Length</th>"));
  EXPECT_THAT(body, HasSubstr("<td><a href=\"/watch?v=detour01945\">Detour</a></td><td>1945</td>"));
}

TEST(DemoRoutes, AnswerUnknownThingsWith404) {
  for (const char* target : {"/nowhere", "/watch?v=x", "/watch", "/channel/x", "/download/x.txt",
                             "/download/", "/static/x", "/static/../catalogue.json",
                             "/api/related?v=x", "/api/comments", "/status/99", "/status/x"})
    EXPECT_EQ(ask(target).response.status, 404) << target;
}

TEST(DemoRoutes, GiveDownloadsAsAttachments) {
  const Answer given = ask("/download/metropo1927.txt");

  EXPECT_THAT(given.response.headers,
              Contains(Pair("Content-Disposition", "attachment; filename=\"metropo1927.txt\"")));
  EXPECT_THAT(given.response.body, HasSubstr("Director: Fritz Lang"));
}

TEST(DemoRoutes, ShowWhatAFormSent) {
  EXPECT_THAT(post("/upload", "title=%3Cb%3E&agree=yes").response.body,
              HasSubstr("<dt>title</dt><dd>&lt;b&gt;</dd><dt>agree</dt><dd>yes</dd>"));
  EXPECT_EQ(post("/upload", "a=%zz").response.status, 400);
}

TEST(DemoRoutes, SignInWithTheRightPasswordOnly) {
  EXPECT_EQ(post("/login", "user=Ida&password=wrong").response.status, 401);
  EXPECT_EQ(post("/login", "password=curtain").response.status, 401);
  EXPECT_EQ(post("/login", "a=%zz").response.status, 400);
  EXPECT_THAT(post("/login", "user=Ida&password=curtain").response.body,
              HasSubstr("Signed in as Ida."));
}

TEST(DemoRoutes, MisbehaveAsAsked) {
  EXPECT_EQ(ask("/status/503").response.status, 503);
  EXPECT_EQ(ask("/slow?ms=2500").delay, milliseconds(2500));
  EXPECT_EQ(ask("/slow?ms=-3").delay, milliseconds(0));
  EXPECT_EQ(ask("/slow?ms=99999999").delay, milliseconds(600'000));
  EXPECT_EQ(ask("/never").hang, Answer::Hang::headers);
  EXPECT_EQ(ask("/never?part=body").hang, Answer::Hang::body);
}

TEST(DemoRoutes, RedirectOnlyWithinTheSite) {
  EXPECT_THAT(ask("/redirect?to=/table").response.headers, Contains(Pair("Location", "/table")));
  EXPECT_THAT(ask("/redirect?to=loop").response.headers,
              Contains(Pair("Location", "/redirect?to=loop")));
  EXPECT_EQ(ask("/redirect?to=//elsewhere.example").response.status, 404);
  EXPECT_EQ(ask("/redirect?to=/%5Celsewhere.example").response.status, 404);
  EXPECT_EQ(ask("/redirect").response.status, 404);
}

TEST(DemoRoutes, AreAllInTheGuide) {
  std::ifstream file(TROUPE_SOURCE_DIR "/docs/guides/demo-site.md");
  std::stringstream guide;
  guide << file.rdbuf();

  for (const Route& route : routes()) {
    const std::string row = "| `" + std::string(route.path) + "` | " + std::string(route.purpose);
    EXPECT_THAT(guide.str(), HasSubstr(row));
  }
}

TEST(DemoTemplate, EscapesUnlessToldNotTo) {
  EXPECT_EQ(fill("{{a}} {{&a}} {{b}}.", {{"a", "<i>\"'&"}}), "&lt;i&gt;&quot;&#39;&amp; <i>\"'& .");
}

TEST(DemoTemplate, KeepsAnUnclosedPlace) { EXPECT_EQ(fill("x {{a", {{"a", "1"}}), "x {{a"); }

}  // namespace
}  // namespace troupe::demo
