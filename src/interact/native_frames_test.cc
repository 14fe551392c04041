// Frames of another origin, in a real browser: the main document's script cannot enter them.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

class NativeFrames : public NativeInteractorFixture {
 protected:
  /// A page of one origin with a frame of another, which tells its events by postMessage.
  void framed(const std::string& inner, const std::string& outer = "",
              const std::string& attributes = "style='margin:60px;border:7px solid;padding:5px'") {
    world_->pages.html["/inner"] =
        "<script>const tell=(w)=>parent.postMessage(w,'*')</script>" + inner;
    page("<script>window.got=[];onmessage=e=>got.push(e.data)</script>" + outer + "<iframe src='" +
         world_->other_url("/inner") + "' " + attributes + "></iframe>");
  }
};

TEST_F(NativeFrames, ClicksFillsAndSelectsInside) {
  framed(
      "<button onclick='tell(event.isTrusted)'>Pay</button><input placeholder=Card "
      "oninput='tell(value)'>"
      "<select onchange='tell(value)'><option>Red<option>Blue</select>",
      "<button>Other</button>");

  EXPECT_EQ(act("click", R"({"role": "button", "name": "Pay"})")->detail, "clicked button \"Pay\"");
  EXPECT_EQ(outcome(act("fill", R"({"placeholder": "Card", "value": "4111"})")), "ok: value");
  EXPECT_EQ(outcome(act("select", R"({"selector": "select", "value": "Blue"})")), "ok: value");
  EXPECT_EQ(value("got"), R"([true,"4111","Blue"])");
}

TEST_F(NativeFrames, PrefersTheMainDocument) {
  framed("<button onclick='tell(1)'>Go</button>", "<button onclick='got.push(2)'>Go</button>");

  EXPECT_EQ(outcome(act("click", R"({"role": "button", "name": "Go"})")), "ok: focus");
  EXPECT_EQ(value("got"), "[2]");
}

TEST_F(NativeFrames, CostCommandsOnlyWhereTheTargetIsInsideOne) {
  framed("<button onclick='tell(1)'>Pay</button>", "<button>Go</button>");
  const auto commands = [&](const char* text) {
    const auto before = world_->chromium->connection().counters().commands;
    EXPECT_TRUE(act("click", json::object{{"text", text}}));
    return world_->chromium->connection().counters().commands - before;
  };
  (void)commands("Go");
  const auto plain = commands("Go");
  const auto first = commands("Pay");
  const auto second = commands("Pay");

  EXPECT_EQ(plain, 5u);
  EXPECT_LE(first, 16u);
  EXPECT_EQ(second, 8u);
}

TEST_F(NativeFrames, ScrollsTheFrameAndItsContentIntoView) {
  framed("<p style='height:3000px'></p><button onclick='tell(9)'>Deep</button>",
         "<p style='height:4000px'></p>");

  const auto result = act("click", R"({"text": "Deep"})");

  EXPECT_TRUE(result) << result.error().describe();
  EXPECT_EQ(value("got"), "[9]");
}

TEST_F(NativeFrames, RefusesWhatIsCoveredInTheMainDocument) {
  framed("<button onclick='tell(1)'>Pay</button>",
         "<div id=cover style='position:fixed;inset:0;z-index:9'></div>");

  const auto result =
      act("click", R"({"role": "button", "name": "Pay"})", std::chrono::milliseconds(1500));

  EXPECT_EQ(outcome(result), "not_actionable");
  EXPECT_NE(result.error().message.find("covered by <div#cover>"), std::string::npos)
      << result.error().message;
  EXPECT_EQ(value("got"), "[]");
}

TEST_F(NativeFrames, WaitsForAFrameAndItsContent) {
  world_->pages.html["/late"] =
      "<script>setTimeout(()=>document.body.innerHTML='<button "
      "onclick=parent.postMessage(7,\"*\")>Late</button>',300)</script>";
  page(
      "<script>window.got=[];onmessage=e=>got.push(e.data);setTimeout(()=>{const "
      "f=document.createElement('iframe');f.src='" +
      world_->other_url("/late") + "';document.body.append(f)},300)</script>");

  const auto result = act("click", R"({"role": "button", "name": "Late"})");

  EXPECT_TRUE(result) << result.error().describe();
  EXPECT_EQ(value("got"), "[7]");
}

TEST_F(NativeFrames, ReachesAFrameInsideAFrame) {
  world_->pages.html["/deep"] =
      "<p>Deep</p><button onclick=\"top.postMessage('deep','*')\">Buy</button>";
  framed("<p>Middle</p><iframe src='" + world_->url("/deep") + "' style='margin:20px'></iframe>",
         "", "style='width:500px;height:300px'");

  const auto result = act("click", R"({"role": "button", "name": "Buy"})");

  EXPECT_TRUE(result) << result.error().describe();
  EXPECT_EQ(value("got"), R"(["deep"])");
}

TEST_F(NativeFrames, ActsOnSentencesAndNeverGuesses) {
  framed(
      "<label>Card number <input oninput='tell(value)'></label><button onclick='tell(1)'>Pay "
      "now</button>");

  const auto done = say("type 4111 into the card number field and click Pay now");
  const auto absent = say("click the Delete button", std::chrono::milliseconds(1500));

  EXPECT_TRUE(done) << done.error().describe();
  EXPECT_EQ(outcome(absent), "target_not_found");
  EXPECT_EQ(value("got"), R"(["4111",1])");
}

TEST_F(NativeFrames, RefusesTwoFramesThatHaveTheTarget) {
  world_->pages.html["/pay"] = "<button onclick=\"top.postMessage(1,'*')\">Pay</button>";
  const std::string frame = "<iframe src='" + world_->other_url("/pay") + "'></iframe>";
  page("<script>window.got=[];onmessage=e=>got.push(e.data)</script>" + frame + frame);
  const auto limit = std::chrono::milliseconds(2500);

  const auto clicked = act("click", R"({"role": "button", "name": "Pay"})", limit);
  const auto said = say("click Pay", limit);

  EXPECT_EQ(outcome(clicked), "target_ambiguous");
  EXPECT_EQ(outcome(said), "target_ambiguous");
  EXPECT_EQ(value("got"), "[]");
}

TEST_F(NativeFrames, ExtractsWaitsAndObservesInside) {
  framed(
      "<ul id=list><li>One<li>Two</ul><i id=busy>…</i><script>setTimeout(()=>busy.remove(),400)"
      "</script><button>Pay</button>");

  const auto waited = act("wait_for", R"({"selector": "#busy", "state": "detached"})");
  const auto shown = act("wait_for", R"({"selector": "#list", "state": "visible"})");
  const auto items =
      act("extract",
          R"({"within": "#list", "fields": {"item": {"selector": "li", "type": "string[]"}}})");
  const auto seen = act("observe", R"({"instruction": "Pay"})");

  EXPECT_TRUE(waited) << waited.error().describe();
  EXPECT_TRUE(shown) << shown.error().describe();
  ASSERT_TRUE(items) << items.error().describe();
  EXPECT_EQ(json::serialize(items->output), R"({"item":["One","Two"]})");
  ASSERT_TRUE(seen) << seen.error().describe();
  EXPECT_NE(json::serialize(seen->output).find("button \\\"Pay\\\""), std::string::npos)
      << json::serialize(seen->output);
}

TEST_F(NativeFrames, FollowsAFrameThatNavigates) {
  world_->pages.html["/next"] = "<button onclick=\"top.postMessage('next','*')\">End</button>";
  framed("<a href=/next>Next</a>");

  const auto first = act("click", R"({"role": "link", "name": "Next"})");
  const auto second = act("click", R"({"role": "button", "name": "End"})");

  EXPECT_EQ(outcome(first), "ok: url");
  EXPECT_TRUE(second) << second.error().describe();
  EXPECT_EQ(value("got"), R"(["next"])");
}

/// A page whose parts are in closed shadow roots: in an element of its own kind, in a plain <div>,
/// and one in another.
constexpr const char* kClosed = R"(<script>window.got = [];
  const tell = (event) => got.push(event.isTrusted + ' ' + event.type);
  customElements.define('pay-box', class extends HTMLElement { connectedCallback() {
    const root = this.attachShadow({mode: 'closed'});
    root.innerHTML = '<label>Card <input></label> <button>Pay</button><slot></slot>';
    root.querySelector('button').onclick = tell;
    root.querySelector('input').oninput = (event) => got.push(event.target.value); } });
  </script><h1>Shop</h1><button>Help</button><pay-box></pay-box>
  <div id=host></div><script>
  const outer = host.attachShadow({mode: 'closed'});
  outer.innerHTML = '<p>Total: $12.50</p><section id=inner></section>';
  const deep = outer.querySelector('section').attachShadow({mode: 'closed'});
  deep.innerHTML = '<button>Cancel order</button>';
  deep.querySelector('button').onclick = tell;</script>)";

TEST_F(NativeFrames, ReachesIntoClosedShadowRoots) {
  page(kClosed);

  EXPECT_EQ(outcome(act("fill", R"({"label": "Card", "value": "4111"})")), "ok: value");
  EXPECT_TRUE(act("click", R"({"role": "button", "name": "Pay"})"));
  EXPECT_TRUE(say("click Cancel order"));
  EXPECT_TRUE(say("click the Pay button"));
  const auto total = act("extract", R"({"fields": {"total": "price"}})");
  EXPECT_EQ(outcome(say("click Refund", std::chrono::milliseconds(1500))), "target_not_found");

  EXPECT_EQ(value("got"), R"(["4111","true click","true click","true click"])");
  ASSERT_TRUE(total) << total.error().describe();
  EXPECT_EQ(total->output.at("total"), json::value(12.5));
}

TEST_F(NativeFrames, ObservesWhatIsInClosedShadowRoots) {
  page(kClosed);

  const auto seen = act("observe", R"({"instruction": "Pay"})");

  ASSERT_TRUE(seen) << seen.error().describe();
  EXPECT_EQ(seen->output.at(0).at("name"), json::value("Pay"));
}

TEST_F(NativeFrames, ClosedShadowRootsCostNothingWhereTheyAreNotNeeded) {
  page(kClosed);
  const auto commands = [&](const char* text) {
    const auto before = world_->chromium->connection().counters().commands;
    EXPECT_TRUE(act("click", json::object{{"text", text}}));
    return world_->chromium->connection().counters().commands - before;
  };
  (void)commands("Help");

  EXPECT_EQ(commands("Help"), 5u);
  EXPECT_GT(commands("Cancel order"), 10u);
  EXPECT_EQ(commands("Cancel order"), 5u);
}

/// Each site has a process of its own.
class NativeProcesses : public NativeInteractorFixture {
 protected:
  static void SetUpTestSuite() { start({"--site-per-process"}); }
  static asio::awaitable<void> iframe_targets(Context& ctx, json::object* out) {
    auto all = co_await world_->chromium->connection().call(ctx, "", "Target.getTargets");
    for (const auto& info : all->at("targetInfos").as_array())
      if (info.at("type") == json::value("iframe"))
        (*out)[info.at("targetId").as_string()] = info.at("url");
  }
};

TEST_F(NativeProcesses, ReachesFramesInOtherProcesses) {
  const std::string port = std::to_string(world_->other->port());
  const std::string away = "http://localhost:" + port;
  world_->pages.html["/deep"] = "<button onclick=\"top.postMessage('deep','*')\">Buy</button>";
  world_->pages.html["/away"] =
      "<script>const tell=(w)=>parent.postMessage(w,'*')</script><p style='height:900px'></p>"
      "<button onclick='tell(event.isTrusted)'>Pay</button><input placeholder=Card "
      "oninput='tell(value)'><input type=file id=f onchange='tell(files.length)'><p>Total: "
      "$12.50</p><a href=/next>Next</a><iframe src='" +
      world_->url("/deep") + "' style='margin:20px'></iframe>";
  world_->pages.html["/next"] = "<button onclick=\"top.postMessage('next','*')\">End</button>";
  page(
      "<script>window.got=[];onmessage=e=>got.push(e.data)</script><button>Help</button><iframe "
      "src='" +
      away +
      "/away' style='margin:50px;border:7px solid;width:500px;height:400px'>"
      "</iframe>");
  const auto limit = std::chrono::seconds(30);

  EXPECT_TRUE(act("click", R"({"role": "button", "name": "Pay"})", limit));
  EXPECT_EQ(outcome(act("fill", R"({"placeholder": "Card", "value": "4111"})", limit)),
            "ok: value");
  const auto seen = act("observe", R"({"instruction": "Pay"})", limit);
  EXPECT_TRUE(say("click Buy", limit));
  EXPECT_EQ(outcome(say("click Refund", std::chrono::milliseconds(1500))), "target_not_found");
  const std::string file = world_->dir + "/card.txt";
  std::ofstream(file) << "4111";
  const json::object upload{{"selector", "input[type=file]"}, {"files", file}};
  EXPECT_EQ(outcome(act("upload", upload, limit)), "ok: value");
  EXPECT_EQ(outcome(act("click", R"({"text": "Next"})", limit)), "ok: url");
  const auto end = act("click", R"({"text": "End"})", limit);

  EXPECT_TRUE(end) << end.error().describe();
  EXPECT_EQ(value("got"), R"([true,"4111","deep",1,"next"])");
  ASSERT_TRUE(seen) << seen.error().describe();
  EXPECT_NE(json::serialize(seen->output).find("button \\\"Pay\\\""), std::string::npos);
  json::object targets;
  world_->run([&](Context& ctx) { return iframe_targets(ctx, &targets); });
  EXPECT_NE(json::serialize(targets).find("localhost"), std::string::npos)
      << "the frame is not in a process of its own: nothing was tested";
}

}  // namespace
}  // namespace troupe::interact
