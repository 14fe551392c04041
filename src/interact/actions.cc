#include "interact/actions.h"

#include <algorithm>
#include <array>

namespace troupe::interact {
namespace {

using enum FieldType;

constexpr std::array kTarget = std::to_array<Field>({
    {"selector", text, false,
     "CSS selector (pierces shadow roots), or xpath=…, text=…, role=…[name=…]"},
    {"role", text, false, "ARIA role: button, link, textbox, …"},
    {"name", text, false, "Accessible name; compared without case and extra white space"},
    {"label", text, false, "Text of the field's label"},
    {"text", text, false, "Visible text of the element"},
    {"placeholder", text, false, "Placeholder of the field"},
    {"test_id", text, false, "Value of data-testid, data-test-id, data-test or data-qa"},
    {"exact", flag, false, "Names and texts must be equal, not only contain it (default false)"},
    {"within", text, false, "Selector of the region to look in"},
    {"nth", integer, false, "Which of several matches: 1 is the first, -1 the last"},
});

constexpr std::string_view kWaitUntil = "commit|domcontentloaded|load|networkidle";

constexpr std::array kGoto = std::to_array<Field>({
    {"url", text, true, "Absolute URL, or one relative to the site's base_url"},
    {"wait_until", text, false, "When the page counts as there (default load)", kWaitUntil},
    {"allow_status", list, false, "HTTP statuses of 400 and more that are not an error"},
});
constexpr std::array kAct = std::to_array<Field>({
    {"instruction", text, false, "What to do, in plain words: click the 'Search' button"},
    {"action", object, false,
     "In its place: what observe listed, {kind, selector, arguments}; nothing is looked for"},
    {"optional", flag, false, "No such element is no error (default false)"},
    {"variables", object, false,
     "Values for %name% in the text to type; they stand in no message, log or prompt"},
    {"patience", duration, false,
     "How long a part of it may wait for its element (default: all the time of the step)"},
    {"finish", flag, false,
     "When its last part entered or moved something, press the page's only button that sends it "
     "off "
     "(Submit, Save, Done, …), if there is just one (default false)"},
    {"equals", text, false,
     "Elements that nothing tells apart, neither name nor kind nor what is around them: refuse "
     "(default) or first",
     "refuse|first"},
});
constexpr std::array kExtract = std::to_array<Field>({
    {"instruction", text, false, "What is wanted, in words; for interactors that ask a model"},
    {"items", text, false, "Selector of the repeated element: the result is a list of objects"},
    {"list", flag, false, "The result is a list, its repeated structure found without `items`"},
    {"fields", object, false,
     "Name → type, or {selector, attribute, pattern, type, label, required}"},
    {"schema", object, false,
     "JSON Schema instead of `fields`; properties may carry selector, attribute, …"},
    {"within", text, false, "Selector of the region to look in"},
    {"limit", integer, false, "Longest list (default 1000)"},
    {"min", integer, false, "Fewer items than that is an error (default 0)"},
    {"unique_by", text, false, "Field that tells items apart: repeated ones are dropped"},
    {"more", text, false,
     "How a list is completed until `limit`: scroll, or pages (also its buttons and links for "
     "more; "
     "default none)",
     "none|scroll|pages"},
    {"pages_max", integer, false, "With `more: pages`, so many parts at most (default 20)"},
    {"sources", flag, false,
     "The result is {value, sources}: of each value the element it was read from (default false)"},
});
constexpr std::array kObserve = std::to_array<Field>({
    {"instruction", text, false,
     "What is looked for, in words; empty: everything that can be done"},
    {"limit", integer, false, "Longest list (default 50)"},
});
constexpr std::array kAgent = std::to_array<Field>({
    {"goal", text, true, "What to reach, in plain words"},
    {"steps_max", integer, false, "Steps at most (default 20, or the service's own)"},
    {"tokens_max", integer, false, "Ends it when so many tokens are used; native only"},
    {"variables", object, false,
     "Values for %name% in what is typed; no model is told them; native only"},
});
constexpr std::array kClick = std::to_array<Field>({
    {"button", text, false, "Mouse button (default left)", "left|middle|right"},
    {"count", integer, false, "2 is a double click (default 1)"},
    {"optional", flag, false, "No such element is no error (default false)"},
});
constexpr std::array kFill = std::to_array<Field>({
    {"value", any, true, "What the field holds afterwards"},
    {"submit", flag, false, "Press Enter afterwards (default false)"},
});
constexpr std::array kSelect = std::to_array<Field>({
    {"value", any, true, "Option's text, value or index; a list for several"},
});
constexpr std::array kPress = std::to_array<Field>({
    {"key", text, true, "Enter, Escape, ArrowDown, a, Control+A, …"},
    {"count", integer, false, "How often (default 1)"},
});
constexpr std::array kScroll = std::to_array<Field>({
    {"to", text, false, "top | bottom | next | previous (a screenful), or 50%"},
    {"by", integer, false, "Pixels; negative is up"},
});
constexpr std::array kWaitFor = std::to_array<Field>({
    {"state", text, false, "What the element must be (default visible)",
     "attached|visible|hidden|detached|enabled"},
    {"url", text, false, "Text that the URL must contain"},
    {"expression", text, false, "JavaScript that must become true"},
    {"load", text, false, "Load state that must be reached", kWaitUntil},
    {"duration", duration, false, "Just wait that long"},
    {"min", integer, false, "At least so many elements must match (default 1)"},
});
constexpr std::array kScreenshot = std::to_array<Field>({
    {"name", text, false, "File name without ending (default: the step's id)"},
    {"full_page", flag, false, "The whole page instead of the view (default false)"},
});
constexpr std::array kEvaluate = std::to_array<Field>({
    {"expression", text, true,
     "JavaScript expression; a promise is awaited; the value must be JSON"},
    {"args", object, false, "Available in the expression as `args`"},
});
constexpr std::array kDownload = std::to_array<Field>({
    {"url", text, false, "Fetch this URL with the page's cookies instead of clicking a target"},
    {"name", text, false, "File name to save as (default: the one suggested)"},
    {"bytes_max", integer, false, "Larger is an error (default 256 MiB)"},
});
constexpr std::array kUpload = std::to_array<Field>({
    {"files", any, true, "Path, or list of paths, on the machine that runs Troupe"},
});

constexpr std::array kActions = std::to_array<ActionRow>({
    {"goto", "Opens a URL and waits for the page", "url", kGoto},
    {"act", "Does what a plain sentence says", "instruction", kAct},
    {"extract", "Reads data from the page as JSON", "instruction", kExtract},
    {"observe", "Lists what can be done on the page", "instruction", kObserve},
    {"click", "Clicks an element", "selector", kClick, true},
    {"fill", "Replaces the content of a field", "", kFill, true},
    {"select", "Chooses options of a list", "", kSelect, true},
    {"press", "Presses a key, on an element or where the focus is", "key", kPress, true, true},
    {"hover", "Moves the pointer over an element", "selector", {}, true},
    {"scroll", "Scrolls the page, a region, or to an element", "to", kScroll, true, true},
    {"wait_for", "Waits for an element, a URL, a condition or a time", "selector", kWaitFor, true,
     true},
    {"screenshot", "Saves a picture of the page or an element", "name", kScreenshot, true, true},
    {"evaluate", "Runs JavaScript in the page", "expression", kEvaluate},
    {"download", "Saves what a click or a URL downloads", "url", kDownload, true, true},
    {"upload", "Gives files to a file field", "", kUpload, true},
    {"agent", "Reaches a goal in several steps that a model chooses", "goal", kAgent},
});

}  // namespace

std::span<const Field> target_fields() { return kTarget; }
std::span<const ActionRow> action_table() { return kActions; }

const ActionRow* find_action(std::string_view kind) {
  const auto row = std::find_if(kActions.begin(), kActions.end(),
                                [&](const ActionRow& r) { return r.kind == kind; });
  return row == kActions.end() ? nullptr : &*row;
}

}  // namespace troupe::interact
