// Plain English to clauses: "type jazz into the search box and press Enter" is a fill and a press.
// Only grammar: which element is meant is the resolver's part. No I/O, no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace troupe::interact {

enum class Verb {
  click,
  double_click,
  right_click,
  hover,
  fill,
  select,
  check,
  uncheck,
  press,
  scroll,
  wait,
  close,
  consent,
  go,
  back,
  forward,
  reload,
  drag,
  copy,
  paste,
  highlight,
};
std::string_view to_string(Verb verb);
std::optional<Verb> verb_from(std::string_view name);

/// A drawn thing: `the small red circle`, `all shades of blue`.
struct Figure {
  std::string kind;     ///< circle, rectangle, …, item; empty: no figure is described.
  std::string colour;   ///< By its CSS name.
  bool shade = false;   ///< Any tone of the colour.
  std::string size;     ///< large, small
  std::string text;     ///< The letter or digit itself.
  std::string compare;  ///< larger, smaller: than all others.
  std::string where;    ///< left, right, top, bottom
  bool any = false;     ///< Whichever of them.
};

/// How an element is described: `the 2nd "Reply" button in the row of Anna`.
struct Description {
  std::string text;  ///< What it is called; empty: only its role or place is known.
  bool quoted = false;
  std::string whole;   ///< The phrase with scope and role words, for names that contain such words.
  std::string role;    ///< button, link, textbox, …; empty: not said.
  int ordinal = 0;     ///< 1 is the first, -1 the last; 0: not said.
  bool item = false;   ///< `the 2nd result`: known only by its place in the page's main list.
  std::string scope;   ///< Text of the row, card, section or dialog it is in.
  bool any = false;    ///< `a checkbox`: whichever of them.
  bool every = false;  ///< `both text fields`, `all posts by …`: one after the other.
  int most = 0;        ///< every: at most so many; 0: all.
  std::string colour;  ///< `the lime coloured box`.
  Figure figure;       ///< What is drawn, in case nothing is called so.

  bool empty() const { return text.empty() && role.empty() && ordinal == 0; }
};

struct Clause {
  Verb verb = Verb::click;
  Description target;
  /// fill: the text. press: the key. scroll: top, bottom, next, previous, `50%`, `300px`, or empty
  /// (to the target). wait: visible, hidden, or milliseconds. consent: accept, reject, dismiss. go:
  /// the URL. drag: up, down, left, right (`count` places), position (`count`), or a place such as
  /// `top left`; empty: onto `destination`. copy: the number of a word, -1 the last; empty: all.
  std::string value;
  std::vector<std::string> values;  ///< select: the options. fill: one for each of several fields.
  bool path = false;                ///< select: `values` lead through a menu: File > Export > PDF.
  /// fill: the text is not given but described: `the value of Gender`, `it`.
  bool described_value = false;
  bool exact_text = false;         ///< Only what is called exactly so, also in punctuation.
  int other_than = -1;             ///< Reference of an element that is not meant.
  bool explore = false;            ///< `find and click`: what is closed may be opened to reach it.
  bool beyond = false;             ///< Not inside what a clause before it found or opened.
  Description destination;         ///< drag
  std::vector<std::string> names;  ///< Other names of the target, tried in this order.
  int count = 1;                   ///< press: how often.
  bool first_of_equals = false;    ///< Of elements that nothing tells apart, the first.
  bool exact_only = false;  ///< No verb was recognised: only an element called exactly so is meant.
  std::string source;       ///< The words of this clause.
  /// What must be read from the page first (instruction_readings.h): its kind, and what was said.
  std::string reading;
  json::object how;
};

/// Errors: invalid_argument (nothing to do in it).
Result<std::vector<Clause>> parse_instruction(std::string_view text);
/// The description alone: `the search box`.
Description parse_description(std::string_view text);

}  // namespace troupe::interact
