// The tree of an expression and the table of its filters. Private to the expression sources.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "workflows/expression.h"

namespace troupe::workflows {

enum class Operator {
  literal,  // value
  name,     // text
  member,   // children[0] . text
  index,    // children[0] [ children[1] ]
  list,     // children
  map,      // children: key, value, key, value, …
  choice,   // children[0] if children[1] else children[2]
  logic_or,
  logic_and,
  logic_not,
  equals,
  differs,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in,
  add,
  subtract,
  multiply,
  divide,
  modulo,
  negate,
  filter,    // children[0] | row(children[1..])
  function,  // row(children)
};

struct FilterRow;

struct ExpressionNode {
  Operator op = Operator::literal;
  std::size_t offset = 0;
  int depth = 1;
  json::value value;
  std::string text;
  const FilterRow* row = nullptr;
  std::vector<ExpressionNode> children;
};

/// What a filter is given. `arguments[0]` is the subject of a filter, the first argument of a
/// function.
struct Call {
  std::vector<json::value> arguments;
  const Evaluation* evaluation = nullptr;
  std::int64_t* steps_left = nullptr;

  const json::value& subject() const { return arguments.front(); }
  std::size_t count() const { return arguments.size(); }
  /// Counts `n` steps; invalid_argument when there are none left.
  Result<void> spend(std::size_t n) const;
};

/// One filter or function; `count_min` and `count_max` count the subject too.
struct FilterRow {
  std::string_view name;
  std::size_t count_min;
  std::size_t count_max;
  Result<json::value> (*run)(Call& call);
};

const FilterRow* find_filter(std::string_view name);
const FilterRow* find_function(std::string_view name);

/// -1, 0, 1; numbers with numbers, texts with texts; anything else is an error.
Result<int> compare(const json::value& left, const json::value& right);
Result<json::value> add(const json::value& left, const json::value& right);
/// An integral double in range becomes an integer.
json::value number_value(double number);
std::optional<double> as_number(const json::value& value);
std::optional<std::int64_t> as_integer(const json::value& value);

}  // namespace troupe::workflows
