#include "interact/instruction.h"

#include <gtest/gtest.h>

namespace troupe::interact {
namespace {

// One line that tells a clause: verb|text|role|ordinal|scope|value.
std::string line(const Clause& clause) {
  const Description& target = clause.target;
  std::string out(to_string(clause.verb));
  out += "|" + target.text + "|" + target.role + "|";
  out += target.ordinal ? std::to_string(target.ordinal) : "";
  out += "|" + target.scope + "|";
  if (clause.values.empty()) return out + clause.value;
  for (std::size_t i = 0; i < clause.values.size(); ++i) out += (i ? "+" : "") + clause.values[i];
  return out;
}

std::string parsed(std::string_view text) {
  const auto clauses = parse_instruction(text);
  if (!clauses) return "error: " + clauses.error().message;
  std::string out;
  for (const Clause& clause : *clauses) out += (out.empty() ? "" : " ; ") + line(clause);
  return out;
}

struct Form {
  const char* text;
  const char* clauses;
};

class InstructionForm : public ::testing::TestWithParam<Form> {};

TEST_P(InstructionForm, IsUnderstood) { EXPECT_EQ(parsed(GetParam().text), GetParam().clauses); }

INSTANTIATE_TEST_SUITE_P(
    Click, InstructionForm,
    ::testing::Values(
        Form{"click the 'Search' button", "click|Search|button|||"},
        Form{"Click on the \"Ok\" button.", "click|Ok|button|||"},
        Form{"click the \u201cSign in\u201d link", "click|Sign in|link|||"},
        Form{"click on the link About", "click|About|link|||"},
        Form{"click button called 'Go'", "click|Go|button|||"}, Form{"tap Save", "click|Save||||"},
        Form{"Click Tab #3", "click||tab|3||"},
        Form{"click the 2nd 'Reply' button", "click|Reply|button|2||"},
        Form{"click the third button", "click||button|3||"},
        Form{"click the last link", "click||link|-1||"},
        Form{"click the Reply button in the row of Anna", "click|Reply|button||Anna|"},
        Form{"For the user @anna, click on \"Reply\"", "click|Reply|||@anna|"},
        Form{"click Terms of Service", "click|Terms of Service||||"},
        Form{"click the Delete icon next to 'Invoice 7'", "click|Delete|icon||Invoice 7|"},
        Form{"press the Next button", "click|Next|button|||"},
        Form{"hit Submit", "click|Submit||||"},
        Form{"please double click the file 'a.txt'", "double click|a.txt||||"},
        Form{"right-click the 'Photo' image", "right click|Photo|img|||"},
        Form{"open the Settings menu", "click|Settings|menu|||"},
        Form{"hover over Menu", "hover|Menu||||"},
        Form{"submit the form", "click|submit|button|||"},
        Form{"click it's fine", "click|it's fine||||"},
        Form{"Could you please click the Save button?", "click|Save|button|||"},
        Form{"Would you kindly tap the \u201cOk\u201d button?", "click|Ok|button|||"},
        Form{"Can you click Save? After that, press 'Close', please.",
             "click|Save|||| ; click|Close||||"},
        Form{"I'd like you to click Next; then click Done", "click|Next|||| ; click|Done||||"},
        Form{"Your task is to click the 2nd link, please", "click||link|2||"},
        Form{"click Really? please", "click|Really?||||"},
        Form{"click 'Please'", "click|Please||||"},
        Form{"Before clicking 'No', click the Yes button", "click|Yes|button||| ; click|No||||"},
        Form{"After choosing Blue in the Colour list, hit Save, please.",
             "select|Colour|combobox|||Blue ; click|Save||||"},
        Form{"Before submitting, check 'Private'",
             "check|Private|checkbox||| ; click|submit|button|||"},
        Form{"click Before and after", "click|Before and after||||"}));

INSTANTIATE_TEST_SUITE_P(
    Wording, InstructionForm,
    ::testing::Values(
        Form{"Tick A before pressing Save", "check|A|checkbox||| ; click|Save||||"},
        Form{"Press Save after ticking A and choosing 'Blue' in the Colour list",
             "check|A|checkbox||| ; select|Colour|combobox|||Blue ; click|Save||||"},
        Form{"After using the slider to select 7, submit it",
             "fill||slider|||7 ; click|submit|button|||"},
        Form{"Put the cursor into the 2nd text area", "click||textarea|2||"},
        Form{"switch to tab number 3", "click||tab|3||"},
        Form{"tap any \u00abradio\u00bb widget", "click||radio|||"},
        Form{"click a widget of the kind 'checkbox'", "click||checkbox|||"},
        Form{"click the only button", "click||button|||"},
        Form{"press the 'x' to close the dialog", "click|x||||"},
        Form{"click the 'Next' button in order to go on", "click|Next|button|||"},
        Form{"click the button to open", "click|open|button|||"},
        Form{"open the collapsed section", "click||region|||"},
        Form{"choose Rivers > Rhine from the menu", "select|||||Rivers+Rhine"},
        Form{"write 'Abc' in capitals into the field", "fill||textbox|||ABC"},
        Form{"type 'ABC' in lowercase letters in the text box", "fill||textbox|||abc"},
        Form{"type 'ada' into the user field and 'x1' into the code field",
             "fill|user|textbox|||ada ; fill|code|textbox|||x1"},
        Form{"fill the user with 'ada' and the code with 'x1'",
             "fill|user|textbox|||ada ; fill|code|textbox|||x1"},
        Form{"enter the name Ada Byron", "fill|name||||Ada Byron"},
        Form{"set the date to 14 March 2026", "fill|date||||14 March 2026"},
        Form{"choose the date 2026-03-14", "fill|date||||2026-03-14"},
        Form{"move the sliders to [1, 20, 3]", "fill||slider|||1+20+3"},
        Form{"move the sliders to the combination [1, 2]", "fill||slider|||1+2"},
        Form{"drag the volume slider to 40", "fill|volume|slider|||40"},
        Form{"mark Anna, Mark and Ben", "select|||||Anna+Mark+Ben"},
        Form{"choose Rafa, \"Cosetta\" from the scroll list", "select||combobox|||Rafa+Cosetta"},
        Form{"pick the 'Blue' option and Red", "select|||||Blue+Red"},
        Form{"check nothing", "select|||||nothing"},
        Form{"mark the text of the 2nd paragraph", "highlight||paragraph|2||"},
        Form{"scroll to the end of the Notes text area", "scroll|Notes|textarea|||bottom"},
        Form{"scroll the terms all the way down to the end", "scroll|terms||||bottom"},
        Form{"Before pressing 'Save', move the sliders to [1,2]",
             "fill||slider|||1+2 ; click|Save||||"},
        Form{"move Report to the Archive folder", "drag|Report||||"},
        Form{"move now", "click|move now||||"},
        Form{"press Cancel in the dialog box", "click|Cancel|||dialog|"},
        Form{"click Move to archive", "click|Move to archive||||"}));

INSTANTIATE_TEST_SUITE_P(
    Fill, InstructionForm,
    ::testing::Values(
        Form{"type jazz into the search box", "fill|search|textbox|||jazz"},
        Form{"type 'hello world' in the Message field", "fill|Message|textbox|||hello world"},
        Form{"enter \"x\" in the Name field and press Enter",
             "fill|Name|textbox|||x ; press|||||Enter"},
        Form{"fill the Email field with a@b.c", "fill|Email|textbox|||a@b.c"},
        Form{"fill in 'Ada' into the Full name field", "fill|Full name|textbox|||Ada"},
        Form{"set the Quantity to 3", "fill|Quantity||||3"},
        Form{"Enter \"V\" into the text field and press Submit",
             "fill||textbox|||V ; click|Submit||||"},
        Form{"Enter the username \"u\" and the password \"p\" into the text fields and press login",
             "fill|username|textbox|||u ; fill|password|textbox|||p ; click|login||||"},
        Form{"enter 01/02/2020 as the date and hit submit",
             "fill|date||||01/02/2020 ; click|submit||||"},
        Form{"type cats and dogs", "fill|||||cats and dogs"},
        Form{"clear the search box", "fill|search|textbox|||"},
        Form{"search for jazz", "fill|search|textbox|||jazz ; press|||||Enter"},
        Form{"type \"a, and b\" into the 2nd textbox", "fill||textbox|2||a, and b"}));

INSTANTIATE_TEST_SUITE_P(
    Choose, InstructionForm,
    ::testing::Values(Form{"select Blue from Colour", "select|Colour||||Blue"},
                      Form{"choose 'X' from the 'L' dropdown", "select|L|combobox|||X"},
                      Form{"Select Anna, Bob and Cem from the scroll list",
                           "select||combobox|||Anna+Bob+Cem"},
                      Form{"select the 'Large' radio button", "check|Large|radio|||"},
                      Form{"check the box I agree", "check|I agree|checkbox|||"},
                      Form{"uncheck 'News'", "uncheck|News|checkbox|||"},
                      Form{"check the 3rd radio button", "check||radio|3||"},
                      Form{"tick 'A' and 'B'", "check|A|checkbox||| ; check|B|checkbox|||"}));

INSTANTIATE_TEST_SUITE_P(
    Others, InstructionForm,
    ::testing::Values(Form{"press Escape", "press|||||Escape"},
                      Form{"press the Enter key", "press|||||Enter"},
                      Form{"press Control+A", "press|||||Control+A"},
                      Form{"press Enter in the search box", "press|search|textbox|||Enter"},
                      Form{"scroll down", "scroll|||||next"},
                      Form{"scroll to the bottom", "scroll|||||bottom"},
                      Form{"scroll 50% down the page", "scroll|||||50%"},
                      Form{"scroll to 'Comments'", "scroll|Comments||||"},
                      Form{"scroll up one chunk", "scroll|||||previous"},
                      Form{"Scroll the textarea to the bottom", "scroll||textarea|||bottom"},
                      Form{"go back", "back|||||"}, Form{"reload the page", "reload|||||"},
                      Form{"accept the cookies", "consent|||||accept"},
                      Form{"reject all cookies", "consent|||||reject"},
                      Form{"dismiss the consent dialog", "consent|||||dismiss"},
                      Form{"Close the dialog box by clicking the \"x\"", "click|x||||"},
                      Form{"wait 2 seconds", "wait|||||2000"},
                      Form{"wait for 'Done' to appear", "wait|Done||||visible"},
                      Form{"go to https://example.com/a and click Login",
                           "go|||||https://example.com/a ; click|Login||||"},
                      Form{"click Open, then type x into Name, then press Enter",
                           "click|Open|||| ; fill|Name||||x ; press|||||Enter"}));

TEST(Instruction, SaysWhenItIsEmpty) {
  const auto clauses = parse_instruction("  ");

  EXPECT_EQ(clauses.error().code, Errc::invalid_argument);
}

TEST(Instruction, DoesNothingInAnOrderThatIsUnclear) {
  const auto clauses = parse_instruction("Before typing 'a' 'Save'.");
  ASSERT_FALSE(clauses);
  EXPECT_EQ(clauses.error().code, Errc::invalid_argument);
  EXPECT_NE(clauses.error().message.find("the order of"), std::string::npos);
}

TEST(Instruction, KeepsTheWordsOfEachClause) {
  const auto clauses = parse_instruction("type 'a b' into Name and press Enter");

  ASSERT_TRUE(clauses);
  EXPECT_EQ(clauses->at(0).source, "type \"a b\" into Name");
  EXPECT_EQ(clauses->at(1).source, "press Enter");
}

TEST(Instruction, WithoutAVerbNeedsAnExactName) {
  const auto clauses = parse_instruction("Add to cart");

  ASSERT_TRUE(clauses);
  EXPECT_TRUE(clauses->front().exact_only);
  EXPECT_EQ(clauses->front().target.text, "Add to cart");
}

}  // namespace
}  // namespace troupe::interact
