// The Stagehand v3 REST API as pure mappers. What the running servers do besides their description:
// log messages of a stream are objects; errors come in four shapes; a stream has status 200 also
// when it fails; `navigate` answers with a megabyte of the server's own objects.
#pragma once

#include <string>

#include "net/event_stream.h"
#include "net/http_client.h"
#include "services/stagehand_api.h"

namespace troupe::services::stagehand_wire {

json::object to_wire(const StagehandStart& request);
json::object to_wire(const StagehandModel& model);
json::object to_wire(const StagehandAction& action);
/// Members that navigate, observe, act and extract share: frameId, options. `observes`: with
/// selector and ignoreSelectors.
json::object to_wire(const StagehandCall& call, bool observes);
json::object to_wire(const StagehandAgent& request, const StagehandCall& call);

/// What is in `data` of an answer, or of a stream's last event.
struct Answer {
  json::value result;
  std::string action_id;
  bool cache_hit = false;
};
/// Errors: protocol_error; http_error when the answer says that it failed.
Result<Answer> answer_from(const json::value& body);
Result<StartedStagehand> started_from(const json::value& data);
Result<StagehandAction> action_from(const json::value& value);
Result<std::vector<StagehandAction>> actions_from(const json::value& value);
Result<StagehandActResult> act_result_from(const Answer& answer);
Result<StagehandAgentResult> agent_result_from(const json::value& value);

/// Reads a stream to its end.
class ProgressReader final {
 public:
  using OnProgress = std::function<void(std::string_view category, std::string_view message)>;
  explicit ProgressReader(OnProgress on_progress) : on_progress_(std::move(on_progress)) {}
  /// False when it is no event of this API, or nothing may follow.
  bool read(const net::ServerEvent& event);
  bool is_complete() const { return outcome_.has_value(); }
  /// Errors: http_error (the operation failed), protocol_error, network_error (no last event).
  Result<Answer> take();

 private:
  OnProgress on_progress_;
  std::optional<Result<Answer>> outcome_;
};

/// The service's own words in any of the four shapes; "" when there are none.
std::string words_of(const json::value& body);

/// `none` for 2xx.
StagehandFailure failure_of(int status);
/// Of an error that HttpClient or a mapper gave.
StagehandFailure failure_of(const Error& error);
Error error_for(StagehandFailure failure, const std::string& what, std::string message);
bool may_pass_later(StagehandFailure failure);
bool may_be_applied(StagehandFailure failure);
bool blames_service(StagehandFailure failure);

}  // namespace troupe::services::stagehand_wire
