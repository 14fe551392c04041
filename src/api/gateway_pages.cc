// What the gateway asks a session's browser for itself: its tabs, and pictures for the recording.
#include "api/gateway.h"

namespace troupe::api {
namespace {

constexpr std::size_t kTargetsBytesMax = 1 << 20;

}  // namespace

Async<std::vector<LivePage>> Gateway::pages(Context& ctx, std::string session_id) {
  CO_TRY_VOID(running(session_id));
  Context limited = ctx.with_timeout(options_.dial_timeout, "asking the browser for its pages");
  CO_TRY(auto socket, co_await dial(limited, session_id, ""));
  socket->queue(net::Opcode::text, R"({"id":1,"method":"Target.getTargets"})");
  socket->send_queued();
  CO_TRY(const auto answer, co_await socket->read(limited, kTargetsBytesMax));
  socket->close(1000, {});
  CO_TRY(const auto parsed, parse_json(answer.data, "Target.getTargets"));
  const json::value* result = find(parsed, "result");
  const json::value* targets = result ? find(*result, "targetInfos") : nullptr;
  if (!targets || !targets->is_array())
    co_return fail(Errc::protocol_error, "browser: did not list its targets");
  std::vector<LivePage> pages;
  for (const json::value& target : targets->get_array()) {
    if (!target.is_object()) continue;
    const json::object& info = target.get_object();
    if (find_string(info, "type") != "page") continue;
    pages.push_back({std::string(find_string(info, "targetId").value_or("")),
                     std::string(find_string(info, "url").value_or("")),
                     std::string(find_string(info, "title").value_or(""))});
  }
  co_return pages;
}

// A session at Browserbase is recorded there. The others are from their beginning, whoever comes.
void Gateway::on_created(const std::string& session_id) {
  const auto spec = sessions_.spec(session_id);
  if (!spec || spec->provider == "browserbase") return;
  // Of the sessions that nobody said anything of, only those that a client here will drive: at a
  // remote browser the pictures would cost traffic.
  const bool usual = spec->connectable && spec->provider == "local";
  if (spec->record.value_or(usual && options_.record_by_default)) {
    recorder_.start(session_id);
  } else if (spec->record || usual) {
    recorder_.decline(session_id);
  }
}

void Gateway::end_recording(const std::string& session_id) {
  if (!recorder_.is_recording(session_id)) return;
  const SessionTrace* log = trace(session_id);
  recorder_.stop(session_id, log ? log->entries(session_id) : json::array());
}

}  // namespace troupe::api
