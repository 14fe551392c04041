// The main job as a library call: five parallel sessions search a video site.
// Usage: example_video_discovery [site] [base_url]
#include <iostream>
#include <troupe/orchestrator.hpp>

int main(int argc, char** argv) {
  troupe::RunRequest request{.site = argc > 1 ? argv[1] : "youtube",
                             .workflow = troupe::workflows::video_discovery(),
                             .sessions = 5};
  if (argc > 2) request.site_overrides["base_url"] = argv[2];
  try {
    troupe::Orchestrator orchestrator;  // settings: environment > file > default
    const troupe::RunResult run = orchestrator.run_workflow(request);
    for (const auto& task : run.tasks)
      if (task.ok())
        std::cout << task.output << "\n";
      else
        std::cerr << "session " << task.index << ": " << task.error->describe() << "\n";
    return run.ok() ? 0 : 1;
  } catch (const troupe::Orchestrator::Error& error) {
    std::cerr << error.what() << "\n";
    return troupe::traits(error.error().code).exit_code;
  }
}
