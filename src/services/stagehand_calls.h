// Calls of a Stagehand runtime whose answers are read. Threads: engine. Errors of all: those of
// StagehandRpc::call; protocol_error (an answer that its contract does not allow).
#pragma once

#include <string>
#include <vector>

#include "services/stagehand_requests.h"
#include "services/stagehand_runtime.h"

namespace troupe::services {

struct StagehandPage {
  std::string id;
  std::string url;
};

/// act: a result without success is no error here.
Async<StagehandActResult> stagehand_act(Context& ctx, StagehandRuntime& runtime,
                                        StagehandRequest request, StagehandAsker asker = {});
Async<std::vector<StagehandAction>> stagehand_observe(Context& ctx, StagehandRuntime& runtime,
                                                      StagehandRequest request,
                                                      StagehandAsker asker = {});
Async<json::value> stagehand_extract(Context& ctx, StagehandRuntime& runtime,
                                     StagehandRequest request, StagehandAsker asker = {});
/// go_to, reload, go_back, go_forward. An error page has the address `chrome-error://…`: no error
/// here.
Async<cdp::Navigation> stagehand_navigate(Context& ctx, StagehandRuntime& runtime,
                                          StagehandRequest request);
/// What answers with a text: url, title, input_value, inner_text, …
Async<std::string> stagehand_text(Context& ctx, StagehandRuntime& runtime,
                                  StagehandRequest request);
/// What answers with a flag: is_checked, is_visible, and `matched` of wait_selector.
Async<bool> stagehand_flag(Context& ctx, StagehandRuntime& runtime, StagehandRequest request);
/// What answers with a `value`: evaluate, wait_function, callback_batch.
Async<json::value> stagehand_value(Context& ctx, StagehandRuntime& runtime,
                                   StagehandRequest request);
/// What answers with `data` in base64, decoded: screenshot, pdf.
Async<std::string> stagehand_bytes(Context& ctx, StagehandRuntime& runtime,
                                   StagehandRequest request);
Async<std::vector<StagehandPage>> stagehand_pages(Context& ctx, StagehandRuntime& runtime);

}  // namespace troupe::services
