// `troupe workflow …` and `troupe sites …`: what there is to run, and whether files are right.
#include <iostream>

#include "app/commands.h"
#include "app/table.h"
#include "app/text.h"
#include "workflows/catalogue.h"
#include "workflows/definition.h"
#include "workflows/items.h"

namespace troupe::app {
namespace {

constexpr std::size_t kFileBytesMax = 4 << 20;

workflows::Catalogue catalogue_of(const config::Loaded& loaded) {
  return {loaded.settings.workflow_dirs, loaded.settings.site_dirs};
}

int show_list(const Invocation& invocation, const json::array& rows) {
  if (wants_json(invocation.output))
    print(pretty(rows));
  else
    print_lines(render_table(table_of(rows), terminal_width(1)));
  return 0;
}

void add_steps(const std::vector<workflows::Step>& steps, const std::string& indent,
               json::array& out) {
  for (const auto& step : steps) {
    out.push_back({{"step", indent + step.id}, {"kind", step.kind}, {"name", step.name}});
    for (const auto& body : step.bodies) add_steps(body, indent + "  ", out);
  }
}

json::object describe(const workflows::Definition& definition) {
  json::object out{{"name", definition.name},
                   {"version", definition.version},
                   {"description", definition.description},
                   {"file", definition.file}};
  auto& inputs = out["inputs"].emplace_array();
  for (const auto& input : definition.inputs) {
    json::object row{
        {"name", input.name}, {"type", to_string(input.type)}, {"required", input.required}};
    row["default"] = input.default_value.value_or(nullptr);
    row["description"] = input.description;
    inputs.push_back(std::move(row));
  }
  add_steps(definition.steps, "", out["steps"].emplace_array());
  return out;
}

}  // namespace

int list_workflows(const Invocation& invocation, const config::Loaded& loaded) {
  json::array rows;
  for (const auto& row : catalogue_of(loaded).list_workflows())
    rows.push_back({{"name", row.name},
                    {"version", row.version},
                    {"description", row.description},
                    {"origin", row.origin}});
  return show_list(invocation, rows);
}

int show_workflow(const Invocation& invocation, const config::Loaded& loaded) {
  const auto definition = catalogue_of(loaded).workflow(invocation.arguments.at(0));
  if (!definition) return report(definition.error());
  const json::object text = describe(**definition);
  if (wants_json(invocation.output)) {
    print(pretty(text));
    return 0;
  }
  print((*definition)->name + " version " + std::to_string((*definition)->version) + ": " +
        one_line((*definition)->description) + "\n");
  for (const char* part : {"inputs", "steps"}) {
    print("\n" + std::string(part) + "\n");
    print_lines(render_table(table_of(text.at(part).as_array()), terminal_width(1)));
  }
  return 0;
}

int validate_workflows(const Invocation& invocation) {
  json::array rows;
  int code = 0;
  std::string human;
  for (const auto& path : invocation.arguments) {
    json::object row{{"file", path}};
    auto& mistakes = row["mistakes"].emplace_array();
    const auto text = workflows::read_text_file(path, kFileBytesMax);
    if (!text) {
      mistakes.push_back({{"message", text.error().message}});
      human += text.error().describe() + "\n";
    } else {
      for (const auto& mistake : workflows::check_definition(*text, path).mistakes) {
        mistakes.push_back({{"line", mistake.line},
                            {"column", mistake.column},
                            {"field", mistake.field},
                            {"message", mistake.message}});
        human += mistake.describe() + "\n";
      }
    }
    const bool valid = mistakes.empty();
    if (valid) human += path + ": valid\n";
    if (!valid) code = traits(Errc::invalid_argument).exit_code;
    row["valid"] = valid;
    rows.push_back(std::move(row));
  }
  print(invocation.output == Output::json ? pretty(rows) : human);
  return code;
}

int list_sites(const Invocation& invocation, const config::Loaded& loaded) {
  json::array rows;
  for (const auto& site : catalogue_of(loaded).list_sites()) {
    json::object row{
        {"name", site.name}, {"description", site.description}, {"origin", site.origin}};
    row["base_url"] = find_string(site.profile, "base_url").value_or("");
    rows.push_back(std::move(row));
  }
  return show_list(invocation, rows);
}

int show_site(const Invocation& invocation, const config::Loaded& loaded) {
  const auto site = catalogue_of(loaded).site(invocation.arguments.at(0));
  if (!site) return report(site.error());
  print(pretty(site->profile));
  return 0;
}

}  // namespace troupe::app
