// Expression language of templates: parsed once, evaluated often. Pure: no clock, no I/O;
// everything that it can see comes through Names. Reference: docs/guides/workflows.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace troupe::workflows {

/// What the names of an expression mean.
class Names {
 public:
  virtual ~Names() = default;
  /// The value, or nullptr: no such name. Stays valid until the evaluation ends.
  virtual const json::value* find(std::string_view name) const = 0;
};

/// Bounds of one evaluation, and the time that now() gives.
struct Evaluation {
  WallTime now{};
  std::int64_t steps_max = 1'000'000;  ///< Nodes visited plus list items produced.
  std::int64_t text_bytes_max = 16 << 20;
};

/// What is wrong in a text that does not parse, and at which byte of it.
struct ParseError {
  std::size_t offset = 0;
  std::string message;
};

/// A name that an expression uses: `inputs.topic` is root `inputs`, member `topic`.
struct Reference {
  std::string root;
  std::string member;  ///< First member when it is constant; else empty.
  std::size_t offset = 0;
};

struct ExpressionNode;

/// Immutable; copies share the tree.
class Expression final {
 public:
  /// An empty expression evaluates to null.
  Expression() = default;
  /// The whole of `text` as one expression.
  static boost::system::result<Expression, ParseError> parse(std::string_view text);
  /// An expression that begins at `offset` of `text` and is closed by `}}`; `end` becomes the
  /// offset after it.
  static boost::system::result<Expression, ParseError> parse_braced(std::string_view text,
                                                                    std::size_t offset,
                                                                    std::size_t& end);
  /// A constant.
  static Expression constant(json::value value);

  bool empty() const { return root_ == nullptr; }
  /// Errors: invalid_argument, naming the expression and the place in it.
  Result<json::value> evaluate(const Names& names, const Evaluation& evaluation) const;
  /// Every name used, except those inside `default`'s subject.
  std::vector<Reference> references() const;
  const std::string& text() const { return text_; }

 private:
  std::shared_ptr<const ExpressionNode> root_;
  std::string text_;
};

/// Text with `{{ }}` templates. A text that is exactly one template gives its value with its type;
/// anything else gives text.
class Template final {
 public:
  Template() = default;
  static boost::system::result<Template, ParseError> parse(std::string_view text);
  static bool has_braces(std::string_view text) {
    return text.find("{{") != std::string_view::npos;
  }

  Result<json::value> render(const Names& names, const Evaluation& evaluation) const;
  std::vector<Reference> references() const;
  /// The expression when the text is exactly one template; else nullptr.
  const Expression* single() const;

 private:
  struct Part {
    std::string text;  ///< Literal text before the expression.
    Expression expression;
    std::size_t offset = 0;
  };
  std::vector<Part> parts_;
  bool single_ = false;
};

/// false, null, 0, "", [] and {} are false.
bool truthy(const json::value& value);
/// As it appears inside text: texts as they are, null as nothing, lists and objects as JSON.
std::string to_text(const json::value& value);
/// Numbers by value, whatever their representation.
bool equal(const json::value& left, const json::value& right);
/// Names of all filters and functions, for the reference and suggestions.
std::vector<std::string_view> filter_names();
std::vector<std::string_view> function_names();

}  // namespace troupe::workflows

namespace boost::system {
[[noreturn]] void throw_exception_from_error(const troupe::workflows::ParseError& error,
                                             const boost::source_location& where);
}  // namespace boost::system
