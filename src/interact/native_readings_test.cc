// Instructions that need something read from the page first: each on a page of its own, the page's
// log is the judge. What cannot be told must be refused and touch nothing.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

class NativeReadings : public NativeInteractorFixture {
 protected:
  /// `log` of the page after the instruction; `refused` when it was.
  std::string after(const std::string& html, const std::string& instruction,
                    Duration limit = std::chrono::seconds(6)) {
    page("<script>window.log=[];const note=(t)=>log.push(String(t))</script>" + html);
    const json::object args{{"instruction", instruction}, {"patience", "400ms"}};
    const auto result = act("act", args, limit);
    const std::string log = value("log.join(',')");
    if (!result) return "refused " + log;
    return log.substr(1, log.size() - 2);
  }
};

constexpr const char* kDrawing =
    "<svg id=s width=300 height=200 onclick='note(event.target.id)'>"
    "<circle id=bigred cx=40 cy=40 r=24 fill=red></circle>"
    "<circle id=smallred cx=120 cy=40 r=10 fill=red></circle>"
    "<rect id=bigblue x=160 y=16 width=48 height=48 fill=blue></rect>"
    "<polygon id=tri points='20,150 60,150 40,110' fill=green></polygon>"
    "<text id=k x=100 y=150 font-size=40 fill=blue>K</text>"
    "<text id=seven x=160 y=150 font-size=20 fill=black>7</text></svg>";

TEST_F(NativeReadings, PressesUntilTheNumberFits) {
  const std::string dice =
      "<b id=n>-</b><button onclick='n.textContent=[9,4,5,2][i++%4];note(n.textContent)'>Roll"
      "</button><script>let i=0</script>";
  EXPECT_EQ(after(dice, "roll a number smaller than 5"), "9,4");
  EXPECT_EQ(after(dice, "Roll an odd number"), "9");
}

TEST_F(NativeReadings, ResizesAField) {
  page("<textarea aria-label=Notes style='width:200px;height:80px'></textarea>");
  ASSERT_TRUE(say("make the Notes field taller"));
  EXPECT_EQ(value("document.querySelector('textarea').offsetHeight > 90"), "true");
}

// An editor that remembers the selection for its buttons a moment after it was made.
TEST_F(NativeReadings, ColoursATextInAnEditorThatIsSlowToNotice) {
  page(
      "<button class=ql-color aria-label=color style='user-select:none'>A</button><div id=p hidden>"
      "<i style='display:inline-block;width:16px;height:16px;background:green'></i></div>"
      "<div id=e contenteditable>One two three</div><script>let saved=null;const look=()=>"
      "setTimeout(()=>{const s=getSelection();if(s.rangeCount&&e.contains(s.anchorNode))"
      "saved=s.getRangeAt(0).cloneRange()},100);e.onfocus=look;e.onkeyup=look;e.onmouseup=look;"
      "document.querySelector('button').onclick=()=>p.hidden=false;"
      "p.firstChild.onclick=()=>{e.focus();const s=getSelection();s.removeAllRanges();"
      "s.addRange(saved);document.execCommand('foreColor',false,'green')}</script>");
  const auto said = say("give the text two the color green", std::chrono::seconds(6));
  ASSERT_TRUE(said) << said.error().describe();
  EXPECT_EQ(value("getComputedStyle(e.querySelector('font,span')).color+e.querySelector('font,"
                  "span').textContent"),
            "\"rgb(0, 128, 0)two\"");
}

TEST_F(NativeReadings, ClicksDrawnThingsByShapeColourAndSize) {
  EXPECT_EQ(after(kDrawing, "Click the large red circle"), "bigred");
  EXPECT_EQ(after(kDrawing, "tap the small red circle"), "smallred");
  EXPECT_EQ(after(kDrawing, "click the green triangle"), "tri");
  EXPECT_EQ(after(kDrawing, "click on a digit"), "seven");
  EXPECT_EQ(after(kDrawing, "choose every red circle"), "bigred,smallred");
  EXPECT_EQ(after(kDrawing, "click the blue letter"), "k");
}

TEST_F(NativeReadings, RefusesDrawnThingsThatAreNotThereOrCouldBeSeveral) {
  EXPECT_EQ(after(kDrawing, "click the red circle"), "refused \"\"");
  EXPECT_EQ(after(kDrawing, "click the yellow triangle"), "refused \"\"");
  EXPECT_EQ(after("<svg width=90 height=90 onclick='note(1)'><circle cx=20 cy=20 r=9 fill=red>"
                  "</circle><circle cx=60 cy=60 r=9 fill=blue></circle></svg>",
                  "click the large blue circle"),
            "refused \"\"");
}

TEST_F(NativeReadings, AWholeNameWinsOverADescription) {
  EXPECT_EQ(after(std::string(kDrawing) + "<button onclick='note(\"b\")'>red circle</button>",
                  "click the red circle"),
            "b");
}

TEST_F(NativeReadings, CountsWhatIsDrawn) {
  const std::string buttons =
      "<p onclick='note(event.target.textContent)'><button>1</button><button>2</button><button>3"
      "</button></p>";
  EXPECT_EQ(after(kDrawing + buttons, "How many red circles do you see?"), "2");
  EXPECT_EQ(after(kDrawing + buttons, "How many green items are there?"), "1");
}

// Moved with the mouse; each tells where it ends.
constexpr const char* kBoard =
    "<svg id=s width=400 height=260><rect x=10 y=150 width=120 height=100 fill=none stroke=black "
    "stroke-width=2></rect><rect x=240 y=150 width=120 height=100 fill=none stroke=black "
    "stroke-width=2></rect>"
    "<circle id=c1 cx=30 cy=30 r=10 fill=red></circle><circle id=c2 cx=90 cy=60 r=10 fill=navy>"
    "</circle><polygon id=p points='200,40 224,40 212,16' fill=red></polygon></svg><script>"
    "let held=null,x=0,y=0;s.onmousedown=e=>{if(!e.target.id||e.target===s)return;held=e.target;"
    "const m=/translate\\((.*),(.*)\\)/.exec(held.getAttribute('transform')||'translate(0,0)');"
    "x=e.clientX-m[1];y=e.clientY-m[2]};onmousemove=e=>{if(held)held.setAttribute('transform',"
    "`translate(${e.clientX-x},${e.clientY-y})`)};onmouseup=()=>{if(!held)return;const b=held."
    "getBoundingClientRect(),o=s.getBoundingClientRect();const cx=b.x+b.width/2-o.x,cy=b.y+b.height"
    "/2-o.y;note(held.id+(cy<150?'out':cx<130?'left':cx>240?'right':'out'));held=null}</script>";

TEST_F(NativeReadings, DragsDrawnThingsIntoBoxes) {
  EXPECT_EQ(after(kBoard, "Drag all circles into the left box"), "c1left,c2left");
  EXPECT_EQ(after(kBoard, "move all red items into the right box, and the rest into the left box"),
            "c1right,pright,c2left");
  EXPECT_EQ(after(kBoard, "drag all circles into the box"), "refused \"\"");
  EXPECT_EQ(after(kBoard, "drag the triangle down"), "pout");
}

TEST_F(NativeReadings, TakesTheOneWithTheMostOrTheLeast) {
  const std::string offers =
      "<div onclick='note(event.target.id)'>"
      "<div class=offer><b>Night train</b> 9 h 30 min <button id=a>Book for €80</button></div>"
      "<div class=offer><b>Bus</b> 14 h 5 min <button id=b>Book for €35</button></div>"
      "<div class=offer><b>Flight</b> 2 h <button id=c>Book for €210</button></div></div>";
  EXPECT_EQ(after(offers, "Book the cheapest offer"), "b");
  EXPECT_EQ(after(offers, "reserve the trip with the shortest time"), "c");
  EXPECT_EQ(after(offers, "buy the most expensive ticket"), "c");
  EXPECT_EQ(after(offers, "click the longest trip"), "b");
  const std::string tie =
      "<div onclick='note(event.target.id)'><p class=o>$5 <button id=a>Buy</button></p><p class=o>"
      "$5 <button id=b>Buy</button></p></div>";
  EXPECT_EQ(after(tie, "buy the cheapest one"), "refused \"\"");
  EXPECT_EQ(after("<p>Nothing for sale</p><button onclick='note(1)'>Buy</button>",
                  "buy the cheapest ticket"),
            "refused \"\"");
  EXPECT_EQ(after("<a href=# onclick='note(\"link\")'>the cheapest offer</a>" + offers,
                  "click the cheapest offer"),
            "link");
}

TEST_F(NativeReadings, WritesAnswersThatThePageAsksFor) {
  const auto form = [](const std::string& problem) {
    return "<div>" + problem + "</div><input id=i oninput='log=[this.value]'>";
  };
  EXPECT_EQ(after(form("12 ÷ 4 + 7 ="), "Calculate it and type the answer into the text field"),
            "10");
  EXPECT_EQ(
      after(form("(2 + 5) × 3 ="), "solve the problem and enter your answer into the textbox"),
      "21");
  EXPECT_EQ(after(form("Call 555-1234"), "solve it and type the answer into the field"),
            "refused \"\"");
  EXPECT_EQ(after(form("2 + 2 =</div><div>3 + 3 ="), "solve it and type the answer into the field"),
            "refused \"\"");
  EXPECT_EQ(after(form("<span>h</span><span>Q</span><span>4</span>"),
                  "Enter the word shown above into the text field"),
            "hQ4");
}

TEST_F(NativeReadings, WaitsForTheMoment) {
  const std::string ticker =
      "<div><label>Rate:</label> <span id=r>50</span></div><button onclick='note(r.textContent)'>"
      "Sell</button><script>let v=50;setInterval(()=>r.textContent=v+=5,150)</script>";
  const std::string sold = after(ticker, "Sell when the rate rises above 70");
  EXPECT_TRUE(sold == "75" || sold == "80") << sold;
}

TEST_F(NativeReadings, FillsFormsFromWhatIsBesideAndFromSentences) {
  const std::string table =
      "<table><tr><td>City<td>Bergen<tr><td>Age<td>31<tr><td>Job<td>Baker</table><p><label>Job:"
      "</label><input onchange='note(this.value)'></p><p><label>City:</label><input "
      "onchange='note(this.value)'></p><button>Done</button>";
  EXPECT_EQ(after(table + "<script>addEventListener('click',()=>0)</script>",
                  "Copy the value for each label into the fields and click Done"),
            "Baker,Bergen");
  const std::string search =
      "<p><span>Author:</span> <input id=a></p><p><span>Topic:</span> <input id=t></p><p><span>"
      "Published year:</span> <input id=y></p><button onclick='note(a.value);note(t.value);"
      "note(y.value)'>Find</button>";
  EXPECT_EQ(after(search, "Search for poetry books authored by Lindgren from year 1955"),
            "Lindgren,poetry,1955");
  EXPECT_EQ(after(search, "search for something entirely else that nobody knows"), "refused \"\"");
}

TEST_F(NativeReadings, TakesASuggestion) {
  const std::string field =
      "<input id=i autocomplete=off onchange='0'><ul id=u role=listbox></ul><script>const all=["
      "'Bergen','Berlin','Bern'];i.oninput=()=>setTimeout(()=>{u.innerHTML=all.filter(x=>x."
      "startsWith(i.value)).map(x=>`<li "
      "role=option>${x}</li>`).join('')},120);u.onclick=e=>{i.value"
      "=e.target.textContent;u.innerHTML='';note(i.value)}</script>";
  EXPECT_EQ(after(field, "Type a city beginning with 'Ber' and ending with 'lin'"), "Berlin");
  EXPECT_EQ(after(field, "choose an option that starts with 'Ber' and ends with 'x'"),
            "refused \"\"");
}

TEST_F(NativeReadings, TurnsPagesToFindSomething) {
  const std::string book =
      "<div id=d></div><button onclick='show(p+1)' id=n>Next</button><script>const all=[['Ada',"
      "'111'],['Bo','222'],['Cy','333']];let p=0;function show(i){p=i;n.disabled=i===2;d.innerHTML="
      "`<h3>${all[i][0]}</h3><p><span>Mobile: </span><span><a href=# onclick='note(\"${all[i][1]}\""
      ")'>${all[i][1]}</a></span></p>`}show(0)</script>";
  EXPECT_EQ(after(book, "Find Cy in the address book and click on their mobile number"), "333");
  EXPECT_EQ(after(book, "Look for Dora in the address book and click on her mobile number"),
            "refused \"\"");
}

TEST_F(NativeReadings, OpensTheMenuOfARow) {
  std::string rows;
  for (const char* name : {"Ann", "Bob"})
    rows += "<article style='padding:9px'><b>" + std::string(name) +
            "</b> <span class=more style='cursor:pointer' onclick='this.nextSibling.hidden^=1'>…"
            "</span><ul hidden><li onclick='note(\"mute " +
            name + "\")' style='cursor:pointer'>Mute</li></ul></article>";
  EXPECT_EQ(after(rows, "click the 'Mute' button in the row of Bob"), "mute Bob");
  EXPECT_EQ(after(rows, "click the 'Block' button in the row of Bob"), "refused \"\"");
}

TEST_F(NativeReadings, StylesAText) {
  const std::string editor =
      "<div id=e contenteditable style='width:300px;height:60px'>one two three</div>";
  page(editor);
  ASSERT_TRUE(say("Make the word 'two' bold"));
  EXPECT_EQ(value("[...document.querySelectorAll('b,strong')].map(x=>x.textContent).join()"),
            "\"two\"");
  EXPECT_FALSE(
      act("act", R"({"instruction": "make the word 'four' italic", "patience": "300ms"})"));
  page(
      std::string(editor) +
      "<button title='Text color' onmousedown='event.preventDefault()' onclick='c.hidden=0'>A"
      "</button><p id=c hidden><span style='display:inline-block;width:16px;height:16px;background:"
      "#e60000'></span><span "
      "style='display:inline-block;width:16px;height:16px;background:#0066cc'>"
      "</span></p><script>c.onmousedown=e=>{e.preventDefault();document.execCommand('foreColor',0,"
      "getComputedStyle(e.target).backgroundColor)}</script>");
  const auto red = say("give the text 'three' the color red");
  ASSERT_TRUE(red) << red.error().describe();
  EXPECT_EQ(value("document.querySelector('font').textContent"), "\"three\"");
}

TEST_F(NativeReadings, FinishesOnlyWhenAskedTo) {
  const std::string form =
      "<label>Name <input id=i></label><button onclick='note(i.value)'>Save"
      "</button><button onclick='note(0)'>Help</button>";
  EXPECT_EQ(after(form, "type Ada into the Name field"), "");
  const json::object args{{"instruction", "type Ada into the Name field"}, {"finish", true}};
  page("<script>window.log=[];const note=(t)=>log.push(String(t))</script>" + form);
  ASSERT_TRUE(act("act", args));
  EXPECT_EQ(value("log.join()"), "\"Ada\"");
  page("<script>window.log=[];const note=(t)=>log.push(String(t))</script>" + form +
       "<button onclick='note(1)'>Send</button>");
  ASSERT_TRUE(act("act", args));
  EXPECT_EQ(value("log.join()"), "\"\"");
}

}  // namespace
}  // namespace troupe::interact
