// Calls of the Stagehand v4 protocol (3.1.1) as functions: what is sent, and the answer read.
// Threads: engine. Errors of all: those of StagehandRpc::call; protocol_error (an answer that its
// contract does not allow).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cdp/page.h"
#include "services/stagehand_api.h"
#include "services/stagehand_runtime.h"

namespace troupe::services {

/// How act, observe and extract are done.
struct StagehandCallOptions {
  Duration timeout = std::chrono::seconds(30);  ///< Kept by the runtime; without it it may hang.
  StagehandAsker asker;
  std::string locator;  ///< Only within that element.
  std::vector<std::string> ignore_locators;
  json::object variables;   ///< act, observe: for `%name%`. Values are secret.
  bool screenshot = false;  ///< extract: the model sees a picture, too.
};

// What is sent. Pure.
StagehandRequest act_request(std::string page, std::string instruction,
                             const StagehandCallOptions& options);
StagehandRequest act_request(std::string page, const StagehandAction& action,
                             const StagehandCallOptions& options);
StagehandRequest observe_request(std::string page, std::string instruction,
                                 const StagehandCallOptions& options);
/// `schema` empty: the runtime's own, `{extraction: text}`.
StagehandRequest extract_request(std::string page, std::string instruction, json::object schema,
                                 const StagehandCallOptions& options);
StagehandRequest goto_request(std::string page, std::string url, cdp::WaitUntil until,
                              Duration timeout);

/// A result without success is no error here.
Async<StagehandActResult> stagehand_act(Context& ctx, StagehandRuntime& runtime, std::string page,
                                        std::string instruction, StagehandCallOptions options);
Async<StagehandActResult> stagehand_act(Context& ctx, StagehandRuntime& runtime, std::string page,
                                        StagehandAction action, StagehandCallOptions options);
Async<std::vector<StagehandAction>> stagehand_observe(Context& ctx, StagehandRuntime& runtime,
                                                      std::string page, std::string instruction,
                                                      StagehandCallOptions options);
Async<json::value> stagehand_extract(Context& ctx, StagehandRuntime& runtime, std::string page,
                                     std::string instruction, json::object schema,
                                     StagehandCallOptions options);
/// An error page has the address `chrome-error://…`: no error here. `until` is not commit.
Async<cdp::Navigation> stagehand_goto(Context& ctx, StagehandRuntime& runtime, std::string page,
                                      std::string url, cdp::WaitUntil until, Duration timeout);
Async<std::string> stagehand_url(Context& ctx, StagehandRuntime& runtime, std::string page);

}  // namespace troupe::services
