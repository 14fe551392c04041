// Workflows: a named, versioned definition of inputs, steps and output. From YAML or JSON text,
// from a file, or built in C++. Immutable and cheap to copy. Reference of the format:
// docs/guides/workflows.md.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/error.hpp"

namespace troupe {

namespace workflows {
struct Definition;
}

class Workflow {
 public:
  /// An empty workflow: refused when run.
  Workflow() = default;
  /// A workflow known by name when it is run: built in, or in the configured workflow folders.
  Workflow(const char* name) : name_(name) {}             // NOLINT: `.workflow = "video_discovery"`
  Workflow(std::string name) : name_(std::move(name)) {}  // NOLINT
  explicit Workflow(std::shared_ptr<const workflows::Definition> definition);

  /// Parses YAML (JSON is YAML). Throws Orchestrator::ConfigurationError with every mistake found,
  /// each with file, line and field.
  static Workflow from_text(std::string_view text, std::string_view file_name = "workflow");
  static Workflow from_file(const std::string& path);

  const std::string& name() const { return name_; }
  bool empty() const { return name_.empty() && !definition_; }
  const std::shared_ptr<const workflows::Definition>& definition() const { return definition_; }

 private:
  std::string name_;
  std::shared_ptr<const workflows::Definition> definition_;
};

/// Of WorkflowBuilder::input.
struct InputOptions {
  std::string type = "string";
  std::optional<boost::json::value> default_value;
  std::string description;
};
/// Of WorkflowBuilder::step.
struct StepOptions {
  std::string id;
  std::string save_as;
  std::optional<std::chrono::milliseconds> timeout;
  std::string on_error;  ///< `fail` (default), `continue`.
  std::string when;      ///< Expression; the step is skipped when it is false.
};

/// Builds a workflow in C++; the same checks as for text run in build().
///
///   auto workflow = troupe::WorkflowBuilder("titles")
///       .input("url", {.type = "string"})
///       .step("goto", "{{ inputs.url }}")
///       .step("extract", {{"schema", {{"title", "string"}}}}, {.save_as = "page"})
///       .output("title", "{{ page.title }}")
///       .build();
class WorkflowBuilder {
 public:
  using Body = std::function<void(WorkflowBuilder&)>;

  explicit WorkflowBuilder(std::string name, int version = 1);
  WorkflowBuilder& description(std::string text);
  WorkflowBuilder& input(std::string name, InputOptions options = {});
  /// Any step of the reference: `argument` is its short form (text) or its fields (object).
  WorkflowBuilder& step(std::string kind, boost::json::value argument, StepOptions options = {});
  WorkflowBuilder& for_each(std::string list, std::string as, const Body& body);
  WorkflowBuilder& if_(std::string condition, const Body& then, const Body& otherwise = {});
  WorkflowBuilder& while_(std::string condition, int max, const Body& body);
  WorkflowBuilder& retry(int attempts, std::chrono::milliseconds delay, const Body& body);
  WorkflowBuilder& output(std::string name, std::string expression);
  WorkflowBuilder& output_schema(boost::json::object schema);
  /// Throws Orchestrator::ConfigurationError with every mistake found.
  Workflow build() const;

 private:
  static boost::json::array steps_of(const Body& body);
  boost::json::object document_;
  boost::json::array steps_;
};

namespace workflows {
/// The built-in workflow: search topics on a video site, collect videos, open the best, extract it.
Workflow video_discovery();
}  // namespace workflows

}  // namespace troupe
