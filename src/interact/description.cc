#include "interact/description.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "interact/instruction_wording.h"

namespace troupe::interact {

std::optional<int> whole_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_colour(std::string_view word) {
  constexpr std::array kColours = std::to_array<std::string_view>(
      {"red",     "green",   "blue",   "aqua",   "cyan",   "black",  "white",  "gray",     "grey",
       "magenta", "fuchsia", "yellow", "orange", "purple", "violet", "pink",   "brown",    "teal",
       "navy",    "lime",    "maroon", "olive",  "gold",   "silver", "indigo", "turquoise"});
  return std::count(kColours.begin(), kColours.end(), word) > 0;
}

namespace {

constexpr std::size_t npos = std::string::npos;

struct RoleRow {
  std::string_view words;
  std::string_view role;
  std::string_view implied = {};  ///< Name that the words themselves give.
};
constexpr std::array kRoles = std::to_array<RoleRow>({
    {"search box", "textbox", "search"},
    {"search field", "textbox", "search"},
    {"search bar", "textbox", "search"},
    {"search input", "textbox", "search"},
    {"searchbox", "textbox", "search"},
    {"input text field", "textbox"},
    {"text input field", "textbox"},
    {"input textbox", "textbox"},
    {"text field", "textbox"},
    {"text fields", "textbox"},
    {"text box", "textbox"},
    {"text input", "textinput"},
    {"input textboxes", "textbox"},
    {"textboxes", "textbox"},
    {"boxes", "textbox"},
    {"input fields", "textbox"},
    {"text boxes", "textbox"},
    {"text areas", "textarea"},
    {"inputs", "textbox"},
    {"sliders", "slider"},
    {"buttons", "button"},
    {"links", "link"},
    {"paragraph", "paragraph"},
    {"text area", "textarea"},
    {"input field", "textbox"},
    {"input box", "textbox"},
    {"textarea", "textarea"},
    {"textbox", "textbox"},
    {"field", "textbox"},
    {"fields", "textbox"},
    {"input", "textbox"},
    {"editor", "textbox"},
    {"box", "textbox"},
    {"radio button", "radio"},
    {"radio", "radio"},
    {"check box", "checkbox"},
    {"tick box", "checkbox"},
    {"checkbox", "checkbox"},
    {"checkboxes", "checkbox"},
    {"toggle switch", "switch"},
    {"switch", "switch"},
    {"toggle", "switch"},
    {"menu item", "menuitem"},
    {"menu entry", "menuitem"},
    {"drop-down list", "combobox"},
    {"dropdown list", "combobox"},
    {"dropdown menu", "combobox"},
    {"drop down", "combobox"},
    {"scroll list", "combobox"},
    {"select box", "combobox"},
    {"drop-down", "combobox"},
    {"dropdown", "combobox"},
    {"combobox", "combobox"},
    {"combo box", "combobox"},
    {"select", "combobox"},
    {"list", "combobox"},
    {"hyperlink", "link"},
    {"link", "link"},
    {"submit button", "button", "submit"},
    {"icon button", "button"},
    {"button", "button"},
    {"tab", "tab"},
    {"icon", "icon"},
    {"image", "img"},
    {"picture", "img"},
    {"logo", "img", "logo"},
    {"heading", "heading"},
    {"slider", "slider"},
    {"spinner", "spinbutton"},
    {"option", "option"},
    {"entry", "option"},
    {"menu", "menu", "menu"},
    {"section", "region"},
    {"element", ""},
    {"item", ""},
    {"text", ""},
    {"label", ""},
});

struct OrdinalRow {
  std::string_view word;
  int place;
};
constexpr std::array kOrdinals = std::to_array<OrdinalRow>({
    {"first", 1},
    {"second", 2},
    {"third", 3},
    {"fourth", 4},
    {"fifth", 5},
    {"sixth", 6},
    {"seventh", 7},
    {"eighth", 8},
    {"ninth", 9},
    {"tenth", 10},
    {"last", -1},
    {"topmost", 1},
});

/// `2nd`, `second`, `last`, `#3`.
std::optional<int> ordinal_of(const Word& word) {
  if (word.quoted) return std::nullopt;
  const std::string& text = word.lower;
  for (const OrdinalRow& row : kOrdinals)
    if (text == row.word) return row.place;
  if (text.starts_with('#')) return whole_number(std::string_view(text).substr(1));
  const auto digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == npos) return std::nullopt;
  const auto ending = std::string_view(text).substr(digits);
  if (ending != "st" && ending != "nd" && ending != "rd" && ending != "th") return std::nullopt;
  return whole_number(std::string_view(text).substr(0, digits));
}

const RoleRow* role_at(const Phrase& phrase, std::size_t at) {
  for (const RoleRow& row : kRoles)
    if (matches(phrase, at, row.words)) return &row;
  return nullptr;
}

/// The role words that end exactly at `end`; the longest.
const RoleRow* role_ending(const Phrase& phrase, std::size_t end) {
  const RoleRow* found = nullptr;
  for (const RoleRow& row : kRoles) {
    const std::size_t size = count_words(row.words);
    if (size <= end && matches(phrase, end - size, row.words) &&
        (!found || size > count_words(found->words)))
      found = &row;
  }
  return found;
}

// --- Scope: "in the row of Anna", "for Anna", "in the Billing section", "next to Total". ---

struct Scoped {
  Phrase head;
  std::string scope;
};

/// Parts of lists: `the email by Anna` is told apart by Anna.
bool is_entry(std::string_view word) {
  constexpr std::array kEntries = std::to_array<std::string_view>(
      {"email",   "emails", "e-mail",  "mail",     "message", "messages", "post",   "posts",
       "tweet",   "tweets", "comment", "comments", "item",    "items",    "thread", "threads",
       "article", "video",  "videos",  "review",   "reviews", "entry",    "entries"});
  return std::count(kEntries.begin(), kEntries.end(), word) > 0;
}

}  // namespace

std::string scope_text(Phrase phrase) {
  drop_articles(phrase);
  for (const std::string_view lead :
       {"row of", "row with", "row for", "row containing", "line of", "card of", "card for",
        "same row as", "row that says", "user"})
    if (matches(phrase, 0, lead) && phrase.size() > count_words(lead)) {
      phrase = part(phrase, count_words(lead));
      break;
    }
  if (!any_quoted(phrase)) {
    // "the email by Anna", "all posts by Anna": who tells it apart.
    const std::size_t by = find_first(phrase, {"by", "from", "named", "called", "titled"}, 1);
    if (by != std::string::npos && by <= 2 && by + 1 < phrase.size() &&
        is_entry(phrase[by - 1].lower))
      phrase = part(phrase, by + 1);
  }
  drop_articles(phrase);
  for (const std::string_view tail : {"row", "card", "section", "dialog", "form", "panel", "group",
                                      "box", "item", "area", "table", "list", "window", "popup"})
    if (phrase.size() > 1 && phrase.back().lower == tail) {
      phrase.pop_back();
      break;
    }
  if (any_quoted(phrase))
    for (const Word& word : phrase)
      if (word.quoted) return word.text;
  return join(phrase);
}

namespace {

/// `the row of Anna`, `the row for Anna`: a place, whatever stands before it.
bool names_row(Phrase phrase) {
  drop_articles(phrase);
  for (const std::string_view lead : {"row of", "row with", "row for", "row containing"})
    if (matches(phrase, 0, lead)) return true;
  return false;
}

bool names_dialog(Phrase phrase) {
  drop_articles(phrase);
  return phrase.size() == 1 && (matches(phrase, 0, "dialog") || matches(phrase, 0, "popup"));
}

/// Only when the words before the preposition already describe an element: names contain
/// prepositions too ("Terms of Service", "Log in").
Scoped split_scope(const Phrase& phrase) {
  constexpr std::array kScopes =
      std::to_array<std::string_view>({"in", "inside", "within", "under", "below", "next to",
                                       "beside", "for", "of", "from", "on", "at", "near", "by"});
  for (std::size_t i = 1; i + 1 < phrase.size(); ++i)
    for (const auto words : kScopes) {
      if (!matches(phrase, i, words)) continue;
      const Phrase rest = part(phrase, i + count_words(words));
      const bool described = phrase[i - 1].quoted || role_ending(phrase, i) != nullptr;
      if (!described && !names_row(rest) && !names_dialog(rest)) continue;
      if (rest.empty()) continue;
      return {part(phrase, 0, i), scope_text(rest)};
    }
  return {phrase, {}};
}

/// `"x" to close the dialog`, `… in order to go on`: what it is for tells nothing apart.
void drop_purpose(Phrase& phrase) {
  const std::size_t order = find_first(phrase, {"in order to", "so as to"}, 1);
  if (order != npos) phrase.resize(order);
  for (std::size_t i = 1; i + 1 < phrase.size(); ++i) {
    // "the button to open" has no other name than that.
    const bool described = phrase[i - 1].quoted || (i > 1 && role_ending(phrase, i) != nullptr);
    if (!described || !matches(phrase, i, "to")) continue;
    if (!verb_at(phrase, i + 1) && !matches(phrase, i + 1, "continue")) continue;
    phrase.resize(i);
    return;
  }
}

// "at the top", "on the page" say nothing that tells elements apart.
void drop_tail(Phrase& phrase) {
  for (const std::string_view tail :
       {"on the page", "on this page", "of the page", "at the top", "at the bottom", "on the left",
        "on the right", "below", "above", "again", "to continue", "in the page", "on the screen"}) {
    const std::size_t size = count_words(tail);
    if (phrase.size() > size && matches(phrase, phrase.size() - size, tail))
      phrase.resize(phrase.size() - size);
  }
}

void take_ordinal(Phrase& phrase, Description& out) {
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    const bool number = (matches(phrase, i, "number") || matches(phrase, i, "no")) &&
                        (i == 0 || i + 2 == phrase.size());
    const bool inside = i > 0 && i + 1 < phrase.size();
    if (inside && !number && !phrase[i].lower.starts_with('#')) continue;
    auto place = ordinal_of(phrase[i]);
    if (number && i + 1 < phrase.size()) place = whole_number(phrase[i + 1].text);
    if (!place || (phrase.size() == 1 && !phrase[i].lower.starts_with('#'))) continue;
    out.ordinal = *place;
    const std::size_t used = number ? 2 : 1;
    phrase.erase(phrase.begin() + static_cast<std::ptrdiff_t>(i),
                 phrase.begin() + static_cast<std::ptrdiff_t>(i + used));
    return;
  }
}

void take_role(Phrase& phrase, Description& out) {
  std::string_view implied;
  if (const RoleRow* row = role_ending(phrase, phrase.size())) {
    // "Search box" alone is a role with a name in it; "Menu" alone is more likely a name.
    out.role = row->role;
    implied = row->implied;
    phrase.resize(phrase.size() - count_words(row->words));
  } else if (const RoleRow* first = role_at(phrase, 0)) {
    out.role = first->role;
    implied = first->implied;
    phrase.erase(phrase.begin(),
                 phrase.begin() + static_cast<std::ptrdiff_t>(count_words(first->words)));
    for (const std::string_view words :
         {"which says", "that says", "with the text", "with the label", "with the name", "saying",
          "labelled", "labeled", "called", "named", "titled", "with text", "with name", "marked",
          "to", "for", "with", "reading"})
      if (matches(phrase, 0, words) && phrase.size() > count_words(words)) {
        phrase = part(phrase, count_words(words));
        break;
      }
  }
  if (phrase.empty() && !implied.empty()) out.text = implied;
  // A section that is closed is meant anyhow.
  if (out.role == "region" && phrase.size() == 1 &&
      (matches(phrase, 0, "collapsed") || matches(phrase, 0, "closed")))
    phrase.clear();
}

}  // namespace

namespace {

/// `both text fields`, `all posts by Anna`, `a checkbox`, `2 posts by Anna`.
void take_amount(Phrase& phrase, Description& out) {
  if (phrase.size() < 2 || phrase.front().quoted) return;
  const std::string& first = phrase.front().lower;
  if (first == "both" || first == "all" || first == "every" || first == "each") {
    out.every = true;
    phrase = part(phrase, 1);
  } else if (const auto number = whole_number(first); number && is_entry(phrase[1].lower)) {
    out.every = true;
    out.most = *number;
    phrase = part(phrase, 1);
  }
}

/// `the "Like" button on all posts by Anna`: one in each.
void take_amount_of_scope(const Phrase& phrase, Description& out) {
  for (std::size_t i = 1; i + 2 < phrase.size(); ++i)
    if (matches(phrase, i, "on") || matches(phrase, i, "in") || matches(phrase, i, "of")) {
      Phrase rest = part(phrase, i + 1);
      Description amount;
      take_amount(rest, amount);
      if (!amount.every || !is_entry(rest.front().lower)) continue;
      out.every = true;
      out.most = amount.most;
    }
}

/// `the button in the dialog box labeled "x"`: the label belongs to the button. A row or section
/// may be labelled itself.
std::string take_label_behind(Phrase& phrase) {
  if (phrase.size() < 5 || !phrase.back().quoted) return {};
  for (const std::string_view words : {"labeled", "labelled", "called", "named", "titled", "saying",
                                       "that says", "with the text"}) {
    const std::size_t size = count_words(words) + 1;
    if (size >= phrase.size() || !matches(phrase, phrase.size() - size, words)) continue;
    const Phrase before = part(phrase, 0, phrase.size() - size);
    const std::size_t place =
        find_first(before, {"dialog", "dialog box", "popup", "window", "form", "page", "menu"}, 1);
    const std::size_t in = find_first(before, {"in", "inside", "of", "on", "within"}, 1);
    if (any_quoted(before) || place == npos || in == npos || in > place) return {};
    std::string name = phrase.back().text;
    phrase = before;
    return name;
  }
  return {};
}

/// `a "checkbox" widget`, `a widget of the kind "checkbox"`: the quoted word is a kind of widget.
bool take_kind(const Phrase& phrase, Description& out) {
  const bool behind =
      phrase.size() > 3 && phrase.back().quoted && matches(phrase, 1, "of") &&
      (matches(phrase, phrase.size() - 2, "kind") || matches(phrase, phrase.size() - 2, "type"));
  if (!behind && (phrase.size() != 2 || !phrase[0].quoted)) return false;
  const std::string& noun = behind ? phrase[0].lower : phrase[1].lower;
  if (noun != "widget" && noun != "control" && noun != "element") return false;
  const std::string kind = to_lower(behind ? phrase.back().text : phrase[0].text);
  if (kind == "textarea" || kind == "text") {
    out.role = kind == "text" ? "textinput" : kind;
    return true;
  }
  const Phrase words = split_words(kind);
  const RoleRow* row = role_ending(words, words.size());
  if (!row || row->role.empty() || count_words(row->words) != words.size()) return false;
  out.role = row->role;
  return true;
}

/// `the box that is lime`, `the lime-coloured box`: as `the lime coloured box`.
void colour_first(Phrase& phrase) {
  const Word coloured{.text = "coloured", .lower = "coloured"};
  for (Word& word : phrase)
    for (const std::string_view tail : {"-coloured", "-colored"})
      if (!word.quoted && word.lower.size() > tail.size() && word.lower.ends_with(tail)) {
        word.text = word.lower = word.lower.substr(0, word.lower.size() - tail.size());
        const auto at = phrase.begin() + (&word - phrase.data());
        phrase.insert(at + 1, coloured);
        return;
      }
  const std::size_t size = phrase.size();
  if (size < 3 || any_quoted(phrase) || !is_colour(phrase.back().lower)) return;
  const bool is =
      size > 3 && (matches(phrase, size - 3, "that is") || matches(phrase, size - 3, "which is"));
  const bool said = matches(phrase, size - 2, "coloured") || matches(phrase, size - 2, "colored") ||
                    matches(phrase, size - 2, "in");
  if (!is && !said) return;
  Phrase noun = part(phrase, 0, size - (is ? 3 : 2));
  drop_articles(noun);
  Phrase turned{phrase.back(), coloured};
  turned.insert(turned.end(), noun.begin(), noun.end());
  phrase = std::move(turned);
}

/// `the lime coloured box`.
void take_colour(Phrase& phrase, Description& out) {
  colour_first(phrase);
  for (std::size_t i = 1; i < phrase.size(); ++i)
    if (!phrase[i - 1].quoted &&
        (matches(phrase, i, "colored") || matches(phrase, i, "coloured"))) {
      out.colour = phrase[i - 1].lower;
      phrase = part(phrase, i + 1);
      if (phrase.size() == 1) {
        constexpr std::array kShapes = std::to_array<std::string_view>(
            {"box", "square", "area", "rectangle", "tile", "cell", "element", "circle", "shape"});
        if (std::count(kShapes.begin(), kShapes.end(), phrase[0].lower) > 0) phrase.clear();
      }
      return;
    }
}

/// `any link`, `the only button`: whether any will do.
bool take_quantifier(Phrase& phrase) {
  if (phrase.size() < 2 || phrase[0].quoted) return false;
  for (const std::string_view some : {"any", "some", "one"})
    if (phrase[0].text == some) {
      erase(phrase, 0, 1);
      return true;
    }
  const bool only = matches(phrase, 0, "only") || matches(phrase, 0, "single");
  if (only && role_ending(phrase, phrase.size())) erase(phrase, 0, 1);
  return false;
}

}  // namespace

Description describe(Phrase phrase) {
  Description out;
  bool indefinite =
      matches(phrase, 0, "a") || matches(phrase, 0, "an") || matches(phrase, 0, "on a");
  for (std::size_t i = 1; i < phrase.size(); ++i)
    if (matches(phrase, i - 1, "dialog box")) erase(phrase, i, i + 1);
  drop_articles(phrase);
  const std::string uncut = join(phrase);
  indefinite = take_quantifier(phrase) || indefinite;
  take_amount(phrase, out);
  take_amount_of_scope(phrase, out);
  drop_articles(phrase);
  if (take_kind(phrase, out)) {
    out.any = indefinite;
    return out;
  }
  take_colour(phrase, out);
  const std::string label = take_label_behind(phrase);
  out.whole = join(phrase);
  if (const RoleRow* row = role_ending(phrase, phrase.size()))
    if (phrase.size() > count_words(row->words))
      out.whole = join(part(phrase, 0, phrase.size() - count_words(row->words)));
  if (out.every) out.whole = uncut;
  drop_tail(phrase);
  drop_purpose(phrase);
  Scoped scoped = split_scope(phrase);
  out.scope = std::move(scoped.scope);
  phrase = std::move(scoped.head);
  drop_articles(phrase);
  take_ordinal(phrase, out);
  drop_articles(phrase);
  const Phrase before = phrase;
  take_role(phrase, out);
  drop_articles(phrase);
  if (out.ordinal == 0) take_ordinal(phrase, out);
  for (const Word& word : phrase) {
    if (!word.quoted) continue;
    out.text = word.text;
    out.quoted = true;
    return out;
  }
  if (!phrase.empty()) out.text = join(phrase);
  out.any = indefinite && out.text.empty() && label.empty();
  if (!label.empty()) {
    out.text = label;
    out.quoted = true;
    return out;
  }
  constexpr std::array kItems = std::to_array<std::string_view>(
      {"result", "search result", "video", "item", "product", "article", "post", "story", "film",
       "movie", "song", "book", "hit", "card", "listing"});
  const bool generic = out.text.empty() || std::count(kItems.begin(), kItems.end(), out.text) > 0;
  out.item = out.ordinal != 0 && out.role.empty() && out.scope.empty() && generic;
  // One bare word such as "Menu" or "Switch" is what it is called, not a kind of thing.
  if ((out.text.empty() || out.role == "menu") && out.ordinal == 0 && before.size() == 1 &&
      before[0].text != before[0].lower) {
    out.text = before[0].text;
    out.role.clear();
  }
  return out;
}

Description parse_description(std::string_view text) { return describe(split_words(text)); }

}  // namespace troupe::interact
