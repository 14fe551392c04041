// Between records and what the scripts of assets/redis take and give. Pure.
#pragma once

#include <string>
#include <vector>

#include "net/redis_protocol.h"
#include "tasks/backend.h"

namespace troupe::tasks {

/// New work that is ready at once and tied to nothing, all in one lane of one run.
bool are_plain(const std::vector<Spec>& tasks);
/// What stands before a submission's tasks.
void add_head(net::RedisCommand& arguments, const Submission& submission, bool plain);
/// id, m, j, index as enqueue.lua takes them.
void add_task(net::RedisCommand& arguments, const Spec& spec);
void add_finish(net::RedisCommand& arguments, const Finish& finish);
/// run, tenant, queue, states, causes, ended_before.
void add_filter(net::RedisCommand& arguments, const Filter& filter);

/// Errors: protocol_error (not the shape that the script gives), invalid_argument (written by
/// another release).
Result<std::vector<Accepted>> read_accepted(const net::RedisValue& answer);
/// Why a submission was refused: {'refused', why, details...}.
Error refusal(const net::RedisValue& answer);
Result<Claim> read_claim(const net::RedisValue& answer, UnixMs lease_until_ms);
Result<Record> read_record(const net::RedisValue& answer);
Result<Moved> read_moved(const net::RedisValue& answer);
Result<std::vector<Moved>> read_moves(const net::RedisValue& answer, std::size_t from);
Result<Finished> read_finished(const net::RedisValue& answer);
Result<Counts> read_counts(const net::RedisValue& answer);
/// `version:text`.
Result<Document> read_document(std::string kind, std::string id, const net::RedisValue& answer);

/// The element, or nil.
const net::RedisValue& item(const net::RedisValue& value, std::size_t place);

}  // namespace troupe::tasks
