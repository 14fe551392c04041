// The commands: each takes what was asked for and gives the process's exit code.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/invocation.h"
#include "base/json.h"
#include "config/load.h"

namespace troupe::app {

int run_workflow(const Invocation& invocation, config::Loaded loaded);
int serve(const Invocation& invocation, config::Loaded loaded);
int serve_demo_site(const Invocation& invocation, config::Loaded loaded);
int remote(const Invocation& invocation);
int submit(const Invocation& invocation, const config::Loaded& loaded);
int create_schedule(const Invocation& invocation, const config::Loaded& loaded);
int list_workflows(const Invocation& invocation, const config::Loaded& loaded);
int show_workflow(const Invocation& invocation, const config::Loaded& loaded);
int validate_workflows(const Invocation& invocation);
int list_sites(const Invocation& invocation, const config::Loaded& loaded);
int show_site(const Invocation& invocation, const config::Loaded& loaded);
int show_config(const Invocation& invocation, const config::Loaded& loaded);
int list_models(const Invocation& invocation, const config::Loaded& loaded);
int check_models(const Invocation& invocation, const config::Loaded& loaded);
int list_actions(const Invocation& invocation, const config::Loaded& loaded);
int export_actions(const Invocation& invocation, const config::Loaded& loaded);
int import_actions(const Invocation& invocation, const config::Loaded& loaded);
int forget_actions(const Invocation& invocation, const config::Loaded& loaded);
int show_stagehand(const Invocation& invocation, const config::Loaded& loaded);
int install_stagehand(const Invocation& invocation, const config::Loaded& loaded);
int check_database(const Invocation& invocation, const config::Loaded& loaded);
int back_up_database(const Invocation& invocation, const config::Loaded& loaded);
int migrate_database(const Invocation& invocation, const config::Loaded& loaded);
int doctor(const Invocation& invocation, const config::Loaded& loaded);
int show_version(const Invocation& invocation);
int print_completion(const Invocation& invocation);
int write_docs(const Invocation& invocation);

/// `troupe: message (source): hint` on standard error; the exit code of the error.
int report(const Error& error);
/// Writes to standard output. A reader that is gone (EPIPE) is no error: the rest is dropped.
void print(std::string_view text);
void print_lines(const std::vector<std::string>& lines);
/// Whether data goes out as JSON: asked for, or standard output is no terminal.
bool wants_json(Output output);

}  // namespace troupe::app
