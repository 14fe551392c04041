#include "interact/closed_roots.h"

#include <algorithm>
#include <vector>

namespace troupe::interact {
namespace {

std::string object_id_of(const json::object& holder, std::string_view key) {
  const auto* object = find(holder, key);
  if (!object || !object->is_object()) return {};
  return std::string(find_string(object->get_object(), "objectId").value_or(""));
}

/// The node of the element's closed root; 0: it has none.
Async<std::int64_t> closed_root_of(Context& ctx, cdp::Page& page, std::string host) {
  json::object which{{"objectId", host}};
  auto described = co_await page.call(ctx, "DOM.describeNode", std::move(which));
  if (!described && described.error().code == Errc::protocol_error) co_return 0;
  if (!described) co_return described.error();
  const auto* node = find(*described, "node");
  const auto* roots = node && node->is_object() ? find(node->get_object(), "shadowRoots") : nullptr;
  if (!roots || !roots->is_array()) co_return 0;
  for (const auto& root : roots->get_array()) {
    if (!root.is_object()) continue;
    const json::object& what = root.get_object();
    if (find_string(what, "shadowRootType") == "closed")
      co_return find_int(what, "backendNodeId").value_or(0);
  }
  co_return 0;
}

/// The suspected elements as objects of the frame's isolated world.
Async<std::vector<std::string>> suspects(Context& ctx, cdp::Page& page, std::int64_t world) {
  std::vector<std::string> hosts;
  json::object read{{"expression", "__troupe.suspected"}, {"contextId", world}};
  CO_TRY(const auto list, co_await page.call(ctx, "Runtime.evaluate", std::move(read)));
  const std::string list_id = object_id_of(list, "result");
  if (list_id.empty()) co_return hosts;
  json::object members{{"objectId", list_id}, {"ownProperties", true}};
  CO_TRY(const auto found, co_await page.call(ctx, "Runtime.getProperties", std::move(members)));
  const auto* rows = find(found, "result");
  if (!rows || !rows->is_array()) co_return hosts;
  for (const auto& row : rows->get_array()) {
    if (!row.is_object() || find_string(row.get_object(), "name") == "length") continue;
    const std::string id = object_id_of(row.get_object(), "value");
    if (!id.empty()) hosts.push_back(id);
  }
  co_return hosts;
}

}  // namespace

Async<std::size_t> open_closed_roots(Context& ctx, cdp::Page& page, std::string frame_id) {
  CO_TRY(const std::int64_t world, co_await page.isolated_world(ctx, std::move(frame_id)));
  CO_TRY(const auto hosts, co_await suspects(ctx, page, world));
  std::size_t opened = 0;
  for (const std::string& host : hosts) {
    CO_TRY(const std::int64_t node, co_await closed_root_of(ctx, page, host));
    if (node == 0) continue;
    json::object which{{"backendNodeId", node}, {"executionContextId", world}};
    auto resolved = co_await page.call(ctx, "DOM.resolveNode", std::move(which));
    const std::string root = resolved ? object_id_of(*resolved, "object") : "";
    if (root.empty()) continue;  // gone meanwhile
    json::array arguments{json::object{{"objectId", host}}};
    json::object give{{"objectId", root},
                      {"functionDeclaration", "function(host){return __troupe.open(host,this)}"},
                      {"arguments", std::move(arguments)},
                      {"returnByValue", true}};
    auto given = co_await page.call(ctx, "Runtime.callFunctionOn", std::move(give));
    if (given) ++opened;
  }
  co_return opened;
}

}  // namespace troupe::interact
