#include "interact/frames.h"

#include <algorithm>
#include <map>

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

const json::object& object_at(const json::object& holder, std::string_view key) {
  static const json::object none;
  const auto* value = find(holder, key);
  return value && value->is_object() ? value->get_object() : none;
}

/// The element of frame `frame_id` becomes known to the script of its parent. Returns its number.
Async<std::int64_t> number_of_owner(Context& ctx, cdp::Page& outer, std::string outer_id,
                                    std::string frame_id) {
  CO_TRY(const auto outer_world, co_await outer.isolated_world(ctx, std::move(outer_id)));
  json::object which{{"frameId", std::move(frame_id)}};
  CO_TRY(const auto owner, co_await outer.call(ctx, "DOM.getFrameOwner", std::move(which)));
  json::object node{{"backendNodeId", find_int(owner, "backendNodeId").value_or(0)},
                    {"executionContextId", outer_world}};
  CO_TRY(const auto resolved, co_await outer.call(ctx, "DOM.resolveNode", std::move(node)));
  const std::string object_id = text_of(object_at(resolved, "object"), "objectId");
  if (object_id.empty()) co_return fail(Errc::protocol_error, "frame: it has no element");
  json::object remember{{"objectId", object_id},
                        {"functionDeclaration", "function(){return __troupe.remember(this)}"},
                        {"returnByValue", true}};
  CO_TRY(const auto answer,
         co_await outer.call(ctx, "Runtime.callFunctionOn", std::move(remember)));
  const auto number = find_int(object_at(answer, "result"), "value");
  if (!number) co_return fail(Errc::protocol_error, "frame: its element went away");
  co_return *number;
}

/// The frame, or its process, went away while it was looked at.
bool went_away(const Error& error) {
  return error.code == Errc::protocol_error || error.code == Errc::navigation_failed ||
         error.code == Errc::session_lost || error.code == Errc::page_crashed;
}

}  // namespace

/// One foreign frame of the browser's frame tree.
struct ForeignFrames::Row {
  std::string id, loader, url;
  std::string parent;    ///< The foreign frame around it; empty: the main document.
  bool process = false;  ///< It is the first one of its process.
};

struct ForeignFrames::Look {
  cdp::Page& page;  ///< Of the process whose frames are added now.
  cdp::Page& main_page;
  PageScript& main;
  std::vector<std::unique_ptr<ForeignFrame>> old;
  std::vector<Row> rows;
  std::map<std::string, std::string> homes;  ///< Frame → the frame whose script can enter it.
};

void ForeignFrames::clear() {
  frames_.clear();
  stale_ = true;
}

// `root` is the frame whose script can enter everything of its origin below it.
void ForeignFrames::walk(const json::object& tree, const std::string& root_id,
                         const std::string& root_origin, Look& look) {
  const auto* children = find(tree, "childFrames");
  if (!children || !children->is_array()) return;
  for (const auto& child : children->get_array()) {
    const auto* frame = find(child, "frame");
    if (!frame || !frame->is_object() || look.rows.size() >= kFramesMax) continue;
    const json::object& what = frame->get_object();
    const std::string origin = text_of(what, "securityOrigin");
    const std::string id = text_of(what, "id");
    const bool entered = same_origin(origin, root_origin);
    look.homes[id] = entered ? root_id : id;
    if (!entered)
      look.rows.push_back({id, text_of(what, "loaderId"), text_of(what, "url"), root_id});
    walk(child.get_object(), look.homes[id], entered ? root_origin : origin, look);
  }
}

ForeignFrame* ForeignFrames::find_frame(const std::string& id) const {
  for (const auto& frame : frames_)
    if (frame->id == id) return frame.get();
  return nullptr;
}

Async<std::unique_ptr<ForeignFrame>> ForeignFrames::attach(Context& ctx, Look& look,
                                                           const Row& row) {
  auto frame = std::make_unique<ForeignFrame>();
  frame->id = row.id;
  frame->loader = row.loader;
  frame->url = row.url;
  frame->parent = row.parent.empty() ? nullptr : find_frame(row.parent);
  if (!row.parent.empty() && !frame->parent)
    co_return fail(Errc::protocol_error, "frame " + row.url + ": the frame around it went away");
  PageScript& outer = frame->parent ? frame->parent->script : look.main;
  cdp::Page& outer_page = frame->parent ? *frame->parent->page : look.main_page;
  const json::array none;
  CO_TRY(const auto loaded, co_await outer.call(ctx, outer_page, kCore, "foreign", none));
  (void)loaded;
  std::string outer_id = frame->parent ? frame->parent->id : look.main_page.target_id();
  CO_TRY(frame->owner, co_await number_of_owner(ctx, outer_page, std::move(outer_id), row.id));
  if (row.process) {
    CO_TRY(frame->own, co_await cdp::Page::adopt(ctx, look.main_page.connection(), row.id));
    frame->page = frame->own.get();
    co_return frame;
  }
  frame->page = &look.page;
  CO_TRY(const auto world, co_await look.page.isolated_world(ctx, frame->id));
  frame->script = PageScript(world);
  co_return frame;
}

std::unique_ptr<ForeignFrame> ForeignFrames::take(Look& look, const Row& row) {
  const auto place = std::find_if(look.old.begin(), look.old.end(), [&](const auto& frame) {
    return frame && frame->id == row.id && frame->loader == row.loader &&
           (!frame->own || !frame->own->closed());
  });
  return place == look.old.end() ? nullptr : std::move(*place);
}

Async<void> ForeignFrames::add_rows(Context& ctx, Look& look) {
  for (const Row& row : look.rows) {
    if (frames_.size() >= kFramesMax) break;
    auto kept = take(look, row);
    // A frame around it that is new has another script: then this one is new too.
    ForeignFrame* parent = row.parent.empty() ? nullptr : find_frame(row.parent);
    if (kept && kept->parent == parent) {
      frames_.push_back(std::move(kept));
      continue;
    }
    auto frame = co_await attach(ctx, look, row);
    if (frame) {
      frames_.push_back(std::move(*frame));
      continue;
    }
    stale_ = true;  // it goes away or is another one by now: the next look tells
    if (!went_away(frame.error())) co_return frame.error();
  }
  look.rows.clear();
  co_return Result<void>{};
}

// Frames in other processes, from the outside in: each brings its own tree.
Async<void> ForeignFrames::add_processes(Context& ctx, Look& look) {
  json::array kinds{json::object{{"type", "iframe"}}};
  json::object wanted{{"filter", std::move(kinds)}};
  auto listed =
      co_await look.main_page.connection().call(ctx, "", "Target.getTargets", std::move(wanted));
  // A service that relays sessions may not tell about targets.
  if (!listed && listed.error().code == Errc::protocol_error) co_return Result<void>{};
  if (!listed) co_return listed.error();
  std::vector<json::object> targets;
  if (const auto* infos = find(*listed, "targetInfos"); infos && infos->is_array())
    for (const auto& info : infos->get_array())
      if (info.is_object()) targets.push_back(info.get_object());
  for (std::size_t i = 0; i < targets.size();) {
    const std::string id = text_of(targets[i], "targetId");
    const auto home = look.homes.find(text_of(targets[i], "parentFrameId"));
    if (home == look.homes.end()) {
      ++i;
      continue;
    }
    look.rows.push_back({.id = id,
                         .loader = "process",
                         .url = text_of(targets[i], "url"),
                         .parent = home->second,
                         .process = true});
    targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(i));
    CO_TRY_VOID(co_await add_rows(ctx, look));
    ForeignFrame* frame = find_frame(id);
    if (!frame) continue;
    auto tree = co_await frame->page->call(ctx, "Page.getFrameTree");
    if (!tree && went_away(tree.error())) continue;
    if (!tree) co_return tree.error();
    const json::object& top = object_at(*tree, "frameTree");
    look.homes[id] = id;
    walk(top, id, text_of(object_at(top, "frame"), "securityOrigin"), look);
    Look inner{*frame->page,        look.main_page,       look.main,
               std::move(look.old), std::move(look.rows), std::move(look.homes)};
    CO_TRY_VOID(co_await add_rows(ctx, inner));
    look.old = std::move(inner.old);
    look.homes = std::move(inner.homes);
    look.rows.clear();
    i = 0;  // frames inside it may have been passed over
  }
  co_return Result<void>{};
}

Async<void> ForeignFrames::refresh(Context& ctx, cdp::Page& page, PageScript& main) {
  if (serial_ != page.document_serial()) frames_.clear();
  if (!stale_ && serial_ == page.document_serial()) co_return Result<void>{};
  serial_ = page.document_serial();
  stale_ = false;
  auto tree = co_await page.call(ctx, "Page.getFrameTree");
  if (!tree) co_return tree.error();
  Look look{page, page, main, std::move(frames_), {}, {{page.target_id(), ""}}};
  frames_.clear();
  const json::object& top = object_at(*tree, "frameTree");
  walk(top, "", text_of(object_at(top, "frame"), "securityOrigin"), look);
  CO_TRY_VOID(co_await add_rows(ctx, look));
  co_return co_await add_processes(ctx, look);
}

}  // namespace troupe::interact
