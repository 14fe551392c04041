#include "workflows/tree.h"

namespace troupe::workflows {

const Tree* Tree::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].name == key) return &children[i];
  return nullptr;
}

json::value to_json(const Tree& tree) {
  if (tree.kind == Tree::Kind::scalar) return tree.scalar;
  if (tree.kind == Tree::Kind::list) {
    json::array list;
    for (const Tree& child : tree.children) list.push_back(to_json(child));
    return list;
  }
  json::object map;
  for (std::size_t i = 0; i < tree.keys.size(); ++i)
    map[tree.keys[i].name] = to_json(tree.children[i]);
  return map;
}

Tree to_tree(const json::value& value) {
  Tree tree;
  if (const auto* list = value.if_array()) {
    tree.kind = Tree::Kind::list;
    for (const json::value& item : *list) tree.children.push_back(to_tree(item));
  } else if (const auto* map = value.if_object()) {
    tree.kind = Tree::Kind::map;
    for (const auto& member : *map) {
      tree.keys.push_back({std::string(member.key()), {}});
      tree.children.push_back(to_tree(member.value()));
    }
  } else {
    tree.scalar = value;
  }
  return tree;
}

}  // namespace troupe::workflows
