// Operations about the service itself, its workflows and its sites.
#include <algorithm>

#include "api/openapi.h"
#include "api/operations.h"

namespace troupe::api {

Async<net::HttpResponse> health(Context&, const Call&) {
  net::HttpResponse response;
  response.body = R"({"status":"healthy"})";
  co_return response;
}

Async<net::HttpResponse> alive(Context&, const Call&) {
  net::HttpResponse response;
  response.body = R"({"status":"alive"})";
  co_return response;
}

Async<net::HttpResponse> ready(Context&, const Call& call) {
  const std::vector<engine::Check> checks = call.services.readiness();
  const bool all = std::ranges::all_of(checks, &engine::Check::ok);
  const int status = all ? 200 : 503;
  if (call.request.header("accept").starts_with("text/plain")) {
    net::HttpResponse response;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    for (const auto& check : checks)
      response.body += (check.ok ? "[+]" : "[-]") + check.name + " " + check.detail + "\n";
    response.body += all ? "ready\n" : "not ready\n";
    co_return response;
  }
  json::object body{{"status", all ? "ready" : "not ready"}};
  if (!all || query_flag(call.request, "verbose")) {
    auto& list = body["checks"].emplace_array();
    for (const auto& check : checks)
      list.push_back({{"name", check.name}, {"ok", check.ok}, {"detail", check.detail}});
  }
  co_return json_response(body, status);
}

Async<net::HttpResponse> version(Context&, const Call&) {
  const json::object body{{"name", "troupe"}, {"version", TROUPE_VERSION}, {"api", "v1"}};
  co_return json_response(body);
}

Async<net::HttpResponse> openapi(Context&, const Call&) {
  const json::object document = openapi_document();
  co_return json_response(document);
}

Async<net::HttpResponse> list_workflows(Context&, const Call& call) {
  const json::array list = call.services.library.workflows();
  co_return json_response(list);
}

Async<net::HttpResponse> get_workflow(Context&, const Call& call) {
  CO_TRY_VOID(check_name("workflow", call.path_values[0]));
  CO_TRY(const auto workflow, call.services.library.workflow(call.path_values[0]));
  co_return json_response(workflow);
}

Async<net::HttpResponse> list_sites(Context&, const Call& call) {
  const json::array list = call.services.library.sites();
  co_return json_response(list);
}

Async<net::HttpResponse> get_site(Context&, const Call& call) {
  CO_TRY_VOID(check_name("site", call.path_values[0]));
  CO_TRY(const auto site, call.services.library.site(call.path_values[0]));
  co_return json_response(site);
}

}  // namespace troupe::api
