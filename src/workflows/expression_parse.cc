#include <charconv>
#include <cmath>

#include "base/suggest.h"
#include "workflows/expression_node.h"

namespace troupe::workflows {
namespace {

constexpr std::size_t kTextBytesMax = 16 * 1024;
constexpr int kNestingMax = 64;  // of brackets: recursion of the parser
constexpr int kDepthMax = 200;   // of the tree: recursion of the evaluation
constexpr std::string_view kKeywords[] = {"and",  "or",   "not",   "in",  "if",
                                          "else", "true", "false", "null"};

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_keyword(std::string_view word) {
  return std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords);
}

/// Recursive descent. The first mistake stops it: `error_` is set and every rule returns at once.
class Parser final {
 public:
  Parser(std::string_view text, std::size_t offset) : text_(text), at_(offset) {}

  ExpressionNode expression() { return choice(); }
  bool failed() const { return error_.has_value(); }
  const ParseError& error() const { return *error_; }
  std::size_t at() const { return at_; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  void fail_at(std::size_t offset, std::string message) {
    if (!error_) error_ = ParseError{offset, std::move(message)};
  }
  std::string here() const {
    if (at_ >= text_.size()) return "the end";
    return "'" + std::string(text_.substr(at_, 1)) + "'";
  }

 private:
  bool symbol(std::string_view wanted) {
    skip_space();
    if (failed() || !text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  std::string_view peek_word() {
    skip_space();
    if (failed() || at_ >= text_.size() || !is_name_start(text_[at_])) return {};
    std::size_t end = at_;
    while (end < text_.size() && is_name(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  bool word(std::string_view wanted) {
    if (peek_word() != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  void expect(std::string_view wanted) {
    if (!symbol(wanted)) fail_at(at_, "expected '" + std::string(wanted) + "' but found " + here());
  }

  ExpressionNode node(Operator op, std::size_t offset, std::vector<ExpressionNode> children) {
    ExpressionNode made;
    made.op = op;
    made.offset = offset;
    for (const auto& child : children) made.depth = std::max(made.depth, child.depth + 1);
    made.children = std::move(children);
    if (made.depth > kDepthMax) fail_at(offset, "expression is too deep: more than 200 levels");
    return made;
  }
  ExpressionNode pair(Operator op, std::size_t offset, ExpressionNode left, ExpressionNode right) {
    std::vector<ExpressionNode> children;
    children.push_back(std::move(left));
    children.push_back(std::move(right));
    return node(op, offset, std::move(children));
  }

  ExpressionNode choice() {
    if (++nesting_ > kNestingMax) fail_at(at_, "expression is nested more than 64 deep");
    if (failed()) return {};
    ExpressionNode value = logic_or();
    const std::size_t offset = at_;
    if (word("if")) {
      ExpressionNode condition = logic_or();
      if (!word("else")) fail_at(at_, "expected 'else' of 'a if c else b' but found " + here());
      if (failed()) return {};
      std::vector<ExpressionNode> children;
      children.push_back(std::move(value));
      children.push_back(std::move(condition));
      children.push_back(choice());
      value = node(Operator::choice, offset, std::move(children));
    }
    --nesting_;
    return value;
  }
  ExpressionNode logic_or() {
    ExpressionNode left = logic_and();
    while (!failed()) {
      const std::size_t offset = at_;
      if (!symbol("||") && !word("or")) break;
      left = pair(Operator::logic_or, offset, std::move(left), logic_and());
    }
    return left;
  }
  ExpressionNode logic_and() {
    ExpressionNode left = logic_not();
    while (!failed()) {
      const std::size_t offset = at_;
      if (!symbol("&&") && !word("and")) break;
      left = pair(Operator::logic_and, offset, std::move(left), logic_not());
    }
    return left;
  }
  ExpressionNode logic_not() {
    skip_space();
    const std::size_t offset = at_;
    if (word("not") || (!text_.substr(at_).starts_with("!=") && symbol("!"))) {
      if (++nesting_ > kNestingMax) fail_at(at_, "expression is nested more than 64 deep");
      if (failed()) return {};
      std::vector<ExpressionNode> children;
      children.push_back(logic_not());
      --nesting_;
      return node(Operator::logic_not, offset, std::move(children));
    }
    return comparison();
  }
  std::optional<Operator> comparison_operator() {
    if (symbol("==")) return Operator::equals;
    if (symbol("!=")) return Operator::differs;
    if (symbol("<=")) return Operator::less_equal;
    if (symbol(">=")) return Operator::greater_equal;
    if (symbol("<")) return Operator::less;
    if (symbol(">")) return Operator::greater;
    if (word("in")) return Operator::in;
    const std::size_t before = at_;
    if (word("not")) {
      if (word("in")) return Operator::not_in;
      at_ = before;
    }
    return std::nullopt;
  }
  ExpressionNode comparison() {
    ExpressionNode left = sum();
    skip_space();
    const std::size_t offset = at_;
    if (const auto op = comparison_operator()) left = pair(*op, offset, std::move(left), sum());
    skip_space();
    if (!failed() && text_.substr(at_).starts_with("=") && !text_.substr(at_).starts_with("=="))
      fail_at(at_, "'=' is no operator; compare with '=='");
    return left;
  }
  ExpressionNode sum() {
    ExpressionNode left = product();
    while (!failed()) {
      skip_space();
      const std::size_t offset = at_;
      Operator op;
      if (symbol("+"))
        op = Operator::add;
      else if (symbol("-"))
        op = Operator::subtract;
      else
        break;
      left = pair(op, offset, std::move(left), product());
    }
    return left;
  }
  ExpressionNode product() {
    ExpressionNode left = negation();
    while (!failed()) {
      skip_space();
      const std::size_t offset = at_;
      Operator op;
      if (symbol("*"))
        op = Operator::multiply;
      else if (symbol("/"))
        op = Operator::divide;
      else if (symbol("%"))
        op = Operator::modulo;
      else
        break;
      left = pair(op, offset, std::move(left), negation());
    }
    return left;
  }
  ExpressionNode negation() {
    skip_space();
    const std::size_t offset = at_;
    if (!symbol("-")) return postfix();
    if (++nesting_ > kNestingMax) fail_at(at_, "expression is nested more than 64 deep");
    if (failed()) return {};
    std::vector<ExpressionNode> children;
    children.push_back(negation());
    --nesting_;
    return node(Operator::negate, offset, std::move(children));
  }

  ExpressionNode postfix() {
    ExpressionNode value = primary();
    while (!failed()) {
      skip_space();
      const std::size_t offset = at_;
      if (symbol(".")) {
        value = member(std::move(value), offset);
      } else if (symbol("[")) {
        value = pair(Operator::index, offset, std::move(value), expression());
        expect("]");
      } else if (!text_.substr(at_).starts_with("||") && symbol("|")) {
        value = filter(std::move(value));
      } else {
        break;
      }
    }
    return value;
  }
  ExpressionNode member(ExpressionNode subject, std::size_t offset) {
    const std::string_view name = peek_word();
    if (name.empty()) {
      fail_at(at_, "expected a name after '.' but found " + here());
      return {};
    }
    at_ += name.size();
    std::vector<ExpressionNode> children;
    children.push_back(std::move(subject));
    ExpressionNode made = node(Operator::member, offset, std::move(children));
    made.text = name;
    return made;
  }
  ExpressionNode filter(ExpressionNode subject) {
    const std::string_view name = peek_word();
    const std::size_t offset = at_;
    at_ += name.size();
    const FilterRow* row = find_filter(name);
    if (!row) {
      fail_at(offset, name.empty() ? "expected a filter's name after '|' but found " + here()
                                   : "no filter '" + std::string(name) + "'" +
                                         did_you_mean(name, filter_names()));
      return {};
    }
    std::vector<ExpressionNode> children;
    children.push_back(std::move(subject));
    if (symbol("(")) arguments(children, ")");
    return called(Operator::filter, *row, offset, std::move(children));
  }
  ExpressionNode called(Operator op, const FilterRow& row, std::size_t offset,
                        std::vector<ExpressionNode> children) {
    const std::size_t implied = op == Operator::filter ? 1 : 0;  // the subject
    if (children.size() < row.count_min || children.size() > row.count_max) {
      const std::string least = std::to_string(row.count_min - implied);
      const std::string most = std::to_string(row.count_max - implied);
      fail_at(offset, std::string(row.name) + " takes " +
                          (least == most ? least : least + " to " + most) + " arguments, not " +
                          std::to_string(children.size() - implied));
    }
    ExpressionNode made = node(op, offset, std::move(children));
    made.row = &row;
    return made;
  }
  /// Comma separated expressions up to `close`; a final comma is allowed.
  void arguments(std::vector<ExpressionNode>& children, std::string_view close) {
    while (!failed() && !symbol(close)) {
      children.push_back(expression());
      if (symbol(",")) continue;
      expect(close);
      break;
    }
  }

  ExpressionNode primary() {
    skip_space();
    const std::size_t offset = at_;
    if (failed() || at_ >= text_.size()) {
      fail_at(at_, "expected a value but found the end");
      return {};
    }
    const char c = text_[at_];
    if (c == '\'' || c == '"') return quoted();
    if (is_digit(c)) return number();
    if (is_name_start(c)) return named();
    if (symbol("(")) {
      ExpressionNode inner = expression();
      expect(")");
      return inner;
    }
    if (symbol("[")) {
      std::vector<ExpressionNode> children;
      arguments(children, "]");
      return node(Operator::list, offset, std::move(children));
    }
    if (symbol("{")) return map(offset);
    fail_at(at_, "expected a value but found " + here());
    return {};
  }
  ExpressionNode map(std::size_t offset) {
    std::vector<ExpressionNode> children;
    while (!failed() && !symbol("}")) {
      const std::string_view key = peek_word();
      if (!key.empty() && !is_keyword(key)) {
        children.push_back(literal(json::string(key), at_));
        at_ += key.size();
      } else if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
        children.push_back(quoted());
      } else {
        fail_at(at_, "expected a key but found " + here());
      }
      expect(":");
      children.push_back(expression());
      if (symbol(",")) continue;
      expect("}");
      break;
    }
    return node(Operator::map, offset, std::move(children));
  }
  ExpressionNode literal(json::value value, std::size_t offset) {
    ExpressionNode made;
    made.offset = offset;
    made.value = std::move(value);
    return made;
  }
  ExpressionNode named() {
    const std::size_t offset = at_;
    const std::string_view name = peek_word();
    at_ += name.size();
    if (name == "true") return literal(true, offset);
    if (name == "false") return literal(false, offset);
    if (name == "null") return literal(nullptr, offset);
    if (is_keyword(name)) {
      fail_at(offset, "expected a value but found '" + std::string(name) + "'");
      return {};
    }
    if (symbol("(")) {
      const FilterRow* row = find_function(name);
      if (!row) {
        fail_at(offset,
                "no function '" + std::string(name) + "'" + did_you_mean(name, function_names()));
        return {};
      }
      std::vector<ExpressionNode> children;
      arguments(children, ")");
      return called(Operator::function, *row, offset, std::move(children));
    }
    ExpressionNode made;
    made.op = Operator::name;
    made.offset = offset;
    made.text = name;
    return made;
  }
  ExpressionNode number() {
    const std::size_t offset = at_;
    std::size_t end = at_;
    bool whole = true;
    while (end < text_.size() && is_digit(text_[end])) ++end;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      whole = false;
      for (++end; end < text_.size() && is_digit(text_[end]);) ++end;
    }
    if (end < text_.size() && is_name_start(text_[end])) {
      fail_at(offset,
              "not a number: '" + std::string(text_.substr(offset, end + 1 - offset)) + "'");
      return {};
    }
    at_ = end;
    const char* first = text_.data() + offset;
    const char* last = text_.data() + end;
    std::int64_t integer = 0;
    if (whole && std::from_chars(first, last, integer).ec == std::errc())
      return literal(integer, offset);
    double real = 0;
    if (std::from_chars(first, last, real).ec != std::errc() || !std::isfinite(real))
      fail_at(offset, "number is out of range");
    return literal(real, offset);
  }
  ExpressionNode quoted() {
    const std::size_t offset = at_;
    const char quote = text_[at_++];
    std::string text;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'n')
          c = '\n';
        else if (c == 't')
          c = '\t';
        else if (c != '\\' && c != '\'' && c != '"')
          text += '\\';  // kept: regular expressions
      }
      text += c;
    }
    if (at_ >= text_.size()) {
      fail_at(offset, "text is not closed: no second " + std::string(1, quote));
      return {};
    }
    ++at_;
    return literal(json::string(text), offset);
  }

  std::string_view text_;
  std::size_t at_;
  int nesting_ = 0;
  std::optional<ParseError> error_;
};

void collect(const ExpressionNode& node, std::vector<Reference>& references) {
  if (node.op == Operator::name) references.push_back({node.text, {}, node.offset});
  const bool forgiving = node.op == Operator::filter && node.row->name == "default" &&
                         node.children[0].op == Operator::name;
  const bool constant_index = node.op == Operator::index &&
                              node.children[1].op == Operator::literal &&
                              node.children[1].value.is_string();
  if ((node.op == Operator::member || constant_index) && node.children[0].op == Operator::name) {
    const auto& name = node.children[0];
    const std::string member =
        constant_index ? std::string(node.children[1].value.get_string()) : node.text;
    references.push_back({name.text, member, name.offset});
    return;
  }
  for (std::size_t i = forgiving ? 1 : 0; i < node.children.size(); ++i)
    collect(node.children[i], references);
}

}  // namespace

boost::system::result<Expression, ParseError> Expression::parse(std::string_view text) {
  if (text.size() > kTextBytesMax)
    return ParseError{0,
                      "expression has " + std::to_string(text.size()) + " bytes, more than 16384"};
  Parser parser(text, 0);
  ExpressionNode root = parser.expression();
  parser.skip_space();
  if (!parser.failed() && parser.at() < text.size())
    parser.fail_at(parser.at(), "expected the end but found " + parser.here());
  if (parser.failed()) return parser.error();
  Expression made;
  made.root_ = std::make_shared<const ExpressionNode>(std::move(root));
  made.text_ = text;
  return made;
}

boost::system::result<Expression, ParseError> Expression::parse_braced(std::string_view text,
                                                                       std::size_t offset,
                                                                       std::size_t& end) {
  const std::string_view bounded = text.substr(0, std::min(text.size(), offset + kTextBytesMax));
  Parser parser(bounded, offset);
  ExpressionNode root = parser.expression();
  parser.skip_space();
  if (!parser.failed() && !bounded.substr(parser.at()).starts_with("}}"))
    parser.fail_at(parser.at(), "expected '}}' but found " + parser.here());
  if (parser.failed()) return parser.error();
  Expression made;
  made.root_ = std::make_shared<const ExpressionNode>(std::move(root));
  made.text_ = text.substr(offset, parser.at() - offset);
  end = parser.at() + 2;
  return made;
}

Expression Expression::constant(json::value value) {
  ExpressionNode node;
  node.value = std::move(value);
  Expression made;
  made.text_ = json::serialize(node.value);
  made.root_ = std::make_shared<const ExpressionNode>(std::move(node));
  return made;
}

std::vector<Reference> Expression::references() const {
  std::vector<Reference> references;
  if (root_) collect(*root_, references);
  return references;
}

boost::system::result<Template, ParseError> Template::parse(std::string_view text) {
  Template made;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find("{{", at);
    Part part;
    part.text = text.substr(at, open == std::string_view::npos ? open : open - at);
    if (open == std::string_view::npos) {
      if (!part.text.empty()) made.parts_.push_back(std::move(part));
      break;
    }
    std::size_t end = open;
    auto expression = Expression::parse_braced(text, open + 2, end);
    if (!expression) return expression.error();
    part.offset = open + 2;
    part.expression = std::move(*expression);
    made.parts_.push_back(std::move(part));
    at = end;
  }
  made.single_ =
      made.parts_.size() == 1 && !made.parts_[0].expression.empty() && made.parts_[0].text.empty();
  return made;
}

std::vector<Reference> Template::references() const {
  std::vector<Reference> all;
  for (const Part& part : parts_)
    for (auto& reference : part.expression.references()) all.push_back(std::move(reference));
  return all;
}

const Expression* Template::single() const { return single_ ? &parts_[0].expression : nullptr; }

}  // namespace troupe::workflows

namespace boost::system {
void throw_exception_from_error(const troupe::workflows::ParseError& error,
                                const boost::source_location&) {
  throw std::runtime_error(error.message);
}
}  // namespace boost::system
