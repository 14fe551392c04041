// A parsed document whose every part knows its line and column. From YAML (JSON is YAML) or from
// JSON values. Knows nothing of workflows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "workflows/mistake.h"

namespace troupe::workflows {

struct Tree {
  enum class Kind { scalar, list, map };
  struct Key {
    std::string name;
    Position position;
  };
  Kind kind = Kind::scalar;
  Position position;
  /// Columns between `position` and the first character of a scalar's text; -1: not known, the text
  /// is folded or spans lines.
  int text_column = 0;
  json::value scalar;
  std::vector<Key> keys;  ///< Of a map: one per child. Never repeated.
  std::vector<Tree> children;

  bool is_text() const { return kind == Kind::scalar && scalar.is_string(); }
  bool is_null() const { return kind == Kind::scalar && scalar.is_null(); }
  /// The value of a key, or nullptr.
  const Tree* find(std::string_view key) const;
};

json::value to_json(const Tree& tree);
/// Positions are 0: the document was built, not written.
Tree to_tree(const json::value& value);

struct TreeLimits {
  std::size_t bytes_max = 1 << 20;
  int depth_max = 48;               ///< Of the document; steps have a limit of their own.
  std::size_t nodes_max = 200'000;  ///< After aliases are expanded.
};

/// Reports into `mistakes`; the tree is then what could be read.
Tree parse_yaml(std::string_view text, const TreeLimits& limits, Mistakes& mistakes);

}  // namespace troupe::workflows
