// goto, wait_for, evaluate, and the browser's history.
#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <charconv>

#include "interact/handlers.h"

namespace troupe::interact::native {
namespace {

constexpr std::size_t kValueBytesMax = 16 << 20;

/// Absolute URLs stay; others are completed with the page's URL or the site's base_url.
Result<std::string> absolute(const NativeTab& tab, std::string url) {
  const auto reference = boost::urls::parse_uri_reference(url);
  if (!reference)  // spaces and the like: the browser mends them, when it is absolute
    return url.find(':') != std::string::npos
               ? Result<std::string>(std::move(url))
               : fail(Errc::invalid_argument, "goto: \"" + url + "\" is no URL");
  if (reference->has_scheme()) return url;
  std::string base(find_string(tab.options().site, "base_url").value_or(""));
  if (base.empty() && tab.url().starts_with("http")) base = tab.url();
  const auto start = boost::urls::parse_uri(base);
  boost::urls::url whole;
  if (base.empty() || !start || !boost::urls::resolve(*start, *reference, whole))
    return fail(Errc::invalid_argument, "goto: \"" + url + "\" is no absolute URL", {},
                "give one with https://, or set base_url in the site profile");
  return std::string(whole.buffer());
}

bool allows_status(const json::object& args, int status) {
  const auto* list = find(args, "allow_status");
  if (!list || !list->is_array()) return false;
  return std::any_of(list->get_array().begin(), list->get_array().end(), [&](const json::value& v) {
    return v.is_number() && v.to_number<int>() == status;
  });
}

/// Opens the tab directly on the URL when it has no page yet, which costs less than a blank one.
Async<cdp::Navigation> open_url(Context& ctx, NativeTab& tab, std::string url,
                                cdp::WaitUntil until) {
  if (Navigator* navigator = tab.navigator())
    co_return co_await navigator->navigate(ctx, tab, std::move(url), until);
  CO_TRY(const bool opened, co_await tab.need_page(ctx, url));
  if (opened) {
    auto loaded = co_await tab.page().wait_loaded(ctx, until);
    // It shows an error page: navigating tells why.
    if (loaded || loaded.error().code != Errc::navigation_failed) co_return loaded;
  }
  co_return co_await tab.page().navigate(ctx, std::move(url), until);
}

}  // namespace

Result<Duration> read_duration(const json::value& value) {
  double seconds = 0;
  bool good = value.is_number();
  if (good) seconds = value.to_number<double>();
  if (const auto* text = value.if_string()) {
    const char* end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, seconds);
    const std::string_view unit(read.ptr, static_cast<std::size_t>(end - read.ptr));
    good = read.ec == std::errc();
    if (unit == "ms")
      seconds /= 1000;
    else if (unit == "m")
      seconds *= 60;
    else if (unit == "h")
      seconds *= 3600;
    else
      good = good && (unit.empty() || unit == "s");
  }
  if (!good || seconds < 0 || seconds > 24 * 3600)
    return fail(Errc::invalid_argument,
                "duration: " + json::serialize(value) + " is not in 0s..24h");
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

namespace {

std::string count_at(const json::value& answer, std::string_view key) {
  const auto* value = find(answer, key);
  return value ? json::serialize(*value) : "0";
}

Async<void> wait_element(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto target, parse_target(args));
  const std::string state(find_string(args, "state").value_or("visible"));
  const std::int64_t min = find_int(args, "min").value_or(1);
  json::array call{target.query, state, min};
  const unsigned scripts = kControls | (target.by_name ? kNames : kCore);
  CO_TRY(const auto answer, co_await tab.call_waiting(ctx, scripts, "waitFor", std::move(call)));
  const auto* why = find(answer, "why");
  if (!why || !why->is_string() || why->get_string().empty()) co_return Result<void>{};
  std::string list;
  if (const auto* some = find(answer, "some"); some && some->is_array())
    for (const auto& one : some->get_array())
      if (one.is_string()) list += (list.empty() ? ": " : "; ") + std::string(one.get_string());
  const bool absent = state == "attached" || count_at(answer, "all") == "0";
  co_return fail(absent ? Errc::target_not_found : Errc::not_actionable,
                 target.text + ": not " + state + " in time; " + count_at(answer, "all") +
                     " match, " + count_at(answer, "shown") + " visible, " +
                     count_at(answer, "usable") + " of them enabled" + list,
                 "page " + tab.url());
}

Async<void> wait_url(Context& ctx, NativeTab& tab, std::string part) {
  json::array args{part};
  CO_TRY(const auto answer, co_await tab.call_waiting(ctx, kControls, "waitUrl", std::move(args)));
  const auto* why = find(answer, "why");
  if (!why || !why->is_string() || why->get_string().empty()) co_return Result<void>{};
  co_return fail(Errc::timeout, "wait_for url: " + tab.url() + " does not contain \"" + part + "\"",
                 "page " + tab.url());
}

// Runs in the page's own world, so that it sees the page's variables.
Async<void> wait_expression(Context& ctx, NativeTab& tab, std::string expression) {
  cdp::Page::EvaluateOptions own{.isolated = false};
  for (;;) {
    const std::string ms = std::to_string(page_wait_ms(ctx));
    std::string script = "(async()=>{const end=performance.now()+" + ms + ";for(;;){if(await(" +
                         expression +
                         "\n))return true;"
                         "if(performance.now()>end)return false;"
                         "await new Promise(r=>setTimeout(r,50))}})()";
    auto answer = co_await tab.page().evaluate(ctx, std::move(script), own);
    if (answer && *answer == json::value(true)) co_return Result<void>{};
    if (answer)
      co_return fail(Errc::timeout,
                     "wait_for expression: never became true: " + expression.substr(0, 200),
                     "page " + tab.url());
    if (answer.error().code != Errc::navigation_failed) co_return answer.error();
    auto next = co_await tab.page().wait_loaded(ctx, cdp::WaitUntil::commit);
    if (!next) co_return next.error();
  }
}

Async<void> wait_page(Context& ctx, NativeTab& tab, std::string state) {
  const auto until = cdp::wait_until_from(state);
  if (!until) co_return fail(Errc::invalid_argument, "load: \"" + state + "\" is not known");
  auto loaded = co_await tab.page().wait_loaded(ctx, *until);
  if (!loaded) co_return loaded.error();
  co_return Result<void>{};
}

}  // namespace

Async<ActionResult> go_to(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(auto url, absolute(tab, std::string(find_string(args, "url").value_or(""))));
  const auto name = find_string(args, "wait_until").value_or("load");
  const auto until = cdp::wait_until_from(name);
  if (!until)
    co_return fail(Errc::invalid_argument,
                   "wait_until: \"" + std::string(name) +
                       "\" is not one of commit, domcontentloaded, load, networkidle");
  ++tab.session().counters().navigations;
  auto navigation = co_await open_url(ctx, tab, url, *until);
  if (!navigation) {
    ++tab.session().counters().page_errors;
    co_return navigation.error();
  }
  if (navigation->http_status >= 400 && !allows_status(args, navigation->http_status)) {
    ++tab.session().counters().page_errors;
    co_return fail(
        Errc::http_error,
        "goto " + url + ": the server answered " + std::to_string(navigation->http_status),
        "page " + navigation->url, "allow_status lets it pass");
  }
  ActionResult result;
  result.output = json::object{{"url", navigation->url}, {"status", navigation->http_status}};
  result.changed = "url";
  result.detail = "opened " + navigation->url;
  co_return result;
}

Async<ActionResult> step_history(Context& ctx, NativeTab& tab, int delta) {
  const std::string before = tab.url();
  const std::uint64_t serial = tab.page().document_serial();
  CO_TRY(const auto history, co_await tab.page().call(ctx, "Page.getNavigationHistory"));
  const auto* entries = find(history, "entries");
  const std::int64_t at = find_int(history, "currentIndex").value_or(0) + delta;
  if (!entries || !entries->is_array() || at < 0 ||
      at >= static_cast<std::int64_t>(entries->get_array().size()))
    co_return fail(Errc::navigation_failed,
                   std::string(delta < 0 ? "go back" : "go forward") +
                       ": there is no such page in the history",
                   "page " + before);
  const json::value entry = entries->get_array()[static_cast<std::size_t>(at)];
  const auto* id = find(entry, "id");
  json::object params{{"entryId", id ? *id : json::value(0)}};
  auto gone = co_await tab.page().call(ctx, "Page.navigateToHistoryEntry", std::move(params));
  if (!gone) co_return gone.error();
  Context limited = ctx.with_timeout(std::chrono::seconds(10), "going through the history");
  while (tab.page().document_serial() == serial && tab.url() == before) {
    auto waited = co_await tab.moved().wait(limited);
    if (!waited) break;
  }
  auto loaded = co_await tab.page().wait_loaded(ctx, cdp::WaitUntil::load);
  if (!loaded) co_return loaded.error();
  ActionResult result;
  result.changed = "url";
  result.detail = "went to " + loaded->url;
  co_return result;
}

Async<ActionResult> reload(Context& ctx, NativeTab& tab) {
  const std::uint64_t serial = tab.page().document_serial();
  auto sent = co_await tab.page().call(ctx, "Page.reload");
  if (!sent) co_return sent.error();
  while (tab.page().document_serial() == serial) CO_TRY_VOID(co_await tab.moved().wait(ctx));
  auto loaded = co_await tab.page().wait_loaded(ctx, cdp::WaitUntil::load);
  if (!loaded) co_return loaded.error();
  ActionResult result;
  result.changed = "url";
  result.detail = "reloaded " + loaded->url;
  co_return result;
}

Async<ActionResult> wait_for(Context& ctx, NativeTab& tab, const json::object& args) {
  ActionResult result;
  result.changed = "nothing";
  if (const auto* duration = find(args, "duration")) {
    CO_TRY(const auto time, read_duration(*duration));
    CO_TRY_VOID(co_await sleep_for(ctx, time));
    result.detail = "waited";
  }
  if (const auto load = find_string(args, "load")) {
    CO_TRY_VOID(co_await wait_page(ctx, tab, std::string(*load)));
    result.detail = "page reached " + std::string(*load);
  }
  if (const auto part = find_string(args, "url")) {
    CO_TRY_VOID(co_await wait_url(ctx, tab, std::string(*part)));
    result.detail = "url is " + tab.url();
  }
  if (const auto expression = find_string(args, "expression")) {
    CO_TRY_VOID(co_await wait_expression(ctx, tab, std::string(*expression)));
    result.detail = "expression is true";
  }
  if (has_target(args)) {
    CO_TRY_VOID(co_await wait_element(ctx, tab, args));
    result.detail = "element is " + std::string(find_string(args, "state").value_or("visible"));
  }
  if (result.detail.empty())
    co_return fail(Errc::invalid_argument,
                   "wait_for: none of a target, url, expression, load, duration is given");
  co_return result;
}

Async<ActionResult> evaluate(Context& ctx, NativeTab& tab, const json::object& args) {
  const std::string expression(find_string(args, "expression").value_or(""));
  const auto* given = find(args, "args");
  const std::string values = given ? json::serialize(*given) : "{}";
  std::string script = "(async(args)=>(" + expression + "\n))(" + values + ")";
  cdp::Page::EvaluateOptions own{.isolated = false, .user_gesture = true};
  CO_TRY(auto value, co_await tab.page().evaluate(ctx, std::move(script), own));
  const std::size_t bytes = json::serialize(value).size();
  if (bytes > kValueBytesMax)
    co_return fail(Errc::payload_too_large, "evaluate: the value has " + std::to_string(bytes) +
                                                " bytes, more than " +
                                                std::to_string(kValueBytesMax));
  ActionResult result;
  result.output = std::move(value);
  result.changed = "nothing";
  result.detail = "evaluated an expression";
  co_return result;
}

}  // namespace troupe::interact::native
