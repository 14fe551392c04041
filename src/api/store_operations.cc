// Operations on what sessions start from: contexts, extensions, certificates.
#include "api/gateway.h"
#include "api/operations.h"
#include "net/multipart.h"
#include "sessions/certificate_store.h"
#include "sessions/context_store.h"
#include "sessions/extension_store.h"

namespace troupe::api {
namespace {

constexpr Field kContextFields[] = {
    {"name", FieldType::string, "1 to 128 characters; unique in its project, whatever the case."},
    {"projectId", FieldType::string, "Whose it is; the service's project when not given."},
};

Error not_offered(std::string_view what) {
  return fail(Errc::unsupported, std::string(what) + ": not offered by this service");
}

std::string project_of(const Call& call) {
  const auto given = find_string(call.body, "projectId").value_or("");
  return given.empty() ? call.services.settings.project : std::string(given);
}

template <class T>
json::object stored_object(const T& stored, WallTime updated_at) {
  return {{"id", stored.id},
          {"createdAt", to_rfc3339(stored.created_at)},
          {"updatedAt", to_rfc3339(updated_at)},
          {"projectId", stored.project}};
}

json::object context_object(const sessions::StoredContext& context) {
  json::object object = stored_object(context, context.updated_at);
  if (!context.name.empty()) object["name"] = context.name;
  return object;
}

// Profiles are not uploaded by clients any more; the members that told how stay, without use.
json::object context_upload(const Call& call, const sessions::StoredContext& context) {
  json::object object = context_object(context);
  object["uploadUrl"] =
      Gateway::base_url(call.request, "http") + "/v1/contexts/" + context.id + "/upload";
  object["publicKey"] = "";
  object["cipherAlgorithm"] = "AES-256-CBC";
  object["initializationVectorSize"] = 16;
  return object;
}

json::object extension_object(const sessions::StoredExtension& extension) {
  json::object object = stored_object(extension, extension.updated_at);
  object["fileName"] = extension.file_name;
  return object;
}

json::object certificate_object(const sessions::StoredCertificate& certificate) {
  return stored_object(certificate, certificate.created_at);
}

net::HttpResponse no_content() { return {.status = 204, .content_type = {}}; }

}  // namespace

std::span<const Field> context_fields() { return kContextFields; }

Result<net::FormPart> uploaded_file(const net::HttpRequest& request) {
  TRY(const auto body, request.content());
  TRY(const auto parts, net::parse_multipart(request.header("content-type"), body));
  for (const net::FormPart& part : parts)
    if (part.name == "file") return part;
  return fail(Errc::invalid_argument, "multipart body: no field 'file' in it", "request body");
}

Async<net::HttpResponse> create_context(Context& ctx, const Call& call) {
  sessions::ContextStore* store = call.services.stores.contexts;
  if (!store) co_return not_offered("contexts");
  std::string name(find_string(call.body, "name").value_or(""));
  if (call.body.contains("name") && name.find_first_not_of(" \t\r\n") == std::string::npos)
    co_return fail(Errc::invalid_argument, "name: is empty", "request body",
                   "leave it out, or give 1 to 128 characters");
  std::string project = project_of(call);
  CO_TRY(const auto context, co_await store->create(ctx, std::move(project), std::move(name)));
  co_return json_response(context_upload(call, context), 201);
}

Async<net::HttpResponse> get_context(Context&, const Call& call) {
  if (!call.services.stores.contexts) co_return not_offered("contexts");
  CO_TRY(const auto context, call.services.stores.contexts->find(call.path_values[0]));
  co_return json_response(context_object(context));
}

Async<net::HttpResponse> update_context(Context&, const Call& call) {
  if (!call.services.stores.contexts) co_return not_offered("contexts");
  CO_TRY(const auto context, call.services.stores.contexts->find(call.path_values[0]));
  co_return json_response(context_upload(call, context));
}

Async<net::HttpResponse> delete_context(Context& ctx, const Call& call) {
  sessions::ContextStore* store = call.services.stores.contexts;
  if (!store) co_return not_offered("contexts");
  std::string id = call.path_values[0];
  CO_TRY_VOID(co_await store->remove(ctx, std::move(id)));
  co_return no_content();
}

Async<net::HttpResponse> create_extension(Context& ctx, const Call& call) {
  sessions::ExtensionStore* store = call.services.stores.extensions;
  if (!store) co_return not_offered("extensions");
  CO_TRY(const auto file, uploaded_file(call.request));
  std::string project = call.services.settings.project;
  std::string name = file.file_name.empty() ? "extension.zip" : file.file_name;
  std::string zip(file.content);
  CO_TRY(const auto extension,
         co_await store->add(ctx, std::move(project), std::move(name), std::move(zip)));
  co_return json_response(extension_object(extension));
}

Async<net::HttpResponse> get_extension(Context&, const Call& call) {
  if (!call.services.stores.extensions) co_return not_offered("extensions");
  CO_TRY(const auto extension, call.services.stores.extensions->find(call.path_values[0]));
  co_return json_response(extension_object(extension));
}

Async<net::HttpResponse> delete_extension(Context& ctx, const Call& call) {
  sessions::ExtensionStore* store = call.services.stores.extensions;
  if (!store) co_return not_offered("extensions");
  std::string id = call.path_values[0];
  CO_TRY_VOID(co_await store->remove(ctx, std::move(id)));
  co_return no_content();
}

Async<net::HttpResponse> create_certificate(Context& ctx, const Call& call) {
  sessions::CertificateStore* store = call.services.stores.certificates;
  if (!store) co_return not_offered("certificates");
  CO_TRY(const auto file, uploaded_file(call.request));
  std::string project = call.services.settings.project;
  std::string pem(file.content);
  CO_TRY(const auto certificate, co_await store->add(ctx, std::move(project), std::move(pem)));
  co_return json_response(certificate_object(certificate));
}

Async<net::HttpResponse> list_certificates(Context&, const Call& call) {
  if (!call.services.stores.certificates) co_return not_offered("certificates");
  json::array list;
  for (const auto& certificate : call.services.stores.certificates->list())
    list.push_back(certificate_object(certificate));
  co_return json_response(list);
}

Async<net::HttpResponse> get_certificate(Context&, const Call& call) {
  if (!call.services.stores.certificates) co_return not_offered("certificates");
  CO_TRY(const auto certificate, call.services.stores.certificates->find(call.path_values[0]));
  co_return json_response(certificate_object(certificate));
}

Async<net::HttpResponse> delete_certificate(Context& ctx, const Call& call) {
  sessions::CertificateStore* store = call.services.stores.certificates;
  if (!store) co_return not_offered("certificates");
  std::string id = call.path_values[0];
  CO_TRY_VOID(co_await store->remove(ctx, std::move(id)));
  co_return no_content();
}

}  // namespace troupe::api
