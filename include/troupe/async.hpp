// The asynchronous call for programs that have an Asio loop: any completion token (a callback,
// use_awaitable, use_future). The handler runs on its own executor, never on Troupe's engine
// thread.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "troupe/orchestrator.hpp"

namespace troupe {

/// Like Orchestrator::run_workflow, for signature `void(std::exception_ptr, RunResult)`. The
/// orchestrator must outlive the operation (its close() ends it).
///
///   troupe::RunResult result = co_await troupe::async_run_workflow(
///       orchestrator, request, boost::asio::use_awaitable);
template <class CompletionToken>
auto async_run_workflow(Orchestrator& orchestrator, RunRequest request, CompletionToken&& token) {
  auto start = [&orchestrator](auto handler, RunRequest wanted) {
    auto executor = boost::asio::get_associated_executor(handler);
    auto work = boost::asio::make_work_guard(executor);
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto done = [shared, executor, work](std::exception_ptr failure, RunResult result) mutable {
      // The work guard travels along: its loop must not end, and be destroyed, under this thread.
      auto deliver = [shared, failure, result = std::move(result),
                      work = std::move(work)]() mutable {
        std::move (*shared)(failure, std::move(result));
      };
      boost::asio::post(executor, std::move(deliver));
    };
    try {
      orchestrator.start_workflow(std::move(wanted), done);
    } catch (...) {
      done(std::current_exception(), RunResult{});
    }
  };
  return boost::asio::async_initiate<CompletionToken, void(std::exception_ptr, RunResult)>(
      std::move(start), token, std::move(request));
}

}  // namespace troupe
