// Descriptions of elements in plain words: `the 2nd "Reply" button in the row of Anna`. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "interact/instruction.h"
#include "interact/phrase.h"

namespace troupe::interact {

/// Name, role word, ordinal and scope out of the words.
Description describe(Phrase phrase);
/// What tells a region apart: `the row of Anna` is Anna.
std::string scope_text(Phrase phrase);
std::optional<int> whole_number(std::string_view text);
/// Whether it is the name of a colour that pages use.
bool is_colour(std::string_view word);

}  // namespace troupe::interact
