#include <gtest/gtest.h>

#include "interact/instruction.h"

namespace troupe::interact {
namespace {

/// `verb text role #ordinal @scope =value` of each clause.
std::string told(std::string_view instruction) {
  const auto clauses = parse_instruction(instruction);
  if (!clauses) return clauses.error().message;
  std::string out;
  for (const Clause& clause : *clauses) {
    if (!out.empty()) out += "; ";
    out += to_string(clause.verb);
    if (!clause.target.text.empty()) out += " " + clause.target.text;
    if (!clause.target.role.empty()) out += " [" + clause.target.role + "]";
    if (clause.target.ordinal != 0) out += " #" + std::to_string(clause.target.ordinal);
    if (!clause.target.scope.empty()) out += " @" + clause.target.scope;
    if (!clause.value.empty()) out += " =" + clause.value;
    if (clause.target.every) out += " every";
    if (clause.explore) out += " explore";
    if (clause.described_value) out += " described";
    if (!clause.destination.empty()) out += " -> " + clause.destination.text;
    if (clause.exact_only) out += " exactly";
  }
  return out;
}

TEST(InstructionForms, FindsBeforeItActs) {
  EXPECT_EQ(told("Switch between the tabs to find and click on the link \"nunc,\"."),
            "click nunc, [link] explore");
  EXPECT_EQ(told("Navigate through the file tree. Find and click on the folder named \"Livia\"."),
            "click Livia explore");
  EXPECT_EQ(told("Find the email by Rochella and click the trash icon to delete it."),
            "click trash [icon] @Rochella");
  EXPECT_EQ(told("Find the 4th word in the paragraph, type that into the textbox"),
            "copy [paragraph] =4; fill [textbox] =that described");
  EXPECT_EQ(told("get started"), "click get started exactly");
}

TEST(InstructionForms, ReadsMail) {
  EXPECT_EQ(told("Find Neille's email and forward it to Britteny."),
            "click Neille; click forward; fill to [textbox] =Britteny; click send");
  EXPECT_EQ(told("Find Dorothee's email and reply with \"Dictum.\"."),
            "click Dorothee; click reply; fill =Dictum.; click send");
  EXPECT_EQ(told("Delete email from Neille."), "click delete @Neille");
  EXPECT_EQ(told("forward it to Bob"), "click forward; fill to [textbox] =Bob; click send");
}

TEST(InstructionForms, DragsToPlacesAndThings) {
  EXPECT_EQ(told("drag Report onto the Archive folder"), "drag Report -> Archive folder");
  EXPECT_EQ(told("Drag Olwen up by one position."), "drag Olwen =up");
  EXPECT_EQ(told("Drag Jinny to the top left."), "drag Jinny =top left");
  EXPECT_EQ(told("Drag Marge to the 4th position."), "drag Marge =position");
  EXPECT_EQ(told("Drag Marge to position 4."), "drag Marge =position");
}

TEST(InstructionForms, TellsGivenTextsFromDescribedOnes) {
  EXPECT_EQ(told("Type the total number of blocks into the textbox"),
            "fill [textbox] =the total number of blocks described");
  EXPECT_EQ(told("type the 'total number' into the textbox"), "fill [textbox] =total number");
  EXPECT_EQ(told("type hello world into the textbox"), "fill [textbox] =hello world");
}

TEST(InstructionForms, TakesNamesForNames) {
  EXPECT_EQ(told("Use this address"), "click use this address exactly");
  EXPECT_EQ(told("Copy link"), "click Copy [link] exactly");
  EXPECT_EQ(told("Use the textbox to enter \"Jerald\" and press \"Search\""),
            "fill [textbox] =Jerald; click Search");
}

TEST(InstructionForms, PutsTheLabelWhereItBelongs) {
  EXPECT_EQ(told("Click the button in the dialog box labeled \"x\"."), "click x [button] @dialog");
  EXPECT_EQ(told("Click the Reply button in the row labeled \"Anna\""),
            "click Reply [button] @Anna");
}

}  // namespace
}  // namespace troupe::interact
