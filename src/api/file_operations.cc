// Operations on files of sessions: downloads and uploads.
#include <algorithm>
#include <charconv>

#include "api/operations.h"
#include "sessions/session_files.h"

namespace troupe::api {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

Error not_offered() { return fail(Errc::unsupported, "files: not offered by this service"); }

json::object download_object(const sessions::StoredDownload& download) {
  return {{"id", download.id},
          {"sessionId", download.session_id},
          {"filename", download.file_name},
          {"mimeType", download.mime_type},
          {"size", download.size},
          {"checksum", download.checksum},
          {"createdAt", to_rfc3339(download.created_at)}};
}

// Streams a file in pieces; `temporary` ones go afterwards.
asio::awaitable<void> stream_file(Context& ctx, net::BodyWriter& writer,
                                  sessions::SessionFiles& files, std::string path, bool temporary) {
  std::uint64_t offset = 0;
  while (true) {
    std::string wanted = path;
    auto piece = co_await files.read_piece(ctx, std::move(wanted), offset, kPiece);
    if (!piece || piece->empty()) break;
    offset += piece->size();
    const auto written = co_await writer.write(ctx, std::move(*piece));
    if (!written) break;
  }
  if (temporary) files.discard(path);
}

net::HttpResponse file_response(sessions::SessionFiles& files, std::string path, bool temporary,
                                std::string content_type, const std::string& name) {
  net::HttpResponse response;
  response.content_type = std::move(content_type);
  const bool plain = std::ranges::all_of(name, [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F &&
           c != '"' && c != '\\';
  });
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"" + (plain ? name : "download") + "\"");
  response.stream = [&files, path, temporary](Context& ctx, net::BodyWriter& writer) {
    return stream_file(ctx, writer, files, path, temporary);
  };
  return response;
}

struct Filter {
  std::string_view file_name, mime_type;
  std::int64_t min_size = 0, max_size = INT64_MAX;
  std::string_view after, before;

  bool fits(const sessions::StoredDownload& download) const {
    std::string created = to_rfc3339(download.created_at);
    created.pop_back();  // without the Z, a time with a fraction sorts behind one without
    const auto size = static_cast<std::int64_t>(download.size);
    return (file_name.empty() || download.file_name == file_name) &&
           (mime_type.empty() || download.mime_type == mime_type) && size >= min_size &&
           size <= max_size && (after.empty() || created >= after) &&
           (before.empty() || created <= before);
  }
};

// RFC 3339 in UTC compares as text; other offsets are refused rather than compared wrongly.
Result<std::string_view> query_time(const net::HttpRequest& request, std::string_view name) {
  const std::string* text = request.query_value(name);
  if (!text) return std::string_view();
  const bool utc =
      text->size() >= 20 && (*text)[4] == '-' && (*text)[10] == 'T' && text->ends_with('Z');
  if (utc) return std::string_view(*text).substr(0, text->size() - 1);
  return fail(Errc::invalid_argument,
              std::string(name) + ": '" + text->substr(0, 64) + "' is not a time in UTC", "query",
              "for example 2026-01-31T12:00:00Z");
}

Result<Filter> filter_of(const net::HttpRequest& request) {
  Filter filter;
  if (const std::string* name = request.query_value("filename")) filter.file_name = *name;
  if (const std::string* type = request.query_value("mimeType")) filter.mime_type = *type;
  TRY(filter.min_size, query_number(request, "minSize", 0, INT64_MAX, 0));
  TRY(filter.max_size, query_number(request, "maxSize", 0, INT64_MAX, INT64_MAX));
  TRY(filter.after, query_time(request, "createdAfter"));
  TRY(filter.before, query_time(request, "createdBefore"));
  return filter;
}

}  // namespace

Async<net::HttpResponse> session_downloads(Context& ctx, const Call& call) {
  sessions::SessionFiles* files = call.services.stores.files;
  if (!files) co_return not_offered();
  std::string id = call.path_values[0];
  CO_TRY(const auto all, co_await files->downloads(ctx, id));
  // Downloads outlive what is remembered of their session.
  if (all.empty()) CO_TRY_VOID(call.services.sessions.find(id));
  CO_TRY(auto zip, co_await files->zip_downloads(ctx, id));
  co_return file_response(*files, std::move(zip), true, "application/zip", id + ".zip");
}

Async<net::HttpResponse> delete_session_downloads(Context& ctx, const Call& call) {
  sessions::SessionFiles* files = call.services.stores.files;
  if (!files) co_return not_offered();
  std::string id = call.path_values[0];
  CO_TRY(const auto all, co_await files->downloads(ctx, id));
  if (all.empty()) CO_TRY_VOID(call.services.sessions.find(id));
  CO_TRY_VOID(co_await files->remove_downloads(ctx, std::move(id)));
  co_return net::HttpResponse{.status = 204, .content_type = {}};
}

Async<net::HttpResponse> upload_file(Context& ctx, const Call& call) {
  sessions::SessionFiles* files = call.services.stores.files;
  if (!files) co_return not_offered();
  std::string id = call.path_values[0];
  CO_TRY(const auto session, call.services.sessions.find(id));
  if (session.state == SessionState::ended)
    co_return fail(Errc::gone, "session " + id + ": has ended", "session");
  CO_TRY(const auto file, uploaded_file(call.request));
  std::string name = file.file_name;
  sessions::UploadContent content{.bytes = file.content, .owner = call.request.spool};
  if (!content.owner) {
    const auto copy = std::make_shared<const std::string>(file.content);
    content = {.bytes = *copy, .owner = copy};
  }
  CO_TRY(const auto path,
         co_await files->add_upload(ctx, std::move(id), std::move(name), std::move(content)));
  json::object body{{"message", "File uploaded successfully"}, {"path", path}};
  co_return json_response(body);
}

Async<net::HttpResponse> list_downloads(Context& ctx, const Call& call) {
  sessions::SessionFiles* files = call.services.stores.files;
  if (!files) co_return not_offered();
  const std::string* session = call.request.query_value("sessionId");
  if (!session || session->empty())
    co_return fail(Errc::invalid_argument, "sessionId: is missing", "query");
  CO_TRY(const auto filter, filter_of(call.request));
  CO_TRY(const auto limit, query_number(call.request, "limit", 1, 100, 20));
  CO_TRY(const auto offset, query_number(call.request, "offset", 0, INT32_MAX, 0));
  std::string id = *session;
  CO_TRY(const auto all, co_await files->downloads(ctx, id));
  if (all.empty()) CO_TRY_VOID(call.services.sessions.find(id));
  json::array page;
  std::int64_t total = 0;
  for (const auto& download : all) {
    if (!filter.fits(download)) continue;
    const std::int64_t place = total++;
    if (place >= offset && place < offset + limit) page.push_back(download_object(download));
  }
  json::object body{
      {"downloads", std::move(page)}, {"total", total}, {"limit", limit}, {"offset", offset}};
  co_return json_response(body);
}

Async<net::HttpResponse> get_download(Context& ctx, const Call& call) {
  sessions::SessionFiles* files = call.services.stores.files;
  if (!files) co_return not_offered();
  std::string id = call.path_values[0];
  CO_TRY(auto download, co_await files->download(ctx, std::move(id)));
  const std::string_view accept = call.request.header("accept");
  const bool as_json = accept.empty() || accept.find("application/json") != accept.npos;
  if (as_json) co_return json_response(download_object(download));
  co_return file_response(*files, std::move(download.path), false, std::move(download.mime_type),
                          download.file_name);
}

Async<net::HttpResponse> delete_download(Context& ctx, const Call& call) {
  sessions::SessionFiles* files = call.services.stores.files;
  if (!files) co_return not_offered();
  std::string id = call.path_values[0];
  CO_TRY_VOID(co_await files->remove_download(ctx, std::move(id)));
  co_return net::HttpResponse{.status = 204, .content_type = {}};
}

}  // namespace troupe::api
