// What finished steps leave in the journal (journal_image.h says as what), and when it is stored.
//
// Steps that only changed what the page shows (fill, select, hover, scroll, upload) are done again
// after the page has been opened anew; steps that may have had an effect elsewhere (click, act,
// ...) never are. Only those are waited for until they are durable, and only before the next one of
// their kind: entries are written beside the steps that read or fill in, which to do once more does
// no harm. An entry waits a moment for others, since each writing is a sync: those of steps with an
// effect for some milliseconds, those of the others for a second; none longer than until the next
// step with an effect or the attempt's failure. What waits when the task succeeds is not needed any
// more. The first page of a session counts as read only: who goes on there opens it again anyway.
#include <algorithm>
#include <array>
#include <span>

#include "engine/executor_run.h"

namespace troupe::engine {

using workflows::StepType;

namespace {

constexpr std::size_t kEntryBytesMax = 512 << 10;
constexpr std::size_t kJournalBytesMax = 16 << 20;
constexpr std::size_t kStorageBytesMax = 128 << 10;
constexpr auto kStateLimit = std::chrono::seconds(2);
constexpr auto kUnwrittenFor = std::chrono::seconds(1);
constexpr auto kEffectUnwrittenFor = std::chrono::milliseconds(10);
constexpr auto kLastWords = std::chrono::seconds(2);

bool needs_no_page(const workflows::Step& step) {
  return step.type == StepType::log || step.type == StepType::assign ||
         step.type == StepType::assertion;
}

// What cannot have changed cookies or storage.
bool only_reads(const workflows::Step& step) {
  constexpr std::array<std::string_view, 4> kinds = {"extract", "observe", "screenshot",
                                                     "wait_for"};
  return step.type != StepType::action || std::ranges::find(kinds, step.kind) != kinds.end();
}

bool holds_something(const json::value& storage) {
  const auto* list = storage.if_array();
  return list && list->size() == 3 && (*list)[1].is_object() && (*list)[2].is_object() &&
         !((*list)[1].get_object().empty() && (*list)[2].get_object().empty());
}

Error too_large(const std::string& what, std::size_t bytes, std::size_t most) {
  return fail(Errc::payload_too_large,
              what + " has " + std::to_string(bytes) + " bytes, more than " + std::to_string(most),
              "journal", "save or collect less, or give the workflow `restart: always`");
}

}  // namespace

bool changes_only_the_page(const workflows::Step& step) {
  constexpr std::array<std::string_view, 5> kinds = {"fill", "select", "hover", "scroll", "upload"};
  return std::ranges::find(kinds, step.kind) != kinds.end();
}

bool may_have_effect(const workflows::Step& step) {
  return !only_reads(step) && !changes_only_the_page(step);
}

bool Run::matters_elsewhere(const Step& step) const {
  return may_have_effect(step) && (touched_ || step.kind != "goto");
}

bool holds_steps(const workflows::Step& step) {
  return !step.bodies.empty() || step.type == StepType::call;
}

bool is_web(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

// What is known at once; what the page keeps is asked for beside the next step.
void Run::note_finished(Frame& frame, const Steps& steps, std::size_t place, Flow flow) {
  const Step& step = steps[place];
  Branch& branch = *frame.branch;
  const std::string key = frame.place + step.id;
  if (holds_steps(step)) image_.erase_under(key + ">");
  json::object entry;
  if (flow == Flow::stop) entry["stop"] = true;
  if (flow == Flow::leave_loop) entry["leave"] = true;
  const bool own = frame.place.empty();  // only then is known what comes after this list
  const auto rest = std::span(steps).subspan(place + 1);
  const bool page_needed =
      !own || (flow != Flow::stop && !std::ranges::all_of(rest, needs_no_page));
  if (page_needed) {
    note_page(branch, step, entry);
  } else {
    image_.erase(branch.place + "@url");
    to_ask_.erase(&branch);
  }
  image_.set(key, entry);
  note_names(frame);
  if (!(branch.error == branch.noted_error)) {
    image_.set(branch.place + "@error", branch.error);
    branch.noted_error = branch.error;
  }
  image_.set("#done", std::to_string(steps_done_));
  const bool effect = matters_elsewhere(step);
  if (effect) branch.effects = ++effects_;
  touched_ = touched_ || may_have_effect(step);
  const bool due = ctx_.clock().now() - written_at_ >= kUnwrittenFor;
  if ((own && flow == Flow::stop) || due)
    write_journal_soon();
  else if (!std::exchange(effect ? soon_ : lingering_, true))
    background_.spawn("journal delay", linger(effect));
}

void Run::note_names(Frame& frame) {
  for (const std::string& name : frame.written->take_changed())
    if (const auto* value = frame.written->find(name)) image_.set(frame.scope + "$" + name, *value);
  if (!frame.written->take_grown()) return;
  json::array names;  // an output has them in the order in which they were saved
  for (const auto& member : frame.written->own()) names.emplace_back(member.key());
  image_.set(frame.scope + "#names", names);
}

void Run::note_page(Branch& branch, const Step& step, json::object& entry) {
  const std::string url = branch.tab ? branch.tab->url() : std::string();
  if (!is_web(url)) return;
  entry["url"] = url;
  if (branch.noted_url != url) image_.set(branch.place + "@url", branch.noted_url = url);
  if (may_have_effect(step)) to_ask_.insert(&branch);
}

// The next step may take long: what is known is written meanwhile.
asio::awaitable<void> Run::linger(bool effect) {
  Context waiting = ctx_.with_cancel(ended_);
  const Duration delay = effect ? Duration(kEffectUnwrittenFor) : Duration(kUnwrittenFor);
  const auto waited = co_await sleep_for(waiting, delay);
  (effect ? soon_ : lingering_) = false;
  if (waited) write_journal_soon();
}

void Run::write_journal_soon() {
  if (!image_.has_changes()) return;
  write_wanted_ = true;
  if (writing_) return;
  writing_ = true;
  background_.spawn("journal", write_journal());
}

asio::awaitable<void> Run::write_journal() {
  while (write_wanted_ && !journal_error_) {
    write_wanted_ = false;
    written_at_ = ctx_.clock().now();
    auto written = co_await write_down();
    if (!written) journal_error_ = written.error();
    changed_.pulse();
  }
  writing_ = false;
  changed_.pulse();
}

Async<void> Run::write_down() {
  // What has been done is written down also when there is no time left for more.
  Context ctx = ctx_.check() ? ctx_ : ctx_.for_cleanup(kLastWords, "journal");
  for (std::size_t asks = to_ask_.size(); asks > 0 && !to_ask_.empty(); --asks) {
    asked_ = *to_ask_.begin();
    to_ask_.erase(to_ask_.begin());
    (void)co_await ask_page_state(ctx, *asked_);
    asked_ = nullptr;
    changed_.pulse();
  }
  const std::uint64_t effects = effects_taken_ = effects_;
  auto entries = image_.take_changes();
  for (const auto& [key, text] : entries)
    if (text.size() > kEntryBytesMax)
      co_return too_large("'" + key + "', kept for a later attempt,", text.size(), kEntryBytesMax);
  if (image_.bytes() > kJournalBytesMax)
    co_return too_large("what is kept for a later attempt", image_.bytes(), kJournalBytesMax);
  CO_TRY_VOID(co_await input_.journal->add(ctx, std::move(entries)));
  effects_written_ = effects;
  co_return Result<void>{};
}

// As far as it can be had: a page that does not answer is the next step's affair.
Async<void> Run::ask_page_state(Context& ctx, Branch& branch) {
  Context limited = ctx.with_timeout(kStateLimit, "cookies and storage");
  std::vector<Async<json::object>> both;
  both.push_back(cookies_now(limited));
  if (branch.tab) both.push_back(storage_now(limited, *branch.tab));
  auto found = co_await gather(limited, std::move(both));
  for (const auto& part : found) {
    if (!part) continue;
    if (const auto* cookies = find(*part, "cookies")) image_.set("@cookies", *cookies);
    if (const auto* storage = find(*part, "storage"))
      image_.set(branch.place + "@storage", *storage);
  }
  co_return Result<void>{};
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

// Null is written, too: what was there before is there no more.
Async<json::object> Run::storage_now(Context& ctx, interact::Tab& tab) {
  CO_TRY(const auto text, co_await interactor_.storage(ctx, tab));
  json::object found{{"storage", nullptr}};
  if (text.empty() || text.size() > kStorageBytesMax) co_return found;
  CO_TRY(auto value, parse_json(text, "storage"));
  if (holds_something(value)) found["storage"] = std::move(value);
  co_return found;
}

// Until the last step of the branch that had an effect is stored.
Async<void> Run::journal_settled(Context& ctx, const Branch& branch) {
  while (effects_written_ < branch.effects && !journal_error_) {
    if (effects_taken_ < branch.effects) write_journal_soon();
    CO_TRY_VOID(co_await changed_.wait(ctx));
  }
  if (journal_error_) co_return *journal_error_;
  co_return Result<void>{};
}

// The tab may go away afterwards.
asio::awaitable<void> Run::page_asked(Branch& branch) {
  Context unbounded(ctx_.clock(), ctx_.executor());  // what is waited for has a limit
  while (asked_ == &branch) (void)co_await changed_.wait(unbounded);
  to_ask_.erase(&branch);
}

asio::awaitable<void> Run::end_journal() {
  ended_.cancel(fail(Errc::cancelled, "journal: the steps have ended"));
  Context unbounded(ctx_.clock(), ctx_.executor());
  (void)co_await background_.join(unbounded);
  if (journal_error_ && !outcome_.error) outcome_.error = journal_error_;
}

}  // namespace troupe::engine
