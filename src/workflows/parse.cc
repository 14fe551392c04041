#include "base/suggest.h"
#include "workflows/output_schema.h"
#include "workflows/planner.h"
#include "workflows/reader.h"

namespace troupe::workflows {
namespace {

constexpr std::string_view kTopKeys[] = {"workflow", "version", "description",   "inputs", "steps",
                                         "output",   "timeout", "output_schema", "restart"};
constexpr std::string_view kInputKeys[] = {"type", "default", "required", "min",
                                           "max",  "enum",    "items",    "description"};
constexpr std::string_view kInputTypes[] = {"string", "integer", "number", "boolean",
                                            "array",  "object",  "any"};
constexpr std::size_t kInputsMax = 200;

struct Members {
  std::string_view root;
  std::vector<std::string_view> names;
};
/// Members of built-in names that can be checked before anything runs.
const std::vector<Members>& known_members() {
  static const std::vector<Members> kMembers = {
      {"session", {"index", "count", "id"}},
      {"run", {"id"}},
      {"task", {"id", "attempt"}},
      {"loop", {"index", "number", "first", "last", "count"}},
  };
  return kMembers;
}

std::vector<std::string_view> as_list(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

bool is_workflow_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::optional<InputType> input_type_from(std::string_view word) {
  for (std::size_t i = 0; i < std::size(kInputTypes); ++i)
    if (kInputTypes[i] == word) return static_cast<InputType>(i);
  return std::nullopt;
}

Parsed finish(const Tree& tree, std::string source, Mistakes& mistakes) {
  Definition definition = Reader(mistakes).read(tree);
  definition.source = std::move(source);
  definition.file = mistakes.file();
  Parsed parsed;
  parsed.mistakes = mistakes.sorted();
  if (mistakes.empty())
    parsed.definition = std::make_shared<const Definition>(std::move(definition));
  return parsed;
}

}  // namespace

std::string_view to_string(InputType type) { return kInputTypes[static_cast<std::size_t>(type)]; }

Definition Reader::read(const Tree& document) {
  Definition definition;
  if (document.kind != Tree::Kind::map) {
    wrong(document, "", "must be a map with the keys workflow and steps");
    return definition;
  }
  check_keys(document, "", as_list(kTopKeys));
  if (const Tree* name = document.find("workflow")) {
    definition.name = read_text(*name, "workflow");
    if (!is_workflow_name(definition.name))
      wrong(*name, "workflow", "must be 1 to 64 letters, digits, '_' or '-'");
  } else {
    wrong(document, "workflow", "is missing: the workflow's name");
  }
  if (const Tree* version = document.find("version"))
    definition.version =
        static_cast<int>(read_integer(*version, "version", 1, 1'000'000).value_or(1));
  if (const Tree* text = document.find("description"))
    definition.description = read_text(*text, "description");
  if (const Tree* inputs = document.find("inputs")) read_inputs(*inputs, definition);
  if (const Tree* steps = document.find("steps")) {
    Place top;
    top.field = "steps";
    definition.steps = read_steps(*steps, top);
  } else {
    wrong(document, "steps", "is missing: the list of steps");
  }
  if (const Tree* output = document.find("output"))
    definition.output = read_value(*output, "output");
  if (const Tree* schema = document.find("output_schema")) read_schema(*schema, definition);
  if (const Tree* timeout = document.find("timeout")) {
    const auto limit = parse_duration(to_json(*timeout));
    if (!limit)
      wrong(*timeout, "timeout", limit.error().message);
    else if (*limit <= Duration::zero())
      wrong(*timeout, "timeout", "must be more than 0");
    else
      definition.timeout = *limit;
  }
  if (const Tree* restart = document.find("restart")) {
    constexpr interact::Field kRestart = {"restart", interact::FieldType::text, false, "",
                                          "resume|always|never"};
    const auto word = read_field(kRestart, *restart, "restart");
    if (word && *word == "always") definition.restart = Restart::always;
    if (word && *word == "never") definition.restart = Restart::never;
  }
  check_uses(definition);
  return definition;
}

void Reader::read_inputs(const Tree& tree, Definition& definition) {
  if (tree.is_null()) return;
  if (tree.kind != Tree::Kind::map) {
    wrong(tree, "inputs", "must be a map: name → {type, default, ...}");
    return;
  }
  if (tree.keys.size() > kInputsMax) {
    wrong(tree, "inputs", std::to_string(tree.keys.size()) + " inputs are more than 200");
    return;
  }
  for (std::size_t i = 0; i < tree.keys.size(); ++i) {
    const std::string& name = tree.keys[i].name;
    if (!is_workflow_name(name))
      mistakes_.add(tree.keys[i].position, "inputs." + name,
                    "a name must be 1 to 64 letters, digits, '_' or '-'");
    definition.inputs.push_back(read_input(name, tree.children[i], "inputs." + name));
  }
}

Input Reader::read_input(const std::string& name, const Tree& tree, const std::string& field) {
  Input input;
  input.name = name;
  input.required = true;
  const auto read_type = [&](const Tree& type, const std::string& path) {
    const std::string word = read_text(type, path);
    const auto found = input_type_from(word);
    if (!found)
      wrong(type, path, "unknown type '" + word + "'" + did_you_mean(word, as_list(kInputTypes)));
    return found;
  };
  if (tree.is_text()) {  // topic: string
    input.type = read_type(tree, field).value_or(InputType::any);
    return input;
  }
  if (tree.kind != Tree::Kind::map) {
    wrong(tree, field, "must be a type, or {type, default, min, max, enum, items, description}");
    return input;
  }
  check_keys(tree, field, as_list(kInputKeys));
  if (const Tree* type = tree.find("type"))
    input.type = read_type(*type, field + ".type").value_or(InputType::any);
  if (const Tree* items = tree.find("items")) {
    const bool short_form = items->kind != Tree::Kind::map;
    const Tree* type = short_form ? items : items->find("type");
    const std::string path = field + (short_form ? ".items" : ".items.type");
    if (!short_form) check_keys(*items, field + ".items", {"type"});
    const auto items_type = type ? read_type(*type, path) : std::nullopt;
    if (input.type == InputType::array)
      input.items = items_type;
    else
      wrong(*items, path, "only an array has items");
  }
  if (const Tree* text = tree.find("description"))
    input.description = read_text(*text, field + ".description");
  read_limits(tree, field, input);
  if (const Tree* value = tree.find("default")) {
    input.required = false;
    auto fitted =
        value->is_null() ? Result<json::value>(json::value()) : fit_input(input, to_json(*value));
    if (!fitted)
      wrong(*value, field + ".default", fitted.error().message);
    else
      input.default_value = std::move(*fitted);
  }
  if (const Tree* required = tree.find("required")) {
    constexpr interact::Field kFlag = {"", interact::FieldType::flag, false, ""};
    const auto value = read_field(kFlag, *required, field + ".required");
    input.required = value && value->get_bool();
  }
  return input;
}

void Reader::read_limits(const Tree& tree, const std::string& field, Input& input) {
  constexpr interact::Field kNumber = {"", interact::FieldType::number, false, ""};
  const bool bounded = input.type != InputType::boolean && input.type != InputType::object;
  for (const std::string_view key : {"min", "max"}) {
    const Tree* limit = tree.find(key);
    if (!limit) continue;
    const std::string path = field + "." + std::string(key);
    const auto value = read_field(kNumber, *limit, path);
    if (!bounded)
      wrong(*limit, path, "a " + std::string(to_string(input.type)) + " has no such limit");
    if (value) (key == "min" ? input.min : input.max) = value->to_number<double>();
  }
  if (input.min && input.max && *input.min > *input.max)
    wrong(*tree.find("min"), field + ".min", "is more than max");
  if (const Tree* allowed = tree.find("enum")) {
    if (allowed->kind != Tree::Kind::list || allowed->children.empty()) {
      wrong(*allowed, field + ".enum", "must be a list of the values allowed");
      return;
    }
    for (const Tree& value : allowed->children) input.allowed.push_back(to_json(value));
  }
}

void Reader::read_schema(const Tree& tree, Definition& definition) {
  json::value schema = to_json(tree);
  if (!schema.is_object()) {
    wrong(tree, "output_schema", "must be a JSON Schema object");
    return;
  }
  const auto checked = check_schema(schema.get_object());
  if (!checked) wrong(tree, "output_schema", checked.error().message);
  definition.output_schema = std::move(schema.get_object());
}

void Reader::check_uses(const Definition& definition) {
  std::vector<std::string_view> roots(std::begin(kReservedNames), std::end(kReservedNames));
  roots.insert(roots.end(), std::begin(kBuiltInNames), std::end(kBuiltInNames));
  for (const std::string& name : saved_) roots.push_back(name);
  for (const Use& use : uses_) check_use(use, definition, roots);
}

void Reader::check_use(const Use& use, const Definition& definition,
                       const std::vector<std::string_view>& roots) {
  const Reference& reference = use.reference;
  if (std::find(roots.begin(), roots.end(), reference.root) == roots.end()) {
    std::string hint = did_you_mean(reference.root, roots);
    for (const Input& input : definition.inputs)
      if (input.name == reference.root) hint = " (did you mean 'inputs." + input.name + "'?)";
    mistakes_.add(use.position, use.field, "nothing has the name '" + reference.root + "'" + hint);
    return;
  }
  if (reference.member.empty()) return;
  std::vector<std::string_view> members;
  if (reference.root == "inputs")
    for (const Input& input : definition.inputs) members.push_back(input.name);
  for (const Members& known : known_members())
    if (known.root == reference.root) members = known.names;
  const bool checkable = reference.root == "inputs" || !members.empty();
  if (!checkable || std::find(members.begin(), members.end(), reference.member) != members.end())
    return;
  const std::string what =
      reference.root == "inputs" ? "no input" : "'" + reference.root + "' has no";
  mistakes_.add(use.position, use.field,
                what + " '" + reference.member + "'" + did_you_mean(reference.member, members));
}

Parsed check_definition(std::string_view text, std::string_view file) {
  Mistakes mistakes{std::string(file)};
  const Tree tree = parse_yaml(text, TreeLimits{}, mistakes);
  const bool unreadable = !mistakes.empty() && tree.kind != Tree::Kind::map;
  if (unreadable) return {nullptr, mistakes.sorted()};
  return finish(tree, std::string(text), mistakes);
}

Result<std::shared_ptr<const Definition>> parse_definition(std::string_view text,
                                                           std::string_view file) {
  Parsed parsed = check_definition(text, file);
  if (parsed.definition) return std::move(parsed.definition);
  Mistakes mistakes{std::string(file)};
  for (Mistake& mistake : parsed.mistakes)
    mistakes.add({mistake.line, mistake.column}, std::move(mistake.field),
                 std::move(mistake.message));
  return mistakes.to_error();
}

Result<std::shared_ptr<const Definition>> parse_definition(const json::object& document,
                                                           std::string_view file) {
  Mistakes mistakes{std::string(file)};
  Parsed parsed = finish(to_tree(document), json::serialize(document), mistakes);
  if (parsed.definition) return std::move(parsed.definition);
  return mistakes.to_error();
}

}  // namespace troupe::workflows
