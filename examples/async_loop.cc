// Two runs at once from a program that has an Asio loop of its own.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iostream>
#include <troupe/async.hpp>

namespace asio = boost::asio;

asio::awaitable<void> read_title(troupe::Orchestrator& orchestrator, troupe::Workflow workflow,
                                 std::string url) {
  troupe::RunRequest request{.workflow = std::move(workflow)};
  request.inputs["url"] = url;
  const troupe::RunResult run =
      co_await troupe::async_run_workflow(orchestrator, std::move(request), asio::use_awaitable);
  std::cout << run.outputs() << "\n";
}

int main() {
  const auto workflow = troupe::Workflow::from_text(R"(
workflow: title
inputs:
  url: {type: string}
steps:
  - goto: "{{ inputs.url }}"
  - extract: {fields: {title: {selector: title}}}
    save_as: page
output: "{{ page.title }}"
)");
  troupe::Orchestrator orchestrator;
  asio::io_context io;
  const auto report = [](std::exception_ptr exception) {
    if (exception) std::rethrow_exception(exception);
  };
  asio::co_spawn(io, read_title(orchestrator, workflow, "data:text/html,<title>One</title>"),
                 report);
  asio::co_spawn(io, read_title(orchestrator, workflow, "data:text/html,<title>Two</title>"),
                 report);
  io.run();
}
