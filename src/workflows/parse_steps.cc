#include "base/suggest.h"
#include "interact/extraction.h"
#include "workflows/reader.h"

namespace troupe::workflows {
namespace {

constexpr std::size_t kStepsMax = 10'000;
constexpr int kNestingMax = 16;
constexpr std::int64_t kRoundsMax = 100'000;

std::vector<std::string_view> names_of(std::span<const interact::Field> fields) {
  std::vector<std::string_view> names;
  for (const auto& field : fields) names.push_back(field.name);
  return names;
}

void append(std::vector<std::string_view>& names, std::span<const interact::Field> fields) {
  for (const auto& field : fields) names.push_back(field.name);
}

const interact::Field* field_of(const interact::ActionRow& row, std::string_view name) {
  for (const auto& field : row.fields)
    if (field.name == name) return &field;
  if (!row.has_target) return nullptr;
  for (const auto& field : interact::target_fields())
    if (field.name == name) return &field;
  return nullptr;
}

}  // namespace

std::vector<Step> Reader::read_steps(const Tree& tree, const Place& place) {
  std::vector<Step> steps;
  if (tree.kind != Tree::Kind::list) {
    wrong(tree, place.field, "must be a list of steps");
    return steps;
  }
  if (place.nesting > kNestingMax) {
    wrong(tree, place.field, "steps are nested more than 16 deep");
    return steps;
  }
  if (tree.children.empty()) wrong(tree, place.field, "has no steps");
  for (std::size_t i = 0; i < tree.children.size(); ++i) {
    if (++steps_ > kStepsMax) {
      if (steps_ == kStepsMax + 1)
        wrong(tree.children[i], place.field, "the workflow has more than 10000 steps");
      break;
    }
    steps.push_back(read_step(tree.children[i], place, i));
  }
  return steps;
}

std::optional<std::size_t> Reader::find_kind(const Tree& tree, const std::string& field) {
  std::vector<std::size_t> found;
  std::optional<std::size_t> retry;
  for (std::size_t i = 0; i < tree.keys.size(); ++i) {
    const std::string& key = tree.keys[i].name;
    if (key == "retry")
      retry = i;
    else if (interact::find_action(key) || find_control(key))
      found.push_back(i);
  }
  if (found.size() == 1) return found[0];
  if (found.size() > 1) {
    mistakes_.add(tree.keys[found[1]].position, field,
                  "has two kinds, '" + tree.keys[found[0]].name + "' and '" +
                      tree.keys[found[1]].name + "': make two steps of it");
    return std::nullopt;
  }
  if (retry && tree.find("do")) return retry;
  const std::vector<std::string_view> common = names_of(common_fields());
  for (const Tree::Key& key : tree.keys) {
    if (std::find(common.begin(), common.end(), key.name) != common.end()) continue;
    mistakes_.add(key.position, field,
                  "unknown step '" + key.name + "'" + did_you_mean(key.name, step_kinds()));
    return std::nullopt;
  }
  wrong(tree, field, "says nothing to do: expected a key such as goto, click, extract, for_each");
  return std::nullopt;
}

Step Reader::read_step(const Tree& tree, const Place& place, std::size_t index) {
  Step step;
  step.position = tree.position;
  step.field = place.field + "[" + std::to_string(index) + "]";
  step.id = place.id + (place.id.empty() ? "s" : "") + std::to_string(index + 1);
  if (tree.kind != Tree::Kind::map) {
    wrong(tree, step.field, "a step is a map such as `goto: https://example.com`");
    return step;
  }
  const auto kind = find_kind(tree, step.field);
  if (!kind) return step;
  step.kind = tree.keys[*kind].name;
  const Tree& main = tree.children[*kind];
  const ControlRow* control = find_control(step.kind);
  std::vector<std::string_view> allowed = names_of(common_fields());
  allowed.push_back(step.kind);
  if (control) append(allowed, control->fields);
  check_keys(tree, step.field, allowed);
  read_common(tree, step);
  if (control) {
    step.type = control->type;
    read_control(tree, main, *control, place, step);
    check_saved_value(tree, step);
  } else {
    step.action = interact::find_action(step.kind);
    read_action(main, step);
  }
  return step;
}

void Reader::read_common(const Tree& tree, Step& step) {
  const std::string at = step.field + ".";
  if (const Tree* id = tree.find("id")) {
    step.id = read_text(*id, at + "id");
    const bool plain = !step.id.empty() && step.id.size() <= 64 &&
                       step.id.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                           "WXYZ0123456789_-.") == std::string::npos;
    if (!plain)
      wrong(*id, at + "id", "must be 1 to 64 letters, digits, '_', '-' or '.'");
    else if (!ids_.insert(step.id).second)
      wrong(*id, at + "id", "'" + step.id + "' is given twice");
  }
  if (const Tree* name = tree.find("name")) step.name = read_text(*name, at + "name");
  if (const Tree* save = tree.find("save_as"))
    step.save_as = read_name(read_text(*save, at + "save_as"), *save, at + "save_as").value_or("");
  if (const Tree* when = tree.find("when")) step.when = read_expression(*when, at + "when");
  if (const Tree* timeout = tree.find("timeout")) {
    const auto limit = parse_duration(to_json(*timeout));
    if (!limit)
      wrong(*timeout, at + "timeout", limit.error().message);
    else if (*limit <= Duration::zero())
      wrong(*timeout, at + "timeout", "must be more than 0");
    else
      step.timeout = *limit;
  }
  if (const Tree* policy = tree.find("on_error")) {
    const auto word = read_field(common_fields()[5], *policy, at + "on_error");
    step.ignore_errors = word && *word == "continue";
  }
  if (const Tree* retry = tree.find("retry")) step.retry = read_retry(*retry, at + "retry");
  if (const Tree* restart = tree.find("restart"))
    step.restart_always = read_field(common_fields()[7], *restart, at + "restart").has_value();
}

RetryPolicy Reader::read_retry(const Tree& tree, const std::string& field) {
  RetryPolicy policy;
  policy.attempts = 3;
  if (tree.kind == Tree::Kind::scalar && !tree.is_null()) {  // retry: 3
    policy.attempts = static_cast<int>(read_integer(tree, field, 1, 20).value_or(3));
    return policy;
  }
  if (tree.kind != Tree::Kind::map) {
    wrong(tree, field, "must be {attempts, delay, backoff} or a number of attempts");
    return policy;
  }
  check_keys(tree, field, names_of(retry_fields()));
  if (const Tree* attempts = tree.find("attempts"))
    policy.attempts =
        static_cast<int>(read_integer(*attempts, field + ".attempts", 1, 20).value_or(3));
  if (const Tree* delay = tree.find("delay")) {
    const auto duration = parse_duration(to_json(*delay));
    if (duration)
      policy.delay = *duration;
    else
      wrong(*delay, field + ".delay", duration.error().message);
  }
  if (const Tree* backoff = tree.find("backoff")) {
    const auto factor = read_field(retry_fields()[2], *backoff, field + ".backoff");
    policy.backoff = factor ? factor->to_number<double>() : 2;
    if (policy.backoff < 1 || policy.backoff > 10)
      wrong(*backoff, field + ".backoff", "is not in 1..10");
  }
  return policy;
}

void Reader::read_action(const Tree& tree, Step& step) {
  const interact::ActionRow& row = *step.action;
  const std::string field = step.field + "." + step.kind;
  if (tree.kind == Tree::Kind::map) {
    check_action(tree, step);
    step.argument = read_value(tree, field);
    return;
  }
  Tree fields;
  fields.kind = Tree::Kind::map;
  fields.position = tree.position;
  if (!tree.is_null() && row.main_field.empty()) {
    wrong(tree, field, "must be an object with its fields");
    return;
  }
  if (!tree.is_null()) {
    fields.keys.push_back({std::string(row.main_field), tree.position});
    fields.children.push_back(tree);
  }
  check_action(fields, step);
  step.argument = read_value(fields, field);
}

void Reader::check_action(const Tree& fields, const Step& step) {
  const interact::ActionRow& row = *step.action;
  const std::string at = step.field + "." + step.kind;
  std::vector<std::string_view> allowed = names_of(row.fields);
  if (row.has_target) append(allowed, interact::target_fields());
  check_keys(fields, at, allowed);
  bool targeted = false;
  for (std::size_t i = 0; i < fields.keys.size(); ++i) {
    const std::string& name = fields.keys[i].name;
    const interact::Field* field = field_of(row, name);
    if (!field) continue;
    (void)read_field(*field, fields.children[i], at + "." + name);
    const bool narrows = name == "exact" || name == "within" || name == "nth";
    for (const auto& target : interact::target_fields())
      targeted = targeted || (!narrows && target.name == name);
  }
  for (const auto& field : row.fields)
    if (field.required && !fields.find(field.name))
      wrong(fields, at, "field '" + std::string(field.name) + "' is missing");
  if (row.has_target && !row.target_optional && !targeted)
    wrong(fields, at, "needs a target: selector, role, name, label, text, placeholder or test_id");
  const Tree* types = fields.find("fields");
  if (types && types->kind == Tree::Kind::map) check_extract_types(*types, at + ".fields");
}

void Reader::check_extract_types(const Tree& fields, const std::string& field) {
  for (std::size_t i = 0; i < fields.keys.size(); ++i)
    check_extract_field(fields.children[i], field + "." + fields.keys[i].name);
}

void Reader::check_extract_field(const Tree& tree, const std::string& field) {
  const auto types = interact::field_types();
  const auto keys = interact::field_keys();
  const bool one_of_a_list = tree.kind == Tree::Kind::list && tree.children.size() == 1;
  if (one_of_a_list) return check_extract_field(tree.children[0], field);
  const Tree* type = &tree;
  std::string path = field;
  if (tree.kind == Tree::Kind::map) {
    check_keys(tree, field, {keys.begin(), keys.end()});
    for (const std::string_view inner : {"fields", "properties"})
      if (const Tree* nested = tree.find(inner); nested && nested->kind == Tree::Kind::map)
        return check_extract_types(*nested, field + "." + std::string(inner));
    if (const Tree* items = tree.find("items"); items && items->kind == Tree::Kind::map) return;
    type = tree.find("type");
    path += ".type";
  }
  if (!type || !type->is_text()) return;
  std::string_view word = type->scalar.get_string();
  if (Template::has_braces(word)) return;
  if (word.ends_with("[]")) word.remove_suffix(2);  // a list of them
  if (!interact::is_field_type(word))
    wrong(*type, path,
          "unknown type '" + std::string(word) + "'" +
              did_you_mean(word, {types.begin(), types.end()}));
}

void Reader::read_control(const Tree& tree, const Tree& main, const ControlRow& row,
                          const Place& place, Step& step) {
  const std::string field = step.field + "." + step.kind;
  for (const auto& wanted : row.fields)
    if (wanted.required && !tree.find(wanted.name))
      wrong(tree, step.field,
            "'" + std::string(wanted.name) + "' of '" + step.kind + "' is missing");
  switch (step.type) {
    case StepType::condition:
      step.condition = read_expression(main, field);
      read_body(tree, "then", place, step, false);
      read_body(tree, "else", place, step, false);
      break;
    case StepType::for_each:
      if (main.is_text())
        step.condition = read_expression(main, field);
      else if (main.kind == Tree::Kind::list)
        step.argument = read_value(main, field);
      else
        wrong(main, field, "must be a list or an expression that gives one");
      read_loop_fields(tree, step);
      read_body(tree, "do", place, step, true);
      break;
    case StepType::while_loop:
      step.condition = read_expression(main, field);
      read_loop_fields(tree, step);
      read_body(tree, "do", place, step, true);
      break;
    case StepType::retry: read_body(tree, "do", place, step, false); break;
    case StepType::parallel: read_parallel(tree, main, place, step); break;
    case StepType::call:
      step.word = read_text(main, field);
      if (step.word.empty()) wrong(main, field, "names no workflow");
      if (const Tree* with = tree.find("with")) {
        (void)read_field(row.fields[0], *with, step.field + ".with");
        step.argument = read_value(*with, step.field + ".with");
      }
      break;
    case StepType::assertion:
      step.condition = read_expression(main, field);
      if (const Tree* message = tree.find("message"))
        step.argument = read_value(*message, step.field + ".message");
      break;
    case StepType::assign: read_set(main, step); break;
    case StepType::log:
      if (const Tree* level = tree.find("level")) {
        const auto word = read_field(row.fields[0], *level, step.field + ".level");
        if (word) step.word = std::string(word->get_string());
      }
      step.argument = read_value(main, field);
      break;
    case StepType::break_if:
      if (!place.in_loop) wrong(tree, step.field, "break_if stands in no for_each or while");
      step.condition = read_expression(main, field);
      break;
    default: step.argument = read_value(main, field); break;
  }
}

void Reader::check_saved_value(const Tree& tree, const Step& step) {
  const Tree* save = tree.find("save_as");
  if (!save || step.type == StepType::call) return;
  const bool loops = step.type == StepType::for_each || step.type == StepType::while_loop ||
                     step.type == StepType::parallel;
  if (loops && step.collect) return;
  wrong(
      *save, step.field + ".save_as",
      "'" + step.kind + "' gives " + (loops ? "a value only with 'collect'" : "no value to save"));
}

void Reader::read_loop_fields(const Tree& tree, Step& step) {
  const Tree* limit = tree.find(step.type == StepType::while_loop ? "max" : "limit");
  const std::int64_t most = step.type == StepType::parallel ? 10 : kRoundsMax;
  if (limit) {
    const std::string path = step.field + (step.type == StepType::while_loop ? ".max" : ".limit");
    (void)read_integer(*limit, path, 1, most);
    step.limit = read_value(*limit, path);
  }
  step.as = "item";
  if (const Tree* as = tree.find("as"))
    step.as = read_name(read_text(*as, step.field + ".as"), *as, step.field + ".as").value_or("");
  else if (step.type != StepType::while_loop)
    saved_.insert(step.as);
  if (const Tree* collect = tree.find("collect"))
    step.collect = read_value(*collect, step.field + ".collect");
}

void Reader::read_body(const Tree& tree, std::string_view key, const Place& place, Step& step,
                       bool loop) {
  const Tree* body = tree.find(key);
  if (!body) {
    step.bodies.emplace_back();
    return;
  }
  Place inner;
  inner.field = step.field + "." + std::string(key);
  inner.id = step.id + (key == "else" ? ".else." : ".");
  inner.nesting = place.nesting + 1;
  inner.in_loop = loop || place.in_loop;
  step.bodies.push_back(read_steps(*body, inner));
}

void Reader::read_parallel(const Tree& tree, const Tree& main, const Place& place, Step& step) {
  const std::string field = step.field + ".parallel";
  Place outside = place;
  outside.in_loop = false;  // a branch cannot leave the loop around all of them
  read_loop_fields(tree, step);
  if (tree.find("do")) {
    if (main.is_text())
      step.condition = read_expression(main, field);
    else if (main.kind == Tree::Kind::list)
      step.argument = read_value(main, field);
    else
      wrong(main, field, "must be a list or an expression that gives one");
    read_body(tree, "do", outside, step, false);
    return;
  }
  step.as.clear();
  if (main.kind != Tree::Kind::list) {
    wrong(main, field, "must be a list of step lists; for a list of items give 'do' too");
    return;
  }
  if (main.children.empty()) wrong(main, field, "has no branches");
  for (std::size_t i = 0; i < main.children.size(); ++i) {
    Place inner;
    inner.field = field + "[" + std::to_string(i) + "]";
    inner.id = step.id + "." + std::to_string(i + 1) + ".";
    inner.nesting = place.nesting + 1;
    step.bodies.push_back(read_steps(main.children[i], inner));
  }
}

void Reader::read_set(const Tree& main, Step& step) {
  const std::string field = step.field + ".set";
  if (main.kind != Tree::Kind::map || main.keys.empty()) {
    wrong(main, field, "must be an object: name → value");
    return;
  }
  for (std::size_t i = 0; i < main.keys.size(); ++i)
    (void)read_name(main.keys[i].name, main.children[i], field + "." + main.keys[i].name);
  step.argument = read_value(main, field);
}

}  // namespace troupe::workflows
