// The part of a native tab that looks for what an action needs: in the main document first, then in
// frames of other origins.
#include <algorithm>

#include "interact/native_tab.h"
#include "interact/resolver.h"

namespace troupe::interact {
namespace {

using std::chrono::milliseconds;

std::int64_t ms_of(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

bool document_replaced(const Error& error) { return error.code == Errc::navigation_failed; }

/// The page ends its own wait before the deadline and tells why; on a busy machine its answer may
/// come a little late, and is better than none.
Context with_grace(const Context& ctx) {
  if (ctx.deadline() == SteadyTime::max()) return ctx;
  const Duration limit = ctx.remaining() + milliseconds(500);
  return ctx.for_cleanup(limit, "answer of the page").with_cancel(ctx.cancel_source());
}

/// The query among a call's arguments; of an extraction, its region.
const json::value* query_of(const json::array& args) {
  if (args.empty() || !args[0].is_object()) return nullptr;
  const json::object& first = args[0].get_object();
  const json::value* query = first.contains("fields") ? find(first, "within") : &args[0];
  return query && query->is_object() ? query : nullptr;
}

std::int64_t int_at(const json::value& answer, std::string_view key) {
  return answer.is_object() ? find_int(answer.get_object(), key).value_or(0) : 0;
}

/// Whether the page tells that something is missing.
bool lacks(const json::value& answer) {
  return answer.is_object() && !text_of(answer.get_object(), "why").empty();
}

bool by_ref(const json::array& args) {
  return !args.empty() && args[0].is_object() && args[0].get_object().contains("ref");
}

}  // namespace

Async<json::value> NativeTab::call_waiting_here(Context& ctx, unsigned scripts,
                                                std::string function, json::array args,
                                                SteadyTime end) {
  for (;;) {
    json::array all = args;
    const std::int64_t left = ms_of(end - ctx.clock().now());
    all.emplace_back(std::clamp<std::int64_t>(left, 0, page_wait_ms(ctx)));
    CO_TRY_VOID(ctx.cancel_source().is_cancelled() ? ctx.check() : Result<void>{});
    Context late = with_grace(ctx);
    auto answer = co_await call(late, scripts, function, std::move(all));
    if (answer) co_return answer;
    if (answer.error().code == Errc::timeout) {
      Error error = ctx.timeout_error();
      error.source = answer.error().source;
      error.hint = answer.error().hint;
      co_return error;
    }
    if (!document_replaced(answer.error()) || inside_) co_return answer;
    auto next = co_await page_->wait_loaded(ctx, cdp::WaitUntil::commit);
    if (!next) co_return next.error();
  }
}

Async<json::value> NativeTab::call_waiting(Context& ctx, unsigned scripts, std::string function,
                                           json::array args, Duration limit) {
  const SteadyTime end = ctx.clock().now() + std::min<Duration>(limit, std::chrono::hours(24));
  const std::string alone = "alone()." + function;
  bool nobody_else = false;  // the frames that are there belong to other processes
  for (;;) {
    const bool here = inside_ != nullptr || nobody_else;
    SteadyTime until = end;
    if (nobody_else) until = std::min(end, ctx.clock().now() + std::chrono::seconds(1));
    auto answer = co_await call_waiting_here(ctx, scripts, here ? alone : function, args, until);
    if (!answer && inside_ && document_replaced(answer.error())) {
      inside_ = nullptr;
      frames_.mark_stale();
      if (by_ref(args)) co_return json::object{{"why", "gone"}, {"count", 0}};
      continue;
    }
    if (!answer || inside_) co_return answer;
    const bool over = ctx.clock().now() >= end || page_wait_ms(ctx) < 50;
    if (std::exchange(nobody_else, false) && !over && lacks(*answer)) continue;
    if (int_at(*answer, "frames") == 0) co_return answer;
    CO_TRY(auto frames, co_await frames_beside(ctx, *answer));
    nobody_else = frames.empty();
    if (nobody_else && !over) continue;
    auto several = co_await probe_frames(ctx, std::move(frames), scripts, args);
    if (!several || several->is_object()) co_return several;
    if (inside_) continue;
    if (over || !lacks(*answer)) co_return answer;
    CO_TRY_VOID(co_await sleep_for(ctx, milliseconds(100)));
  }
}

Async<std::vector<ForeignFrame*>> NativeTab::frames_beside(Context& ctx,
                                                           const json::value& answer) {
  inside_ = nullptr;
  std::vector<ForeignFrame*> frames;
  if (int_at(answer, "frames") == 0) co_return frames;
  const auto expected = static_cast<std::size_t>(int_at(answer, "frames"));
  if (frames_.list().size() < expected) frames_.mark_stale();
  Context late = with_grace(ctx);
  auto listed = co_await frames_.refresh(late, *page_, script_);
  if (!listed) co_return listed.error();
  for (const auto& frame : frames_.list()) {
    frames.push_back(frame.get());
    if (!frame->own || std::exchange(frame->heard, true)) continue;
    frame->events = page_->connection().on_events(
        frame->own->session_id(),
        [this](std::string_view method, const json::object& params) { on_event(method, params); });
  }
  co_return frames;
}

// Enters the frame that has what the query wants; a visible one wins. Null, or an answer that tells
// that several have it.
Async<json::value> NativeTab::probe_frames(Context& ctx, std::vector<ForeignFrame*> frames,
                                           unsigned scripts, const json::array& args) {
  const json::value* query = query_of(args);
  ForeignFrame* best = nullptr;
  std::int64_t best_fit = 0;
  json::array some;
  Context late = with_grace(ctx);
  for (ForeignFrame* frame : frames) {
    if (!query) break;
    inside_ = frame;
    json::array call_args;
    call_args.push_back(*query);
    auto answer = co_await call(late, scripts, "probe", std::move(call_args));
    inside_ = nullptr;
    if (!answer && document_replaced(answer.error())) {
      frames_.mark_stale();
      continue;
    }
    if (!answer) co_return answer.error();
    const std::int64_t fit = int_at(*answer, "fit");
    const auto* one = find(*answer, "some");
    if (fit == 2 && one && one->is_array())
      some.insert(some.end(), one->get_array().begin(), one->get_array().end());
    if (fit > best_fit) best = frame;
    best_fit = std::max(fit, best_fit);
  }
  const bool strict = query && find_bool(query->get_object(), "strict").value_or(false);
  if (strict && some.size() > 1)
    co_return json::object{{"why", "many"}, {"count", some.size()}, {"some", std::move(some)}};
  inside_ = best;
  co_return json::value(nullptr);
}

Async<Located> NativeTab::locate_here(Context& ctx, const Target& target, unsigned scripts,
                                      std::string function, json::array args) {
  const SteadyTime begin = ctx.clock().now();
  if (target.by_name) scripts |= kNames;
  CO_TRY(auto answer, co_await call_waiting(ctx, scripts, std::move(function), std::move(args)));
  if (!answer.is_object()) co_return fail(Errc::internal, "interact: the script gave no object");
  Located found;
  found.answer = std::move(answer.get_object());
  const std::string why = text_of(found.answer, "why");
  if (!why.empty()) {
    Error error = target_error(target, found.answer, ctx.clock().now() - begin);
    if (error.code != Errc::target_not_found || why == "gone") co_return error;
    const json::array none;
    Context late = with_grace(ctx);
    auto rows = co_await call(late, kSnapshot, "snapshot", none);
    const std::string near = rows ? similar(target.wanted, read_snapshot(*rows)) : "";
    if (!near.empty()) error.message += "; nearest: " + near;
    co_return error;
  }
  found.ref = find_int(found.answer, "ref").value_or(-1);
  found.what = text_of(found.answer, "what");
  found.tag = text_of(found.answer, "tag");
  found.type = text_of(found.answer, "type");
  found.x = find_number(found.answer, "x").value_or(0);
  found.y = find_number(found.answer, "y").value_or(0);
  co_return found;
}

/// From the frame's view to the page's, through all the frames around; each must be what the mouse
/// hits there. {x, y}, or {why, some}.
Async<json::object> NativeTab::point_outside(Context& ctx, double x, double y) {
  json::object point{{"x", x}, {"y", y}};
  for (ForeignFrame* frame = inside_; frame; frame = frame->parent) {
    PageScript& outer = frame->parent ? frame->parent->script : script_;
    cdp::Page& outer_page = frame->parent ? *frame->parent->page : *page_;
    json::array args{frame->owner, point["x"], point["y"]};
    auto answer = co_await outer.call(ctx, outer_page, kCore, "framePoint", std::move(args));
    if (!answer && document_replaced(answer.error())) co_return json::object{{"why", "gone"}};
    if (!answer) co_return answer.error();
    if (!answer->is_object()) co_return fail(Errc::internal, "interact: no point was given");
    point = std::move(answer->get_object());
    if (point.contains("why")) break;
  }
  co_return point;
}

Async<Located> NativeTab::locate(Context& ctx, const Target& target, unsigned scripts,
                                 std::string function, json::array args) {
  const SteadyTime begin = ctx.clock().now();
  for (;;) {
    auto found = co_await locate_here(ctx, target, scripts, function, args);
    if (!found || !inside_ || !found->answer.contains("x")) co_return found;
    Context late = with_grace(ctx);
    CO_TRY(const auto point, co_await point_outside(late, found->x, found->y));
    const std::string why = text_of(point, "why");
    if (why.empty()) {
      found->x = find_number(point, "x").value_or(0);
      found->y = find_number(point, "y").value_or(0);
      co_return found;
    }
    if (why == "gone" && !by_ref(args)) {
      inside_ = nullptr;
      frames_.mark_stale();
    }
    if (why == "gone" && by_ref(args)) co_return target_error(target, point, {});
    if (page_wait_ms(ctx) < 150) co_return target_error(target, point, ctx.clock().now() - begin);
    CO_TRY_VOID(co_await sleep_for(ctx, milliseconds(100)));
  }
}

}  // namespace troupe::interact
