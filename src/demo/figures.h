// The demo site's own numbers (views, likes, upload dates, comments), made from a film's id so that
// they are the same on every machine, and their texts as video sites write them. None of them is
// real.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::demo {

struct Figures {
  std::int64_t views = 0;           ///< 800 to 6 million.
  std::int64_t likes = 0;           ///< 1 to 6 % of the views.
  std::int64_t subscribers = 0;     ///< Meant for channels.
  std::chrono::sys_days published;  ///< 2009 to 2025.
};

struct Comment {
  std::string author;
  std::string text;
  int days_ago = 0;
};

/// Of a film's or channel's id.
Figures figures_of(std::string_view id);
/// 3 to 24 comments of a film.
std::vector<Comment> comments_of(std::string_view id);
/// A number from `text` and `salt`: the same everywhere, spread evenly.
std::uint64_t hash_of(std::string_view text, std::uint64_t salt = 0);

/// `987`, `12K`, `1.2M`.
std::string compact_count(std::int64_t count);
/// `1,234,567`.
std::string grouped_count(std::int64_t count);
/// `0:46`, `12:00`, `1:08:00`.
std::string duration_text(int seconds);
/// `3 years ago`; `today` for less than a day.
std::string age_text(int days);
/// `Mar 14, 2019`.
std::string date_text(std::chrono::sys_days day);

}  // namespace troupe::demo
