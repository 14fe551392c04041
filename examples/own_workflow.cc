// A workflow built in C++, one task per input, results as JSON.
#include <iostream>
#include <troupe/orchestrator.hpp>

int main() {
  const troupe::Workflow workflow =
      troupe::WorkflowBuilder("greet")
          .input("name", {.type = "string"})
          .step("goto",
                "data:text/html,<label>Name <input id=n></label>"
                "<button onclick=\"o.textContent='Hello '+n.value\">Greet</button><p id=o>")
          .step("act", "type {{ inputs.name }} into the Name field")
          .step("act", "click the 'Greet' button")
          .step("extract", {{"fields", {{"greeting", {{"selector", "#o"}}}}}}, {.save_as = "page"})
          .output("greeting", "{{ page.greeting }}")
          .build();
  try {
    troupe::Orchestrator orchestrator;
    const troupe::RunResult run = orchestrator.run_workflow(
        {.workflow = workflow,
         .sessions = 2,
         .items = {{{"name", "Ada"}}, {{"name", "Grace"}}, {{"name", "Barbara"}}}});
    std::cout << run.outputs() << "\n";
    return run.ok() ? 0 : 1;
  } catch (const troupe::Orchestrator::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
