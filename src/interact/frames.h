// Frames of another origin: the main document's script cannot enter them, so each has a script of
// its own. Those in another process than the page's are targets of their own for the browser.
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
  cdp::Page* page = nullptr;       ///< Takes commands for the process that the frame is in.
  std::unique_ptr<cdp::Page> own;  ///< That, when the frame is the first one of its process here.
  bool heard = false;              ///< Whoever uses the frame gets the events of `own`.
  cdp::Connection::Subscription events;
  PageScript script;
};

/// Threads: engine. One per page.
class ForeignFrames final {
 public:
  /// Brings the list up to date: no command when nothing changed since the last time, else two, and
  /// six for each new frame. Entries of documents that are gone end here. `main` is the script of
  /// the main document.
  Async<void> refresh(Context& ctx, cdp::Page& page, PageScript& main);
  /// A frame came, went or navigated.
  void mark_stale() { stale_ = true; }
  void clear();
  const std::vector<std::unique_ptr<ForeignFrame>>& list() const { return frames_; }

 private:
  struct Row;
  /// What one look at the browser's frames needs.
  struct Look;
  static void walk(const json::object& tree, const std::string& root_id,
                   const std::string& root_origin, Look& look);
  std::unique_ptr<ForeignFrame> take(Look& look, const Row& row);
  Async<void> add_rows(Context& ctx, Look& look);
  Async<void> add_processes(Context& ctx, Look& look);
  Async<std::unique_ptr<ForeignFrame>> attach(Context& ctx, Look& look, const Row& row);
  ForeignFrame* find_frame(const std::string& id) const;

  std::vector<std::unique_ptr<ForeignFrame>> frames_;
  std::uint64_t serial_ = 0;
  bool stale_ = true;
};

}  // namespace troupe::interact
