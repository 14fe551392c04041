#include "interact/instruction.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "interact/description.h"
#include "interact/instruction_forms.h"
#include "interact/instruction_readings.h"
#include "interact/instruction_wording.h"
#include "interact/keys.h"

namespace troupe::interact {
namespace {

constexpr std::size_t npos = std::string::npos;

/// "… of the text hit submit": a press at the end needs no joining word.
bool final_press(const Phrase& phrase, std::size_t at) {
  return at + 2 == phrase.size() && !phrase.back().quoted &&
         (matches(phrase, at, "hit") || matches(phrase, at, "press")) &&
         (phrase.back().lower == "submit" || is_key_name(phrase.back().text));
}

/// "select Anna, Mark": a capital letter in the middle of a sentence that chooses begins a name.
bool is_name(const Phrase& phrase, std::size_t begin, std::size_t at) {
  const VerbRow* row = verb_at(phrase, begin);
  const bool chooses = row && (row->verb == Verb::select || row->verb == Verb::check);
  if (!chooses || at == 0 || phrase[at - 1].stop_after || phrase[at].text.empty()) return false;
  return std::isupper(static_cast<unsigned char>(phrase[at].text[0])) &&
         std::islower(static_cast<unsigned char>(phrase[begin].text[0]));
}

/// Places where a new clause begins: after a comma, "and" or "then", at a verb that has an object.
std::vector<Phrase> split_clauses(const Phrase& phrase) {
  std::vector<Phrase> clauses;
  std::size_t begin = skip_polite(phrase, 0);
  for (std::size_t i = begin + 1; i < phrase.size(); ++i) {
    const bool joined =
        matches(phrase, i, "and") || matches(phrase, i, "then") || matches(phrase, i, "&");
    if (!joined && !phrase[i - 1].pause_after && !final_press(phrase, i)) continue;
    const std::size_t next = skip_polite(phrase, joined && phrase[i].lower == "&" ? i + 1 : i);
    const VerbRow* row = next < phrase.size() ? verb_at(phrase, next) : nullptr;
    if (!row && !mail_at(phrase, next)) continue;
    if (is_name(phrase, begin, next)) continue;
    const bool has_object = !row || next + count_words(row->words) < phrase.size();
    if (!has_object && !row->alone) continue;
    clauses.push_back(part(phrase, begin, i));
    begin = next;
    i = next;
  }
  clauses.push_back(part(phrase, begin));
  return clauses;
}

/// "For the user @x, click …", "In the Billing section, click …": where the clauses after it act.
std::string take_leading_scope(std::vector<Phrase>& clauses) {
  if (clauses.size() < 2 || verb_at(clauses.front(), 0)) return {};
  for (const std::string_view lead : {"for", "in", "within", "inside", "under", "on", "at"})
    if (matches(clauses.front(), 0, lead)) {
      const std::string scope = scope_text(part(clauses.front(), 1));
      clauses.erase(clauses.begin());
      return scope;
    }
  return {};
}

/// `the "Blue" option, Red and "Green"`: quoted or not, none is passed over.
std::vector<std::string> quoted_values(const Phrase& phrase) {
  std::vector<std::string> values;
  for (const Phrase& item : items_of(phrase)) {
    if (!any_quoted(item)) values.push_back(join(item));
    for (const Word& word : item)
      if (word.quoted) values.push_back(word.text);
  }
  return values;
}

std::vector<std::string> list_values(const Phrase& phrase) {
  if (any_quoted(phrase)) return quoted_values(phrase);
  std::vector<std::string> values;
  Phrase one;
  const auto flush = [&] {
    drop_articles(one);
    if (!one.empty()) values.push_back(join(one));
    one.clear();
  };
  const bool commas = std::any_of(phrase.begin(), phrase.end() - (phrase.empty() ? 0 : 1),
                                  [](const Word& word) { return word.pause_after; });
  for (const Word& word : phrase) {
    if (word.lower == "and" && !one.empty() && commas) {
      flush();
      continue;
    }
    one.push_back(word);
    if (word.pause_after) {
      one.back().pause_after = false;
      flush();
    }
  }
  flush();
  return values;
}

Clause make(Verb verb, Description target, std::string value = {}) {
  Clause clause;
  clause.verb = verb;
  clause.target = std::move(target);
  clause.value = std::move(value);
  return clause;
}

std::string value_of(Phrase phrase) {
  for (const Word& word : phrase)
    if (word.quoted) return word.text;
  for (const std::string_view lead : {"the text", "the value", "the word", "value", "text"})
    if (matches(phrase, 0, lead) && phrase.size() > count_words(lead) && !is_described(phrase)) {
      phrase = part(phrase, count_words(lead));
      break;
    }
  return join(phrase);
}

/// `the username "u" and the password "p" into the text fields`: a label before each value.
bool labelled_values(const Phrase& phrase, std::vector<Clause>& out) {
  const std::size_t end = std::min(find_last(phrase, {"into", "in", "to"}, 1), phrase.size());
  std::vector<Clause> found;
  Phrase label;
  for (std::size_t i = 0; i < end; ++i) {
    if (!phrase[i].quoted) {
      if (phrase[i].lower != "and" || !label.empty()) label.push_back(phrase[i]);
      continue;
    }
    drop_articles(label);
    const std::string name = label.empty() ? "" : join(label);
    constexpr std::array kPlain = std::to_array<std::string_view>(
        {"", "text", "value", "word", "number", "string", "phrase", "term", "query", "item"});
    if (std::count(kPlain.begin(), kPlain.end(), name) > 0) return false;
    label.push_back({"field", "field"});
    found.push_back(make(Verb::fill, describe(label), phrase[i].text));
    label.clear();
  }
  // With one value, words after "into" that name a field win over the words before the value.
  if (found.empty()) return false;
  if (end < phrase.size()) {
    const Description place = describe(part(phrase, end + 1));
    if (!place.text.empty() || place.every) return false;
  }
  for (Clause& clause : found) out.push_back(std::move(clause));
  return true;
}

/// `[5, 11, 10]`: one for each of several fields.
void take_list(Clause& clause) {
  const auto open = clause.value.find('['), close = clause.value.rfind(']');
  if (clause.target.role != "slider" || open == npos || close == npos || close < open) return;
  std::string one;
  for (const char c : clause.value.substr(open + 1, close - open - 1) + ",") {
    if (c != ',' && c != ' ') one += c;
    if (c == ',' && !one.empty()) clause.values.push_back(std::exchange(one, {}));
  }
  clause.target.every = !clause.values.empty();
}

/// The clause of a fill whose text may be described only.
Clause fill_clause(Description target, const Phrase& value) {
  Clause clause = make(Verb::fill, std::move(target), value_of(value));
  clause.described_value = is_described(value);
  take_list(clause);
  return clause;
}

/// "use the search box to enter jazz".
bool parse_use(const Phrase& rest, std::vector<Clause>& out) {
  for (const std::string_view words : {"to enter", "to type", "to write", "to search for",
                                       "to select", "to choose", "to pick", "to set"}) {
    const std::size_t to = find_first(rest, {words}, 1);
    if (to == npos || to + count_words(words) >= rest.size()) continue;
    out.push_back(fill_clause(describe(part(rest, 0, to)), part(rest, to + count_words(words))));
    return true;
  }
  return false;
}

void parse_fill(std::string_view verb, Phrase rest, std::vector<Clause>& out) {
  if (verb == "use") {
    if (parse_use(rest, out) || labelled_values(rest, out)) return;
    // "Use this address" is what something is called.
    Clause clause = make(Verb::click, describe(rest));
    clause.target.text = clause.target.whole = "use " + join(rest);
    clause.exact_only = true;
    return out.push_back(std::move(clause));
  }
  set_case(rest);
  if (verb == "clear" || verb == "empty") {
    out.push_back(make(Verb::fill, describe(rest)));
    return;
  }
  if (verb == "search for") {
    Clause fill = make(Verb::fill, describe(split_words("search box")), value_of(rest));
    if (!any_quoted(rest) && rest.size() > 2) {
      fill.reading = "search_for";
      fill.how = {{"text", join(rest)}};
      return out.push_back(std::move(fill));
    }
    out.push_back(std::move(fill));
    out.push_back(make(Verb::press, {}, "Enter"));
    return;
  }
  if (parse_pairs(verb, rest, out)) return;
  const bool sets = verb == "set" || verb == "adjust";
  const bool target_first = verb.starts_with("fill") || sets;
  if (target_first) {
    const std::size_t with =
        sets ? find_last(rest, {"to"}, 1) : find_first(rest, {"with", "as", "="}, 1);
    if (with != npos && with + 1 < rest.size()) {
      out.push_back(fill_clause(describe(part(rest, 0, with)), part(rest, with + 1)));
      return;
    }
  }
  std::size_t into = find_last(rest, {"into"}, 1);
  if (into == npos) into = find_last(rest, {"in", "inside", "to", "at", "on"}, 1);
  if (into != npos && into + 1 < rest.size() &&
      (!any_quoted(rest) || any_quoted(part(rest, 0, into)))) {
    if (any_quoted(rest) && labelled_values(rest, out)) return;
    out.push_back(fill_clause(describe(part(rest, into + 1)), part(rest, 0, into)));
    return;
  }
  if (any_quoted(rest) && labelled_values(rest, out)) return;
  const std::size_t as = find_last(rest, {"as"}, 1);
  if (as != npos && as + 1 < rest.size()) {
    out.push_back(fill_clause(describe(part(rest, as + 1)), part(rest, 0, as)));
    return;
  }
  if (parse_named_value(rest, out)) return;
  out.push_back(fill_clause({}, rest));
}

void parse_select(const Phrase& rest, std::vector<Clause>& out) {
  if (parse_menu_path(rest, out) || parse_dial(rest, out)) return;
  if (parse_marked_text(rest, out)) return;
  std::size_t from = find_last(rest, {"from", "in", "for", "as", "under", "of"}, 1);
  Clause clause = make(Verb::select, {});
  const Description alone = describe(rest);
  const bool is_widget = alone.role == "radio" || alone.role == "checkbox" || alone.role == "tab" ||
                         alone.role == "link" || alone.role == "button" || alone.role == "switch" ||
                         alone.role == "icon" || alone.role == "menuitem";
  if (is_widget) {
    const bool box = alone.role == "radio" || alone.role == "checkbox";
    out.push_back(make(box ? Verb::check : Verb::click, alone));
    return;
  }
  if (from != npos && from + 1 < rest.size()) {
    clause.target = describe(part(rest, from + 1));
    Phrase values = part(rest, 0, from);
    if (values.size() > 1 && values.back().lower == "out") values.pop_back();
    // "from the menu" says no more than that it is one of its entries.
    if (clause.target.role == "menu" && clause.target.text == "menu") clause.target = {};
    drop_articles(values);
    if (values.size() > 1 && values.back().lower == "option") values.pop_back();
    if (values.size() > 1 && values.front().lower == "option") values = part(values, 1);
    clause.values = list_values(values);
  } else {
    clause.values =
        alone.quoted || alone.role == "option" ? std::vector{alone.text} : list_values(rest);
    if (any_quoted(rest)) clause.values = list_values(rest);
    clause.target.ordinal = alone.ordinal;
  }
  if (!clause.values.empty()) clause.value = clause.values.front();
  out.push_back(std::move(clause));
}

void parse_check(Verb verb, const Phrase& rest, std::vector<Clause>& out) {
  if (verb == Verb::check && parse_marked_text(rest, out)) return;
  const auto quoted =
      std::count_if(rest.begin(), rest.end(), [](const Word& w) { return w.quoted; });
  if (quoted > 1) {
    for (const Word& word : rest)
      if (word.quoted) {
        Description target{
            .text = word.text, .quoted = true, .whole = word.text, .role = "checkbox"};
        out.push_back(make(verb, std::move(target)));
      }
    return;
  }
  Description target = describe(rest);
  if (to_lower(target.text) == "nothing" && target.role.empty()) {
    Clause clause = make(Verb::select, {}, target.text);
    clause.values = {target.text};
    return out.push_back(std::move(clause));
  }
  const bool several = verb == Verb::check && target.role.empty() && target.scope.empty() &&
                       !any_quoted(rest) && target.ordinal == 0;
  if (several && (list_values(rest).size() > 1 || find_first(rest, {"and"}, 1) != npos)) {
    Clause clause = make(Verb::select, {});
    clause.values = list_values(rest);
    clause.value = clause.values.front();
    return out.push_back(std::move(clause));
  }
  if (target.role.empty() || target.role == "textbox") target.role = "checkbox";
  if (target.role == "option") target.role = "radio";
  out.push_back(make(verb, std::move(target)));
}

/// "Enter", "the Escape key", "Enter twice", "Tab 3 times", "Enter in the search box"; or, as what
/// it names is no key, a click.
void parse_press(const Phrase& rest, std::vector<Clause>& out) {
  Phrase phrase = rest;
  drop_articles(phrase);
  Clause clause = make(Verb::press, {});
  const std::size_t in = find_first(phrase, {"in", "on", "inside"}, 1);
  const Phrase place = in == npos ? Phrase{} : part(phrase, in + 1);
  phrase = part(phrase, 0, in);
  if (phrase.size() > 1 && phrase.back().lower == "twice") {
    clause.count = 2;
    phrase.pop_back();
  } else if (phrase.size() > 2 && phrase.back().lower == "times") {
    clause.count = whole_number(phrase[phrase.size() - 2].text).value_or(1);
    phrase.resize(phrase.size() - 2);
  }
  bool key = false;
  if (phrase.size() > 1 && phrase.back().lower == "key") {
    phrase.pop_back();
    key = true;
  }
  if (phrase.size() > 1 && phrase.front().lower == "key") phrase = part(phrase, 1);
  const std::string name = join(phrase);
  if (!key && !is_key_name(name)) {
    out.push_back(make(Verb::click, describe(rest)));
    return;
  }
  clause.value = name;
  if (!place.empty()) clause.target = describe(place);
  out.push_back(std::move(clause));
}

/// `Notes to the bottom`, `to the bottom of Notes`: the part that is scrolled; empty: the page.
Description scrolled_part(const Phrase& rest, std::size_t to) {
  Phrase place = to == npos ? Phrase{} : part(rest, 0, to);
  for (const std::string_view tail : {"all the way up", "all the way down", "up", "down"}) {
    const std::size_t size = count_words(tail);
    if (place.size() >= size && matches(place, place.size() - size, tail))
      place.resize(place.size() - size);
  }
  const std::size_t of = find_last(rest, {"of"}, 1);
  if (place.empty() && of != npos && of + 1 < rest.size()) place = part(rest, of + 1);
  drop_articles(place);
  if (place.empty() || (place.size() == 1 && place[0].lower == "page")) return {};
  return describe(place);
}

void parse_scroll(Phrase rest, std::vector<Clause>& out) {
  Clause clause = make(Verb::scroll, {});
  drop_articles(rest);
  const std::size_t to = find_last(rest, {"to", "until", "into"}, 0);
  for (const Word& word : rest)
    if (!word.quoted && (word.text.ends_with('%') || word.lower.ends_with("px")))
      clause.value = word.lower;
  const bool up = find_first(rest, {"up"}, 0) != npos;
  for (std::size_t i = 0; i + 1 < rest.size(); ++i)
    if (matches(rest, i + 1, "pixels") || matches(rest, i + 1, "px"))
      clause.value = (up ? "-" : "") + rest[i].text + "px";
  if (!clause.value.empty()) {
    out.push_back(std::move(clause));
    return;
  }
  const bool bottom = find_first(rest, {"bottom", "end"}, 0) != npos;
  const bool top = find_first(rest, {"top", "beginning", "start"}, 0) != npos;
  if (!any_quoted(rest) && (bottom || top)) {
    clause.value = bottom ? "bottom" : "top";
    clause.target = scrolled_part(rest, to);
  } else if (to != npos && to + 1 < rest.size()) {
    Phrase target = part(rest, to + 1);
    if (target.size() > 1 && (target.back().lower == "view" || target.back().lower == "appears"))
      target.pop_back();
    clause.target = describe(target);
  } else {
    clause.value = up ? "previous" : "next";
  }
  out.push_back(std::move(clause));
}

void parse_wait(Phrase rest, std::vector<Clause>& out) {
  if (matches(rest, 0, "for") || matches(rest, 0, "until")) rest = part(rest, 1);
  Clause clause = make(Verb::wait, {}, "visible");
  if (rest.size() > 1)
    if (const auto number = whole_number(rest[0].text)) {
      const bool milliseconds =
          rest[1].lower.starts_with("ms") || rest[1].lower.starts_with("milli");
      clause.value = std::to_string(milliseconds ? *number : *number * 1000);
      out.push_back(std::move(clause));
      return;
    }
  const std::size_t end = find_first(
      rest, {"to appear", "to be visible", "to show", "appears", "is visible", "to load", "loads"},
      1);
  const std::size_t gone =
      find_first(rest, {"to disappear", "to be hidden", "disappears", "is gone", "to go away"}, 1);
  if (gone != npos) clause.value = "hidden";
  clause.target = describe(part(rest, 0, std::min(end, gone)));
  out.push_back(std::move(clause));
}

bool mentions_consent(const Phrase& phrase) {
  return find_first(phrase, {"cookies", "cookie", "consent", "gdpr", "privacy"}, 0) != npos;
}

void parse_close(std::string_view verb, const Phrase& rest, std::vector<Clause>& out) {
  const std::size_t by = find_first(rest, {"by clicking on", "by clicking", "by pressing"}, 1);
  if (by != npos) {
    const std::size_t words = matches(rest, by, "by clicking on") ? 3 : 2;
    out.push_back(make(Verb::click, describe(part(rest, by + words))));
    return;
  }
  const bool consent = mentions_consent(rest);
  if (verb == "accept" || verb == "agree to" || verb == "allow") {
    if (consent) return out.push_back(make(Verb::consent, {}, "accept"));
  } else if (verb != "close" && verb != "dismiss") {
    if (consent) return out.push_back(make(Verb::consent, {}, "reject"));
  } else {
    if (consent) return out.push_back(make(Verb::consent, {}, "dismiss"));
    if (any_quoted(rest)) return out.push_back(make(Verb::click, describe(rest)));
    return out.push_back(make(Verb::close, describe(rest)));
  }
  // "accept the terms": a button or box called so.
  Clause clause = make(Verb::click, describe(rest));
  clause.target.whole = std::string(verb) + " " + join(rest);
  out.push_back(std::move(clause));
}

bool looks_like_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("/") ||
         text.starts_with("www.");
}

/// "move the slider to 7", "drag the volume slider to 40".
bool moves_slider(const Phrase& phrase) {
  if (!matches(phrase, 0, "move") && !matches(phrase, 0, "drag") && !matches(phrase, 0, "slide"))
    return false;
  const std::size_t to = find_last(phrase, {"to"}, 2);
  return to != npos && describe(part(phrase, 1, to)).role == "slider" &&
         join(part(phrase, to + 1)).find_first_of("0123456789") != npos;
}

/// "move Report to Archive", not "move now".
bool names_place(const Phrase& rest) {
  return find_first(rest, {"onto", "into", "to", "over", "inside", "up", "down"}, 1) != npos;
}

void parse_clause(const Phrase& whole, std::vector<Clause>& out) {
  const Phrase phrase = without_when(whole);
  if (parse_mail(phrase, out) || parse_reading(phrase, out)) return;
  const VerbRow* row = verb_at(phrase, 0);
  if (moves_slider(phrase)) return parse_fill("set", part(phrase, 1), out);
  if (!row) {
    Clause clause = make(Verb::click, describe(phrase));
    clause.exact_only = true;
    return out.push_back(std::move(clause));
  }
  Phrase rest = part(phrase, count_words(row->words));
  switch (row->verb) {
    case Verb::fill: return parse_fill(row->words, rest, out);
    case Verb::select: return parse_select(rest, out);
    case Verb::check:
    case Verb::uncheck: return parse_check(row->verb, rest, out);
    case Verb::press: return parse_press(rest, out);
    case Verb::scroll: return parse_scroll(rest, out);
    case Verb::drag:
      if (row->words != "move" || names_place(rest)) return parse_drag(rest, out);
      out.push_back(make(Verb::click, describe(phrase)));
      out.back().exact_only = true;
      return;
    case Verb::copy:
    case Verb::paste:
    case Verb::highlight:
      if (parse_text_action(row->verb, rest, out)) return;
      out.push_back(make(Verb::click, describe(phrase)));
      out.back().exact_only = true;
      return;
    case Verb::wait: return parse_wait(rest, out);
    case Verb::close:
    case Verb::consent: return parse_close(row->words, rest, out);
    case Verb::back:
    case Verb::forward:
    case Verb::reload: return out.push_back(make(row->verb, {}));
    case Verb::go:
      if (!rest.empty() && looks_like_url(rest.back().text))
        return out.push_back(make(Verb::go, {}, rest.back().text));
      return out.push_back(make(Verb::click, describe(rest)));
    default: break;
  }
  if (row->words == "submit" &&
      (rest.empty() || matches(rest, 0, "the form") || matches(rest, 0, "it")))
    return out.push_back(make(Verb::click, describe(split_words("submit button"))));
  out.push_back(make(row->verb, describe(rest)));
}

}  // namespace

namespace {
constexpr std::string_view kVerbNames[] = {
    "click",   "double click", "right click", "hover", "fill",  "select",  "check",
    "uncheck", "press",        "scroll",      "wait",  "close", "consent", "go",
    "back",    "forward",      "reload",      "drag",  "copy",  "paste",   "highlight"};
}  // namespace

std::string_view to_string(Verb verb) { return kVerbNames[static_cast<std::size_t>(verb)]; }

std::optional<Verb> verb_from(std::string_view name) {
  const auto* found = std::find(std::begin(kVerbNames), std::end(kVerbNames), name);
  if (found == std::end(kVerbNames)) return std::nullopt;
  return static_cast<Verb>(found - std::begin(kVerbNames));
}

namespace {

/// Other names of what is called now this, now that.
void add_names(Clause& clause) {
  constexpr std::array kLogin =
      std::to_array<std::string_view>({"login", "log in", "sign in", "log on"});
  const std::string text = to_lower(clause.target.text);
  if (clause.verb != Verb::click || std::count(kLogin.begin(), kLogin.end(), text) == 0) return;
  for (const auto name : kLogin)
    if (name != text) clause.names.emplace_back(name);
}

/// "Copy the text area …, paste it into the text box": who names the one kind apart does not mean
/// it by the other.
void tell_fields_apart(std::vector<Clause>& clauses) {
  const bool areas = std::any_of(clauses.begin(), clauses.end(), [](const Clause& clause) {
    return clause.target.role == "textarea";
  });
  for (Clause& clause : clauses)
    if (areas && clause.target.role == "textbox" && clause.target.text.empty())
      clause.target.role = "textinput";
}

}  // namespace

Result<std::vector<Clause>> parse_instruction(std::string_view text) {
  Phrase phrase = plain_order(without_manners(split_words(text)));
  std::vector<Clause> clauses;
  std::vector<Phrase> parts;
  bool explore = take_search(phrase);
  if (!phrase.empty()) parts = split_clauses(phrase);
  explore = take_wandering(parts) || explore;
  std::string scope = take_leading_scope(parts);
  if (scope.empty()) scope = take_found(parts, clauses);
  const bool thinks = parts.size() > 1 && only_thinks(parts.front());
  if (thinks) parts.erase(parts.begin());
  for (const Phrase& words : parts) {
    const std::size_t before = clauses.size();
    if (!words.empty()) parse_clause(words, clauses);
    for (std::size_t i = before; i < clauses.size(); ++i) {
      clauses[i].source = join(words, true);
      if (clauses[i].target.scope.empty() && !clauses[i].beyond) clauses[i].target.scope = scope;
      clauses[i].explore = explore;
      add_names(clauses[i]);
      if (thinks && names_answer(clauses[i])) clauses[i].described_value = true;
      Description& target = clauses[i].target;
      if (clauses[i].beyond && clauses[i].verb == Verb::click && target.text.empty())
        target.text = target.whole = scope;
    }
  }
  tell_fields_apart(clauses);
  // "forward it": the message is open already.
  std::erase_if(clauses, [](const Clause& clause) {
    return clause.beyond && clause.verb == Verb::click && clause.target.text.empty();
  });
  // What comes before is not said in a way that is understood: nothing is done in the wrong order.
  const std::size_t begin = skip_polite(phrase, 0);
  if (out_of_order(part(phrase, begin)))
    return fail(Errc::invalid_argument,
                "instruction: the order of \"" + join(phrase) + "\" is unclear", {},
                "say it in the order of doing: tick A, then press Save");
  if (clauses.empty())
    return fail(Errc::invalid_argument, "instruction: it is empty", {},
                "say what to do: click the 'Search' button");
  return clauses;
}

}  // namespace troupe::interact
