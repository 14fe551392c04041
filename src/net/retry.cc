#include "net/retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace troupe::net {
namespace {

using Seconds = std::chrono::duration<double>;

// A number without sign, exponent or trailing text.
std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  if (error != std::errc{} || end != last || !(number >= 0) || number > 1e9) return {};
  return number;
}

Duration to_duration(Seconds seconds) { return std::chrono::duration_cast<Duration>(seconds); }

// Two or four digits at a fixed place; -1 when there are none.
int digits_at(std::string_view text, std::size_t at, std::size_t count) {
  int number = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

}  // namespace

std::optional<WallTime> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::string_view form = "aaa, 00 aaa 0000 00:00:00 GMT";
  if (text.size() != form.size() || !text.ends_with(" GMT")) return {};
  for (const std::size_t at : {3, 4, 7, 11, 16, 19, 22})
    if (text[at] != form[at]) return {};
  const auto month = std::find(months.begin(), months.end(), text.substr(8, 3));
  const int day = digits_at(text, 5, 2);
  const int year = digits_at(text, 12, 4);
  const int hour = digits_at(text, 17, 2);
  const int minute = digits_at(text, 20, 2);
  const int second = digits_at(text, 23, 2);
  if (month == months.end() || day < 0 || year < 0 || hour < 0 || minute < 0 || second < 0)
    return {};
  const auto number = static_cast<unsigned>(month - months.begin() + 1);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(number),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

RetryAdvice retry_advice(const HttpReply& reply, WallTime now) {
  RetryAdvice advice;
  const auto should = reply.header("x-should-retry");
  if (should == "true" || should == "false") advice.should_retry = should == "true";
  if (const auto ms = parse_number(reply.header("retry-after-ms"))) {
    advice.after = to_duration(Seconds(*ms / 1000));
  } else if (const auto seconds = parse_number(reply.header("retry-after"))) {
    advice.after = to_duration(Seconds(*seconds));
  } else if (const auto date = parse_http_date(reply.header("retry-after"))) {
    advice.after = std::max(Duration::zero(), std::chrono::duration_cast<Duration>(*date - now));
  }
  return advice;
}

Duration backoff(const RetryPolicy& policy, int attempt, Random& random) {
  const double grown = Seconds(policy.first).count() * std::exp2(std::min(attempt, 30) - 1);
  const double most = std::min(grown, Seconds(policy.max).count());
  return to_duration(Seconds(most * random.unit()));
}

std::optional<Duration> next_pause(const RetryPolicy& policy, int attempt,
                                   const RetryAdvice& advice, Duration remaining, Random& random) {
  if (attempt >= policy.attempts_max) return {};
  if (advice.after && *advice.after > policy.after_max) return {};
  // Many clients are told the same moment: a part of the own backoff spreads them.
  const Duration own = backoff(policy, attempt, random);
  const Duration pause = advice.after ? *advice.after + own / 4 : own;
  if (pause >= remaining) return {};
  return pause;
}

void RetryBudget::earn(double amount) {
  const SteadyTime now = clock_->now();
  amount += Seconds(now - at_).count() * options_.per_second;
  at_ = now;
  tokens_ = std::min(options_.capacity, tokens_ + amount);
}

void RetryBudget::call_began() { earn(options_.per_call); }

bool RetryBudget::take() {
  earn(0);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace troupe::net
