#include "demo/figures.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace troupe::demo {
namespace {

constexpr std::array kAuthors{
    "Projection Booth Pat", "Celluloid Sam", "Reel Ruth",       "Nitrate Ned",
    "Intertitle Ida",       "Aperture Alex", "Matinee Mo",      "Sprocket Sue",
    "Orchestra Pit Otto",   "Balcony Bea",   "Curtain Call Cy", "Usher Uma",
};
constexpr std::array kRemarks{
    "Watched this with my grandfather. He laughed before I did.",
    "The print is better than the one I saw years ago.",
    "How did they do this without a computer?",
    "Came for the history lesson, stayed for the ending.",
    "The timing of that second scene is perfect.",
    "Is there a longer version of this one?",
    "We showed it in class today and nobody looked at a phone.",
    "I wish more people knew this film.",
    "The light in the last reel is beautiful.",
    "Not my kind of film, but I could not stop watching.",
    "Thank you for keeping this in circulation.",
    "Somebody should write new music for this.",
    "The stunt work is unbelievable.",
    "Older than my house and still in better shape.",
};

double fraction(std::string_view id, std::uint64_t salt) {
  return static_cast<double>(hash_of(id, salt) >> 11) / static_cast<double>(1ULL << 53);
}

std::string some_ago(int count, std::string_view unit) {
  return fmt::format("{} {}{} ago", count, unit, count == 1 ? "" : "s");
}

}  // namespace

std::uint64_t hash_of(std::string_view text, std::uint64_t salt) {
  std::uint64_t hash = 14695981039346656037ULL + salt * 0x9E3779B97F4A7C15ULL;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ULL;  // SplitMix64's last steps spread the bits
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBULL;
  return hash ^ (hash >> 31);
}

Figures figures_of(std::string_view id) {
  Figures figures;
  const double log_low = std::log(800.0);
  const double log_high = std::log(6'000'000.0);
  figures.views =
      static_cast<std::int64_t>(std::exp(log_low + fraction(id, 1) * (log_high - log_low)));
  figures.likes = static_cast<std::int64_t>(static_cast<double>(figures.views) *
                                            (0.01 + 0.05 * fraction(id, 2)));
  figures.subscribers = 2'000 + static_cast<std::int64_t>(900'000 * fraction(id, 3));
  constexpr std::chrono::sys_days kFirst{std::chrono::year{2009} / 1 / 1};
  constexpr std::chrono::sys_days kLast{std::chrono::year{2025} / 12 / 31};
  const auto span = static_cast<std::uint64_t>((kLast - kFirst).count()) + 1;
  figures.published = kFirst + std::chrono::days(hash_of(id, 4) % span);
  return figures;
}

std::vector<Comment> comments_of(std::string_view id) {
  const int count = 3 + static_cast<int>(hash_of(id, 5) % 22);
  std::vector<Comment> comments;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t hash = hash_of(id, 100 + static_cast<std::uint64_t>(i));
    comments.push_back({kAuthors[hash % kAuthors.size()], kRemarks[(hash >> 8) % kRemarks.size()],
                        static_cast<int>((hash >> 16) % 1500)});
  }
  return comments;
}

std::string compact_count(std::int64_t count) {
  const auto short_form = [](double value, char unit) {
    return value < 10 ? fmt::format("{:.1f}{}", std::floor(value * 10) / 10, unit)
                      : fmt::format("{}{}", static_cast<std::int64_t>(value), unit);
  };
  if (count >= 1'000'000) return short_form(static_cast<double>(count) / 1e6, 'M');
  if (count >= 1'000) return short_form(static_cast<double>(count) / 1e3, 'K');
  return std::to_string(count);
}

std::string grouped_count(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string duration_text(int seconds) {
  if (seconds < 3600) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string age_text(int days) {
  if (days >= 365) return some_ago(days / 365, "year");
  if (days >= 30) return some_ago(days / 30, "month");
  if (days >= 7) return some_ago(days / 7, "week");
  return days >= 1 ? some_ago(days, "day") : "today";
}

std::string date_text(std::chrono::sys_days day) {
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::year_month_day date(day);
  return fmt::format("{} {}, {}", kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<unsigned>(date.day()), static_cast<int>(date.year()));
}

}  // namespace troupe::demo
