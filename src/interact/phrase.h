// Words of an instruction: quoted texts stay whole, punctuation is noted beside them. No I/O.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::interact {

struct Word {
  std::string text;   ///< As written, without quotes or closing punctuation.
  std::string lower;  ///< In lower case; empty for quoted texts, which match no keyword.
  bool quoted = false;
  bool pause_after = false;  ///< A comma, semicolon or full stop followed.
  bool stop_after = false;   ///< The sentence ends here.
};
using Phrase = std::vector<Word>;

/// Knows "…", '…', `…` and typographic quotes; an apostrophe inside a word is none.
Phrase split_words(std::string_view text);
/// The place behind "please", "then", "I want you to" and the like.
std::size_t skip_polite(const Phrase& phrase, std::size_t at);
/// Without the question mark of "could you …?" and the please at the end.
Phrase without_manners(Phrase phrase);
/// The words joined again; quoted ones with quotes only when `quotes`.
std::string join(const Phrase& phrase, bool quotes = false);
std::string to_lower(std::string_view text);

/// Whether the phrase continues at `at` with these lower-case words (separated by single spaces).
bool matches(const Phrase& phrase, std::size_t at, std::string_view words);
/// How many words a keyword phrase has.
std::size_t count_words(std::string_view words);
/// Last (or first) place of one of the keywords, after `from`; npos when there is none.
std::size_t find_last(const Phrase& phrase, std::initializer_list<std::string_view> words,
                      std::size_t from);
std::size_t find_first(const Phrase& phrase, std::initializer_list<std::string_view> words,
                       std::size_t from);
Phrase part(const Phrase& phrase, std::size_t begin, std::size_t end = std::string::npos);
bool any_quoted(const Phrase& phrase);
/// Drops leading words that say nothing: the, a, please, …
void drop_articles(Phrase& phrase);

/// Removes the words [begin, end).
void erase(Phrase& phrase, std::size_t begin, std::size_t end);

}  // namespace troupe::interact
