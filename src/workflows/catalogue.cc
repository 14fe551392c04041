#include "workflows/catalogue.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <filesystem>
#include <map>

#include "base/assets.h"
#include "base/suggest.h"
#include "workflows/definition.h"
#include "workflows/items.h"
#include "workflows/tree.h"

namespace troupe::workflows {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::size_t kFilesPerFolder = 1'000;
constexpr std::string_view kBuiltIn = "built-in";
constexpr std::string_view kEndings[] = {".yaml", ".yml", ".json"};

/// Regular files only: a pipe or device would hold the engine thread.
Result<std::string> read_document(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return fail(Errc::invalid_argument, path + ": is not a regular file", path);
  return read_text_file(path, kFileBytesMax);
}

/// Name → file of everything in the folders; the first folder that has a name wins.
std::map<std::string, std::string> files_of(const std::vector<std::string>& folders) {
  std::map<std::string, std::string> files;
  for (const std::string& folder : folders) {
    std::error_code error;
    std::map<std::string, std::string> found;
    for (std::filesystem::directory_iterator entry(folder, error), end;
         !error && entry != end && found.size() < kFilesPerFolder; entry.increment(error)) {
      const auto& path = entry->path();
      const std::string ending = path.extension().string();
      if (std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings))
        found.emplace(path.stem().string(), path.string());
    }
    files.merge(found);
  }
  return files;
}

/// Name → asset path of the built-in ones.
std::map<std::string, std::string> built_in(std::string_view prefix) {
  std::map<std::string, std::string> found;
  for (const std::string_view path : assets::list(prefix))
    found.emplace(std::filesystem::path(path).stem().string(), std::string(path));
  return found;
}

Error unknown(std::string_view what, const std::string& name,
              const std::map<std::string, std::string>& files,
              const std::map<std::string, std::string>& assets) {
  std::map<std::string, std::string> all = files;
  all.insert(assets.begin(), assets.end());
  std::vector<std::string_view> names;
  std::string list;
  for (const auto& [known, path] : all) {
    names.push_back(known);
    list += (list.empty() ? "" : ", ") + known;
  }
  return fail(Errc::not_found,
              std::string(what) + " '" + name + "' is not known" + did_you_mean(name, names),
              std::string(what) + " " + name,
              list.empty() ? "there are none; give a file's path" : "there are: " + list);
}

Result<Site> parse_site(std::string_view text, std::string_view file) {
  Mistakes mistakes{std::string(file)};
  const Tree tree = parse_yaml(text, TreeLimits{}, mistakes);
  if (!mistakes.empty()) return mistakes.to_error();
  if (tree.kind != Tree::Kind::map) {
    mistakes.add(tree.position, "", "must be a map with the keys site and base_url");
    return mistakes.to_error();
  }
  Site site;
  site.profile = to_json(tree).get_object();
  const Tree* name = tree.find("site");
  if (!name || !name->is_text() || name->scalar.get_string().empty())
    mistakes.add(name ? name->position : tree.position, "site", "must be the profile's name");
  else
    site.name = std::string(name->scalar.get_string());
  const Tree* base = tree.find("base_url");
  const auto address = base && base->is_text() ? std::string(base->scalar.get_string()) : "";
  const auto url = boost::urls::parse_uri(address);
  const bool web =
      url && (url->scheme() == "http" || url->scheme() == "https") && !url->host().empty();
  if (!web)
    mistakes.add(base ? base->position : tree.position, "base_url",
                 "must be an http or https URL, not '" + address + "'");
  if (const Tree* text_of_site = tree.find("description")) {
    if (text_of_site->is_text())
      site.description = std::string(text_of_site->scalar.get_string());
    else
      mistakes.add(text_of_site->position, "description", "must be a text");
  }
  for (const std::string_view key : {"consent", "results", "details", "limits"}) {
    const Tree* section = tree.find(key);
    if (section && section->kind != Tree::Kind::map && !section->is_null())
      mistakes.add(section->position, std::string(key), "must be a map");
  }
  if (!mistakes.empty()) return mistakes.to_error();
  site.origin = std::string(file);
  return site;
}

Result<Site> read_site(const std::string& path) {
  TRY(const std::string text, read_document(path));
  return parse_site(text, path);
}

Result<Site> built_in_site(const std::string& path) {
  TRY(Site site, parse_site(assets::get(path), path));
  site.origin = kBuiltIn;
  return site;
}

using DefinitionResult = Result<std::shared_ptr<const Definition>>;

DefinitionResult read_workflow(const std::string& path) {
  TRY(const std::string text, read_document(path));
  return parse_definition(text, path);
}

WorkflowSummary summary_of(const std::string& name, const DefinitionResult& definition,
                           std::string_view origin) {
  if (!definition) return {name, 0, "broken: " + definition.error().message, std::string(origin)};
  return {name, (*definition)->version, (*definition)->description, std::string(origin)};
}

}  // namespace

Catalogue::Catalogue(std::vector<std::string> workflow_dirs, std::vector<std::string> site_dirs)
    : workflow_dirs_(std::move(workflow_dirs)), site_dirs_(std::move(site_dirs)) {}

bool Catalogue::is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos ||
         std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

Result<std::shared_ptr<const Definition>> Catalogue::workflow(const std::string& name) const {
  if (is_path(name)) return read_workflow(name);
  const auto files = files_of(workflow_dirs_);
  if (const auto file = files.find(name); file != files.end()) return read_workflow(file->second);
  const auto assets = built_in("workflows/");
  const auto asset = assets.find(name);
  if (asset == assets.end()) return unknown("workflow", name, files, assets);
  return parse_definition(assets::get(asset->second), asset->second);
}

Result<Site> Catalogue::site(const std::string& name) const {
  if (is_path(name)) return read_site(name);
  const auto files = files_of(site_dirs_);
  if (const auto file = files.find(name); file != files.end()) return read_site(file->second);
  const auto assets = built_in("sites/");
  const auto asset = assets.find(name);
  if (asset == assets.end()) return unknown("site", name, files, assets);
  return built_in_site(asset->second);
}

std::vector<WorkflowSummary> Catalogue::list_workflows() const {
  std::map<std::string, WorkflowSummary> found;
  for (const auto& [name, path] : files_of(workflow_dirs_))
    found.emplace(name, summary_of(name, read_workflow(path), path));
  for (const auto& [name, path] : built_in("workflows/")) {
    if (found.contains(name)) continue;
    found.emplace(name, summary_of(name, parse_definition(assets::get(path), path), kBuiltIn));
  }
  std::vector<WorkflowSummary> list;
  for (auto& [name, summary] : found) list.push_back(std::move(summary));
  return list;
}

std::vector<Site> Catalogue::list_sites() const {
  std::map<std::string, Site> found;
  for (const auto& [name, path] : files_of(site_dirs_)) {
    auto site = read_site(path);
    found.emplace(
        name, site ? std::move(*site) : Site{name, "broken: " + site.error().message, path, {}});
  }
  for (const auto& [name, path] : built_in("sites/")) {
    if (found.contains(name)) continue;
    auto site = built_in_site(path);
    if (site) found.emplace(name, std::move(*site));
  }
  std::vector<Site> list;
  for (auto& [name, site] : found) list.push_back(std::move(site));
  return list;
}

}  // namespace troupe::workflows
