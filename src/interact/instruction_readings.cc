#include "interact/instruction_readings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "interact/description.h"

namespace troupe::interact {
namespace {

constexpr std::size_t npos = std::string::npos;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// After `words`, when the phrase begins with one of them; the longest.
std::optional<Phrase> after(const Phrase& phrase, std::initializer_list<std::string_view> words) {
  std::size_t size = 0;
  for (const auto one : words)
    if (matches(phrase, 0, one)) size = std::max(size, count_words(one));
  if (size == 0 || size >= phrase.size()) return std::nullopt;
  return part(phrase, size);
}

std::string singular(std::string_view word) {
  std::string out(word);
  while (!out.empty() && (out.back() == '?' || out.back() == ':')) out.pop_back();
  if (out == "boxes") return "box";
  if (out.size() > 2 && out.back() == 's' && out[out.size() - 2] != 's') out.pop_back();
  return out;
}

std::optional<double> decimal(std::string_view text) {
  std::string plain;
  for (const char c : text)
    if (c != '$' && c != ',') plain += c;
  double value = 0;
  const char* end = plain.data() + plain.size();
  const auto read = std::from_chars(plain.data(), end, value);
  if (plain.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

/// click, press, select and the like: what is done with the one that is meant.
std::optional<Phrase> after_click(const Phrase& phrase) {
  return after(phrase, {"click on", "click", "tap on", "tap", "press", "press on", "hit", "select",
                        "choose", "pick", "push"});
}

Clause reading(std::string kind, json::object how, const Phrase& words) {
  Clause clause;
  clause.reading = std::move(kind);
  clause.how = std::move(how);
  Phrase named = after_click(words).value_or(words);
  clause.target.whole = join(named);
  drop_articles(named);
  clause.target.text = join(named);
  return clause;
}

// --- Figures. ---

struct NounRow {
  std::string_view word, kind;
};
constexpr std::array kNouns = std::to_array<NounRow>({
    {"circle", "circle"},
    {"disc", "circle"},
    {"ellipse", "circle"},
    {"rectangle", "rectangle"},
    {"square", "square"},
    {"box", "box"},
    {"triangle", "triangle"},
    {"letter", "letter"},
    {"digit", "digit"},
    {"polygon", "polygon"},
    {"shape", "shape"},
    {"dot", "point"},
    {"point", "point"},
    {"item", "item"},
    {"figure", "item"},
    {"object", "item"},
    {"thing", "item"},
});

bool take_property(const std::string& word, Figure& figure) {
  if (is_one_of(word, {"large", "big", "huge"}))
    figure.size = "large";
  else if (is_one_of(word, {"small", "little", "tiny"}))
    figure.size = "small";
  else if (is_one_of(word, {"larger", "largest", "bigger", "biggest"}))
    figure.compare = "larger";
  else if (is_one_of(word, {"smaller", "smallest"}))
    figure.compare = "smaller";
  else if (is_one_of(word, {"left", "leftmost"}))
    figure.where = "left";
  else if (is_one_of(word, {"right", "rightmost"}))
    figure.where = "right";
  else if (is_one_of(word, {"top", "upper", "topmost"}))
    figure.where = "top";
  else if (is_one_of(word, {"bottom", "lower"}))
    figure.where = "bottom";
  else if (is_colour(word))
    figure.colour = word;
  else
    return false;
  return true;
}

}  // namespace

json::object to_json(const Figure& figure) {
  return {{"kind", figure.kind},   {"colour", figure.colour}, {"shade", figure.shade},
          {"size", figure.size},   {"text", figure.text},     {"compare", figure.compare},
          {"where", figure.where}, {"any", figure.any}};
}

std::optional<Figure> parse_figure(Phrase phrase) {
  Figure figure;
  if (phrase.empty() || any_quoted(phrase)) return std::nullopt;
  if (phrase.size() > 3 && is_colour(phrase.back().lower) &&
      (matches(phrase, phrase.size() - 3, "that is") ||
       matches(phrase, phrase.size() - 3, "that are"))) {
    // "the box that is red": as "the red box".
    Word colour = phrase.back();
    phrase.resize(phrase.size() - 3);
    phrase.insert(phrase.end() - 1, std::move(colour));
  }
  figure.any = matches(phrase, 0, "a") || matches(phrase, 0, "an") || matches(phrase, 0, "any");
  const std::string sign = phrase.back().text;
  // "a 7", "the large K": the article is no letter that is meant.
  while (phrase.size() > 1 && is_one_of(phrase.front().lower, {"the", "a", "an", "any", "all"}))
    phrase.erase(phrase.begin());
  if (matches(phrase, 0, "shades of") || matches(phrase, 0, "tones of")) {
    if (phrase.size() != 3 || !is_colour(phrase[2].lower)) return std::nullopt;
    figure.kind = "item";
    figure.colour = phrase[2].lower;
    figure.shade = true;
    return figure;
  }
  for (std::size_t i = 0; i + 1 < phrase.size(); ++i)
    if (!take_property(phrase[i].lower, figure)) return std::nullopt;
  const std::string noun = singular(phrase.back().lower);
  for (const NounRow& row : kNouns)
    if (noun == row.word) figure.kind = row.kind;
  const std::string letter = sign.substr(0, 1);
  const bool one = !sign.empty() && (sign.size() == 1 || (sign.size() == 2 && sign[1] == 's') ||
                                     sign == letter + "s?" || sign == letter + "?");
  const bool alphanumeric = !letter.empty() && std::isalnum(static_cast<unsigned char>(letter[0]));
  if (figure.kind.empty() && one && alphanumeric) {
    figure.text = letter;
    figure.kind = std::isdigit(static_cast<unsigned char>(letter[0])) ? "digit" : "letter";
  }
  if (figure.kind.empty()) return std::nullopt;
  return figure;
}

namespace {

bool parse_count(const Phrase& phrase, std::vector<Clause>& out) {
  auto rest = after(phrase, {"how many", "count the", "count how many"});
  if (!rest) return false;
  const std::size_t end = find_first(*rest, {"are", "do", "can", "there", "exist", "in"}, 1);
  const auto figure = parse_figure(part(*rest, 0, end));
  if (!figure) return false;
  out.push_back(reading("count_figures", {{"figure", to_json(*figure)}}, phrase));
  return true;
}

bool parse_figure_click(const Phrase& phrase, std::vector<Clause>& out) {
  const auto rest = after_click(phrase);
  if (!rest || any_quoted(*rest)) return false;
  const bool all =
      matches(*rest, 0, "all") || matches(*rest, 0, "every") || matches(*rest, 0, "each");
  const auto figure = parse_figure(all ? part(*rest, 1) : *rest);
  if (!figure) return false;
  const bool plain = figure->kind == "item" && figure->colour.empty() && figure->size.empty() &&
                     figure->compare.empty();
  // "click the item", "click the box": too little to be a drawn thing and no other.
  const bool boxed = figure->kind == "box" && figure->colour.empty() && figure->compare.empty();
  if ((plain || boxed) && !figure->shade) return false;
  json::object how{{"figure", to_json(*figure)}, {"all", all}};
  out.push_back(reading("figure", std::move(how), *rest));
  return true;
}

bool parse_figure_drag(const Phrase& phrase, std::vector<Clause>& out) {
  auto rest = after(phrase, {"drag", "drag and drop", "move", "put"});
  if (!rest || any_quoted(*rest)) return false;
  const auto into = [&](const Phrase& words) {
    return find_first(words, {"into", "inside", "in", "onto"}, 1);
  };
  json::array groups;
  Phrase first = *rest, second;
  const std::size_t other = find_first(
      first, {"everything else", "all others", "all other", "the rest", "the others"}, 2);
  if (other != npos) {
    second = part(first, other);
    first = part(first, 0, other);
    if (!first.empty() && first.back().lower == "and") first.pop_back();
  }
  const std::size_t at = into(first);
  if (at == npos || at + 1 >= first.size()) return false;
  const std::size_t so = find_first(first, {"so that", "such that", "until"}, 1);
  const auto what = parse_figure(part(first, 0, std::min(at, so)));
  const auto place = parse_figure(part(first, at + 1));
  if (!what || !place || place->kind == "letter") return false;
  groups.push_back(json::object{{"what", to_json(*what)}, {"into", to_json(*place)}});
  if (!second.empty()) {
    const std::size_t to = into(second);
    const auto last = to == npos ? std::nullopt : parse_figure(part(second, to + 1));
    if (!last) return false;
    groups.push_back(json::object{{"rest", true}, {"into", to_json(*last)}});
  }
  out.push_back(reading("drag_figures", {{"groups", std::move(groups)}}, phrase));
  return true;
}

// --- Most and least. ---

struct SuperlativeRow {
  std::string_view words;
  int way;
  std::string_view of;  ///< Empty: what is said beside it, or numbers.
};
constexpr std::array kSuperlatives = std::to_array<SuperlativeRow>({
    {"most expensive", 1, "price"},
    {"least expensive", -1, "price"},
    {"cheapest", -1, "price"},
    {"priciest", 1, "price"},
    {"longest", 1, "duration"},
    {"shortest", -1, "duration"},
    {"fastest", -1, "duration"},
    {"slowest", 1, "duration"},
    {"greatest", 1, ""},
    {"highest", 1, ""},
    {"largest", 1, ""},
    {"biggest", 1, ""},
    {"maximum", 1, ""},
    {"lowest", -1, ""},
    {"smallest", -1, ""},
    {"least", -1, ""},
    {"minimum", -1, ""},
    {"most", 1, ""},
});

std::string_view measure_of(std::string_view word) {
  if (is_one_of(word, {"price", "cost", "fare", "fee"})) return "price";
  if (is_one_of(word, {"duration", "time", "length"})) return "duration";
  if (is_one_of(word, {"number", "value", "amount", "score", "count"})) return "number";
  return {};
}

bool parse_extreme(const Phrase& phrase, std::vector<Clause>& out) {
  if (phrase.size() < 3 || any_quoted(phrase)) return false;
  const bool clicks = after_click(phrase).has_value();
  const bool buys = is_one_of(phrase[0].lower, {"buy", "book", "order", "reserve", "rent"});
  if (!clicks && !buys) return false;
  for (std::size_t i = 1; i < phrase.size(); ++i)
    for (const SuperlativeRow& row : kSuperlatives) {
      if (!matches(phrase, i, row.words)) continue;
      const std::size_t next = i + count_words(row.words);
      if (next + 1 != phrase.size()) continue;  // more words: something else is told by them
      std::string_view measure = measure_of(phrase.back().lower);
      const bool with = i >= 3 && matches(phrase, i - 2, "with the");
      if (with && measure.empty()) return false;
      if (measure.empty() || (!row.of.empty() && row.of != measure)) measure = row.of;
      if (measure.empty()) return false;
      json::object how{{"way", row.way}, {"of", measure}};
      how["verb"] = buys ? phrase[0].lower : std::string();
      out.push_back(reading("extreme", std::move(how), phrase));
      return true;
    }
  return false;
}

// --- Orders. ---

/// `in ascending order`: 1 or -1; 0: no order is said. Letters: their order.
int order_said(const Phrase& phrase) {
  if (find_first(phrase,
                 {"ascending", "increasing", "alphabetical", "from lowest to highest",
                  "from smallest to largest"},
                 1) != npos)
    return find_first(phrase, {"reverse"}, 1) == npos ? 1 : -1;
  return find_first(
             phrase,
             {"descending", "decreasing", "from highest to lowest", "from largest to smallest"},
             1) != npos
             ? -1
             : 0;
}

std::string noun_of_order(const Phrase& phrase) {
  const std::size_t at = find_first(phrase, {"numbers", "letters", "words", "names", "list"}, 1);
  if (at == npos || at > 4) return {};
  const std::string& word = phrase[at].lower;
  return word == "numbers" ? "number" : word == "letters" ? "letter" : "word";
}

bool parse_order(const Phrase& phrase, std::vector<Clause>& out) {
  const int way = order_said(phrase);
  const std::string noun = noun_of_order(phrase);
  if (way == 0 || noun.empty() || any_quoted(phrase)) return false;
  if (!after(phrase, {"sort", "arrange", "order", "put", "drag"})) return false;
  out.push_back(reading("sort", {{"noun", noun}, {"way", way}}, phrase));
  return true;
}

// --- Conditions. ---

struct TestRow {
  std::string_view words, is;
};
constexpr std::array kTests = std::to_array<TestRow>({
    {"less than", "<"},
    {"lower than", "<"},
    {"smaller than", "<"},
    {"below", "<"},
    {"under", "<"},
    {"greater than", ">"},
    {"higher than", ">"},
    {"larger than", ">"},
    {"more than", ">"},
    {"above", ">"},
    {"over", ">"},
    {"bigger than", ">"},
    {"at most", "<="},
    {"at least", ">="},
});

/// `less than 5`, `an odd number`; empty: no condition.
json::object test_said(const Phrase& phrase) {
  for (std::size_t i = 0; i + 1 < phrase.size(); ++i)
    for (const TestRow& row : kTests) {
      const std::size_t next = i + count_words(row.words);
      if (!matches(phrase, i, row.words) || next >= phrase.size()) continue;
      if (const auto than = decimal(phrase[next].text)) return {{"is", row.is}, {"than", *than}};
    }
  for (const std::string_view kind : {"odd", "even"})
    if (find_first(phrase, {kind}, 0) != npos) return {{"is", kind}, {"than", 0}};
  return {};
}

bool parse_repeat(const Phrase& phrase, std::vector<Clause>& out) {
  if (phrase.size() < 3 || any_quoted(phrase)) return false;
  const std::string& verb = phrase[0].lower;
  if (!is_one_of(verb, {"generate", "roll", "draw", "spin", "get", "produce"})) return false;
  if (find_first(phrase, {"number", "value"}, 1) == npos) return false;
  json::object test = test_said(part(phrase, 1));
  if (test.empty()) return false;
  out.push_back(reading("repeat", {{"press", verb}, {"test", std::move(test)}}, phrase));
  return true;
}

bool parse_when(const Phrase& phrase, std::vector<Clause>& out) {
  const std::size_t when = find_first(phrase, {"when", "once", "as soon as"}, 1);
  if (when == npos || any_quoted(part(phrase, when))) return false;
  Phrase condition = part(phrase, when + (phrase[when].lower == "as" ? 3 : 1));
  drop_articles(condition);
  const std::size_t is =
      find_first(condition, {"is", "drops", "falls", "rises", "gets", "goes", "becomes"}, 1);
  if (is == npos) return false;
  json::object test = test_said(part(condition, is + 1));
  if (test.empty()) return false;
  Phrase head = part(phrase, 0, when);
  if (auto rest = after_click(head)) head = *rest;
  Clause clause = reading(
      "when", {{"label", to_lower(join(part(condition, 0, is)))}, {"test", std::move(test)}}, head);
  clause.target = describe(after_click(part(phrase, 0, when)) ? head : part(head, 0, 1));
  out.push_back(std::move(clause));
  return true;
}

// --- Forms. ---

bool parse_copy_labels(const Phrase& phrase, std::vector<Clause>& out) {
  if (!after(phrase, {"enter", "type", "fill", "fill in", "copy", "write", "put"})) return false;
  const std::size_t value =
      find_first(phrase, {"value", "values", "entry", "entries", "answer"}, 1);
  const std::size_t each = find_first(phrase,
                                      {"each label", "each field", "every label", "every field",
                                       "the labels", "each of the labels"},
                                      2);
  if (value == npos || each == npos || value > each || any_quoted(phrase)) return false;
  out.push_back(reading("copy_labels", {}, phrase));
  return true;
}

/// "click on their phone number": what stands beside such a label.
bool parse_beside(const Phrase& phrase, std::vector<Clause>& out) {
  const auto rest = after_click(phrase);
  if (!rest || rest->size() < 2 || any_quoted(*rest)) return false;
  if (!is_one_of(rest->front().lower, {"their", "his", "her"})) return false;
  out.push_back(reading("beside", {{"label", to_lower(join(part(*rest, 1)))}}, *rest));
  return true;
}

bool parse_suggestion(const Phrase& phrase, std::vector<Clause>& out) {
  const auto rest =
      after(phrase, {"enter", "type", "choose", "select", "pick", "type in", "input"});
  if (!rest) return false;
  std::string starts, ends;
  std::size_t said = 0;
  for (std::size_t i = 1; i + 1 < rest->size(); ++i) {
    const bool begin = matches(*rest, i, "starts with") || matches(*rest, i, "begins with") ||
                       matches(*rest, i, "starting with") || matches(*rest, i, "beginning with");
    const bool end = matches(*rest, i, "ends with") || matches(*rest, i, "ending with") ||
                     matches(*rest, i, "ending in") || matches(*rest, i, "ends in");
    if ((!begin && !end) || i + 2 >= rest->size()) continue;
    said = i + 2;
    (begin ? starts : ends) = (*rest)[said].text;
  }
  if (starts.empty()) return false;
  Clause clause = reading("suggestion", {{"starts", starts}, {"ends", ends}}, phrase);
  clause.verb = Verb::fill;
  clause.target = {};
  const std::size_t into = find_last(*rest, {"into", "in", "from"}, said + 1);
  if (into != npos && !any_quoted(part(*rest, into)))
    clause.target = describe(part(*rest, into + 1));
  out.push_back(std::move(clause));
  return true;
}

// --- Sizes and styles. ---

bool parse_resize(const Phrase& phrase, std::vector<Clause>& out) {
  const auto rest = after(phrase, {"resize", "make"});
  if (!rest) return false;
  const std::size_t so = find_first(*rest, {"so that", "so", "until", "to be"}, 1);
  const Phrase tail = so == npos ? *rest : part(*rest, so);
  const bool height = find_first(tail, {"height", "taller", "shorter"}, 0) != npos;
  const bool width = find_first(tail, {"width", "wider", "narrower"}, 0) != npos;
  const bool more = find_first(tail, {"larger", "bigger", "greater", "taller", "wider"}, 0) != npos;
  const bool less = find_first(tail, {"smaller", "less", "shorter", "narrower"}, 0) != npos;
  if (height == width || more == less) return false;
  const std::size_t end =
      so != npos ? so : find_first(*rest, {"taller", "shorter", "wider", "narrower"}, 1);
  if (end == npos) return false;
  Clause clause = reading("resize", {{"height", height}, {"more", more}}, phrase);
  clause.target = describe(part(*rest, 0, end));
  out.push_back(std::move(clause));
  return true;
}

bool parse_style(const Phrase& phrase, std::vector<Clause>& out) {
  Phrase words = phrase;
  if (matches(words, 0, "using") || matches(words, 0, "in")) {
    const std::size_t verb = find_first(words, {"give", "make", "set", "turn"}, 1);
    if (verb == npos) return false;
    words = part(words, verb);
  }
  const auto rest = after(words, {"give", "make", "turn"});
  if (!rest) return false;
  std::string style, colour;
  const std::string& last = rest->back().lower;
  if (is_one_of(last, {"bold"})) style = "bold";
  if (is_one_of(last, {"italic", "italics", "italicized", "cursive"})) style = "italic";
  if (is_one_of(last, {"underline", "underlined"})) style = "underline";
  if (style.empty() && is_colour(last)) colour = last;
  if (style.empty() && colour.empty()) return false;
  std::size_t end = find_last(*rest, {"the style", "the color", "the colour", "style"}, 1);
  if (end == npos) end = rest->size() - 1;
  if (end > 1 && matches(*rest, end - 1, "the")) --end;
  Phrase text = part(*rest, 0, end);
  const bool everything = !text.empty() && is_one_of(text[0].lower, {"everything", "all"});
  drop_articles(text);
  if (text.size() > 1 && is_one_of(text[0].lower, {"text", "word"})) text = part(text, 1);
  if (text.empty() || (!everything && text.size() > 6)) return false;
  const bool said = everything || any_quoted(text) || matches(part(*rest, 0, 2), 0, "the text") ||
                    matches(part(*rest, 0, 2), 0, "the word");
  if (!said) return false;
  json::object how{{"style", style}, {"colour", colour}};
  // "give the text again. the colour red": the point may belong to the text.
  how["stop"] = !everything && text.back().pause_after;
  how["text"] = everything ? std::string() : join(text);
  out.push_back(reading("style", std::move(how), phrase));
  return true;
}

}  // namespace

bool only_thinks(const Phrase& phrase) {
  return !any_quoted(phrase) &&
         after(phrase, {"solve", "calculate", "compute", "work out", "figure out"}).has_value();
}

Phrase without_when(Phrase phrase) {
  for (const std::string_view tail : {"when done", "when finished", "when you are done",
                                      "when you're done", "once done", "to finish"}) {
    const std::size_t size = count_words(tail);
    if (phrase.size() > size && matches(phrase, phrase.size() - size, tail))
      phrase.resize(phrase.size() - size);
  }
  return phrase;
}

bool names_answer(const Clause& clause) {
  if (clause.verb != Verb::fill) return false;
  const std::string value = to_lower(clause.value);
  return value == "the answer" || value == "the result" || value == "the solution" ||
         value == "answer" || value == "the sum" || value == "the value";
}

bool parse_reading(const Phrase& phrase, std::vector<Clause>& out) {
  using Parser = bool (*)(const Phrase&, std::vector<Clause>&);
  constexpr Parser kParsers[] = {parse_count,       parse_order,        parse_extreme,
                                 parse_figure_drag, parse_figure_click, parse_repeat,
                                 parse_when,        parse_copy_labels,  parse_style,
                                 parse_resize,      parse_suggestion,   parse_beside};
  return std::any_of(std::begin(kParsers), std::end(kParsers),
                     [&](Parser parse) { return parse(phrase, out); });
}

}  // namespace troupe::interact
