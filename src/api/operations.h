// Operations: one row each gives the route, the body's check and the OpenAPI entry. A new operation
// is one row in operations.cc and one handler.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/service.h"
#include "net/http_server.h"
#include "net/multipart.h"

namespace troupe::api {

/// What a handler is given. Lives until the response is made; a stream copies what it needs.
struct Call {
  const Services& services;
  const net::HttpRequest& request;
  std::vector<std::string> path_values;  ///< In the template's order, decoded.
  json::object body;                     ///< Checked against the row's fields; {} without a body.
  std::string_view trace_id;
  const CancelSource& stopping;  ///< Cancelled when the server stops: ends streams.
};

/// `open`: served to everybody, also on a listener without keys. `key`: see AccessRules.
enum class Access { open, key };

/// One query parameter; only for the document.
struct QueryParameter {
  std::string_view name;
  std::string_view type;
  std::string_view help;
};

using Handler = Async<net::HttpResponse> (*)(Context&, const Call&);

struct Operation {
  std::string_view method;
  std::string_view path;  ///< `/v1/runs/{id}`
  std::string_view id;    ///< operationId
  std::string_view summary;
  Access access = Access::key;
  int success = 200;
  std::string_view response;  ///< Name in assets/api/schemas.json.
  std::string_view response_type = "application/json";
  Handler handler = nullptr;
  std::span<const Field> body = {};
  Unknown unknown = Unknown::refused;
  std::span<const QueryParameter> query = {};
  bool upload = false;  ///< The body is a form with the part `file`.
};

/// The rows of the Browserbase API beyond sessions.
std::vector<Operation> browserbase_operations();
/// The rows of schedules and webhooks.
std::vector<Operation> automation_operations();
/// Every row, in the document's order.
std::span<const Operation> operations();

/// 200 (or `status`) with JSON.
net::HttpResponse json_response(const json::value& value, int status = 200);
/// The error as its problem; on /v1/sessions as application/json (Browserbase's clients expect
/// that).
net::HttpResponse problem_response(const Error& error, std::string_view path,
                                   std::string_view trace_id, int status = 0);
/// The part `file` of a form; it refers to the request. Errors: invalid_argument.
Result<net::FormPart> uploaded_file(const net::HttpRequest& request);
/// Whether the contract of the Browserbase API has it: its clients expect plain JSON errors.
bool is_browserbase_path(std::string_view path);
/// A whole number of the query, or `otherwise`. Errors: invalid_argument.
Result<std::int64_t> query_number(const net::HttpRequest& request, std::string_view name,
                                  std::int64_t low, std::int64_t high, std::int64_t otherwise);
/// `?name`, `?name=true`, `?name=1`.
bool query_flag(const net::HttpRequest& request, std::string_view name);
/// Names of workflows and sites; anything that could be a path is refused.
Result<void> check_name(std::string_view what, std::string_view name);

// Handlers, by noun.
Async<net::HttpResponse> health(Context& ctx, const Call& call);
Async<net::HttpResponse> alive(Context& ctx, const Call& call);
Async<net::HttpResponse> ready(Context& ctx, const Call& call);
Async<net::HttpResponse> version(Context& ctx, const Call& call);
Async<net::HttpResponse> openapi(Context& ctx, const Call& call);

Async<net::HttpResponse> create_run(Context& ctx, const Call& call);
Async<net::HttpResponse> list_runs(Context& ctx, const Call& call);
Async<net::HttpResponse> get_run(Context& ctx, const Call& call);
Async<net::HttpResponse> cancel_run(Context& ctx, const Call& call);
Async<net::HttpResponse> run_results(Context& ctx, const Call& call);
Async<net::HttpResponse> run_events(Context& ctx, const Call& call);
Async<net::HttpResponse> replay_run(Context& ctx, const Call& call);
std::span<const Field> run_fields();
/// A run request from a body that was checked against run_fields().
Result<RunRequest> run_request(const json::object& body, const Library& library);

Async<net::HttpResponse> create_tasks(Context& ctx, const Call& call);
Async<net::HttpResponse> list_tasks(Context& ctx, const Call& call);
Async<net::HttpResponse> get_task(Context& ctx, const Call& call);
Async<net::HttpResponse> update_task(Context& ctx, const Call& call);
Async<net::HttpResponse> task_journal(Context& ctx, const Call& call);
/// Adds where its running tasks are.
Async<void> put_progress(Context& ctx, const Call& call, json::object& run);
Async<net::HttpResponse> cancel_task(Context& ctx, const Call& call);
Async<net::HttpResponse> replay_task(Context& ctx, const Call& call);
Async<net::HttpResponse> purge_tasks(Context& ctx, const Call& call);
Async<net::HttpResponse> queue_stats(Context& ctx, const Call& call);
Async<net::HttpResponse> update_queue(Context& ctx, const Call& call);
Async<net::HttpResponse> update_limit(Context& ctx, const Call& call);
std::span<const Field> tasks_fields();
std::span<const Field> task_update_fields();
std::span<const Field> purge_fields();
std::span<const Field> queue_fields();
std::span<const Field> limit_fields();
std::span<const QueryParameter> task_list_query();

Async<net::HttpResponse> create_session(Context& ctx, const Call& call);
Async<net::HttpResponse> list_sessions(Context& ctx, const Call& call);
Async<net::HttpResponse> get_session(Context& ctx, const Call& call);
Async<net::HttpResponse> update_session(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_session(Context& ctx, const Call& call);
std::span<const Field> session_fields();
std::span<const Field> session_update_fields();

Async<net::HttpResponse> create_context(Context& ctx, const Call& call);
Async<net::HttpResponse> get_context(Context& ctx, const Call& call);
Async<net::HttpResponse> update_context(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_context(Context& ctx, const Call& call);
std::span<const Field> context_fields();
Async<net::HttpResponse> create_extension(Context& ctx, const Call& call);
Async<net::HttpResponse> get_extension(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_extension(Context& ctx, const Call& call);
Async<net::HttpResponse> create_certificate(Context& ctx, const Call& call);
Async<net::HttpResponse> list_certificates(Context& ctx, const Call& call);
Async<net::HttpResponse> get_certificate(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_certificate(Context& ctx, const Call& call);

Async<net::HttpResponse> session_downloads(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_session_downloads(Context& ctx, const Call& call);
Async<net::HttpResponse> upload_file(Context& ctx, const Call& call);
Async<net::HttpResponse> list_downloads(Context& ctx, const Call& call);
Async<net::HttpResponse> get_download(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_download(Context& ctx, const Call& call);

Async<net::HttpResponse> list_projects(Context& ctx, const Call& call);
Async<net::HttpResponse> get_project(Context& ctx, const Call& call);
Async<net::HttpResponse> project_usage(Context& ctx, const Call& call);

Async<net::HttpResponse> fetch_page(Context& ctx, const Call& call);
std::span<const Field> fetch_fields();
Async<net::HttpResponse> search_web(Context& ctx, const Call& call);
std::span<const Field> search_fields();

/// 501 with the reason: what the contract has and this service has not.
Async<net::HttpResponse> not_implemented(Context& ctx, const Call& call);

Async<net::HttpResponse> list_workflows(Context& ctx, const Call& call);
Async<net::HttpResponse> get_workflow(Context& ctx, const Call& call);
Async<net::HttpResponse> list_sites(Context& ctx, const Call& call);
Async<net::HttpResponse> get_site(Context& ctx, const Call& call);

}  // namespace troupe::api
