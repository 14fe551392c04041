#include "interact/frames.h"

#include <algorithm>

namespace troupe::interact {
namespace {

constexpr std::size_t kFramesMax = 50;  // more are advertisements, and each costs six commands

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

/// Sandboxed documents have an origin that equals no other, not even itself.
bool same_origin(const std::string& a, const std::string& b) {
  return a == b && a.starts_with("http");
}

}  // namespace

/// One foreign frame of the browser's frame tree.
struct ForeignFrames::Row {
  std::string id, loader, url;
  std::string parent;  ///< The foreign frame around it; empty: the main document.
};

// `root` is the frame whose script can enter everything of its origin below it.
void ForeignFrames::walk(const json::object& tree, const std::string& root_id,
                         const std::string& root_origin, std::vector<Row>& rows) {
  const auto* children = find(tree, "childFrames");
  if (!children || !children->is_array()) return;
  for (const auto& child : children->get_array()) {
    const auto* frame = find(child, "frame");
    if (!frame || !frame->is_object() || rows.size() >= kFramesMax) continue;
    const json::object& what = frame->get_object();
    const std::string origin = text_of(what, "securityOrigin");
    if (same_origin(origin, root_origin)) {
      walk(child.get_object(), root_id, root_origin, rows);
      continue;
    }
    const std::string id = text_of(what, "id");
    rows.push_back({id, text_of(what, "loaderId"), text_of(what, "url"), root_id});
    walk(child.get_object(), id, origin, rows);
  }
}

ForeignFrame* ForeignFrames::find_frame(const std::string& id) const {
  for (const auto& frame : frames_)
    if (frame->id == id) return frame.get();
  return nullptr;
}

Async<std::unique_ptr<ForeignFrame>> ForeignFrames::attach(Context& ctx, cdp::Page& page,
                                                           PageScript& main, const Row& row) {
  auto frame = std::make_unique<ForeignFrame>();
  frame->id = row.id;
  frame->loader = row.loader;
  frame->url = row.url;
  frame->parent = row.parent.empty() ? nullptr : find_frame(row.parent);
  if (!row.parent.empty() && !frame->parent)
    co_return fail(Errc::protocol_error, "frame " + row.url + ": the frame around it went away");
  PageScript& outer = frame->parent ? frame->parent->script : main;
  const json::array none;
  CO_TRY(const auto loaded, co_await outer.call(ctx, page, kCore, "foreign", none));
  (void)loaded;
  std::string outer_id = frame->parent ? frame->parent->id : page.target_id();
  CO_TRY(const auto outer_world, co_await page.isolated_world(ctx, std::move(outer_id)));
  CO_TRY(const auto world, co_await page.isolated_world(ctx, frame->id));
  frame->script = PageScript(world);
  json::object which{{"frameId", frame->id}};
  CO_TRY(const auto owner, co_await page.call(ctx, "DOM.getFrameOwner", std::move(which)));
  json::object node{{"backendNodeId", find_int(owner, "backendNodeId").value_or(0)},
                    {"executionContextId", outer_world}};
  CO_TRY(const auto resolved, co_await page.call(ctx, "DOM.resolveNode", std::move(node)));
  const auto* object = find(resolved, "object");
  const auto* object_id = object ? find(*object, "objectId") : nullptr;
  if (!object_id) co_return fail(Errc::protocol_error, "frame " + row.url + ": it has no element");
  json::object remember{{"objectId", *object_id},
                        {"functionDeclaration", "function(){return __troupe.remember(this)}"},
                        {"returnByValue", true}};
  CO_TRY(const auto answer, co_await page.call(ctx, "Runtime.callFunctionOn", std::move(remember)));
  const auto* number = find(answer, "result");
  const auto* value = number ? find(*number, "value") : nullptr;
  if (!value || !value->is_int64())
    co_return fail(Errc::protocol_error, "frame " + row.url + ": its element went away");
  frame->owner = value->get_int64();
  co_return frame;
}

std::unique_ptr<ForeignFrame> ForeignFrames::take(const Row& row) {
  const auto place = std::find_if(frames_.begin(), frames_.end(), [&](const auto& frame) {
    return frame && frame->id == row.id && frame->loader == row.loader;
  });
  return place == frames_.end() ? nullptr : std::move(*place);
}

Async<void> ForeignFrames::refresh(Context& ctx, cdp::Page& page, PageScript& main) {
  if (serial_ != page.document_serial()) frames_.clear();
  if (!stale_ && serial_ == page.document_serial()) co_return Result<void>{};
  serial_ = page.document_serial();
  stale_ = false;
  auto tree = co_await page.call(ctx, "Page.getFrameTree");
  if (!tree) co_return tree.error();
  std::vector<Row> rows;
  if (const auto* top = find(*tree, "frameTree"); top && top->is_object()) {
    const auto* frame = find(*top, "frame");
    const json::object none;
    const json::object& what = frame && frame->is_object() ? frame->get_object() : none;
    walk(top->get_object(), "", text_of(what, "securityOrigin"), rows);
  }
  std::vector<std::unique_ptr<ForeignFrame>> kept;
  for (const Row& row : rows) kept.push_back(take(row));
  frames_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // A frame around it that is new has another script: then this one is new too.
    const bool orphan = kept[i] && !rows[i].parent.empty() && !find_frame(rows[i].parent);
    if (kept[i] && !orphan) {
      frames_.push_back(std::move(kept[i]));
      continue;
    }
    auto frame = co_await attach(ctx, page, main, rows[i]);
    if (frame) {
      frames_.push_back(std::move(*frame));
      continue;
    }
    stale_ = true;  // it goes away or is another one by now: the next look tells
    const Errc code = frame.error().code;
    if (code != Errc::protocol_error && code != Errc::navigation_failed) co_return frame.error();
  }
  co_return Result<void>{};
}

}  // namespace troupe::interact
