// Conformance: lists, counts, purge, documents.
#include "tasks/testing_conformance.h"

namespace troupe::tasks {
namespace {

using Verdict = Finish::Verdict;

asio::awaitable<std::string> listed(Subject& s, Filter filter, int limit) {
  std::string ids, cursor;
  do {
    auto page = co_await s.backend().list(s.ctx(), filter, cursor, limit);
    EXPECT_TRUE(page) << page.error().describe();
    if (!page) co_return "error";
    EXPECT_LE(page->records.size(), static_cast<std::size_t>(limit));
    for (const Record& record : page->records) ids += (ids.empty() ? "" : ",") + record.spec.id;
    cursor = page->next_cursor;
  } while (!cursor.empty());
  co_return ids;
}

// task_1 succeeded, task_2 failed, task_3 running, task_4 (of run_2, tenant acme) waits.
asio::awaitable<void> fill(Subject& s) {
  Spec first = spec("task_1"), second = spec("task_2"), third = spec("task_3");
  first.index = 2;
  second.index = 1;
  third.index = 0;
  third.labels = {{"team", "blue"}, {"kind", "x"}};
  Spec fourth = spec("task_4", "run_2");
  fourth.tenant = "acme";
  fourth.run_at_ms = s.now() + 3'600'000;
  fourth.labels = {{"team", "blue"}};
  co_await add(s, {first, second, third, fourth});
  const auto claims = co_await take(s, 3);
  for (const Claim& claim : claims) {
    if (claim.spec.id == "task_1") co_await finish(s, claim, Verdict::succeeded);
    if (claim.spec.id == "task_2") co_await finish(s, claim, Verdict::failed);
  }
}

asio::awaitable<void> lists(Subject& s) {
  co_await fill(s);
  for (const int limit : {1, 2, 1000}) {
    Filter filter;
    EXPECT_EQ(co_await listed(s, filter, limit), "task_1,task_2,task_3,task_4");
    filter.run_id = "run_1";
    EXPECT_EQ(co_await listed(s, filter, limit), "task_3,task_2,task_1") << "by index";
    filter.states = {State::failed, State::running};
    EXPECT_EQ(co_await listed(s, filter, limit), "task_3,task_2");
    filter = {};
    filter.tenant = "acme";
    EXPECT_EQ(co_await listed(s, filter, limit), "task_4");
    filter = {};
    filter.labels = {{"team", "blue"}};
    EXPECT_EQ(co_await listed(s, filter, limit), "task_3,task_4");
    filter.labels["kind"] = "x";
    EXPECT_EQ(co_await listed(s, filter, limit), "task_3");
    filter = {};
    filter.causes = {Cause::finished};
    EXPECT_EQ(co_await listed(s, filter, limit), "task_1,task_2");
    filter = {};
    filter.queue = "other";
    EXPECT_EQ(co_await listed(s, filter, limit), "");
    filter = {};
    filter.ended_before_ms = s.now() + 60'000;
    EXPECT_EQ(co_await listed(s, filter, limit), "task_1,task_2");
  }
}

TEST_P(Conformance, ListsByFilterInPages) { with(lists); }

asio::awaitable<void> list_errors(Subject& s) {
  Filter filter;
  auto page = co_await s.backend().list(s.ctx(), filter, "", 0);
  EXPECT_EQ(page.error().code, Errc::invalid_argument);
  page = co_await s.backend().list(s.ctx(), filter, "", 1001);
  EXPECT_EQ(page.error().code, Errc::invalid_argument);
  for (const char* wrong : {"x", "r.1.task_1", "1", "i."}) {
    page = co_await s.backend().list(s.ctx(), filter, wrong, 10);
    EXPECT_EQ(page.error().code, Errc::invalid_argument) << wrong;
  }
  filter.run_id = "run_1";
  for (const char* wrong : {"i.task_1", "r.task_1", "r.-1.x", "r.1.", "r."}) {
    page = co_await s.backend().list(s.ctx(), filter, wrong, 10);
    EXPECT_EQ(page.error().code, Errc::invalid_argument) << wrong;
  }
}

TEST_P(Conformance, RefusesPagesAndCursorsThatAreNone) { with(list_errors); }

asio::awaitable<void> counts(Subject& s) {
  co_await fill(s);
  auto run = co_await s.backend().run_counts(s.ctx(), "run_1");
  EXPECT_EQ(run->succeeded, 1);
  EXPECT_EQ(run->failed, 1);
  EXPECT_EQ(run->running, 1);
  EXPECT_EQ(run->open(), 1);
  run = co_await s.backend().run_counts(s.ctx(), "run_9");
  EXPECT_EQ(run->open() + run->succeeded, 0);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->counts.scheduled, 1);
  EXPECT_EQ(stats->counts.failed, 1);
  EXPECT_FALSE(stats->oldest_queued_ms.has_value());
  const UnixMs before = s.now();
  co_await add(s, spec("task_5"));
  co_await s.advance(1000);
  co_await add(s, spec("task_6"));
  stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->counts.queued, 2);
  EXPECT_GE(stats->oldest_queued_ms.value_or(0), before);
  EXPECT_LT(stats->oldest_queued_ms.value_or(0), before + 1000);
}

TEST_P(Conformance, CountsByStateAndRun) { with(counts); }

asio::awaitable<void> purge(Subject& s) {
  co_await fill(s);
  Filter filter;
  filter.states = {State::failed};
  auto purged = co_await s.backend().purge(s.ctx(), filter, 10);
  EXPECT_EQ(*purged, 1);
  EXPECT_EQ(co_await listed(s, Filter{}, 10), "task_1,task_3,task_4");
  auto journal = co_await s.backend().journal(s.ctx(), "task_2");
  EXPECT_TRUE(journal->empty());
  auto record = co_await s.backend().get(s.ctx(), "task_2");
  EXPECT_FALSE(record->has_value());
  purged = co_await s.backend().purge(s.ctx(), Filter{}, 10);
  EXPECT_EQ(*purged, 1);  // only what has ended
  EXPECT_EQ(co_await listed(s, Filter{}, 10), "task_3,task_4");
  auto counts = co_await s.backend().run_counts(s.ctx(), "run_1");
  EXPECT_EQ(counts->succeeded + counts->failed, 0);
  EXPECT_EQ(counts->running, 1);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->counts.succeeded + stats->counts.failed, 0);
}

TEST_P(Conformance, PurgesWhatHasEnded) { with(purge); }

asio::awaitable<void> purge_oldest(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2"), spec("task_3")});
  const auto claims = co_await take(s, 3);
  for (int i : {1, 0, 2}) {
    co_await finish(s, claims[i], Verdict::succeeded);
    co_await s.advance(10);
  }
  auto purged = co_await s.backend().purge(s.ctx(), Filter{}, 1);
  EXPECT_EQ(*purged, 1);
  EXPECT_EQ(co_await listed(s, Filter{}, 10), "task_1,task_3");
  Filter before;
  const Record record = co_await get(s, "task_3");
  before.ended_before_ms = record.status.ended_ms;
  purged = co_await s.backend().purge(s.ctx(), before, 10);
  EXPECT_EQ(*purged, 1);
  EXPECT_EQ(co_await listed(s, Filter{}, 10), "task_3");
}

TEST_P(Conformance, PurgesTheOldestFirst) { with(purge_oldest); }

Document text_of(std::string id, std::string text, std::uint64_t version = 0) {
  return {.kind = "run", .id = std::move(id), .text = std::move(text), .version = version};
}

asio::awaitable<void> documents(Subject& s) {
  Backend& backend = s.backend();
  auto version = co_await backend.put(s.ctx(), text_of("run_1", "a"));
  EXPECT_TRUE(version);
  auto refused = co_await backend.put(s.ctx(), text_of("run_1", "b"));
  EXPECT_EQ(refused.error().code, Errc::conflict);
  auto next = co_await backend.put(s.ctx(), text_of("run_1", "b", *version));
  EXPECT_NE(*next, *version);
  refused = co_await backend.put(s.ctx(), text_of("run_1", "c", *version));
  EXPECT_EQ(refused.error().code, Errc::conflict);
  refused = co_await backend.put(s.ctx(), text_of("run_2", "c", 7));
  EXPECT_EQ(refused.error().code, Errc::conflict);
  auto stored = co_await backend.document(s.ctx(), "run", "run_1");
  EXPECT_EQ((*stored)->text, "b");
  EXPECT_EQ((*stored)->version, *next);
  stored = co_await backend.document(s.ctx(), "schedule", "run_1");
  EXPECT_FALSE(stored->has_value());
  auto erased = co_await backend.erase(s.ctx(), "run", "run_1");
  EXPECT_TRUE(erased);
  erased = co_await backend.erase(s.ctx(), "run", "run_1");
  EXPECT_TRUE(erased);
  stored = co_await backend.document(s.ctx(), "run", "run_1");
  EXPECT_FALSE(stored->has_value());
}

TEST_P(Conformance, DocumentsChangeOnlyFromTheirLatestVersion) { with(documents); }

asio::awaitable<void> document_pages(Subject& s) {
  Backend& backend = s.backend();
  for (const char* id : {"run_2", "run_4", "run_1", "run_3"})
    co_await backend.put(s.ctx(), text_of(id, id));
  const auto ids = [](const Result<std::vector<Document>>& page) {
    std::string text;
    for (const Document& one : *page) text += one.id.substr(4);
    return text;
  };
  auto page = co_await backend.documents(s.ctx(), "run", "", 3, false);
  EXPECT_EQ(ids(page), "123");
  page = co_await backend.documents(s.ctx(), "run", "run_3", 3, false);
  EXPECT_EQ(ids(page), "4");
  page = co_await backend.documents(s.ctx(), "run", "", 3, true);
  EXPECT_EQ(ids(page), "432");
  page = co_await backend.documents(s.ctx(), "run", "run_2", 3, true);
  EXPECT_EQ(ids(page), "1");
  page = co_await backend.documents(s.ctx(), "run", "", 0, true);
  EXPECT_EQ(page.error().code, Errc::invalid_argument);
  page = co_await backend.documents(s.ctx(), "none", "", 3, true);
  EXPECT_TRUE(page->empty());
}

TEST_P(Conformance, DocumentsAreListedInPages) { with(document_pages); }

asio::awaitable<void> together(Subject& s) {
  Submission submission;
  submission.tasks = {spec("task_1")};
  submission.documents = {text_of("run_1", "first")};
  auto added = co_await s.backend().enqueue(s.ctx(), submission);
  EXPECT_TRUE(added);
  auto stored = co_await s.backend().document(s.ctx(), "run", "run_1");
  EXPECT_EQ((*stored)->text, "first");
  submission.documents[0].text = "again";
  added = co_await s.backend().enqueue(s.ctx(), submission);
  stored = co_await s.backend().document(s.ctx(), "run", "run_1");
  EXPECT_EQ((*stored)->text, "first") << "an existing one stays";
  Submission elsewhere = submission;  // nothing is added: there is no other run
  elsewhere.documents = {text_of("run_9", "x")};
  added = co_await s.backend().enqueue(s.ctx(), elsewhere);
  stored = co_await s.backend().document(s.ctx(), "run", "run_9");
  EXPECT_FALSE(stored->has_value());
  submission.tasks = {spec("task_2")};
  submission.tasks[0].priority = 99;
  submission.documents = {text_of("run_2", "x")};
  added = co_await s.backend().enqueue(s.ctx(), submission);
  EXPECT_FALSE(added);
  stored = co_await s.backend().document(s.ctx(), "run", "run_2");
  EXPECT_FALSE(stored->has_value()) << "all or none";
}

TEST_P(Conformance, DocumentsAreCreatedTogetherWithTasks) { with(together); }

}  // namespace
}  // namespace troupe::tasks
