#include "base/suggest.h"
#include "workflows/reader.h"

namespace troupe::workflows {

void Reader::wrong(const Tree& tree, const std::string& field, std::string message) {
  mistakes_.add(tree.position, field, std::move(message));
}

void Reader::check_keys(const Tree& map, const std::string& field,
                        const std::vector<std::string_view>& allowed) {
  for (const Tree::Key& key : map.keys) {
    if (std::find(allowed.begin(), allowed.end(), key.name) != allowed.end()) continue;
    mistakes_.add(key.position, field.empty() ? key.name : field + "." + key.name,
                  "unknown key" + did_you_mean(key.name, allowed));
  }
}

Position Reader::place_in(const Tree& tree, std::size_t offset) const {
  Position position = tree.position;
  if (position.line == 0 || tree.text_column < 0 || !tree.is_text()) return position;
  const auto& text = tree.scalar.get_string();
  if (std::string_view(text).substr(0, offset).find('\n') != std::string_view::npos)
    return position;
  position.column += tree.text_column + static_cast<int>(offset);
  return position;
}

void Reader::note_uses(std::vector<Reference> references, const Tree& tree,
                       const std::string& field) {
  for (Reference& reference : references) {
    const Position position = place_in(tree, reference.offset);
    uses_.push_back({std::move(reference), position, field});
  }
}

std::optional<Template> Reader::read_template(const Tree& tree, const std::string& field) {
  auto parsed = Template::parse(std::string_view(tree.scalar.get_string()));
  if (!parsed) {
    mistakes_.add(place_in(tree, parsed.error().offset), field,
                  parsed.error().message + " (at character " +
                      std::to_string(parsed.error().offset + 1) + ")");
    return std::nullopt;
  }
  note_uses(parsed->references(), tree, field);
  return std::move(*parsed);
}

ValueTemplate Reader::read_value(const Tree& tree, const std::string& field) {
  if (tree.is_text() && Template::has_braces(std::string_view(tree.scalar.get_string()))) {
    auto text = read_template(tree, field);
    return text ? ValueTemplate(std::move(*text)) : ValueTemplate();
  }
  if (tree.kind == Tree::Kind::scalar) return ValueTemplate(tree.scalar);
  bool constant = true;
  std::vector<ValueTemplate> values;
  for (std::size_t i = 0; i < tree.children.size(); ++i) {
    const std::string path = tree.kind == Tree::Kind::map ? field + "." + tree.keys[i].name
                                                          : field + "[" + std::to_string(i) + "]";
    values.push_back(read_value(tree.children[i], path));
    constant = constant && values.back().is_constant();
  }
  if (constant) return ValueTemplate(to_json(tree));
  if (tree.kind == Tree::Kind::list) return ValueTemplate(std::move(values));
  std::vector<std::pair<std::string, ValueTemplate>> members;
  for (std::size_t i = 0; i < values.size(); ++i)
    members.emplace_back(tree.keys[i].name, std::move(values[i]));
  return ValueTemplate(std::move(members));
}

Expression Reader::read_expression(const Tree& tree, const std::string& field) {
  if (tree.kind != Tree::Kind::scalar) {
    wrong(tree, field,
          "must be an expression, not a " +
              std::string(tree.kind == Tree::Kind::list ? "list" : "map"));
    return {};
  }
  if (!tree.is_text()) return Expression::constant(tree.scalar);
  const std::string_view text = tree.scalar.get_string();
  if (Template::has_braces(text)) {
    const auto parsed = read_template(tree, field);
    if (!parsed) return {};
    if (const Expression* single = parsed->single()) return *single;
    wrong(tree, field, "must be one expression: {{ ... }} with nothing around it, or no braces");
    return {};
  }
  auto parsed = Expression::parse(text);
  if (!parsed) {
    mistakes_.add(place_in(tree, parsed.error().offset), field,
                  parsed.error().message + " (at character " +
                      std::to_string(parsed.error().offset + 1) + ")");
    return {};
  }
  note_uses(parsed->references(), tree, field);
  return std::move(*parsed);
}

std::optional<json::value> Reader::read_field(const interact::Field& row, const Tree& tree,
                                              const std::string& field) {
  if (tree.is_text() && Template::has_braces(std::string_view(tree.scalar.get_string())))
    return std::nullopt;
  auto fitted = fit_field(row, to_json(tree));
  if (fitted) return std::move(*fitted);
  wrong(tree, field, fitted.error().message);
  return std::nullopt;
}

std::string Reader::read_text(const Tree& tree, const std::string& field) {
  constexpr interact::Field kText = {"", interact::FieldType::text, false, ""};
  if (tree.is_null()) return {};
  const auto value = fit_field(kText, to_json(tree));
  if (!value) wrong(tree, field, value.error().message);
  return value ? std::string(value->get_string()) : std::string();
}

std::optional<std::string> Reader::read_name(const std::string& text, const Tree& tree,
                                             const std::string& field) {
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  const std::string rest = std::string(kFirst) + "0123456789";
  const bool is_name = !text.empty() && text.size() <= 64 &&
                       kFirst.find(text[0]) != std::string_view::npos &&
                       text.find_first_not_of(rest) == std::string::npos;
  if (!is_name) {
    wrong(tree, field,
          "not a name: '" + text.substr(0, 80) +
              "'; letters, digits and _ only, 64 at most, no digit first");
    return std::nullopt;
  }
  if (std::find(std::begin(kReservedNames), std::end(kReservedNames), text) !=
      std::end(kReservedNames)) {
    wrong(tree, field, "'" + text + "' has a meaning of its own; choose another name");
    return std::nullopt;
  }
  saved_.insert(text);
  return text;
}

std::optional<std::int64_t> Reader::read_integer(const Tree& tree, const std::string& field,
                                                 std::int64_t least, std::int64_t most) {
  constexpr interact::Field kInteger = {"", interact::FieldType::integer, false, ""};
  const auto value = read_field(kInteger, tree, field);
  if (!value) return std::nullopt;
  const std::int64_t number = value->get_int64();
  if (number >= least && number <= most) return number;
  wrong(
      tree, field,
      std::to_string(number) + " is not in " + std::to_string(least) + ".." + std::to_string(most));
  return std::nullopt;
}

Result<json::value> ValueTemplate::render(const Names& names, const Evaluation& evaluation) const {
  if (text_) return text_->render(names, evaluation);
  if (items_) {
    json::array list;
    for (const ValueTemplate& item : *items_) {
      TRY(json::value value, item.render(names, evaluation));
      list.push_back(std::move(value));
    }
    return json::value(std::move(list));
  }
  if (members_) {
    json::object map;
    for (const auto& [name, member] : *members_) {
      TRY(json::value value, member.render(names, evaluation));
      map[name] = std::move(value);
    }
    return json::value(std::move(map));
  }
  return constant_;
}

}  // namespace troupe::workflows
