// The actions of the native interactor, one function each; native_interactor.cc has the table. The
// second half takes targets instead of fields, for `act`.
#pragma once

#include "interact/native_tab.h"
#include "interact/resolver.h"

namespace troupe::interact::native {

/// Does one action on a tab that has a page (goto opens it itself).
using Handler = Async<ActionResult> (*)(Context& ctx, NativeTab& tab, const json::object& args);

// navigate_actions.cc
Async<ActionResult> go_to(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> wait_for(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> evaluate(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> step_history(Context& ctx, NativeTab& tab, int delta);
Async<ActionResult> reload(Context& ctx, NativeTab& tab);
/// `10s`, or a number of seconds.
Result<Duration> read_duration(const json::value& value);

// input_actions.cc
Async<ActionResult> click(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> fill(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> select(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> press(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> hover(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> scroll(Context& ctx, NativeTab& tab, const json::object& args);

// extract_actions.cc
Async<ActionResult> extract(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> observe(Context& ctx, NativeTab& tab, const json::object& args);

// file_actions.cc
Async<ActionResult> screenshot(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> download(Context& ctx, NativeTab& tab, const json::object& args);
Async<ActionResult> upload(Context& ctx, NativeTab& tab, const json::object& args);
/// PNG bytes of the view, or of the whole page.
Async<std::string> take_picture(Context& ctx, cdp::Page& page, json::object params);

// agent_actions.cc
/// The tab must have a model.
Async<ActionResult> agent(Context& ctx, NativeTab& tab, const json::object& args);

// act.cc
Async<ActionResult> act(Context& ctx, NativeTab& tab, const json::object& args);

/// What a clause says, on that element.
Async<ActionResult> act_on(Context& ctx, NativeTab& tab, const Clause& clause,
                           const Resolution& found);

struct ClickOptions {
  std::string button = "left";
  int count = 1;
  /// Nowhere on a part of it that does something of its own, such as a button of a card.
  bool own = false;
};
Async<ActionResult> click_target(Context& ctx, NativeTab& tab, const Target& target,
                                 ClickOptions options);
Async<ActionResult> fill_target(Context& ctx, NativeTab& tab, const Target& target,
                                std::string value);
Async<ActionResult> select_target(Context& ctx, NativeTab& tab, const Target& target,
                                  std::vector<std::string> values);
/// Ticks or unticks a check box, radio or switch; nothing to do is a success.
Async<ActionResult> tick_target(Context& ctx, NativeTab& tab, const Target& target, bool ticked);
/// `target` may be null: where the focus is.
Async<ActionResult> press_target(Context& ctx, NativeTab& tab, const Target* target,
                                 std::string key, int count);
Async<ActionResult> hover_target(Context& ctx, NativeTab& tab, const Target& target);
/// `how`: {to} or {by}; `target` may be null.
Async<ActionResult> scroll_target(Context& ctx, NativeTab& tab, const Target* target,
                                  json::object how);

}  // namespace troupe::interact::native
