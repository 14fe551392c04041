// Which element an instruction meant: kept in `<data_dir>/actions.json`, so that the next time
// neither rules nor a model are asked. What was typed is not kept, nor are values of variables.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/json.h"

namespace troupe::interact {

/// What an element is found again by: its role and name, and what else it says of itself.
struct KnownElement {
  std::string shape;  ///< Of the page: which forms, fields and regions it has.
  std::string tag, role, type, name, label, placeholder, id, test_id;
  /// Digest of the text of the `region`-th region around it, from 0; empty: not needed to tell it
  /// from others.
  std::string context;
  int region = -1;

  bool operator==(const KnownElement&) const = default;
  /// What a step can have as its `selector`.
  std::string selector() const;
};

/// Where an instruction was given, and its words. Never with values of variables: `%name%` stands
/// for them.
struct ActionKey {
  std::string tenant;  ///< Nobody is told what the tasks of another tenant did.
  std::string site;    ///< `https://shop.example`
  std::string path;    ///< `/orders/*`: numbers and ids are left out.
  std::string instruction;

  auto operator<=>(const ActionKey&) const = default;
};

struct KnownAction {
  ActionKey key;
  KnownElement element;
  std::string by;                    ///< rules, or model.
  std::optional<std::string> verb;   ///< What a model said is to be done.
  std::optional<std::string> value;  ///< And with which text.
  WallTime learned_at{}, used_at{};
  std::int64_t uses = 0;
};

json::object to_json(const KnownAction& action);
/// Errors: invalid_argument.
Result<KnownAction> known_action_from(const json::value& row);

/// All known actions, by key and shape of the page.
using ActionBook = std::map<std::pair<ActionKey, std::string>, KnownAction>;
json::value to_json(const ActionBook& book);
/// Errors: invalid_argument (no list of actions, a row that is none).
Result<ActionBook> action_book_from(std::string_view text);

struct ActionCacheOptions {
  std::string file;
  std::size_t actions_max = 5'000;
  std::size_t bytes_max = 8 << 20;
};

/// Threads: any; nothing here waits for a file but open() and the destructor. The file is written
/// on a thread of its own, and read again there when another process has changed it.
class ActionCache final {
 public:
  /// Reads the file; one that is damaged is put aside as `<file>.damaged` and begun anew.
  ActionCache(Clock& clock, ActionCacheOptions options);
  /// Writes what is not written yet.
  ~ActionCache();

  /// What is known of the instruction, at most one for each shape of the page.
  std::vector<KnownAction> find(const ActionKey& key);
  /// Remembers it, in place of what was known for the same shape. The longest unused are forgotten
  /// when there are too many.
  void put(KnownAction action);
  void count_use(const KnownAction& action);
  void forget(const KnownAction& action);
  /// Why the file was put aside, if it was.
  const std::optional<Error>& damage() const { return damage_; }
  std::size_t size() const;

 private:
  enum class Edit { used, learned, forgotten };
  struct Shared;

  void note(const KnownAction& action, Edit edit);

  Clock& clock_;
  std::optional<Error> damage_;
  std::shared_ptr<Shared> shared_;
  asio::thread_pool files_{1};
};

/// Changes the file as a whole, also while services use it. They block.
/// Errors: storage_failed, invalid_argument (the file is damaged).
Result<ActionBook> read_actions(const std::string& file);
Result<void> change_actions(const std::string& file,
                            const std::function<void(ActionBook&)>& change);

}  // namespace troupe::interact
