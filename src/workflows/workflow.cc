#include "troupe/workflow.hpp"

#include "base/assets.h"
#include "troupe/orchestrator.hpp"
#include "workflows/definition.h"
#include "workflows/items.h"

namespace troupe {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

/// The public edge: here failures become exceptions.
std::shared_ptr<const workflows::Definition> unwrap(
    Result<std::shared_ptr<const workflows::Definition>> result) {
  if (!result) throw Orchestrator::ConfigurationError(std::move(result).error());
  return std::move(*result);
}

}  // namespace

Workflow::Workflow(std::shared_ptr<const workflows::Definition> definition)
    : name_(definition ? definition->name : std::string()), definition_(std::move(definition)) {}

Workflow Workflow::from_text(std::string_view text, std::string_view file_name) {
  return Workflow(unwrap(workflows::parse_definition(text, file_name)));
}

Workflow Workflow::from_file(const std::string& path) {
  auto text = workflows::read_text_file(path, kFileBytesMax);
  if (!text) throw Orchestrator::ConfigurationError(std::move(text).error());
  return from_text(*text, path);
}

WorkflowBuilder::WorkflowBuilder(std::string name, int version) {
  document_["workflow"] = std::move(name);
  document_["version"] = version;
}

WorkflowBuilder& WorkflowBuilder::description(std::string text) {
  document_["description"] = std::move(text);
  return *this;
}

WorkflowBuilder& WorkflowBuilder::input(std::string name, InputOptions options) {
  json::object input;
  input["type"] = std::move(options.type);
  if (options.default_value) input["default"] = std::move(*options.default_value);
  if (!options.description.empty()) input["description"] = std::move(options.description);
  auto& inputs = document_["inputs"];
  if (!inputs.is_object()) inputs.emplace_object();
  inputs.get_object()[name] = std::move(input);
  return *this;
}

WorkflowBuilder& WorkflowBuilder::step(std::string kind, json::value argument,
                                       StepOptions options) {
  json::object step;
  step[kind] = std::move(argument);
  if (!options.id.empty()) step["id"] = std::move(options.id);
  if (!options.save_as.empty()) step["save_as"] = std::move(options.save_as);
  if (options.timeout) step["timeout"] = std::to_string(options.timeout->count()) + "ms";
  if (!options.on_error.empty()) step["on_error"] = std::move(options.on_error);
  if (!options.when.empty()) step["when"] = std::move(options.when);
  steps_.push_back(std::move(step));
  return *this;
}

json::array WorkflowBuilder::steps_of(const Body& body) {
  WorkflowBuilder inner("body");
  if (body) body(inner);
  return std::move(inner.steps_);
}

WorkflowBuilder& WorkflowBuilder::for_each(std::string list, std::string as, const Body& body) {
  json::object step;
  step["for_each"] = std::move(list);
  step["as"] = std::move(as);
  step["do"] = steps_of(body);
  steps_.push_back(std::move(step));
  return *this;
}

WorkflowBuilder& WorkflowBuilder::if_(std::string condition, const Body& then,
                                      const Body& otherwise) {
  json::object step;
  step["if"] = std::move(condition);
  step["then"] = steps_of(then);
  if (otherwise) step["else"] = steps_of(otherwise);
  steps_.push_back(std::move(step));
  return *this;
}

WorkflowBuilder& WorkflowBuilder::while_(std::string condition, int max, const Body& body) {
  json::object step;
  step["while"] = std::move(condition);
  step["max"] = max;
  step["do"] = steps_of(body);
  steps_.push_back(std::move(step));
  return *this;
}

WorkflowBuilder& WorkflowBuilder::retry(int attempts, std::chrono::milliseconds delay,
                                        const Body& body) {
  json::object step;
  step["retry"] = {{"attempts", attempts}, {"delay", std::to_string(delay.count()) + "ms"}};
  step["do"] = steps_of(body);
  steps_.push_back(std::move(step));
  return *this;
}

WorkflowBuilder& WorkflowBuilder::output(std::string name, std::string expression) {
  auto& output = document_["output"];
  if (!output.is_object()) output.emplace_object();
  output.get_object()[name] = std::move(expression);
  return *this;
}

WorkflowBuilder& WorkflowBuilder::output_schema(json::object schema) {
  document_["output_schema"] = std::move(schema);
  return *this;
}

Workflow WorkflowBuilder::build() const {
  json::object document = document_;
  document["steps"] = steps_;
  const std::string name(document_.at("workflow").get_string());
  return Workflow(unwrap(workflows::parse_definition(document, name)));
}

namespace workflows {

Workflow video_discovery() {
  constexpr std::string_view kPath = "workflows/video_discovery.yaml";
  return Workflow(unwrap(parse_definition(assets::get(kPath), kPath)));
}

}  // namespace workflows
}  // namespace troupe
