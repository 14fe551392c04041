// Input and sentences of the native interactor, in a real browser.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

class NativeInput : public NativeInteractorFixture {};

TEST_F(NativeInput, ClicksAButtonWithATrustedEvent) {
  page("<button id=b onclick='window.t=event.isTrusted;this.textContent=1'>Go</button>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "#b"})")), "ok: dom");
  EXPECT_EQ(value("window.t"), "true");
}

TEST_F(NativeInput, WaitsForALateButton) {
  page(
      "<script>setTimeout(()=>document.body.innerHTML='<button "
      "onclick=\"window.c=1\">Late</button>',400)</script>");

  EXPECT_EQ(outcome(act("click", R"({"role": "button", "name": "late"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInput, SaysWhatCoversAButton) {
  page("<button id=b>Go</button><div id=cover style='position:fixed;inset:0'></div>");

  const auto result = act("click", R"({"selector": "#b"})", std::chrono::milliseconds(2000));

  EXPECT_EQ(outcome(result), "not_actionable");
  EXPECT_NE(result.error().message.find("covered by <div#cover>"), std::string::npos)
      << result.error().message;
}

TEST_F(NativeInput, ClicksAVisiblePointWhenTheCentreIsCovered) {
  page(
      "<style>*{margin:0}button{position:absolute;left:0;top:0;width:100px;height:40px}"
      "i{position:absolute;left:30px;top:0;width:40px;height:40px}</style>"
      "<button onclick='window.c=1'>Go</button><i></i>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "button"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInput, WaitsUntilAButtonIsEnabled) {
  page(
      "<button disabled onclick='window.c=1'>Go</button>"
      "<script>setTimeout(()=>document.querySelector('button').disabled=false,300)</script>");

  EXPECT_EQ(outcome(act("click", R"({"text": "Go"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInput, RefusesDisabledHiddenAndMissingElements) {
  page("<button id=a disabled>A</button><button id=b style='display:none'>B</button>");
  const auto limit = std::chrono::milliseconds(1500);

  const auto disabled = act("click", R"({"selector": "#a"})", limit);
  const auto hidden = act("click", R"({"selector": "#b"})", limit);
  const auto missing = act("click", R"({"role": "button", "name": "C"})", limit);

  EXPECT_EQ(outcome(disabled), "not_actionable");
  EXPECT_NE(disabled.error().message.find("is disabled"), std::string::npos);
  EXPECT_EQ(outcome(hidden), "not_actionable");
  EXPECT_NE(hidden.error().message.find("not visible"), std::string::npos);
  EXPECT_EQ(outcome(missing), "target_not_found");
  EXPECT_NE(missing.error().message.find("button \"A\""), std::string::npos)
      << missing.error().message;
}

TEST_F(NativeInput, WaitsUntilAButtonStandsStill) {
  page(
      "<style>button{position:absolute;animation:m .5s linear}@keyframes "
      "m{from{left:0}to{left:600px}}"
      "button{left:600px}</style><button onclick='window.c=1'>Go</button>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "button"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInput, StopsAPressThatWouldHitSomethingElse) {
  page(
      "<style>*{margin:0}#a,#b{position:absolute;left:0;top:0;width:90px;height:30px}#b{display:"
      "none}</style>"
      "<button id=a onclick='window.a=1' onmouseenter=\"b.style.display='block';"
      "setTimeout(()=>b.remove(),200)\">A</button><button id=b onclick='window.b=1'>B</button>");

  EXPECT_EQ(act("click", R"({"selector": "#a"})")->detail, "clicked <button#a> \"A\"");
  EXPECT_EQ(value("[window.a,window.b]"), "[1,null]");
}

TEST_F(NativeInput, ReachesShadowRootsAndFrames) {
  world_->pages.html["/inner"] = "<button onclick='parent.f=event.isTrusted'>Inside</button>";
  page(
      "<x-y></x-y><iframe src=/inner style='margin:50px;border:9px solid'></iframe><script>"
      "document.querySelector('x-y').attachShadow({mode:'open'}).innerHTML="
      "'<input placeholder=Deep><button onclick=\"window.s=1\">Shadow</button>'</script>");

  EXPECT_EQ(outcome(act("click", R"({"role": "button", "name": "Shadow"})")), "ok: focus");
  EXPECT_EQ(outcome(act("fill", R"({"placeholder": "Deep", "value": "abc"})")), "ok: value");
  EXPECT_EQ(outcome(act("click", R"({"selector": "iframe >> text=Inside"})")), "ok: focus");
  EXPECT_EQ(value("[window.s,window.f,document.querySelector('x-y').shadowRoot.querySelector('"
                  "input').value]"),
            R"([1,true,"abc"])");
}

TEST_F(NativeInput, AnswersDialogs) {
  page("<button onclick=\"alert('Hello');window.r=confirm('Sure?')\">Go</button>");

  const auto result = act("click", R"({"selector": "button"})");

  EXPECT_EQ(outcome(result), "ok: dialog");
  EXPECT_EQ(value("window.r"), "false");
}

TEST_F(NativeInput, FillsAllKindsOfFields) {
  page(
      "<label>Name <input id=n value=old></label><textarea id=t></textarea><input id=d type=date>"
      "<div id=c contenteditable>x</div><input id=k type=checkbox><input id=m maxlength=2>"
      "<script>window.e=[];n.addEventListener('input',e=>window.e.push(e.isTrusted))</script>");

  EXPECT_EQ(outcome(act("fill", R"({"label": "Name", "value": "Ada é"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#t", "value": "a\nb"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#d", "value": "2024-05-06"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#c", "value": "rich"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#k", "value": true})")), "ok: value");
  EXPECT_EQ(value("[n.value,t.value,d.value,c.innerText,k.checked,window.e]"),
            R"(["Ada é","a\nb","2024-05-06","rich",true,[true]])");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#n", "value": ""})")), "ok: value");
  EXPECT_EQ(value("n.value"), "\"\"");
}

TEST_F(NativeInput, SaysWhenAFieldDoesNotTakeAText) {
  page("<input id=n><p id=p>text</p><script>n.oninput=()=>{n.value='fixed'}</script>");

  const auto refused = act("fill", R"({"selector": "#n", "value": "abc"})");

  EXPECT_EQ(outcome(refused), "not_actionable");
  EXPECT_NE(refused.error().message.find("holds \"fixed\" instead of \"abc\""), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#p", "value": "abc"})")), "not_actionable");
}

TEST_F(NativeInput, TellsNoValueOfAField) {
  page(
      "<input id=pin type=password value=4711><input id=note value=private readonly>"
      "<input type=submit id=go value=Go disabled>");
  const auto filled = act("fill", R"({"selector": "#pin", "value": "0815"})");
  const std::chrono::milliseconds soon(400);
  const auto note = act("fill", R"({"selector": "#note", "value": "x"})", soon);
  const auto go = act("click", R"({"selector": "#go"})", soon);

  EXPECT_EQ(outcome(filled), "ok: value");
  EXPECT_EQ(filled->detail.find("4711"), std::string::npos) << filled->detail;
  EXPECT_NE(note.error().message.find("<input#note>"), std::string::npos) << note.error().message;
  EXPECT_EQ(note.error().message.find("private"), std::string::npos) << note.error().message;
  EXPECT_NE(go.error().message.find("\"Go\""), std::string::npos) << go.error().message;
}

TEST_F(NativeInput, TellsWhatElseATextChangedThatWasThereAlready) {
  page(
      "<input id=n value=Ada><p id=p></p>"
      "<script>n.oninput=()=>{p.textContent='seen'}</script>");

  EXPECT_EQ(outcome(act("fill", R"({"selector": "#n", "value": "Ada"})")), "ok: dom");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#n", "value": "Bo"})")), "ok: value");
}

TEST_F(NativeInput, SelectsOptions) {
  page(
      "<select id=s><option>Red<option value=b>Blue</select><select id=m "
      "multiple><option>1<option>2<option>3</select>");

  EXPECT_EQ(outcome(act("select", R"({"selector": "#s", "value": "Blue"})")), "ok: value");
  EXPECT_EQ(outcome(act("select", R"({"selector": "#m", "value": ["1", "3"]})")), "ok: value");
  EXPECT_EQ(value("[s.value,[...m.selectedOptions].map(o=>o.text)]"), R"(["b",["1","3"]])");
  const auto missing =
      act("select", R"({"selector": "#s", "value": "Green"})", std::chrono::milliseconds(1500));
  EXPECT_EQ(outcome(missing), "target_not_found");
  EXPECT_NE(missing.error().message.find("there are: Red; Blue"), std::string::npos);
}

TEST_F(NativeInput, SubmitsAFormAndWaitsForTheNextPage) {
  world_->pages.html["/next"] = "<h1>Next</h1>";
  page("<form action=/next><input name=q></form>");

  const auto result = act("fill", R"({"selector": "input", "value": "x", "submit": true})");

  EXPECT_EQ(outcome(result), "ok: url");
  EXPECT_EQ(value("document.querySelector('h1').textContent"), "\"Next\"");
}

TEST_F(NativeInput, SeesASubmissionBehindAChangeOfThePage) {
  page(
      "<p id=p></p><form id=f action='/next' method=get><button type=button "
      "onclick='p.textContent=\"one moment\";f.submit()'>Go</button></form>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "button"})")), "ok: url");
}

TEST_F(NativeInput, PressesKeysHoversAndScrolls) {
  page(
      "<style>body{height:5000px}</style><input id=i value=abc><p id=p "
      "onmouseover='window.h=1'>P</p>"
      "<script>window.k=[];onkeydown=e=>window.k.push(e.key+e.code)</script>");

  EXPECT_EQ(outcome(act("press", R"({"key": "Backspace", "selector": "#i", "count": 2})")),
            "ok: value");
  EXPECT_EQ(outcome(act("hover", R"({"selector": "#p"})")), "ok: nothing");
  const auto scrolled = act("scroll", R"({"to": "bottom"})");
  EXPECT_EQ(scrolled->output.at("moved"), json::value(true));
  EXPECT_EQ(scrolled->output.at("at_end"), json::value(true));
  EXPECT_EQ(outcome(act("scroll", R"({"to": "bottom"})")), "ok: nothing");
  EXPECT_EQ(value("[i.value.length,window.h,window.k[0],scrollY>4000]"),
            R"([1,1,"BackspaceBackspace",true])");
}

TEST_F(NativeInput, ActsOnPlainSentences) {
  page(
      "<h1>Search</h1><input placeholder='Search videos' type=search><button>Search</button>"
      "<label><input type=checkbox id=k> I agree</label><select "
      "id=s><option>Red<option>Blue</select>"
      "<table><tr><td>Anna<td><button onclick='window.r=\"Anna\"'>Reply</button>"
      "<tr><td>Bob<td><button onclick='window.r=\"Bob\"'>Reply</button></table>");

  EXPECT_EQ(outcome(say("type jazz into the search box and press Enter")), "ok: value");
  EXPECT_EQ(outcome(say("check the box I agree, then select Blue")), "ok: value");
  EXPECT_EQ(outcome(say("click the Reply button in the row of Bob")), "ok: focus");
  EXPECT_EQ(value("[document.querySelector('input').value,k.checked,s.value,window.r]"),
            R"(["jazz",true,"Blue","Bob"])");
}

TEST_F(NativeInput, ActNeverClicksWhenItIsNotSure) {
  page("<button onclick='window.c=1'>Reply</button><button onclick='window.c=2'>Reply</button>");

  const auto unsure = say("click Reply", std::chrono::milliseconds(3000));
  const auto absent = say("click the Delete button", std::chrono::milliseconds(1500));
  const auto half = say("click the Forward button and then click the 2nd Reply button",
                        std::chrono::milliseconds(1500));

  EXPECT_EQ(outcome(unsure), "target_ambiguous");
  EXPECT_EQ(outcome(absent), "target_not_found");
  EXPECT_NE(absent.error().message.find("button \"Reply\""), std::string::npos)
      << absent.error().message;
  EXPECT_EQ(half.error().message.substr(0, 12), "part 1 of 2 ");
  EXPECT_EQ(value("window.c"), "null");
}

TEST_F(NativeInput, AcceptsCookiesAndForgivesOptionalOnes) {
  page(
      "<div id=d role=dialog>We use cookies <button onclick='d.remove()'>Accept all</button>"
      "<button>Settings</button></div><p>Page</p>");

  EXPECT_EQ(outcome(say("accept the cookies")), "ok: dom");
  EXPECT_EQ(value("document.querySelector('#d')"), "null");
  const auto skipped = act("act", R"({"instruction": "accept the cookies", "optional": true})");
  EXPECT_EQ(outcome(skipped), "ok: nothing");
}

}  // namespace
}  // namespace troupe::interact
