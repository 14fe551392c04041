#include "tasks/redis_wire.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <charconv>

namespace troupe::tasks {
namespace {

using net::RedisCommand;
using net::RedisValue;

// Places in the status list; the scripts count from 1 (assets/redis/numbers.txt).
enum Place {
  kState,
  kCause,
  kAttempt,
  kLosses,
  kToken,
  kWorker,
  kStop,
  kReason,
  kCreated,
  kDue,
  kStarted,
  kEnded,
  kPriority,
  kRunAt,
  kUntil = 19,
  kDepends = 9,  // in the other list
};

Error odd(std::string_view what) {
  return fail(Errc::protocol_error, "redis: " + std::string(what) + " is not as the scripts write",
              "tasks", "do two releases, or somebody else, write under this prefix?");
}

// Writes MessagePack.
class Packer {
 public:
  void list(std::size_t size) {
    if (size < 16) return byte(0x90 | size);
    byte(0xdc);
    big_endian(size, 2);
  }
  void number(std::int64_t value) {
    if (value >= 0 && value < 128) return byte(static_cast<std::uint64_t>(value));
    byte(0xd3);
    big_endian(static_cast<std::uint64_t>(value), 8);
  }
  void text(std::string_view value) {
    if (value.size() < 32) {
      byte(0xa0 | value.size());
    } else {
      byte(0xda);
      big_endian(value.size(), 2);
    }
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void byte(std::uint64_t value) { bytes_ += static_cast<char>(value); }
  void big_endian(std::uint64_t value, int size) {
    while (size-- > 0) byte(value >> (8 * size) & 0xff);
  }
  std::string bytes_;
};

struct Packed {
  std::int64_t number = 0;
  std::string_view text;
  std::vector<Packed> items;
};

// Reads the MessagePack that the scripts write: numbers, texts, lists.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}

  bool read(Packed& into, int depth = 0) {
    std::uint64_t type = 0;
    if (depth > 4 || !take(1, type)) return false;
    if (type < 0x80 || type >= 0xe0) return number(into, static_cast<std::int8_t>(type));
    if (type < 0x90) return type == 0x80;  // an empty table
    if (type < 0xa0) return list(into, type & 0x0f, depth);
    if (type < 0xc0) return text(into, type & 0x1f);
    return read_long(into, type, depth);
  }

 private:
  bool read_long(Packed& into, std::uint64_t type, int depth) {
    std::uint64_t value = 0;
    switch (type) {
      case 0xca:
        return take(4, value) && number(into, static_cast<std::int64_t>(std::bit_cast<float>(
                                                  static_cast<std::uint32_t>(value))));
      case 0xcb:
        return take(8, value) &&
               number(into, static_cast<std::int64_t>(std::bit_cast<double>(value)));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return take(std::size_t{1} << (type - 0xcc), value) &&
               number(into, static_cast<std::int64_t>(value));
      case 0xd0: return take(1, value) && number(into, static_cast<std::int8_t>(value));
      case 0xd1: return take(2, value) && number(into, static_cast<std::int16_t>(value));
      case 0xd2: return take(4, value) && number(into, static_cast<std::int32_t>(value));
      case 0xd3: return take(8, value) && number(into, static_cast<std::int64_t>(value));
      case 0xd9:
      case 0xda:
      case 0xdb: return take(std::size_t{1} << (type - 0xd9), value) && text(into, value);
      case 0xdc:
      case 0xdd: return take(type == 0xdc ? 2 : 4, value) && list(into, value, depth);
      default: return false;
    }
  }
  bool take(std::size_t size, std::uint64_t& into) {
    if (bytes_.size() < size) return false;
    into = 0;
    for (std::size_t i = 0; i < size; ++i) into = into << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(size);
    return true;
  }
  static bool number(Packed& into, std::int64_t value) {
    into.number = value;
    return true;
  }
  bool text(Packed& into, std::size_t size) {
    if (bytes_.size() < size) return false;
    into.text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool list(Packed& into, std::size_t size, int depth) {
    if (size > bytes_.size()) return false;
    into.items.resize(size);
    for (Packed& one : into.items)
      if (!read(one, depth + 1)) return false;
    return true;
  }
  std::string_view bytes_;
};

std::string digest(std::string_view text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), bytes, &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<const char*>(bytes), 20);
}

// What the scripts need of a spec: the places are named in assets/redis/numbers.txt.
std::string packed_spec(const Spec& spec) {
  Packer packer;
  packer.list(15);
  packer.text(spec.run_id);
  packer.number(spec.index);
  packer.text(spec.tenant);
  packer.text(spec.queue);
  packer.number(spec.retry.attempts_max);
  packer.number(spec.retry.losses_max);
  packer.number(spec.queue_timeout_ms);
  packer.number(static_cast<int>(spec.depends_rule));
  std::vector<const Gate*> gates;
  for (const Gate& gate : spec.gates) {
    const auto same = [&](const Gate* other) { return other->key == gate.key; };
    if (std::ranges::none_of(gates, same)) gates.push_back(&gate);
  }
  packer.list(gates.size() * 2);
  for (const Gate* gate : gates) {
    packer.text(gate->key);
    packer.number(gate->limit);
  }
  packer.list(spec.depends_on.size());
  for (const std::string& id : spec.depends_on) packer.text(id);
  packer.text(spec.idempotency_key);
  packer.text(spec.idempotency_key.empty() ? std::string() : digest(spec.job));
  packer.number(spec.priority);
  packer.number(spec.run_at_ms);
  packer.number(spec.deadline_ms);
  return packer.bytes();
}

// One line of JSON; then the job, which may be any bytes.
std::string line_and_job(const Spec& spec) {
  Spec rest = spec;
  rest.job.clear();
  std::string text = json::serialize(to_json(rest));
  text += '\n';
  text += spec.job;
  return text;
}

Result<Spec> read_spec(std::string_view text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return odd("a task");
  TRY(const auto parsed, parse_json(text.substr(0, end), "task in redis"));
  TRY(Spec spec, spec_from_json(parsed));
  spec.job = text.substr(end + 1);
  return spec;
}

// The status list, and what in the spec has changed since.
Result<Status> read_status(const RedisValue& value, Spec& spec) {
  Packed packed;
  if (!Unpacker(value.text).read(packed) || packed.items.size() < 22) return odd("a status");
  const auto& s = packed.items;
  if (s[kState].number < 0 || s[kState].number > 6 || s[kCause].number < 0 || s[kCause].number > 7)
    return odd("a state");
  spec.priority = static_cast<int>(s[kPriority].number);
  spec.run_at_ms = s[kRunAt].number;
  spec.deadline_ms = s[kUntil].number;
  return Status{.state = static_cast<State>(s[kState].number),
                .cause = static_cast<Cause>(s[kCause].number),
                .attempt = static_cast<int>(s[kAttempt].number),
                .losses = static_cast<int>(s[kLosses].number),
                .token = static_cast<std::uint64_t>(s[kToken].number),
                .worker = std::string(s[kWorker].text),
                .cancel_requested = s[kStop].number == 1,
                .cancel_reason = std::string(s[kReason].text),
                .created_ms = s[kCreated].number,
                .due_ms = s[kDue].number,
                .started_ms = s[kStarted].number,
                .ended_ms = s[kEnded].number};
}

}  // namespace

const RedisValue& item(const RedisValue& value, std::size_t place) {
  static const RedisValue nil;
  return place < value.items.size() ? value.items[place] : nil;
}

bool are_plain(const std::vector<Spec>& tasks) {
  return !tasks.empty() && std::ranges::all_of(tasks, [&](const Spec& spec) {
    const Spec& first = tasks.front();
    return spec.run_id == first.run_id && spec.tenant == first.tenant &&
           spec.queue == first.queue && spec.priority == first.priority && spec.run_at_ms == 0 &&
           spec.deadline_ms == 0 && spec.queue_timeout_ms == 0 && spec.gates.empty() &&
           spec.depends_on.empty() && spec.idempotency_key.empty();
  });
}

void add_head(RedisCommand& arguments, const Submission& submission, bool plain) {
  static const Spec none;
  const auto& tasks = submission.tasks;
  const Spec& first = tasks.empty() ? none : tasks.front();
  arguments.add(static_cast<std::int64_t>(tasks.size()));
  arguments.add(static_cast<std::int64_t>(submission.documents.size()));
  arguments.add(std::int64_t{plain}).add(first.run_id).add(first.tenant).add(first.queue);
  arguments.add(std::int64_t{first.priority});
}

void add_task(RedisCommand& arguments, const Spec& spec) {
  arguments.add(spec.id).add(packed_spec(spec)).add(line_and_job(spec));
  arguments.add(std::int64_t{spec.index});
}

void add_finish(RedisCommand& arguments, const Finish& finish) {
  arguments.add(finish.id)
      .add(static_cast<std::int64_t>(finish.token))
      .add(static_cast<std::int64_t>(finish.verdict))
      .add(finish.delay_ms)
      .add(finish.result)
      .add(finish.error);
}

void add_filter(RedisCommand& arguments, const Filter& filter) {
  std::string states, causes;
  for (const State state : filter.states)
    states += static_cast<char>('0' + static_cast<int>(state));
  for (const Cause cause : filter.causes)
    causes += static_cast<char>('0' + static_cast<int>(cause));
  arguments.add(filter.run_id)
      .add(filter.tenant)
      .add(filter.queue)
      .add(states)
      .add(causes)
      .add(filter.ended_before_ms.value_or(0));
}

Error refusal(const RedisValue& answer) {
  const std::string& why = item(answer, 1).text;
  if (why == "key")
    return fail(
        Errc::conflict,
        "idempotency key: '" + item(answer, 2).text + "' is in use by a task with a different job",
        "tasks", "take a new key for new work");
  if (why == "dependency")
    return fail(Errc::not_found,
                "depends_on: task " + item(answer, 2).text + " depends on " + item(answer, 3).text +
                    ", which does not exist",
                "tasks", "submit both in one call, or the other first");
  if (why == "full")
    return fail(Errc::exhausted,
                "tasks: " + std::to_string(item(answer, 2).integer) + " that have not ended and " +
                    std::to_string(item(answer, 3).integer) + " more exceed the limit",
                "tasks", "wait until some have ended, or submit fewer at once");
  return fail(Errc::protocol_error, "redis: refused for '" + why + "'", "tasks");
}

Result<std::vector<Accepted>> read_accepted(const RedisValue& answer) {
  std::vector<Accepted> accepted;
  accepted.reserve(answer.items.size());
  for (const RedisValue& one : answer.items) {
    if (one.items.size() != 3) return odd("what was accepted");
    accepted.push_back({.id = one.items[0].text,
                        .run_id = one.items[1].text,
                        .existing = one.items[2].integer == 1});
  }
  return accepted;
}

Result<Claim> read_claim(const RedisValue& answer, UnixMs lease_until_ms) {
  if (answer.items.size() != 4) return odd("a claim");
  TRY(Spec spec, read_spec(answer.items[1].text));
  TRY(const Status status, read_status(answer.items[2], spec));
  return Claim{.spec = std::move(spec),
               .attempt = status.attempt,
               .losses = status.losses,
               .token = status.token,
               .lease_until_ms = lease_until_ms,
               .last_error = answer.items[3].text};
}

Result<Record> read_record(const RedisValue& answer) {
  if (answer.items.size() != 8) return odd("a record");
  const auto& fields = answer.items;
  Record record;
  TRY(record.spec, read_spec(fields[4].text));
  TRY(record.status, read_status(fields[3], record.spec));
  Packed packed;
  if (!Unpacker(fields[2].text).read(packed) || packed.items.size() < 15) return odd("a record");
  // Under the ids that they have here.
  record.spec.depends_on.clear();
  for (const Packed& id : packed.items[kDepends].items)
    record.spec.depends_on.emplace_back(id.text);
  double lease = 0;
  const std::string& score = fields[1].text;
  std::from_chars(score.data(), score.data() + score.size(), lease);
  record.status.lease_until_ms = static_cast<UnixMs>(lease);
  record.status.progress = fields[5].text;
  record.status.result = fields[6].text;
  record.status.error = fields[7].text;
  return record;
}

Result<Moved> read_moved(const RedisValue& answer) {
  if (answer.items.size() != 6) return odd("a move");
  const auto& fields = answer.items;
  return Moved{.id = fields[0].text,
               .run_id = fields[1].text,
               .index = static_cast<int>(fields[2].integer),
               .state = static_cast<State>(fields[3].integer),
               .cause = static_cast<Cause>(fields[4].integer),
               .run_open = fields[5].integer};
}

Result<std::vector<Moved>> read_moves(const RedisValue& answer, std::size_t from) {
  std::vector<Moved> moves;
  for (std::size_t i = from; i < answer.items.size(); ++i) {
    TRY(auto moved, read_moved(answer.items[i]));
    moves.push_back(std::move(moved));
  }
  return moves;
}

Result<Finished> read_finished(const RedisValue& answer) {
  if (answer.items.size() != 5) return odd("a finish");
  const auto& fields = answer.items;
  Finished finished{.stale = fields[0].integer == 1,
                    .state = static_cast<State>(fields[1].integer),
                    .cause = static_cast<Cause>(fields[2].integer),
                    .run_open = fields[3].integer};
  TRY(finished.moved, read_moves(fields[4], 0));
  return finished;
}

Result<Counts> read_counts(const RedisValue& answer) {
  if (answer.items.size() != 7) return odd("a count");
  const auto& n = answer.items;
  return Counts{.blocked = n[0].integer,
                .scheduled = n[1].integer,
                .queued = n[2].integer,
                .running = n[3].integer,
                .succeeded = n[4].integer,
                .failed = n[5].integer,
                .cancelled = n[6].integer};
}

Result<Document> read_document(std::string kind, std::string id, const RedisValue& answer) {
  Document document{.kind = std::move(kind), .id = std::move(id)};
  const auto colon = answer.text.find(':');
  if (colon == std::string::npos) return odd("a document");
  std::from_chars(answer.text.data(), answer.text.data() + colon, document.version);
  document.text = answer.text.substr(colon + 1);
  return document;
}

}  // namespace troupe::tasks
