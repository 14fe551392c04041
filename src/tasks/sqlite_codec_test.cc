// What is stored is read back as it was; what is cut off or of another version is refused.
#include "tasks/sqlite_codec.h"

#include <gtest/gtest.h>

namespace troupe::tasks {
namespace {

Spec full_spec() {
  Spec spec;
  spec.id = "task_1";
  spec.run_id = "run_1";
  spec.index = 9'999'999;
  spec.tenant = "acme";
  spec.queue = "slow";
  spec.queue_timeout_ms = 60'000;
  spec.retry = {.attempts_max = 100, .base_ms = 1, .cap_ms = 2, .losses_max = 7};
  spec.idempotency_key = std::string(256, 'k');
  spec.gates = {{.key = "site", .limit = 1'000'000}};
  spec.depends_on = {"task_0"};
  spec.depends_rule = DependsRule::ended;
  spec.labels = {{"team", "blue"}};
  spec.job = std::string("a\0b", 3);
  return spec;
}

TEST(SqliteCodec, ASpecIsReadBackAsItWas) {
  const Spec spec = full_spec();

  const auto packed = unpack_spec(pack_spec(spec, spec.depends_on, false));

  ASSERT_TRUE(packed);
  EXPECT_EQ(json::serialize(to_json(packed->spec)), json::serialize(to_json(spec)));
  EXPECT_FALSE(packed->large);
}

TEST(SqliteCodec, ALargeJobIsLeftOut) {
  const Spec spec = full_spec();

  const auto packed = unpack_spec(pack_spec(spec, spec.depends_on, true));

  ASSERT_TRUE(packed);
  EXPECT_TRUE(packed->large);
  EXPECT_EQ(packed->spec.job, "");
}

TEST(SqliteCodec, AStatusIsReadBackAsItWas) {
  PackedStatus before;
  before.status.state = State::running;
  before.status.attempt = 3;
  before.status.token = ~std::uint64_t{0} >> 1;
  before.status.lease_until_ms = 253'402'300'799'999;
  before.status.cancel_requested = true;
  before.priority = -9;
  before.finished_state = State::cancelled;
  before.finished_cause = Cause::grace_exceeded;

  const auto after = unpack_status(pack_status(before, "node_a"));

  ASSERT_TRUE(after);
  EXPECT_EQ(after->status.state, State::running);
  EXPECT_EQ(after->status.attempt, 3);
  EXPECT_EQ(after->status.token, before.status.token);
  EXPECT_EQ(after->status.lease_until_ms, before.status.lease_until_ms);
  EXPECT_TRUE(after->status.cancel_requested);
  EXPECT_EQ(after->status.worker, "node_a");
  EXPECT_EQ(after->priority, -9);
  EXPECT_EQ(after->finished_state, State::cancelled);
  EXPECT_EQ(after->finished_cause, Cause::grace_exceeded);
}

TEST(SqliteCodec, WhatIsCutOffOrOfAnotherVersionIsRefused) {
  Spec spec = full_spec();
  spec.job.clear();
  const std::string packed = pack_spec(spec, spec.depends_on, false);
  const std::string status = pack_status({}, std::string(100, 'w'));

  for (std::size_t size = 0; size < packed.size(); ++size)
    EXPECT_FALSE(unpack_spec(packed.substr(0, size))) << size;
  for (std::size_t size = 0; size < status.size(); ++size)
    EXPECT_FALSE(unpack_status(status.substr(0, size))) << size;
  EXPECT_FALSE(unpack_spec("\2" + packed.substr(1)));
  EXPECT_FALSE(unpack_status("\2" + status.substr(1)));
  EXPECT_FALSE(unpack_status(status + "x"));
}

}  // namespace
}  // namespace troupe::tasks
