#include "services/stagehand_requests.h"

#include <gmock/gmock.h>

#include "services/stagehand_runtime.h"
#include "services/testing_stagehand_runtime.h"

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

std::vector<StagehandRequest> about_pages() {
  namespace s = stagehand;
  const s::Load load{.until = cdp::WaitUntil::networkidle, .timeout = seconds(3)};
  const s::Drag route{.steps = 3, .delay = milliseconds(5), .route = {{1, 2}, {3, 4}}};
  s::Picture clipped{.type = "jpeg", .quality = 80, .mask = {"#ad"}};
  clipped.clip = {{0, 0, 10, 20}};
  return {s::go_to("P", "https://shop.example/", load),
          s::reload("P", load, true),
          s::go_back("P", load),
          s::go_forward("P", load),
          s::url("P"),
          s::title("P"),
          s::close_page("P"),
          s::click_at("P", {1, 2}, {.button = "right", .count = 2}),
          s::hover_at("P", {1, 2}),
          s::scroll_at("P", {1, 2}, {0, 300}),
          s::drag("P", {1, 2}, {3, 4}, route),
          s::drag("P", {1, 2}, {3, 4}),
          s::type_text("P", "jazz", milliseconds(10), true),
          s::press_key("P", "Enter"),
          s::evaluate("P", "1+1"),
          s::page_init_script("P", "window.a=1"),
          s::page_headers("P", {{"X-A", "b"}}),
          s::viewport("P", 800, 600, 2),
          s::screenshot("P", clipped),
          s::screenshot("P", {.full_page = true}),
          s::pdf("P", {.landscape = true, .ranges = "1-2"}),
          s::snapshot("P", false, seconds(2)),
          s::wait_load("P", load),
          s::wait_time("P", milliseconds(20)),
          s::wait_selector("P", "#go", "hidden", seconds(2)),
          s::wait_function("P", "window.ready"),
          s::listen("P", "mine", "console"),
          s::unlisten("mine"),
          s::tools("P"),
          s::invoke_tool("P", "F", "order", {{"count", 2}}),
          s::tool_result("P", "I"),
          s::cancel_tool("P", "I")};
}

std::vector<StagehandRequest> about_the_rest() {
  namespace s = stagehand;
  s::Scope scope{.timeout = seconds(3), .locator = "main", .ignore_locators = {"nav", "#ad"}};
  scope.screenshot = true;
  s::Scope with_variables{.variables = {{"name", "Ada"}}};
  const StagehandAction action{
      .selector = "#go", .description = "Go", .method = "click", .arguments = {"right"}};
  const json::object schema{{"type", "object"}};
  const json::object cookie{{"name", "a"}, {"value", "b"}, {"url", "https://shop.example/"}};
  s::CookieFilter filter;
  filter.name = s::CookieMatch{.text = "^a", .pattern = true};
  filter.domain = s::CookieMatch{.text = "shop.example"};
  return {stagehand_init_request("ws://127.0.0.1:9/devtools/browser/b", "off"),
          s::act("P", "click Go", with_variables),
          s::act("P", action, {}),
          s::observe("P", "", {}),
          s::observe("P", "the buttons", with_variables),
          s::extract("P", "the price", schema, scope),
          s::extract("P", "the price", {}, {}),
          s::metrics(),
          s::callback_batch("async () => 1", json::object{{"a", 1}}, "P"),
          s::callback_batch("async () => 1", nullptr, ""),
          s::pages(),
          s::active_page(),
          s::new_page(),
          s::new_page("https://shop.example/"),
          s::set_active_page("P"),
          s::context_init_script("window.a=1"),
          s::context_headers({{"X-A", "b"}}),
          s::domain_policy(),
          s::set_domain_policy(s::DomainPolicy{.allowed = {"shop.example"}, .blocked = {}}),
          s::set_domain_policy({}),
          s::cookies(),
          s::cookies({"https://shop.example/"}),
          s::add_cookies({cookie}),
          s::clear_cookies(),
          s::clear_cookies(filter),
          s::clipboard_text("P"),
          s::set_clipboard_text("jazz"),
          s::clear_clipboard(),
          s::paste("P"),
          s::copy(),
          s::cut(),
          s::response_body("R"),
          s::response_headers("R"),
          s::response_header_list("R"),
          s::response_security("R"),
          s::response_address("R"),
          s::response_finished("R")};
}

std::vector<StagehandRequest> about_elements() {
  namespace s = stagehand;
  const s::Locator at{.page = "P", .selector = "#go", .nth = 1, .timeout = seconds(2)};
  return {s::click(at, {.count = 2}),
          s::send_click(at),
          s::fill(at, "jazz"),
          s::type(at, "jazz", milliseconds(5)),
          s::hover(at),
          s::select_options(at, {"a", "b"}),
          s::set_files(at, {{.name = "a.txt", .media_type = "text/plain", .bytes = "abc"}}),
          s::scroll_to(at, "50%"),
          s::highlight(at, milliseconds(100)),
          s::count(at),
          s::is_checked(at),
          s::is_visible(at),
          s::input_value(at),
          s::inner_text(at),
          s::inner_html(at),
          s::text_content(at),
          s::centroid(at)};
}

TEST(StagehandRequests, AreAsTheProtocolSaysAndCoverIt) {
  const StagehandContract contract;
  std::set<std::string> missing;
  for (const std::string& method : contract.methods()) missing.insert(method);
  // These are asked of us; and the last one is how a runtime is closed.
  for (const char* other : {"llm.generate", "browserbase.request", "stagehand.close"})
    missing.erase(other);
  for (const auto& requests : {about_pages(), about_the_rest(), about_elements()})
    for (const StagehandRequest& request : requests) {
      EXPECT_EQ(contract.problem(request.method, "params", request.params), "");
      missing.erase(request.method);
    }
  EXPECT_THAT(missing, IsEmpty());
}

TEST(StagehandRequests, AreRefusedByTheContractWhenTheyAreNotAsItSays) {
  const StagehandContract contract;
  StagehandRequest request = stagehand::go_to("P", "https://shop.example/", {});
  request.params["waitUntil"] = "load";
  EXPECT_NE(contract.problem(request.method, "params", request.params), "");
  request = stagehand::fill({.page = "P", .selector = "#go"}, "x");
  request.params.erase("value");
  EXPECT_NE(contract.problem(request.method, "params", request.params), "");
}

TEST(StagehandRequests, AlwaysLimitWhatCouldHang) {
  const StagehandAction action{.selector = "#go", .description = "Go"};
  for (const StagehandRequest& request :
       {stagehand::act("P", "click Go", {}), stagehand::act("P", action, {}),
        stagehand::observe("P", "", {}), stagehand::extract("P", "x", {}, {})})
    EXPECT_EQ(request.params.at("options").at("timeout").as_int64(), 30'000) << request.method;
}

}  // namespace
}  // namespace troupe::services
