// The command line's grammar. The only file that knows CLI11.
#include <CLI/CLI.hpp>
#include <iostream>

#include "app/invocation.h"
#include "base/suggest.h"
#include "config/fields.h"

namespace troupe::app {
namespace {

constexpr const char* kFooter =
    R"(Every setting is an option of every command too, and a variable, and a line of
troupe.toml: --sessions-max 10, TROUPE_SESSIONS_MAX=10, sessions_max = 10
(`troupe config show --origin` lists all of them and where their values come from).

Exit codes: 0 all succeeded, 1 failed, 2 wrong input, 3 partly failed,
4 environment (no browser, data folder), 5 timeout, 6 busy, 70 bug, 130 interrupted.)";

constexpr const char* kSettingsGroup = "";  // not in --help: there are many

struct Grammar {
  explicit Grammar(Invocation& target) : into(target) {
    root.name("troupe");
    root.footer(kFooter);
    root.require_subcommand(1);
    root.fallthrough();
    root.set_help_all_flag("--help-all", "Help of all commands");
    root.set_version_flag("--version", "troupe " TROUPE_VERSION);
    root.add_option("--config", into.config_file, "Configuration file (TOML)")->type_name("FILE");
    for (const config::Field& field : config::fields()) add_setting(field);
    add_run();
    add_services();
    add_remote();
    add_catalogue();
    add_database();
    add_rest();
  }

  void add_setting(const config::Field& field) {
    const std::string name(field.name);
    auto* option = root.add_option_function<std::string>(
        config::flag_name(field),
        [this, name](const std::string& value) { into.settings.emplace_back(name, value); },
        std::string(field.help));
    option->group(kSettingsGroup)
        ->type_name(std::string(config::type_of(field)))
        ->trigger_on_parse();
  }

  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& help,
                    const std::string& path) {
    auto* app = parent.add_subcommand(name, help);
    app->callback([this, path] { into.command = path; });
    return app;
  }
  CLI::App* group(const std::string& name, const std::string& help) {
    auto* app = root.add_subcommand(name, help);
    app->require_subcommand(1);
    return app;
  }

  void add_output(CLI::App& app, bool lines = false) {
    app.add_flag_callback("--json", [this] { into.output = Output::json; }, "Write JSON");
    if (lines)
      app.add_flag_callback(
          "--jsonl", [this] { into.output = Output::json_lines; },
          "Write one line of JSON per task (default when the output is no "
          "terminal)");
    app.add_flag_callback(
        "--human", [this] { into.output = Output::human; },
        "Write tables, also when the output is no terminal");
  }

  // What `run` and `submit` have in common.
  void add_request(CLI::App* app) {
    RunOptions& run = into.run;
    app->add_option("workflow", run.workflow, "Name of a workflow, or its file")
        ->required()
        ->type_name("WORKFLOW");
    app->add_option("-s,--site", run.site, "Site profile: a name, or its file")->type_name("SITE");
    app->add_option("--base-url", run.base_url, "Address of the site instead of its profile's")
        ->type_name("URL");
    app->add_option("-n,--sessions", run.sessions, "Parallel sessions")
        ->type_name("N")
        ->capture_default_str();
    app->add_option("-i,--input", run.inputs, "Input of the workflow; may be repeated")
        ->type_name("NAME=VALUE")
        ->take_all()
        ->allow_extra_args(false);
    app->add_option("--inputs", run.inputs_file, "Inputs from a file with a JSON object")
        ->type_name("FILE");
    app->add_option("--items", run.items_file,
                    "One task per item of a .csv, .jsonl or .json file, spread over the sessions")
        ->type_name("FILE");
    app->add_option("--isolation", run.isolation, "How separate the sessions are")
        ->type_name("KIND")
        ->check(CLI::IsMember({"context", "reuse", "process"}));
    app->add_option("--timeout", run.timeout, "Longest time of the whole run")->type_name("TIME");
    app->add_option("--task-timeout", run.task_timeout, "Longest time of one attempt of a task")
        ->type_name("TIME");
    app->add_option("--attempts", run.attempts, "Attempts per task at most")->type_name("N");
    app->add_option("--strategy", run.strategy, "How the tasks share the sessions")
        ->type_name("KIND")
        ->check(CLI::IsMember({"parallel", "sequential", "race"}));
    app->add_option("--priority", run.priority, "-9 to 9; a step overtakes work a minute older")
        ->type_name("N");
    app->add_option("--deadline", run.deadline, "Tasks that are not done by then fail")
        ->type_name("RFC3339");
    app->add_option("--concurrency-key", run.concurrency_key,
                    "Tasks with the same key share a limit")
        ->type_name("KEY");
    app->add_option("--concurrency-limit", run.concurrency_limit, "That limit; 1 unless given")
        ->type_name("N");
    app->add_option("--label", run.labels, "Label for lists; may be repeated")
        ->type_name("NAME=VALUE")
        ->take_all()
        ->allow_extra_args(false);
  }

  void add_run() {
    auto* app = command(root, "run", "Run a workflow on parallel browser sessions", "run");
    RunOptions& run = into.run;
    add_request(app);
    app->add_flag_callback(
        "--ephemeral", [this] { into.settings.emplace_back("backend", "memory"); },
        "Keep nothing of it: a killed run cannot go on");
    app->add_option("--workflow-dir", run.workflow_dirs, "Further folder with workflows")
        ->type_name("DIR")
        ->take_all()
        ->allow_extra_args(false);
    app->add_option("-o,--output", run.output_file, "Write the results to a .json or .jsonl file")
        ->type_name("FILE");
    app->add_flag("-q,--quiet", run.quiet, "No progress on standard error");
    add_output(*app, true);
    app->footer(
        "Times are 500ms, 30s, 5m, 2h, or seconds. `--site demo` starts the demo site on this\n"
        "machine. Ctrl-C lets running tasks end, a second Ctrl-C aborts them.");
  }

  void add_services() {
    auto* serve = command(root, "serve", "Serve the REST API", "serve");
    serve->footer("Address: --host and --port (default 127.0.0.1:8000).");
    auto* demo = command(root, "demo-site", "Serve the demo site that workflows can be tried on",
                         "demo-site");
    demo->add_option("--port", into.demo_port, "Port; 0 takes any free one")
        ->type_name("PORT")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();
    demo->add_option("--host", into.demo_host, "Address to listen on")
        ->type_name("HOST")
        ->capture_default_str();
  }

  void add_client_options(CLI::App& app) {
    app.add_option("--url", into.url, "Address of the service")
        ->type_name("URL")
        ->envname("TROUPE_URL")
        ->default_val("http://127.0.0.1:8000");
    app.add_option("--api-key", into.api_key, "Key of the service")
        ->type_name("KEY")
        ->envname("TROUPE_API_KEY");
    add_output(app);
  }
  CLI::App* remote(CLI::App& parent, const std::string& noun, const std::string& verb,
                   const std::string& help, bool takes_id) {
    auto* app = command(parent, verb, help, noun + " " + verb);
    if (takes_id) app->add_option("id", into.arguments, "Its id")->required()->type_name("ID");
    add_client_options(*app);
    return app;
  }

  void add_submit() {
    auto* app = command(root, "submit", "Give a run to a running service", "submit");
    RunOptions& run = into.run;
    add_request(app);
    app->add_option("--run-at", run.run_at, "Not begun earlier")->type_name("RFC3339");
    app->add_option("--idempotency-key", run.idempotency_key,
                    "The same key again gives the same run")
        ->type_name("KEY");
    app->add_option("--depends-on", run.depends_on, "Task that must have succeeded first")
        ->type_name("TASK")
        ->take_all()
        ->allow_extra_args(false);
    app->add_flag("--wait", run.wait, "Wait for its end");
    add_client_options(*app);
  }

  void add_tasks() {
    auto* tasks = group("tasks", "Tasks of a running service");
    auto* list = remote(*tasks, "tasks", "list", "List tasks, oldest first", false);
    list->add_option("--state", into.state, "Only in this state")
        ->type_name("STATE")
        ->check(CLI::IsMember(
            {"blocked", "scheduled", "queued", "running", "succeeded", "failed", "cancelled"}));
    list->add_option("--run", into.run_id, "Only of this run")->type_name("ID");
    list->add_flag("--dead", into.dead, "Only dead letters");
    remote(*tasks, "tasks", "show", "Show one task", true);
    remote(*tasks, "tasks", "journal", "Show the steps that a task has finished", true);
    remote(*tasks, "tasks", "cancel", "End a task", true);
    remote(*tasks, "tasks", "replay", "Begin a failed or cancelled task anew", true);
    remote(*tasks, "tasks", "purge", "Delete ended tasks", false)
        ->add_option("--before", into.before, "Only those that ended before")
        ->type_name("RFC3339")
        ->required();
    auto* queue = group("queue", "The queue of a running service");
    remote(*queue, "queue", "show", "How many tasks are in which state", false);
    remote(*queue, "queue", "pause", "Begin no further task", false);
    remote(*queue, "queue", "resume", "Let it go on", false);
  }

  void add_remote() {
    auto* sessions = group("sessions", "Sessions of a running service");
    remote(*sessions, "sessions", "list", "List active sessions", false)
        ->add_flag("--all", into.all, "Ended ones too");
    remote(*sessions, "sessions", "top",
           "Show what active sessions use: memory, processor, age, owner", false);
    remote(*sessions, "sessions", "show", "Show one session", true);
    remote(*sessions, "sessions", "release", "End a session", true);
    auto* runs = group("runs", "Runs of a running service");
    remote(*runs, "runs", "list", "List runs, newest first", false);
    remote(*runs, "runs", "show", "Show one run with its tasks", true);
    remote(*runs, "runs", "cancel", "Stop a run", true);
    remote(*runs, "runs", "replay", "Begin the failed and cancelled tasks of a run anew", true);
    add_submit();
    add_tasks();
    add_schedules();
    add_webhooks();
  }

  void add_schedules() {
    auto* schedules = group("schedules", "Runs that a running service starts again and again");
    auto* create =
        command(*schedules, "create", "Start a workflow by cron or interval", "schedules create");
    add_request(create);
    ScheduleOptions& schedule = into.schedule;
    const auto text = [create](const char* name, std::string& target, const char* type,
                               const char* help) {
      return create->add_option(name, target, help)->type_name(type);
    };
    text("--cron", schedule.cron, "CRON", "Times, such as \"30 6 * * MON-FRI\", or @daily");
    text("--timezone", schedule.timezone, "ZONE", "Zone of --cron; UTC unless given");
    text("--every", schedule.every, "TIME", "An interval in place of --cron");
    text("--jitter", schedule.jitter, "TIME", "Each turn comes up to this much later");
    text("--overlap", schedule.overlap, "KIND", "When the run before still goes on")
        ->check(CLI::IsMember({"skip", "queue", "cancel_previous", "allow"}));
    text("--catch-up", schedule.catch_up, "KIND", "Turns that the service was not there for")
        ->check(CLI::IsMember({"none", "one", "all"}));
    text("--name", schedule.name, "TEXT", "Name for people");
    text("--start-at", schedule.start_at, "RFC3339", "No turns before");
    text("--end-at", schedule.end_at, "RFC3339", "No turns after");
    add_client_options(*create);
    remote(*schedules, "schedules", "list", "List schedules", false);
    remote(*schedules, "schedules", "show", "Show one schedule with its last turns", true);
    remote(*schedules, "schedules", "pause", "Start nothing any more", true);
    remote(*schedules, "schedules", "resume", "Let it go on", true);
    remote(*schedules, "schedules", "trigger", "Start its run now", true);
    remote(*schedules, "schedules", "delete", "Delete a schedule", true);
  }

  void add_webhooks() {
    auto* webhooks = group("webhooks", "Who a running service tells of the end of runs");
    auto* create =
        command(*webhooks, "create", "Tell an address; shows its secret, once", "webhooks create");
    create->add_option("address", into.arguments, "Where events are sent")
        ->required()
        ->type_name("ADDRESS");
    create->add_option("--event", into.events, "Only this event; may be repeated")
        ->type_name("EVENT")
        ->take_all()
        ->allow_extra_args(false);
    add_client_options(*create);
    remote(*webhooks, "webhooks", "list", "List who is told", false);
    remote(*webhooks, "webhooks", "show", "Show one of them", true);
    remote(*webhooks, "webhooks", "test", "Send a test now", true);
    remote(*webhooks, "webhooks", "rotate", "Make a new secret and show it, once", true);
    remote(*webhooks, "webhooks", "delete", "Send nothing there any more", true);
    remote(*webhooks, "webhooks", "deliveries", "List what was sent, or is to be", false);
    remote(*webhooks, "webhooks", "redeliver", "Send a delivery again", true);
  }

  void add_catalogue() {
    auto* workflow = group("workflow", "Workflows that are there");
    add_output(*command(*workflow, "list", "List workflows", "workflow list"));
    auto* show = command(*workflow, "show", "Show inputs and steps of a workflow", "workflow show");
    show->add_option("name", into.arguments, "Name, or file")->required()->type_name("WORKFLOW");
    add_output(*show);
    auto* validate = command(*workflow, "validate", "Check workflow files", "workflow validate");
    validate->add_option("files", into.arguments, "Files")->required()->type_name("FILE");
    add_output(*validate);
    auto* sites = group("sites", "Site profiles that are there");
    add_output(*command(*sites, "list", "List site profiles", "sites list"));
    auto* site = command(*sites, "show", "Show a site profile", "sites show");
    site->add_option("name", into.arguments, "Name, or file")->required()->type_name("SITE");
    add_output(*site);
  }

  // These open the file itself: no service is asked.
  void add_database() {
    auto* database = group("db", "The file with the tasks (backend sqlite)");
    add_output(
        *command(*database, "check", "Look for damage; a service may go on meanwhile", "db check"));
    auto* backup =
        command(*database, "backup", "Copy it, also while a service uses it", "db backup");
    backup->add_option("file", into.arguments, "The copy; must not exist")
        ->required()
        ->type_name("FILE");
    add_output(*backup);
    add_output(*command(*database, "migrate",
                        "Bring it to this release's schema, as a service does when it starts",
                        "db migrate"));
  }

  void add_actions() {
    auto* actions = group("actions", "What instructions of `act` meant, and is found again");
    auto* list = command(*actions, "list", "List them", "actions list");
    list->add_option("site", into.arguments,
                     "Only those of this site, for example https://a.example")
        ->type_name("SITE");
    add_output(*list);
    auto* out = command(*actions, "export", "Write them to a file that others can import",
                        "actions export");
    out->add_option("file", into.arguments, "The file; then a site, to take only that one's")
        ->required()
        ->type_name("FILE")
        ->expected(1, 2);
    auto* in = command(*actions, "import",
                       "Add those of a file; a service that runs has them after a few seconds",
                       "actions import");
    in->add_option("file", into.arguments, "What `actions export` wrote")
        ->required()
        ->type_name("FILE");
    auto* forget = command(*actions, "forget", "Forget those of a site, and of one instruction",
                           "actions forget");
    forget
        ->add_option("site", into.arguments,
                     "The site, or `all`; then the instruction, as `actions list` shows it")
        ->required()
        ->type_name("SITE")
        ->expected(1, 2);
  }

  void add_rest() {
    auto* config = group("config", "Settings");
    auto* show = command(*config, "show", "Show all settings", "config show");
    show->add_flag("--origin", into.origin, "Where each value comes from");
    add_output(*show);
    auto* models = group("models", "Language models that are configured");
    add_output(*command(*models, "list", "List them in the order they are asked", "models list"));
    add_output(*command(*models, "check", "Ask each of them one short question", "models check"));
    add_actions();
    auto* stagehand = group("stagehand", "The extension of the interactor stagehand");
    add_output(*command(*stagehand, "status", "Show which one is used", "stagehand status"));
    auto* install =
        command(*stagehand, "install", "Fetch it through npm, or take it from its archive, checked",
                "stagehand install");
    install->add_option("archive", into.arguments, "What `npm pack` wrote; nothing is fetched")
        ->type_name("ARCHIVE");
    add_output(*install);
    add_output(*command(root, "doctor", "Check that this machine can run browsers", "doctor"));
    add_output(*command(root, "version", "Show versions", "version"));
    auto* completion = command(root, "completion", "Print a completion script", "completion");
    completion->add_option("shell", into.arguments, "Shell")
        ->required()
        ->type_name("SHELL")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    completion->footer("bash: source <(troupe completion bash)");
    auto* docs = command(root, "docs", "Write the generated reference into a folder", "docs");
    docs->add_option("folder", into.arguments, "Folder")->required()->type_name("DIR");
    docs->group("");
  }

  Invocation& into;
  CLI::App root{"Runs workflows on many browser sessions at once: as a command, as a service."};
};

// The command that the mistake belongs to: the deepest one that was named.
const CLI::App& deepest(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app : deepest(*named.front());
}

std::string full_name(const CLI::App& app) {
  const auto* parent = app.get_parent();
  return parent ? full_name(*parent) + " " + app.get_name() : app.get_name();
}

void collect_names(const CLI::App& app, std::vector<std::string>& names) {
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  for (const auto* inner : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(inner->get_name());
  if (app.get_parent()) collect_names(*app.get_parent(), names);
}

int refuse(const Grammar& grammar, const CLI::ParseError& error) {
  const CLI::App& where = deepest(grammar.root);
  const auto unknown_words = grammar.root.remaining(true);
  const bool unknown_command =
      error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) &&
      where.get_require_subcommand_min() > 0 && !unknown_words.empty();
  if (unknown_command)
    std::cerr << "troupe: there is no command \"" << unknown_words.front() << "\"\n";
  else
    std::cerr << "troupe: " << error.what() << "\n";
  std::vector<std::string> names;
  collect_names(where, names);
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const auto& unknown : unknown_words) {
    const auto best = nearest(unknown.substr(0, unknown.find('=')), known);
    if (!best.empty()) std::cerr << "did you mean " << best << "?\n";
  }
  std::cerr << "see `" << full_name(where) << " --help`\n";
  return traits(Errc::invalid_argument).exit_code;
}

OptionInfo info_of(const CLI::Option& option) {
  OptionInfo info;
  for (const auto& name : option.get_lnames()) info.names.push_back("--" + name);
  for (const auto& name : option.get_snames()) info.names.push_back("-" + name);
  if (option.get_type_size() != 0) info.value = option.get_type_name();
  info.help = option.get_description();
  info.default_text = option.get_default_str();
  info.required = option.get_required();
  info.repeated = option.get_items_expected_max() > 1;
  info.is_file = info.value.starts_with("FILE") || info.value.starts_with("DIR") ||
                 info.value.starts_with("WORKFLOW");
  // CLI11 appends the members of IsMember to the type: KIND:{a,b}.
  if (const auto open = info.value.find(":{"); open != std::string::npos) {
    std::string members = info.value.substr(open + 2, info.value.size() - open - 3);
    info.value.resize(open);
    for (auto& member : CLI::detail::split(members, ',')) info.choices.push_back(member);
  }
  if (const auto extra = info.value.find(':'); extra != std::string::npos) info.value.resize(extra);
  const std::string name = option.get_lnames().empty() ? "" : option.get_lnames().front();
  std::string setting = name;
  std::replace(setting.begin(), setting.end(), '-', '_');
  const auto* field = option.get_group().empty() ? config::find_field(setting) : nullptr;
  info.is_setting = field != nullptr;
  if (field && !field->choices.empty())
    info.choices = CLI::detail::split(std::string(field->choices), '|');
  return info;
}

CommandInfo info_of(const CLI::App& app) {
  CommandInfo info{.name = app.get_name(), .help = app.get_description()};
  info.hidden = app.get_group().empty();
  for (const auto* option : app.get_options()) info.options.push_back(info_of(*option));
  for (const auto* inner : app.get_subcommands([](const CLI::App*) { return true; }))
    info.commands.push_back(info_of(*inner));
  return info;
}

void collect_help(const CLI::App& app, std::vector<std::pair<std::string, std::string>>& texts) {
  if (app.get_group().empty()) return;
  const std::string name = full_name(app);
  texts.emplace_back(name, app.help(app.get_parent() ? full_name(*app.get_parent()) : ""));
  for (const auto* inner : app.get_subcommands([](const CLI::App*) { return true; }))
    collect_help(*inner, texts);
}

}  // namespace

Parsed parse_command_line(int argc, const char* const* argv) {
  Parsed parsed;
  Grammar grammar(parsed.invocation);
  try {
    grammar.root.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    parsed.exit_code = grammar.root.exit(success);
  } catch (const CLI::ParseError& error) {
    parsed.exit_code = refuse(grammar, error);
  }
  return parsed;
}

CommandInfo command_tree() {
  Invocation unused;
  return info_of(Grammar(unused).root);
}

std::vector<std::pair<std::string, std::string>> help_texts() {
  Invocation unused;
  const Grammar grammar(unused);
  std::vector<std::pair<std::string, std::string>> texts;
  collect_help(grammar.root, texts);
  return texts;
}

}  // namespace troupe::app
