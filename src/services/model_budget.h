// Budgets of money for models: what a call could cost at most is set aside before it is sent, and
// replaced by what it did cost afterwards. So no limit is passed by calls at the same time either.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/result.h"

namespace troupe::services {

/// Micro-dollars; 0: no limit.
struct BudgetLimits {
  std::int64_t task = 0;    ///< Of one task, all its attempts.
  std::int64_t run = 0;     ///< Of one run.
  std::int64_t tenant = 0;  ///< Of one tenant (project) on one day (UTC).
  std::int64_t day = 0;     ///< Of all on one day.
  bool any() const { return task || run || tenant || day; }
  bool operator==(const BudgetLimits&) const = default;
};

/// `task=0.05`, `run=2`, `tenant=20`, `day=50`: dollars. Errors: invalid_argument.
Result<BudgetLimits> budget_limits_from(const std::vector<std::string>& items);

/// Threads: engine.
class ModelBudget final {
 public:
  /// What was spent today is kept in `file` over restarts; empty: not kept.
  ModelBudget(Clock& clock, BudgetLimits limits, std::string file = {});
  ModelBudget(const ModelBudget&) = delete;
  ModelBudget& operator=(const ModelBudget&) = delete;
  ~ModelBudget() { save(); }

  /// Money set aside. Without settle() it is given back.
  class Reservation final {
   public:
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)),
          names_(std::move(other.names_)),
          amount_(other.amount_) {}
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation() { settle(0); }
    /// What was paid in the end. The first call counts.
    void settle(std::int64_t cost);

   private:
    friend class ModelBudget;
    Reservation(ModelBudget& budget, std::vector<std::string> names, std::int64_t amount)
        : budget_(&budget), names_(std::move(names)), amount_(amount) {}
    ModelBudget* budget_;
    std::vector<std::string> names_;
    std::int64_t amount_;
  };
  /// `ids` says whose money it is. Errors: exhausted, naming the budget and what is left of it.
  Result<Reservation> reserve(const Ids& ids, std::int64_t most);

  const BudgetLimits& limits() const { return limits_; }
  /// Micro-dollars spent by all today.
  std::int64_t spent_today();
  /// Spent by one run or task; 0 when it is not known (any more).
  std::int64_t spent_by_run(const std::string& id) const { return spent("run " + id); }
  std::int64_t spent_by_task(const std::string& id) const { return spent("task " + id); }

 private:
  struct Account {
    std::int64_t spent = 0;
    std::int64_t reserved = 0;
  };
  std::int64_t spent(const std::string& name) const;
  Account& account(const std::string& name);
  void turn_the_day();
  void forget_old();
  void settle(const std::vector<std::string>& names, std::int64_t reserved, std::int64_t cost);
  void load();
  void save();

  Clock& clock_;
  BudgetLimits limits_;
  std::string file_;
  std::string today_;
  std::map<std::string, Account> accounts_;  ///< `task …`, `run …`, `tenant …`, `day`.
  std::deque<std::string> passing_;          ///< Tasks and runs, oldest first.
  bool changed_ = false;
  SteadyTime saved_at_{};
};

}  // namespace troupe::services
