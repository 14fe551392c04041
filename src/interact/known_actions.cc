#include "interact/known_actions.h"

#include <algorithm>
#include <cctype>

#include "base/digest.h"
#include "interact/phrase.h"

namespace troupe::interact {
namespace {

constexpr std::size_t kSegmentMax = 32;
constexpr std::size_t kWordsMax = 500;

bool has_host(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://") || url.starts_with("file://");
}

/// Whether a part of a path names one of many things: a number, an id, a long title.
bool names_one_of_many(std::string_view segment) {
  const auto digits = std::count_if(segment.begin(), segment.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
  const bool number = digits > 0 && digits == static_cast<long>(segment.size());
  return number || digits > 3 || segment.size() > kSegmentMax;
}

std::string shape_of(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto end = std::min(path.find('/', 1), path.size());
    const std::string_view segment =
        path.substr(path.front() == '/' ? 1 : 0, end - (path.front() == '/' ? 1 : 0));
    if (path.front() == '/') out += '/';
    out += names_one_of_many(segment) ? std::string_view("*") : segment;
    path.remove_prefix(end);
  }
  return out.empty() ? "/" : out;
}

/// Of what is written on the element or beside it, is anything exactly what was asked for?
bool is_called(const KnownElement& element, std::string_view words) {
  const std::string wanted = to_lower(words);
  return to_lower(element.name) == wanted || to_lower(element.label) == wanted ||
         to_lower(element.placeholder) == wanted;
}

std::string digest_of(std::string_view text) { return to_hex(sha256(text)).substr(0, 16); }

bool same_kind(const Candidate& a, const Candidate& b) {
  return a.tag == b.tag && a.role == b.role && a.name == b.name && a.label == b.label &&
         a.placeholder == b.placeholder && a.type == b.type && a.id == b.id &&
         a.test_id == b.test_id;
}

/// The nearest region around the element that tells it from all others of its kind; of an element
/// "in the row of Anna" the one with these words. -1: there is none.
int telling_region(const Candidate& element, const std::vector<const Candidate*>& twins,
                   const std::string& scope) {
  const std::string wanted = to_lower(scope);
  for (std::size_t i = 0; i < element.context.size(); ++i) {
    const std::string& text = element.context[i];
    if (to_lower(text).find(wanted) == std::string::npos) continue;
    const bool shared = std::any_of(twins.begin(), twins.end(), [&](const Candidate* twin) {
      return i < twin->context.size() && twin->context[i] == text;
    });
    if (!shared) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

Place place_of(std::string_view url) {
  if (!has_host(url)) return {};
  const auto begin = url.find("://") + 3;
  const auto end = std::min(url.find_first_of("/?#", begin), url.size());
  std::string_view authority = url.substr(begin, end - begin);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos)
    authority.remove_prefix(at + 1);
  Place place{.site = std::string(url.substr(0, begin)) + std::string(authority)};
  const std::string_view rest = url.substr(end);
  place.path = shape_of(rest.substr(0, rest.find_first_of("?#")));
  // Pages that keep their path behind a # are different ones, too.
  const auto hash = rest.find('#');
  const bool route = hash != std::string_view::npos &&
                     (rest.substr(hash).starts_with("#/") || rest.substr(hash).starts_with("#!/"));
  if (route) {
    const std::string_view tail = rest.substr(rest.find('/', hash));
    place.path += '#' + shape_of(tail.substr(0, tail.find('?')));
  }
  return place;
}

bool can_remember(const Clause& clause) {
  const Description& target = clause.target;
  switch (clause.verb) {
    case Verb::click:
    case Verb::double_click:
    case Verb::right_click:
    case Verb::hover:
    case Verb::fill:
    case Verb::check:
    case Verb::uncheck: break;
    case Verb::select:
    case Verb::press:
    case Verb::scroll:
      if (target.empty()) return false;
      break;
    default: return false;
  }
  return !target.text.empty() && target.ordinal == 0 && !target.item && !target.any &&
         !target.every && target.most == 0 && target.colour.empty() && !clause.path &&
         !clause.described_value && clause.reading.empty() && !clause.explore && !clause.beyond &&
         clause.other_than < 0 && clause.source.size() <= kWordsMax;
}

std::string remembered_words(const Clause& clause) {
  const Description& target = clause.target;
  std::string words(to_string(clause.verb));
  const std::string& whole = target.whole.empty() ? target.text : target.whole;
  if (target.quoted) words += " \"" + target.text + "\"";
  if (!whole.empty() && (!target.quoted || whole != target.text)) words += " " + whole;
  if (!target.role.empty() && to_lower(words).find(target.role) == std::string::npos)
    words += " " + target.role;
  if (!target.scope.empty() && words.find(target.scope) == std::string::npos)
    words += " in " + target.scope;
  for (const std::string& name : clause.names) words += " / " + name;
  if (clause.exact_text) words += " (exactly)";
  if (clause.exact_only) words += " (its name)";
  // Which of several lists is meant depends on the option.
  if (clause.verb == Verb::select)
    for (const std::string& value : clause.values) words += " = " + value;
  return words.size() <= kWordsMax ? words : words.substr(0, 400) + " " + digest_of(words);
}

std::shared_ptr<const KnownElement> known_element(const Snapshot& snapshot, int ref,
                                                  const Clause& clause) {
  const auto found = std::find_if(snapshot.elements.begin(), snapshot.elements.end(),
                                  [&](const Candidate& c) { return c.ref == ref; });
  if (found == snapshot.elements.end() || snapshot.shape.empty()) return nullptr;
  const Candidate& element = *found;
  const bool nameless = element.name.empty() && element.label.empty() &&
                        element.placeholder.empty() && element.id.empty() &&
                        element.test_id.empty();
  if (nameless) return nullptr;
  std::vector<const Candidate*> twins;
  for (const Candidate& other : snapshot.elements)
    if (other.ref != ref && same_kind(element, other)) twins.push_back(&other);
  auto known = std::make_shared<KnownElement>(KnownElement{.shape = snapshot.shape,
                                                           .tag = element.tag,
                                                           .role = element.role,
                                                           .type = element.type,
                                                           .name = element.name,
                                                           .label = element.label,
                                                           .placeholder = element.placeholder,
                                                           .id = element.id,
                                                           .test_id = element.test_id});
  if (twins.empty() && clause.target.scope.empty()) return known;
  known->region = telling_region(element, twins, clause.target.scope);
  if (known->region < 0) return nullptr;
  known->context = digest_of(element.context[static_cast<std::size_t>(known->region)]);
  return known;
}

bool holds_value(const KnownAction& action, const json::object& variables) {
  const std::string stored = json::serialize(to_json(action));
  for (const auto& [name, value] : variables) {
    const std::string text =
        value.is_string() ? std::string(value.get_string()) : json::serialize(value);
    if (text.empty()) continue;
    const std::string escaped = json::serialize(json::string(text));
    if (stored.find(std::string_view(escaped).substr(1, escaped.size() - 2)) != std::string::npos)
      return true;
  }
  return false;
}

namespace native {
namespace {

/// The verb and value of an answer that a model gave.
Clause as_known(const Clause& clause, const KnownAction& known) {
  if (!known.verb) return clause;
  Clause asked = clause;
  if (const auto verb = verb_from(*known.verb)) asked.verb = *verb;
  asked.value = known.value.value_or("");
  asked.values = {asked.value};
  return asked;
}

/// Whether what is meant is another thing when other things are there.
bool compares(const std::string& source) {
  constexpr std::string_view kWords[] = {
      "cheapest", "dearest", "lowest",   "highest", "latest",  "newest",   "oldest",  "earliest",
      "shortest", "longest", "fastest",  "slowest", "largest", "smallest", "biggest", "best",
      "worst",    "nearest", "closest",  "most",    "least",   "first",    "last",    "second",
      "third",    "other",   "another",  "random",  "under",   "over",     "below",   "above",
      "than",     "between", "tomorrow", "today"};
  const Phrase words = split_words(source);
  return std::any_of(words.begin(), words.end(), [&](const Word& word) {
    return std::find(std::begin(kWords), std::end(kWords), word.lower) != std::end(kWords);
  });
}

json::object query_row(const KnownElement& element) {
  return {{"shape", element.shape},
          {"tag", element.tag},
          {"role", element.role},
          {"type", element.type},
          {"name", element.name},
          {"label", element.label},
          {"placeholder", element.placeholder},
          {"id", element.id},
          {"test", element.test_id},
          {"region", element.context.empty() ? -1 : element.region}};
}

Resolution resolution_from(const json::object& row) {
  const auto text = [&](std::string_view key) {
    return std::string(find_string(row, key).value_or(""));
  };
  Resolution found;
  found.ref = static_cast<int>(find_int(row, "ref").value_or(-1));
  found.what = text("what");
  found.role = text("role");
  found.tag = text("tag");
  found.type = text("type");
  found.checked = row.contains("checked");
  found.readonly = row.contains("readonly");
  return found;
}

struct Recalled {
  Resolution found;  ///< ref -1: it is not there, or not certain.
  const KnownAction* known = nullptr;
};

/// The one row that the known element is, by the region around it where that counts.
void choose(Recalled& recalled, const json::array& rows) {
  const KnownElement& element = recalled.known->element;
  const json::object* chosen = nullptr;
  for (const auto& item : rows) {
    const auto* row = item.if_object();
    if (!row) continue;
    const auto context = find_string(*row, "context");
    if (!element.context.empty() && (!context || digest_of(*context) != element.context)) continue;
    if (chosen) return;
    chosen = row;
  }
  if (chosen) recalled.found = resolution_from(*chosen);
}

// One round trip. `wait`: for a known element that may still come.
Async<Recalled> recall(Context& ctx, NativeTab& tab, const Clause& clause,
                       const std::vector<KnownAction>& all, Duration wait) {
  json::array rows;
  unsigned scripts = kKnown;
  bool exact = true;
  for (const KnownAction& known : all) {
    rows.push_back(query_row(known.element));
    if (!known.element.context.empty()) scripts |= kSnapshot;
    exact = exact && (known.by == "model" || is_called(known.element, clause.target.text));
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(wait).count();
  const std::string want = exact ? "" : clause.target.text;
  json::array args{std::move(rows), want, std::min<std::int64_t>(ms, page_wait_ms(ctx))};
  tab.enter(nullptr);
  Recalled recalled;
  auto answer = co_await tab.call(ctx, scripts, "recall", std::move(args));
  if (!answer && answer.error().code == Errc::navigation_failed) co_return recalled;
  if (!answer) co_return answer.error();
  const auto* object = answer->if_object();
  const auto* found = object ? find(*object, "rows") : nullptr;
  if (!found || !found->is_array()) co_return recalled;
  const Place place = place_of(find_string(*object, "url").value_or(""));
  const auto shape = find_string(*object, "shape").value_or("");
  for (const KnownAction& known : all)
    if (known.element.shape == shape && known.key.site == place.site &&
        known.key.path == place.path)
      recalled.known = &known;
  if (recalled.known) choose(recalled, found->get_array());
  co_return recalled;
}

/// Tries what is known; nothing: it must be looked for again.
Async<std::optional<ActionResult>> replay(Context& ctx, NativeTab& tab, const Clause& clause,
                                          const std::vector<KnownAction>& all, Duration wait,
                                          const PartHands& hands) {
  if (all.empty()) co_return std::nullopt;
  CO_TRY(const auto recalled, co_await recall(ctx, tab, clause, all, wait));
  if (recalled.found.ref < 0) co_return std::nullopt;
  const Clause asked = as_known(clause, *recalled.known);
  auto done = co_await hands.on(ctx, asked, recalled.found);
  if (done) {
    tab.actions()->count_use(*recalled.known);
    done->detail += " (cache: hit)";
    co_return std::move(*done);
  }
  const bool replaced =
      done.error().code == Errc::target_not_found && done.error().message.ends_with("was replaced");
  if (replaced) co_return std::nullopt;
  // Next time it is looked for: it may be another one by now.
  if (done.error().code == Errc::not_actionable) tab.actions()->forget(*recalled.known);
  co_return done.error();
}

/// Remembers what has just been done. Tells whether something else was known before.
bool learn(NativeTab& tab, const Clause& clause, const Place& place,
           const std::vector<KnownAction>& before) {
  const Learned& learned = tab.learned();
  if (!learned.element) return !before.empty();
  if (learned.by_model && compares(clause.source)) return !before.empty();
  KnownAction action;
  action.key = {.tenant = tab.options().tenant,
                .site = place.site,
                .path = place.path,
                .instruction = remembered_words(clause)};
  action.element = *learned.element;
  action.by = learned.by_model ? "model" : "rules";
  const bool as_asked = learned.verb == to_string(clause.verb) && learned.value == clause.value;
  if (learned.by_model && !as_asked) {
    action.key.instruction = "asked: " + clause.source;
    action.verb = learned.verb;
    action.value = learned.value;
  }
  for (const KnownAction& old : before)
    if (old.key == action.key && old.element == action.element && old.verb == action.verb &&
        old.value == action.value)
      return false;  // it only came late
  for (const KnownAction& old : before)
    if (old.element.shape == action.element.shape) tab.actions()->forget(old);
  const bool typed_secret = action.element.type == "password" && action.value &&
                            action.value->find('%') == std::string::npos;
  if (!typed_secret && !holds_value(action, tab.variables())) tab.actions()->put(std::move(action));
  return !before.empty();
}

}  // namespace

Async<ActionResult> perform_remembered(Context& ctx, NativeTab& tab, const Clause& clause,
                                       Duration patience, const PartHands& hands) {
  // A model is asked only after that time, too.
  constexpr Duration kWait = std::chrono::seconds(2);
  tab.learned() = {};
  const Place place = place_of(tab.url());
  if (!tab.actions() || place.site.empty() || !can_remember(clause))
    co_return co_await hands.fresh(ctx, clause, patience);
  ActionCache& cache = *tab.actions();
  const std::string& tenant = tab.options().tenant;
  std::vector<KnownAction> known =
      cache.find({tenant, place.site, place.path, remembered_words(clause)});
  if (known.empty())
    known = cache.find({tenant, place.site, place.path, "asked: " + clause.source});
  const bool by_model = std::any_of(known.begin(), known.end(),
                                    [](const KnownAction& row) { return row.by == "model"; });
  const Duration wait = by_model ? std::min(patience, kWait) : Duration(0);
  CO_TRY(auto done, co_await replay(ctx, tab, clause, known, wait, hands));
  if (done) co_return std::move(*done);
  CO_TRY(auto result, co_await hands.fresh(ctx, clause, patience));
  const bool healed = learn(tab, clause, place, known);
  result.detail += known.empty() ? " (cache: miss)" : healed ? " (cache: healed)" : " (cache: hit)";
  co_return result;
}

Async<ActionResult> perform_remembered(Context& ctx, NativeTab& tab, const Clause& clause,
                                       Duration patience, PerformPart perform) {
  const PartHands hands{
      .fresh = [&tab, perform](Context& call, const Clause& asked,
                               Duration limit) { return perform(call, tab, asked, limit); },
      .on = [&tab](Context& call, const Clause& asked,
                   const Resolution& found) { return act_on(call, tab, asked, found); }};
  co_return co_await perform_remembered(ctx, tab, clause, patience, hands);
}

}  // namespace native
}  // namespace troupe::interact
