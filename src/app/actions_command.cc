// `troupe actions`: what instructions meant, as one file that people review and share. It is
// changed under a lock; services that run take the changes over.
#include <iostream>

#include "app/commands.h"
#include "app/doctor.h"
#include "app/table.h"
#include "app/text.h"
#include "base/text_file.h"
#include "interact/action_cache.h"

namespace troupe::app {
namespace {

constexpr std::size_t kImportMax = std::size_t{1} << 30;

std::string file_of(const config::Loaded& loaded) {
  return data_dir_of(loaded.settings) + "/actions.json";
}

std::string argument(const Invocation& invocation, std::size_t index) {
  return index < invocation.arguments.size() ? invocation.arguments[index] : std::string();
}

interact::ActionBook of_site(interact::ActionBook book, const std::string& site) {
  if (!site.empty())
    std::erase_if(book, [&](const auto& row) { return row.second.key.site != site; });
  return book;
}

int say(const std::string& text) {
  print(text + "\n");
  return 0;
}

std::string count_of(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " action" : " actions");
}

}  // namespace

int list_actions(const Invocation& invocation, const config::Loaded& loaded) {
  auto all = interact::read_actions(file_of(loaded));
  if (!all) return report(all.error());
  const auto book = of_site(std::move(*all), argument(invocation, 0));
  json::array rows;
  for (const auto& [key, action] : book) {
    if (wants_json(invocation.output)) {
      rows.push_back(interact::to_json(action));
      continue;
    }
    rows.push_back(json::object{{"site", action.key.site + action.key.path},
                                {"instruction", action.key.instruction},
                                {"element", action.element.selector()},
                                {"by", action.by},
                                {"uses", action.uses}});
  }
  if (wants_json(invocation.output))
    print(pretty(rows));
  else
    print_lines(render_table(table_of(rows), terminal_width(1)));
  return 0;
}

int export_actions(const Invocation& invocation, const config::Loaded& loaded) {
  auto all = interact::read_actions(file_of(loaded));
  if (!all) return report(all.error());
  const auto book = of_site(std::move(*all), argument(invocation, 1));
  const std::string file = argument(invocation, 0);
  const auto written = replace_text_file(file, pretty(interact::to_json(book)));
  if (!written) return report(written.error());
  return say(count_of(book.size()) + " written to " + file);
}

int import_actions(const Invocation& invocation, const config::Loaded& loaded) {
  const auto text = read_text_file(argument(invocation, 0), kImportMax);
  if (!text) return report(text.error());
  const auto more = interact::action_book_from(*text);
  if (!more) return report(more.error());
  const auto changed = interact::change_actions(file_of(loaded), [&](interact::ActionBook& book) {
    for (const auto& [key, action] : *more) book.insert_or_assign(key, action);
  });
  if (!changed) return report(changed.error());
  return say(count_of(more->size()) + " imported");
}

int forget_actions(const Invocation& invocation, const config::Loaded& loaded) {
  const std::string site = argument(invocation, 0);
  const std::string instruction = argument(invocation, 1);
  std::size_t gone = 0;
  const auto changed = interact::change_actions(file_of(loaded), [&](interact::ActionBook& book) {
    gone = std::erase_if(book, [&](const auto& row) {
      const interact::ActionKey& key = row.second.key;
      return (site == "all" || key.site == site) &&
             (instruction.empty() || key.instruction == instruction);
    });
  });
  if (!changed) return report(changed.error());
  return say(count_of(gone) + " forgotten");
}

}  // namespace troupe::app
