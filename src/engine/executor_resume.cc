// How an attempt in a fresh session gets back to where the last one was: past what is finished,
// into the loops, calls and branches that were under way, and onto the page.
//
// What was begun is told by the journal: something stands below its prefix. The page is restored as
// late as possible, before the first step that is done: only then is known which steps lie on the
// way to it.
#include <algorithm>

#include "engine/executor_run.h"

namespace troupe::engine {

using workflows::StepType;

namespace {

std::string write_storage(const std::string& storage) {
  return "(([origin, local, session]) => { if (location.origin !== origin) return false;"
         " for (const [k, v] of Object.entries(local)) localStorage.setItem(k, v);"
         " for (const [k, v] of Object.entries(session)) sessionStorage.setItem(k, v);"
         " return true; })(" +
         storage + ")";
}

json::value parsed(const std::string* text) {
  if (!text) return nullptr;
  auto value = parse_json(*text, "journal");
  return value ? std::move(*value) : json::value();
}

}  // namespace

void Run::begin_journal(Frame& frame) {
  if (!input_.journal) return;
  frame.written->take_changed();
  image_ = JournalImage(input_.journal->stored);
  if (const std::string* done = image_.find("#done")) steps_done_ = std::atoll(done->c_str());
  frame.branch->resuming = touched_ = !input_.journal->stored.empty();
  load_names(frame);
  written_at_ = ctx_.clock().now();
}

// Of a workflow or a branch that was under way.
void Run::load_names(Frame& frame) {
  const json::value names = parsed(image_.find(frame.scope + "#names"));
  if (names.is_array())
    for (const json::value& name : names.get_array())
      if (name.is_string())
        frame.written->set(name.get_string(),
                           parsed(image_.find(frame.scope + "$" + name.get_string().c_str())));
  frame.written->take_changed();
  (void)frame.written->take_grown();
  Branch& branch = *frame.branch;
  if (branch.place != frame.scope) return;  // a called workflow, in the branch of its caller
  branch.error = branch.noted_error = parsed(image_.find(branch.place + "@error"));
}

// How many steps need not be done any more, and what the last of them means for this list.
std::pair<std::size_t, Flow> Run::skip_finished(Frame& frame, const Steps& steps) {
  for (std::size_t done = 0; done < steps.size(); ++done) {
    const Step& step = steps[done];
    const std::string key = frame.place + step.id;
    if (!image_.find(key)) return {done, Flow::next};
    const json::object entry = image_.object(key);
    tell(frame, step, "skipped", "finished by an earlier attempt", ctx_.clock().now(), nullptr);
    const auto url = find_string(entry, "url");
    frame.branch->passed.push_back({&frame, &step, std::string(url.value_or(""))});
    if (entry.contains("stop")) return {steps.size(), Flow::stop};
    if (entry.contains("leave")) return {steps.size(), Flow::leave_loop};
  }
  return {steps.size(), Flow::next};
}

Async<void> Run::before_step(Context& ctx, Frame& frame, const Step& step) {
  // Branches have tabs of their own, but the steps after them go on in this one.
  const bool further = was_begun(frame, step) && step.type != StepType::parallel;
  if (!further) CO_TRY_VOID(co_await back_on_the_page(ctx, frame));
  if (matters_elsewhere(step)) CO_TRY_VOID(co_await journal_settled(ctx, *frame.branch));
  co_return Result<void>{};
}

Async<void> Run::back_on_the_page(Context& ctx, Frame& frame) {
  Branch& branch = *frame.branch;
  if (!std::exchange(branch.resuming, false)) co_return Result<void>{};
  const std::vector<Passed> passed = std::exchange(branch.passed, {});
  auto restored = co_await restore(ctx, frame, passed);
  cannot_resume_ = cannot_resume_ || !restored;
  co_return restored;
}

// Cookies first, then the steps that are always done again, then the page and what was filled in.
Async<void> Run::restore(Context& ctx, Frame& frame, const std::vector<Passed>& passed) {
  json::value cookies = parsed(image_.find("@cookies"));
  auto browser = session_.browser();
  if (browser && cookies.is_array() && frame.branch->place.empty()) {
    json::object params{{"cookies", std::move(cookies)}};
    if (!browser->browser_context_id.empty())
      params["browserContextId"] = browser->browser_context_id;
    const std::string method = "Storage.setCookies";
    (void)co_await browser->connection->call(ctx, {}, method, std::move(params));
  }
  for (const Passed& one : passed)
    if (one.step->restart_always) CO_TRY_VOID(co_await do_again(ctx, one));
  const std::string* kept = image_.find(frame.branch->place + "@url");
  const std::string url = kept ? *kept : std::string();
  if (!is_web(url)) co_return Result<void>();
  CO_TRY_VOID(co_await go_back_to(ctx, frame, url));
  std::size_t first = passed.size();  // of those that were done on this page since it was opened
  while (first > 0 && passed[first - 1].step->kind != "goto" && passed[first - 1].url == url)
    --first;
  for (std::size_t i = first; i < passed.size(); ++i)
    if (changes_only_the_page(*passed[i].step) && !passed[i].step->restart_always)
      CO_TRY_VOID(co_await do_again(ctx, passed[i]));
  co_return Result<void>();
}

// It stays finished in the journal, whatever it notes on its way.
Async<void> Run::do_again(Context& ctx, const Passed& passed) {
  const std::string place = place_of(*passed.frame, *passed.step);
  image_.erase_under(place);
  const std::int64_t counted = steps_done_;
  auto flow = co_await run_step(ctx, *passed.frame, *passed.step);
  steps_done_ = counted;
  image_.erase_under(place);
  if (!flow) co_return flow.error();
  co_return Result<void>{};
}

Async<void> Run::go_back_to(Context& ctx, Frame& frame, const std::string& url) {
  Context limited = ctx.with_timeout(input_.step_timeout, "going back to the page");
  CO_TRY_VOID(co_await open_tab(limited, frame));
  interact::Tab& tab = *frame.branch->tab;
  interact::Action open{.kind = "goto", .args = {{"url", url}}};
  if (tab.url() != url) {
    interact::Action once = open;
    CO_TRY_VOID(co_await interactor_.perform(limited, tab, std::move(once)));
  }
  const std::string* storage = image_.find(frame.branch->place + "@storage");
  if (!storage || storage->empty() || *storage == "null") co_return Result<void>();
  interact::Action write{.kind = "evaluate", .args = {{"expression", write_storage(*storage)}}};
  auto written = co_await interactor_.perform(limited, tab, std::move(write));
  if (!written || written->output != json::value(true)) co_return Result<void>();
  CO_TRY_VOID(co_await interactor_.perform(limited, tab, std::move(open)));
  co_return Result<void>();
}

std::string Run::place_of(const Frame& frame, const Step& step) const {
  return input_.journal ? frame.place + step.id + ">" : std::string();
}

bool Run::was_begun(const Frame& frame, const Step& step) const {
  return input_.journal && holds_steps(step) && image_.any_under(place_of(frame, step));
}

int Run::first_try(const Frame& frame, const Step& step) const {
  const std::string* text = image_.find(place_of(frame, step) + "#try");
  return text ? std::clamp(std::atoi(text->c_str()), 1, step.retry.attempts) : 1;
}

// What is repeated begins at its first step.
void Run::begin_try(const Frame& frame, const Step& step, int attempt) {
  if (!input_.journal || !holds_steps(step)) return;
  const std::string place = place_of(frame, step);
  image_.erase_under(place);
  if (attempt > 1) image_.set(place + "#try", std::to_string(attempt));
}

LoopState Run::begin_loop(const Frame& frame, const Step& step, std::int64_t most) {
  LoopState loop{.place = place_of(frame, step), .most = most};
  if (!input_.journal) return loop;
  const json::object at = image_.object(loop.place);
  loop.rounds = find_int(at, "rounds").value_or(0);
  loop.most = find_int(at, "most").value_or(most);
  loop.in_round = at.contains("in");
  if (!step.collect || step.save_as.empty()) return loop;
  const std::string prefix = loop.place + "#got.";
  loop.collected = image_.pieces(prefix);
  loop.kept.emplace(prefix, image_.piece_count(prefix));
  return loop;
}

void Run::enter_round(LoopState& loop) {
  if (std::exchange(loop.in_round, true) || !input_.journal) return;
  image_.set(loop.place, json::object{{"rounds", loop.rounds}, {"most", loop.most}, {"in", true}});
}

void Run::end_round(LoopState& loop) {
  ++loop.rounds;
  loop.in_round = false;
  if (!input_.journal) return;
  image_.erase_round(loop.place);
  image_.set(loop.place, json::object{{"rounds", loop.rounds}, {"most", loop.most}});
}

void Run::keep_items(const std::string& place, const json::array& items) {
  if (!input_.journal) return;
  GrowingList list(place + "#items.", 0);
  for (const json::value& item : items) list.add(image_, item);
}

}  // namespace troupe::engine
