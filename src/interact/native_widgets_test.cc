// act() on composite widgets and on what has to be opened first, judged by the page's own log of
// trusted events; and sentences that must be refused without touching anything.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

constexpr auto kLong = std::chrono::seconds(15);

class NativeWidgets : public NativeInteractorFixture {
 protected:
  /// The page, with a log of what was really pressed: ids, joined by spaces.
  void stage(const std::string& html) {
    page(
        "<script>window.log=[];addEventListener('click',e=>{const w=e.target.closest('[id]');"
        "if(e.isTrusted)log.push(w?w.id:'?')},true)</script>" +
        html);
  }
  std::string log() { return value("log.join(' ')"); }
  /// Refused within a moment, and nothing was pressed.
  void refuses(const std::string& instruction) {
    const auto said =
        act("act", json::object{{"instruction", instruction}, {"patience", "300ms"}}, kLong);
    EXPECT_FALSE(said) << instruction << ": " << said->detail;
    EXPECT_EQ(log(), "\"\"") << instruction;
  }
};

constexpr const char* kSections =
    "<style>.b{display:none}.o+.b{display:block}</style>"
    "<h3 id=s1 role=tab aria-expanded=false tabindex=0>Section #1</h3><div class=b><a id=a1 "
    "href=#>nibh.</a> <a id=w1 href=#>Nibh</a></div>"
    "<h3 id=s2 role=tab aria-expanded=false tabindex=0>Section #2</h3><div class=b><a id=a2 "
    "href=#>nibh</a></div><p id=s3 role=tab aria-expanded=false tabindex=0><button "
    "id=ok>Submit</button></p>"
    "<script>for(const h of document.querySelectorAll('h3'))h.onclick=()=>{for(const o of "
    "document.querySelectorAll('h3')){const on=o===h;o.className=on?'o':'';"
    "o.setAttribute('aria-expanded',on)}}</script>";

TEST_F(NativeWidgets, OpensSectionsToFindWhatIsCalledExactlySo) {
  stage(kSections);
  const auto said =
      say("Expand the sections below, to find and click on the link \"nibh\".", kLong);
  ASSERT_TRUE(said) << said.error().describe();
  EXPECT_EQ(log(), "\"s1 s2 a2\"");
}

TEST_F(NativeWidgets, PressesTheButtonInsideAPartOfTheSameName) {
  stage(kSections);
  const auto said = say("click submit", kLong);
  ASSERT_TRUE(said) << said.error().describe();
  EXPECT_EQ(log(), "\"ok\"");
}

TEST_F(NativeWidgets, SetsASliderThatIsNoFieldByItsKeys) {
  stage(
      "<div><div style='width:200px;height:10px'><span id=h class=ui-slider-handle tabindex=0 "
      "style='display:block;width:12px;height:12px'></span></div><div id=v>3</div></div>"
      "<script>h.onkeydown=e=>{const d={ArrowRight:1,ArrowLeft:-1}[e.key]||0;"
      "v.textContent=Math.min(9,Math.max(-5,+v.textContent+d))}</script>");
  const auto set = say("Select -4 with the slider", kLong);
  ASSERT_TRUE(set) << set.error().describe();
  EXPECT_EQ(value("v.textContent"), "\"-4\"");
  EXPECT_FALSE(say("Select 40 with the slider", kLong));
}

TEST_F(NativeWidgets, FillsNativeDatesAndTimesAsPeopleWriteThem) {
  stage("<input id=d type=date><input id=t type=time>");
  ASSERT_TRUE(say("Enter 09/10/2012 as the date", kLong));
  ASSERT_TRUE(say("Enter 8:22 PM as the time", kLong));
  EXPECT_EQ(value("d.value+' '+t.value"), "\"2012-09-10 20:22\"");
  ASSERT_TRUE(say("Enter 25.12.2013 as the date", kLong));
  EXPECT_EQ(value("d.value"), "\"2013-12-25\"");
}

TEST_F(NativeWidgets, TurnsACalendarToTheMonthAndChoosesTheDay) {
  stage(
      "<label>Date <input id=f readonly></label><div id=c hidden><button id=p "
      "title=Prev>‹</button><b id=m></b><button id=n title=Next>›</button><table id=g></table>"
      "</div><script>let at=new Date(2016,0,1);const names=['January','February','March'];"
      "function draw(){m.textContent=names[at.getMonth()]+' '+at.getFullYear();g.innerHTML='';"
      "let r;for(let i=1;i<=28;i++){if(i%7==1)r=g.insertRow();const d=r.insertCell();"
      "d.textContent=i;d.onclick=()=>{f.value=at.getMonth()+1+'/'+i+'/2016';c.hidden=true}}}"
      "f.onclick=()=>{c.hidden=false;draw()};p.onclick=()=>{at.setMonth(at.getMonth()-1);draw()};"
      "n.onclick=()=>{at.setMonth(at.getMonth()+1);draw()}</script>");
  const auto chosen = say("Select 03/09/2016 as the date", kLong);
  ASSERT_TRUE(chosen) << chosen.error().describe();
  EXPECT_EQ(value("f.value"), "\"3/9/2016\"");
}

TEST_F(NativeWidgets, DragsWithTheMouseAndByTheBrowsersOwnDrag) {
  stage(
      "<div id=a draggable=true style='width:60px;height:20px'>Report</div><div id=z "
      "style='width:90px;height:60px'>Archive</div><script>window.got='';a.ondragstart=e=>"
      "e.dataTransfer.setData('text','r');z.ondragover=e=>e.preventDefault();z.ondrop=e=>{"
      "e.preventDefault();got=e.dataTransfer.getData('text');z.textContent='Archive 1'}</script>");
  const auto dropped = say("drag Report onto Archive", kLong);
  ASSERT_TRUE(dropped) << dropped.error().describe();
  EXPECT_EQ(value("got"), "\"r\"");
}

TEST_F(NativeWidgets, TicksEachOfSeveralWhereNoListHasThem) {
  stage(
      "<label><input type=checkbox id=x1>Anna</label><label><input type=checkbox id=x2>Bob</label>"
      "<label><input type=checkbox id=x3>Carl</label>");
  ASSERT_TRUE(say("Select Anna, Carl", kLong));
  EXPECT_EQ(value("[x1,x2,x3].map(b=>+b.checked).join('')"), "\"101\"");
  EXPECT_FALSE(
      act("act", json::object{{"instruction", "Select Bob, Dora"}, {"patience", "300ms"}}, kLong));
  EXPECT_EQ(value("[x1,x2,x3].map(b=>+b.checked).join('')"), "\"101\"") << "all or nothing";
}

TEST_F(NativeWidgets, FillsBothFieldsAndTypesInTheCaseThatWasSaid) {
  stage("<input id=u type=password><input id=w type=password>");
  ASSERT_TRUE(say("Enter the password \"Q3h\" into both text fields", kLong));
  EXPECT_EQ(value("u.value+w.value"), "\"Q3hQ3h\"");
  stage("<input id=u>");
  ASSERT_TRUE(say("Type \"ada\" in all upper case letters in the text input", kLong));
  EXPECT_EQ(value("u.value"), "\"ADA\"");
}

TEST_F(NativeWidgets, CopiesAndReadsTextsOfThePage) {
  stage(
      "<textarea id=s>old words here</textarea><input id=q><table><tr><td>Gender<td>Female"
      "</table>");
  ASSERT_TRUE(say("Copy the text in the textarea below, paste it into the textbox", kLong));
  EXPECT_EQ(value("q.value"), "\"old words here\"");
  ASSERT_TRUE(say("Find the 2nd word in the textarea, type that into the text field", kLong));
  EXPECT_EQ(value("q.value"), "\"words\"");
  ASSERT_TRUE(say("Enter the value of Gender into the text input", kLong));
  EXPECT_EQ(value("q.value"), "\"Female\"");
}

TEST_F(NativeWidgets, FollowsMenusOneInsideTheOther) {
  stage(
      "<ul role=menu><li role=menuitem id=f aria-haspopup=true>File<ul id=u role=menu hidden><li "
      "role=menuitem id=e>Export</li></ul></li><li role=menuitem id=o>Open</li></ul>"
      "<script>f.onmouseenter=()=>u.hidden=false</script>");
  const auto said = say("Select File > Export", kLong);
  ASSERT_TRUE(said) << said.error().describe();
  EXPECT_EQ(log(), "\"e\"");
}

TEST_F(NativeWidgets, ActsInEveryEntryOfOnePerson) {
  constexpr const char* post = "<article><p>@ada</p><button class=like id=";
  stage(std::string(post) +
        "l1>Like</button></article><article><p>@bob</p><button class=like "
        "id=l2>Like</button></article>" +
        post + "l3>Like</button></article>");
  const auto said = say("Click the \"Like\" button on all posts by @ada", kLong);
  ASSERT_TRUE(said) << said.error().describe();
  EXPECT_EQ(log(), "\"l1 l3\"");
}

TEST_F(NativeWidgets, TypesVariablesAndTellsThemToNobody) {
  stage(
      "<label>Password <input id=u type=password></label><label>Pin <input id=n maxlength=3>"
      "</label>");
  const json::object secret{{"password", "hush-Q3h"}};
  const auto typed = act(
      "act", json::object{{"instruction", "type %password% into Password"}, {"variables", secret}},
      kLong);
  ASSERT_TRUE(typed) << typed.error().describe();
  EXPECT_EQ(value("u.value"), "\"hush-Q3h\"");
  EXPECT_EQ(typed->detail.find("hush"), std::string::npos) << typed->detail;
  const auto cut = act(
      "act",
      json::object{{"instruction", "type '%password%' into the Pin field"}, {"variables", secret}},
      kLong);
  if (!cut) EXPECT_EQ(cut.error().describe().find("hush-Q3h"), std::string::npos);
  EXPECT_FALSE(
      act("act", json::object{{"instruction", "type %code% into Password"}, {"variables", secret}},
          kLong))
      << "a variable that was not given";
}

TEST_F(NativeWidgets, SelectsByVariablesThatAreToldToNobody) {
  stage("<label>Plan <select id=p><option>Small<option>Hush-Q3h</select></label>");
  const json::object secret{{"plan", "Hush-Q3h"}};
  const auto chosen =
      act("act", json::object{{"instruction", "select %plan% from Plan"}, {"variables", secret}},
          kLong);
  ASSERT_TRUE(chosen) << chosen.error().describe();
  EXPECT_EQ(value("p.value"), "\"Hush-Q3h\"");
  EXPECT_EQ(chosen->detail.find("Hush"), std::string::npos) << chosen->detail;
  EXPECT_NE(chosen->detail.find("%plan%"), std::string::npos) << chosen->detail;
}

TEST_F(NativeWidgets, RefusesWhatItCannotKnow) {
  stage(
      "<div style='width:50px;height:50px;background:red' id=box></div><input id=q><button id=go>"
      "Submit</button>");
  refuses("Type the total number of blocks into the textbox and press Submit");
  refuses("Drag the circle right then press Submit");
  refuses("Click on the lime colored box");
  refuses("Copy the text in the textarea, paste it into the textbox and press Submit");
  EXPECT_EQ(value("q.value"), "\"\"");
  const auto red = say("Click on the red colored box", kLong);
  ASSERT_TRUE(red) << red.error().describe();
  EXPECT_EQ(log(), "\"box\"");
}

}  // namespace
}  // namespace troupe::interact
