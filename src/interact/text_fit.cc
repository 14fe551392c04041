#include "interact/text_fit.h"

#include <algorithm>
#include <cctype>

#include "interact/phrase.h"

namespace troupe::interact {
namespace {

bool is_word_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || (static_cast<unsigned char>(c) & 0x80);
}

}  // namespace

std::string squeeze(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!std::isspace(static_cast<unsigned char>(c)))
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_word_char(c))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c != '\'' && !out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : bare(text) + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      if (word.size() > 3 && word.back() == 's' && word[word.size() - 2] != 's') word.pop_back();
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

bool has_word(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool contains_words(std::string_view have, std::string_view wanted) {
  for (auto at = have.find(wanted); at != std::string_view::npos; at = have.find(wanted, at + 1)) {
    const bool begins = at == 0 || !is_word_char(have[at - 1]) || !is_word_char(wanted.front());
    const auto end = at + wanted.size();
    const bool ends =
        end == have.size() || !is_word_char(have[end]) || !is_word_char(wanted.back());
    if (begins && ends) return true;
  }
  return false;
}

namespace {

double loose_fit(std::string_view wanted, std::string_view have) {
  const auto want_words = words_of(wanted);
  const auto have_words = words_of(have);
  if (want_words.empty() || have_words.empty()) return 0;
  if (want_words == have_words) return 0.9;
  const auto found = std::count_if(want_words.begin(), want_words.end(),
                                   [&](const auto& word) { return has_word(have_words, word); });
  const double share = static_cast<double>(found) / static_cast<double>(want_words.size());
  const double cover = static_cast<double>(want_words.size()) /
                       static_cast<double>(std::max(have_words.size(), want_words.size()));
  if (share == 1) return 0.6 + 0.15 * cover;
  // "the search videos field" for a field called "Search": all it has is wanted.
  const bool inside = std::all_of(have_words.begin(), have_words.end(),
                                  [&](const auto& word) { return has_word(want_words, word); });
  return inside && share >= 0.5 ? 0.35 + 0.3 * share : 0;
}

}  // namespace

double text_fit(std::string_view wanted, std::string_view have, bool quoted) {
  if (wanted.empty() || have.empty()) return 0;
  const std::string a = squeeze(wanted), b = squeeze(have);
  if (a == b) return 1;
  const std::string low_a = to_lower(a), low_b = to_lower(b);
  if (low_a == low_b) return 0.97;
  const std::string bare_a = bare(a), bare_b = bare(b);
  if (!bare_a.empty() && bare_a == bare_b) return 0.91;
  if (!low_a.empty() && contains_words(low_b, low_a))
    return 0.64 + 0.2 * static_cast<double>(low_a.size()) / static_cast<double>(low_b.size());
  return quoted ? 0 : loose_fit(a, b);
}

}  // namespace troupe::interact
