#include "workflows/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "workflows/definition.h"

namespace troupe::workflows {
namespace {

using testing::HasSubstr;

class CatalogueTest : public testing::Test {
 protected:
  CatalogueTest() { std::filesystem::create_directories(folder); }
  ~CatalogueTest() override { std::filesystem::remove_all(folder); }

  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder + "/" + name) << text;
  }
  std::string site_mistakes(std::string_view text) const {
    write("x.yaml", text);
    const auto site = catalogue.site(folder + "/x.yaml");
    if (site) return "ok";
    std::string message = site.error().message;
    while (message.find(folder + "/") != std::string::npos)
      message.erase(message.find(folder + "/"), folder.size() + 1);
    return message;
  }

  const std::string folder = testing::TempDir() + "catalogue_test";
  const Catalogue catalogue{{folder}, {folder}};
};

TEST_F(CatalogueTest, KnowsTheBuiltInWorkflow) {
  const auto found = catalogue.workflow("video_discovery");

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->name, "video_discovery");
}

TEST_F(CatalogueTest, FindsWorkflowsOfAFolderByNameAndByPath) {
  write("mine.yaml", "workflow: mine\nsteps: [{log: x}]");

  EXPECT_EQ((*catalogue.workflow("mine"))->name, "mine");
  EXPECT_EQ((*catalogue.workflow(folder + "/mine.yaml"))->name, "mine");
}

TEST_F(CatalogueTest, PrefersTheUsersOwnOverTheBuiltIn) {
  write("video_discovery.yaml", "workflow: other\nsteps: [{log: x}]");

  EXPECT_EQ((*catalogue.workflow("video_discovery"))->name, "other");
}

TEST_F(CatalogueTest, NamesWhatThereIsWhenANameIsUnknown) {
  const auto found = catalogue.workflow("video_discovry");

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::not_found);
  EXPECT_EQ(found.error().message,
            "workflow 'video_discovry' is not known (did you mean 'video_discovery'?)");
  EXPECT_THAT(found.error().hint, HasSubstr("video_discovery"));
  EXPECT_EQ(catalogue.site("nowhere-at-all").error().code, Errc::not_found);
  EXPECT_EQ(catalogue.workflow("none/x.yaml").error().message, "none/x.yaml: no such file");
}

TEST_F(CatalogueTest, ListsABrokenFileAsBrokenWithoutHidingTheOthers) {
  write("bad.yaml", "workflow: [");
  write("good.yml", "workflow: good\nversion: 2\nsteps: [{log: x}]");

  std::string text;
  for (const auto& row : catalogue.list_workflows())
    text += row.name + " " + std::to_string(row.version) + " " + row.description.substr(0, 7) + "|";

  EXPECT_EQ(text, "bad 0 broken:|good 2 |video_discovery 1 Searche|");
}

TEST_F(CatalogueTest, ReadsSiteProfiles) {
  write("shop.yaml", "site: shop\nbase_url: https://shop.example\nanything: {a: 1}");

  const auto site = catalogue.site("shop");

  ASSERT_TRUE(site) << site.error().message;
  EXPECT_EQ(site->name, "shop");
  EXPECT_EQ(site->origin, folder + "/shop.yaml");
  EXPECT_EQ(json::serialize(site->profile.at("anything")), R"({"a":1})");
  EXPECT_EQ(catalogue.list_sites().size() >= 1, true);
}

TEST_F(CatalogueTest, NamesEveryMistakeOfASiteProfile) {
  EXPECT_EQ(site_mistakes("base_url: ftp://a.example\nresults: x\n"),
            "x.yaml:1:1 site: must be the profile's name\n"
            "x.yaml:1:11 base_url: must be an http or https URL, not 'ftp://a.example'\n"
            "x.yaml:2:10 results: must be a map");
  EXPECT_EQ(site_mistakes("[]"), "x.yaml:1:1: must be a map with the keys site and base_url");
  EXPECT_EQ(site_mistakes("site: a\nbase_url: https://a.example:8443/x\n"), "ok");
}

TEST_F(CatalogueTest, ReadsRegularFilesOnly) {
  EXPECT_EQ(catalogue.workflow("/dev/zero").error().message, "/dev/zero: is not a regular file");
  EXPECT_EQ(catalogue.site(folder + "/").error().message, folder + "/: is not a regular file");
}

TEST_F(CatalogueTest, TellsPathsFromNames) {
  EXPECT_TRUE(Catalogue::is_path("a/b"));
  EXPECT_TRUE(Catalogue::is_path("b.yaml"));
  EXPECT_FALSE(Catalogue::is_path("video_discovery"));
}

TEST_F(CatalogueTest, ToleratesFoldersThatDoNotExist) {
  const Catalogue elsewhere({"/none"}, {"/none"});

  EXPECT_FALSE(elsewhere.list_workflows().empty());
}

}  // namespace
}  // namespace troupe::workflows
