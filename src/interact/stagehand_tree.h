// The accessibility tree as the Stagehand runtime writes it into prompts, read back into what the
// resolver works on. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "interact/resolver.h"

namespace troupe::interact {

struct StagehandTree {
  Snapshot snapshot;             ///< `ref` is an index into `ids`.
  std::vector<std::string> ids;  ///< `0-47`: ordinal of the frame, node in the browser.

  bool empty() const { return ids.empty(); }
  /// Empty when there is none.
  std::string id_of(int ref) const;
};

/// Lines `[0-47] button: Sign in`, two spaces deeper for what is inside; others are passed over.
StagehandTree read_stagehand_tree(std::string_view text);

/// The part of a prompt that is the tree.
std::string_view tree_in(std::string_view prompt);

}  // namespace troupe::interact
