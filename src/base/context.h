// Context: what every call that can wait is given: deadline, cancellation, ids for logs. Passed by
// reference down the call chain; a child context lives in the caller's frame.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace troupe {

/// Ids that log lines, events and errors carry. Empty = not known here.
struct Ids {
  std::string project;
  std::string run;
  std::string task;
  std::string session;
  std::string workflow;
  int attempt = 0;
};

/// Somebody who can ask for a stop. Copies share one state. Cancelling is idempotent; the first
/// reason stays. Threads: engine.
class CancelSource final {
 public:
  CancelSource();
  /// A source that is also cancelled when `parent` is.
  static CancelSource linked(const CancelSource& parent);

  void cancel(Error reason) const;
  bool is_cancelled() const;
  /// The reason; only when is_cancelled().
  const Error& reason() const;

  /// Keeps a callback registered while it lives. Callbacks run inside cancel(), once.
  class Registration final {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept { *this = std::move(other); }
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { reset(); }
    void reset();

   private:
    friend class CancelSource;
    std::weak_ptr<struct CancelState> state_;
    using Callback = std::shared_ptr<std::function<void()>>;
    std::list<Callback>::iterator place_{};
    Callback callback_;  // shared with the source's list; emptied when this registration ends
  };
  /// Runs `callback` when cancelled; at once when it already is.
  [[nodiscard]] Registration on_cancel(std::function<void()> callback) const;

 private:
  std::shared_ptr<struct CancelState> state_;
};

class Context final {
 public:
  Context(Clock& clock, boost::asio::any_io_executor executor);

  /// A child that must end within `limit` (or with its parent, if earlier). `what` names the limit
  /// in the error: `timed out after 10000 ms: step goto`.
  Context with_timeout(Duration limit, std::string what) const;
  /// A child that `source` can stop. Link the source to this context's if it must also follow it.
  Context with_cancel(CancelSource source) const;
  Context with_ids(Ids ids) const;
  /// For clean-up: no cancellation, a deadline of its own, the same ids.
  Context for_cleanup(Duration limit, std::string what) const;

  Clock& clock() const { return *clock_; }
  const boost::asio::any_io_executor& executor() const { return executor_; }
  SteadyTime deadline() const { return deadline_; }
  /// Time left, never negative.
  Duration remaining() const;
  const Ids& ids() const { return ids_; }
  const CancelSource& cancel_source() const { return cancel_; }

  /// ok, or `cancelled` (with the reason given), or `timeout`.
  Result<void> check() const;
  /// The error that a wait ends with when the deadline passes.
  Error timeout_error() const;

 private:
  Clock* clock_;
  boost::asio::any_io_executor executor_;
  SteadyTime deadline_ = SteadyTime::max();
  Duration limit_{};
  std::string what_;
  CancelSource cancel_;
  Ids ids_;
};

}  // namespace troupe
