#include "interact/instruction_forms.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "interact/description.h"
#include "interact/instruction_readings.h"

namespace troupe::interact {
namespace {

constexpr std::size_t npos = std::string::npos;

Clause make(Verb verb, Description target, std::string value = {}) {
  Clause clause;
  clause.verb = verb;
  clause.target = std::move(target);
  clause.value = std::move(value);
  return clause;
}

bool begins_with(const Phrase& phrase, std::initializer_list<std::string_view> words) {
  return find_first(part(phrase, 0, 4), words, 0) == 0;
}

constexpr std::initializer_list<std::string_view> kWandering = {
    "navigate through", "look through",   "search through", "go through",
    "browse through",   "switch between", "browse",         "look in"};

/// "… to mark it as important", "… to delete it": what it is for says nothing about where.
void drop_purpose(Phrase& phrase) {
  const std::size_t to = find_last(phrase, {"to"}, 2);
  if (to == npos || to + 2 >= phrase.size() || any_quoted(part(phrase, to))) return;
  const std::string& object = phrase[to + 2].lower;
  if (object == "it" || object == "them" || object == "him" || object == "her") phrase.resize(to);
}

}  // namespace

bool take_search(Phrase& phrase) {
  bool found = false;
  for (std::size_t i = 0; i + 2 < phrase.size(); ++i) {
    if (!matches(phrase, i, "find and") && !matches(phrase, i, "locate and")) continue;
    found = true;
    // "Switch between the tabs to find and click": all before it only tells how to look.
    const bool purpose = i > 0 && matches(phrase, i - 1, "to");
    const bool only_looks =
        purpose && !any_quoted(part(phrase, 0, i)) &&
        begins_with(phrase, {"switch", "expand", "navigate", "look", "browse", "open", "search"});
    erase(phrase, only_looks ? 0 : i, i + 2);
    i = 0;
  }
  return found;
}

bool take_wandering(std::vector<Phrase>& clauses) {
  if (clauses.size() < 2 || any_quoted(clauses.front()) ||
      !begins_with(clauses.front(), kWandering))
    return false;
  clauses.erase(clauses.begin());
  return true;
}

namespace {
/// A word for parts of lists, not the name of one.
bool is_entry_noun(std::string_view word) {
  return word == "the" || word == "a" || word == "an" || word == "all";
}
}  // namespace

std::string take_found(std::vector<Phrase>& clauses, std::vector<Clause>& out) {
  if (clauses.size() < 2) return {};
  Phrase first = clauses.front();
  std::size_t lead = 0;
  for (const std::string_view words : {"find", "locate", "look for", "get", "search for the"})
    if (matches(first, 0, words)) lead = std::max(lead, count_words(words));
  const bool mail = find_first(first, {"email", "e-mail", "message"}, 1) != npos;
  if (lead == 0 || lead >= first.size() || (matches(first, 0, "get") && !mail)) return {};
  const std::string source = join(first, true);
  first = part(first, lead);
  clauses.erase(clauses.begin());
  if (parse_text_action(Verb::copy, first, out)) {
    out.back().source = source;
    return {};
  }
  for (Phrase& clause : clauses) drop_purpose(clause);
  // "Anna's email", "Anna email".
  for (std::size_t i = 1; i < first.size(); ++i)
    if (matches(first, i, "email") || matches(first, i, "e-mail") || matches(first, i, "message") ||
        matches(first, i, "row") || matches(first, i, "post")) {
      Phrase owner = part(first, 0, i);
      drop_articles(owner);
      std::string name = join(owner);
      if (name.ends_with("'s")) name.resize(name.size() - 2);
      const bool named = !name.empty() && std::isupper(static_cast<unsigned char>(name.front()));
      if (named && i + 1 == first.size()) return name;
    }
  // "Anna in the address book": Anna tells it, the book is where all of them are.
  const std::size_t in = find_first(first, {"in the", "on the"}, 1);
  if (in != npos && !any_quoted(first) && !is_entry_noun(first[0].lower))
    first = part(first, 0, in);
  return scope_text(first);
}

bool is_described(Phrase phrase) {
  if (phrase.empty() || any_quoted(phrase)) return false;
  if (phrase.size() == 1)
    return phrase[0].lower == "it" || phrase[0].lower == "that" || phrase[0].lower == "this";
  const bool owned = matches(phrase, 0, "your") || matches(phrase, 0, "their");
  if (!owned && !matches(phrase, 0, "the")) return false;
  constexpr std::array kSaid = std::to_array<std::string_view>(
      {"answer", "total", "number", "result", "sum", "value", "value:", "word", "below", "above",
       "shown", "displayed", "same", "solution", "code"});
  const bool said = std::any_of(phrase.begin(), phrase.end(), [&](const Word& word) {
    return std::count(kSaid.begin(), kSaid.end(), word.lower) > 0;
  });
  return said && (owned || phrase.size() > 2);
}

void set_case(Phrase& phrase) {
  struct Row {
    std::string_view words;
    bool upper;
  };
  constexpr std::array kRows = std::to_array<Row>({{"in all upper case letters", true},
                                                   {"in all lower case letters", false},
                                                   {"in upper case letters", true},
                                                   {"in lower case letters", false},
                                                   {"in capital letters", true},
                                                   {"in small letters", false},
                                                   {"in all upper case", true},
                                                   {"in all lower case", false},
                                                   {"in all caps", true},
                                                   {"in uppercase letters", true},
                                                   {"in lowercase letters", false},
                                                   {"in capitals", true},
                                                   {"in upper case", true},
                                                   {"in lower case", false},
                                                   {"in uppercase", true},
                                                   {"in lowercase", false}});
  for (const Row& row : kRows) {
    const std::size_t at = find_first(phrase, {row.words}, 1);
    if (at == npos || !phrase[at - 1].quoted) continue;
    for (char& c : phrase[at - 1].text) {
      const auto letter = static_cast<unsigned char>(c);
      c = static_cast<char>(row.upper ? std::toupper(letter) : std::tolower(letter));
    }
    erase(phrase, at, at + count_words(row.words));
    return;
  }
}

bool parse_menu_path(const Phrase& rest, std::vector<Clause>& out) {
  if (any_quoted(rest)) return false;
  Phrase phrase = rest;
  drop_articles(phrase);
  for (const std::string_view tail : {"from the menu", "in the menu"}) {
    const std::size_t size = count_words(tail);
    if (phrase.size() > size && matches(phrase, phrase.size() - size, tail))
      phrase.resize(phrase.size() - size);
  }
  const std::string text = join(phrase);
  if (text.find('>') == std::string::npos) return false;
  Clause clause = make(Verb::select, {});
  clause.path = true;
  std::string one;
  for (const char c : text + ">") {
    if (c != '>') {
      one += c;
      continue;
    }
    const auto first = one.find_first_not_of(' '), last = one.find_last_not_of(' ');
    if (first == std::string::npos) return false;
    clause.values.push_back(one.substr(first, last - first + 1));
    one.clear();
  }
  clause.value = clause.values.back();
  out.push_back(std::move(clause));
  return true;
}

namespace {

/// `14:30`, `2026-03-14`, `March 14, 2026`.
bool has_digits(const Phrase& value) {
  constexpr std::array kMonths = std::to_array<std::string_view>(
      {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"});
  if (value.empty()) return false;
  const bool month = value.size() > 1 &&
                     std::count(kMonths.begin(), kMonths.end(), value[0].lower.substr(0, 3)) > 0;
  return value[month ? 1 : 0].text.find_first_of("0123456789") != npos;
}

}  // namespace

bool parse_dial(const Phrase& rest, std::vector<Clause>& out) {
  if (matches(rest, 0, "the date") || matches(rest, 0, "the time"))
    if (find_first(rest, {"with", "using", "from"}, 2) == npos) return parse_named_value(rest, out);
  const std::size_t with = find_last(rest, {"with", "using", "on", "as"}, 1);
  if (with == npos || with + 1 >= rest.size()) return false;
  Description place = describe(part(rest, with + 1));
  Phrase value = part(rest, 0, with);
  drop_articles(value);
  const bool digits = has_digits(value);
  const bool dial = place.role == "slider" || place.role == "spinbutton";
  const std::string text = to_lower(place.text);
  const bool calendar = text.ends_with("date") || text.ends_with("time");
  if (!digits || (!dial && !calendar)) return false;
  out.push_back(make(Verb::fill, std::move(place), join(value)));
  return true;
}

std::vector<Phrase> items_of(const Phrase& rest) {
  std::vector<Phrase> items;
  std::size_t begin = 0;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    const bool joined = i + 1 < rest.size() && matches(rest, i, "and");
    if (!joined && !rest[i - 1].pause_after) continue;
    if (begin < i) items.push_back(part(rest, begin, i));
    begin = joined ? i + 1 : i;
  }
  items.push_back(part(rest, begin));
  return items;
}

namespace {

std::string value_text(Phrase value) {
  for (const Word& word : value)
    if (word.quoted) return word.text;
  drop_articles(value);
  return join(value);
}

Clause fill_field(Phrase field, const Phrase& value) {
  drop_articles(field);
  if (describe(field).role.empty()) field.push_back({.text = "field", .lower = "field"});
  return make(Verb::fill, describe(field), value_text(value));
}

}  // namespace

bool parse_pairs(std::string_view verb, const Phrase& rest, std::vector<Clause>& out) {
  const std::vector<Phrase> items = items_of(rest);
  if (items.size() < 2) return false;
  std::vector<Clause> found;
  for (const Phrase& item : items) {
    const bool value_first = item[0].quoted || !any_quoted(item);
    const std::size_t into = value_first ? find_last(item, {"into", "as", "in", "to"}, 1) : npos;
    const std::size_t with = find_first(item, {"with", "to", "="}, 1);
    const bool sets = verb.starts_with("fill") || verb == "set";
    if (sets && with != npos && with + 1 < item.size())
      found.push_back(fill_field(part(item, 0, with), part(item, with + 1)));
    else if (!sets && into != npos && into + 1 < item.size())
      found.push_back(fill_field(part(item, into + 1), part(item, 0, into)));
    else
      return false;
  }
  for (Clause& clause : found) out.push_back(std::move(clause));
  return true;
}

bool parse_named_value(const Phrase& rest, std::vector<Clause>& out) {
  constexpr std::array kFields = std::to_array<std::string_view>(
      {"name", "username", "password", "email", "date", "time", "code", "phone", "address", "city",
       "amount", "title", "url", "surname", "age", "year", "quantity"});
  constexpr std::array kPlain =
      std::to_array<std::string_view>({"number", "digit", "letter", "figure"});
  Phrase phrase = rest;
  drop_articles(phrase);
  if (phrase.size() < 2 || phrase.size() == rest.size() || any_quoted(phrase)) return false;
  const std::string& noun = phrase[0].lower;
  const bool plain = std::count(kPlain.begin(), kPlain.end(), noun) > 0;
  if (!plain && std::count(kFields.begin(), kFields.end(), noun) == 0) return false;
  const Phrase value = part(phrase, 1);
  if ((noun == "date" || noun == "time" || plain) && !has_digits(value)) return false;
  Description field = plain ? Description() : describe(part(phrase, 0, 1));
  out.push_back(make(Verb::fill, std::move(field), join(value)));
  return true;
}

bool parse_marked_text(const Phrase& rest, std::vector<Clause>& out) {
  for (const std::string_view lead : {"the text of", "the text in", "all the text of",
                                      "all the text in", "all text of", "all text in"})
    if (matches(rest, 0, lead) && rest.size() > count_words(lead))
      return parse_text_action(Verb::highlight, rest, out);
  return false;
}

namespace {

std::optional<int> small_number(const Word& word) {
  constexpr std::array kWords = std::to_array<std::string_view>(
      {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"});
  for (std::size_t i = 0; i < kWords.size(); ++i)
    if (word.lower == kWords[i]) return static_cast<int>(i);
  return whole_number(word.text);
}

/// `up by one position`, `to the top left`, `to the 3rd position`, `to position 3`.
bool parse_place(Phrase phrase, Clause& clause) {
  drop_articles(phrase);
  if (phrase.empty() || any_quoted(phrase)) return false;
  const std::string& first = phrase.front().lower;
  const bool direction = first == "up" || first == "down" || first == "left" || first == "right";
  if (direction && (phrase.size() == 1 || matches(phrase, 1, "by"))) {
    clause.value = first;
    clause.count = phrase.size() > 2 ? small_number(phrase[2]).value_or(1) : 1;
    if (phrase.size() == 1) clause.count = 0;
    return true;
  }
  const auto is_position = [](const Word& word) {
    return word.lower == "position" || word.lower == "place";
  };
  if (phrase.size() == 2 && is_position(phrase[0]) && small_number(phrase[1])) {
    clause.value = "position";
    clause.count = *small_number(phrase[1]);
    return true;
  }
  if (is_position(phrase.back())) {
    Phrase words = part(phrase, 0, phrase.size() - 1);
    words.push_back({.text = "item", .lower = "item"});
    const Description place = describe(words);
    clause.value = "position";
    clause.count = place.ordinal;
    if (place.ordinal == 0) clause.value = join(part(phrase, 0, phrase.size() - 1));
    return true;
  }
  constexpr std::array kSides = std::to_array<std::string_view>(
      {"top", "bottom", "left", "right", "center", "centre", "middle"});
  const bool sides =
      phrase.size() <= 2 && std::all_of(phrase.begin(), phrase.end(), [&](const Word& word) {
        return std::count(kSides.begin(), kSides.end(), word.lower) > 0;
      });
  if (sides) clause.value = to_lower(join(phrase));
  return sides;
}

}  // namespace

void parse_drag(Phrase rest, std::vector<Clause>& out) {
  drop_articles(rest);
  Clause clause = make(Verb::drag, {});
  std::size_t to = find_first(rest, {"onto", "into", "to", "over", "inside"}, 1);
  if (to != npos && to + 1 < rest.size()) {
    const Phrase place = part(rest, to + 1);
    if (!parse_place(place, clause)) clause.destination = describe(place);
    rest = part(rest, 0, to);
  } else {
    const std::size_t way = find_last(rest, {"up", "down", "left", "right"}, 1);
    if (way != npos && parse_place(part(rest, way), clause)) rest = part(rest, 0, way);
  }
  clause.target = describe(rest);
  if (const auto figure = parse_figure(rest)) clause.target.figure = *figure;
  out.push_back(std::move(clause));
}

namespace {

/// `the 4th word in the paragraph`: the number of the word; 0: no such words.
int take_word(Phrase& phrase) {
  const std::size_t word = find_first(phrase, {"word"}, 1);
  if (word == npos || word > 2) return 0;
  Phrase place = part(phrase, 0, word);
  place.push_back({.text = "item", .lower = "item"});
  const int ordinal = describe(place).ordinal;
  if (ordinal == 0) return 0;
  erase(phrase, 0, word + 1);
  return ordinal;
}

}  // namespace

bool parse_text_action(Verb verb, const Phrase& rest, std::vector<Clause>& out) {
  Phrase phrase = rest;
  if (verb == Verb::paste) {
    const std::size_t into = find_first(phrase, {"into", "in", "to"}, 0);
    if (into == npos || into + 1 >= phrase.size()) return false;
    out.push_back(make(Verb::paste, describe(part(phrase, into + 1))));
    return true;
  }
  const int word = take_word(phrase);
  bool said = word != 0;
  for (const std::string_view lead :
       {"the text", "the value", "the contents", "the content", "all the text", "text", "all text"})
    if (!said && matches(phrase, 0, lead)) {
      erase(phrase, 0, count_words(lead));
      said = true;
    }
  if (said && !phrase.empty() &&
      find_first(part(phrase, 0, 1), {"from", "in", "of", "inside"}, 0) == 0)
    erase(phrase, 0, 1);
  if ((!said && verb == Verb::copy) || phrase.empty()) return false;
  out.push_back(make(verb, describe(phrase), word == 0 ? "" : std::to_string(word)));
  return true;
}

namespace {

std::string owner_name(Phrase phrase) {
  drop_articles(phrase);
  std::string name = join(phrase);
  if (name.ends_with("'s")) name.resize(name.size() - 2);
  return name;
}

/// Who an email is from: `the email from Anna`, `Anna's email`; empty: `it`, `that email`.
struct Mail {
  bool meant = false;
  std::string from;
};
Mail mail_in(const Phrase& phrase) {
  Mail out;
  if (phrase.size() == 1 && (phrase[0].lower == "it" || phrase[0].lower == "them"))
    return {.meant = true, .from = {}};
  const std::size_t noun = find_first(phrase, {"email", "e-mail", "mail", "message", "emails"}, 0);
  if (noun == npos) return out;
  out.meant = true;
  const std::size_t by = find_first(phrase, {"by", "from"}, noun + 1);
  if (by != npos && by + 1 < phrase.size())
    out.from = owner_name(part(phrase, by + 1));
  else if (noun > 0)
    out.from = owner_name(part(phrase, 0, noun));
  if (out.from == "that" || out.from == "the" || out.from == "this") out.from.clear();
  return out;
}

Clause mail_button(std::string name, std::vector<std::string> names, const std::string& scope) {
  Clause clause = make(Verb::click, {});
  clause.target.text = clause.target.whole = std::move(name);
  clause.names = std::move(names);
  clause.target.scope = scope;
  clause.beyond = scope.empty();
  return clause;
}

/// Opens the message, where it is known by its sender or was found before (an empty text takes the
/// scope of the sentence).
Clause open_mail(const std::string& from) {
  Clause open = make(Verb::click, {});
  open.target.text = open.target.whole = from;
  open.target.quoted = true;
  open.beyond = true;
  return open;
}

}  // namespace

bool mail_at(const Phrase& phrase, std::size_t at) {
  std::vector<Clause> ignored;
  const Phrase rest = part(phrase, at);
  return !rest.empty() && parse_mail(rest, ignored);
}

bool parse_mail(const Phrase& phrase, std::vector<Clause>& out) {
  struct Row {
    std::string_view words;
    int kind;  // 0 delete, 1 star, 2 forward, 3 reply, 4 reply to the one found before
  };
  constexpr std::array kRows = std::to_array<Row>({{"delete", 0},
                                                   {"trash", 0},
                                                   {"remove", 0},
                                                   {"star", 1},
                                                   {"mark", 1},
                                                   {"forward", 2},
                                                   {"reply to", 3},
                                                   {"respond to", 3},
                                                   {"reply with", 4},
                                                   {"respond with", 4},
                                                   {"answer with", 4}});
  for (const Row& row : kRows) {
    if (!matches(phrase, 0, row.words)) continue;
    Phrase rest = part(phrase, count_words(row.words));
    while (rest.size() > 1 && rest.back().lower == "please") rest.pop_back();
    std::string value;
    if (row.kind == 1) {
      const std::size_t as = find_first(rest, {"as important", "as starred", "important"}, 1);
      if (as == npos && row.words == "mark") return false;
      rest = part(rest, 0, as);
    }
    if (row.kind == 4) {
      if (rest.size() != 1 || !rest[0].quoted) return false;
      value = rest[0].text;
      rest = split_words("it");
    }
    if (row.kind == 2 || row.kind == 3) {
      const std::size_t to =
          row.kind == 2 ? find_first(rest, {"to"}, 1) : find_first(rest, {"with", "saying"}, 1);
      if (to == npos || to + 1 >= rest.size()) return false;
      value = join(part(rest, to + 1));
      for (const Word& word : part(rest, to + 1))
        if (word.quoted) value = word.text;
      rest = part(rest, 0, to);
    }
    const Mail mail = mail_in(rest);
    if (!mail.meant) return false;
    if (row.kind == 0) {
      out.push_back(mail_button("delete", {"trash", "remove"}, mail.from));
      out.back().beyond = false;
      out.back().target.whole = join(phrase);
      return true;
    }
    if (row.kind == 1) {
      out.push_back(mail_button("star", {"important", "favorite"}, mail.from));
      out.back().beyond = false;
      out.back().target.whole = join(phrase);
      return true;
    }
    out.push_back(open_mail(mail.from));
    out.push_back(mail_button(row.kind == 2 ? "forward" : "reply", {}, ""));
    Description field = row.kind == 2 ? describe(split_words("to field")) : Description{};
    if (row.kind == 2) field.text = field.whole = "to";
    out.push_back(make(Verb::fill, std::move(field), value));
    out.back().beyond = true;
    out.push_back(mail_button("send", {"submit"}, ""));
    return true;
  }
  return false;
}

}  // namespace troupe::interact
