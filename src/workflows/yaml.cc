#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <sstream>

#include "workflows/tree.h"

namespace troupe::workflows {
namespace {

constexpr std::string_view kQuoteTemplates =
    "a template at the beginning of a value must stand in quotes: \"{{ ... }}\"";

Position position_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

/// Thrown out of the parser when a limit is passed; caught in parse_yaml.
struct LimitPassed {
  Position position;
  std::string message;
};

/// Plain scalars of YAML's core schema.
json::value plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* first = text.data() + (text[0] == '+' ? 1 : 0);
  const char* last = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto r = std::from_chars(first, last, integer); r.ec == std::errc() && r.ptr == last)
    return integer;
  const bool numeric = text.find_first_not_of("+-.0123456789eE") == std::string::npos;
  double real = 0;
  if (const auto r = std::from_chars(first, last, real);
      numeric && r.ec == std::errc() && r.ptr == last && std::isfinite(real))
    return real;
  return json::string(text);
}

/// Builds the tree from the parser's events, so that limits hold while it is read.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view source, const TreeLimits& limits, Mistakes& mistakes)
      : source_(source), limits_(limits), mistakes_(mistakes) {}

  Tree take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Tree tree;
    tree.position = position_of(mark);
    add(std::move(tree), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      throw LimitPassed{position_of(mark), "an alias inside its own anchor"};
    Tree copy = found->second;
    count(copy, position_of(mark));
    add(std::move(copy), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Tree tree;
    tree.position = position_of(mark);
    tree.scalar = tag == "?" ? plain_scalar(value) : json::value(value);
    tree.text_column = text_column(mark, value);
    add(std::move(tree), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Tree::Kind::list, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Tree::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Tree tree;
    YAML::anchor_t anchor = 0;
    std::optional<Tree::Key> key;
    bool skip_value = false;  // of a repeated or unusable key
  };

  /// Where the text begins after the mark, if it stands as it is in the source.
  int text_column(const YAML::Mark& mark, const std::string& value) const {
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (at >= source_.size()) return -1;
    const int quote = source_[at] == '"' || source_[at] == '\'' ? 1 : 0;
    return source_.substr(at + quote).starts_with(value) ? quote : -1;
  }
  void check(Position position) {
    if (levels_.size() >= static_cast<std::size_t>(limits_.depth_max))
      throw LimitPassed{position,
                        "nested more than " + std::to_string(limits_.depth_max) + " deep"};
    if (++nodes_ > limits_.nodes_max)
      throw LimitPassed{position, "more than " + std::to_string(limits_.nodes_max) + " values"};
  }
  void count(const Tree& tree, Position position) {
    if (++nodes_ > limits_.nodes_max)
      throw LimitPassed{
          position, "aliases expand to more than " + std::to_string(limits_.nodes_max) + " values"};
    for (const Tree& child : tree.children) count(child, position);
  }
  int depth_of(const Tree& tree) const {
    int deepest = 0;
    for (const Tree& child : tree.children) deepest = std::max(deepest, depth_of(child));
    return deepest + 1;
  }
  void open(Tree::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    check(position_of(mark));
    Level level;
    level.tree.kind = kind;
    level.tree.position = position_of(mark);
    level.anchor = anchor;
    levels_.push_back(std::move(level));
  }
  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    add(std::move(level.tree), level.anchor);
  }
  void add(Tree tree, YAML::anchor_t anchor) {
    if (tree.kind == Tree::Kind::scalar) check(tree.position);
    if (static_cast<int>(levels_.size()) + depth_of_alias(tree) > limits_.depth_max)
      throw LimitPassed{tree.position,
                        "nested more than " + std::to_string(limits_.depth_max) + " deep"};
    if (anchor != 0) anchors_[anchor] = tree;
    if (levels_.empty()) {
      root_ = std::move(tree);
      return;
    }
    Level& level = levels_.back();
    if (level.tree.kind == Tree::Kind::list) {
      level.tree.children.push_back(std::move(tree));
    } else if (!level.key && !level.skip_value) {
      begin_member(level, tree);
    } else {
      if (!level.skip_value) {
        level.tree.keys.push_back(std::move(*level.key));
        level.tree.children.push_back(std::move(tree));
      }
      level.key.reset();
      level.skip_value = false;
    }
  }
  /// Only aliases can bring a depth that the levels did not show.
  int depth_of_alias(const Tree& tree) const { return anchors_.empty() ? 0 : depth_of(tree); }
  void begin_member(Level& level, const Tree& key) {
    std::string problem;
    if (key.kind != Tree::Kind::scalar)
      problem = key.kind == Tree::Kind::map ? std::string(kQuoteTemplates) : "a key must be a text";
    std::string name;
    if (problem.empty()) {
      name = key.is_text() ? std::string(key.scalar.get_string()) : json::serialize(key.scalar);
      if (level.tree.find(name)) problem = "key '" + name + "' is given twice";
    }
    if (!problem.empty()) {
      mistakes_.add(key.position, "", problem);
      level.skip_value = true;
      return;
    }
    level.key = Tree::Key{std::move(name), key.position};
  }

  std::string_view source_;
  const TreeLimits& limits_;
  Mistakes& mistakes_;
  Tree root_;
  std::vector<Level> levels_;
  std::unordered_map<YAML::anchor_t, Tree> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace

Tree parse_yaml(std::string_view text, const TreeLimits& limits, Mistakes& mistakes) {
  if (text.size() > limits.bytes_max) {
    mistakes.add({}, "",
                 "has " + std::to_string(text.size()) + " bytes, more than " +
                     std::to_string(limits.bytes_max));
    return {};
  }
  Builder builder(text, limits, mistakes);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) mistakes.add({}, "", "the document is empty");
  } catch (const LimitPassed& passed) {
    mistakes.add(passed.position, "", passed.message);
    return {};
  } catch (const YAML::Exception& exception) {
    mistakes.add(position_of(exception.mark), "", "not valid YAML: " + exception.msg);
    return {};
  } catch (const std::exception& exception) {
    mistakes.add({}, "", std::string("not valid YAML: ") + exception.what());
    return {};
  }
  return builder.take();
}

}  // namespace troupe::workflows
