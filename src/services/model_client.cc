#include "services/model_client.h"

#include "net/event_stream.h"
#include "services/json_schema.h"
#include "services/model_errors.h"
#include "services/prompts.h"

namespace troupe::services {
namespace {

using model_wire::Incoming;

struct Fit {
  ModelFailure failure = ModelFailure::none;
  std::string problem;
};

// Models like to put JSON into a fence.
std::string_view without_fence(std::string_view text) {
  const auto trim = [](std::string_view part) {
    const auto begin = part.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return std::string_view();
    return part.substr(begin, part.find_last_not_of(" \t\r\n") - begin + 1);
  };
  text = trim(text);
  if (!text.starts_with("```") || !text.ends_with("```") || text.size() < 6) return text;
  const auto line = text.find('\n');
  if (line == std::string_view::npos) return text;
  return trim(text.substr(line, text.size() - 3 - line));
}

// Takes the JSON out of an answer, which is a tool's call in some formats, and checks it.
Fit take_structured(Incoming& incoming, const ModelRequest& request, json::value& out) {
  const json::object& schema = *request.schema;
  for (auto call = incoming.tool_calls.begin(); call != incoming.tool_calls.end(); ++call) {
    if (call->name != request.schema_name) continue;
    out = std::move(call->arguments);
    incoming.tool_calls.erase(call);
    incoming.text = json::serialize(out);
    auto fits = check_schema(out, schema);
    if (fits) return {};
    return {ModelFailure::schema, fits.error().message};
  }
  if (!incoming.tool_calls.empty()) return {};  // it works on it with the tools
  auto value = parse_json(without_fence(incoming.text), "the answer");
  if (!value) return {ModelFailure::malformed, value.error().message};
  auto fits = check_schema(*value, schema);
  if (!fits) return {ModelFailure::schema, fits.error().message};
  out = std::move(*value);
  return {};
}

void ask_to_mend(ModelRequest& request, const std::string& answer, const std::string& problem) {
  ModelMessage said;
  said.role = ModelRole::assistant;
  said.text = answer.empty() ? "(nothing)" : answer;
  ModelMessage asked;
  asked.text = prompt("mend_json", {{"problem", problem}});
  request.messages.push_back(std::move(said));
  request.messages.push_back(std::move(asked));
}

}  // namespace

// How one attempt went.
struct ModelClient::Attempt {
  ModelFailure failure = ModelFailure::none;
  Error error;
  Incoming incoming;
  int status = 0;
  bool sent = false;
  bool streamed = false;  // pieces were handed out
  bool idle = false;      // the stream stood still for too long
  std::optional<Duration> retry_after;
};

// What is asked, and who listens.
struct ModelClient::Call {
  ModelRequest request;
  std::function<void(const ModelDelta&)> on_delta;
};

ModelClient::ModelClient(ModelEndpoint endpoint, ModelClientOptions options, net::HttpClient& http,
                         Clock& clock, Random random, ModelBudget* budget)
    : endpoint_(std::move(endpoint)),
      options_(options),
      http_(http),
      clock_(clock),
      random_(std::move(random)),
      budget_(budget),
      retries_(clock, {}),
      breaker_(clock, {options.breaker_failures, options.breaker_open}) {}

// Sends it; events of a stream go to the attempt's reader and to the listener as they come.
Async<net::HttpReply> ModelClient::send(Context& ctx, const Call& call,
                                        const model_wire::Outgoing& outgoing, Attempt& attempt) {
  net::HttpCall request;
  request.method = "POST";
  request.url = endpoint_.base_url + outgoing.path;
  request.headers = outgoing.headers;
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("Accept", call.on_delta ? "text/event-stream" : "application/json");
  request.body = json::serialize(outgoing.body);
  request.response_bytes_max = options_.answer_bytes_max;
  request.on_sending = [&attempt] { attempt.sent = true; };

  const CancelSource stop = CancelSource::linked(ctx.cancel_source());
  Context timed = ctx.with_timeout(options_.attempt_timeout, "model " + endpoint_.name);
  Context limited = timed.with_cancel(stop);
  Timer idle;
  const auto wait_for_more = [&] {
    idle = Timer(clock_, clock_.now() + options_.idle_timeout, [&attempt, stop] {
      attempt.idle = true;
      stop.cancel(fail(Errc::cancelled, "model: the stream stands still"));
    });
  };
  const auto reader = endpoint_.format->stream();
  Result<void> read;
  net::EventStreamReader events([&](net::ServerEvent event) {
    if (reader->is_complete()) return true;
    auto text = reader->read(event);
    if (!text) read = text.error();
    if (text && !text->empty()) {
      attempt.streamed = true;
      call.on_delta({ModelDelta::Kind::text, *text});
    }
    return text.has_value();
  });
  bool is_stream = false;
  if (call.on_delta) {
    request.on_event_bytes = [&](std::string_view piece) {
      is_stream = true;
      wait_for_more();
      const auto more = events.read(piece);
      if (!more) read = more.error();
      return more && *more;
    };
  }
  auto reply = co_await http_.send(limited, std::move(request));
  idle.reset();
  if (is_stream && !read) co_return fail(Errc::protocol_error, read.error().message);
  if (!is_stream || (reply && reply->status / 100 != 2)) co_return reply;
  attempt.status = 200;
  // A stream that was broken off behind its last event is whole.
  const bool broken = !reply && !reader->is_complete();
  if (broken && !attempt.idle && reply.error().code != Errc::network_error &&
      reply.error().code != Errc::protocol_error)
    co_return reply;
  attempt.incoming = reader->take();
  if (broken && attempt.incoming.failure == ModelFailure::none) {
    attempt.incoming.failure = ModelFailure::cut;
    attempt.incoming.problem = reply.error().message;
  }
  if (attempt.idle && attempt.incoming.failure == ModelFailure::cut) {
    attempt.incoming.failure = ModelFailure::timeout;
    attempt.incoming.problem = "the stream stood still for too long";
  }
  net::HttpReply whole;
  whole.status = 200;
  co_return whole;
}

// Turns an answer into what it holds, or into its failure.
void ModelClient::judge(Attempt& attempt, const net::HttpReply& reply) {
  attempt.status = reply.status;
  attempt.failure = failure_of_model(reply);
  attempt.retry_after = retry_after_of(reply, clock_.wall());
  if (attempt.failure != ModelFailure::none) {
    attempt.error = model_error(attempt.failure, reply, endpoint_.name, endpoint_.key);
    return;
  }
  if (!reply.body.empty()) {
    auto body = parse_json(reply.body, "answer");
    auto incoming = body ? endpoint_.format->reply(*body) : Result<Incoming>(body.error());
    if (!incoming) {
      attempt.failure = ModelFailure::malformed;
      attempt.error = model_error(attempt.failure, incoming.error().message, endpoint_.name);
      return;
    }
    attempt.incoming = std::move(*incoming);
  }
  attempt.failure = attempt.incoming.failure;
  if (attempt.failure != ModelFailure::none)
    attempt.error = model_error(attempt.failure, attempt.incoming.problem, endpoint_.name);
}

asio::awaitable<ModelClient::Attempt> ModelClient::sent_attempt(Context& ctx, const Call& call) {
  Attempt attempt;
  const bool stream = call.on_delta != nullptr;
  auto outgoing = endpoint_.format->request(call.request, endpoint_.model, endpoint_.key, stream);
  if (!outgoing) {
    attempt.failure = ModelFailure::local;
    attempt.error = outgoing.error();
    co_return attempt;
  }
  auto reply = co_await send(ctx, call, *outgoing, attempt);
  if (reply && reply->body.empty() && attempt.status == 0 && reply->status / 100 == 2) {
    attempt.incoming.failure = ModelFailure::malformed;
    attempt.incoming.problem = "the answer is empty";
  }
  if (reply) {
    judge(attempt, *reply);
    co_return attempt;
  }
  attempt.failure = failure_of_model(reply.error());
  attempt.error = model_error(attempt.failure, reply.error().message, endpoint_.name);
  attempt.error.code = reply.error().code;
  co_return attempt;
}

// Usage as told; without it, what the work may have cost in input.
std::int64_t ModelClient::paid_for(const Attempt& attempt, const Call& call) const {
  if (!endpoint_.price) return 0;
  const ModelUsage& told = attempt.incoming.usage;
  if (told.input_tokens + told.output_tokens > 0) return cost_of(*endpoint_.price, told);
  ModelUsage guess;
  guess.input_tokens = input_tokens_at_most(call.request);
  const bool answered = attempt.failure == ModelFailure::none;
  const bool unclear = attempt.sent && may_be_charged(attempt.failure);
  return answered || unclear ? cost_of(*endpoint_.price, guess) : 0;
}

asio::awaitable<ModelClient::Attempt> ModelClient::attempt(Context& ctx, const Call& call) {
  Attempt refused;
  auto permit = breaker_.enter();
  if (!permit) {
    refused.failure = ModelFailure::circuit_open;
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(breaker_.closed_for()).count();
    refused.error = model_error(
        refused.failure, "not sent for the next " + std::to_string(ms) + " ms", endpoint_.name);
    co_return refused;
  }
  std::optional<ModelBudget::Reservation> money;
  if (budget_ && endpoint_.price) {
    auto reserved = budget_->reserve(ctx.ids(), cost_at_most(*endpoint_.price, call.request));
    if (!reserved) {
      refused.failure = ModelFailure::budget;
      refused.error = reserved.error();
      co_return refused;
    }
    money.emplace(std::move(*reserved));
  } else if (budget_ && budget_->limits().any()) {
    refused.failure = ModelFailure::budget;
    refused.error = fail(Errc::invalid_argument,
                         "model " + endpoint_.name + ": has no price, so no budget can be kept", {},
                         "add it to the file of model_prices");
    co_return refused;
  }
  const SteadyTime began = clock_.now();
  Attempt done = co_await sent_attempt(ctx, call);
  if (money) money->settle(paid_for(done, call));
  // A caller with little time left says nothing about the service.
  constexpr Duration kFairWait = std::chrono::seconds(5);
  const bool hurried = done.failure == ModelFailure::timeout && done.status == 0 && !ctx.check() &&
                       clock_.now() - began < kFairWait;
  if (hurried || done.failure == ModelFailure::cancelled || done.failure == ModelFailure::local)
    co_return done;
  if (blames_service(done.failure))
    permit->failed();
  else
    permit->succeeded();
  co_return done;
}

std::optional<Duration> ModelClient::pause_after(Context& ctx, const Attempt& attempt,
                                                 int attempts) {
  if (!may_pass_later(attempt.failure) || !ctx.check()) return {};
  const net::RetryPolicy policy{options_.attempts_max, options_.retry_first, options_.retry_max,
                                options_.retry_after_max};
  net::RetryAdvice advice;
  advice.after = attempt.retry_after;
  const auto pause = net::next_pause(policy, attempts, advice, ctx.remaining(), random_);
  if (!pause || !retries_.take()) return {};
  return pause;
}

// Until one is answered, or none may pass any more. The note adds up what all cost.
asio::awaitable<ModelClient::Attempt> ModelClient::attempts(Context& ctx, const Call& call,
                                                            ModelNote& note) {
  retries_.call_began();
  for (int count = 1;; ++count) {
    Attempt last = co_await attempt(ctx, call);
    const bool asked = last.sent;
    note.attempts += asked ? 1 : 0;
    note.failure = last.failure;
    note.status = last.status;
    note.retry_after = last.retry_after;
    note.usage += last.incoming.usage;
    if (asked) note.cost_microdollars += paid_for(last, call);
    if (last.failure == ModelFailure::none) co_return last;
    const auto pause = pause_after(ctx, last, count);
    if (!pause) co_return last;
    if (last.streamed) call.on_delta({ModelDelta::Kind::restart, {}});
    const auto slept = co_await sleep_for(ctx, *pause);
    if (!slept) co_return last;
  }
}

Async<ModelReply> ModelClient::generate(Context& ctx, ModelRequest request, ModelOptions options) {
  ModelNote unused;
  ModelNote& note = options.note ? *options.note : unused;
  note = {};
  note.model = endpoint_.name;
  Call call{std::move(request), std::move(options.on_delta)};
  bool wrapped = false;
  if (call.request.schema) call.request.schema = object_schema(*call.request.schema, wrapped);
  for (bool mended = false;; mended = true) {
    Attempt last = co_await attempts(ctx, call, note);
    if (last.failure != ModelFailure::none) {
      note.partial_text = std::move(last.incoming.text);
      co_return last.error;
    }
    ModelReply reply;
    Fit fit;
    if (call.request.schema) fit = take_structured(last.incoming, call.request, reply.structured);
    if (fit.failure == ModelFailure::none) {
      if (wrapped && reply.structured.is_object()) {
        json::value inner = std::move(reply.structured.get_object()["value"]);
        reply.structured = std::move(inner);
      }
      reply.text = std::move(last.incoming.text);
      reply.tool_calls = std::move(last.incoming.tool_calls);
      reply.usage = note.usage;
      reply.cost_microdollars = note.cost_microdollars;
      reply.model = endpoint_.name;
      co_return reply;
    }
    if (mended) {
      note.failure = fit.failure;
      co_return model_error(fit.failure, fit.problem, endpoint_.name);
    }
    if (last.streamed) call.on_delta({ModelDelta::Kind::restart, {}});
    ask_to_mend(call.request, last.incoming.text, fit.problem);
  }
}

}  // namespace troupe::services
