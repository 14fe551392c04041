#include "services/model_cache.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "base/text_file.h"

namespace troupe::services {
namespace {

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  std::string text;
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const unsigned char byte : hash) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

json::value sorted(const json::value& value) {
  if (value.is_array()) {
    json::array out;
    for (const auto& item : value.get_array()) out.push_back(sorted(item));
    return out;
  }
  if (!value.is_object()) return value;
  std::vector<std::string> keys;
  for (const auto& member : value.get_object()) keys.emplace_back(member.key());
  std::sort(keys.begin(), keys.end());
  json::object out;
  for (const auto& key : keys) out[key] = sorted(value.get_object().at(key));
  return out;
}

json::array calls_json(const std::vector<ModelToolCall>& calls) {
  json::array out;
  for (const auto& call : calls)
    out.push_back({{"id", call.id},
                   {"name", call.name},
                   {"arguments", call.arguments},
                   {"signature", call.signature}});
  return out;
}

json::object message_json(const ModelMessage& message) {
  json::array images;
  for (const auto& image : message.images)
    images.push_back(json::string(image.media_type + ":" + sha256(image.bytes)));
  return {{"role", static_cast<int>(message.role)},
          {"text", message.text},
          {"images", std::move(images)},
          {"calls", calls_json(message.tool_calls)},
          {"answers", message.tool_call_id},
          {"tool", message.tool_name},
          {"failed", message.tool_failed}};
}

std::string line_of(const std::string& digest, const ModelReply& reply) {
  const json::object line{{"digest", digest},
                          {"model", reply.model},
                          {"text", reply.text},
                          {"structured", reply.structured},
                          {"calls", calls_json(reply.tool_calls)}};
  return json::serialize(line);
}

std::optional<ModelReply> reply_from(const std::string& line) {
  const auto value = parse_json(line, "cached answer");
  if (!value || !value->is_object()) return {};
  const json::object& object = value->get_object();
  ModelReply reply;
  reply.cached = true;
  reply.model = find_string(object, "model").value_or("");
  reply.text = find_string(object, "text").value_or("");
  if (const json::value* structured = find(object, "structured")) reply.structured = *structured;
  const json::value* calls = find(object, "calls");
  if (!calls || !calls->is_array()) return {};
  for (const auto& item : calls->get_array()) {
    if (!item.is_object()) return {};
    const auto& call = item.get_object();
    const json::value* arguments = find(call, "arguments");
    if (!arguments || !arguments->is_object()) return {};
    reply.tool_calls.push_back(
        {.id = std::string(find_string(call, "id").value_or("")),
         .name = std::string(find_string(call, "name").value_or("")),
         .arguments = arguments->get_object(),
         .signature = std::string(find_string(call, "signature").value_or(""))});
  }
  return reply;
}

}  // namespace

std::string request_digest(const ModelRequest& request, const std::vector<std::string>& models) {
  json::array messages, tools;
  for (const auto& message : request.messages) messages.push_back(message_json(message));
  for (const auto& tool : request.tools)
    tools.push_back(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}});
  json::object whole{{"models", json::value_from(models)},
                     {"system", request.system},
                     {"messages", std::move(messages)},
                     {"tools", std::move(tools)},
                     {"choice", static_cast<int>(request.tool_choice)},
                     {"limit", request.output_tokens_max},
                     {"stop", json::value_from(request.stop)},
                     {"schema_name", request.schema_name}};
  if (request.schema) whole["schema"] = *request.schema;
  if (request.temperature) whole["temperature"] = *request.temperature;
  return sha256(json::serialize(sorted(whole)));
}

ModelCache::ModelCache(std::int64_t bytes_max, std::string file)
    : bytes_max_(bytes_max), file_(std::move(file)) {
  load();
}

std::optional<ModelReply> ModelCache::find(const std::string& digest) {
  const auto place = places_.find(digest);
  auto reply = place == places_.end() ? std::nullopt : reply_from(place->second->line);
  ++(reply ? hits_ : misses_);
  if (reply) entries_.splice(entries_.begin(), entries_, place->second);
  return reply;
}

void ModelCache::keep(std::string digest, std::string line) {
  const auto size = static_cast<std::int64_t>(digest.size() + line.size());
  if (size > bytes_max_) return;
  if (const auto old = places_.find(digest); old != places_.end()) {
    bytes_ -= static_cast<std::int64_t>(old->first.size() + old->second->line.size());
    entries_.erase(old->second);
    places_.erase(old);
  }
  entries_.push_front({digest, std::move(line)});
  places_[std::move(digest)] = entries_.begin();
  bytes_ += size;
  while (bytes_ > bytes_max_) {
    const Entry& last = entries_.back();
    bytes_ -= static_cast<std::int64_t>(last.digest.size() + last.line.size());
    places_.erase(last.digest);
    entries_.pop_back();
  }
}

void ModelCache::put(const std::string& digest, const ModelReply& reply) {
  std::string line = line_of(digest, reply);
  if (!file_.empty()) std::ofstream(file_, std::ios::app) << line << '\n';
  keep(digest, std::move(line));
}

// Lines that do not fit (a cut last one) are passed over. A file that has grown to twice its
// content is written anew.
void ModelCache::load() {
  if (file_.empty()) return;
  std::ifstream file(file_);
  std::int64_t read = 0;
  for (std::string line; std::getline(file, line);) {
    read += static_cast<std::int64_t>(line.size());
    const auto value = parse_json(line, "cached answer");
    if (!value || !value->is_object()) continue;
    const auto digest = find_string(value->get_object(), "digest");
    if (digest && digest->size() == 64) keep(std::string(*digest), std::move(line));
  }
  if (read < 2 * bytes_ + 4'096) return;
  std::string whole;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry)
    whole += entry->line + '\n';
  (void)replace_text_file(file_, whole);
}

}  // namespace troupe::services
