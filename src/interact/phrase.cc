#include "interact/phrase.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace troupe::interact {
namespace {

struct Quote {
  std::string_view open, close;
};
constexpr std::array kQuotes = std::to_array<Quote>({
    {"\"", "\""},
    {"'", "'"},
    {"`", "`"},
    {"“", "”"},
    {"„", "“"},
    {"‘", "’"},
    {"«", "»"},
    {"”", "”"},
});

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)); }

/// Whether a quote may close before `next`: an apostrophe inside a word does not.
bool ends_word(std::string_view next) {
  if (next.empty()) return true;
  const char c = next.front();
  return !std::isalnum(static_cast<unsigned char>(c)) && c != '_';
}

/// Length of the quoted text at the beginning with its quotes, 0 when there is none.
std::size_t quoted_length(std::string_view text, std::string& content) {
  for (const Quote& quote : kQuotes) {
    if (!text.starts_with(quote.open)) continue;
    for (auto end = text.find(quote.close, quote.open.size()); end != std::string_view::npos;
         end = text.find(quote.close, end + 1)) {
      if (!ends_word(text.substr(end + quote.close.size()))) continue;
      content = text.substr(quote.open.size(), end - quote.open.size());
      return end + quote.close.size();
    }
  }
  return 0;
}

constexpr std::string_view kPolite[] = {"please",
                                        "now",
                                        "then",
                                        "next",
                                        "first",
                                        "finally",
                                        "and",
                                        "can you",
                                        "could you",
                                        "would you",
                                        "will you",
                                        "i want you to",
                                        "i would like you to",
                                        "i'd like you to",
                                        "you should",
                                        "you must",
                                        "you need to",
                                        "you have to",
                                        "your task is to",
                                        "try to",
                                        "kindly",
                                        "after that",
                                        "afterwards",
                                        "lastly",
                                        "i need you to",
                                        "go ahead and",
                                        "also",
                                        "just"};

}  // namespace

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Phrase split_words(std::string_view text) {
  Phrase phrase;
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    Word word;
    if (const auto length = quoted_length(text.substr(at), word.text); length > 0) {
      word.quoted = true;
      at += length;
      while (at < text.size() &&
             std::string_view(",;.!:").find(text[at]) != std::string_view::npos) {
        word.pause_after = true;
        word.stop_after = text[at] == '.' || text[at] == '!';
        ++at;
      }
      phrase.push_back(std::move(word));
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    std::string_view raw = text.substr(at, end - at);
    at = end;
    while (raw.size() > 1 && std::string_view(",;.!").find(raw.back()) != std::string_view::npos) {
      word.pause_after = true;
      word.stop_after = raw.back() == '.' || raw.back() == '!';
      raw.remove_suffix(1);
    }
    word.text = raw;
    word.lower = to_lower(raw);
    if (raw == "," || raw == ";" || raw == ".") {
      if (!phrase.empty()) phrase.back().pause_after = true;
      continue;
    }
    phrase.push_back(std::move(word));
  }
  return phrase;
}

std::size_t skip_polite(const Phrase& phrase, std::size_t at) {
  for (bool again = true; again;) {
    again = false;
    for (const auto words : kPolite)
      if (at < phrase.size() && matches(phrase, at, words)) {
        at += count_words(words);
        again = true;
      }
  }
  return at;
}

Phrase without_manners(Phrase phrase) {
  std::size_t at = 0;
  while (at < phrase.size() && (phrase[at].lower == "please" || phrase[at].lower == "now")) ++at;
  bool asks = false;
  for (const std::string_view words : {"can you", "could you", "would you", "will you"})
    asks = asks || matches(phrase, at, words);
  for (std::size_t i = phrase.size(); asks && i-- > at;) {
    Word& word = phrase[i];
    if (word.quoted || !word.text.ends_with('?')) continue;
    word.text.pop_back();
    word.lower = to_lower(word.text);
    word.pause_after = word.stop_after = true;
    if (!word.text.empty()) continue;
    if (i > 0) phrase[i - 1].pause_after = phrase[i - 1].stop_after = true;
    phrase.erase(phrase.begin() + static_cast<std::ptrdiff_t>(i));
  }
  while (phrase.size() > 1 && phrase.back().lower == "please") phrase.pop_back();
  if (!phrase.empty()) phrase.back().pause_after = false;
  return phrase;
}

std::string join(const Phrase& phrase, bool quotes) {
  std::string out;
  for (const Word& word : phrase) {
    if (!out.empty()) out += ' ';
    out += quotes && word.quoted ? '"' + word.text + '"' : word.text;
    if (word.pause_after && &word != &phrase.back()) out += ',';
  }
  return out;
}

std::size_t count_words(std::string_view words) {
  return 1 + static_cast<std::size_t>(std::count(words.begin(), words.end(), ' '));
}

bool matches(const Phrase& phrase, std::size_t at, std::string_view words) {
  while (!words.empty()) {
    const auto space = std::min(words.find(' '), words.size());
    if (at >= phrase.size() || phrase[at].quoted || phrase[at].lower != words.substr(0, space))
      return false;
    words.remove_prefix(std::min(space + 1, words.size()));
    ++at;
  }
  return true;
}

std::size_t find_first(const Phrase& phrase, std::initializer_list<std::string_view> words,
                       std::size_t from) {
  for (std::size_t i = from; i < phrase.size(); ++i)
    for (const auto word : words)
      if (matches(phrase, i, word)) return i;
  return std::string::npos;
}

std::size_t find_last(const Phrase& phrase, std::initializer_list<std::string_view> words,
                      std::size_t from) {
  for (std::size_t i = phrase.size(); i-- > from;)
    for (const auto word : words)
      if (matches(phrase, i, word)) return i;
  return std::string::npos;
}

Phrase part(const Phrase& phrase, std::size_t begin, std::size_t end) {
  end = std::min(end, phrase.size());
  if (begin >= end) return {};
  return Phrase(phrase.begin() + static_cast<std::ptrdiff_t>(begin),
                phrase.begin() + static_cast<std::ptrdiff_t>(end));
}

bool any_quoted(const Phrase& phrase) {
  return std::any_of(phrase.begin(), phrase.end(), [](const Word& word) { return word.quoted; });
}

void drop_articles(Phrase& phrase) {
  constexpr std::array kArticles = std::to_array<std::string_view>(
      {"the", "a", "an", "this", "that", "on", "please", "its", "your", "my"});
  while (phrase.size() > 1 &&
         std::find(kArticles.begin(), kArticles.end(), phrase.front().lower) != kArticles.end() &&
         !phrase.front().quoted)
    phrase.erase(phrase.begin());
}

void erase(Phrase& phrase, std::size_t begin, std::size_t end) {
  phrase.erase(phrase.begin() + static_cast<std::ptrdiff_t>(begin),
               phrase.begin() + static_cast<std::ptrdiff_t>(end));
}

}  // namespace troupe::interact
