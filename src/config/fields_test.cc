#include "config/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace troupe::config {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

std::string mistake(std::string_view name, std::string_view text) {
  Settings settings;
  const auto result = set_text(settings, *find_field(name), text, "here");
  return result ? "none" : result.error().describe();
}

TEST(Fields, DefaultsAreWithinTheirBounds) {
  const Settings settings;
  for (const Field& field : fields())
    EXPECT_TRUE(check_field(settings, field, "default")) << field.name;
}

TEST(Fields, NamesAreUniqueAndHelpIsGiven) {
  std::set<std::string_view> names;
  for (const Field& field : fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_FALSE(field.help.empty()) << field.name;
  }
}

TEST(Fields, EveryValueSurvivesBeingWrittenAndRead) {
  const Settings settings;
  for (const Field& field : fields()) {
    Settings copy;
    EXPECT_TRUE(set_text(copy, field, show_value(settings, field), "t")) << field.name;
    EXPECT_EQ(value_of(copy, field), value_of(settings, field)) << field.name;
  }
}

TEST(Fields, NamesOfEnvironmentAndFlagsFollow) {
  EXPECT_EQ(environment_name(*find_field("sessions_max")), "TROUPE_SESSIONS_MAX");
  EXPECT_EQ(flag_name(*find_field("sessions_max")), "--sessions-max");
  EXPECT_EQ(find_field("no_such"), nullptr);
}

TEST(Fields, BoundsErrorsNameKeyValueLimitAndOrigin) {
  EXPECT_EQ(mistake("sessions_max", "0"), "sessions_max: 0 is not in 1..1000 (here)");
  EXPECT_EQ(mistake("session_timeout", "9h"), "session_timeout: 9h is not in 1s..6h (here)");
  EXPECT_EQ(mistake("port", "99999999999"), "port: 99999999999 is not in 0..65535 (here)");
}

TEST(Fields, ValuesOfTheWrongKindAreRefused) {
  EXPECT_EQ(mistake("port", "http"), "port: \"http\" is not an integer in 0..65535 (here)");
  EXPECT_EQ(mistake("port", "80x"), "port: \"80x\" is not an integer in 0..65535 (here)");
  EXPECT_EQ(mistake("step_timeout", "soon"),
            "step_timeout: \"soon\" is not a duration (30s, 5m, 500ms) (here)");
  EXPECT_EQ(mistake("isolation", "total"),
            "isolation: \"total\" is none of context, reuse, process (here)");
}

TEST(Fields, TypedValuesAreTaken) {
  Settings settings;
  const auto set = [&](std::string_view name, json::value value) {
    return set_value(settings, *find_field(name), value, "file:1");
  };
  EXPECT_TRUE(set("port", 9000));
  EXPECT_TRUE(set("step_timeout", 1.5));
  EXPECT_TRUE(set("run_timeout", "2h"));
  EXPECT_TRUE(set("workflow_dirs", json::array{"a", "b"}));
  EXPECT_EQ(settings.port, 9000);
  EXPECT_EQ(settings.step_timeout, milliseconds(1500));
  EXPECT_EQ(settings.run_timeout, milliseconds(7'200'000));
  EXPECT_THAT(settings.workflow_dirs, ElementsAre("a", "b"));
  EXPECT_FALSE(set("port", "9000"));
  EXPECT_FALSE(set("port", 1.5));
  EXPECT_FALSE(set("log_level", true));
  EXPECT_FALSE(set("workflow_dirs", json::array{1}));
}

TEST(Fields, ListsAreCommaSeparatedInText) {
  Settings settings;
  EXPECT_TRUE(set_text(settings, *find_field("site_dirs"), " a , b,,c ", "t"));
  EXPECT_THAT(settings.site_dirs, ElementsAre("a", "b", "c"));
}

TEST(Fields, SecretsAreNeverShown) {
  Settings settings;
  settings.api_keys = {"ci:hunter2"};
  const Field& field = *find_field("api_keys");
  EXPECT_EQ(show_value(settings, field), "[secret]");
  EXPECT_EQ(json::serialize(value_of(settings, field)), R"(["[secret]"])");
  const Field& key = *find_field("browserbase_api_key");
  EXPECT_EQ(show_value(settings, key), "");
  settings.browserbase_api_key = "bb_live_1";
  EXPECT_EQ(show_value(settings, key), "[secret]");
  EXPECT_EQ(value_of(settings, key), json::value("[secret]"));
}

TEST(Duration, IsReadInEveryUnit) {
  EXPECT_EQ(*parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(*parse_duration("30s"), milliseconds(30'000));
  EXPECT_EQ(*parse_duration("5m"), milliseconds(300'000));
  EXPECT_EQ(*parse_duration("2h"), milliseconds(7'200'000));
  EXPECT_EQ(*parse_duration("1.5"), milliseconds(1500));
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", "s", "-1s", "5 m", "1d", "nan", "1e9h", "0x10"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Duration, IsWrittenInTheLargestExactUnit) {
  EXPECT_EQ(format_duration(milliseconds(0)), "0s");
  EXPECT_EQ(format_duration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(format_duration(milliseconds(90'000)), "90s");
  EXPECT_EQ(format_duration(milliseconds(300'000)), "5m");
  EXPECT_EQ(format_duration(milliseconds(7'200'000)), "2h");
}

}  // namespace
}  // namespace troupe::config
