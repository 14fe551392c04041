// act() measured: instructions, the page that each is said on, and the element that must be used.
// What is absent or could be several things must be refused: a wrong click is the one failure that
// nobody notices.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

class NativeAct : public NativeInteractorFixture {};

struct Said {
  const char* html;
  const char* instruction;
  const char* used;  ///< Id of the element clicked, or `id=value` changed; empty: it must refuse.
};

constexpr const char* kSearch =
    "<header><a id=home href=#>Home</a><a id=login href=#>Log in</a></header><form "
    "onsubmit='return false'><input id=q type=search placeholder='Search films'><button "
    "id=go>Search</button></form><a id=adv href=#>Advanced search</a>";
constexpr const char* kTwo = "<button id=a>Save</button><button id=b>Save</button>";
constexpr const char* kButtonLink =
    "<a id=l href=#>Subscribe</a><button id=b>Subscribe</button><h2 id=h>Subscribe</h2>";
constexpr const char* kAddress =
    "<form onsubmit='return false'><fieldset><legend>Billing</legend><label>Street <input "
    "id=bs></label><label>City <input id=bc></label></fieldset><fieldset><legend>Shipping</legend>"
    "<label>Street <input id=ss></label><label>City <input id=sc></label></fieldset>"
    "<button id=ok>Continue</button></form>";
constexpr const char* kTable =
    "<table><tr><th>Name<th>Role<th>Action<tr><td>Anna Berg<td>Admin<td><button id=ea>Edit</button>"
    "<button id=da>Delete</button><tr><td>Bob Stone<td>User<td><button id=eb>Edit</button><button "
    "id=db>Delete</button><tr><td>Carl Berg<td>User<td><button id=ec>Edit</button><button "
    "id=dc>Delete</button></table>";
constexpr const char* kForm =
    "<label><input type=checkbox id=terms> I accept the terms</label><label><input type=checkbox "
    "id=news> Send me the newsletter</label><label><input type=radio name=s id=std> Standard "
    "delivery</label><label><input type=radio name=s id=exp> Express delivery</label><label>Colour "
    "<select id=colour><option>Red<option>Blue</select></label><label>Size <select "
    "id=size><option>Small<option>Large</select></label><button id=send>Place "
    "order</button><button "
    "id=cancel>Cancel</button>";
constexpr const char* kIcons =
    "<button id=x aria-label=Close>×</button><button id=menu aria-label='Open menu'>≡</button>"
    "<button id=cart><svg><title>Cart</title></svg></button><button id=help title=Help>?</button>";
constexpr const char* kDialog =
    "<button id=page>Delete</button><div role=dialog aria-modal=true aria-label='Delete file'><p>"
    "Really?</p><button id=yes>Delete</button><button id=no>Cancel</button></div>";
constexpr const char* kSimilar =
    "<button id=draft>Save draft</button><button id=close>Save and close</button><button "
    "id=del disabled>Remove</button><a id=more href=#>Learn more</a><a id=more2 href=#x>Learn "
    "more</a>";

constexpr const char* kResults =
    "<nav><ul><li><a id=n1 href=#a>Home</a><li><a id=n2 href=#b>Films</a><li><a id=n3 "
    "href=#c>About</a></ul></nav><main><section><article style='height:90px'><a id=r1 "
    "href=#1><h3>Metropolis</h3></a><a id=c1 href=#x1>UFA</a></article><article "
    "style='height:90px'><a id=r2 href=#2><h3>Nosferatu</h3></a><a id=c2 href=#x2>Prana</a>"
    "</article><article style='height:90px'><a id=r3 href=#3><h3>Faust</h3></a><a id=c3 "
    "href=#x3>UFA</a></article></section></main>";
constexpr const char* kTwoLists =
    "<ul><li><a id=a1 href=#1>One</a><li><a id=a2 href=#2>Two</a><li><a id=a3 href=#3>Three</a>"
    "</ul><ol><li><a id=b1 href=#4>Four</a><li><a id=b2 href=#5>Five</a><li><a id=b3 href=#6>Six"
    "</a></ol>";

constexpr Said kSaid[] = {
    {kResults, "click the first result", "r1"},
    {kResults, "open the second video", "r2"},
    {kResults, "click the last item", "r3"},
    {kResults, "click the fourth result", ""},
    {kResults, "click the second link", "n2"},
    {kTwoLists, "click the first result", ""},
    {kTwo, "click the first result", ""},
    {kSearch, "type metropolis into the search box", "q=metropolis"},
    {kSearch, "click the Search button", "go"},
    {kSearch, "click 'Advanced search'", "adv"},
    {kSearch, "click the Log in link", "login"},
    {kSearch, "click Home", "home"},
    {kSearch, "click the Sign up button", ""},
    {kSearch, "click the Log out link", ""},
    {kTwo, "click Save", ""},
    {kTwo, "click the second Save button", "b"},
    {kTwo, "click the last Save button", "b"},
    {kTwo, "click the third Save button", ""},
    {kButtonLink, "click the Subscribe button", "b"},
    {kButtonLink, "click the Subscribe link", "l"},
    {kButtonLink, "click the Unsubscribe button", ""},
    {kAddress, "type Main St 1 into the Street field in the Shipping section", "ss=Main St 1"},
    {kAddress, "type Oslo into the City field in the Billing section", "bc=Oslo"},
    {kAddress, "type Oslo into the City field", ""},
    {kAddress, "type 0150 into the postcode field", ""},
    {kAddress, "press the Continue button", "ok"},
    {kTable, "click Edit in the row of Bob Stone", "eb"},
    {kTable, "click the Delete button for Carl Berg", "dc"},
    {kTable, "click the Delete button in the row of Dora", ""},
    {kTable, "click Delete", ""},
    {kTable, "click the first Edit button", "ea"},
    {kForm, "check 'Send me the newsletter'", "news=true"},
    {kForm, "choose the Express delivery radio button", "exp=true"},
    {kForm, "select Blue from Colour", "colour=Blue"},
    {kForm, "select Large", "size=Large"},
    {kForm, "select Green from Colour", ""},
    {kForm, "click Place order", "send"},
    {kForm, "click Pay", ""},
    {kIcons, "click the close icon", "x"},
    {kIcons, "click the cart button", "cart"},
    {kIcons, "open the menu", "menu"},
    {kIcons, "click the help button", "help"},
    {kIcons, "click the settings icon", ""},
    {kDialog, "click the Delete button in the Delete file dialog", "yes"},
    {kDialog, "click Cancel", "no"},
    {kSimilar, "click Save", ""},
    {kSimilar, "click Save draft", "draft"},
    {kSimilar, "click Remove", ""},
    {kSimilar, "click Learn more", ""},
    {kSimilar, "click the second 'Learn more' link", "more2"},
};

// Tells of the last click and the last change, by the id of the element that it really reached.
constexpr const char* kRecorder =
    "<script>window.used='';addEventListener('click',e=>{const w=e.target.closest('button,a');"
    "if(w&&e.isTrusted)used=w.id},true);addEventListener('input',e=>used=e.target.id+'='+"
    "(/checkbox|radio/.test(e.target.type)?e.target.checked:e.target.value),true)</script>";

TEST_F(NativeAct, UsesTheElementThatIsMeantAndNoOther) {
  int wrong = 0;
  for (const Said& said : kSaid) {
    const bool refuses = *said.used == 0;
    page(std::string(kRecorder) + said.html);

    const auto limit = std::chrono::milliseconds(refuses ? 400 : 10000);
    const auto result = say(said.instruction, limit);

    const std::string used = value("used");
    EXPECT_EQ(used, '"' + std::string(said.used) + '"')
        << said.instruction << ": " << (result ? result->detail : result.error().describe());
    EXPECT_EQ(bool(result), !refuses) << said.instruction;
    if (used != "\"\"" && used != '"' + std::string(said.used) + '"') ++wrong;
  }
  EXPECT_EQ(wrong, 0) << "of " << std::size(kSaid) << " instructions";
}

}  // namespace
}  // namespace troupe::interact
