// `troupe db` with the real binary, beside a running service and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service.h"

namespace troupe::e2e {
namespace {

using ::testing::HasSubstr;

struct Ended {
  int code = -1;
  std::string out;
  std::string err;
};

Ended troupe(const Scratch& scratch, std::vector<std::string> arguments) {
  Binary binary(scratch, std::move(arguments));
  Ended ended;
  ended.code = binary.wait();
  ended.out = binary.out();
  ended.err = binary.err();
  return ended;
}

TEST(Database, SaysThatThereIsNone) {
  const Scratch scratch;
  for (const char* what : {"check", "migrate"}) {
    const Ended none = troupe(scratch, {"db", what});
    EXPECT_EQ(none.code, 2) << none.err;
    EXPECT_THAT(none.err, HasSubstr("/troupe.db: does not exist"));
  }
}

TEST(Database, IsCheckedAndCopiedWhileAServiceUsesIt) {
  const Scratch scratch;
  const std::string copy = scratch.path() + "/copy.db";
  {
    Service service(scratch);
    const auto checked = parsed(troupe(scratch, {"db", "check", "--json"}).out);
    EXPECT_TRUE(checked.at("sound").as_bool()) << checked;
    EXPECT_EQ(checked.at("schema"), checked.at("newest_schema"));
    const Ended backup = troupe(scratch, {"db", "backup", copy, "--human"});
    EXPECT_EQ(backup.code, 0) << backup.err;
    EXPECT_THAT(backup.out, HasSubstr("copied from"));
    const Ended again = troupe(scratch, {"db", "backup", copy});
    EXPECT_NE(again.code, 0);
    EXPECT_THAT(again.err, HasSubstr("copy.db: exists"));
    const Ended migrate = troupe(scratch, {"db", "migrate"});
    EXPECT_NE(migrate.code, 0);
    EXPECT_THAT(migrate.err, HasSubstr("is in use by process "));
  }
  const Ended migrate = troupe(scratch, {"db", "migrate", "--human"});
  EXPECT_EQ(migrate.code, 0) << migrate.err;
  EXPECT_THAT(migrate.out, HasSubstr("already, nothing to do"));
}

TEST(Database, ARunBesideTheServiceSaysThatItIsKeptInMemoryOnly) {
  const Scratch scratch;
  const std::string file = scratch.write("hello.yaml",
                                         "workflow: hello\n"
                                         "steps:\n"
                                         "  - set: {word: hello}\n"
                                         "output: '{{ word }}'\n");
  const Ended alone = troupe(scratch, {"run", file});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_THAT(alone.err, ::testing::Not(HasSubstr("in memory only")));
  const Service service(scratch);
  const Ended beside = troupe(scratch, {"run", file});
  EXPECT_EQ(beside.code, 0) << beside.err;
  EXPECT_THAT(beside.err, HasSubstr("in use by a service: this run is kept in memory only"));
  EXPECT_THAT(beside.out, HasSubstr("hello"));
  EXPECT_THAT(troupe(scratch, {"run", file, "--ephemeral"}).err,
              ::testing::Not(HasSubstr("in memory only")));
}

TEST(Database, FindsDamage) {
  const Scratch scratch;
  {
    Service service(scratch);
  }
  const std::string file = scratch.path() + "/data/troupe.db";
  std::string bytes = scratch.read("data/troupe.db");
  ASSERT_GT(bytes.size(), 16'384u);
  bytes.replace(8'192, 4'096, std::string(4'096, '\x5a'));
  scratch.write("data/troupe.db", bytes);
  const Ended check = troupe(scratch, {"db", "check", "--human"});
  EXPECT_EQ(check.code, 4) << check.out << check.err;
  EXPECT_THAT(check.out, HasSubstr("DAMAGED"));
}

}  // namespace
}  // namespace troupe::e2e
