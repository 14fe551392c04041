#include "tasks/sqlite_codec.h"

#include <algorithm>

#include "base/json.h"

namespace troupe::tasks {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kStatusBytes = 72;  // room for a running task with a worker of usual length

class Writer {
 public:
  explicit Writer(std::size_t expected) {
    bytes_.reserve(expected);
    bytes_ += kVersion;
  }
  void byte(std::size_t value) { bytes_ += static_cast<char>(value); }
  // Seven bits at a time, the lowest first; small numbers of either sign are short.
  void number(std::int64_t value) {
    auto rest = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    while (rest >= 0x80) {
      byte(rest | 0x80);
      rest >>= 7;
    }
    byte(rest);
  }
  void text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes_ += value;
  }
  void rest(std::string_view value) { bytes_ += value; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) { good_ = byte() == kVersion; }
  bool good() const { return good_; }

  std::size_t byte() {
    if (bytes_.empty()) {
      good_ = false;
      return 0;
    }
    const auto value = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::int64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && good_; shift += 7) {
      const std::size_t next = byte();
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if ((next & 0x80) == 0)
        return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
    }
    good_ = false;
    return 0;
  }
  std::string_view text() {
    const auto size = static_cast<std::uint64_t>(number());
    if (!good_ || size > bytes_.size()) {
      good_ = false;
      return {};
    }
    const auto value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }
  std::string_view rest() { return std::exchange(bytes_, {}); }
  /// How many follow; each takes a byte at least.
  std::size_t count() {
    const std::int64_t value = number();
    if (value >= 0 && static_cast<std::uint64_t>(value) <= bytes_.size())
      return static_cast<std::size_t>(value);
    good_ = false;
    return 0;
  }
  template <class Enum>
  Enum word(std::size_t last) {
    const std::size_t value = byte();
    if (value > last) good_ = false;
    return static_cast<Enum>(value);
  }
  void refuse() { good_ = false; }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

constexpr auto kLastState = static_cast<std::size_t>(State::cancelled);
constexpr auto kLastCause = static_cast<std::size_t>(Cause::grace_exceeded);
constexpr auto kLastRule = static_cast<std::size_t>(DependsRule::ended);

template <class Enum>
std::size_t code(Enum value) {
  return static_cast<std::size_t>(value);
}

}  // namespace

std::string pack_spec(const Spec& spec, std::span<const std::string> depends_on, bool large) {
  Writer out(160 + (large ? 0 : spec.job.size()));
  out.text(spec.id);
  out.text(spec.run_id);
  out.number(spec.index);
  out.text(spec.tenant);
  out.text(spec.queue);
  out.number(spec.queue_timeout_ms);
  out.number(spec.retry.attempts_max);
  out.number(spec.retry.base_ms);
  out.number(spec.retry.cap_ms);
  out.number(spec.retry.losses_max);
  out.text(spec.idempotency_key);
  out.byte(code(spec.depends_rule));
  out.number(static_cast<std::int64_t>(depends_on.size()));
  for (const std::string& id : depends_on) out.text(id);
  out.number(static_cast<std::int64_t>(spec.gates.size()));
  for (const Gate& gate : spec.gates) {
    out.text(gate.key);
    out.number(gate.limit);
  }
  out.text(spec.labels.empty() ? std::string() : json::serialize(spec.labels));
  out.byte(large ? 1 : 0);
  if (!large) out.rest(spec.job);
  return out.take();
}

std::optional<PackedSpec> unpack_spec(std::string_view bytes) {
  Reader in(bytes);
  PackedSpec packed;
  Spec& spec = packed.spec;
  spec.id = in.text();
  spec.run_id = in.text();
  spec.index = static_cast<int>(in.number());
  spec.tenant = in.text();
  spec.queue = in.text();
  spec.queue_timeout_ms = in.number();
  spec.retry.attempts_max = static_cast<int>(in.number());
  spec.retry.base_ms = in.number();
  spec.retry.cap_ms = in.number();
  spec.retry.losses_max = static_cast<int>(in.number());
  spec.idempotency_key = in.text();
  spec.depends_rule = in.word<DependsRule>(kLastRule);
  for (std::size_t left = in.count(); left > 0; --left) spec.depends_on.emplace_back(in.text());
  for (std::size_t left = in.count(); left > 0; --left) {
    Gate gate{.key = std::string(in.text())};
    gate.limit = in.number();
    spec.gates.push_back(std::move(gate));
  }
  if (const auto labels = in.text(); !labels.empty()) {
    const auto parsed = parse_json(labels, "labels");
    if (parsed && parsed->is_object())
      spec.labels = parsed->get_object();
    else
      in.refuse();
  }
  packed.large = in.byte() != 0;
  spec.job = in.rest();
  if (!in.good()) return std::nullopt;
  return packed;
}

std::string pack_status(const PackedStatus& packed, std::string_view worker) {
  const Status& status = packed.status;
  Writer out(kStatusBytes + worker.size());
  out.byte(code(status.state));
  out.byte(code(status.cause));
  out.byte(code(packed.finished_state));
  out.byte(code(packed.finished_cause));
  out.byte(status.cancel_requested ? 1 : 0);
  for (const std::int64_t value :
       {std::int64_t{status.attempt}, std::int64_t{status.losses},
        static_cast<std::int64_t>(status.token), static_cast<std::int64_t>(packed.finished_token),
        status.created_ms, status.due_ms, status.started_ms, status.ended_ms, status.lease_until_ms,
        packed.grace_until_ms, std::int64_t{packed.priority}, packed.run_at_ms, packed.deadline_ms})
    out.number(value);
  out.text(worker);
  // A row that keeps its size is written over in place; one that grows splits its full page.
  std::string bytes = out.take();
  bytes.resize(std::max(bytes.size(), kStatusBytes));
  return bytes;
}

std::optional<PackedStatus> unpack_status(std::string_view bytes) {
  Reader in(bytes);
  PackedStatus packed;
  Status& status = packed.status;
  status.state = in.word<State>(kLastState);
  status.cause = in.word<Cause>(kLastCause);
  packed.finished_state = in.word<State>(kLastState);
  packed.finished_cause = in.word<Cause>(kLastCause);
  status.cancel_requested = in.byte() != 0;
  status.attempt = static_cast<int>(in.number());
  status.losses = static_cast<int>(in.number());
  status.token = static_cast<std::uint64_t>(in.number());
  packed.finished_token = static_cast<std::uint64_t>(in.number());
  status.created_ms = in.number();
  status.due_ms = in.number();
  status.started_ms = in.number();
  status.ended_ms = in.number();
  status.lease_until_ms = in.number();
  packed.grace_until_ms = in.number();
  packed.priority = static_cast<int>(in.number());
  packed.run_at_ms = in.number();
  packed.deadline_ms = in.number();
  status.worker = in.text();
  if (!in.good() || in.rest().find_first_not_of('\0') != std::string_view::npos)
    return std::nullopt;
  return packed;
}

}  // namespace troupe::tasks
