// The command line program: parse, load the settings, do it.
#include <csignal>
#include <functional>
#include <iostream>
#include <map>

#include "app/commands.h"

namespace troupe::app {
namespace {

using Command = std::function<int(const Invocation&, const config::Loaded&)>;

template <class Function>
Command without_settings(Function function) {
  return [function](const Invocation& invocation, const config::Loaded&) {
    return function(invocation);
  };
}

const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> table = {
      {"run", run_workflow},
      {"serve", serve},
      {"demo-site", serve_demo_site},
      {"sessions list", without_settings(remote)},
      {"sessions top", without_settings(remote)},
      {"sessions show", without_settings(remote)},
      {"sessions release", without_settings(remote)},
      {"runs list", without_settings(remote)},
      {"runs show", without_settings(remote)},
      {"runs cancel", without_settings(remote)},
      {"runs replay", without_settings(remote)},
      {"submit", submit},
      {"tasks list", without_settings(remote)},
      {"tasks show", without_settings(remote)},
      {"tasks journal", without_settings(remote)},
      {"tasks cancel", without_settings(remote)},
      {"tasks replay", without_settings(remote)},
      {"tasks purge", without_settings(remote)},
      {"queue show", without_settings(remote)},
      {"queue pause", without_settings(remote)},
      {"queue resume", without_settings(remote)},
      {"schedules create", create_schedule},
      {"schedules list", without_settings(remote)},
      {"schedules show", without_settings(remote)},
      {"schedules pause", without_settings(remote)},
      {"schedules resume", without_settings(remote)},
      {"schedules trigger", without_settings(remote)},
      {"schedules delete", without_settings(remote)},
      {"webhooks create", without_settings(remote)},
      {"webhooks list", without_settings(remote)},
      {"webhooks show", without_settings(remote)},
      {"webhooks test", without_settings(remote)},
      {"webhooks rotate", without_settings(remote)},
      {"webhooks delete", without_settings(remote)},
      {"webhooks deliveries", without_settings(remote)},
      {"webhooks redeliver", without_settings(remote)},
      {"workflow list", list_workflows},
      {"workflow show", show_workflow},
      {"workflow validate", without_settings(validate_workflows)},
      {"sites list", list_sites},
      {"sites show", show_site},
      {"config show", show_config},
      {"models list", list_models},
      {"models check", check_models},
      {"actions list", list_actions},
      {"actions export", export_actions},
      {"actions import", import_actions},
      {"actions forget", forget_actions},
      {"stagehand status", show_stagehand},
      {"stagehand install", install_stagehand},
      {"db check", check_database},
      {"db backup", back_up_database},
      {"db migrate", migrate_database},
      {"doctor", doctor},
      {"version", without_settings(show_version)},
      {"completion", without_settings(print_completion)},
      {"docs", without_settings(write_docs)},
  };
  return table;
}

int execute(const Invocation& invocation) {
  const auto loaded = config::load({.file = invocation.config_file,
                                    .environment = config::process_environment(),
                                    .flags = invocation.settings});
  if (!loaded) return report(loaded.error());
  for (const auto& warning : loaded->warnings) std::cerr << "troupe: warning: " << warning << "\n";
  return commands().at(invocation.command)(invocation, *loaded);
}

}  // namespace
}  // namespace troupe::app

int main(int argc, char** argv) {
  // A reader that went away is seen as EPIPE by whoever writes.
  std::signal(SIGPIPE, SIG_IGN);
  const auto parsed = troupe::app::parse_command_line(argc, argv);
  return parsed.exit_code ? *parsed.exit_code : troupe::app::execute(parsed.invocation);
}
