#include "interact/extract_reading.h"

#include <algorithm>

#include "interact/handlers.h"

namespace troupe::interact::native {
namespace {

using std::chrono::milliseconds;

// Items and fields that come late are waited for only so long where none may be there.
constexpr Duration kPatience = std::chrono::seconds(2);
// One more part of a list must come within this.
constexpr Duration kPartPatience = std::chrono::seconds(5);
constexpr int kPartsMax = 200;

bool wants_certainly(const ExtractionPlan& plan) {
  return std::any_of(plan.fields.begin(), plan.fields.end(), [](const FieldPlan& field) {
    return field.required.value_or(false) && field.fields.empty();
  });
}

/// Whether all is told by selectors: `spec` is a list or record as the script takes it.
bool by_selectors(const json::object& spec) {
  if (spec.contains("list") && !spec.contains("items")) return false;
  for (const auto& member : spec.at("fields").as_object()) {
    const json::object& field = member.value().as_object();
    const bool inner = field.contains("fields");
    const bool plain = !inner && field.contains("q") && field.at("type") != "rating";
    if (!plain && !(inner && by_selectors(field))) return false;
  }
  return true;
}

/// Most pages are read by selectors, and the rest is six times as much to send.
unsigned scripts_for(const json::object& spec) {
  return by_selectors(spec) && !spec.contains("sources") ? kRead : kExtract;
}

bool asks_again(const json::value& answer) {
  return answer.is_object() && answer.get_object().contains("ask");
}

/// One look at the page, as long as `patience` when what is wanted is not there. `acted` as in
/// read_values().
Async<json::value> look(Context& ctx, NativeTab& tab, json::object spec, Duration patience,
                        bool acted) {
  const SteadyTime end = ctx.clock().now() + patience;
  if (acted) spec["acted"] = true;
  json::array call{spec};
  CO_TRY(auto answer, co_await tab.call_waiting(ctx, scripts_for(spec), "extract", call, patience));
  if (!asks_again(answer)) co_return answer;
  // The page is quiet; its scripts may wait for an answer of the network.
  Context limited = ctx.with_timeout(std::max<Duration>(end - ctx.clock().now(), milliseconds(1)),
                                     "quiet network");
  const auto quiet = co_await tab.page().wait_loaded(limited, cdp::WaitUntil::networkidle);
  if (!quiet && quiet.error().code != Errc::timeout) co_return quiet.error();
  CO_TRY_VOID(ctx.check());
  spec["idle"] = true;
  json::array again{spec};
  const Duration left = std::max<Duration>(end - ctx.clock().now(), milliseconds(0));
  co_return co_await tab.call_waiting(ctx, scripts_for(spec), "extract", std::move(again), left);
}

/// The rows of a reading: all of it, or those of its only list.
json::array* rows_of(json::value& value, const std::string& inner) {
  if (inner.empty()) return value.if_array();
  json::object* record = value.if_object();
  if (!record) return nullptr;
  const auto member = record->find(inner);
  return member == record->end() ? nullptr : member->value().if_array();
}

Reading reading_of(const json::value& answer) {
  Reading reading;
  if (const auto* value = find(answer, "value")) reading.value = *value;
  if (const auto* sources = find(answer, "sources")) reading.sources = *sources;
  return reading;
}

void drop_repeated(json::array& rows, json::array* sources, std::string_view key) {
  std::vector<std::string> seen;
  for (std::size_t i = 0; i < rows.size();) {
    const auto* value = find(rows[i], key);
    std::string text = value ? json::serialize(*value) : "";
    if (std::find(seen.begin(), seen.end(), text) == seen.end()) {
      seen.push_back(std::move(text));
      ++i;
      continue;
    }
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(i));
    if (sources && i < sources->size())
      sources->erase(sources->begin() + static_cast<std::ptrdiff_t>(i));
  }
}

/// A list that is read on.
class ListReader {
 public:
  ListReader(NativeTab& tab, const ExtractionPlan& plan, Reading& reading)
      : tab_(tab), plan_(plan), reading_(reading) {}

  Async<void> read_on(Context& ctx) {
    while (!full() && reading_.parts < kPartsMax && page_wait_ms(ctx) > 600) {
      if (!std::exchange(at_end_, false)) {
        CO_TRY_VOID(co_await tab_.call(ctx, kExtract, "onward", {}));
        CO_TRY(const std::size_t grown, co_await look_on(ctx, milliseconds(1500), false));
        if (grown > 0) continue;
      }
      if (plan_.more != "pages" || pages_ >= plan_.pages_max) break;
      CO_TRY(const bool shown, co_await show_next(ctx));
      if (!shown) break;
      CO_TRY(const std::size_t grown, co_await look_on(ctx, kPartPatience, true));
      if (grown == 0) break;
      at_end_ = paged_;  // the next page is shown from its top, whole
    }
    trim();
    co_return Result<void>{};
  }

 private:
  json::array* rows() { return rows_of(reading_.value, plan_.inner_list); }
  bool full() {
    const json::array* known = rows();
    return !known || static_cast<std::int64_t>(known->size()) >= plan_.limit;
  }

  /// Presses what shows the next part; false when there is nothing of the kind.
  Async<bool> show_next(Context& ctx) {
    CO_TRY(const auto control, co_await tab_.call(ctx, kExtract, "nextPart", {}));
    const auto ref = find_int(control.is_object() ? control.get_object() : json::object{}, "ref");
    if (!ref) co_return false;
    paged_ = find_bool(control.get_object(), "pages").value_or(false);
    Target target;
    target.query = {{"ref", *ref}};
    target.text = std::string(find_string(control.get_object(), "what").value_or("next"));
    ClickOptions options;
    Context limited = ctx.with_timeout(kPartPatience, "next part of the list");
    auto pressed = co_await click_target(limited, tab_, target, options);
    CO_TRY_VOID(ctx.check());
    if (!pressed) co_return false;
    ++pages_;
    if (reading_.changed != "url") reading_.changed = pressed->changed;
    if (pressed->changed == "nothing") reading_.changed = "dom";
    co_return true;
  }

  /// Reads again until the view differs from the last one; returns how many rows are new.
  Async<std::size_t> look_on(Context& ctx, Duration patience, bool acted) {
    json::object spec = plan_.script;
    spec["limit"] = 100'000;
    spec["min"] = 0;
    spec["beyond"] = json::object{{"count", seen_count_}, {"last", seen_last_}};
    auto answer = co_await look(ctx, tab_, std::move(spec), patience, acted);
    if (!answer) co_return answer.error();
    Reading part = reading_of(*answer);
    json::array* seen = rows_of(part.value, plan_.inner_list);
    json::array* known = rows();
    if (!seen || !known || seen->empty()) co_return std::size_t{0};
    const auto* why = find(*answer, "why");
    if (why && why->is_string() && !why->get_string().empty()) co_return std::size_t{0};
    remember(*seen);
    const std::size_t before = known->size();
    append_rows(*known, *seen);
    append_sources(part, known->size() - before);
    if (!plan_.unique_by.empty())
      drop_repeated(*known, rows_of(reading_.sources, plan_.inner_list), plan_.unique_by);
    ++reading_.parts;
    co_return known->size() - std::min(before, known->size());
  }

  /// The last `count` of the part's sources are those of the new rows.
  void append_sources(Reading& part, std::size_t count) {
    json::array* all = rows_of(reading_.sources, plan_.inner_list);
    json::array* seen = rows_of(part.sources, plan_.inner_list);
    if (!all || !seen) return;
    for (std::size_t i = seen->size() - std::min(count, seen->size()); i < seen->size(); ++i)
      all->push_back((*seen)[i]);
  }

  void trim() {
    const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(plan_.limit, 0));
    json::array* sources = rows_of(reading_.sources, plan_.inner_list);
    if (json::array* known = rows(); known && known->size() > limit) known->resize(limit);
    if (sources && sources->size() > limit) sources->resize(limit);
  }

  NativeTab& tab_;
  const ExtractionPlan& plan_;
  Reading& reading_;
  std::size_t seen_count_ = 0;
  std::string seen_last_;
  int pages_ = 1;
  bool at_end_ = false, paged_ = false;

 public:
  /// What the page shows now.
  void remember(const json::array& seen) {
    seen_count_ = seen.size();
    seen_last_ = seen.empty() ? "" : json::serialize(seen.back());
  }
};

}  // namespace

std::size_t append_rows(json::array& known, const json::array& seen) {
  const std::size_t longest = std::min(known.size(), seen.size());
  std::size_t same = 0;
  // The view begins with all that is known: what follows is new.
  if (seen.size() >= known.size() && std::equal(known.begin(), known.end(), seen.begin()))
    same = known.size();
  // Else it may begin with the end of it.
  for (std::size_t n = longest; same == 0 && n > 0; --n)
    if (std::equal(known.end() - static_cast<std::ptrdiff_t>(n), known.end(), seen.begin()))
      same = n;
  // A part of what is known already.
  const bool inside =
      same == 0 && !seen.empty() &&
      std::search(known.begin(), known.end(), seen.begin(), seen.end()) != known.end();
  if (inside) return 0;
  known.insert(known.end(), seen.begin() + static_cast<std::ptrdiff_t>(same), seen.end());
  return seen.size() - same;
}

Async<Reading> read_values(Context& ctx, NativeTab& tab, const ExtractionPlan& plan, bool acted) {
  json::object spec = plan.script;
  const bool grows = plan.more != "none";
  const bool certain =
      (plan.min > 0 && !grows) || (!plan.list && wants_certainly(plan)) || spec.contains("within");
  if (certain) spec["certain"] = true;
  if (grows) spec["min"] = 0;
  const Duration patience = certain ? Duration(std::chrono::hours(1)) : kPatience;
  CO_TRY(const auto answer, co_await look(ctx, tab, std::move(spec), patience, acted));
  const auto* why = find(answer, "why");
  if (why && *why == json::value("region"))
    co_return fail(Errc::target_not_found,
                   "extract: no element matches within \"" + plan.within + "\"",
                   "page " + tab.url());
  Reading reading = reading_of(answer);
  json::array* rows = rows_of(reading.value, plan.inner_list);
  if (!grows || !rows || rows->empty()) co_return reading;
  ListReader reader(tab, plan, reading);
  reader.remember(*rows);
  CO_TRY_VOID(co_await reader.read_on(ctx));
  co_return reading;
}

}  // namespace troupe::interact::native
