// What a person does without being told: sends a popup away that came while typing, and logs in by
// the only button of the form with the password.
#include <algorithm>
#include <array>

#include "interact/act_steps.h"
#include "interact/phrase.h"

namespace troupe::interact::native {
namespace {

Async<ActionResult> click_answer(Context& ctx, NativeTab& tab, const json::value& answer) {
  const json::object none;
  const json::object& object = answer.is_object() ? answer.get_object() : none;
  Target target;
  target.query = {{"ref", find_int(object, "ref").value_or(-1)}};
  target.text = std::string(find_string(object, "what").value_or("button"));
  const ClickOptions options;
  co_return co_await click_target(ctx, tab, target, options);
}

bool has_ref(const json::value& answer) {
  return answer.is_object() && answer.get_object().contains("ref");
}

}  // namespace

bool only_enters(const Clause& clause) {
  return clause.reading.empty() &&
         (clause.verb == Verb::fill || clause.verb == Verb::select || clause.verb == Verb::check ||
          clause.verb == Verb::uncheck || clause.verb == Verb::scroll);
}

Async<bool> dismiss_popup(Context& ctx, NativeTab& tab) {
  json::array none;
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "wayOut", std::move(none)));
  if (!has_ref(answer)) co_return false;
  const auto done = co_await click_answer(ctx, tab, answer);
  co_return bool(done);
}

bool means_login(const Clause& clause) {
  constexpr std::array kWords =
      std::to_array<std::string_view>({"login", "log in", "sign in", "signin", "log on", "logon"});
  const std::string text = to_lower(clause.target.text);
  return clause.verb == Verb::click && clause.target.scope.empty() && clause.target.ordinal == 0 &&
         std::count(kWords.begin(), kWords.end(), text) > 0;
}

Async<ActionResult> press_login(Context& ctx, NativeTab& tab, Error absent) {
  json::array none;
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "loginButton", std::move(none)));
  if (!has_ref(answer)) co_return absent;
  co_return co_await click_answer(ctx, tab, answer);
}

}  // namespace troupe::interact::native
