// One conversation with the Stagehand runtime, step by step: held with the real one it can be
// recorded, and held with the recording it shows that nothing of ours has changed. Tests only.
#pragma once

#include <string>

#include "base/text_file.h"
#include "cdp/connection.h"
#include "services/stagehand_rpc.h"

namespace troupe::services {

/// Where it takes place.
struct StagehandStage {
  std::string folder;    ///< Of the extension.
  std::string endpoint;  ///< Of the browser.
  std::string page;      ///< URL that shows stagehand_stage_page().
};

/// A form with a text field, a list and a button that tells what was chosen.
std::string stagehand_stage_page();

/// What came of each step, by its name; an error as its code.
asio::awaitable<json::object> play_stagehand(Context& ctx, cdp::Connection& connection,
                                             StagehandStage stage);
/// What should come of them.
json::object stagehand_outcomes();

/// A message of the runtime without the texts that are not ours: of a prompt the lines of the
/// page's tree are left, of an error its beginning.
json::object without_prompts(json::object message);

}  // namespace troupe::services
