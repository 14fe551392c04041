// Frames of another origin in the page's own process: the main document's script cannot enter them,
// so each has a script of its own. Frames in other processes are not listed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "interact/page_script.h"

namespace troupe::interact {

struct ForeignFrame {
  std::string id;
  std::string loader;  ///< Names its document: another one makes another ForeignFrame.
  std::string url;
  ForeignFrame* parent = nullptr;  ///< The foreign frame around it; null: the main document.
  std::int64_t owner = -1;         ///< Number of the frame's element in the parent's script.
  PageScript script;
};

/// Threads: engine. One per page.
class ForeignFrames final {
 public:
  /// Brings the list up to date: no command when nothing changed since the last time, else one, and
  /// six for each new frame. Entries of documents that are gone end here. `main` is the script of
  /// the main document.
  Async<void> refresh(Context& ctx, cdp::Page& page, PageScript& main);
  /// A frame came, went or navigated.
  void mark_stale() { stale_ = true; }
  const std::vector<std::unique_ptr<ForeignFrame>>& list() const { return frames_; }

 private:
  struct Row;
  static void walk(const json::object& tree, const std::string& root_id,
                   const std::string& root_origin, std::vector<Row>& rows);
  std::unique_ptr<ForeignFrame> take(const Row& row);
  Async<std::unique_ptr<ForeignFrame>> attach(Context& ctx, cdp::Page& page, PageScript& main,
                                              const Row& row);
  ForeignFrame* find_frame(const std::string& id) const;

  std::vector<std::unique_ptr<ForeignFrame>> frames_;
  std::uint64_t serial_ = 0;
  bool stale_ = true;
};

}  // namespace troupe::interact
