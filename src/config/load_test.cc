#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace troupe::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Each test has a folder of its own as HOME, and no variables of the real environment.
class LoadTest : public testing::Test {
 protected:
  LoadTest() : home_(testing::TempDir() + "troupe_load_test_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(home_ + "/.config/troupe");
    sources_.environment["HOME"] = home_;
  }
  ~LoadTest() override { std::filesystem::remove_all(home_); }

  std::string write(const std::string& name, const std::string& content) const {
    const std::string path = home_ + "/" + name;
    std::ofstream(path) << content;
    return path;
  }
  std::string mistake() const {
    const auto loaded = load(sources_);
    return loaded ? "none" : loaded.error().describe();
  }

  std::string home_;
  Sources sources_;
};

TEST_F(LoadTest, WithoutSourcesAllIsDefault) {
  const auto loaded = load(sources_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.port, 8000);
  EXPECT_EQ(loaded->origins.at("port"), "default");
  EXPECT_EQ(loaded->file, "");
}

TEST_F(LoadTest, VariablesOfOthersCountLessThanTroupesOwnNames) {
  sources_.environment["BROWSERBASE_API_KEY"] = "theirs";
  sources_.environment["BROWSERBASE_BASE_URL"] = "http://127.0.0.1:1";
  sources_.environment["BROWSERBASE_PROJECT_ID"] = "p-theirs";
  sources_.environment["TROUPE_BROWSERBASE_API_KEY"] = "ours";
  write(".config/troupe/troupe.toml", "browserbase_project_id = \"p-ours\"\n");

  const auto loaded = load(sources_);

  ASSERT_TRUE(loaded) << loaded.error().describe();
  EXPECT_EQ(loaded->settings.browserbase_api_key, "ours");
  EXPECT_EQ(loaded->settings.browserbase_base_url, "http://127.0.0.1:1");
  EXPECT_EQ(loaded->origins.at("browserbase_base_url"), "BROWSERBASE_BASE_URL");
  EXPECT_EQ(loaded->settings.browserbase_project_id, "p-ours");
}

TEST_F(LoadTest, LaterLayersWinAndAreNamed) {
  const auto file =
      write(".config/troupe/troupe.toml", "port = 1\nsessions_max = 2\nstep_timeout = \"5s\"\n");
  sources_.environment["TROUPE_PORT"] = "11";
  sources_.environment["TROUPE_SESSIONS_MAX"] = "12";
  sources_.flags = {{"port", "21"}};

  const auto loaded = load(sources_);

  ASSERT_TRUE(loaded) << loaded.error().describe();
  EXPECT_EQ(loaded->settings.port, 21);
  EXPECT_EQ(loaded->settings.sessions_max, 12);
  EXPECT_EQ(loaded->settings.step_timeout, std::chrono::seconds(5));
  EXPECT_EQ(loaded->origins.at("port"), "--port");
  EXPECT_EQ(loaded->origins.at("sessions_max"), "TROUPE_SESSIONS_MAX");
  EXPECT_EQ(loaded->origins.at("step_timeout"), file + ":3");
  EXPECT_EQ(loaded->file, file);
}

TEST_F(LoadTest, NamedFileMustExist) {
  sources_.file = home_ + "/none.toml";
  EXPECT_EQ(mistake(),
            "configuration file " + sources_.file + ": there is no such file (--config)");
  sources_.file.clear();
  sources_.environment["TROUPE_CONFIG"] = home_ + "/none.toml";
  EXPECT_THAT(mistake(), HasSubstr("(TROUPE_CONFIG)"));
}

TEST_F(LoadTest, UnknownKeysAreErrorsWithPlaceAndSuggestion) {
  sources_.file = write("t.toml", "\nsesions_max = 3\n");
  EXPECT_EQ(mistake(), "sesions_max: there is no such setting (" + sources_.file +
                           ":2): did you mean sessions_max?");
}

TEST_F(LoadTest, UnknownTablesAreErrors) {
  sources_.file = write("t.toml", "[service]\nport = 3\n");
  EXPECT_THAT(mistake(), HasSubstr("service: there is no such setting"));
}

TEST_F(LoadTest, EveryMistakeIsNamed) {
  sources_.file = write("t.toml", "port = -1\nlog_level = \"loud\"\n");
  sources_.environment["TROUPE_SESSIONS_MAX"] = "many";
  EXPECT_THAT(mistake(),
              testing::AllOf(HasSubstr("3 settings are wrong"),
                             HasSubstr("port: -1 is not in 0..65535 (" + sources_.file + ":1)"),
                             HasSubstr("log_level: \"loud\" is none of"),
                             HasSubstr("(TROUPE_SESSIONS_MAX)")));
}

TEST_F(LoadTest, BrokenFileIsNamedWithLine) {
  sources_.file = write("t.toml", "port = 1\nhost = [\n");
  EXPECT_THAT(mistake(), testing::AllOf(HasSubstr("not valid TOML"), HasSubstr("t.toml:")));
}

TEST_F(LoadTest, NamedEnvironmentLiesOverTheFile) {
  sources_.file = write("t.toml", "port = 1\n[env.production]\nport = 2\n[env.test]\nport = 3\n");
  EXPECT_EQ(load(sources_)->settings.port, 1);
  sources_.environment["TROUPE_ENV"] = "production";
  EXPECT_EQ(load(sources_)->settings.port, 2);
  EXPECT_EQ(load(sources_)->origins.at("port"), sources_.file + ":3");
}

TEST_F(LoadTest, MistakesInOtherEnvironmentsAreFoundToo) {
  sources_.file = write("t.toml", "[env.production]\nprt = 2\n");
  EXPECT_THAT(mistake(), HasSubstr("did you mean port?"));
}

TEST_F(LoadTest, EnvironmentWithoutTableIsAWarning) {
  sources_.file = write("t.toml", "port = 1\n");
  sources_.environment["TROUPE_ENV"] = "staging";
  EXPECT_THAT(load(sources_)->warnings, ElementsAre(HasSubstr("[env.staging]")));
}

TEST_F(LoadTest, UnknownVariablesAreWarnings) {
  sources_.environment["TROUPE_PROT"] = "80";
  sources_.environment["TROUPE_URL"] = "http://h";
  EXPECT_THAT(load(sources_)->warnings,
              ElementsAre("TROUPE_PROT: there is no such setting: did you mean TROUPE_PORT?"));
}

TEST_F(LoadTest, UnknownFlagsAreErrors) {
  sources_.flags = {{"prot", "80"}};
  EXPECT_EQ(mistake(), "prot: there is no such setting (--set): did you mean port?");
}

TEST(CheckSettings, NamesWhatAProgramSetWrongly) {
  Settings settings;
  EXPECT_TRUE(check(settings));
  settings.sessions_max = 0;
  EXPECT_EQ(check(settings).error().describe(), "sessions_max: 0 is not in 1..1000 (settings)");
}

}  // namespace
}  // namespace troupe::config
