#include "tasks/record.h"

#include <algorithm>
#include <array>
#include <map>

namespace troupe::tasks {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr UnixMs kMsMax = 253'402'300'799'999;  // year 9999
constexpr UnixMs kWeekMs = 7LL * 24 * 60 * 60 * 1000;

constexpr std::array<std::string_view, 7> kStates = {
    "blocked", "scheduled", "queued", "running", "succeeded", "failed", "cancelled"};
constexpr std::array<std::string_view, 8> kCauses = {
    "none",     "finished",   "attempts_exhausted", "poisoned",
    "deadline", "dependency", "cancelled",          "grace_exceeded"};
constexpr std::array<std::string_view, 4> kRules = {"all", "any", "failure", "ended"};

template <class Enum, std::size_t N>
std::optional<Enum> named(const std::array<std::string_view, N>& words, std::string_view name) {
  const auto found = std::ranges::find(words, name);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

struct Transition {
  State from;
  State to;
};

constexpr std::array kTransitions = std::to_array<Transition>({
    {State::blocked, State::scheduled},
    {State::blocked, State::queued},
    {State::blocked, State::failed},  // what it depends on ruled it out; its deadline passed
    {State::blocked, State::cancelled},
    {State::scheduled, State::queued},  // its time has come
    {State::scheduled, State::failed},  // its deadline passed
    {State::scheduled, State::cancelled},
    {State::queued, State::scheduled},  // put off by Backend::change
    {State::queued, State::running},
    {State::queued, State::failed},  // its deadline passed
    {State::queued, State::cancelled},
    {State::running, State::succeeded},
    {State::running, State::failed},
    {State::running, State::cancelled},
    {State::running, State::scheduled},  // another attempt, later
    {State::running, State::queued},     // another attempt at once: handed back, or lease lost
    {State::failed, State::queued},      // replay
    {State::failed, State::scheduled},
    {State::cancelled, State::queued},
    {State::cancelled, State::scheduled},
});

Error wrong(std::string_view field, const std::string& what) {
  return fail(Errc::invalid_argument, std::string(field) + ": " + what, "task");
}

Result<void> check_length(std::string_view field, const std::string& text, std::size_t least,
                          std::size_t most) {
  if (text.size() >= least && text.size() <= most) return {};
  return wrong(field, std::to_string(text.size()) + " bytes are not in " + std::to_string(least) +
                          ".." + std::to_string(most));
}

Result<void> check_range(std::string_view field, std::int64_t value, std::int64_t least,
                         std::int64_t most) {
  if (value >= least && value <= most) return {};
  return wrong(field, std::to_string(value) + " is not in " + std::to_string(least) + ".." +
                          std::to_string(most));
}

Result<void> check_retry(const Retry& retry) {
  TRY_VOID(check_range("retry.attempts_max", retry.attempts_max, 1, 100));
  TRY_VOID(check_range("retry.losses_max", retry.losses_max, 1, 100));
  TRY_VOID(check_range("retry.base_ms", retry.base_ms, 0, kWeekMs));
  return check_range("retry.cap_ms", retry.cap_ms, retry.base_ms, kWeekMs);
}

Result<void> check_gates(const std::vector<Gate>& gates) {
  if (gates.size() > 4) return wrong("gates", std::to_string(gates.size()) + " are more than 4");
  for (const Gate& gate : gates) {
    TRY_VOID(check_length("gates.key", gate.key, 1, 256));
    TRY_VOID(check_range("gates.limit", gate.limit, 1, 1'000'000));
  }
  return {};
}

Result<void> check_labels(const json::object& labels) {
  if (labels.size() > 16)
    return wrong("labels", std::to_string(labels.size()) + " are more than 16");
  for (const auto& [key, value] : labels) {
    if (key.size() > 64) return wrong("labels", "a name of more than 64 bytes");
    if (!value.is_string() || value.get_string().size() > 256)
      return wrong("labels." + std::string(key), "is not a text of at most 256 bytes");
  }
  return {};
}

// Reads the members of one object and remembers which were asked for, so that the rest are errors.
class Reader {
 public:
  Reader(const json::object& object, std::string prefix)
      : object_(object), prefix_(std::move(prefix)) {}

  void text(std::string_view key, std::string& into) {
    if (const auto* value = take(key)) {
      if (value->is_string())
        into = std::string(value->get_string());
      else
        refuse(key, "text", *value);
    }
  }
  template <class Number>
  void number(std::string_view key, Number& into) {
    const auto* value = take(key);
    if (!value) return;
    boost::system::error_code bad;
    const auto read = value->to_number<Number>(bad);
    if (bad)
      refuse(key, "a whole number in range", *value);
    else
      into = read;
  }
  template <class Enum>
  void word(std::string_view key, Enum& into, std::optional<Enum> (*read)(std::string_view)) {
    std::string name;
    text(key, name);
    if (name.empty()) return;
    if (const auto found = read(name))
      into = *found;
    else
      keep(wrong(prefix_ + std::string(key), "'" + name.substr(0, 64) + "' is not known"));
  }
  const json::object* object(std::string_view key) {
    const auto* value = take(key);
    if (!value) return nullptr;
    if (!value->is_object()) refuse(key, "an object", *value);
    return value->if_object();
  }
  const json::array* array(std::string_view key) {
    const auto* value = take(key);
    if (!value) return nullptr;
    if (!value->is_array()) refuse(key, "a list", *value);
    return value->if_array();
  }
  void keep(Error error) {
    if (!error_) error_ = std::move(error);
  }
  Result<void> done() {
    if (!error_ && taken_ != object_.size())
      for (const auto& member : object_)
        if (std::ranges::find(seen_, std::string_view(member.key())) == seen_.end())
          keep(wrong(prefix_ + std::string(member.key()), "is not known"));
    if (error_) return *error_;
    return {};
  }

 private:
  const json::value* take(std::string_view key) {
    seen_.push_back(key);
    const auto* value = object_.if_contains(key);
    if (value) ++taken_;
    return value;
  }
  void refuse(std::string_view key, std::string_view wanted, const json::value& value) {
    keep(wrong(prefix_ + std::string(key),
               std::string(type_name(value)) + " instead of " + std::string(wanted)));
  }

  const json::object& object_;
  std::string prefix_;
  std::vector<std::string_view> seen_;
  std::size_t taken_ = 0;
  std::optional<Error> error_;
};

void read_retry(Reader& reader, Retry& retry) {
  const auto* object = reader.object("retry");
  if (!object) return;
  Reader inner(*object, "retry.");
  inner.number("attempts_max", retry.attempts_max);
  inner.number("base_ms", retry.base_ms);
  inner.number("cap_ms", retry.cap_ms);
  inner.number("losses_max", retry.losses_max);
  if (auto done = inner.done(); !done) reader.keep(done.error());
}

void read_gates(Reader& reader, std::vector<Gate>& gates) {
  const auto* list = reader.array("gates");
  if (!list) return;
  for (const json::value& value : *list) {
    if (!value.is_object()) return reader.keep(wrong("gates", "has something else than objects"));
    Gate gate;
    Reader inner(value.get_object(), "gates.");
    inner.text("key", gate.key);
    inner.number("limit", gate.limit);
    if (auto done = inner.done(); !done) return reader.keep(done.error());
    gates.push_back(std::move(gate));
  }
}

void read_depends(Reader& reader, std::vector<std::string>& depends_on) {
  const auto* list = reader.array("depends_on");
  if (!list) return;
  for (const json::value& value : *list) {
    if (!value.is_string())
      return reader.keep(wrong("depends_on", "has something else than texts"));
    depends_on.emplace_back(value.get_string());
  }
}

}  // namespace

std::string_view to_string(State state) { return kStates[static_cast<std::size_t>(state)]; }
std::optional<State> state_from(std::string_view name) { return named<State>(kStates, name); }
std::string_view to_string(Cause cause) { return kCauses[static_cast<std::size_t>(cause)]; }
std::optional<Cause> cause_from(std::string_view name) { return named<Cause>(kCauses, name); }
std::string_view to_string(DependsRule rule) { return kRules[static_cast<std::size_t>(rule)]; }
std::optional<DependsRule> depends_rule_from(std::string_view name) {
  return named<DependsRule>(kRules, name);
}

bool is_final(State state) { return state >= State::succeeded; }

bool can_go(State from, State to) {
  return std::ranges::any_of(
      kTransitions, [&](const Transition& row) { return row.from == from && row.to == to; });
}

Result<void> check(const Spec& spec) {
  TRY_VOID(check_length("id", spec.id, 1, 64));
  TRY_VOID(check_length("run_id", spec.run_id, 1, 64));
  TRY_VOID(check_range("index", spec.index, 0, 10'000'000));
  TRY_VOID(check_length("tenant", spec.tenant, 1, 128));
  TRY_VOID(check_length("queue", spec.queue, 1, 64));
  TRY_VOID(check_range("priority", spec.priority, -9, 9));
  TRY_VOID(check_range("run_at_ms", spec.run_at_ms, 0, kMsMax));
  TRY_VOID(check_range("deadline_ms", spec.deadline_ms, 0, kMsMax));
  TRY_VOID(check_range("queue_timeout_ms", spec.queue_timeout_ms, 0, kWeekMs));
  TRY_VOID(check_retry(spec.retry));
  TRY_VOID(check_length("idempotency_key", spec.idempotency_key, 0, 256));
  TRY_VOID(check_gates(spec.gates));
  if (spec.depends_on.size() > 64)
    return wrong("depends_on", std::to_string(spec.depends_on.size()) + " are more than 64");
  for (const std::string& id : spec.depends_on) {
    TRY_VOID(check_length("depends_on", id, 1, 64));
    if (id == spec.id) return wrong("depends_on", "task " + id + " depends on itself");
  }
  TRY_VOID(check_labels(spec.labels));
  return check_length("job", spec.job, 0, kJobBytesMax);
}

json::object to_json(const Spec& spec) {
  json::object object{{"v", kVersion},
                      {"id", spec.id},
                      {"run_id", spec.run_id},
                      {"index", spec.index},
                      {"tenant", spec.tenant},
                      {"queue", spec.queue},
                      {"priority", spec.priority}};
  if (spec.run_at_ms) object["run_at_ms"] = spec.run_at_ms;
  if (spec.deadline_ms) object["deadline_ms"] = spec.deadline_ms;
  if (spec.queue_timeout_ms) object["queue_timeout_ms"] = spec.queue_timeout_ms;
  if (spec.retry != Retry{})
    object["retry"] = {{"attempts_max", spec.retry.attempts_max},
                       {"base_ms", spec.retry.base_ms},
                       {"cap_ms", spec.retry.cap_ms},
                       {"losses_max", spec.retry.losses_max}};
  if (!spec.idempotency_key.empty()) object["idempotency_key"] = spec.idempotency_key;
  if (!spec.gates.empty()) {
    json::array& gates = object["gates"].emplace_array();
    for (const Gate& gate : spec.gates)
      gates.push_back(json::object{{"key", gate.key}, {"limit", gate.limit}});
  }
  if (!spec.depends_on.empty()) {
    object["depends_on"] = json::array(spec.depends_on.begin(), spec.depends_on.end());
    object["depends_rule"] = to_string(spec.depends_rule);
  }
  if (!spec.labels.empty()) object["labels"] = spec.labels;
  if (!spec.job.empty()) object["job"] = spec.job;
  return object;
}

Result<Spec> spec_from_json(const json::value& value) {
  if (!value.is_object()) return wrong("task", "is no object");
  const auto version = find_int(value.get_object(), "v");
  if (version != kVersion)
    return wrong("v", (version ? std::to_string(*version) : "none") + " instead of " +
                          std::to_string(kVersion) + ": written by another release");
  Spec spec;
  Reader reader(value.get_object(), "");
  std::int64_t ignored = 0;
  reader.number("v", ignored);
  reader.text("id", spec.id);
  reader.text("run_id", spec.run_id);
  reader.number("index", spec.index);
  reader.text("tenant", spec.tenant);
  reader.text("queue", spec.queue);
  reader.number("priority", spec.priority);
  reader.number("run_at_ms", spec.run_at_ms);
  reader.number("deadline_ms", spec.deadline_ms);
  reader.number("queue_timeout_ms", spec.queue_timeout_ms);
  read_retry(reader, spec.retry);
  reader.text("idempotency_key", spec.idempotency_key);
  read_gates(reader, spec.gates);
  read_depends(reader, spec.depends_on);
  reader.word("depends_rule", spec.depends_rule, depends_rule_from);
  if (const auto* labels = reader.object("labels")) spec.labels = *labels;
  reader.text("job", spec.job);
  TRY_VOID(reader.done());
  TRY_VOID(check(spec));
  return spec;
}

json::object to_json(const Record& record) {
  const Status& status = record.status;
  json::object object{{"spec", to_json(record.spec)},     {"state", to_string(status.state)},
                      {"cause", to_string(status.cause)}, {"attempt", status.attempt},
                      {"losses", status.losses},          {"created_ms", status.created_ms},
                      {"due_ms", status.due_ms}};
  const auto put = [&](std::string_view key, const auto& value) {
    if (value != std::decay_t<decltype(value)>{}) object[key] = value;
  };
  put("token", status.token);
  put("worker", status.worker);
  put("lease_until_ms", status.lease_until_ms);
  put("cancel_requested", status.cancel_requested);
  put("cancel_reason", status.cancel_reason);
  put("started_ms", status.started_ms);
  put("ended_ms", status.ended_ms);
  put("progress", status.progress);
  put("result", status.result);
  put("error", status.error);
  return object;
}

Result<void> check_circles(const std::vector<Spec>& specs) {
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < specs.size(); ++i) places.try_emplace(specs[i].id, i);
  std::vector<std::vector<std::size_t>> followers(specs.size());
  std::vector<std::size_t> open(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i)
    for (const std::string& id : specs[i].depends_on)
      if (const auto place = places.find(id); place != places.end()) {
        followers[place->second].push_back(i);
        ++open[i];
      }
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < specs.size(); ++i)
    if (open[i] == 0) free.push_back(i);
  for (std::size_t next = 0; next < free.size(); ++next)
    for (const std::size_t follower : followers[free[next]])
      if (--open[follower] == 0) free.push_back(follower);
  if (free.size() == specs.size()) return {};
  const auto stuck = std::ranges::find_if(open, [](std::size_t count) { return count > 0; });
  return fail(Errc::invalid_argument,
              "depends_on: task " + specs[static_cast<std::size_t>(stuck - open.begin())].id +
                  " depends on itself by way of others",
              "tasks");
}

}  // namespace troupe::tasks
