// What a task's journal holds: texts by key, kept small by what is written over and erased, and
// what of it is not stored yet. Pure.
//
// Keys are paths. A list of steps has a prefix: empty for the workflow's own, `s3>` for the steps
// inside s3, `s3>[2]>` for the third branch of a `parallel`. Below a prefix:
//   <step>      a finished step: {"url", "leave": true, "stop": true}; of a branch (`[2]`) what it
//               gave: {"saved", "got", "stop"}
//   (nothing)   `s3>` itself, where the step s3 is: {"rounds", "in", "most"}, {"branch"},
//               {"with", "of"}
//   #items.0 …  the list of a loop, in pieces; #got.0 … what its rounds collected; #try, the
//               attempt of a step that is repeated
//   $name       a variable, below the prefix of its workflow or branch; #names, their order
//   @url, @storage, @error  of a branch's tab; @cookies, #done (finished steps) of the whole
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace troupe::engine {

using JournalEntries = std::vector<std::pair<std::string, std::string>>;

class JournalImage final {
 public:
  JournalImage() = default;
  explicit JournalImage(JournalEntries stored);

  /// What earlier attempts left; what this one has set and stored cannot be read.
  const std::string* find(std::string_view key) const;
  /// The same as JSON; nothing when it is absent or no object.
  json::object object(std::string_view key) const;
  bool any_under(std::string_view prefix) const;
  /// A list that GrowingList wrote, and in how many pieces.
  json::array pieces(std::string_view prefix) const;
  std::size_t piece_count(std::string_view prefix) const;

  void set(std::string key, std::string text);
  void set(std::string key, const json::value& value) {
    set(std::move(key), json::serialize(value));
  }
  void erase(std::string_view key);
  void erase_under(std::string_view prefix);
  /// Of a loop's round: all but the loop's own place and marks.
  void erase_round(std::string_view prefix);
  bool has_changes() const { return !changed_.empty(); }
  /// Since the last call; an empty text is one to erase. In order of the keys.
  JournalEntries take_changes();
  /// Of all texts and keys.
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string text;  ///< Dropped when it has been stored.
    std::size_t bytes = 0;
    bool stored = false;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  Entries::iterator erase_at(Entries::iterator at);

  Entries entries_;
  std::map<std::string, bool, std::less<>> changed_;  ///< Key → whether the store has had it.
  std::size_t bytes_ = 0;
};

/// A list that grows by one value at a time, kept as `<prefix>0`, `<prefix>1`, ... of some KiB
/// each: what is full is not written again.
class GrowingList final {
 public:
  /// Goes on behind so many pieces.
  GrowingList(std::string prefix, std::size_t pieces)
      : prefix_(std::move(prefix)), pieces_(pieces) {}
  void add(JournalImage& image, const json::value& value);

 private:
  std::string prefix_;
  std::string piece_;
  std::size_t pieces_ = 0;
};

}  // namespace troupe::engine
