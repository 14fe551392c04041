// What the command line asked for: plain data, filled by cli.cc, read by the commands.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace troupe::app {

/// How a command that gives data writes it.
enum class Output {
  automatic,  ///< For people on a terminal, JSON otherwise.
  human,
  json,
  json_lines,
};

struct RunOptions {
  std::string workflow;
  std::string site;
  std::string base_url;  ///< Overrides the site's.
  int sessions = 1;
  std::vector<std::string> inputs;  ///< `name=value`
  std::string inputs_file;
  std::string items_file;
  std::string isolation;
  std::string timeout;
  std::string task_timeout;
  std::optional<int> attempts;
  std::string output_file;
  bool quiet = false;
  std::vector<std::string> workflow_dirs;
  std::string strategy;
  std::optional<int> priority;
  std::string run_at;
  std::string deadline;
  std::string idempotency_key;
  std::string concurrency_key;
  std::optional<int> concurrency_limit;
  std::vector<std::string> depends_on;
  std::vector<std::string> labels;  ///< `name=value`
  bool wait = false;                ///< Of submit: for its end.
};

struct ScheduleOptions {
  std::string name;
  std::string cron;
  std::string timezone;
  std::string every;
  std::string jitter;
  std::string overlap;
  std::string catch_up;
  std::string start_at;
  std::string end_at;
};

struct Invocation {
  std::string command;  ///< `run`, `sessions list`, …
  std::string config_file;
  std::vector<std::pair<std::string, std::string>> settings;  ///< Setting name, value.
  Output output = Output::automatic;

  RunOptions run;
  ScheduleOptions schedule;
  std::vector<std::string> events;  ///< Of webhooks create.
  std::string demo_host = "127.0.0.1";
  int demo_port = 8090;
  std::string url;  ///< Of a running service.
  std::string api_key;
  std::string state;                   ///< Of tasks list.
  std::string run_id;                  ///< Of tasks list.
  bool dead = false;                   ///< Of tasks list.
  std::string before;                  ///< Of tasks purge.
  bool all = false;                    ///< Ended sessions too.
  bool origin = false;                 ///< Of config show.
  std::vector<std::string> arguments;  ///< Names, ids, files, a shell, a folder.
};

/// One option as help, completion and the reference show it.
struct OptionInfo {
  std::vector<std::string> names;  ///< `--site`, `-s`; empty: an argument by place.
  std::string value;               ///< Name of its value; empty: a flag.
  std::string help;
  std::string default_text;
  std::vector<std::string> choices;
  bool required = false;
  bool repeated = false;
  bool is_setting = false;
  bool is_file = false;
};

/// The tree of commands.
struct CommandInfo {
  std::string name;
  std::string help;
  std::vector<OptionInfo> options;
  std::vector<CommandInfo> commands;
  bool hidden = false;
};

struct Parsed {
  Invocation invocation;
  std::optional<int> exit_code;  ///< Help was shown, or the input was wrong and said so.
};
Parsed parse_command_line(int argc, const char* const* argv);
CommandInfo command_tree();
/// Text of `troupe --help` and of every command's, for docs/reference/cli.md.
std::vector<std::pair<std::string, std::string>> help_texts();

}  // namespace troupe::app
