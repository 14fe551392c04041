// What tests share: a loop that runs one coroutine to its end, readable error codes. Tests only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <exception>
#include <ostream>
#include <string>

#include "base/async.h"

namespace troupe {

inline void PrintTo(Errc code, std::ostream* out) { *out << to_string(code); }

namespace testing {

/// Runs `body(Context&)` on a loop of its own and real time; the context ends after 20 s.
/// Exceptions leave it.
template <class Body>
void run(Body body) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  const Context base(*clock, io.get_executor());
  Context ctx = base.with_timeout(std::chrono::seconds(20), "test");
  std::exception_ptr thrown;
  asio::co_spawn(io, body(ctx), [&](std::exception_ptr exception) { thrown = exception; });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace testing
}  // namespace troupe
