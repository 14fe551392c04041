// `troupe db check|backup|migrate`: the file of the SQLite backend, without a service.
#include "app/commands.h"
#include "engine/places.h"
#include "tasks/sqlite_schema.h"

namespace troupe::app {
namespace {

std::string size_text(std::int64_t bytes) {
  constexpr std::int64_t kMiB = 1 << 20;
  if (bytes >= 10 * kMiB) return std::to_string(bytes / kMiB) + " MiB";
  return std::to_string((bytes + 1023) / 1024) + " KiB";
}

// One line for people, one object for programs.
int answer(const Invocation& invocation, const std::string& text, const json::object& object) {
  print(wants_json(invocation.output) ? pretty(object) : text);
  return 0;
}

}  // namespace

int check_database(const Invocation& invocation, const config::Loaded& loaded) {
  const std::string file = engine::database_file(loaded.settings);
  const auto checked = tasks::check_database(file);
  if (!checked) return report(checked.error());
  const bool sound = checked->problems.empty();
  json::object object{{"file", file},
                      {"sound", sound},
                      {"schema", checked->schema},
                      {"newest_schema", tasks::newest_schema()},
                      {"bytes", checked->bytes},
                      {"open_tasks", checked->open},
                      {"ended_tasks", checked->ended},
                      {"documents", checked->documents}};
  object["problems"] = json::array(checked->problems.begin(), checked->problems.end());
  std::string text = file + ": " + (sound ? "sound" : "DAMAGED") + ", schema " +
                     std::to_string(checked->schema) + ", " + size_text(checked->bytes) + ", " +
                     std::to_string(checked->open) + " open and " + std::to_string(checked->ended) +
                     " ended tasks\n";
  for (const std::string& problem : checked->problems) text += "  " + problem + "\n";
  if (!sound) text += "Restore a backup, or keep the file and ask for help with it.\n";
  answer(invocation, text, object);
  return sound ? 0 : traits(Errc::storage_failed).exit_code;
}

int back_up_database(const Invocation& invocation, const config::Loaded& loaded) {
  const std::string file = engine::database_file(loaded.settings);
  const std::string& copy = invocation.arguments.at(0);
  const auto bytes = tasks::back_up_database(file, copy);
  if (!bytes) return report(bytes.error());
  return answer(invocation, copy + ": " + size_text(*bytes) + ", copied from " + file + "\n",
                {{"file", file}, {"backup", copy}, {"bytes", *bytes}});
}

int migrate_database(const Invocation& invocation, const config::Loaded& loaded) {
  const std::string file = engine::database_file(loaded.settings);
  const auto migrated = tasks::migrate_file(file);
  if (!migrated) return report(migrated.error());
  const bool moved = migrated->from != migrated->to;
  const std::string to = std::to_string(migrated->to);
  const std::string text =
      moved ? ": schema " + std::to_string(migrated->from) + " brought to " + to + "\n"
            : ": schema " + to + " already, nothing to do\n";
  return answer(invocation, file + text,
                {{"file", file}, {"from", migrated->from}, {"to", migrated->to}});
}

}  // namespace troupe::app
