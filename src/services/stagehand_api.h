// Client of the Stagehand v3 REST API, hosted or self-hosted: every operation, whole answers or
// streams with progress. Facts about the service that are not in its own description stand in
// stagehand_wire.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.h"
#include "base/json.h"
#include "base/random.h"
#include "net/http_client.h"

namespace troupe::services {

/// Why a call failed, finer than the error code.
enum class StagehandFailure {
  none,
  bad_request,    ///< 400, 422: invalid_argument.
  key,            ///< 401: unauthenticated.
  payment,        ///< 402: permission_denied.
  forbidden,      ///< 403: permission_denied.
  missing,        ///< 404: session_lost; the service does not know the session (any more).
  conflict,       ///< 409: conflict.
  rate,           ///< 429: exhausted.
  server,         ///< 5xx: unavailable.
  other_status,   ///< Any other: http_error.
  operation,      ///< 200, and yet it failed: http_error.
  not_available,  ///< The service will not drive this session: unsupported.
  timeout,        ///< timeout.
  cancelled,      ///< cancelled.
  dns,            ///< dns_error.
  tls,            ///< tls_error.
  network,        ///< network_error: refused, reset.
  cut,            ///< network_error: a stream without its last event.
  malformed,      ///< protocol_error.
  circuit_open,   ///< unavailable: not sent, for the last calls failed.
  local,          ///< invalid_argument: not sent.
};
std::string_view to_string(StagehandFailure failure);

/// The model that the service uses for a call.
struct StagehandModel {
  std::string name;  ///< `openai/gpt-5-mini`.
  std::string api_key;
  std::string base_url;         ///< Empty: the provider's own.
  std::string endpoint_format;  ///< `chat`, `responses`, or empty.
  bool empty() const { return name.empty(); }
};

/// Something that can be done on the page.
struct StagehandAction {
  std::string selector;
  std::string description;
  std::string method;
  std::vector<std::string> arguments;
};

struct StagehandStart {
  std::string model_name;  ///< Required.
  std::string cdp_url;     ///< A browser to drive: self-hosted service.
  std::string browserbase_session_id;
  json::object launch_options;  ///< A browser that the self-hosted service starts.
  std::string system_prompt;
  std::optional<bool> self_heal;
  std::optional<int> dom_settle_timeout_ms;
  std::optional<int> act_timeout_ms;
  json::object more;  ///< Further members, as they are.
};

struct StartedStagehand {
  std::string session_id;
  std::string cdp_url;  ///< Secret; may be empty.
};

/// What became of a call, for those who must know more than its error.
struct StagehandNote {
  StagehandFailure failure = StagehandFailure::none;
  int attempts = 0;
  int status = 0;
  bool may_be_applied = false;  ///< It failed, and yet the page may have changed.
};

/// How one call of a session is done.
struct StagehandCall {
  std::string frame_id;    ///< Main frame of the page that is meant; empty: the active one.
  StagehandModel model;    ///< Empty: the session's.
  json::object variables;  ///< For `%name%` in instructions. Values are secret.
  std::string selector;    ///< Observe and extract: only within it.
  std::vector<std::string> ignore_selectors;
  bool screenshot = false;          ///< Extract: the model sees a picture, too.
  std::optional<Duration> timeout;  ///< That the service keeps; empty: none.
  bool bypass_cache = false;        ///< Of the hosted service.
  /// Asks for a stream and is told what goes on: (category, message).
  std::function<void(std::string_view, std::string_view)> on_progress;
  /// Filled before the call returns. It must outlive the call.
  StagehandNote* note = nullptr;
};

struct StagehandActResult {
  bool success = false;
  std::string message;
  std::string description;
  std::vector<StagehandAction> actions;
  std::string action_id;
  bool cache_hit = false;
};

struct StagehandAgent {
  std::string instruction;
  std::string system_prompt;
  std::string mode;  ///< `dom`, `hybrid`, `cua`; empty: the service's default.
  std::optional<int> steps_max;
};

struct StagehandAgentResult {
  bool success = false;
  bool completed = false;
  std::string message;
  json::array actions;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  json::object metadata;
};

struct StagehandOptions {
  std::string api_key;     ///< `x-bb-api-key`; secret; a self-hosted service needs none.
  std::string project_id;  ///< `x-bb-project-id`; empty: not sent.
  std::string base_url = "https://api.stagehand.browserbase.com";
  std::string model_key;  ///< `x-model-api-key`; secret; empty: not sent.
  Duration attempt_timeout = std::chrono::seconds(90);
  Duration agent_timeout = std::chrono::minutes(30);
  int attempts_max = 3;
  Duration retry_first = std::chrono::milliseconds(500);
  Duration retry_max = std::chrono::seconds(8);
  Duration retry_after_max = std::chrono::seconds(30);
  int breaker_failures = 5;
  Duration breaker_open = std::chrono::seconds(15);
};

/// Errors of every call: those of StagehandFailure. What may change the page (act, agent) is sent
/// again only when the service surely did nothing. Seam. Threads: engine.
class StagehandApi {
 public:
  virtual ~StagehandApi() = default;
  virtual Async<StartedStagehand> start(Context& ctx, StagehandStart request) = 0;
  virtual Async<void> navigate(Context& ctx, std::string session, std::string url,
                               std::string wait_until, StagehandCall call) = 0;
  /// `instruction` empty: everything that can be done.
  virtual Async<std::vector<StagehandAction>> observe(Context& ctx, std::string session,
                                                      std::string instruction,
                                                      StagehandCall call) = 0;
  /// A result without success is no error here.
  virtual Async<StagehandActResult> act(Context& ctx, std::string session, std::string instruction,
                                        StagehandCall call) = 0;
  virtual Async<StagehandActResult> act(Context& ctx, std::string session, StagehandAction action,
                                        StagehandCall call) = 0;
  /// Without instruction and schema: `{"pageText": …}`, and no model is asked.
  virtual Async<json::value> extract(Context& ctx, std::string session, std::string instruction,
                                     std::optional<json::object> schema, StagehandCall call) = 0;
  virtual Async<StagehandAgentResult> agent(Context& ctx, std::string session,
                                            StagehandAgent request, StagehandCall call) = 0;
  /// Recorded actions with their tokens, by page, as the service gives them.
  virtual Async<json::array> replay(Context& ctx, std::string session) = 0;
  /// An unknown session has ended: no error.
  virtual Async<void> end(Context& ctx, std::string session) = 0;
  /// Whether a self-hosted service is ready. Errors as above.
  virtual Async<void> ready(Context& ctx) = 0;
};

/// `http` and `clock` outlive it. Errors: invalid_argument (address, key).
Result<std::unique_ptr<StagehandApi>> make_stagehand_api(StagehandOptions options,
                                                         net::HttpClient& http, Clock& clock,
                                                         Random random);

}  // namespace troupe::services
