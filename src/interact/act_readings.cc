#include "interact/act_readings.h"

#include <array>

#include "interact/phrase.h"

namespace troupe::interact::native {

using std::chrono::milliseconds;

namespace {

struct WhyRow {
  std::string_view why, means;
};
constexpr std::array kWhys = std::to_array<WhyRow>({
    {"none", "there is nothing like that on the page"},
    {"many", "several parts of the page could be meant"},
    {"tie", "two of them are alike in that"},
    {"size", "they are all of one size"},
    {"controls", "it is not clear what to press in it"},
    {"place", "the box to put them into is not clear"},
    {"waiting", "the number did not get there in time"},
});

json::value argument(const Clause& clause, std::string_view key) {
  const auto* value = find(clause.how, key);
  return value ? *value : json::value();
}

void add(ActionResult& whole, const ActionResult& one) {
  if (one.changed != "nothing") whole.changed = one.changed;
  whole.detail += (whole.detail.empty() ? "" : ", ") + one.detail;
}

Clause button_called(std::string name) {
  Clause clause;
  clause.target.text = clause.target.whole = std::move(name);
  clause.target.quoted = true;
  clause.exact_only = true;
  return clause;
}

}  // namespace

Error not_made_out(const NativeTab& tab, const Clause& clause, std::string_view why) {
  std::string means(why);
  for (const WhyRow& row : kWhys)
    if (row.why == why) means = row.means;
  const std::string what = clause.source.empty() ? clause.target.text : clause.source;
  return fail(why == "many" || why == "tie" ? Errc::target_ambiguous : Errc::target_not_found,
              "\"" + what + "\": " + means, "page " + tab.url(),
              "name the element as it is shown on the page, or give a selector");
}

Async<json::object> ask_page(Context& ctx, NativeTab& tab, const Clause& clause, unsigned scripts,
                             std::string function, json::array args, Duration patience) {
  const SteadyTime end = ctx.clock().now() + std::min(patience, Duration(std::chrono::seconds(10)));
  for (;;) {
    json::array given = args;
    CO_TRY(const auto answer, co_await tab.call(ctx, scripts, function, std::move(given)));
    const json::object none;
    const json::object& object = answer.is_object() ? answer.get_object() : none;
    const std::string why(find_string(object, "why").value_or(object.empty() ? "none" : ""));
    if (why.empty()) co_return object;
    if (ctx.clock().now() >= end || page_wait_ms(ctx) < 50)
      co_return not_made_out(tab, clause, why);
    json::array pause{100};
    auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(pause));
    if (!quiet && quiet.error().code != Errc::navigation_failed) co_return quiet.error();
  }
}

Async<ActionResult> click_ref(Context& ctx, NativeTab& tab, std::int64_t ref, std::string what) {
  Target target;
  target.query = {{"ref", ref}};
  target.text = std::move(what);
  const ClickOptions options;
  co_return co_await click_target(ctx, tab, target, options);
}

Async<ActionResult> click_called(Context& ctx, NativeTab& tab, std::vector<std::string> names,
                                 Duration patience) {
  Clause clause = button_called(names.front());
  clause.target.role = "button";
  clause.names.assign(names.begin() + 1, names.end());
  co_return co_await find_and_perform(ctx, tab, clause, patience);
}

namespace {

Async<ActionResult> extreme(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  json::array args{argument(clause, "way"), argument(clause, "of"), argument(clause, "verb")};
  CO_TRY(const auto answer,
         co_await ask_page(ctx, tab, clause, kReckon, "extreme", std::move(args), patience));
  std::string what(find_string(answer, "what").value_or("element"));
  co_return co_await click_ref(ctx, tab, find_int(answer, "ref").value_or(-1), std::move(what));
}

Async<ActionResult> sort_list(Context& ctx, NativeTab& tab, const Clause& clause,
                              Duration patience) {
  ActionResult whole;
  whole.changed = "nothing";
  whole.detail = "it is sorted";
  for (int moves = 0; moves < 100; ++moves) {
    json::array args{argument(clause, "noun"), argument(clause, "way")};
    CO_TRY(const auto answer,
           co_await ask_page(ctx, tab, clause, kReckon, "nextToSort", std::move(args), patience));
    if (find_bool(answer, "sorted").value_or(false)) co_return whole;
    Clause move;
    move.verb = Verb::drag;
    move.value = "position";
    move.count = static_cast<int>(find_int(answer, "place").value_or(1));
    CO_TRY(
        const auto done,
        co_await drag_ref(ctx, tab, move, static_cast<int>(find_int(answer, "ref").value_or(-1))));
    whole.changed = done.changed;
  }
  co_return fail(Errc::not_actionable, "sort: the list is not sorted after 100 moves",
                 "page " + tab.url());
}

/// Presses until the number that the page shows is as it should be.
Async<ActionResult> repeat(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  const std::string press(find_string(clause.how, "press").value_or(""));
  ActionResult whole;
  whole.changed = "nothing";
  for (int round = 0; round < 200; ++round) {
    json::array args{argument(clause, "test")};
    CO_TRY(const auto answer,
           co_await ask_page(ctx, tab, clause, kReckon, "numberFits", std::move(args), patience));
    if (round > 0 && find_bool(answer, "fits").value_or(false)) co_return whole;
    std::vector<std::string> names{press};
    CO_TRY(const auto done, co_await click_called(ctx, tab, std::move(names), patience));
    if (done.changed != "nothing") whole.changed = done.changed;
    whole.detail = "pressed " + press + " " + std::to_string(round + 1) + " times";
  }
  co_return fail(Errc::not_actionable, press + ": no such number came in 200 presses",
                 "page " + tab.url());
}

/// The button is found and the mouse is over it before the moment comes.
Async<ActionResult> when(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  Clause press = clause;
  press.reading.clear();
  CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, press, patience));
  const Target target = target_of(found);
  json::array args{target.query, json::object{{"enabled", true}, {"point", true}, {"mark", true}}};
  CO_TRY(const auto ready, co_await tab.locate(ctx, target, kCore, "ready", std::move(args)));
  CO_TRY_VOID(co_await tab.mouse_move(ctx, ready.x, ready.y));
  json::array wait{argument(clause, "label"), argument(clause, "test"), page_wait_ms(ctx)};
  CO_TRY(const auto answer, co_await tab.call(ctx, kReckon, "whenNumber", std::move(wait)));
  const json::object none;
  const json::object& object = answer.is_object() ? answer.get_object() : none;
  if (const auto why = find_string(object, "why")) co_return not_made_out(tab, clause, *why);
  CO_TRY_VOID(co_await tab.mouse_click(ctx, ready.x, ready.y, "left", 1));
  CO_TRY(auto change, co_await tab.changes(ctx));
  ActionResult result;
  result.changed = std::move(change.kind);
  result.detail = "clicked " + found.what + " when it was " +
                  json::serialize(object.contains("value") ? object.at("value") : json::value());
  co_return result;
}

/// The text that the field shows now.
Async<std::string> text_in(Context& ctx, NativeTab& tab, int ref) {
  json::array args{ref, 0};
  CO_TRY(const auto text, co_await tab.call(ctx, kWidgets, "readText", std::move(args)));
  co_return text.is_string() ? std::string(text.get_string()) : std::string();
}

Async<ActionResult> suggestion(Context& ctx, NativeTab& tab, const Clause& clause,
                               Duration patience) {
  Clause field = clause;
  field.reading.clear();
  CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, field, patience));
  const Target target = target_of(found);
  const std::string starts(find_string(clause.how, "starts").value_or(""));
  const std::string ends(find_string(clause.how, "ends").value_or(""));
  CO_TRY(auto whole, co_await fill_target(ctx, tab, target, starts));
  // The list is made anew while it is read: what was found may be gone when it is pressed.
  for (int round = 0;; ++round) {
    json::array args{starts, ends};
    CO_TRY(const auto one,
           co_await ask_page(ctx, tab, clause, kEditing, "suggestion", std::move(args), patience));
    std::string what = "suggestion \"" + std::string(find_string(one, "text").value_or("")) + "\"";
    auto done = co_await click_ref(ctx, tab, find_int(one, "ref").value_or(-1), std::move(what));
    if (done) add(whole, *done);
    if (done) break;
    if (done.error().code != Errc::target_not_found || round == 5) co_return done;
  }
  CO_TRY(const auto text, co_await text_in(ctx, tab, found.ref));
  if (!text.starts_with(starts) || !text.ends_with(ends))
    co_return fail(
        Errc::not_actionable,
        found.what + " holds \"" + text.substr(0, 40) + "\" after a suggestion was taken",
        "page " + tab.url());
  co_return whole;
}

Async<ActionResult> fill_ref(Context& ctx, NativeTab& tab, const json::object& field,
                             std::string value) {
  Target target;
  target.query = {{"ref", find_int(field, "ref").value_or(-1)}};
  target.text = "field \"" + std::string(find_string(field, "label").value_or("")) + "\"";
  co_return co_await fill_target(ctx, tab, target, std::move(value));
}

/// Each empty field gets the value that stands beside the same label elsewhere on the page. All
/// values are known before the first is filled in.
Async<ActionResult> copy_labels(Context& ctx, NativeTab& tab, const Clause& clause,
                                Duration patience) {
  (void)patience;
  json::array none;
  CO_TRY(const auto fields, co_await tab.call(ctx, kReckon, "labelledFields", std::move(none)));
  std::vector<std::pair<json::object, std::string>> known;
  if (fields.is_array())
    for (const auto& field : fields.get_array()) {
      if (!field.is_object() || !find_bool(field.get_object(), "empty").value_or(false)) continue;
      const json::object& one = field.get_object();
      std::string words = "the value of " + std::string(find_string(one, "label").value_or(""));
      CO_TRY(auto value, co_await described_text(ctx, tab, std::move(words)));
      known.emplace_back(one, std::move(value));
    }
  if (known.empty()) co_return not_made_out(tab, clause, "none");
  ActionResult whole;
  whole.changed = "nothing";
  for (const auto& [field, value] : known) {
    CO_TRY(const auto done, co_await fill_ref(ctx, tab, field, value));
    add(whole, done);
  }
  co_return whole;
}

Async<ActionResult> press_finish(Context& ctx, NativeTab& tab, const Clause& clause) {
  CO_TRY(const auto snapshot, co_await look(ctx, tab));
  const auto found = finishing_button(snapshot);
  if (!found) co_return not_made_out(tab, clause, "none");
  co_return co_await act_on(ctx, tab, button_called(found->what), *found);
}

/// "search for …": in the search box; where there is none but a form with a field for each part, in
/// that.
Async<ActionResult> search_for(Context& ctx, NativeTab& tab, const Clause& clause,
                               Duration patience) {
  const std::string text(find_string(clause.how, "text").value_or(""));
  Clause box = clause;
  box.reading.clear();
  CO_TRY(const auto snapshot, co_await look(ctx, tab));
  if (!resolve(box, snapshot)) {
    json::array args{text};
    CO_TRY(const auto answer, co_await tab.call(ctx, kReckon, "fieldsByWords", std::move(args)));
    const auto* fields = find(answer, "fields");
    if (fields && fields->is_array()) {
      ActionResult whole;
      for (const auto& field : fields->get_array()) {
        if (!field.is_object()) continue;
        const json::object& one = field.get_object();
        std::string value(find_string(one, "value").value_or(""));
        CO_TRY(const auto done, co_await fill_ref(ctx, tab, one, std::move(value)));
        add(whole, done);
      }
      CO_TRY(const auto pressed, co_await press_finish(ctx, tab, clause));
      add(whole, pressed);
      co_return whole;
    }
  }
  CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, box, patience));
  CO_TRY(auto whole, co_await act_on(ctx, tab, box, found));
  CO_TRY(const auto pressed, co_await press_target(ctx, tab, nullptr, "Enter", 1));
  add(whole, pressed);
  co_return whole;
}

Async<ActionResult> beside(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  const std::string label(find_string(clause.how, "label").value_or(""));
  const SteadyTime end = ctx.clock().now() + patience;
  for (int pages = 0;; ++pages) {
    json::array args{label, clause.target.scope};
    CO_TRY(const auto things, co_await tab.call(ctx, kReckon, "thingBeside", std::move(args)));
    const std::size_t count = things.is_array() ? things.get_array().size() : 0;
    if (count > 1) co_return not_made_out(tab, clause, "many");
    if (count == 1 && things.get_array()[0].is_object()) {
      const json::object& one = things.get_array()[0].get_object();
      std::string what(find_string(one, "what").value_or("value"));
      co_return co_await click_ref(ctx, tab, find_int(one, "ref").value_or(-1), std::move(what));
    }
    // It may stand on another page of a list.
    CO_TRY(const bool turned, co_await turn_page(ctx, tab));
    if (!turned && (ctx.clock().now() >= end || page_wait_ms(ctx) < 100))
      co_return not_made_out(tab, clause, "none");
    json::array pause{turned ? 50 : 150};
    auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(pause));
    (void)quiet;
    if (pages > 200) co_return not_made_out(tab, clause, "none");
  }
}

Async<ActionResult> resize(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  Clause field = clause;
  field.reading.clear();
  field.verb = Verb::scroll;  // no press, no filling: only found
  CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, field, patience));
  const bool height = find_bool(clause.how, "height").value_or(false);
  const bool more = find_bool(clause.how, "more").value_or(false);
  const std::string side = height ? "height" : "width";
  json::array args{found.ref};
  json::array again = args;
  CO_TRY(const auto grip,
         co_await ask_page(ctx, tab, clause, kEditing, "resizeHandle", std::move(args), patience));
  const double x = find_number(grip, "x").value_or(0), y = find_number(grip, "y").value_or(0);
  const double way = more ? 24 : -24;
  const std::pair to{x + (height ? 0 : way), y + (height ? way : 0)};
  CO_TRY_VOID(co_await drag_between(ctx, tab, std::pair{x, y}, to));
  CO_TRY(const auto now, co_await ask_page(ctx, tab, clause, kEditing, "resizeHandle",
                                           std::move(again), Duration(0)));
  const double before = find_number(grip, side).value_or(0);
  const double after = find_number(now, side).value_or(0);
  if (more ? after <= before : after >= before)
    co_return fail(Errc::not_actionable, found.what + ": its " + side + " did not change",
                   "page " + tab.url());
  ActionResult result;
  result.changed = "dom";
  result.detail = "resized " + found.what;
  co_return result;
}

Async<bool> is_styled(Context& ctx, NativeTab& tab, const Clause& clause) {
  const bool coloured = find_string(clause.how, "style").value_or("").empty();
  json::array args{argument(clause, coloured ? "colour" : "style")};
  const char* check = coloured ? "colouredAs" : "styledAs";
  CO_TRY(const auto done, co_await tab.call(ctx, kEditing, check, std::move(args)));
  co_return done.is_bool() && done.get_bool();
}

Async<ActionResult> style(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  json::array args{argument(clause, "text"), argument(clause, "stop")};
  CO_TRY(const auto selected, co_await ask_page(ctx, tab, clause, kEditing, "selectInEditor",
                                                std::move(args), patience));
  const std::string wanted(find_string(clause.how, "style").value_or(""));
  ActionResult result;
  result.changed = "dom";
  result.detail = "styled \"" + std::string(find_string(selected, "selected").value_or("")) + "\"";
  if (wanted.empty()) {
    // Editors remember the selection for their buttons some moments after it was made (Quill: 100
    // ms).
    CO_TRY_VOID(co_await sleep_for(ctx, std::chrono::milliseconds(130)));
    json::array none;
    CO_TRY(const auto opener, co_await ask_page(ctx, tab, clause, kEditing, "colourOpener",
                                                std::move(none), patience));
    const auto open = find_int(opener, "ref").value_or(-1);
    CO_TRY(const auto opened, co_await click_ref(ctx, tab, open, "colours of the text"));
    (void)opened;
    json::array colour{argument(clause, "colour")};
    CO_TRY(const auto swatch,
           co_await ask_page(ctx, tab, clause, kEditing, "swatch", std::move(colour), patience));
    const auto ref = find_int(swatch, "ref").value_or(-1);
    CO_TRY(const auto taken, co_await click_ref(ctx, tab, ref, "colour"));
    (void)taken;
  } else {
    const std::string key = wanted == "bold" ? "b" : wanted == "italic" ? "i" : "u";
    CO_TRY_VOID(co_await tab.press_key(ctx, "Control+" + key, 1));
  }
  CO_TRY(const bool done, co_await is_styled(ctx, tab, clause));
  if (!done)
    co_return fail(Errc::not_actionable,
                   "the editor did not take the style for \"" +
                       std::string(find_string(clause.how, "text").value_or("")) + "\"",
                   "page " + tab.url());
  co_return result;
}

struct Row {
  std::string_view name;
  Reading reading;
};
constexpr Row kRows[] = {{"extreme", extreme},       {"sort", sort_list},
                         {"repeat", repeat},         {"when", when},
                         {"suggestion", suggestion}, {"copy_labels", copy_labels},
                         {"search_for", search_for}, {"beside", beside},
                         {"resize", resize},         {"style", style}};

/// What the clause would be if its words were the name of something: they win.
Async<Resolution> called_so(Context& ctx, NativeTab& tab, const Clause& clause) {
  CO_TRY(const auto snapshot, co_await look(ctx, tab));
  for (const std::string& words : {clause.target.whole, clause.target.text}) {
    const Clause name = button_called(words);
    auto found = resolve(name, snapshot);
    if (found) co_return found;
  }
  co_return Resolution{};
}

}  // namespace

Async<ActionResult> act_by_reading(Context& ctx, NativeTab& tab, const Clause& clause,
                                   Duration patience) {
  if (clause.reading == "figure" || clause.reading == "extreme") {
    CO_TRY(const auto named, co_await called_so(ctx, tab, clause));
    if (named.ref >= 0) co_return co_await act_on(ctx, tab, clause, named);
  }
  if (const Reading reading = figure_reading(clause.reading))
    co_return co_await reading(ctx, tab, clause, patience);
  for (const Row& row : kRows)
    if (row.name == clause.reading) co_return co_await row.reading(ctx, tab, clause, patience);
  co_return fail(Errc::internal, "act: nothing does \"" + clause.reading + "\"");
}

}  // namespace troupe::interact::native
