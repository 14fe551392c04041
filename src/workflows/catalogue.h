// Which workflows and site profiles exist: the built-in ones (assets/workflows, assets/sites),
// those in the configured folders, and files named by path.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "troupe/workflow.hpp"

namespace troupe::workflows {

struct Definition;

/// A profile of one web site. The whole document is given to templates as `site`.
struct Site {
  std::string name;
  std::string description;
  std::string origin;    ///< `built-in`, or the file it came from.
  json::object profile;  ///< base_url, consent, selectors, limits, … (docs/guides/sites.md)
};

struct WorkflowSummary {
  std::string name;
  int version = 1;
  std::string description;
  std::string origin;  ///< `built-in`, or the file it came from.
};

/// Threads: one. Files are read when asked for; a broken file of a folder is an error of that one
/// only.
class Catalogue final {
 public:
  Catalogue(std::vector<std::string> workflow_dirs, std::vector<std::string> site_dirs);

  /// Whether a name is taken as a file's path: it has a slash or ends in .yaml, .yml or .json. What
  /// comes over the network must not be.
  static bool is_path(std::string_view name);
  /// By name, or by path.
  /// Errors: not_found (lists the names there are), invalid_argument (every mistake of the file).
  Result<std::shared_ptr<const Definition>> workflow(const std::string& name) const;
  Result<Site> site(const std::string& name) const;
  std::vector<WorkflowSummary> list_workflows() const;
  std::vector<Site> list_sites() const;

 private:
  std::vector<std::string> workflow_dirs_;
  std::vector<std::string> site_dirs_;
};

}  // namespace troupe::workflows
