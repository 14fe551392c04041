// Extraction, files and navigation of the native interactor, in a real browser.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

class NativeData : public NativeInteractorFixture {};

TEST_F(NativeData, ExtractsBySelector) {
  page(
      "<ul><li class=v><a href=/1>One</a> <b>1.2K views</b> <i>4:14</i></li>"
      "<li class=v><a href=/2>Two</a> <b>39 views</b> <i>LIVE</i></li></ul>");

  const auto result = act("extract", R"({"items": "li.v", "fields": {"title": {"selector": "a"},
      "url": {"selector": "a", "type": "url"}, "views": {"selector": "b", "type": "count"},
      "duration": {"selector": "i", "type": "duration"}}})");

  ASSERT_TRUE(result) << result.error().describe();
  const std::string base = world_->url("");
  EXPECT_EQ(json::serialize(result->output),
            R"([{"title":"One","url":")" + base + R"(/1","views":1200,"duration":254},)" +
                R"({"title":"Two","url":")" + base + R"(/2","views":39,"duration":null}])");
}

TEST_F(NativeData, ExtractsByLabelWithoutSelectors) {
  page(
      "<h1>Metropolis</h1><dl><dt>Year<dd>1927</dl><table><tr><th>Director<td>Fritz Lang</table>"
      "<p>Length: 2:33:00</p><label>Seats <input value=42></label>");

  const auto result = act("extract", R"({"fields": {"title": "string", "year": "integer",
      "director": "string", "length": "duration", "seats": "integer"}})");

  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_EQ(
      json::serialize(result->output),
      R"({"title":"Metropolis","year":1927,"director":"Fritz Lang","length":9180,"seats":42})");
}

TEST_F(NativeData, ExtractsTablesAndRepeatedCards) {
  page(
      "<table><thead><tr><th>Product "
      "Name<th>Price<tbody><tr><td>Pen<td>$1.50<tr><td>Ink<td>$12</table>"
      "<div><article><h3>A</h3><span class=author><i aria-hidden=true>XX</i> "
      "X</span></article><article><h3>B</h3>"
      "<span class=author>Y</span></article><article><h3>C</h3><span "
      "class=author>Z</span></article></div>");

  const auto table =
      act("extract", R"({"list": true, "fields": {"product_name": "string", "price": "price"}})");
  const auto cards = act(
      "extract", R"({"list": true, "min": 3, "fields": {"title": "string", "author": "string"}})");

  ASSERT_TRUE(table) << table.error().describe();
  EXPECT_EQ(json::serialize(table->output),
            R"([{"product_name":"Pen","price":1.5E0},{"product_name":"Ink","price":1.2E1}])");
  ASSERT_TRUE(cards) << cards.error().describe();
  EXPECT_EQ(
      json::serialize(cards->output),
      R"([{"title":"A","author":"X"},{"title":"B","author":"Y"},{"title":"C","author":"Z"}])");
}

TEST_F(NativeData, ExtractionNamesWhatIsMissing) {
  page("<p>nothing</p>");

  const auto few = act("extract", R"({"items": ".x", "min": 2, "fields": {"a": "string"}})",
                       std::chrono::milliseconds(1500));
  const auto wrong = act("extract", R"({"fields": {"a": {"selector": "p", "type": "integer"}}})");
  const auto selector = act("extract", R"({"items": "li[", "fields": {"a": "string"}})");

  EXPECT_EQ(few.error().message, "extract: 0 items found, min is 2");
  EXPECT_EQ(wrong.error().message, "field a: \"nothing\" is no integer");
  EXPECT_EQ(outcome(selector), "invalid_argument");
}

TEST_F(NativeData, ObservesWithSelectorsThatWorkAgain) {
  page(
      "<button data-testid=go onclick='window.c=1'>Go</button><input aria-label=Name><a "
      "href=/x>X</a>");

  const auto all = act("observe", "{}");

  ASSERT_TRUE(all) << all.error().describe();
  ASSERT_EQ(all->output.get_array().size(), 3u);
  EXPECT_EQ(all->output.at(0).at("selector"), json::value("test_id=\"go\""));
  EXPECT_EQ(all->output.at(1).at("kind"), json::value("fill"));
  EXPECT_EQ(all->output.at(2).at("selector"), json::value("role=link[name=\"X\"]"));
}

TEST_F(NativeData, ObservesFirstWhatActWouldTakeAndEachCanBeDoneAgain) {
  page(R"(<button onclick="out.textContent+='d'">Save draft</button>
    <ul><li>Anna <button onclick="out.textContent+='a'">Remove</button>
    <li>Bob <button onclick="out.textContent+='b'">Remove</button></ul>
    <label>Town <input></label><input placeholder="Zip code"><input type=password aria-label=Pin
    value=hunter2><button onclick="out.textContent+='s'">Save</button><p id=out></p>)");
  const auto top = [&](const char* instruction) {
    const auto seen = act("observe", json::object{{"instruction", instruction}});
    return seen ? seen->output.at(0).as_object() : json::object{{"selector", "none"}};
  };
  const auto selector = [](const json::object& row) {
    return std::string(find_string(row, "selector").value_or(""));
  };

  EXPECT_EQ(selector(top("click Save")), R"(role=button[name="Save"])");
  EXPECT_EQ(selector(top("type Bonn into Town")), R"(role=textbox[name="Town"])");
  EXPECT_EQ(top("type Bonn into Town").at("kind"), json::value("fill"));
  EXPECT_EQ(selector(top("zip")), R"(role=textbox[name="Zip code"])");
  const json::object bob = top("click Remove in the row of Bob");
  EXPECT_EQ(bob.at("region"), json::value("Bob Remove"));
  EXPECT_EQ(outcome(act("click", json::object{{"selector", selector(bob)}})), "ok: dom");
  EXPECT_EQ(outcome(act("click", json::object{{"selector", selector(top("click Save"))}})),
            "ok: dom");
  EXPECT_EQ(value("out.textContent"), "\"bs\"");
  const auto all = act("observe", "{}");
  EXPECT_EQ(json::serialize(all->output).find("hunter2"), std::string::npos);
}

TEST_F(NativeData, DownloadsByClickAndByUrl) {
  page("<a href=/file.bin>Get it</a>");

  const auto clicked = act("download", R"({"text": "Get it"})");
  const auto direct =
      act("download", json::object{{"url", world_->url("/file.bin")}, {"name", "../x.bin"}});
  const auto large = act("download", R"({"text": "Get it", "bytes_max": 10})");

  ASSERT_TRUE(clicked) << clicked.error().describe();
  EXPECT_EQ(clicked->output.at("bytes"), json::value(1000));
  EXPECT_TRUE(std::string(clicked->output.at("path").as_string()).ends_with("artifacts/data.bin"));
  EXPECT_EQ(direct->output.at("name"), json::value("x.bin"));
  EXPECT_EQ(outcome(large), "payload_too_large");
}

TEST_F(NativeData, UploadsFiles) {
  page("<label for=f>Photo</label><input id=f type=file style='display:none'>");
  const std::string path = world_->dir + "/up.txt";
  std::ofstream(path) << "hello";

  EXPECT_EQ(outcome(act("upload", json::object{{"label", "Photo"}, {"files", path}})), "ok: value");
  EXPECT_EQ(value("f.files[0].text()"), "\"hello\"");
  EXPECT_EQ(outcome(act("upload", R"({"label": "Photo", "files": "/no/such"})")), "not_found");
}

TEST_F(NativeData, SavesPictures) {
  page(
      "<style>*{margin:0}#p{width:50px;height:20px;background:red}body{height:2000px}</style><div "
      "id=p></div>");

  const auto view = act("screenshot", R"({"name": "view"})");
  const auto part = act("screenshot", R"({"name": "part", "selector": "#p"})");
  const auto whole = act("screenshot", R"({"name": "whole", "full_page": true})");

  ASSERT_TRUE(view) << view.error().describe();
  EXPECT_EQ(view->output.at("height"), json::value(720));
  EXPECT_EQ(part->output.at("width"), json::value(50));
  EXPECT_EQ(part->output.at("height"), json::value(20));
  EXPECT_EQ(whole->output.at("height"), json::value(2000));
}

TEST_F(NativeData, TellsNavigationFailures) {
  const auto refused = act("goto", R"({"url": "http://127.0.0.1:1/"})");
  const auto unknown = act("goto", R"({"url": "http://no.such.host.invalid/"})");
  const auto broken = act("goto", json::object{{"url", world_->url("/broken")}});
  const auto allowed = act(
      "goto", json::object{{"url", world_->url("/broken")}, {"allow_status", json::array{500}}});
  const auto relative = act("goto", R"({"url": "nothing"})");

  EXPECT_NE(outcome(refused).substr(0, 2), "ok");
  EXPECT_EQ(outcome(unknown), "dns_error");
  EXPECT_EQ(outcome(broken), "http_error");
  EXPECT_EQ(outcome(allowed), "ok: url");
  EXPECT_EQ(outcome(relative), "http_error");  // resolved against the page: a 404
}

TEST_F(NativeData, ARefusedPortIsANetworkErrorOnTheFirstGoto) {
  const std::string gone =
      "http://127.0.0.1:" + std::to_string(world_->server->port() == 40001 ? 40002 : 40001);

  EXPECT_EQ(outcome(act("goto", json::object{{"url", gone}})), "network_error");
}

TEST_F(NativeData, SaysThatAHungPageDoesNotAnswer) {
  page("<button onclick='for(;;);'>Hang</button>");
  (void)act("click", R"({"selector": "button"})", std::chrono::milliseconds(500));

  const auto result = act("click", R"({"selector": "button"})", std::chrono::milliseconds(500));

  EXPECT_EQ(outcome(result), "timeout");
  EXPECT_EQ(result.error().hint, "the page's main thread does not answer");
}

TEST_F(NativeData, WorksInATabThatIsNotInFront) {
  page("<input id=i><button onclick='window.c=1'>Go</button>");
  auto first = std::move(tab_);
  const auto first_session = std::move(session_);
  world_->run([this](Context& ctx) { return open(ctx, this); });
  page("<input id=other autofocus>");
  tab_.swap(first);

  EXPECT_EQ(outcome(act("fill", R"({"selector": "#i", "value": "x"})")), "ok: value");
  EXPECT_EQ(outcome(act("press", R"({"selector": "#i", "key": "y"})")), "ok: value");
  EXPECT_EQ(outcome(act("click", R"({"selector": "button"})")), "ok: focus");
  EXPECT_EQ(value("[i.value,window.c]"), R"(["xy",1])");
  world_->run([this](Context& ctx) { return close(ctx, this); });
  tab_.swap(first);
}

// The browser does nearly all the work of a session: each command costs.
TEST_F(NativeData, SendsFewCommands) {
  const auto commands = [] { return world_->chromium->connection().counters().commands; };
  const auto cost = [&](const char* kind, const char* args) {
    const auto before = commands();
    EXPECT_EQ(outcome(act(kind, args)).substr(0, 2), "ok") << kind;
    return commands() - before;
  };
  const auto start = commands();
  page("<input id=i><button id=b>Go</button>");

  // Create and attach the target, enable, wait; one more when it is asked before the page is there.
  EXPECT_LE(commands() - start, 5u);
  EXPECT_EQ(cost("fill", R"({"selector": "#i", "value": "x"})"), 4u) << "world, find, type, check";
  EXPECT_EQ(cost("click", R"({"selector": "#b"})"), 5u) << "find, move, press, release, check";
  EXPECT_EQ(cost("extract", R"({"fields": {"b": {"selector": "#b"}}})"), 1u);
  EXPECT_EQ(cost("act", R"({"instruction": "click Go"})"), 6u) << "snapshot, and a click";
}

TEST_F(NativeData, WaitsForConditions) {
  page(
      "<p "
      "id=p>a</p><script>setTimeout(()=>{window.ready=1;location.hash='done';p.remove()},200)</"
      "script>");

  EXPECT_EQ(outcome(act("wait_for", R"({"expression": "window.ready"})")), "ok: nothing");
  EXPECT_EQ(outcome(act("wait_for", R"({"url": "#done"})")), "ok: nothing");
  EXPECT_EQ(outcome(act("wait_for", R"({"selector": "#p", "state": "detached"})")), "ok: nothing");
  const auto never = act("wait_for", R"({"selector": "#never"})", std::chrono::milliseconds(400));
  EXPECT_EQ(outcome(never), "target_not_found");
}

}  // namespace
}  // namespace troupe::interact
