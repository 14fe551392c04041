// Every method of the Stagehand v4 protocol (3.1.1) that a client calls, as a function that makes
// its request. stagehand.init and its likes belong to StagehandRuntime; what reads the answers is
// in stagehand_calls.h. A page is its CDP target id. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cdp/page.h"
#include "services/stagehand_api.h"
#include "services/stagehand_rpc.h"

namespace troupe::services::stagehand {

/// Where the caller does not say: the runtime's own defaults, but always sent, for some methods
/// wait for ever without.
inline constexpr Duration kTimeout = std::chrono::seconds(30);

// ---- act, observe, extract

struct Scope {
  Duration timeout = kTimeout;
  std::string locator;  ///< Only within that element; empty: the page.
  std::vector<std::string> ignore_locators;
  json::object variables;   ///< act, observe: for `%name%`. Values are secret.
  bool screenshot = false;  ///< extract: the model sees a picture, too.
};
StagehandRequest act(std::string_view page, std::string_view instruction, const Scope& scope);
StagehandRequest act(std::string_view page, const StagehandAction& action, const Scope& scope);
/// `instruction` empty: everything that can be done.
StagehandRequest observe(std::string_view page, std::string_view instruction, const Scope& scope);
/// `schema` empty: the runtime's own, `{extraction: text}`.
StagehandRequest extract(std::string_view page, std::string_view instruction, json::object schema,
                         const Scope& scope);
StagehandRequest metrics();
/// JavaScript that the runtime runs with its own page objects.
StagehandRequest callback_batch(std::string_view source, const json::value& input,
                                std::string_view page, Duration timeout = kTimeout);

// ---- context: of the browser's default profile, or of all of them

struct DomainPolicy {
  std::vector<std::string> allowed, blocked;
};
/// A text or a pattern of cookies to clear.
struct CookieMatch {
  std::string text;
  bool pattern = false;
};
struct CookieFilter {
  std::optional<CookieMatch> name, domain, path;
};
StagehandRequest pages();
StagehandRequest active_page();
StagehandRequest new_page(std::string_view url = {});
StagehandRequest set_active_page(std::string_view page);
StagehandRequest context_init_script(std::string_view source);
StagehandRequest context_headers(const json::object& headers);
StagehandRequest domain_policy();
/// Nothing: no policy.
StagehandRequest set_domain_policy(const std::optional<DomainPolicy>& policy);
StagehandRequest cookies(const std::vector<std::string>& urls = {});
/// Members as CDP has them, in snake case: name, value, url or domain and path, …
StagehandRequest add_cookies(const json::array& cookies);
StagehandRequest clear_cookies(const CookieFilter& filter = {});
/// `page` empty: the active one.
StagehandRequest clipboard_text(std::string_view page = {});
StagehandRequest set_clipboard_text(std::string_view text, std::string_view page = {});
StagehandRequest clear_clipboard(std::string_view page = {});
StagehandRequest paste(std::string_view page = {});
StagehandRequest copy(std::string_view page = {});
StagehandRequest cut(std::string_view page = {});

// ---- page

struct Load {
  cdp::WaitUntil until = cdp::WaitUntil::domcontentloaded;  ///< Not commit.
  Duration timeout = std::chrono::seconds(15);
};
StagehandRequest go_to(std::string_view page, std::string_view url, const Load& load);
StagehandRequest reload(std::string_view page, const Load& load, bool ignore_cache = false);
StagehandRequest go_back(std::string_view page, const Load& load);
StagehandRequest go_forward(std::string_view page, const Load& load);
StagehandRequest url(std::string_view page);
StagehandRequest title(std::string_view page);
StagehandRequest close_page(std::string_view page);

struct Point {
  double x = 0, y = 0;
};
struct Press {
  std::string button = "left";
  int count = 1;
};
struct Drag {
  std::string button = "left";
  int steps = 1;
  Duration delay{};
  std::vector<Point> route;
};
StagehandRequest click_at(std::string_view page, Point at, const Press& press = {});
StagehandRequest hover_at(std::string_view page, Point at);
StagehandRequest scroll_at(std::string_view page, Point at, Point by);
StagehandRequest drag(std::string_view page, Point from, Point to, const Drag& how = {});
StagehandRequest type_text(std::string_view page, std::string_view text, Duration delay = {},
                           bool with_mistakes = false);
StagehandRequest press_key(std::string_view page, std::string_view key, Duration delay = {});
StagehandRequest evaluate(std::string_view page, std::string_view expression);
StagehandRequest page_init_script(std::string_view page, std::string_view source);
StagehandRequest page_headers(std::string_view page, const json::object& headers);
StagehandRequest viewport(std::string_view page, int width, int height, double scale = 1);

struct Picture {
  std::string type = "png";  ///< Or jpeg.
  std::optional<int> quality;
  bool full_page = false;
  std::optional<std::array<double, 4>> clip;  ///< x, y, width, height.
  std::vector<std::string> mask;              ///< Selectors of what is covered.
  Duration timeout = kTimeout;
};
StagehandRequest screenshot(std::string_view page, const Picture& picture);
struct Paper {
  bool landscape = false;
  bool background = false;
  double scale = 1;
  std::string ranges;  ///< `1-3, 5`; empty: all.
  Duration timeout = kTimeout;
};
StagehandRequest pdf(std::string_view page, const Paper& paper);
StagehandRequest snapshot(std::string_view page, bool frames = true, Duration timeout = kTimeout);

StagehandRequest wait_load(std::string_view page, const Load& load);
StagehandRequest wait_time(std::string_view page, Duration time);
/// `state`: attached, detached, visible, hidden.
StagehandRequest wait_selector(std::string_view page, std::string_view selector,
                               std::string_view state = "visible", Duration timeout = kTimeout);
StagehandRequest wait_function(std::string_view page, std::string_view expression,
                               Duration timeout = kTimeout);
/// `event`: console, toolsadded, toolsremoved; `name` is the caller's.
StagehandRequest listen(std::string_view page, std::string_view name, std::string_view event);
StagehandRequest unlisten(std::string_view name);

/// Tools that the page itself offers (WebMCP).
StagehandRequest tools(std::string_view page, Duration timeout = kTimeout);
StagehandRequest invoke_tool(std::string_view page, std::string_view frame, std::string_view tool,
                             const json::object& input);
StagehandRequest tool_result(std::string_view page, std::string_view invocation,
                             Duration timeout = kTimeout);
StagehandRequest cancel_tool(std::string_view page, std::string_view invocation);

// ---- locator

struct Locator {
  std::string page;
  std::string selector;  ///< CSS, `xpath=…`, `text=…`; ` >> ` goes into frames.
  int nth = 0;           ///< From 0.
  Duration timeout = std::chrono::seconds(20);
};
struct File {
  std::string name, media_type, bytes;
};
StagehandRequest click(const Locator& at, const Press& press = {});
/// The event alone, without a mouse.
StagehandRequest send_click(const Locator& at);
StagehandRequest fill(const Locator& at, std::string_view value);
StagehandRequest type(const Locator& at, std::string_view text, Duration delay = {});
StagehandRequest hover(const Locator& at);
StagehandRequest select_options(const Locator& at, const std::vector<std::string>& values);
/// At most 50 MiB together.
StagehandRequest set_files(const Locator& at, const std::vector<File>& files);
/// `percent`: `50%`.
StagehandRequest scroll_to(const Locator& at, std::string_view percent);
StagehandRequest highlight(const Locator& at, Duration time);
StagehandRequest count(const Locator& at);
StagehandRequest is_checked(const Locator& at);
StagehandRequest is_visible(const Locator& at);
StagehandRequest input_value(const Locator& at);
StagehandRequest inner_text(const Locator& at);
StagehandRequest inner_html(const Locator& at);
StagehandRequest text_content(const Locator& at);
StagehandRequest centroid(const Locator& at);

// ---- response: `id` is that of a navigation's answer

StagehandRequest response_body(std::string_view id);
StagehandRequest response_headers(std::string_view id);
StagehandRequest response_header_list(std::string_view id);
StagehandRequest response_security(std::string_view id);
StagehandRequest response_address(std::string_view id);
StagehandRequest response_finished(std::string_view id);

}  // namespace troupe::services::stagehand
