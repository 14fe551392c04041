#include "services/stagehand_api.h"

#include "net/circuit_breaker.h"
#include "net/retry.h"
#include "net/url.h"
#include "services/stagehand_wire.h"

namespace troupe::services {
namespace {

using stagehand_wire::Answer;

constexpr std::size_t kAnswerBytesMax = 16 << 20;  // a navigate of the open server has 1 MB

// One call, as it goes over the wire.
struct Outgoing {
  std::string method = "POST";
  std::string path;
  std::string what;  // `act`
  json::object body;
  bool has_body = true;
  bool repeatable = true;  // doing it twice leaves the same as doing it once
  bool missing_is_done = false;
  bool is_text = false;  // the answer is no JSON
  std::string session;
  bool bypass_cache = false;
  Duration time{};
  std::function<void(std::string_view, std::string_view)> on_progress;
  StagehandNote* note = nullptr;
};

// How one attempt went.
struct Attempt {
  Result<Answer> result = Answer{};
  StagehandFailure failure = StagehandFailure::none;
  int status = 0;
  bool sent = false;
  net::RetryAdvice advice;
};

class RestStagehand final : public StagehandApi {
 public:
  RestStagehand(StagehandOptions options, net::HttpClient& http, Clock& clock, Random random)
      : options_(std::move(options)),
        http_(http),
        clock_(clock),
        random_(std::move(random)),
        retries_(clock, {}),
        breaker_(clock, {options_.breaker_failures, options_.breaker_open}) {}

  Async<StartedStagehand> start(Context& ctx, StagehandStart request) override {
    Outgoing out{.path = "/v1/sessions/start", .what = "start"};
    out.body = stagehand_wire::to_wire(request);
    out.repeatable = false;
    CO_TRY(const Answer answer, co_await perform(ctx, std::move(out)));
    auto started = stagehand_wire::started_from(answer.result);
    if (started) co_return started;
    co_return refuse("start", started.error());
  }

  Async<void> navigate(Context& ctx, std::string session, std::string url, std::string wait_until,
                       StagehandCall call) override {
    Outgoing out = about(session, "navigate", call);
    out.body = stagehand_wire::to_wire(call, false);
    out.body["url"] = url;
    json::object options;
    if (!wait_until.empty()) options["waitUntil"] = wait_until;
    if (call.timeout) options["timeout"] = ms(*call.timeout);
    out.body.erase("options");  // those of what asks a model are not for this
    if (!options.empty()) out.body["options"] = std::move(options);
    CO_TRY(const Answer ignored, co_await perform(ctx, std::move(out)));
    co_return Result<void>{};
  }

  Async<std::vector<StagehandAction>> observe(Context& ctx, std::string session,
                                              std::string instruction,
                                              StagehandCall call) override {
    Outgoing out = about(session, "observe", call);
    out.body = stagehand_wire::to_wire(call, true);
    if (!instruction.empty()) out.body["instruction"] = instruction;
    CO_TRY(const Answer answer, co_await perform(ctx, std::move(out)));
    auto actions = stagehand_wire::actions_from(answer.result);
    if (actions) co_return actions;
    co_return refuse("observe", actions.error(), call.note);
  }

  Async<StagehandActResult> act(Context& ctx, std::string session, std::string instruction,
                                StagehandCall call) override {
    json::value input = json::string(instruction);
    co_return co_await act_on(ctx, std::move(session), std::move(input), std::move(call));
  }
  Async<StagehandActResult> act(Context& ctx, std::string session, StagehandAction action,
                                StagehandCall call) override {
    json::value input = stagehand_wire::to_wire(action);
    co_return co_await act_on(ctx, std::move(session), std::move(input), std::move(call));
  }

  Async<json::value> extract(Context& ctx, std::string session, std::string instruction,
                             std::optional<json::object> schema, StagehandCall call) override {
    Outgoing out = about(session, "extract", call);
    out.body = stagehand_wire::to_wire(call, true);
    if (!instruction.empty()) out.body["instruction"] = instruction;
    if (schema) out.body["schema"] = std::move(*schema);
    CO_TRY(Answer answer, co_await perform(ctx, std::move(out)));
    co_return std::move(answer.result);
  }

  Async<StagehandAgentResult> agent(Context& ctx, std::string session, StagehandAgent request,
                                    StagehandCall call) override {
    Outgoing out = about(session, "agentExecute", call);
    out.body = stagehand_wire::to_wire(request, call);
    out.repeatable = false;
    out.time = options_.agent_timeout;
    CO_TRY(const Answer answer, co_await perform(ctx, std::move(out)));
    auto result = stagehand_wire::agent_result_from(answer.result);
    if (result) co_return result;
    co_return refuse("agentExecute", result.error(), call.note);
  }

  Async<json::array> replay(Context& ctx, std::string session) override {
    Outgoing out = about(session, "replay", {});
    out.method = "GET";
    out.has_body = false;
    CO_TRY(const Answer answer, co_await perform(ctx, std::move(out)));
    const json::value* pages = find(answer.result, "pages");
    if (pages && pages->is_array()) co_return pages->get_array();
    co_return refuse("replay", fail(Errc::protocol_error, "answer: 'pages' is missing"));
  }

  Async<void> end(Context& ctx, std::string session) override {
    Outgoing out = about(session, "end", {});
    out.missing_is_done = true;
    CO_TRY(const Answer ignored, co_await perform(ctx, std::move(out)));
    co_return Result<void>{};
  }

  Async<void> ready(Context& ctx) override {
    Outgoing out{.method = "GET", .path = "/readyz", .what = "readyz"};
    out.has_body = false;
    out.is_text = true;
    CO_TRY(const Answer ignored, co_await perform(ctx, std::move(out)));
    co_return Result<void>{};
  }

 private:
  static std::int64_t ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  }

  Outgoing about(const std::string& session, const std::string& operation,
                 const StagehandCall& call) {
    Outgoing out{.path = "/v1/sessions/" + net::percent_encode(session) + "/" + operation,
                 .what = operation};
    out.session = session;
    out.bypass_cache = call.bypass_cache;
    out.on_progress = call.on_progress;
    out.note = call.note;
    return out;
  }

  Async<StagehandActResult> act_on(Context& ctx, std::string session, json::value input,
                                   StagehandCall call) {
    Outgoing out = about(session, "act", call);
    out.body = stagehand_wire::to_wire(call, false);
    out.body["input"] = std::move(input);
    out.repeatable = false;
    CO_TRY(const Answer answer, co_await perform(ctx, std::move(out)));
    auto result = stagehand_wire::act_result_from(answer);
    if (result) co_return result;
    if (call.note) call.note->may_be_applied = true;
    co_return refuse("act", result.error(), call.note);
  }

  // An answer that came, and is not what it should be.
  static Error refuse(const std::string& what, const Error& error, StagehandNote* note = nullptr) {
    const StagehandFailure failure = stagehand_wire::failure_of(error);
    if (note) note->failure = failure;
    return stagehand_wire::error_for(failure, what, error.message);
  }

  net::HttpCall request_of(const Outgoing& out) const {
    net::HttpCall call;
    call.method = out.method;
    call.url = options_.base_url + out.path;
    call.headers = {{"Accept", out.on_progress ? "text/event-stream" : "application/json"}};
    if (!options_.api_key.empty()) call.headers.emplace_back("x-bb-api-key", options_.api_key);
    if (!options_.project_id.empty())
      call.headers.emplace_back("x-bb-project-id", options_.project_id);
    if (!options_.model_key.empty())
      call.headers.emplace_back("x-model-api-key", options_.model_key);
    if (!out.session.empty()) call.headers.emplace_back("x-bb-session-id", out.session);
    if (out.bypass_cache) call.headers.emplace_back("browserbase-cache-bypass", "true");
    if (out.on_progress) call.headers.emplace_back("x-stream-response", "true");
    if (out.has_body) call.headers.emplace_back("Content-Type", "application/json");
    if (out.has_body) call.body = json::serialize(out.body);
    call.response_bytes_max = kAnswerBytesMax;
    return call;
  }

  asio::awaitable<Attempt> attempt(Context& ctx, const Outgoing& out) {
    Attempt done;
    auto permit = breaker_.enter();
    if (!permit) {
      done.failure = StagehandFailure::circuit_open;
      done.result = stagehand_wire::error_for(
          done.failure, out.what,
          "not sent for the next " + std::to_string(ms(breaker_.closed_for())) + " ms");
      co_return done;
    }
    stagehand_wire::ProgressReader progress(out.on_progress);
    net::EventStreamReader events(
        [&](const net::ServerEvent& event) { return progress.read(event); }, kAnswerBytesMax);
    net::HttpCall call = request_of(out);
    call.on_sending = [&done] { done.sent = true; };
    bool is_stream = false;
    if (out.on_progress)
      call.on_event_bytes = [&](std::string_view piece) {
        is_stream = true;
        const auto more = events.read(piece);
        return more && *more;
      };
    const Duration time = out.time > Duration{} ? out.time : options_.attempt_timeout;
    Context limited = ctx.with_timeout(time, "stagehand " + out.what);
    const SteadyTime began = clock_.now();
    auto reply = co_await http_.send(limited, std::move(call));
    // A stream that was broken off behind its last event is whole.
    if (is_stream && (reply || progress.is_complete())) {
      done.status = 200;
      take(done, out, progress.take());
      if (!done.result && done.failure == StagehandFailure::network)
        done.failure = StagehandFailure::cut;
    } else {
      judge(done, out, reply);
    }
    report(*permit, ctx, done, clock_.now() - began);
    co_return done;
  }

  // A caller with little time left says nothing about the service.
  void report(net::CircuitBreaker::Permit& permit, Context& ctx, const Attempt& done,
              Duration took) {
    const bool hurried = done.failure == StagehandFailure::timeout && done.status == 0 &&
                         !ctx.check() && took < std::chrono::seconds(5);
    if (hurried || done.failure == StagehandFailure::cancelled) return;
    if (stagehand_wire::blames_service(done.failure))
      permit.failed();
    else
      permit.succeeded();
  }

  void take(Attempt& done, const Outgoing& out, Result<Answer> answer) {
    if (answer) {
      done.result = std::move(answer);
      return;
    }
    done.failure = stagehand_wire::failure_of(answer.error());
    done.result = stagehand_wire::error_for(done.failure, out.what, answer.error().message);
  }

  void judge(Attempt& done, const Outgoing& out, const Result<net::HttpReply>& reply) {
    if (!reply) {
      done.failure = stagehand_wire::failure_of(reply.error());
      done.result = stagehand_wire::error_for(done.failure, out.what, reply.error().message);
      return;
    }
    done.status = reply->status;
    done.advice = net::retry_advice(*reply, clock_.wall());
    done.failure = stagehand_wire::failure_of(reply->status);
    const auto body = parse_json(reply->body, "answer");
    if (done.failure != StagehandFailure::none) {
      const std::string words = body ? stagehand_wire::words_of(*body) : reply->body.substr(0, 200);
      done.result = stagehand_wire::error_for(
          done.failure, out.what,
          "answered " + std::to_string(reply->status) + (words.empty() ? "" : ": " + words));
      return;
    }
    if (out.is_text) return;
    auto answer = body ? stagehand_wire::answer_from(*body)
                       : Result<Answer>(fail(Errc::protocol_error, body.error().message));
    if (answer) answer->cache_hit = reply->header("browserbase-cache-status") == "HIT";
    take(done, out, std::move(answer));
  }

  std::optional<Duration> pause_after(Context& ctx, const Attempt& last, const Outgoing& out,
                                      int attempts) {
    const bool unclear = last.sent && stagehand_wire::may_be_applied(last.failure);
    const bool asked = last.advice.should_retry == true;
    if (unclear && !out.repeatable && !asked) return {};
    if (!last.advice.should_retry.value_or(stagehand_wire::may_pass_later(last.failure))) return {};
    if (!ctx.check()) return {};
    const net::RetryPolicy policy{options_.attempts_max, options_.retry_first, options_.retry_max,
                                  options_.retry_after_max};
    const auto pause = net::next_pause(policy, attempts, last.advice, ctx.remaining(), random_);
    if (!pause || !retries_.take()) return {};
    return pause;
  }

  Async<Answer> perform(Context& ctx, Outgoing out) {
    StagehandNote unused;
    StagehandNote& note = out.note ? *out.note : unused;
    note = {};
    if (out.path.find("/sessions//") != std::string::npos) {
      note.failure = StagehandFailure::local;
      co_return fail(Errc::invalid_argument, "stagehand: " + out.what + ": the session has no id");
    }
    retries_.call_began();
    while (true) {
      Attempt last = co_await attempt(ctx, out);
      if (last.failure != StagehandFailure::circuit_open) ++note.attempts;
      if (last.failure == StagehandFailure::missing && out.missing_is_done) last = Attempt{};
      note.failure = last.failure;
      note.status = last.status;
      note.may_be_applied =
          last.failure != StagehandFailure::none && !out.repeatable &&
          (note.may_be_applied || (last.sent && stagehand_wire::may_be_applied(last.failure)));
      if (last.result) co_return std::move(last.result);
      const auto pause = pause_after(ctx, last, out, note.attempts);
      if (!pause) co_return std::move(last.result);
      CO_TRY_VOID(co_await sleep_for(ctx, *pause));
    }
  }

  StagehandOptions options_;
  net::HttpClient& http_;
  Clock& clock_;
  Random random_;
  net::RetryBudget retries_;
  net::CircuitBreaker breaker_;
};

Result<void> check_key(const std::string& key, const char* name) {
  for (const char c : key)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      return fail(Errc::invalid_argument, std::string(name) + ": holds a character no key has");
  return {};
}

}  // namespace

Result<std::unique_ptr<StagehandApi>> make_stagehand_api(StagehandOptions options,
                                                         net::HttpClient& http, Clock& clock,
                                                         Random random) {
  TRY_VOID(check_key(options.api_key, "stagehand_api_key"));
  TRY_VOID(check_key(options.model_key, "key of the model"));
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
  const auto url = net::parse_url(options.base_url);
  if (!url || (url->scheme != "http" && url->scheme != "https") ||
      options.base_url.find_first_of("?#") != std::string::npos)
    return fail(Errc::invalid_argument,
                "stagehand_api_url: '" + options.base_url + "' is not an http(s) address", {},
                "for example http://127.0.0.1:3000");
  return std::make_unique<RestStagehand>(std::move(options), http, clock, std::move(random));
}

}  // namespace troupe::services
