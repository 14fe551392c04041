// How well a text on a page is the one that an instruction names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::interact {

/// How well an element's text fits the wanted one, 0 to 1. A quoted text must occur as it is.
double text_fit(std::string_view wanted, std::string_view have, bool quoted);
/// The text with single spaces and none at its ends.
std::string squeeze(std::string_view text);
/// Lower case, only letters, digits and single spaces.
std::string bare(std::string_view text);
/// Its words without marks and case, in the singular.
std::vector<std::string> words_of(std::string_view text);
bool has_word(const std::vector<std::string>& words, const std::string& word);
/// Whether `wanted` stands in `have` as whole words. Both in the same case.
bool contains_words(std::string_view have, std::string_view wanted);

}  // namespace troupe::interact
