#include "api/session_trace.h"

#include <array>
#include <optional>
#include <utility>

namespace troupe::api {
namespace {

constexpr std::string_view kEventBegins = "{\"method\":\"";
// Domains of events that tell what a page did; within them not those that only tell progress.
constexpr std::array<std::string_view, 9> kWanted = {"Network.",
                                                     "Runtime.consoleAPICalled",
                                                     "Runtime.exceptionThrown",
                                                     "Log.entryAdded",
                                                     "Page.",
                                                     "Target.target",
                                                     "Target.attachedToTarget",
                                                     "Target.detachedFromTarget",
                                                     "Inspector."};
constexpr std::array<std::string_view, 4> kUnwanted = {
    "Network.dataReceived", "Page.screencastFrame", "Page.screencastVisibilityChanged",
    "Network.resourceChangedPriority"};

// Numbers pages in the order in which they show up, by flat session and by target.
class PageNumbers final {
 public:
  void attached(const json::object& params) {
    const auto session = find_string(params, "sessionId");
    const json::value* info = find(params, "targetInfo");
    if (!session || !info || !info->is_object()) return;
    const auto target = find_string(info->get_object(), "targetId");
    if (!target) return;
    by_session_[std::string(*session)] = number(by_target_, *target);
  }
  int of_session(std::string_view session) {
    return session.empty() ? 0 : number(by_session_, session);
  }

 private:
  int number(std::map<std::string, int, std::less<>>& map, std::string_view key) {
    const auto found = map.find(key);
    if (found != map.end()) return found->second;
    map.emplace(key, next_);
    return next_++;
  }
  std::map<std::string, int, std::less<>> by_session_;
  std::map<std::string, int, std::less<>> by_target_;
  int next_ = 1;  // 0 is the browser itself
};

json::object free_object(const json::object& message, std::string_view name) {
  const json::value* value = find(message, name);
  return value && value->is_object() ? value->get_object() : json::object();
}

void add_ids(json::object& entry, const json::object& params) {
  for (const std::string_view name : {"frameId", "loaderId"})
    if (const auto id = find_string(params, name)) entry[name] = *id;
}

}  // namespace

bool SessionTrace::is_wanted(std::string_view beginning) {
  if (beginning.starts_with("{\"id\":")) return true;
  if (!beginning.starts_with(kEventBegins)) return false;
  const std::string_view method = beginning.substr(kEventBegins.size());
  for (const std::string_view name : kUnwanted)
    if (method.starts_with(name)) return false;
  for (const std::string_view name : kWanted)
    if (method.starts_with(name)) return true;
  return false;
}

void SessionTrace::command(int client, std::string_view method, std::string_view message,
                           WallTime time) {
  if (message.size() <= kEntryBytesMax)
    return add({Kind::command, client, time, std::string(message)});
  add({Kind::command, client, time,
       json::serialize(json::object{{"method", method}, {"truncatedBytes", message.size()}})});
}

void SessionTrace::message(int client, std::string_view text, WallTime time) {
  add({Kind::from_browser, client, time, std::string(text)});
}

void SessionTrace::add(Entry entry) {
  bytes_ += entry.text.size() + sizeof(Entry);
  entries_.push_back(std::move(entry));
  while (bytes_ > kBytesMax || entries_.size() > kEntriesMax) {
    bytes_ -= entries_.front().text.size() + sizeof(Entry);
    entries_.pop_front();
    ++dropped_;
  }
}

json::array SessionTrace::entries(const std::string& session_id) const {
  json::array list;
  PageNumbers pages;
  std::map<std::pair<int, std::int64_t>, std::size_t> waiting;  // client and command id
  for (const Entry& entry : entries_) {
    const auto parsed = parse_json(entry.text, "log");
    if (!parsed || !parsed->is_object()) continue;
    const json::object& message = parsed->get_object();
    const auto id = find_int(message, "id");
    const auto method = find_string(message, "method");
    const std::int64_t time = to_unix_ms(entry.time);
    if (entry.kind == Kind::from_browser && id) {
      const auto found = waiting.find({entry.client, *id});
      if (found == waiting.end()) continue;
      const char* member = message.contains("error") ? "error" : "result";
      list[found->second].get_object()["response"] = {
          {"timestamp", time}, {"result", free_object(message, member)}, {"rawBody", entry.text}};
      waiting.erase(found);
      continue;
    }
    if (!method) continue;
    const json::object params = free_object(message, "params");
    if (*method == "Target.attachedToTarget") pages.attached(params);
    const auto flat = find_string(message, "sessionId").value_or("");
    json::object row{{"method", *method},
                     {"pageId", pages.of_session(flat)},
                     {"sessionId", session_id},
                     {"timestamp", time}};
    add_ids(row, params);
    row["request"] = {{"timestamp", time}, {"params", params}, {"rawBody", entry.text}};
    if (entry.kind == Kind::command && id) waiting[{entry.client, *id}] = list.size();
    list.push_back(std::move(row));
  }
  return list;
}

SessionTrace& SessionTraces::of(const std::string& session_id) {
  const auto found = traces_.find(session_id);
  if (found != traces_.end()) {
    order_.splice(order_.end(), order_, found->second.place);
    return found->second.trace;
  }
  order_.push_back(session_id);
  Kept& kept = traces_[session_id];
  kept.place = std::prev(order_.end());
  return kept.trace;
}

void SessionTraces::trim() {
  std::size_t bytes = 0;
  for (const auto& [id, kept] : traces_) bytes += kept.trace.bytes();
  while (bytes > kBytesMax) {
    const auto oldest = traces_.find(order_.front());
    bytes -= oldest->second.trace.bytes();
    order_.pop_front();
    traces_.erase(oldest);
  }
}

const SessionTrace* SessionTraces::find(const std::string& session_id) const {
  const auto found = traces_.find(session_id);
  return found == traces_.end() ? nullptr : &found->second.trace;
}

}  // namespace troupe::api
