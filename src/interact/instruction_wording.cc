#include "interact/instruction_wording.h"

#include <array>
#include <string>
#include <utility>

namespace troupe::interact {
namespace {

// Longer phrases stand before their beginnings.
constexpr std::array kVerbs = std::to_array<VerbRow>({
    {"double click on", Verb::double_click},
    {"double-click on", Verb::double_click},
    {"double click", Verb::double_click},
    {"double-click", Verb::double_click},
    {"right click on", Verb::right_click},
    {"right-click on", Verb::right_click},
    {"right click", Verb::right_click},
    {"right-click", Verb::right_click},
    {"click into", Verb::click},
    {"click on", Verb::click},
    {"click", Verb::click},
    {"tap on", Verb::click},
    {"tap", Verb::click},
    {"push", Verb::click},
    {"unfold", Verb::click},
    {"activate", Verb::click},
    {"toggle", Verb::click},
    {"expand", Verb::click},
    {"collapse", Verb::click},
    {"focus into", Verb::click},
    {"focus on", Verb::click},
    {"focus", Verb::click},
    {"set the focus to", Verb::click},
    {"set the focus on", Verb::click},
    {"move the focus to", Verb::click},
    {"put the cursor into", Verb::click},
    {"put the cursor in", Verb::click},
    {"place the cursor into", Verb::click},
    {"place the cursor in", Verb::click},
    {"switch to", Verb::click},
    {"submit", Verb::click, true},
    {"drag and drop", Verb::drag},
    {"drag", Verb::drag},
    {"copy", Verb::copy},
    {"paste", Verb::paste},
    {"highlight", Verb::highlight},
    {"hover over", Verb::hover},
    {"hover on", Verb::hover},
    {"hover", Verb::hover},
    {"mouse over", Verb::hover},
    {"move the mouse over", Verb::hover},
    {"move the mouse to", Verb::hover},
    {"move", Verb::drag},
    {"fill in", Verb::fill},
    {"fill out", Verb::fill},
    {"fill", Verb::fill},
    {"type in", Verb::fill},
    {"type", Verb::fill},
    {"enter", Verb::fill},
    {"input", Verb::fill},
    {"write", Verb::fill},
    {"put", Verb::fill},
    {"set", Verb::fill},
    {"adjust", Verb::fill},
    {"clear", Verb::fill},
    {"empty", Verb::fill},
    {"search for", Verb::fill},
    {"use", Verb::fill},
    {"select", Verb::select},
    {"choose", Verb::select},
    {"pick", Verb::select},
    {"uncheck", Verb::uncheck},
    {"untick", Verb::uncheck},
    {"unselect", Verb::uncheck},
    {"check", Verb::check},
    {"tick", Verb::check},
    {"mark", Verb::check},
    {"press", Verb::press},
    {"hit", Verb::press},
    {"scroll", Verb::scroll, true},
    {"wait", Verb::wait},
    {"close", Verb::close},
    {"dismiss", Verb::close},
    {"accept", Verb::consent},
    {"agree to", Verb::consent},
    {"allow", Verb::consent},
    {"reject", Verb::consent},
    {"decline", Verb::consent},
    {"deny", Verb::consent},
    {"refuse", Verb::consent},
    {"go back", Verb::back, true},
    {"navigate back", Verb::back, true},
    {"go forward", Verb::forward, true},
    {"reload", Verb::reload, true},
    {"refresh", Verb::reload, true},
    {"go to", Verb::go},
    {"navigate to", Verb::go},
    {"visit", Verb::go},
    {"open", Verb::go},
    {"follow", Verb::click},
});

/// `pressing` → `press`; empty: no verb of an instruction.
std::string verb_of(const Word& gerund) {
  const std::string& word = gerund.lower;
  if (gerund.quoted || word.size() < 5 || !word.ends_with("ing")) return {};
  const std::string stem = word.substr(0, word.size() - 3);
  std::vector<std::string> bases{stem, stem + "e"};
  if (stem[stem.size() - 1] == stem[stem.size() - 2])
    bases.push_back(stem.substr(0, stem.size() - 1));
  for (const std::string& base : bases)
    for (const VerbRow& row : kVerbs)
      if (row.words.substr(0, row.words.find(' ')) == base) return base;
  return {};
}

/// "ticking A and pressing B" → "tick A and press B".
Phrase finite(Phrase phrase) {
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    const bool begins = i == 0 || phrase[i - 1].pause_after || matches(phrase, i - 1, "and") ||
                        matches(phrase, i - 1, "then");
    const std::string base = begins ? verb_of(phrase[i]) : std::string();
    if (!base.empty()) phrase[i].text = phrase[i].lower = base;
  }
  return phrase;
}

Phrase one_after_the_other(Phrase first, const Phrase& second) {
  if (first.empty()) return second;
  first.back().pause_after = true;
  first.push_back({.text = "then", .lower = "then"});
  const std::size_t joined = first.size();
  first.insert(first.end(), second.begin(), second.end());
  // "Press", which began the sentence, is no name here.
  if (!first[joined].quoted) first[joined].text = first[joined].lower;
  first.back().pause_after = false;
  return first;
}

/// Where "before" or "after" stands with a verb behind it; npos: nowhere.
std::size_t turning_point(const Phrase& phrase, std::size_t from) {
  for (std::size_t i = from; i + 1 < phrase.size(); ++i)
    if ((matches(phrase, i, "before") || matches(phrase, i, "after")) &&
        !verb_of(phrase[i + 1]).empty())
      return i;
  return std::string::npos;
}

}  // namespace

const VerbRow* verb_at(const Phrase& phrase, std::size_t at) {
  for (const VerbRow& row : kVerbs)
    if (matches(phrase, at, row.words)) return &row;
  return nullptr;
}

Phrase plain_order(Phrase phrase) {
  const std::size_t begin = skip_polite(phrase, 0), at = turning_point(phrase, begin);
  if (at == std::string::npos) return phrase;
  const bool before = matches(phrase, at, "before");
  if (at > begin) {
    if (!verb_at(phrase, begin)) return phrase;
    const Phrase one = part(phrase, begin, at), other = finite(part(phrase, at + 1));
    return before ? one_after_the_other(one, other) : one_after_the_other(other, one);
  }
  for (std::size_t i = at + 2; i < phrase.size(); ++i) {
    if (!phrase[i - 1].pause_after || !verb_at(phrase, skip_polite(phrase, i))) continue;
    const Phrase one = finite(part(phrase, at + 1, i)), other = part(phrase, i);
    return before ? one_after_the_other(other, one) : one_after_the_other(one, other);
  }
  return phrase;
}

bool out_of_order(const Phrase& phrase) { return turning_point(phrase, 0) == 0; }

}  // namespace troupe::interact
