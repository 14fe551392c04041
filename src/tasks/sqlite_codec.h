// The two compact texts of a task in the database: what was asked for, and how it stands. Each
// begins with its version; what is not as this release writes it is not guessed. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/record.h"

namespace troupe::tasks {

/// `depends_on` under the ids that they have here; without what may change (priority, run_at,
/// deadline) and, when `large`, without the job.
std::string pack_spec(const Spec& spec, std::span<const std::string> depends_on, bool large);

struct PackedSpec {
  Spec spec;
  bool large = false;  ///< The job is kept elsewhere.
};
std::optional<PackedSpec> unpack_spec(std::string_view bytes);

/// How it stands, with the members of the spec that may change.
struct PackedStatus {
  Status status;  ///< Without the texts but `worker`.
  std::uint64_t finished_token = 0;
  State finished_state = State::blocked;
  Cause finished_cause = Cause::none;
  UnixMs grace_until_ms = 0;
  int priority = 0;
  UnixMs run_at_ms = 0, deadline_ms = 0;
};
std::string pack_status(const PackedStatus& status, std::string_view worker);
std::optional<PackedStatus> unpack_status(std::string_view bytes);

}  // namespace troupe::tasks
