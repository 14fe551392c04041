#include "tasks/sqlite_upgrade.h"

#include <sqlite3.h>

#include "base/json.h"
#include "tasks/sqlite_codec.h"

namespace troupe::tasks {
namespace {

class Values {
 public:
  explicit Values(sqlite3_value** values) : next_(values) {}
  std::int64_t number() { return sqlite3_value_int64(*next_++); }
  int integer() { return static_cast<int>(number()); }
  std::uint64_t token() { return static_cast<std::uint64_t>(number()); }
  bool next_is_null() const { return sqlite3_value_type(*next_) == SQLITE_NULL; }
  std::string text() {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(*next_));
    const auto size = static_cast<std::size_t>(sqlite3_value_bytes(*next_++));
    return bytes ? std::string(bytes, size) : std::string();
  }

 private:
  sqlite3_value** next_;
};

void answer(sqlite3_context* context, const std::string& bytes) {
  sqlite3_result_blob(context, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
}

// Gates, dependencies and labels were one JSON text.
bool read_extras(const std::string& text, Spec& spec) {
  if (text.empty()) return true;
  const auto parsed = parse_json(text, "extras");
  if (!parsed || !parsed->is_object()) return false;
  const json::object& object = parsed->get_object();
  if (const auto* gates = object.if_contains("gates"))
    for (const json::value& gate : gates->get_array())
      spec.gates.push_back(
          {std::string(gate.get_array()[0].get_string()), gate.get_array()[1].get_int64()});
  if (const auto* depends = object.if_contains("depends_on")) {
    for (const json::value& id : depends->get_array())
      spec.depends_on.emplace_back(id.get_string());
    spec.depends_rule = static_cast<DependsRule>(object.at("depends_rule").get_int64());
  }
  if (const auto* labels = object.if_contains("labels")) spec.labels = labels->get_object();
  return true;
}

// id, run_id, idx, tenant, queue, queue_timeout, attempts_max, base, cap, losses_max, key, extras,
// job.
void packed_spec(sqlite3_context* context, int, sqlite3_value** arguments) {
  Values values(arguments);
  Spec spec;
  spec.id = values.text();
  spec.run_id = values.text();
  spec.index = values.integer();
  spec.tenant = values.text();
  spec.queue = values.text();
  spec.queue_timeout_ms = values.number();
  spec.retry.attempts_max = values.integer();
  spec.retry.base_ms = values.number();
  spec.retry.cap_ms = values.number();
  spec.retry.losses_max = values.integer();
  spec.idempotency_key = values.text();
  if (!read_extras(values.text(), spec))
    return sqlite3_result_error(context, "a task's extras are no JSON", -1);
  const bool large = values.next_is_null();
  spec.job = values.text();
  answer(context, pack_spec(spec, spec.depends_on, large));
}

// state, cause, finished, cancelling, attempt, losses, token, finished_token, created, due,
// started, ended, lease, grace, priority, run_at, deadline, worker.
void packed_status(sqlite3_context* context, int, sqlite3_value** arguments) {
  Values values(arguments);
  PackedStatus packed;
  Status& status = packed.status;
  status.state = static_cast<State>(values.number());
  status.cause = static_cast<Cause>(values.number());
  const std::int64_t finished = values.number();
  packed.finished_state = static_cast<State>(finished / 16);
  packed.finished_cause = static_cast<Cause>(finished % 16);
  status.cancel_requested = values.number() != 0;
  status.attempt = values.integer();
  status.losses = values.integer();
  status.token = values.token();
  packed.finished_token = values.token();
  status.created_ms = values.number();
  status.due_ms = values.number();
  status.started_ms = values.number();
  status.ended_ms = values.number();
  status.lease_until_ms = values.number();
  packed.grace_until_ms = values.number();
  packed.priority = values.integer();
  packed.run_at_ms = values.number();
  packed.deadline_ms = values.number();
  answer(context, pack_status(packed, values.text()));
}

}  // namespace

void add_upgrade_functions(Connection& connection) {
  if (!connection.ok()) return;
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
  const auto add = [&](const char* name, int arguments, auto* function) {
    connection.note(sqlite3_create_function_v2(connection.handle(), name, arguments, kFlags,
                                               nullptr, function, nullptr, nullptr, nullptr));
  };
  add("packed_spec", 13, packed_spec);
  add("packed_status", 18, packed_status);
}

}  // namespace troupe::tasks
