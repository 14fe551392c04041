#include "api/openapi.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "api/operations.h"
#include "api/request_ids.h"
#include "api/router.h"
#include "api/testing.h"

namespace troupe::api {
namespace {

using testing::Return;

void collect_references(const json::value& value, std::set<std::string>& into) {
  if (const auto* array = value.if_array())
    for (const auto& item : *array) collect_references(item, into);
  if (const auto* object = value.if_object())
    for (const auto& member : *object) {
      if (member.key() == "$ref") into.insert(std::string(member.value().as_string()));
      collect_references(member.value(), into);
    }
}

TEST(Openapi, HasEveryOperation) {
  const json::object document = openapi_document();

  for (const Operation& operation : operations()) {
    std::string method(operation.method);
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    const auto& row = document.at("paths").at(operation.path).at(method);
    EXPECT_EQ(row.at("operationId"), json::value(operation.id)) << operation.path;
  }
}

TEST(Openapi, ReferencesResolve) {
  const json::object document = openapi_document();
  std::set<std::string> references;
  collect_references(document, references);

  EXPECT_FALSE(references.empty());
  for (const std::string& reference : references) {
    boost::system::error_code error;
    EXPECT_NE(json::value(document).find_pointer(reference.substr(1), error), nullptr) << reference;
  }
}

TEST(Openapi, OperationIdsAndRoutesAreUnique) {
  std::set<std::string_view> ids;
  std::set<std::string> routes;

  for (const Operation& operation : operations()) {
    EXPECT_TRUE(ids.insert(operation.id).second) << operation.id;
    EXPECT_TRUE(routes.insert(std::string(operation.method) + std::string(operation.path)).second);
  }
}

// TROUPE_UPDATE_DOCS=1 writes the file anew.
TEST(Openapi, TheReferenceFileIsUpToDate) {
  const std::string path = TROUPE_SOURCE_DIR "/docs/reference/openapi.json";
  const std::string expected = pretty(openapi_document());
  if (std::getenv("TROUPE_UPDATE_DOCS")) std::ofstream(path) << expected;

  std::stringstream text;
  text << std::ifstream(path).rdbuf();

  EXPECT_TRUE(text.str() == expected) << "run the unit tests with TROUPE_UPDATE_DOCS=1";
}

TEST(Router, FindsEveryOperationByItsOwnPath) {
  for (const Operation& operation : operations()) {
    std::string path(operation.path);
    if (const auto open = path.find('{'); open != std::string::npos)
      path.replace(open, path.find('}') - open + 1, "a%2Fb");
    const Route route = find_route(operation.method, path + "?x=1");
    ASSERT_EQ(route.operation, &operation) << path;
    if (!route.path_values.empty()) EXPECT_EQ(route.path_values[0], "a/b");
  }
}

TEST(Router, ATrailingOrEmptySegmentIsAnotherPath) {
  for (const char* path :
       {"/health/", "//health", "/v1/runs/", "/v1//runs", "/v1/runs//cancel", "/"})
    EXPECT_EQ(find_route("GET", path).operation, nullptr) << path;
}

TEST(RequestIds, TakeAValidTraceparentOnly) {
  Random random(1);
  const std::string trace(32, 'a');

  EXPECT_EQ(trace_id_of("00-" + trace + "-00f067aa0ba902b7-01", random), trace);
  for (const std::string& bad :
       {std::string(), "00-" + trace, "ff-" + trace + "-00f067aa0ba902b7-01",
        "00-" + std::string(32, '0') + "-00f067aa0ba902b7-01",
        "00-" + std::string(32, 'A') + "-00f067aa0ba902b7-01"}) {
    const std::string made = trace_id_of(bad, random);
    EXPECT_EQ(made.size(), 32u);
    EXPECT_NE(made, trace);
  }
}

TEST(RequestIds, RefuseWhatCouldBreakALogLine) {
  Random random(1);

  EXPECT_EQ(request_id_of("abc-1", random), "abc-1");
  EXPECT_EQ(request_id_of("a b", random).size(), 36u);
  EXPECT_EQ(request_id_of(std::string(129, 'a'), random).size(), 36u);
}

class LibraryTest : public ApiTest {};

TEST_F(LibraryTest, WorkflowsAndSitesAreListedAndShown) {
  EXPECT_CALL(library_, workflows).WillOnce(Return(json::array{{{"name", "titles"}}}));
  EXPECT_CALL(library_, workflow("titles")).WillOnce(Return(json::object{{"name", "titles"}}));
  EXPECT_CALL(library_, sites).WillOnce(Return(json::array()));
  EXPECT_CALL(library_, site("demo"))
      .WillOnce(Return(fail(Errc::not_found, "site demo: not known")));
  start();

  EXPECT_EQ(get("/v1/workflows").body, R"([{"name":"titles"}])");
  EXPECT_EQ(get("/v1/workflows/titles").body, R"({"name":"titles"})");
  EXPECT_EQ(get("/v1/sites").body, "[]");
  EXPECT_EQ(get("/v1/sites/demo").status, 404);
}

TEST_F(LibraryTest, PathsAreNoNames) {
  EXPECT_CALL(library_, workflow).Times(0);
  start();

  EXPECT_EQ(get("/v1/workflows/..%2F..%2Fetc%2Fpasswd").status, 400);
  EXPECT_EQ(get("/v1/workflows/x.yaml").status, 400);
  EXPECT_EQ(get("/v1/sites/.hidden").status, 400);
}

TEST_F(LibraryTest, TheDocumentIsServed) {
  start();

  const auto document = body_of(get("/openapi.json"));

  EXPECT_EQ(document.at("openapi"), "3.1.0");
}

}  // namespace
}  // namespace troupe::api
