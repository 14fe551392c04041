// HTML of the demo site: templates of assets/demo filled with a film's facts. Pure text in, text
// out.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "demo/catalogue.h"

namespace troupe::demo {

/// Text as it may stand in HTML content and in quoted attributes.
std::string html_escape(std::string_view text);

using Values = std::vector<std::pair<std::string_view, std::string>>;
/// Replaces `{{name}}` by the escaped value and `{{&name}}` by the value as it is. A name without a
/// value becomes nothing.
std::string fill(std::string_view html, const Values& values);

/// What every page needs to know about the request.
struct Visit {
  WallTime now;
  bool consented = false;  ///< Without, the consent dialog covers the page.
  std::string query;       ///< Shown in the search box.
};

/// A page of the site around `content`: header with search box, footer, consent dialog if needed.
std::string site_page(const Visit& visit, std::string_view title, std::string_view content);
/// A page without header and consent dialog, for the test pages.
std::string plain_page(std::string_view title, std::string_view content);

std::string home_page(const Catalogue& catalogue, const Visit& visit);
/// The list itself is drawn by the page's script from /api/search, from `offset` on.
std::string results_page(const Visit& visit, std::size_t offset);
std::string watch_page(const Catalogue& catalogue, const Visit& visit, const Film& film);
std::string channel_page(const Catalogue& catalogue, const Visit& visit, const Channel& channel);
std::string not_found_page(const Visit& visit, std::string_view what);

/// What a card of a list shows.
json::object card_json(const Catalogue& catalogue, const Film& film, WallTime now);
/// `{total, offset, items}` with the cards from `offset` on, `limit` at most.
json::object list_json(const Catalogue& catalogue, const std::vector<const Film*>& films,
                       std::size_t offset, std::size_t limit, WallTime now);
json::object comments_json(const Film& film);
/// The text file that /download gives.
std::string film_text(const Catalogue& catalogue, const Film& film);

}  // namespace troupe::demo
