// The rows of the Browserbase API beyond sessions, and those that answer "not yet".
#include <array>

#include "api/operations.h"

namespace troupe::api {
namespace {

constexpr QueryParameter kDownloadList[] = {
    {"sessionId", "string", "Of which session; required."},
    {"filename", "string", "Only files of that name."},
    {"mimeType", "string", "Only files of that type."},
    {"minSize", "integer", "Only files of at least that many bytes."},
    {"maxSize", "integer", "Only files of at most that many bytes."},
    {"createdAfter", "string", "Only files from then on (RFC 3339, UTC)."},
    {"createdBefore", "string", "Only files up to then (RFC 3339, UTC)."},
    {"limit", "integer", "Most files of one page, 1 to 100; 20 when not given."},
    {"offset", "integer", "Files to leave out."}};

// Designated initializers keep a row readable although most of its members are defaults.
std::vector<Operation> store_rows() {
  return {
      {.method = "POST",
       .path = "/v1/contexts",
       .id = "createContext",
       .summary = "Makes an empty context: a browser profile that sessions start from and save to.",
       .success = 201,
       .response = "ContextUpload",
       .handler = create_context,
       .body = context_fields(),
       .unknown = Unknown::ignored},
      {.method = "GET",
       .path = "/v1/contexts/{id}",
       .id = "getContext",
       .summary = "A context.",
       .response = "Context",
       .handler = get_context},
      {.method = "PUT",
       .path = "/v1/contexts/{id}",
       .id = "updateContext",
       .summary = "Deprecated: changes nothing.",
       .response = "ContextUpload",
       .handler = update_context},
      {.method = "DELETE",
       .path = "/v1/contexts/{id}",
       .id = "deleteContext",
       .summary = "Deletes a context with its profile.",
       .success = 204,
       .handler = delete_context},
      {.method = "POST",
       .path = "/v1/extensions",
       .id = "createExtension",
       .summary = "Uploads an extension: a zip archive with manifest.json at its root.",
       .response = "Extension",
       .handler = create_extension,
       .upload = true},
      {.method = "GET",
       .path = "/v1/extensions/{id}",
       .id = "getExtension",
       .summary = "An extension.",
       .response = "Extension",
       .handler = get_extension},
      {.method = "DELETE",
       .path = "/v1/extensions/{id}",
       .id = "deleteExtension",
       .summary = "Deletes an extension; running sessions keep it.",
       .success = 204,
       .handler = delete_extension},
      {.method = "POST",
       .path = "/v1/certificates",
       .id = "createCertificate",
       .summary = "Uploads certificates of authorities in PEM form.",
       .response = "Certificate",
       .handler = create_certificate,
       .upload = true},
      {.method = "GET",
       .path = "/v1/certificates",
       .id = "listCertificates",
       .summary = "Certificates, oldest first.",
       .response = "CertificateList",
       .handler = list_certificates},
      {.method = "GET",
       .path = "/v1/certificates/{id}",
       .id = "getCertificate",
       .summary = "A certificate.",
       .response = "Certificate",
       .handler = get_certificate},
      {.method = "DELETE",
       .path = "/v1/certificates/{id}",
       .id = "deleteCertificate",
       .summary = "Deletes a certificate.",
       .success = 204,
       .handler = delete_certificate},
  };
}

std::vector<Operation> file_rows() {
  return {
      {.method = "GET",
       .path = "/v1/sessions/{id}/downloads",
       .id = "getSessionDownloads",
       .summary = "All files that the session downloaded, as a zip archive.",
       .response = "Binary",
       .response_type = "application/zip",
       .handler = session_downloads},
      {.method = "DELETE",
       .path = "/v1/sessions/{id}/downloads",
       .id = "deleteSessionDownloads",
       .summary = "Deletes the session's downloads.",
       .success = 204,
       .handler = delete_session_downloads},
      {.method = "POST",
       .path = "/v1/sessions/{id}/uploads",
       .id = "createSessionUpload",
       .summary = "Puts a file where the session's browser can upload it from: "
                  "/tmp/.uploads/<name>.",
       .response = "Upload",
       .handler = upload_file,
       .upload = true},
      {.method = "GET",
       .path = "/v1/downloads",
       .id = "listDownloads",
       .summary = "Downloads of a session.",
       .response = "DownloadPage",
       .handler = list_downloads,
       .query = kDownloadList},
      {.method = "GET",
       .path = "/v1/downloads/{id}",
       .id = "getDownload",
       .summary = "A download; with Accept: application/octet-stream the file itself.",
       .response = "Download",
       .handler = get_download},
      {.method = "DELETE",
       .path = "/v1/downloads/{id}",
       .id = "deleteDownload",
       .summary = "Deletes a download.",
       .success = 204,
       .handler = delete_download},
  };
}

std::vector<Operation> project_rows() {
  return {
      {.method = "GET",
       .path = "/v1/projects",
       .id = "listProjects",
       .summary = "Projects that are known here.",
       .response = "ProjectList",
       .handler = list_projects},
      {.method = "GET",
       .path = "/v1/projects/{id}",
       .id = "getProject",
       .summary = "A project.",
       .response = "Project",
       .handler = get_project},
      {.method = "GET",
       .path = "/v1/projects/{id}/usage",
       .id = "getProjectUsage",
       .summary = "What a project has used.",
       .response = "ProjectUsage",
       .handler = project_usage},
      {.method = "POST",
       .path = "/v1/fetch",
       .id = "fetch",
       .summary = "Fetches a page without a browser; at most 1 MB, no scripts.",
       .response = "FetchResult",
       .handler = fetch_page,
       .body = fetch_fields(),
       .unknown = Unknown::ignored},
      {.method = "POST",
       .path = "/v1/search",
       .id = "search",
       .summary = "Searches the web through the service that search_url names.",
       .response = "SearchResult",
       .handler = search_web,
       .body = search_fields(),
       .unknown = Unknown::ignored},
  };
}

struct Absent {
  std::string_view method, path, id;
};
constexpr Absent kAbsent[] = {
    {"POST", "/v1/agents", "createAgent"},
    {"GET", "/v1/agents", "listAgents"},
    {"GET", "/v1/agents/{agentId}", "getAgent"},
    {"PATCH", "/v1/agents/{agentId}", "updateAgent"},
    {"DELETE", "/v1/agents/{agentId}", "deleteAgent"},
    {"POST", "/v1/agents/runs", "createAgentRun"},
    {"GET", "/v1/agents/runs", "listAgentRuns"},
    {"GET", "/v1/agents/runs/{runId}", "getAgentRun"},
    {"GET", "/v1/agents/runs/{runId}/messages", "listAgentRunMessages"},
    {"POST", "/v1/agents/runs/{runId}/stop", "stopAgentRun"},
    {"GET", "/v1/functions", "listFunctions"},
    {"GET", "/v1/functions/{id}", "getFunction"},
    {"GET", "/v1/functions/{id}/versions", "listFunctionVersions"},
    {"POST", "/v1/functions/{id}/invoke", "invokeFunction"},
    {"GET", "/v1/functions/{id}/secrets", "listFunctionSecrets"},
    {"POST", "/v1/functions/{id}/secrets", "attachFunctionSecret"},
    {"DELETE", "/v1/functions/{id}/secrets/{secretId}", "detachFunctionSecret"},
    {"GET", "/v1/functions/versions/{id}", "getFunctionVersion"},
    {"GET", "/v1/functions/versions/{id}/invocations", "listFunctionInvocations"},
    {"GET", "/v1/functions/invocations/{id}", "getFunctionInvocation"},
    {"GET", "/v1/functions/invocations/{id}/logs", "getFunctionInvocationLogs"},
    {"GET", "/v1/functions/builds", "listFunctionBuilds"},
    {"GET", "/v1/functions/builds/{id}", "getFunctionBuild"},
    {"GET", "/v1/functions/builds/{id}/logs", "getFunctionBuildLogs"},
    {"POST", "/v1/secrets", "createSecret"},
    {"GET", "/v1/secrets", "listSecrets"},
    {"GET", "/v1/secrets/{id}", "getSecret"},
    {"PATCH", "/v1/secrets/{id}", "updateSecret"},
    {"DELETE", "/v1/secrets/{id}", "deleteSecret"},
    {"GET", "/v1/secrets/keypair", "getSecretKeypair"},
    {"POST", "/v1/webhooks", "createWebhook"},
    {"GET", "/v1/webhooks", "listWebhooks"},
    {"GET", "/v1/webhooks/{id}", "getWebhook"},
    {"PATCH", "/v1/webhooks/{id}", "updateWebhook"},
    {"DELETE", "/v1/webhooks/{id}", "deleteWebhook"},
    {"POST", "/v1/webhooks/{id}/secret", "rotateWebhookSecret"},
};

std::vector<Operation> absent_rows() {
  std::vector<Operation> rows;
  for (const Absent& row : kAbsent)
    rows.push_back({.method = row.method,
                    .path = row.path,
                    .id = row.id,
                    .summary = "Not available yet.",
                    .success = 501,
                    .response = "Problem",
                    .handler = not_implemented});
  return rows;
}

}  // namespace

std::vector<Operation> browserbase_operations() {
  std::vector<Operation> rows;
  for (auto&& part : {store_rows(), file_rows(), project_rows(), absent_rows()})
    rows.insert(rows.end(), part.begin(), part.end());
  return rows;
}

bool is_browserbase_path(std::string_view path) {
  constexpr std::array<std::string_view, 12> kNouns = {
      "/v1/sessions", "/v1/contexts",  "/v1/extensions", "/v1/certificates",
      "/v1/projects", "/v1/downloads", "/v1/fetch",      "/v1/search",
      "/v1/agents",   "/v1/functions", "/v1/secrets",    "/v1/webhooks"};
  for (const std::string_view noun : kNouns)
    if (path == noun || (path.starts_with(noun) && path[noun.size()] == '/')) return true;
  return false;
}

}  // namespace troupe::api
