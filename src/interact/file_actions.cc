// screenshot, download, upload: what passes between the page and files.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "interact/files.h"
#include "interact/handlers.h"

namespace troupe::interact::native {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDownloadBytesMax = 256 << 20;

Result<std::string> artifact_path(const NativeTab& tab, std::string_view name) {
  const std::string& dir = tab.options().artifacts_dir;
  if (dir.empty()) return fail(Errc::storage_failed, "artifacts: no folder is set for this task");
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return fail(Errc::storage_failed, "artifacts folder " + dir + ": " + error.message());
  return free_path(dir, safe_file_name(name));
}

/// The target's fields: `name` is the file's here, not the element's.
json::object element_fields(json::object args) {
  args.erase("name");
  return args;
}

/// A clip of the element, in coordinates of the page.
Async<json::object> clip_of(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto target, parse_target(args));
  json::object need{{"point", true}};
  json::array call{target.query, std::move(need)};
  CO_TRY(const auto found, co_await tab.locate(ctx, target, kCore, "ready", std::move(call)));
  if (tab.inside())
    co_return fail(Errc::unsupported,
                   "screenshot: " + found.what + " is in a frame of another origin", {},
                   "take a picture of the whole page");
  json::array ref{found.ref};
  CO_TRY(const auto box, co_await tab.call(ctx, kCore, "pageBox", std::move(ref)));
  if (!box.is_object()) co_return fail(Errc::target_not_found, target.text + ": it went away");
  json::object clip = box.get_object();
  clip["scale"] = 1;
  co_return clip;
}

Async<void> allow_downloads(Context& ctx, NativeTab& tab, const sessions::DownloadWay& way) {
  CO_TRY(const auto browser, tab.session().browser());
  json::object params{{"behavior", way.named_by_guid ? "allowAndName" : "allow"},
                      {"downloadPath", way.browser_path},
                      {"eventsEnabled", true}};
  if (!browser.browser_context_id.empty()) params["browserContextId"] = browser.browser_context_id;
  auto set =
      co_await browser.connection->call(ctx, "", "Browser.setDownloadBehavior", std::move(params));
  if (!set) co_return set.error();
  co_return Result<void>{};
}

void stop_download(NativeTab& tab, const Download& download, const std::string& path) {
  const auto browser = tab.session().browser();
  if (browser) {
    json::object params{{"guid", download.guid}};
    if (!browser->browser_context_id.empty())
      params["browserContextId"] = browser->browser_context_id;
    browser->connection->post("", "Browser.cancelDownload", params);
  }
  std::error_code ignored;
  fs::remove(path, ignored);
}

/// Waits for the first download of the tab to end. The file is `dir/<guid>` then.
Async<Download> wait_download(Context& ctx, NativeTab& tab, std::string dir,
                              std::int64_t bytes_max) {
  for (;;) {
    auto& all = tab.downloads();
    if (!all.empty()) {
      const Download present = all.front();
      if (present.received > bytes_max) {
        stop_download(tab, present, dir + "/" + present.guid);
        co_return fail(Errc::payload_too_large, "download " + present.url + ": more than " +
                                                    std::to_string(bytes_max) + " bytes");
      }
      if (present.state == "completed") co_return present;
      if (present.state == "canceled")
        co_return fail(Errc::network_error, "download " + present.url + ": it was broken off");
    }
    if (tab.page().crashed()) co_return fail(Errc::page_crashed, "download: the page crashed");
    auto waited = co_await tab.moved().wait(ctx);
    if (waited) continue;
    if (!all.empty()) stop_download(tab, all.front(), dir + "/" + all.front().guid);
    if (all.empty() && waited.error().code == Errc::timeout)
      co_return fail(Errc::timeout, "download: none began in time", "page " + tab.url());
    co_return waited.error();
  }
}

Result<std::vector<std::string>> upload_files(const json::object& args) {
  std::vector<std::string> files;
  const auto* given = find(args, "files");
  if (given && given->is_string()) files.emplace_back(given->get_string());
  if (given && given->is_array())
    for (const auto& one : given->get_array())
      if (one.is_string()) files.emplace_back(one.get_string());
  if (files.empty()) return fail(Errc::invalid_argument, "upload: files names none");
  for (std::string& file : files) {
    std::error_code error;
    const fs::path path = fs::absolute(file, error);
    if (error || !fs::is_regular_file(path, error) || ::access(path.c_str(), R_OK) != 0)
      return fail(Errc::not_found, "upload: file " + file + " does not exist or cannot be read");
    file = path.string();
  }
  return files;
}

/// DevTools' handle of an element that the script knows by `ref`.
Async<std::string> object_of(Context& ctx, NativeTab& tab, std::int64_t ref) {
  // The same frame and name give the same world that the scripts run in.
  std::string frame_id = tab.inside() ? tab.inside()->id : tab.page().target_id();
  CO_TRY(const auto world, co_await tab.page_here().isolated_world(ctx, std::move(frame_id)));
  json::object params{{"expression", "__troupe.refs[" + std::to_string(ref) + "]"},
                      {"contextId", world}};
  CO_TRY(const auto answer,
         co_await tab.page_here().call(ctx, "Runtime.evaluate", std::move(params)));
  const auto* result = find(answer, "result");
  const auto* id = result ? find(*result, "objectId") : nullptr;
  if (!id || !id->is_string())
    co_return fail(Errc::target_not_found, "upload: the field went away");
  co_return std::string(id->get_string());
}

}  // namespace

Async<std::string> take_picture(Context& ctx, cdp::Page& page, json::object params) {
  CO_TRY(const auto answer, co_await page.call(ctx, "Page.captureScreenshot", std::move(params)));
  co_return decode_base64(find_string(answer, "data").value_or(""));
}

Async<ActionResult> screenshot(Context& ctx, NativeTab& tab, const json::object& args) {
  json::object params{{"format", "png"}};
  const json::object element = element_fields(args);
  if (has_target(element)) {
    CO_TRY(auto clip, co_await clip_of(ctx, tab, element));
    params["clip"] = std::move(clip);
  }
  if (find_bool(args, "full_page").value_or(false)) params["captureBeyondViewport"] = true;
  if (params.contains("captureBeyondViewport") && !params.contains("clip")) {
    CO_TRY(const auto metrics, co_await tab.page().call(ctx, "Page.getLayoutMetrics"));
    if (const auto* size = find(metrics, "cssContentSize"); size && size->is_object()) {
      json::object clip = size->get_object();
      clip["scale"] = 1;
      params["clip"] = std::move(clip);
    }
  }
  CO_TRY(const auto picture, co_await take_picture(ctx, tab.page(), std::move(params)));
  const std::string name(find_string(args, "name").value_or("screenshot"));
  CO_TRY(const auto path, artifact_path(tab, name.ends_with(".png") ? name : name + ".png"));
  CO_TRY_VOID(write_file(path, picture));
  const auto [width, height] = png_size(picture);
  ActionResult result;
  result.output =
      json::object{{"path", path}, {"bytes", picture.size()}, {"width", width}, {"height", height}};
  result.changed = "nothing";
  result.detail = "saved " + path;
  co_return result;
}

Async<ActionResult> download(Context& ctx, NativeTab& tab, const json::object& args) {
  const auto url = find_string(args, "url");
  const json::object element = element_fields(args);
  if (!url && !has_target(element))
    co_return fail(Errc::invalid_argument, "download: neither url nor a target is given");
  const std::int64_t bytes_max = find_int(args, "bytes_max").value_or(kDownloadBytesMax);
  CO_TRY(const auto way, tab.session().download_way());
  const std::string& dir = way.dir;
  CO_TRY_VOID(co_await allow_downloads(ctx, tab, way));
  tab.downloads().clear();
  if (url) {
    json::array call{std::string(*url)};
    auto begun = co_await tab.call(ctx, kCore, "download", std::move(call));
    if (!begun) co_return begun.error();
  } else {
    CO_TRY(const auto target, parse_target(element));
    ClickOptions options;
    CO_TRY(const auto clicked, co_await click_target(ctx, tab, target, options));
    (void)clicked;
  }
  CO_TRY(const auto done, co_await wait_download(ctx, tab, dir, bytes_max));
  tab.downloads().clear();
  sessions::FinishedDownload finished{.guid = done.guid,
                                      .name = done.suggested_name,
                                      .bytes = done.received,
                                      .bytes_max = bytes_max};
  CO_TRY_VOID(co_await tab.session().fetch_download(ctx, std::move(finished)));
  const std::string source = dir + "/" + done.guid;
  const std::string name(find_string(args, "name").value_or(done.suggested_name));
  CO_TRY(const auto path, artifact_path(tab, name));
  CO_TRY(const auto bytes, move_file(source, path));
  if (bytes > bytes_max) {
    std::error_code ignored;
    fs::remove(path, ignored);
    co_return fail(Errc::payload_too_large, "download " + done.url + ": " + std::to_string(bytes) +
                                                " bytes, more than " + std::to_string(bytes_max));
  }
  ActionResult result;
  result.output = json::object{{"path", path},
                               {"name", fs::path(path).filename().string()},
                               {"bytes", bytes},
                               {"url", done.url}};
  result.changed = "download";
  result.detail = "downloaded " + path;
  co_return result;
}

Async<ActionResult> upload(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto files, upload_files(args));
  CO_TRY(const auto target, parse_target(args));
  json::array call{target.query};
  CO_TRY(const auto found,
         co_await tab.locate(ctx, target, kControls, "fileField", std::move(call)));
  CO_TRY(auto object, co_await object_of(ctx, tab, found.ref));
  json::array list;
  for (const std::string& file : files) list.emplace_back(file);
  json::object params{{"files", list}, {"objectId", object}};
  auto set = co_await tab.page_here().call(ctx, "DOM.setFileInputFiles", std::move(params));
  if (!set) co_return set.error();
  json::array check{found.ref};
  CO_TRY(const auto count, co_await tab.call(ctx, kControls, "fileCount", std::move(check)));
  if (!count.is_number() || count.to_number<std::size_t>() != files.size())
    co_return fail(Errc::not_actionable,
                   found.what + " did not take " + std::to_string(files.size()) + " files",
                   "page " + tab.url());
  ActionResult result;
  result.changed = "value";
  result.detail = "gave " + std::to_string(files.size()) + " files to " + found.what;
  co_return result;
}

}  // namespace troupe::interact::native
