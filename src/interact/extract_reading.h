// How `extract` reads a page without a model: as long as something may still come, and a list part
// by part.
#pragma once

#include "interact/extraction.h"
#include "interact/native_tab.h"

namespace troupe::interact::native {

struct Reading {
  json::value value;  ///< Texts, as type_values() takes them.
  json::value
      sources;  ///< The same shape; each value is {selector, found_by}. Null: not asked for.
  std::string changed = "nothing";  ///< What reading on did to the page.
  int parts = 1;                    ///< How often more was shown or loaded.
};

/// Reads what the page has. With `plan.more`, lists are read on until `limit` is reached, nothing
/// more comes, or the step's time is nearly up. `acted`: something was just done to the page, whose
/// outcome may be under way.
/// Errors: target_not_found (no such region), those of NativeTab::call_waiting.
Async<Reading> read_values(Context& ctx, NativeTab& tab, const ExtractionPlan& plan, bool acted);

/// Adds the rows of a later view of a list to those that are known: a view may show again what is
/// known (all of it, or its end). Returns how many are new.
std::size_t append_rows(json::array& known, const json::array& seen);

}  // namespace troupe::interact::native
