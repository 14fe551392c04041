#include "workflows/expression.h"

#include <cmath>
#include <limits>

#include "workflows/expression_node.h"

namespace troupe::workflows {
namespace {

Error mistake(std::string message) { return fail(Errc::invalid_argument, std::move(message)); }

/// Texts, lists and objects by type only: they may hold what no log should show.
std::string described(const json::value& value) {
  std::string type(type_name(value));
  return value.is_number() || value.is_bool() ? type + " " + json::serialize(value) : type;
}

Result<json::value> arithmetic(Operator op, const json::value& left, const json::value& right) {
  const auto a = as_integer(left);
  const auto b = as_integer(right);
  const auto x = as_number(left);
  const auto y = as_number(right);
  if (!x || !y) return mistake("numbers are needed, not " + described(x ? right : left));
  if ((op == Operator::divide || op == Operator::modulo) && *y == 0)
    return mistake("division by zero");
  std::int64_t whole = 0;
  const bool overflow_of_modulo = b && *b == -1;
  if (a && b) {
    if (op == Operator::subtract && !__builtin_sub_overflow(*a, *b, &whole)) return whole;
    if (op == Operator::multiply && !__builtin_mul_overflow(*a, *b, &whole)) return whole;
    if (op == Operator::modulo) return overflow_of_modulo ? 0 : *a % *b;
    if (op == Operator::divide && !overflow_of_modulo && *a % *b == 0) return *a / *b;
  }
  double result = 0;
  if (op == Operator::subtract) result = *x - *y;
  if (op == Operator::multiply) result = *x * *y;
  if (op == Operator::divide) result = *x / *y;
  if (op == Operator::modulo) result = std::fmod(*x, *y);
  if (!std::isfinite(result)) return mistake("number is out of range");
  return json::value(result);
}

Result<bool> contains(const json::value& needle, const json::value& hay) {
  if (const auto* text = hay.if_string()) {
    if (const auto* part = needle.if_string())
      return std::string_view(*text).find(std::string_view(*part)) != std::string_view::npos;
    return mistake("'in' of a text needs a text, not " + described(needle));
  }
  if (const auto* list = hay.if_array())
    return std::any_of(list->begin(), list->end(),
                       [&](const json::value& item) { return equal(item, needle); });
  if (const auto* map = hay.if_object())
    return needle.is_string() && map->contains(std::string_view(needle.get_string()));
  if (hay.is_null()) return false;
  return mistake("'in' needs a text, list or object, not " + described(hay));
}

/// Where an evaluation is. Errors from below get the offset of the innermost node.
class Evaluator final {
 public:
  Evaluator(const Names& names, const Evaluation& evaluation)
      : names_(names), evaluation_(evaluation), steps_left_(evaluation.steps_max) {}

  Result<json::value> run(const ExpressionNode& root) {
    auto result = value(root);
    return result;
  }
  std::size_t offset() const { return offset_.value_or(0); }

 private:
  Error at(const ExpressionNode& node, Error error) {
    if (!offset_) offset_ = node.offset;
    return error;
  }
  /// A constant path is followed by reference: `site.results.fields` copies only its end.
  Result<const json::value*> peek(const ExpressionNode& node, json::value& storage) {
    if (node.op == Operator::literal) return &node.value;
    if (node.op == Operator::name) {
      if (const auto* found = names_.find(node.text)) return found;
      return at(node, mistake("'" + node.text + "' has no value here"));
    }
    if (node.op == Operator::member || node.op == Operator::index) {
      json::value inner;
      TRY(const json::value* subject, peek(node.children[0], inner));
      TRY(const json::value* found, select(node, *subject));
      if (subject != &inner && found != &key_text_) return found;
      storage = *found;
      return &storage;
    }
    TRY(storage, value(node));
    return &storage;
  }

  static const json::value* null() {
    static const json::value kNull;
    return &kNull;
  }
  Result<const json::value*> select(const ExpressionNode& node, const json::value& subject) {
    if (node.op == Operator::member) return member(node, subject, node.text);
    json::value storage;
    TRY(const json::value* key, peek(node.children[1], storage));
    if (key->is_string()) return member(node, subject, std::string_view(key->get_string()));
    auto place = as_integer(*key);
    if (!place)
      return at(node, mistake("index must be an integer or a text, not " + described(*key)));
    if (subject.is_null()) return null();
    if (const auto* text = subject.if_string()) return character(*text, *place);
    const auto* list = subject.if_array();
    if (!list)
      return at(node, mistake("only a list has [" + std::to_string(*place) + "], not " +
                              described(subject)));
    const auto size = static_cast<std::int64_t>(list->size());
    if (*place < 0) *place += size;
    if (*place < 0 || *place >= size) return null();
    return &(*list)[static_cast<std::size_t>(*place)];
  }
  const json::value* character(const json::string& text, std::int64_t place) {
    const auto size = static_cast<std::int64_t>(text.size());
    if (place < 0) place += size;
    if (place < 0 || place >= size) return null();
    key_text_ = json::string(text.subview(static_cast<std::size_t>(place), 1));
    return &key_text_;
  }
  Result<const json::value*> member(const ExpressionNode& node, const json::value& subject,
                                    std::string_view key) {
    if (subject.is_null()) return null();
    const auto* object = subject.if_object();
    if (!object)
      return at(node, mistake("only an object has '" + std::string(key) + "', not " +
                              described(subject)));
    const auto* found = find(*object, key);
    return found ? found : null();
  }

  Result<json::value> value(const ExpressionNode& node) {
    if (--steps_left_ < 0) return at(node, too_long());
    switch (node.op) {
      case Operator::literal:
      case Operator::name:
      case Operator::member:
      case Operator::index: {
        json::value storage;
        TRY(const json::value* found, peek(node, storage));
        TRY_VOID(pay_for_copy(node, *found));
        if (found == &storage) return storage;
        return *found;
      }
      case Operator::list: return list(node);
      case Operator::map: return map(node);
      case Operator::choice: {
        TRY(const bool condition, holds(node.children[1]));
        return value(node.children[condition ? 0 : 2]);
      }
      case Operator::filter:
      case Operator::function: return call(node);
      default: return combined(node);
    }
  }
  Error too_long() const {
    return mistake("expression takes more than " + std::to_string(evaluation_.steps_max) +
                   " steps");
  }
  Result<void> pay_for_copy(const ExpressionNode& node, const json::value& copied) {
    if (const auto* array = copied.if_array()) steps_left_ -= array->size();
    if (const auto* object = copied.if_object()) steps_left_ -= object->size();
    if (steps_left_ < 0) return at(node, too_long());
    return {};
  }
  Result<bool> holds(const ExpressionNode& node) {
    json::value storage;
    TRY(const json::value* found, peek(node, storage));
    return truthy(*found);
  }

  Result<json::value> combined(const ExpressionNode& node) {
    if (node.op == Operator::logic_not) {
      TRY(const bool inner, holds(node.children[0]));
      return json::value(!inner);
    }
    if (node.op == Operator::logic_or || node.op == Operator::logic_and) {
      TRY(json::value left, value(node.children[0]));
      if (truthy(left) == (node.op == Operator::logic_or)) return left;
      return value(node.children[1]);
    }
    json::value left_storage;
    TRY(const json::value* left, peek(node.children[0], left_storage));
    if (node.op == Operator::negate) {
      const json::value zero = 0;
      auto negated = arithmetic(Operator::subtract, zero, *left);
      if (!negated) return at(node, negated.error());
      return negated;
    }
    json::value right_storage;
    TRY(const json::value* right, peek(node.children[1], right_storage));
    auto result = two_sided(node.op, *left, *right);
    if (!result) return at(node, result.error());
    TRY_VOID(pay_for_copy(node, *result));
    const auto* text = result->if_string();
    if (text && static_cast<std::int64_t>(text->size()) > evaluation_.text_bytes_max)
      return at(node, mistake("text has more than " + std::to_string(evaluation_.text_bytes_max) +
                              " bytes"));
    return result;
  }
  static Result<json::value> two_sided(Operator op, const json::value& left,
                                       const json::value& right) {
    switch (op) {
      case Operator::equals: return json::value(equal(left, right));
      case Operator::differs: return json::value(!equal(left, right));
      case Operator::add: return add(left, right);
      case Operator::in:
      case Operator::not_in: {
        TRY(const bool found, contains(left, right));
        return json::value(found == (op == Operator::in));
      }
      case Operator::less:
      case Operator::less_equal:
      case Operator::greater:
      case Operator::greater_equal: {
        TRY(const int order, compare(left, right));
        if (op == Operator::less) return json::value(order < 0);
        if (op == Operator::less_equal) return json::value(order <= 0);
        return json::value(op == Operator::greater ? order > 0 : order >= 0);
      }
      default: return arithmetic(op, left, right);
    }
  }
  Result<json::value> list(const ExpressionNode& node) {
    json::array made;
    for (const auto& child : node.children) {
      TRY(json::value item, value(child));
      made.push_back(std::move(item));
    }
    return json::value(std::move(made));
  }
  Result<json::value> map(const ExpressionNode& node) {
    json::object made;
    for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
      TRY(json::value item, value(node.children[i + 1]));
      made[std::string_view(node.children[i].value.get_string())] = std::move(item);
    }
    return json::value(std::move(made));
  }
  Result<json::value> call(const ExpressionNode& node) {
    Call call;
    call.evaluation = &evaluation_;
    call.steps_left = &steps_left_;
    call.arguments.reserve(node.children.size());
    const bool forgiving = node.op == Operator::filter && node.row->name == "default";
    for (const auto& child : node.children) {
      // `x | default(y)`: a name that no step has saved yet counts as null.
      if (forgiving && call.arguments.empty() && child.op == Operator::name &&
          !names_.find(child.text)) {
        call.arguments.emplace_back();
        continue;
      }
      TRY(json::value argument, value(child));
      call.arguments.push_back(std::move(argument));
    }
    auto result = node.row->run(call);
    if (!result)
      return at(node, mistake(std::string(node.row->name) + ": " + result.error().message));
    TRY_VOID(pay_for_copy(node, *result));
    return result;
  }

  const Names& names_;
  const Evaluation& evaluation_;
  std::int64_t steps_left_;
  std::optional<std::size_t> offset_;
  json::value key_text_;  // one character of a text, the only selected value that is not stored
};

}  // namespace

std::optional<std::int64_t> as_integer(const json::value& value) {
  if (const auto* integer = value.if_int64()) return *integer;
  if (const auto* large = value.if_uint64(); large && *large <= INT64_MAX)
    return static_cast<std::int64_t>(*large);
  return std::nullopt;
}

std::optional<double> as_number(const json::value& value) {
  if (const auto* real = value.if_double()) return *real;
  if (const auto* integer = value.if_int64()) return static_cast<double>(*integer);
  if (const auto* large = value.if_uint64()) return static_cast<double>(*large);
  return std::nullopt;
}

json::value number_value(double number) {
  if (std::abs(number) < 9e15 && number == std::floor(number))
    return static_cast<std::int64_t>(number);
  return number;
}

bool truthy(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return false;
    case json::kind::bool_: return value.get_bool();
    case json::kind::string: return !value.get_string().empty();
    case json::kind::array: return !value.get_array().empty();
    case json::kind::object: return !value.get_object().empty();
    default: return as_number(value).value_or(0) != 0;
  }
}

std::string to_text(const json::value& value) {
  if (const auto* text = value.if_string()) return std::string(*text);
  if (value.is_null()) return {};
  if (const auto* real = value.if_double()) return json::serialize(number_value(*real));
  return json::serialize(value);
}

bool equal(const json::value& left, const json::value& right) {
  const auto x = as_number(left);
  const auto y = as_number(right);
  if (x && y) return *x == *y;
  return left == right;
}

Result<int> compare(const json::value& left, const json::value& right) {
  const auto a = as_integer(left);
  const auto b = as_integer(right);
  if (a && b) return *a < *b ? -1 : *a > *b;
  const auto x = as_number(left);
  const auto y = as_number(right);
  if (x && y) return *x < *y ? -1 : *x > *y;
  if (left.is_string() && right.is_string()) {
    const int order = left.get_string().compare(std::string_view(right.get_string()));
    return order < 0 ? -1 : order > 0;
  }
  return mistake("cannot compare " + described(left) + " with " + described(right));
}

Result<json::value> add(const json::value& left, const json::value& right) {
  if (left.is_string() || right.is_string()) return json::value(to_text(left) + to_text(right));
  if (left.is_array() && right.is_array()) {
    json::array joined = left.get_array();
    joined.insert(joined.end(), right.get_array().begin(), right.get_array().end());
    return json::value(std::move(joined));
  }
  if (left.is_object() && right.is_object()) {
    json::object merged = left.get_object();
    for (const auto& member : right.get_object()) merged[member.key()] = member.value();
    return json::value(std::move(merged));
  }
  std::int64_t whole = 0;
  const auto a = as_integer(left);
  const auto b = as_integer(right);
  if (a && b && !__builtin_add_overflow(*a, *b, &whole)) return json::value(whole);
  const auto x = as_number(left);
  const auto y = as_number(right);
  if (x && y && std::isfinite(*x + *y)) return json::value(*x + *y);
  return mistake("cannot add " + described(left) + " and " + described(right));
}

Result<json::value> Expression::evaluate(const Names& names, const Evaluation& evaluation) const {
  if (!root_) return json::value();
  Evaluator evaluator(names, evaluation);
  auto result = evaluator.run(*root_);
  if (result) return result;
  Error error = result.error();
  const auto first = text_.find_first_not_of(" \t\r\n");
  const auto last = text_.find_last_not_of(" \t\r\n");
  std::string shown = first == std::string::npos ? "" : text_.substr(first, last - first + 1);
  if (shown.size() > 120) shown = shown.substr(0, 117) + "...";
  error.message = "expression '" + shown + "': " + error.message;
  return error;
}

Result<json::value> Template::render(const Names& names, const Evaluation& evaluation) const {
  if (single_) return parts_[0].expression.evaluate(names, evaluation);
  std::string text;
  for (const Part& part : parts_) {
    text += part.text;
    TRY(const json::value value, part.expression.evaluate(names, evaluation));
    text += to_text(value);
    if (static_cast<std::int64_t>(text.size()) > evaluation.text_bytes_max)
      return mistake("text of a template has more than " +
                     std::to_string(evaluation.text_bytes_max) + " bytes");
  }
  return json::value(text);
}

}  // namespace troupe::workflows
