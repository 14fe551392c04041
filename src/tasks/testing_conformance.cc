#include "tasks/testing_conformance.h"

#include <algorithm>

namespace troupe::tasks {

asio::awaitable<std::vector<Accepted>> add(Subject& subject, std::vector<Spec> specs) {
  Submission submission;
  submission.tasks = std::move(specs);
  auto added = co_await subject.backend().enqueue(subject.ctx(), std::move(submission));
  EXPECT_TRUE(added) << added.error().describe();
  co_return added ? std::move(*added) : std::vector<Accepted>();
}

asio::awaitable<Accepted> add(Subject& subject, Spec spec) {
  std::vector<Spec> specs;
  specs.push_back(std::move(spec));
  auto added = co_await add(subject, std::move(specs));
  co_return added.empty() ? Accepted{} : added[0];
}

asio::awaitable<Error> add_fails(Subject& subject, std::vector<Spec> specs) {
  Submission submission;
  submission.tasks = std::move(specs);
  auto added = co_await subject.backend().enqueue(subject.ctx(), std::move(submission));
  EXPECT_FALSE(added) << "was accepted";
  co_return added ? Error{} : added.error();
}

asio::awaitable<std::vector<Claim>> take(Subject& subject, int max, std::string worker,
                                         UnixMs lease_ms) {
  ClaimRequest request;
  request.worker = std::move(worker);
  request.max = max;
  request.lease_ms = lease_ms;
  auto claimed = co_await subject.backend().claim(subject.ctx(), std::move(request));
  EXPECT_TRUE(claimed) << claimed.error().describe();
  co_return claimed ? std::move(claimed->claims) : std::vector<Claim>();
}

asio::awaitable<std::string> take_ids(Subject& subject, int max) {
  const auto claims = co_await take(subject, max);
  std::string ids;
  for (const Claim& claim : claims) ids += (ids.empty() ? "" : ",") + claim.spec.id;
  co_return ids;
}

asio::awaitable<Claim> take_one(Subject& subject) {
  auto claims = co_await take(subject, 1);
  EXPECT_EQ(claims.size(), 1u);
  co_return claims.empty() ? Claim{} : std::move(claims[0]);
}

asio::awaitable<Finished> finish(Subject& subject, const Claim& claim, Finish::Verdict verdict,
                                 UnixMs delay_ms) {
  Finish one;
  one.id = claim.spec.id;
  one.token = claim.token;
  one.verdict = verdict;
  one.delay_ms = delay_ms;
  if (verdict == Finish::Verdict::succeeded) one.result = R"({"ok":true})";
  if (verdict == Finish::Verdict::failed || verdict == Finish::Verdict::retry)
    one.error = R"({"code":"timeout"})";
  std::vector<Finish> finishes;
  finishes.push_back(std::move(one));
  auto finished = co_await subject.backend().finish(subject.ctx(), std::move(finishes));
  EXPECT_TRUE(finished) << finished.error().describe();
  co_return finished ? std::move((*finished)[0]) : Finished{};
}

asio::awaitable<Record> get(Subject& subject, std::string id) {
  auto record = co_await subject.backend().get(subject.ctx(), id);
  EXPECT_TRUE(record) << record.error().describe();
  const bool there = record && record->has_value();
  EXPECT_TRUE(there) << id;
  co_return there ? std::move(**record) : Record{};
}

asio::awaitable<State> state(Subject& subject, std::string id) {
  const Record record = co_await get(subject, std::move(id));
  co_return record.status.state;
}

asio::awaitable<std::vector<Moved>> sweep(Subject& subject) {
  auto swept = co_await subject.backend().sweep(subject.ctx(), 1000);
  EXPECT_TRUE(swept) << swept.error().describe();
  co_return swept ? std::move(swept->moved) : std::vector<Moved>();
}

std::string describe(std::vector<Moved> moved) {
  std::ranges::sort(moved, {}, &Moved::id);
  std::string text;
  for (const Moved& one : moved)
    text += (text.empty() ? "" : ", ") + one.id + " " + std::string(to_string(one.state)) + " " +
            std::string(to_string(one.cause));
  return text;
}

}  // namespace troupe::tasks
