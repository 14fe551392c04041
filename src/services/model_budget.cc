#include "services/model_budget.h"

#include <array>
#include <charconv>

#include "base/json.h"
#include "base/text_file.h"
#include "services/model_prices.h"

namespace troupe::services {
namespace {

constexpr std::size_t kPassingMax = 100'000;
constexpr std::size_t kFileBytesMax = 16 << 20;
constexpr Duration kSaveEvery = std::chrono::seconds(2);

struct Limit {
  std::string_view word;
  std::int64_t BudgetLimits::* member;
};
constexpr std::array kLimits = std::to_array<Limit>({{"task", &BudgetLimits::task},
                                                     {"run", &BudgetLimits::run},
                                                     {"tenant", &BudgetLimits::tenant},
                                                     {"day", &BudgetLimits::day}});

std::int64_t limit_of(const BudgetLimits& limits, std::string_view name) {
  for (const Limit& limit : kLimits)
    if (name.substr(0, name.find(' ')) == limit.word) return limits.*limit.member;
  return 0;
}

bool passes_by(std::string_view name) {
  return name.starts_with("task ") || name.starts_with("run ");
}

}  // namespace

Result<BudgetLimits> budget_limits_from(const std::vector<std::string>& items) {
  BudgetLimits limits;
  for (const std::string& item : items) {
    const auto equals = item.find('=');
    const std::string_view word = std::string_view(item).substr(0, equals);
    const Limit* limit = nullptr;
    for (const Limit& candidate : kLimits)
      if (candidate.word == word) limit = &candidate;
    double amount = 0;
    bool good = limit && equals != std::string::npos;
    if (good) {
      const char* end = item.data() + item.size();
      const auto [at, error] = std::from_chars(item.data() + equals + 1, end, amount);
      good = error == std::errc{} && at == end && amount > 0 && amount <= 1e6;
    }
    if (!good)
      return fail(
          Errc::invalid_argument,
          "model_budgets: '" + item + "' is not task, run, tenant or day = 0..1000000 dollars", {},
          "for example task=0.05,day=20");
    limits.*limit->member = static_cast<std::int64_t>(amount * 1e6 + 0.5);
  }
  return limits;
}

ModelBudget::ModelBudget(Clock& clock, BudgetLimits limits, std::string file)
    : clock_(clock), limits_(limits), file_(std::move(file)) {
  today_ = to_rfc3339(clock_.wall()).substr(0, 10);
  load();
}

void ModelBudget::Reservation::settle(std::int64_t cost) {
  if (budget_) std::exchange(budget_, nullptr)->settle(names_, amount_, cost);
}

std::int64_t ModelBudget::spent(const std::string& name) const {
  const auto place = accounts_.find(name);
  return place == accounts_.end() ? 0 : place->second.spent;
}

ModelBudget::Account& ModelBudget::account(const std::string& name) {
  const auto [place, is_new] = accounts_.try_emplace(name);
  if (is_new && passes_by(name)) passing_.push_back(name);
  return place->second;
}

// What is reserved at midnight is paid on the new day.
void ModelBudget::turn_the_day() {
  const std::string today = to_rfc3339(clock_.wall()).substr(0, 10);
  if (today == today_) return;
  today_ = today;
  for (auto& [name, account] : accounts_)
    if (!passes_by(name)) account.spent = 0;
}

void ModelBudget::forget_old() {
  while (passing_.size() > kPassingMax) {
    const auto place = accounts_.find(passing_.front());
    if (place != accounts_.end() && place->second.reserved > 0) return;
    if (place != accounts_.end()) accounts_.erase(place);
    passing_.pop_front();
  }
}

Result<ModelBudget::Reservation> ModelBudget::reserve(const Ids& ids, std::int64_t most) {
  turn_the_day();
  std::vector<std::string> names{"day"};
  if (!ids.project.empty()) names.push_back("tenant " + ids.project);
  if (!ids.run.empty()) names.push_back("run " + ids.run);
  if (!ids.task.empty()) names.push_back("task " + ids.task);
  for (const std::string& name : names) {
    const std::int64_t limit = limit_of(limits_, name);
    const Account& present = account(name);
    if (limit == 0 || present.spent + present.reserved + most <= limit) continue;
    std::string message = "model budget of " + name + ": " + dollars(present.spent) + " of " +
                          dollars(limit) + " are spent";
    if (present.reserved > 0) message += ", " + dollars(present.reserved) + " set aside";
    return fail(Errc::exhausted, message + ", and this call may cost " + dollars(most), {},
                "raise model_budgets, or ask for less");
  }
  for (const std::string& name : names) account(name).reserved += most;
  forget_old();
  return Reservation(*this, std::move(names), most);
}

void ModelBudget::settle(const std::vector<std::string>& names, std::int64_t reserved,
                         std::int64_t cost) {
  turn_the_day();
  for (const std::string& name : names) {
    Account& paid = account(name);
    paid.reserved -= reserved;
    paid.spent += cost;
  }
  if (cost == 0) return;
  changed_ = true;
  if (clock_.now() - saved_at_ >= kSaveEvery) save();
}

std::int64_t ModelBudget::spent_today() {
  turn_the_day();
  return spent("day");
}

void ModelBudget::load() {
  if (file_.empty()) return;
  const auto text = read_text_file(file_, kFileBytesMax);
  const auto value = text ? parse_json(*text, file_) : Result<json::value>(text.error());
  if (!value || !value->is_object()) return;
  const auto& object = value->get_object();
  const json::value* spent = find(object, "spent");
  if (find_string(object, "day") != today_ || !spent || !spent->is_object()) return;
  for (const auto& row : spent->get_object())
    if (row.value().is_int64()) account(std::string(row.key())).spent = row.value().get_int64();
}

// A disk that is full must not stop the work: the limits still hold in this process.
void ModelBudget::save() {
  if (file_.empty() || !changed_) return;
  changed_ = false;
  saved_at_ = clock_.now();
  json::object spent;
  for (const auto& [name, account] : accounts_)
    if (!passes_by(name) && account.spent > 0) spent[name] = account.spent;
  const json::object whole{{"day", today_}, {"spent", std::move(spent)}};
  (void)replace_text_file(file_, json::serialize(whole));
}

}  // namespace troupe::services
