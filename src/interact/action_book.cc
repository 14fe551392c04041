// Known actions as JSON that people can read and review.
#include <algorithm>

#include "interact/action_cache.h"
#include "interact/selector.h"

namespace troupe::interact {
namespace {

constexpr std::size_t kTextMax = 2'000;
constexpr std::string_view kWhat = "actions";

json::object element_row(const KnownElement& element) {
  json::object row;
  const auto put = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) row[name] = text;
  };
  put("selector", element.selector());
  put("role", element.role);
  put("name", element.name);
  put("label", element.label);
  put("placeholder", element.placeholder);
  put("tag", element.tag);
  put("type", element.type);
  put("id", element.id);
  put("test_id", element.test_id);
  put("context", element.context);
  if (!element.context.empty()) row["region"] = element.region;
  return row;
}

/// The texts of a row, each checked: what came from elsewhere may be anything.
class Reader final {
 public:
  explicit Reader(const json::object& row) : row_(row) {}
  std::string text(std::string_view name) {
    const auto* value = troupe::find(row_, name);
    if (!value || value->is_null()) return {};
    if (!value->is_string() || value->get_string().size() > kTextMax) wrong_ = std::string(name);
    return value->is_string() ? std::string(value->get_string()) : std::string();
  }
  std::optional<std::string> optional_text(std::string_view name) {
    if (!row_.contains(name)) return std::nullopt;
    return text(name);
  }
  std::optional<WallTime> time(std::string_view name) {
    const std::string text = this->text(name);
    if (text.empty()) return WallTime{};
    const auto time = parse_rfc3339(text);
    if (!time) wrong_ = std::string(name);
    return time;
  }
  void must(bool condition, std::string_view name) {
    if (!condition && wrong_.empty()) wrong_ = std::string(name);
  }
  const std::string& wrong() const { return wrong_; }

 private:
  const json::object& row_;
  std::string wrong_;
};

}  // namespace

std::string KnownElement::selector() const {
  if (!test_id.empty()) return "test_id=" + quoted(test_id);
  if (!name.empty()) return "role=" + role + "[name=" + quoted(name) + "]";
  if (!label.empty()) return "label=" + quoted(label);
  if (!placeholder.empty()) return "placeholder=" + quoted(placeholder);
  return id.empty() ? tag : "css=[id=" + quoted(id) + "]";
}

json::object to_json(const KnownAction& action) {
  json::object row{{"tenant", action.key.tenant},
                   {"site", action.key.site},
                   {"path", action.key.path},
                   {"instruction", action.key.instruction},
                   {"page_shape", action.element.shape},
                   {"element", element_row(action.element)},
                   {"by", action.by}};
  if (action.verb) row["action"] = *action.verb;
  if (action.value) row["value"] = *action.value;
  row["learned_at"] = to_rfc3339(action.learned_at);
  row["used_at"] = to_rfc3339(action.used_at);
  row["uses"] = action.uses;
  return row;
}

Result<KnownAction> known_action_from(const json::value& value) {
  const auto* row = value.if_object();
  const auto* element = row ? troupe::find(*row, "element") : nullptr;
  if (!element || !element->is_object())
    return fail(Errc::invalid_argument, "actions: a row is no known action", std::string(kWhat));
  Reader outer(*row);
  Reader inner(element->get_object());
  KnownAction action;
  // Files from before tenants were kept apart belong to the default one.
  action.key = {.tenant = row->contains("tenant") ? outer.text("tenant") : std::string("default"),
                .site = outer.text("site"),
                .path = outer.text("path"),
                .instruction = outer.text("instruction")};
  KnownElement& known = action.element;
  known.shape = outer.text("page_shape");
  known.tag = inner.text("tag");
  known.role = inner.text("role");
  known.type = inner.text("type");
  known.name = inner.text("name");
  known.label = inner.text("label");
  known.placeholder = inner.text("placeholder");
  known.id = inner.text("id");
  known.test_id = inner.text("test_id");
  known.context = inner.text("context");
  known.region = static_cast<int>(find_int(element->get_object(), "region").value_or(-1));
  action.by = outer.text("by");
  action.verb = outer.optional_text("action");
  action.value = outer.optional_text("value");
  action.learned_at = outer.time("learned_at").value_or(WallTime{});
  action.used_at = outer.time("used_at").value_or(WallTime{});
  action.uses = std::max<std::int64_t>(0, find_int(*row, "uses").value_or(0));
  outer.must(!action.key.site.empty(), "site");
  outer.must(!action.key.instruction.empty(), "instruction");
  outer.must(!known.shape.empty(), "page_shape");
  inner.must(!known.tag.empty(), "tag");
  const std::string wrong = outer.wrong().empty() ? inner.wrong() : outer.wrong();
  if (wrong.empty()) return action;
  return fail(Errc::invalid_argument,
              "actions: " + wrong + " of \"" + action.key.instruction.substr(0, 80) +
                  "\" is missing, or no text of up to " + std::to_string(kTextMax) + " bytes",
              std::string(kWhat));
}

json::value to_json(const ActionBook& book) {
  json::array rows;
  for (const auto& [key, action] : book) rows.push_back(to_json(action));
  return json::object{{"version", 1}, {"actions", std::move(rows)}};
}

Result<ActionBook> action_book_from(std::string_view text) {
  TRY(const auto value, parse_json(text, kWhat));
  const auto* rows = find(value, "actions");
  if (!rows || !rows->is_array())
    return fail(Errc::invalid_argument, "actions: there is no list \"actions\"",
                std::string(kWhat));
  const auto* version = find(value, "version");
  if (version && *version != json::value(1))
    return fail(Errc::invalid_argument,
                "actions: version " + json::serialize(*version) + " is not 1", std::string(kWhat));
  ActionBook book;
  for (const auto& row : rows->get_array()) {
    TRY(auto action, known_action_from(row));
    auto key = std::make_pair(action.key, action.element.shape);
    book.insert_or_assign(std::move(key), std::move(action));
  }
  return book;
}

}  // namespace troupe::interact
