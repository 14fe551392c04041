#include "services/stagehand_requests.h"

#include <algorithm>

#include "base/digest.h"

namespace troupe::services::stagehand {
namespace {

std::int64_t ms_of(Duration duration, std::int64_t least = 1) {
  return std::max<std::int64_t>(
      least, std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

StagehandRequest make(std::string_view method, json::object params = {}) {
  return {.method = std::string(method), .params = std::move(params)};
}

StagehandRequest of_page(std::string_view method, std::string_view page, json::object more = {}) {
  more["page_id"] = page;
  return make(method, std::move(more));
}

StagehandRequest of_some_page(std::string_view method, std::string_view page,
                              json::object more = {}) {
  if (!page.empty()) more["page_id"] = page;
  return make(method, std::move(more));
}

json::array texts(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& one : list) out.push_back(json::string(one));
  return out;
}

json::object options_of(const Scope& scope, bool with_variables) {
  json::object out{{"timeout", ms_of(scope.timeout)}};
  if (!scope.locator.empty()) out["locator"] = json::object{{"selector", scope.locator}};
  json::array ignored;
  for (const std::string& selector : scope.ignore_locators)
    ignored.push_back({{"selector", selector}});
  if (!ignored.empty()) out["ignore_locators"] = std::move(ignored);
  if (with_variables && !scope.variables.empty()) out["variables"] = scope.variables;
  return out;
}

std::string_view name_of(cdp::WaitUntil until) {
  if (until == cdp::WaitUntil::load) return "load";
  return until == cdp::WaitUntil::networkidle ? "networkidle" : "domcontentloaded";
}

json::object options_of(const Load& load) {
  return {{"wait_until", name_of(load.until)}, {"timeout", ms_of(load.timeout)}};
}

json::value match_of(const CookieMatch& match) {
  if (!match.pattern) return json::string(match.text);
  return json::object{{"source", match.text}};
}

// `more` goes into the options, beside the timeout.
StagehandRequest of_locator(std::string_view method, const Locator& at, json::object params = {},
                            json::object more = {}) {
  more["timeout"] = ms_of(at.timeout, 0);
  params["page_id"] = at.page;
  params["selector"] = at.selector;
  if (at.nth > 0) params["nth"] = at.nth;
  params["options"] = std::move(more);
  return make(method, std::move(params));
}

json::object options_of(const Press& press) {
  return {{"button", press.button}, {"click_count", press.count}};
}

}  // namespace

StagehandRequest act(std::string_view page, std::string_view instruction, const Scope& scope) {
  return of_page("stagehand.act", page,
                 {{"instruction", instruction}, {"options", options_of(scope, true)}});
}

StagehandRequest act(std::string_view page, const StagehandAction& action, const Scope& scope) {
  json::object what{{"selector", action.selector}, {"description", action.description}};
  if (!action.method.empty()) {
    what["method"] = action.method;
    what["arguments"] = texts(action.arguments);
  }
  return of_page("stagehand.act", page,
                 {{"instruction", std::move(what)}, {"options", options_of(scope, true)}});
}

StagehandRequest observe(std::string_view page, std::string_view instruction, const Scope& scope) {
  json::object params{{"options", options_of(scope, true)}};
  if (!instruction.empty()) params["instruction"] = instruction;
  return of_page("stagehand.observe", page, std::move(params));
}

StagehandRequest extract(std::string_view page, std::string_view instruction, json::object schema,
                         const Scope& scope) {
  json::object options = options_of(scope, false);
  if (scope.screenshot) options["screenshot"] = true;
  json::object params{{"instruction", instruction}, {"options", std::move(options)}};
  if (!schema.empty()) params["schema"] = std::move(schema);
  return of_page("stagehand.extract", page, std::move(params));
}

StagehandRequest metrics() { return make("stagehand.metrics"); }

StagehandRequest callback_batch(std::string_view source, const json::value& input,
                                std::string_view page, Duration timeout) {
  json::object options{{"timeout", ms_of(timeout)}};
  if (!page.empty()) options["page_id"] = page;
  json::object params{{"callback_source", source}, {"options", std::move(options)}};
  if (!input.is_null()) params["input"] = input;
  return make("stagehand.callback_batch", std::move(params));
}

StagehandRequest pages() { return make("context.pages"); }
StagehandRequest active_page() { return make("context.active_page"); }
StagehandRequest new_page(std::string_view url) {
  json::object params;
  if (!url.empty()) params["url"] = url;
  return make("context.new_page", std::move(params));
}
StagehandRequest set_active_page(std::string_view page) {
  return of_page("context.set_active_page", page);
}
StagehandRequest context_init_script(std::string_view source) {
  return make("context.add_init_script", {{"source", source}});
}
StagehandRequest context_headers(const json::object& headers) {
  return make("context.set_extra_http_headers", {{"headers", headers}});
}
StagehandRequest domain_policy() { return make("context.get_domain_policy"); }

StagehandRequest set_domain_policy(const std::optional<DomainPolicy>& policy) {
  json::value value;
  if (policy) {
    json::object lists;
    if (!policy->allowed.empty()) lists["allowed_domains"] = texts(policy->allowed);
    if (!policy->blocked.empty()) lists["blocked_domains"] = texts(policy->blocked);
    value = std::move(lists);
  }
  return make("context.set_domain_policy", {{"policy", std::move(value)}});
}

StagehandRequest cookies(const std::vector<std::string>& urls) {
  json::object params;
  if (!urls.empty()) params["urls"] = texts(urls);
  return make("context.cookies", std::move(params));
}
StagehandRequest add_cookies(const json::array& cookies) {
  return make("context.add_cookies", {{"cookies", cookies}});
}
StagehandRequest clear_cookies(const CookieFilter& filter) {
  json::object options;
  if (filter.name) options["name"] = match_of(*filter.name);
  if (filter.domain) options["domain"] = match_of(*filter.domain);
  if (filter.path) options["path"] = match_of(*filter.path);
  json::object params;
  if (!options.empty()) params["options"] = std::move(options);
  return make("context.clear_cookies", std::move(params));
}

StagehandRequest clipboard_text(std::string_view page) {
  return of_some_page("context.clipboard_read_text", page);
}
StagehandRequest set_clipboard_text(std::string_view text, std::string_view page) {
  return of_some_page("context.clipboard_write_text", page, {{"text", text}});
}
StagehandRequest clear_clipboard(std::string_view page) {
  return of_some_page("context.clipboard_clear", page);
}
StagehandRequest paste(std::string_view page) {
  return of_some_page("context.clipboard_paste", page);
}
StagehandRequest copy(std::string_view page) {
  return of_some_page("context.clipboard_copy", page);
}
StagehandRequest cut(std::string_view page) { return of_some_page("context.clipboard_cut", page); }

StagehandRequest go_to(std::string_view page, std::string_view url, const Load& load) {
  return of_page("page.goto", page, {{"url", url}, {"options", options_of(load)}});
}
StagehandRequest reload(std::string_view page, const Load& load, bool ignore_cache) {
  json::object options = options_of(load);
  if (ignore_cache) options["ignore_cache"] = true;
  return of_page("page.reload", page, {{"options", std::move(options)}});
}
StagehandRequest go_back(std::string_view page, const Load& load) {
  return of_page("page.go_back", page, {{"options", options_of(load)}});
}
StagehandRequest go_forward(std::string_view page, const Load& load) {
  return of_page("page.go_forward", page, {{"options", options_of(load)}});
}
StagehandRequest url(std::string_view page) { return of_page("page.url", page); }
StagehandRequest title(std::string_view page) { return of_page("page.title", page); }
StagehandRequest close_page(std::string_view page) { return of_page("page.close", page); }

StagehandRequest click_at(std::string_view page, Point at, const Press& press) {
  return of_page("page.click", page, {{"x", at.x}, {"y", at.y}, {"options", options_of(press)}});
}
StagehandRequest hover_at(std::string_view page, Point at) {
  return of_page("page.hover", page, {{"x", at.x}, {"y", at.y}});
}
StagehandRequest scroll_at(std::string_view page, Point at, Point by) {
  return of_page("page.scroll", page,
                 {{"x", at.x}, {"y", at.y}, {"delta_x", by.x}, {"delta_y", by.y}});
}
StagehandRequest drag(std::string_view page, Point from, Point to, const Drag& how) {
  json::array route;
  for (const Point& point : how.route) route.push_back({{"x", point.x}, {"y", point.y}});
  json::object options{
      {"button", how.button}, {"steps", how.steps}, {"delay", ms_of(how.delay, 0)}};
  if (!route.empty()) options["route"] = std::move(route);
  return of_page("page.drag_and_drop", page,
                 {{"from_x", from.x},
                  {"from_y", from.y},
                  {"to_x", to.x},
                  {"to_y", to.y},
                  {"options", std::move(options)}});
}
StagehandRequest type_text(std::string_view page, std::string_view text, Duration delay,
                           bool with_mistakes) {
  const json::object options{{"delay", ms_of(delay, 0)}, {"with_mistakes", with_mistakes}};
  return of_page("page.type", page, {{"text", text}, {"options", options}});
}
StagehandRequest press_key(std::string_view page, std::string_view key, Duration delay) {
  const json::object options{{"delay", ms_of(delay, 0)}};
  return of_page("page.key_press", page, {{"key", key}, {"options", options}});
}
StagehandRequest evaluate(std::string_view page, std::string_view expression) {
  return of_page("page.evaluate", page, {{"expression", expression}});
}
StagehandRequest page_init_script(std::string_view page, std::string_view source) {
  return of_page("page.add_init_script", page, {{"source", source}});
}
StagehandRequest page_headers(std::string_view page, const json::object& headers) {
  return of_page("page.set_extra_http_headers", page, {{"headers", headers}});
}
StagehandRequest viewport(std::string_view page, int width, int height, double scale) {
  const json::object options{{"device_scale_factor", scale}};
  return of_page("page.set_viewport_size", page,
                 {{"width", width}, {"height", height}, {"options", options}});
}

StagehandRequest screenshot(std::string_view page, const Picture& picture) {
  json::object options{{"type", picture.type}, {"timeout", ms_of(picture.timeout, 0)}};
  if (picture.quality) options["quality"] = *picture.quality;
  if (picture.full_page) options["full_page"] = true;
  if (picture.clip) {
    const auto& [x, y, width, height] = *picture.clip;
    options["clip"] = json::object{{"x", x}, {"y", y}, {"width", width}, {"height", height}};
  }
  json::array mask;
  for (const std::string& selector : picture.mask)
    mask.push_back({{"page_id", page}, {"selector", selector}});
  if (!mask.empty()) options["mask"] = std::move(mask);
  return of_page("page.screenshot", page, {{"options", std::move(options)}});
}
StagehandRequest pdf(std::string_view page, const Paper& paper) {
  json::object options{{"landscape", paper.landscape},
                       {"print_background", paper.background},
                       {"scale", paper.scale},
                       {"timeout", ms_of(paper.timeout, 0)}};
  if (!paper.ranges.empty()) options["page_ranges"] = paper.ranges;
  return of_page("page.pdf", page, {{"options", std::move(options)}});
}
StagehandRequest snapshot(std::string_view page, bool frames, Duration timeout) {
  const json::object options{{"timeout", ms_of(timeout, 0)}, {"include_iframes", frames}};
  return of_page("page.snapshot", page, {{"options", options}});
}

StagehandRequest wait_load(std::string_view page, const Load& load) {
  return of_page("page.wait_for_load_state", page,
                 {{"state", name_of(load.until)}, {"timeout", ms_of(load.timeout, 0)}});
}
StagehandRequest wait_time(std::string_view page, Duration time) {
  return of_page("page.wait_for_timeout", page, {{"ms", ms_of(time, 0)}});
}
StagehandRequest wait_selector(std::string_view page, std::string_view selector,
                               std::string_view state, Duration timeout) {
  const json::object options{{"state", state}, {"timeout", ms_of(timeout, 0)}};
  return of_page("page.wait_for_selector", page, {{"selector", selector}, {"options", options}});
}
StagehandRequest wait_function(std::string_view page, std::string_view expression,
                               Duration timeout) {
  const json::object options{{"polling", "raf"}, {"timeout", ms_of(timeout, 0)}};
  return of_page("page.wait_for_function", page,
                 {{"expression", expression}, {"options", options}});
}
StagehandRequest listen(std::string_view page, std::string_view name, std::string_view event) {
  return of_page("page.on", page, {{"subscription_id", name}, {"event", event}});
}
StagehandRequest unlisten(std::string_view name) {
  return make("page.off", {{"subscription_id", name}});
}

StagehandRequest tools(std::string_view page, Duration timeout) {
  const json::object options{{"timeout", ms_of(timeout, 0)}};
  return of_page("page.webmcp_tools", page, {{"options", options}});
}
StagehandRequest invoke_tool(std::string_view page, std::string_view frame, std::string_view tool,
                             const json::object& input) {
  return of_page("page.webmcp_invoke_tool", page,
                 {{"frame_id", frame}, {"tool_name", tool}, {"input", input}});
}
StagehandRequest tool_result(std::string_view page, std::string_view invocation, Duration timeout) {
  const json::object options{{"timeout", ms_of(timeout, 0)}};
  return of_page("page.webmcp_invocation_result", page,
                 {{"invocation_id", invocation}, {"options", options}});
}
StagehandRequest cancel_tool(std::string_view page, std::string_view invocation) {
  return of_page("page.webmcp_cancel_invocation", page, {{"invocation_id", invocation}});
}

StagehandRequest click(const Locator& at, const Press& press) {
  return of_locator("locator.click", at, {}, options_of(press));
}
StagehandRequest send_click(const Locator& at) {
  return of_locator("locator.send_click_event", at);
}
StagehandRequest fill(const Locator& at, std::string_view value) {
  return of_locator("locator.fill", at, {{"value", value}});
}
StagehandRequest type(const Locator& at, std::string_view text, Duration delay) {
  return of_locator("locator.type", at, {{"text", text}}, {{"delay", ms_of(delay, 0)}});
}
StagehandRequest hover(const Locator& at) { return of_locator("locator.hover", at); }
StagehandRequest select_options(const Locator& at, const std::vector<std::string>& values) {
  return of_locator("locator.select_option", at, {{"values", texts(values)}});
}
StagehandRequest set_files(const Locator& at, const std::vector<File>& files) {
  json::array list;
  for (const File& file : files) {
    json::object row{{"name", file.name}, {"data", to_base64(file.bytes)}};
    if (!file.media_type.empty()) row["mime_type"] = file.media_type;
    list.push_back(std::move(row));
  }
  return of_locator("locator.set_input_files", at, {{"files", std::move(list)}});
}
StagehandRequest scroll_to(const Locator& at, std::string_view percent) {
  return of_locator("locator.scroll_to", at, {{"percent", percent}});
}
StagehandRequest highlight(const Locator& at, Duration time) {
  return of_locator("locator.highlight", at, {}, {{"duration_ms", ms_of(time, 0)}});
}
StagehandRequest count(const Locator& at) { return of_locator("locator.count", at); }
StagehandRequest is_checked(const Locator& at) { return of_locator("locator.is_checked", at); }
StagehandRequest is_visible(const Locator& at) { return of_locator("locator.is_visible", at); }
StagehandRequest input_value(const Locator& at) { return of_locator("locator.input_value", at); }
StagehandRequest inner_text(const Locator& at) { return of_locator("locator.inner_text", at); }
StagehandRequest inner_html(const Locator& at) { return of_locator("locator.inner_html", at); }
StagehandRequest text_content(const Locator& at) { return of_locator("locator.text_content", at); }
StagehandRequest centroid(const Locator& at) { return of_locator("locator.centroid", at); }

StagehandRequest response_body(std::string_view id) {
  return make("response.body", {{"response_id", id}});
}
StagehandRequest response_headers(std::string_view id) {
  return make("response.all_headers", {{"response_id", id}});
}
StagehandRequest response_header_list(std::string_view id) {
  return make("response.headers_array", {{"response_id", id}});
}
StagehandRequest response_security(std::string_view id) {
  return make("response.security_details", {{"response_id", id}});
}
StagehandRequest response_address(std::string_view id) {
  return make("response.server_addr", {{"response_id", id}});
}
StagehandRequest response_finished(std::string_view id) {
  return make("response.finished", {{"response_id", id}});
}

}  // namespace troupe::services::stagehand
