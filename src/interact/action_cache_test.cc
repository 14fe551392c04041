#include "interact/action_cache.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "base/text_file.h"
#include "interact/known_actions.h"

namespace troupe::interact {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class Actions : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ("actions-" + std::to_string(getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    file_ = folder_ / "actions.json";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<ActionCache> open(std::size_t most = 100, std::size_t bytes = 1 << 20) {
    return std::make_unique<ActionCache>(
        clock_, ActionCacheOptions{.file = file_, .actions_max = most, .bytes_max = bytes});
  }
  static KnownAction action(std::string instruction, std::string name = "Go",
                            std::string shape = "1") {
    KnownAction known;
    known.key = {"default", "https://a.example", "/", std::move(instruction)};
    known.element = {.shape = std::move(shape),
                     .tag = "button",
                     .role = "button",
                     .type = "submit",
                     .name = std::move(name)};
    known.by = "rules";
    return known;
  }
  static std::vector<std::string> names(ActionCache& cache, const std::string& instruction) {
    std::vector<std::string> out;
    for (const auto& known : cache.find({"default", "https://a.example", "/", instruction}))
      out.push_back(known.element.name);
    return out;
  }

  ManualClock clock_;
  fs::path folder_;
  std::string file_;
};

TEST_F(Actions, StayWithTheirTenant) {
  const auto cache = open();
  cache->put(action("click go"));
  KnownAction other = action("click go", "Go there");
  other.key.tenant = "acme";
  cache->put(other);

  EXPECT_THAT(names(*cache, "click go"), ElementsAre("Go"));
  const auto known = cache->find({"acme", "https://a.example", "/", "click go"});
  ASSERT_THAT(known, SizeIs(1));
  EXPECT_EQ(known[0].element.name, "Go there");
  EXPECT_THAT(cache->find({"other", "https://a.example", "/", "click go"}), IsEmpty());
  const auto book = action_book_from(
      R"({"version":1,"actions":[{"site":"https://a.example","path":"/","instruction":"go",)"
      R"("page_shape":"1","by":"rules","element":{"tag":"a","role":"link","name":"Go"}}]})");
  ASSERT_TRUE(book) << book.error().describe();
  EXPECT_EQ(book->begin()->first.first.tenant, "default");
}

TEST_F(Actions, AreThereAgainAfterARestart) {
  {
    const auto cache = open();
    EXPECT_THAT(names(*cache, "click go"), IsEmpty());
    cache->put(action("click go", "Go \"now\""));
    cache->count_use(cache->find({"default", "https://a.example", "/", "click go"}).front());
  }
  const auto again = open();
  EXPECT_FALSE(again->damage());
  const auto known = again->find({"default", "https://a.example", "/", "click go"});
  ASSERT_THAT(known, SizeIs(1));
  EXPECT_EQ(known[0].element, action("click go", "Go \"now\"").element);
  EXPECT_EQ(known[0].uses, 1);
  EXPECT_EQ(known[0].learned_at, clock_.wall());
  EXPECT_EQ(known[0].element.selector(), R"(role=button[name="Go \"now\""])");
  EXPECT_EQ(fs::status(file_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Actions, HaveOneElementForEachShapeOfThePageAndFourShapesAtMost) {
  const auto cache = open();
  for (int shape = 0; shape < 6; ++shape) {
    clock_.advance(std::chrono::seconds(1));
    cache->put(action("click go", "Go " + std::to_string(shape), std::to_string(shape)));
  }
  cache->put(action("click go", "Start", "5"));
  EXPECT_THAT(names(*cache, "click go"), ElementsAre("Go 2", "Go 3", "Go 4", "Start"));
}

TEST_F(Actions, ForgetTheLongestUnusedWhereThereAreTooMany) {
  auto cache = open(2);
  cache->put(action("a"));
  clock_.advance(std::chrono::seconds(1));
  cache->put(action("b"));
  clock_.advance(std::chrono::seconds(1));
  cache->count_use(action("a"));
  cache->put(action("c"));
  EXPECT_THAT(names(*cache, "a"), SizeIs(1));
  EXPECT_THAT(names(*cache, "b"), IsEmpty());
  cache.reset();
  const auto small = open(100, 400);
  small->put(action("a"));
  small->put(action("b"));
  EXPECT_EQ(small->size(), 1u);
}

TEST_F(Actions, PutADamagedFileAside) {
  for (const char* text :
       {"{", "[]", R"({"version":2,"actions":[]})", R"({"actions":[{"site":"a"}]})",
        R"({"actions":[{"site":"a","instruction":"b","element":{"tag":"i"}}]})"}) {
    std::ofstream(file_) << text;
    const auto cache = open();
    ASSERT_TRUE(cache->damage()) << text;
    EXPECT_THAT(cache->damage()->message, HasSubstr("put aside"));
    EXPECT_TRUE(fs::exists(file_ + ".damaged"));
    cache->put(action("click go"));
    EXPECT_THAT(names(*cache, "click go"), SizeIs(1));
  }
}

TEST_F(Actions, TakeOverWhatAnotherProcessChanged) {
  auto cache = open();
  cache->put(action("mine"));
  cache.reset();
  cache = open();
  ASSERT_TRUE(change_actions(file_, [](ActionBook& book) {
    book.clear();
    const auto theirs = action("theirs");
    book[{theirs.key, theirs.element.shape}] = theirs;
  }));
  cache->put(action("new"));
  cache.reset();
  const auto book = read_actions(file_);
  ASSERT_TRUE(book) << book.error().describe();
  std::vector<std::string> words;
  for (const auto& row : *book) words.push_back(row.second.key.instruction);
  EXPECT_THAT(words, ElementsAre("new", "theirs"));
}

TEST_F(Actions, StayForgottenWhenSomebodyForgotThemWhileTheyWereUsed) {
  auto cache = open();
  cache->put(action("mine"));
  cache.reset();
  cache = open();
  ASSERT_TRUE(change_actions(file_, [](ActionBook& book) { book.clear(); }));
  cache->count_use(action("mine"));
  cache.reset();
  EXPECT_THAT(*read_actions(file_), IsEmpty());
}

TEST(Places, LeaveOutNumbersIdsAndQueries) {
  const auto text = [](std::string_view url) {
    const Place place = place_of(url);
    return place.site + " " + place.path;
  };
  EXPECT_EQ(text("https://a.example/orders/123/edit?x=1#top"), "https://a.example /orders/*/edit");
  EXPECT_EQ(text("https://u:p@a.example:8080/"), "https://a.example:8080 /");
  EXPECT_EQ(text("https://a.example"), "https://a.example /");
  EXPECT_EQ(text("https://a.example/v2/item-550e8400-e29b"), "https://a.example /v2/*");
  EXPECT_EQ(text("https://a.example/app#/users/17?tab=1"), "https://a.example /app#/users/*");
  EXPECT_EQ(text("about:blank"), " ");
  EXPECT_EQ(text("data:text/html,<p>"), " ");
}

TEST(RememberedWords, SayWhichElementAndNotWhatIsTyped) {
  const auto words = [](const char* instruction) {
    return remembered_words(parse_instruction(instruction).value().front());
  };
  EXPECT_EQ(words("type jazz into the search box"), words("type hunter2 into the search box"));
  EXPECT_THAT(words("type hunter2 into the search box"), Not(HasSubstr("hunter2")));
  EXPECT_NE(words("click \"Save\""), words("double click \"Save\""));
  EXPECT_NE(words("click Delete in the row of Anna"), words("click Delete in the row of Bob"));
  EXPECT_NE(words("select Red from the colour list"), words("select Blue from the colour list"));
  EXPECT_FALSE(can_remember(parse_instruction("click the second Reply button").value().front()));
  EXPECT_FALSE(can_remember(parse_instruction("click the button").value().front()));
  EXPECT_TRUE(can_remember(parse_instruction("click Reply").value().front()));
}

TEST(KnownElements, AreToldFromOthersOfTheirKindByTheRegionAroundThem) {
  Snapshot snapshot{.shape = "1"};
  for (const char* person : {"Anna", "Bob"}) {
    Candidate button{.ref = static_cast<int>(snapshot.elements.size())};
    button.tag = button.role = "button";
    button.name = "Delete";
    button.context = {std::string(person) + " Delete", "Anna Delete Bob Delete"};
    snapshot.elements.push_back(button);
  }
  Clause clause = parse_instruction("click Delete in the row of Bob").value().front();
  const auto bob = known_element(snapshot, 1, clause);
  ASSERT_TRUE(bob);
  EXPECT_EQ(bob->region, 0);
  EXPECT_FALSE(bob->context.empty());
  clause.target.scope = "Carl";
  EXPECT_FALSE(known_element(snapshot, 1, clause)) << "nothing says that it is Carl's";
  snapshot.elements[0].context = snapshot.elements[1].context;
  clause.target.scope.clear();
  EXPECT_FALSE(known_element(snapshot, 1, clause)) << "one is like the other";
}

}  // namespace
}  // namespace troupe::interact
