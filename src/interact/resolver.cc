#include "interact/resolver.h"

#include <algorithm>
#include <optional>

#include "interact/phrase.h"
#include "interact/text_fit.h"

namespace troupe::interact {
namespace {

constexpr double kEnough = 0.58;  // below that no element is meant
constexpr double kMargin = 0.05;  // the best must lead by that

bool typable(const Candidate& c) {
  if (c.tag == "select") return false;
  if (c.role == "textbox" || c.role == "searchbox" || c.role == "spinbutton" || c.role == "date" ||
      c.role == "slider")
    return true;
  return c.role == "combobox" && (c.tag == "input" || c.tag == "textarea");
}
bool choosable(const Candidate& c) {
  return c.tag == "select" || c.role == "combobox" || c.role == "listbox";
}
bool tickable(const Candidate& c) {
  return c.role == "checkbox" || c.role == "radio" || c.role == "switch" ||
         c.role == "menuitemcheckbox" || c.role == "menuitemradio";
}
bool is_widget(const Candidate& c) {
  return c.role != "text" && c.role != "generic" && c.role != "heading" && c.role != "img" &&
         c.role != "paragraph" && c.role != "listitem" && c.role != "cell";
}
bool button_like(const Candidate& c) {
  return c.role == "button" || c.role == "tab" || c.role == "menuitem" || c.role == "switch";
}

/// 1: it is what the role word says. Less: could pass for it. Far less: something else.
double role_fit(std::string_view wanted, const Candidate& c) {
  constexpr double kOther = 0.45;
  if (wanted.empty()) return 1;
  if (c.role == wanted) return 1;
  // With no other name given, 0.7 is too little: the one kind is not taken for the other.
  if (wanted == "textarea") return c.tag == "textarea" ? 1 : typable(c) ? 0.7 : kOther;
  if (wanted == "textinput")
    return typable(c) && c.tag == "input" ? 1 : typable(c) || choosable(c) ? 0.7 : kOther;
  if (wanted == "paragraph") return c.role == "text" && words_of(c.name).size() > 2 ? 0.75 : kOther;
  if (wanted == "textbox") return typable(c) || c.role == "combobox" ? 1 : kOther;
  if (wanted == "combobox") return choosable(c) ? 1 : c.role == "button" ? 0.8 : kOther;
  if (wanted == "checkbox") return tickable(c) ? c.role == "radio" ? 0.85 : 0.97 : kOther;
  if (wanted == "radio") return c.role == "menuitemradio" ? 1 : c.role == "option" ? 0.8 : kOther;
  if (wanted == "switch") return tickable(c) || c.role == "button" ? 0.95 : kOther;
  if (wanted == "button") {
    if (c.role == "link") return 0.88;
    return button_like(c) ? 0.95 : c.pointer ? 0.92 : kOther;
  }
  if (wanted == "link")
    return c.role == "button" ? 0.85 : c.pointer ? 0.92 : c.role == "text" ? 0.7 : kOther;
  if (wanted == "tab") return c.role == "button" || c.role == "link" || c.pointer ? 0.85 : kOther;
  if (wanted == "option") {
    if (c.role == "radio" || c.role == "menuitem" || c.role == "treeitem") return 0.95;
    return c.role == "listitem" || c.pointer ? 0.9 : kOther;
  }
  if (wanted == "menuitem" || wanted == "menu")
    return button_like(c) || c.role == "link" || c.role == "listitem" || c.pointer ? 0.9 : kOther;
  if (wanted == "icon" || wanted == "img")
    return c.tag == "svg" || c.role == "img" || c.role == "button" || c.role == "link" || c.pointer
               ? 1
               : 0.7;
  if (wanted == "region") {
    if (c.expanded >= 0 || c.role == "tab" || c.role == "region") return 1;
    return c.role == "heading" || c.pointer ? 0.95 : c.role == "button" ? 0.9 : 0.8;
  }
  return c.role == "text" || c.role == "generic" ? 0.6 : kOther;
}

bool verb_allows(const Clause& clause, const Candidate& c) {
  if (c.ref == clause.other_than) return false;
  switch (clause.verb) {
    case Verb::fill: return typable(c) || choosable(c) || tickable(c);
    case Verb::check:
    case Verb::uncheck: return tickable(c) || c.tag == "label";
    case Verb::press: return is_widget(c) || c.pointer;
    default: return true;
  }
}

/// A verb prefers elements made for it: a click wants a widget, not a heading of the same text.
double verb_fit(const Clause& clause, const Candidate& c) {
  if (clause.verb == Verb::scroll || clause.verb == Verb::wait || clause.verb == Verb::drag ||
      clause.verb == Verb::copy || clause.verb == Verb::highlight)
    return 1;
  if (clause.verb == Verb::fill) return typable(c) ? 1 : 0.85;
  if (clause.verb == Verb::check || clause.verb == Verb::uncheck) return tickable(c) ? 1 : 0.9;
  if (is_widget(c))
    return c.tag == "label" ? 0.9 : typable(c) && clause.target.role.empty() ? 0.93 : 1;
  return c.pointer ? 0.95 : 0.8;
}

double token_fit(std::string_view wanted, const Candidate& c) {
  const auto want = words_of(wanted);
  const auto have = words_of(c.tokens);
  if (want.empty()) return 0;
  const bool all =
      std::all_of(want.begin(), want.end(), [&](const auto& word) { return has_word(have, word); });
  return all ? 0.66 : 0;
}

// Signs that stand for words.
double sign_fit(std::string_view wanted, const Candidate& c) {
  const std::string word = bare(wanted);
  const bool close = wanted == "x" || wanted == "X" || wanted == "×" || word == "close";
  if (!close) return 0;
  const std::string name = squeeze(c.name);
  if (name == "×" || name == "✕" || name == "✖" || name == "x" || name == "X" || name == "⨯")
    return 0.9;
  return to_lower(name) == "close" ? 0.92 : 0;
}

double name_fit(const Description& target, const Candidate& c) {
  double best = text_fit(target.text, c.name, target.quoted);
  best = std::max(best, text_fit(target.text, c.label, target.quoted));
  best = std::max(best, 0.96 * text_fit(target.text, c.placeholder, target.quoted));
  if (typable(c) && target.text == "search" && (c.role == "searchbox" || c.type == "search"))
    best = std::max(best, 0.9);
  if (c.role == "date" && target.text == c.type) best = std::max(best, 0.9);
  best = std::max(best, sign_fit(target.text, c));
  // Tokens are a weak signal: they count fully only where there is no name to go by.
  const double tokens = token_fit(target.text, c);
  if (tokens > 0 && (is_widget(c) || c.pointer || c.tag == "svg" || c.tag == "img"))
    best = std::max(best, c.name.empty() && c.label.empty() ? tokens + 0.1
                          : target.quoted                   ? 0
                                                            : tokens - 0.04);
  return best;
}

/// Whether it stands there with nothing but spaces around it.
bool stands_alone(std::string_view have, std::string_view wanted) {
  for (auto at = have.find(wanted); at != std::string_view::npos; at = have.find(wanted, at + 1)) {
    const auto end = at + wanted.size();
    if ((at == 0 || have[at - 1] == ' ') && (end == have.size() || have[end] == ' ')) return true;
  }
  return false;
}

/// How near the scope's text is: 1 in the nearest region, 0 nowhere.
double scope_fit(std::string_view scope, const Candidate& c) {
  const std::string want = to_lower(squeeze(scope));
  if (want == "dialog" || want == "popup" || want == "modal" || want == "window")
    if (c.in_dialog) return 1;
  double fit = 1;
  for (const std::string& text : c.context) {
    const std::string have = to_lower(text);
    if (stands_alone(have, want)) return fit;
    // Of "@ada" and "@ada." the first is meant.
    if (contains_words(have, want)) return fit - 1.2 * kMargin;
    fit -= 0.1;  // more than the margin: the nearer row is meant
  }
  return contains_words(to_lower(c.heading), want) ? 0.9 : 0;
}

struct Scored {
  const Candidate* element;
  double score;
};

bool boxes_nest(const Candidate& a, const Candidate& b) {
  const auto inside = [](const Candidate& in, const Candidate& out) {
    return in.box[0] >= out.box[0] - 2 && in.box[1] >= out.box[1] - 2 &&
           in.box[0] + in.box[2] <= out.box[0] + out.box[2] + 2 &&
           in.box[1] + in.box[3] <= out.box[1] + out.box[3] + 2;
  };
  return inside(a, b) || inside(b, a);
}

/// Whether they share more than half of the smaller one: a part and what it contains, also where
/// that stands out a little.
bool boxes_overlap(const Candidate& a, const Candidate& b) {
  const int width =
      std::min(a.box[0] + a.box[2], b.box[0] + b.box[2]) - std::max(a.box[0], b.box[0]);
  const int height =
      std::min(a.box[1] + a.box[3], b.box[1] + b.box[3]) - std::max(a.box[1], b.box[1]);
  const int smaller = std::min(a.box[2] * a.box[3], b.box[2] * b.box[3]);
  return width > 0 && height > 0 && 2 * width * height > smaller;
}

/// The same thing twice: a text inside its button, a label and its field, two links to one place.
bool same_thing(const Candidate& a, const Candidate& b) {
  if (!a.href.empty() && a.href == b.href) return true;
  if (a.tag == "label" || b.tag == "label") {
    const Candidate& label = a.tag == "label" ? a : b;
    const Candidate& other = a.tag == "label" ? b : a;
    if (text_fit(label.name, other.label, true) >= 0.6 ||
        text_fit(label.name, other.name, true) >= 0.6)
      return true;
  }
  if (!a.name.empty() && a.name == b.name && a.tag != b.tag && boxes_overlap(a, b)) return true;
  return boxes_nest(a, b) && (!is_widget(a) || !is_widget(b));
}

std::string list(const std::vector<Scored>& scored, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < scored.size() && i < most; ++i)
    out += (i ? "; " : "") + describe(*scored[i].element);
  if (scored.size() > most) out += "; and " + std::to_string(scored.size() - most) + " more";
  return out;
}

std::string shown(const Description& target) {
  std::string out = target.role;
  if (!target.text.empty()) out += (out.empty() ? "\"" : " \"") + target.text + "\"";
  if (target.ordinal != 0) out += " number " + std::to_string(target.ordinal);
  if (!target.scope.empty()) out += " at \"" + target.scope + "\"";
  return out.empty() ? "element" : out;
}

Resolution chosen(const Scored& scored) {
  const Candidate& c = *scored.element;
  return {.ref = c.ref,
          .what = describe(c),
          .role = c.role,
          .tag = c.tag,
          .type = c.type,
          .checked = c.checked,
          .score = scored.score,
          .readonly = c.readonly};
}

Error not_found(const Clause& clause, const Snapshot& snapshot, std::vector<Scored> scored,
                const std::string& why = {}) {
  std::string message =
      std::string(to_string(clause.verb)) + ": no " + shown(clause.target) + " on the page";
  if (!why.empty()) message += ", " + why;
  std::string near = scored.empty() ? similar(clause.target.text, snapshot) : list(scored, 8);
  if (near.empty())
    near = "nothing like it among " + std::to_string(snapshot.elements.size()) + " elements";
  return fail(Errc::target_not_found, message + "; nearest: " + near, {},
              "name the element as it is shown on the page, or give a selector");
}

/// Best first; equals in page order, which is that of the snapshot.
bool by_score(const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.element < b.element;
}

/// An open modal dialog hides the rest of the page from a person.
double standing(const Candidate& c, bool dialog_open) {
  return (dialog_open && !c.in_dialog ? 0.9 : 1) * (c.disabled ? 0.985 : 1) *
         (c.in_view ? 1 : 0.995);
}

std::vector<Scored> score_all(const Clause& clause, const Snapshot& snapshot) {
  const Description& target = clause.target;
  std::vector<Scored> scored;
  const bool dialog = std::any_of(snapshot.elements.begin(), snapshot.elements.end(),
                                  [](const Candidate& c) { return c.in_dialog && is_widget(c); });
  for (const Candidate& c : snapshot.elements) {
    if (!verb_allows(clause, c) || (!target.colour.empty() && !c.coloured)) continue;
    double text = 0.8;  // no text wanted: the role alone tells
    if (!target.text.empty()) {
      text = name_fit(target, c);
      // "Block @ada" in the row of @ada is called Block.
      if (!target.scope.empty() && text_fit(target.text + " " + target.scope, c.name, true) >= 0.97)
        text = std::max(text, 0.985);
      if (clause.exact_text && text < 0.98) continue;
      // "Terms of Service", "Save for later": the whole phrase may be the name.
      const double whole =
          std::max(text_fit(target.whole, c.name, true), text_fit(target.whole, c.label, true));
      if (whole >= 0.9 && target.whole != target.text) {
        scored.push_back({&c, whole * verb_fit(clause, c) * standing(c, dialog)});
        continue;
      }
    } else if (target.role == "region") {
      // "the section below": nothing but a closed part, best one that is called so.
      if (c.expanded != 0 && c.role != "tab") continue;
      if (contains_words(to_lower(c.name), "section")) text = 0.9;
    } else if (target.role.empty() && target.colour.empty() && !is_widget(c)) {
      continue;
    }
    double score = text * role_fit(target.role, c) * verb_fit(clause, c) * standing(c, dialog);
    if (!target.scope.empty()) score *= scope_fit(target.scope, c);
    if (score > 0.3) scored.push_back({&c, score});
  }
  std::sort(scored.begin(), scored.end(), by_score);
  return scored;
}

Result<Resolution> pick_ordinal(const Clause& clause, const Snapshot& snapshot,
                                std::vector<Scored> scored) {
  // Those about as good as the best, without doubles, in page order.
  std::vector<Scored> equals;
  for (const Scored& one : scored) {
    if (one.score < kEnough || one.score < scored.front().score - 0.06) break;
    const bool doubled = std::any_of(equals.begin(), equals.end(), [&](const Scored& other) {
      return same_thing(*one.element, *other.element);
    });
    if (!doubled) equals.push_back(one);
  }
  std::sort(equals.begin(), equals.end(),
            [](const Scored& a, const Scored& b) { return a.element < b.element; });
  const int place = clause.target.ordinal;
  const int index = place > 0 ? place - 1 : static_cast<int>(equals.size()) + place;
  if (index < 0 || index >= static_cast<int>(equals.size()))
    return not_found(clause, snapshot, equals, "there are " + std::to_string(equals.size()));
  return chosen(equals[static_cast<std::size_t>(index)]);
}

/// "the second result": by its place in the page's main list.
Result<Resolution> pick_item(const Clause& clause, const Snapshot& snapshot) {
  std::vector<Scored> items;
  for (const Candidate& c : snapshot.elements)
    if (c.item > 0) items.push_back({&c, 1});
  std::sort(items.begin(), items.end(),
            [](const Scored& a, const Scored& b) { return a.element->item < b.element->item; });
  const int count = static_cast<int>(items.size());
  const int place = clause.target.ordinal;
  const int index = place > 0 ? place - 1 : count + place;
  if (index >= 0 && index < count) return chosen(items[static_cast<std::size_t>(index)]);
  return not_found(
      clause, snapshot, items,
      count > 0 ? "the main list has " + std::to_string(count) : "it has no main list of links");
}

/// For "type jazz" and the like: the only field, or the one with the focus.
Result<Resolution> pick_field(const Clause& clause, const Snapshot& snapshot) {
  std::vector<Scored> fields;
  for (const Candidate& c : snapshot.elements) {
    if (!typable(c) || c.readonly || c.disabled || c.role == "slider") continue;
    if (c.ref == snapshot.focused) return chosen({&c, 1});
    fields.push_back({&c, 1});
  }
  if (fields.empty()) return not_found(clause, snapshot, {});
  if (fields.size() == 1) return chosen(fields.front());
  return fail(Errc::target_ambiguous,
              std::string(to_string(clause.verb)) + ": " + std::to_string(fields.size()) +
                  " fields could be meant: " + list(fields, 8),
              {}, "say into which: type jazz into the search box");
}

bool has_option(const Candidate& c, std::string_view value) {
  return std::any_of(c.options.begin(), c.options.end(), [&](const std::string& option) {
    return text_fit(value, option, true) >= 0.9;
  });
}

/// "select Blue": the list that has such an option; else a widget called so.
Result<Resolution> pick_option(const Clause& clause, const Snapshot& snapshot) {
  std::vector<Scored> lists;
  for (const Candidate& c : snapshot.elements)
    if (c.tag == "select" && has_option(c, clause.value)) lists.push_back({&c, 1});
  if (clause.target.ordinal != 0 && !lists.empty()) return pick_ordinal(clause, snapshot, lists);
  if (lists.size() == 1) return chosen(lists.front());
  if (lists.size() > 1)
    return fail(Errc::target_ambiguous,
                "select: " + std::to_string(lists.size()) +
                    " lists have an "
                    "option \"" +
                    clause.value + "\": " + list(lists, 8),
                {}, "say from which: select Blue from Colour");
  Clause click = clause;
  click.verb = Verb::click;
  click.target.text = click.target.whole = clause.value;
  click.target.quoted = true;
  return resolve(click, snapshot);
}

Result<Resolution> pick_list(const Clause& clause, const Snapshot& snapshot,
                             std::vector<Scored>& scored) {
  for (Scored& one : scored)
    if (one.element->tag == "select")
      one.score += has_option(*one.element, clause.value) ? 0.12 : -0.1;
  std::sort(scored.begin(), scored.end(), by_score);
  std::erase_if(scored, [](const Scored& one) {
    return !choosable(*one.element) && !button_like(*one.element);
  });
  if (scored.empty()) return not_found(clause, snapshot, {});
  return chosen(scored.front());
}

}  // namespace

namespace {

/// Whether nothing but their place tells them apart.
bool all_equal(const std::vector<Scored>& rivals) {
  const Candidate& first = *rivals.front().element;
  return std::all_of(rivals.begin(), rivals.end(), [&](const Scored& one) {
    const Candidate& c = *one.element;
    return c.tag == first.tag && c.role == first.role && c.name == first.name &&
           c.label == first.label && c.placeholder == first.placeholder && c.type == first.type &&
           c.href == first.href && c.heading == first.heading && c.context == first.context &&
           c.test_id == first.test_id && c.disabled == first.disabled;
  });
}

}  // namespace

Result<Resolution> resolve(const Clause& clause, const Snapshot& snapshot) {
  const Description& target = clause.target;
  if (clause.verb == Verb::fill && target.empty()) return pick_field(clause, snapshot);
  if (clause.verb == Verb::select && target.text.empty() && target.role.empty())
    return pick_option(clause, snapshot);
  auto scored = score_all(clause, snapshot);
  const bool clicks = clause.verb == Verb::click || clause.verb == Verb::double_click ||
                      clause.verb == Verb::right_click || clause.verb == Verb::hover;
  const bool named = !target.text.empty() && !scored.empty() && scored.front().score >= kEnough;
  if (target.item && clicks && !named) return pick_item(clause, snapshot);
  if (clause.verb == Verb::select) {
    Clause list_clause = clause;
    TRY(auto found, pick_list(list_clause, snapshot, scored));
    // The leading list must also lead clearly; below, as for every verb.
    if (scored.front().score >= 1.05) return found;
  }
  const double enough = clause.exact_only ? 0.85 : kEnough;
  if (scored.empty() || scored.front().score < enough) {
    std::erase_if(scored, [](const Scored& one) { return one.score < 0.4; });
    return not_found(clause, snapshot, scored);
  }
  // "First name" is a name, not the first of the names.
  const Candidate& best = *scored.front().element;
  const bool named_so = !target.quoted && !target.text.empty() &&
                        (text_fit(target.whole, best.name, true) >= 0.9 ||
                         text_fit(target.whole, best.label, true) >= 0.9);
  if (target.ordinal != 0 && !named_so) return pick_ordinal(clause, snapshot, scored);
  std::vector<Scored> rivals{scored.front()};
  for (std::size_t i = 1; i < scored.size(); ++i) {
    if (scored[i].score < scored.front().score - kMargin) break;
    const bool doubled = std::any_of(rivals.begin(), rivals.end(), [&](const Scored& other) {
      return same_thing(*scored[i].element, *other.element);
    });
    if (!doubled) rivals.push_back(scored[i]);
    // Of two widgets of one name, one inside the other, the inner one is what a person sees.
    const Candidate& outer = *rivals.front().element;
    const Candidate& inner = *scored[i].element;
    if (doubled && is_widget(inner) && is_widget(outer) && inner.name == outer.name &&
        (inner.box[2] * inner.box[3] < outer.box[2] * outer.box[3] ||
         (inner.tag == "button" && outer.tag != "button")))
      rivals.front() = scored[i];
  }
  const bool same = clause.first_of_equals && all_equal(rivals);
  if (rivals.size() > 1 && (target.any || same)) {
    std::sort(rivals.begin(), rivals.end(),
              [](const Scored& a, const Scored& b) { return a.element < b.element; });
    return chosen(rivals.front());
  }
  // Of "submit" and "Submit" the one that is written as it was quoted.
  if (rivals.size() > 1 && target.quoted) {
    const auto exact = [&](const Scored& one) { return one.element->name == target.text; };
    if (std::count_if(rivals.begin(), rivals.end(), exact) == 1)
      return chosen(*std::find_if(rivals.begin(), rivals.end(), exact));
  }
  if (rivals.size() > 1)
    return fail(Errc::target_ambiguous,
                std::string(to_string(clause.verb)) + ": " + std::to_string(rivals.size()) +
                    " elements could be " + shown(target) + ": " + list(rivals, 8),
                {}, "say which: the second one, or the one in the row of …");
  return chosen(rivals.front());
}

Result<std::vector<Resolution>> resolve_all(const Clause& clause, const Snapshot& snapshot) {
  const Description& target = clause.target;
  const auto scored = score_all(clause, snapshot);
  std::vector<Scored> equals;
  for (const Scored& one : scored) {
    if (one.score < kEnough || one.score < scored.front().score - 0.06) break;
    const bool doubled = std::any_of(equals.begin(), equals.end(), [&](const Scored& other) {
      return same_thing(*one.element, *other.element);
    });
    if (!doubled) equals.push_back(one);
  }
  std::sort(equals.begin(), equals.end(),
            [](const Scored& a, const Scored& b) { return a.element < b.element; });
  const auto most = static_cast<std::size_t>(std::max(target.most, 0));
  if (equals.empty() || equals.size() < most)
    return not_found(clause, snapshot, equals, "there are " + std::to_string(equals.size()));
  if (most > 0) equals.resize(most);
  std::vector<Resolution> all;
  for (const Scored& one : equals) all.push_back(chosen(one));
  return all;
}

bool one_list_has_all(const Clause& clause, const Snapshot& snapshot) {
  return std::any_of(snapshot.elements.begin(), snapshot.elements.end(), [&](const Candidate& c) {
    return c.tag == "select" &&
           std::all_of(clause.values.begin(), clause.values.end(),
                       [&](const std::string& value) { return has_option(c, value); });
  });
}

std::string describe(const Candidate& c) {
  std::string name = !c.name.empty() ? c.name : !c.label.empty() ? c.label : c.placeholder;
  if (name.empty()) name = c.tokens;
  if (name.size() > 60) {
    std::size_t end = 57;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
    name = name.substr(0, end) + "…";
  }
  const std::string kind = c.role == "generic" ? "element" : c.role;
  const std::string what = kind + " \"" + name + "\"";
  if (c.box[2] == 0) return what;  // where it is is not known
  return what + " at " + std::to_string(c.box[0]) + "," + std::to_string(c.box[1]);
}

std::vector<const Candidate*> rank(std::string_view wanted, const Snapshot& snapshot,
                                   std::size_t limit) {
  std::vector<Scored> scored;
  const auto want = words_of(wanted);
  for (const Candidate& c : snapshot.elements) {
    if (!is_widget(c) && !c.pointer) continue;
    double score = want.empty() ? 1 : 0;
    for (const std::string* text : {&c.name, &c.label, &c.placeholder, &c.tokens, &c.role}) {
      score = std::max(score, text_fit(wanted, *text, false));
      const auto have = words_of(*text);
      const auto common = std::count_if(want.begin(), want.end(),
                                        [&](const auto& word) { return has_word(have, word); });
      if (!want.empty())
        score =
            std::max(score, 0.5 * static_cast<double>(common) / static_cast<double>(want.size()));
    }
    if (score > 0) scored.push_back({&c, score});
  }
  std::sort(scored.begin(), scored.end(), by_score);
  std::vector<const Candidate*> out;
  for (const Scored& one : scored)
    if (out.size() < limit) out.push_back(one.element);
  return out;
}

std::string similar(std::string_view wanted, const Snapshot& snapshot) {
  std::string out;
  auto found = wanted.empty() ? std::vector<const Candidate*>{} : rank(wanted, snapshot, 8);
  if (found.empty()) found = rank("", snapshot, 8);
  for (const Candidate* c : found) out += (out.empty() ? "" : "; ") + describe(*c);
  return out;
}

std::string_view usual_action(const Candidate& c) {
  if (typable(c)) return "fill";
  if (c.tag == "select") return "select";
  return "click";
}

}  // namespace troupe::interact
