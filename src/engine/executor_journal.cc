// Resuming: what a finished step leaves in the journal, and how an attempt in a fresh session gets
// back to where the last one was.
//
// An entry is {"saved": {name: value}, "url", "cookies": [...], "storage": [origin, local,
// session], "stop": true}; all but `saved` only where there is something. Steps that only changed
// what the page shows (fill, select, hover, scroll, upload) are done again after the page has been
// opened anew; steps that may have had an effect elsewhere (click, act, ...) never are. Only those
// are waited for until they are durable, and only before the next one of their kind: entries are
// written beside the steps that read or fill in, which to do once more does no harm. An entry waits
// a moment for others, since each writing is a sync: those of steps with an effect for some
// milliseconds, those of the others for a second; none longer than until the next step with an
// effect or the attempt's failure. What waits when the task succeeds is not needed any more.
#include <algorithm>
#include <array>
#include <span>

#include "engine/executor_run.h"

namespace troupe::engine {
namespace {

constexpr std::size_t kEntryBytesMax = 512 << 10;
constexpr std::size_t kStorageBytesMax = 128 << 10;
constexpr auto kStateLimit = std::chrono::seconds(2);
constexpr auto kUnwrittenFor = std::chrono::seconds(1);
constexpr auto kEffectUnwrittenFor = std::chrono::milliseconds(10);
constexpr auto kLastWords = std::chrono::seconds(2);

bool changes_only_the_page(const workflows::Step& step) {
  constexpr std::array<std::string_view, 5> kinds = {"fill", "select", "hover", "scroll", "upload"};
  return std::ranges::find(kinds, step.kind) != kinds.end();
}

bool needs_no_page(const workflows::Step& step) {
  return step.type == workflows::StepType::log || step.type == workflows::StepType::assign ||
         step.type == workflows::StepType::assertion;
}

// What cannot have changed cookies or storage.
bool only_reads(const workflows::Step& step) {
  constexpr std::array<std::string_view, 4> kinds = {"extract", "observe", "screenshot",
                                                     "wait_for"};
  return needs_no_page(step) || std::ranges::find(kinds, step.kind) != kinds.end();
}

bool may_have_effect(const workflows::Step& step) {
  return !only_reads(step) && !changes_only_the_page(step);
}

bool is_web(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

// Entries that were added together may have been stored in any order.
using Entries = std::vector<std::pair<std::string, std::string>>;
Entries in_order_of(const std::vector<workflows::Step>& steps, Entries stored) {
  Entries ordered;
  for (const workflows::Step& step : steps) {
    const auto found = std::ranges::find(stored, step.id, &Entries::value_type::first);
    if (found == stored.end()) break;
    ordered.push_back(std::move(*found));
  }
  return ordered;
}

json::object entry_of(const std::string& text) {
  const auto value = parse_json(text, "journal");
  return value && value->is_object() ? value->get_object() : json::object();
}

std::string url_of(const json::object& entry) {
  return std::string(find_string(entry, "url").value_or(""));
}

std::string write_storage(const json::value& storage) {
  return "(([origin, local, session]) => { if (location.origin !== origin) return false;"
         " for (const [k, v] of Object.entries(local)) localStorage.setItem(k, v);"
         " for (const [k, v] of Object.entries(session)) sessionStorage.setItem(k, v);"
         " return true; })(" +
         json::serialize(storage) + ")";
}

bool holds_something(const json::value& storage) {
  const auto* list = storage.if_array();
  return list && list->size() == 3 && (*list)[1].is_object() && (*list)[2].is_object() &&
         !((*list)[1].get_object().empty() && (*list)[2].get_object().empty());
}

}  // namespace

Async<Flow> Run::run_journalled(Context& ctx, Frame& frame, const Steps& steps) {
  frame.written->take_changed();
  CO_TRY(const std::size_t done, co_await resume(ctx, frame, steps));
  written_at_ = ctx.clock().now();
  for (std::size_t i = done; i < steps.size(); ++i) {
    if (may_have_effect(steps[i])) CO_TRY_VOID(co_await journal_settled(ctx, frame));
    const auto flow = co_await run_step(ctx, frame, steps[i]);
    if (!flow) {
      write_journal_soon(frame);
      co_return flow.error();
    }
    note_finished(ctx, frame, steps, i, *flow);
    if (*flow != Flow::next) co_return *flow;
  }
  co_return Flow::next;
}

// How many steps need not be done any more; `steps.size()` when the workflow was stopped.
Async<std::size_t> Run::resume(Context& ctx, Frame& frame, const Steps& steps) {
  input_.journal->finished = in_order_of(steps, std::move(input_.journal->finished));
  const auto& finished = input_.journal->finished;
  std::size_t done = 0;
  json::object last;
  while (done < finished.size() && done < steps.size() && finished[done].first == steps[done].id) {
    last = entry_of(finished[done].second);
    if (const auto* saved = find(last, "saved"); saved && saved->is_object())
      for (const auto& [name, value] : saved->get_object()) frame.written->set(name, value);
    tell(frame, steps[done], "skipped", "finished by an earlier attempt", ctx.clock().now(),
         nullptr);
    ++done;
    if (last.contains("stop")) co_return steps.size();
  }
  frame.written->take_changed();
  if (done > 0 && done < steps.size()) CO_TRY_VOID(co_await restore(ctx, frame, steps, done, last));
  co_return done;
}

// Cookies first, then the steps that are always done again, then the page and what was filled in.
Async<void> Run::restore(Context& ctx, Frame& frame, const Steps& steps, std::size_t done,
                         const json::object& last) {
  if (const auto* cookies = find(last, "cookies"); cookies && cookies->is_array()) {
    auto browser = session_.browser();
    if (browser) {
      json::object params{{"cookies", *cookies}};
      if (!browser->browser_context_id.empty())
        params["browserContextId"] = browser->browser_context_id;
      const std::string method = "Storage.setCookies";
      (void)co_await browser->connection->call(ctx, {}, method, std::move(params));
    }
  }
  for (std::size_t i = 0; i < done; ++i)
    if (steps[i].restart_always) CO_TRY_VOID(co_await run_step(ctx, frame, steps[i]));
  const std::string url = url_of(last);
  if (!is_web(url)) co_return Result<void>();
  CO_TRY_VOID(co_await go_back_to(ctx, frame, url, last));
  std::size_t first = done;  // of the steps that were done on this page since it was opened
  const auto& finished = input_.journal->finished;
  while (first > 0 && steps[first - 1].kind != "goto" &&
         url_of(entry_of(finished[first - 1].second)) == url)
    --first;
  for (std::size_t i = first; i < done; ++i)
    if (changes_only_the_page(steps[i]) && !steps[i].restart_always)
      CO_TRY_VOID(co_await run_step(ctx, frame, steps[i]));
  co_return Result<void>();
}

Async<void> Run::go_back_to(Context& ctx, Frame& frame, const std::string& url,
                            const json::object& last) {
  Context limited = ctx.with_timeout(input_.step_timeout, "going back to the page");
  CO_TRY_VOID(co_await open_tab(limited, frame));
  interact::Tab& tab = *frame.branch->tab;
  interact::Action open{.kind = "goto", .args = {{"url", url}}};
  if (tab.url() != url) {
    interact::Action once = open;
    CO_TRY_VOID(co_await interactor_.perform(limited, tab, std::move(once)));
  }
  const auto* storage = find(last, "storage");
  if (!storage || !holds_something(*storage)) co_return Result<void>();
  interact::Action write{.kind = "evaluate", .args = {{"expression", write_storage(*storage)}}};
  auto written = co_await interactor_.perform(limited, tab, std::move(write));
  if (!written || written->output != json::value(true)) co_return Result<void>();
  CO_TRY_VOID(co_await interactor_.perform(limited, tab, std::move(open)));
  co_return Result<void>();
}

// The entry as far as it is known at once; what the page keeps is asked for beside the next step.
void Run::note_finished(Context& ctx, Frame& frame, const Steps& steps, std::size_t place,
                        Flow flow) {
  const Step& step = steps[place];
  Unwritten note{.step = step.id};
  json::object& saved = note.entry["saved"].emplace_object();
  for (const std::string& name : frame.written->take_changed())
    if (const auto* value = frame.written->find(name)) saved[name] = *value;
  if (flow == Flow::stop) note.entry["stop"] = true;
  const auto rest = std::span(steps).subspan(place + 1);
  const bool page_needed = flow != Flow::stop && !std::ranges::all_of(rest, needs_no_page);
  if (page_needed && frame.branch->tab && is_web(frame.branch->tab->url())) {
    note.entry["url"] = frame.branch->tab->url();
    note.page = may_have_effect(step) ? PageState::ask : PageState::keep;
  }
  unwritten_.push_back(std::move(note));
  const bool due = ctx.clock().now() - written_at_ >= kUnwrittenFor;
  const bool effect = may_have_effect(step);
  effect_unwritten_ = effect_unwritten_ || effect;
  if (flow == Flow::stop || due)
    write_journal_soon(frame);
  else if (!std::exchange(effect ? soon_ : lingering_, true))
    background_.spawn("journal delay", linger(frame, effect));
}

// The next step may take long: what is known is written meanwhile.
asio::awaitable<void> Run::linger(Frame& frame, bool effect) {
  Context waiting = ctx_.with_cancel(ended_);
  const Duration delay = effect ? Duration(kEffectUnwrittenFor) : Duration(kUnwrittenFor);
  const auto waited = co_await sleep_for(waiting, delay);
  (effect ? soon_ : lingering_) = false;
  if (waited) write_journal_soon(frame);
}

void Run::write_journal_soon(Frame& frame) {
  if (unwritten_.empty()) return;
  effect_unwritten_ = false;
  write_wanted_ = true;
  if (writing_) return;
  writing_ = true;
  background_.spawn("journal", write_journal(*frame.branch));
}

asio::awaitable<void> Run::write_journal(Branch& branch) {
  while (write_wanted_ && !journal_error_) {
    write_wanted_ = false;
    written_at_ = ctx_.clock().now();
    auto written = co_await write_down(branch, std::exchange(unwritten_, {}));
    if (!written) journal_error_ = written.error();
  }
  writing_ = false;
  changed_.pulse();
}

Async<void> Run::write_down(Branch& branch, std::vector<Unwritten> notes) {
  // What has been done is written down also when there is no time left for more.
  Context ctx = ctx_.check() ? ctx_ : ctx_.for_cleanup(kLastWords, "journal");
  std::vector<std::pair<std::string, std::string>> entries;
  for (Unwritten& note : notes) {
    if (note.page == PageState::ask) co_await ask_page_state(ctx, branch);
    if (note.page != PageState::none)
      for (const auto& [name, value] : page_state_) note.entry[name] = value;
    std::string text = json::serialize(note.entry);
    if (text.size() > kEntryBytesMax)
      co_return fail(Errc::payload_too_large,
                     "step " + note.step + ": what it leaves for a later attempt has " +
                         std::to_string(text.size()) + " bytes, more than " +
                         std::to_string(kEntryBytesMax),
                     "journal", "save less, or give the workflow `restart: always`");
    entries.emplace_back(std::move(note.step), std::move(text));
  }
  co_return co_await input_.journal->add(ctx, std::move(entries));
}

// As far as it can be had: a page that does not answer is the next step's affair.
asio::awaitable<void> Run::ask_page_state(Context& ctx, Branch& branch) {
  Context limited = ctx.with_timeout(kStateLimit, "cookies and storage");
  page_state_.clear();
  asking_page_ = true;
  std::vector<Async<json::object>> both;
  both.push_back(cookies_now(limited));
  if (branch.tab) both.push_back(storage_now(limited, *branch.tab));
  auto found = co_await gather(limited, std::move(both));
  asking_page_ = false;
  changed_.pulse();
  for (auto& part : found)
    if (part)
      for (auto& [name, value] : *part) page_state_[name] = std::move(value);
}

Async<json::object> Run::cookies_now(Context& ctx) {
  auto browser = session_.browser();
  if (!browser) co_return json::object{};
  json::object params;
  if (!browser->browser_context_id.empty())
    params["browserContextId"] = browser->browser_context_id;
  const std::string method = "Storage.getCookies";
  co_return co_await browser->connection->call(ctx, {}, method, std::move(params));
}

Async<json::object> Run::storage_now(Context& ctx, interact::Tab& tab) {
  CO_TRY(const auto text, co_await interactor_.storage(ctx, tab));
  if (text.empty() || text.size() > kStorageBytesMax) co_return json::object{};
  CO_TRY(auto value, parse_json(text, "storage"));
  json::object found;
  if (holds_something(value)) found["storage"] = std::move(value);
  co_return found;
}

Async<void> Run::journal_settled(Context& ctx, Frame& frame) {
  if (effect_unwritten_) write_journal_soon(frame);
  while (writing_) CO_TRY_VOID(co_await changed_.wait(ctx));
  if (journal_error_) co_return *journal_error_;
  co_return Result<void>{};
}

// The tab may go away afterwards.
asio::awaitable<void> Run::page_asked() {
  Context unbounded(ctx_.clock(), ctx_.executor());  // what is waited for has a limit
  while (asking_page_) (void)co_await changed_.wait(unbounded);
}

asio::awaitable<void> Run::end_journal() {
  ended_.cancel(fail(Errc::cancelled, "journal: the steps have ended"));
  Context unbounded(ctx_.clock(), ctx_.executor());
  (void)co_await background_.join(unbounded);
  if (journal_error_ && !outcome_.error) outcome_.error = journal_error_;
}

}  // namespace troupe::engine
