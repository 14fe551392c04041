// Pages on which a press or a text easily goes to the wrong place: each one's own log of trusted
// events is the judge.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

constexpr auto kLong = std::chrono::seconds(8);

class NativeTraps : public NativeInteractorFixture {
 protected:
  /// What the page noted after the instruction, behind `refused ` when act refused it.
  std::string after(const std::string& html, const std::string& instruction) {
    page("<script>window.log=[];const note=(t)=>log.push(String(t))</script>" + html);
    const json::object args{{"instruction", instruction}, {"patience", "400ms"}};
    const auto result = act("act", args, kLong);
    const std::string log = value("log.join(',')");
    return (result ? "" : "refused ") + log.substr(1, log.size() - 2);
  }
};

constexpr const char* kCard =
    "<div id=c style='width:200px;height:60px;cursor:pointer' onclick='note(\"card\")'>Ada Byron"
    "<button style='position:absolute;left:8px;top:8px;width:200px;height:30px' "
    "onclick='note(\"delete\");event.stopPropagation()'>Delete</button></div>";

TEST_F(NativeTraps, APressOnACardIsNoPressOnItsButton) {
  EXPECT_EQ(after(kCard, "click 'Ada Byron'"), "card");
  EXPECT_EQ(after(kCard, "click Delete"), "delete");
}

// The page does nothing at the press, and something else lies under the mouse when it is let go.
TEST_F(NativeTraps, StopsAClickThatLandsElsewhereThanThePress) {
  const std::string html =
      "<style>button{position:absolute;left:0;top:0;width:90px;height:40px}</style>"
      "<button id=pay onclick='note(\"pay\")'>Pay</button><button id=save onclick='note(\"save\")'>"
      "Save</button><script>let n=0;save.addEventListener('pointerup',()=>{if(n++<1)"
      "pay.style.zIndex=9})</script>";
  const std::string done = after(html, "click Save");
  EXPECT_EQ(done.find("pay"), std::string::npos) << done;
}

// The click of a label makes a second one, on its field.
TEST_F(NativeTraps, LetsALabelTickItsBox) {
  page("<div><label for=c><span id=s>Terms</span></label></div><p><input type=checkbox id=c></p>");
  ASSERT_TRUE(act("click", json::object{{"selector", "#s"}}));
  EXPECT_EQ(value("c.checked"), "true");
}

// The widget of many sites: the first move over a new list counts for the entry that came up under
// the mouse.
constexpr const char* kSuggestions =
    "<style>#m{position:absolute;list-style:none;margin:0;padding:0;display:none}</style>"
    "<input id=q aria-label=Country><ul id=m></ul><script>"
    "const all=['Guam','Guatemala','Guinea','Guyana'];let active=null,fresh=false;"
    "q.oninput=()=>{m.innerHTML='';for(const t of all.filter(t=>t.startsWith(q.value))){"
    "const li=document.createElement('li');li.textContent=t;"
    "li.onmouseenter=()=>{if(!fresh){active=t;return}fresh=false;"
    "document.addEventListener('mousemove',()=>active=all[0],{once:true})};"
    "li.onclick=()=>{q.value=active;note(active);m.style.display='none'};m.append(li)}"
    "fresh=true;active=null;m.style.display='block'}</script>";

TEST_F(NativeTraps, TakesTheSuggestionThatIsMeant) {
  EXPECT_EQ(after(kSuggestions, "enter an item that starts with 'Gu' and ends with 'ana'"),
            "Guyana");
  EXPECT_EQ(after(kSuggestions, "type something that begins with `Gu` and ends in Guinea"),
            "Guinea");
}

// A list gives the focus back a moment after it was pressed.
TEST_F(NativeTraps, TypesIntoTheNextFieldAfterAListThatTakesTheFocusBack) {
  EXPECT_EQ(
      after("<input id=a aria-label=From><ul id=m style='position:absolute'><li id=o>Oslo</li></ul>"
            "<p style='height:90px'></p><input id=b aria-label=To>"
            "<script>o.onmousedown=(e)=>{e.preventDefault();setTimeout(()=>a.focus(),0)};"
            "o.onclick=()=>{a.value='Oslo';m.textContent=''};b.oninput=()=>note(b.value);"
            "b.onblur=()=>note('left')</script>",
            "click Oslo, then type Rome into the To field"),
      "Rome");
}

constexpr const char* kPosts =
    "<style>ul{display:none}li{cursor:pointer}.open ul{display:block}</style>"
    "<div class=post><b>@ada.</b> <i class=more>…</i><ul><li>Share</li></ul></div>"
    "<div class=post><b>@bob</b> <i class=more>…</i><ul><li>Share</li></ul></div>"
    "<div class=post><b>@ada</b> <i class=more>…</i><ul><li>Share</li></ul></div><script>"
    "document.querySelectorAll('.post').forEach((p,i)=>{p.querySelector('i').onclick=()=>{"
    "p.classList.toggle('open');note('more'+i)};p.querySelector('li').onclick=()=>note('share'+i)})"
    "</script>";

TEST_F(NativeTraps, OpensTheMenuOfTheRowThatIsMeantAndNoOther) {
  EXPECT_EQ(after(kPosts, "For the user @ada, click on the \"Share\" button"), "more2,share2");
  EXPECT_EQ(after(kPosts, "In the row of @bob, click 'Share'"), "more1,share1");
  EXPECT_EQ(after(kPosts, "For the user @eve, click on 'Share'"), "refused ");
}

constexpr const char* kPopup =
    "<label>Name <input id=n></label><label>Password <input id=p type=password></label>"
    "<button onclick='note(n.value+\"/\"+p.value)'>%s</button><div id=d style='position:fixed;"
    "top:0;left:0;right:0;bottom:0;background:white' hidden><p>Your session ends. "
    "Leave?</p><button onclick='note("
    "\"left\")'>Leave</button><button onclick='d.hidden=true;note(\"stayed\")'>%s</button></div>"
    "<script>n.oninput=()=>{d.hidden=false;n.oninput=null}</script>";

std::string popup(const std::string& login, const std::string& stay) {
  std::string html = kPopup;
  html.replace(html.find("%s"), 2, login);
  return html.replace(html.find("%s"), 2, stay);
}

TEST_F(NativeTraps, SendsAwayAPopupThatCameWhileItTyped) {
  const std::string say = "type the name 'ada' and the password 'x1', then press 'Log in'";
  EXPECT_EQ(after(popup("Log in", "Cancel"), say), "stayed,ada/x1");
  EXPECT_EQ(after(popup("Log in", "Cancel"), "type the name 'ada', then press 'Log in'"),
            "stayed,ada/");
  // An answer that says no to nothing is not given.
  EXPECT_EQ(after(popup("Log in", "Continue"), say), "refused ");
}

TEST_F(NativeTraps, LogsInByTheOnlyButtonOfTheForm) {
  const std::string form = "<input type=password aria-label=Password>";
  EXPECT_EQ(after(form + "<button onclick='note(1)'>Go on</button>", "press login"), "1");
  EXPECT_EQ(after(form + "<button onclick='note(1)'>Go on</button><button "
                         "onclick='note(2)'>Try later</button>",
                  "press login"),
            "refused ");
  EXPECT_EQ(after("<button onclick='note(1)'>Go on</button>", "press login"), "refused ");
}

TEST_F(NativeTraps, TellsTwoOptionsFromOneWithAnAndInItsName) {
  const std::string list =
      "<select id=s multiple onchange='note([...s.selectedOptions].map(o=>o.text).join(\"+\"))'>";
  EXPECT_EQ(after(list + "<option>Black<option>White<option>Red</select>",
                  "select Black and White from the list"),
            "Black+White");
  EXPECT_EQ(after(list + "<option>Black<option>Black and White</select>",
                  "select Black and White from the list"),
            "Black and White");
}

TEST_F(NativeTraps, TakesTheQuotedNameAsItIsWritten) {
  const std::string two =
      "<button onclick='note(1)'>submit</button><button onclick='note(2)'>Submit</button>";
  EXPECT_EQ(after(two, "click on the \"submit\" button"), "1");
  EXPECT_EQ(after(two, "click on the \"Submit\" button"), "2");
  EXPECT_EQ(after(two, "click on the \"SUBMIT\" button"), "refused ");
}

TEST_F(NativeTraps, TakesTheFirstOfEqualsWhenToldSo) {
  const auto first = [&](const std::string& html) {
    page("<script>window.log=[];const note=(t)=>log.push(String(t))</script>" + html);
    const json::object args{
        {"instruction", "click 'Save'"}, {"patience", "400ms"}, {"equals", "first"}};
    const auto said = act("act", args, kLong);
    return (said ? "" : "refused ") + value("log.join(',')");
  };
  const std::string one = "<button onclick='note(1)'>Save</button>";
  const std::string other = "<button onclick='note(2)'>Save</button>";
  EXPECT_EQ(after(one + other, "click 'Save'"), "refused ");
  EXPECT_EQ(first(one + other), "\"1\"");
  // These are told apart by the row that they stand in.
  EXPECT_EQ(first("<ul><li>Ada " + one + "<li>Bob " + other + "</ul>"), "refused \"\"");
  EXPECT_EQ(first("<h2>Ada</h2>" + one + "<h2>Bob</h2>" + other), "refused \"\"");
}

TEST_F(NativeTraps, DoesNothingInAnUnclearOrder) {
  EXPECT_EQ(after("<button onclick='note(1)'>Save</button><input>", "Before typing 'a' 'Save'."),
            "refused ");
}

}  // namespace
}  // namespace troupe::interact
