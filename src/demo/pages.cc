#include "demo/pages.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assets.h"
#include "demo/figures.h"

namespace troupe::demo {
namespace {

constexpr std::size_t kFeatured = 16;

std::string template_of(std::string_view name) {
  return std::string(assets::get(fmt::format("demo/pages/{}.html", name)));
}

int days_since(std::chrono::sys_days day, WallTime now) {
  const auto today = std::chrono::floor<std::chrono::days>(now);
  return std::max(0, static_cast<int>((today - day).count()));
}

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string watch_url(const Film& film) { return "/watch?v=" + film.id; }

/// JSON inside a <script> element: `<` would let a text end the element.
std::string script_json(const json::value& value) {
  std::string text;
  for (const char c : json::serialize(value)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

std::string description_of(const Film& film) {
  return fmt::format(
      "{}, directed by {} ({}, {}). Running time {}. Topics: {}.\n\n"
      "The film is in the public domain in the United States. This demonstration site lists it "
      "with its true title, year, director and length; it carries no film material.\n\n"
      "Views, likes, dates and comments are made up by the site, from the film's id.",
      film.title, film.director, film.country, film.year, duration_text(film.seconds),
      joined(film.topics));
}

std::string initials_of(std::string_view name) {
  std::string initials;
  bool start = true;
  for (const char c : name) {
    if (start && c >= 'A' && c <= 'Z' && initials.size() < 2) initials += c;
    start = c == ' ';
  }
  return initials;
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string fill(std::string_view html, const Values& values) {
  std::string out;
  while (true) {
    const std::size_t open = html.find("{{");
    const std::size_t close = open == html.npos ? html.npos : html.find("}}", open);
    if (close == html.npos) return out.append(html);
    out.append(html.substr(0, open));
    std::string_view name = html.substr(open + 2, close - open - 2);
    html.remove_prefix(close + 2);
    const bool as_it_is = name.starts_with('&');
    if (as_it_is) name.remove_prefix(1);
    const auto value = std::find_if(values.begin(), values.end(),
                                    [&](const auto& entry) { return entry.first == name; });
    if (value == values.end()) continue;
    out.append(as_it_is ? value->second : html_escape(value->second));
  }
}

std::string site_page(const Visit& visit, std::string_view title, std::string_view content) {
  return fill(template_of("layout"), {{"title", std::string(title)},
                                      {"query", visit.query},
                                      {"content", std::string(content)},
                                      {"consent", visit.consented ? "" : template_of("consent")},
                                      {"locked", visit.consented ? "" : " class=\"locked\""}});
}

std::string plain_page(std::string_view title, std::string_view content) {
  return fill(template_of("plain"),
              {{"title", std::string(title)}, {"content", std::string(content)}});
}

std::string home_page(const Catalogue& catalogue, const Visit& visit) {
  std::vector<const Film*> films;
  for (const Film& film : catalogue.films()) films.push_back(&film);
  std::sort(films.begin(), films.end(), [](const Film* a, const Film* b) {
    return figures_of(a->id).views > figures_of(b->id).views;
  });
  std::string channels;
  for (const Channel& channel : catalogue.channels())
    channels +=
        fill(template_of("channel_chip"),
             {{"id", channel.id}, {"name", channel.name}, {"initials", initials_of(channel.name)}});
  const json::object featured = list_json(catalogue, films, 0, kFeatured, visit.now);
  const std::string content =
      fill(template_of("home"), {{"films", script_json(featured)}, {"channels", channels}});
  return site_page(visit, "Reel Commons", content);
}

std::string results_page(const Visit& visit, std::size_t offset) {
  const std::string content =
      fill(template_of("results"), {{"query", visit.query}, {"offset", std::to_string(offset)}});
  return site_page(visit, visit.query + " - Reel Commons", content);
}

std::string watch_page(const Catalogue& catalogue, const Visit& visit, const Film& film) {
  const Channel& channel = *catalogue.channel(film.channel);
  const Figures figures = figures_of(film.id);
  std::string topics;
  for (const std::string& topic : film.topics)
    topics += fill(template_of("topic"), {{"topic", topic}});
  const std::string content = fill(
      template_of("watch"), {{"id", film.id},
                             {"title", film.title},
                             {"card", json::serialize(card_json(catalogue, film, visit.now))},
                             {"seconds", std::to_string(film.seconds)},
                             {"channel_id", channel.id},
                             {"channel", channel.name},
                             {"initials", initials_of(channel.name)},
                             {"subscribers", compact_count(figures_of(channel.id).subscribers)},
                             {"views", grouped_count(figures.views)},
                             {"published", date_text(figures.published)},
                             {"age", age_text(days_since(figures.published, visit.now))},
                             {"likes", grouped_count(figures.likes)},
                             {"likes_short", compact_count(figures.likes)},
                             {"description", description_of(film)},
                             {"director", film.director},
                             {"year", std::to_string(film.year)},
                             {"country", film.country},
                             {"duration", duration_text(film.seconds)},
                             {"topics", topics}});
  return site_page(visit, film.title + " - Reel Commons", content);
}

std::string channel_page(const Catalogue& catalogue, const Visit& visit, const Channel& channel) {
  const std::vector<const Film*> films = catalogue.films_of(channel.id);
  std::string rows;
  for (const Film* film : films)
    rows += fill(template_of("film_row"), {{"url", watch_url(*film)},
                                           {"title", film->title},
                                           {"year", std::to_string(film->year)},
                                           {"duration", duration_text(film->seconds)},
                                           {"views", grouped_count(figures_of(film->id).views)}});
  const Figures figures = figures_of(channel.id);
  const std::string content =
      fill(template_of("channel"), {{"name", channel.name},
                                    {"initials", initials_of(channel.name)},
                                    {"about", channel.about},
                                    {"subscribers", compact_count(figures.subscribers)},
                                    {"joined", date_text(figures.published)},
                                    {"count", std::to_string(films.size())},
                                    {"rows", rows}});
  return site_page(visit, channel.name + " - Reel Commons", content);
}

std::string not_found_page(const Visit& visit, std::string_view what) {
  const std::string content = fill(template_of("not_found"), {{"what", std::string(what)}});
  return site_page(visit, "Not found - Reel Commons", content);
}

json::object card_json(const Catalogue& catalogue, const Film& film, WallTime now) {
  const Channel& channel = *catalogue.channel(film.channel);
  const Figures figures = figures_of(film.id);
  return {{"id", film.id},
          {"url", watch_url(film)},
          {"title", film.title},
          {"year", film.year},
          {"director", film.director},
          {"duration", duration_text(film.seconds)},
          {"views", compact_count(figures.views) + " views"},
          {"age", age_text(days_since(figures.published, now))},
          {"topic", film.topics.empty() ? std::string() : film.topics.front()},
          {"hue", hash_of(film.id, 9) % 360},
          {"text", fmt::format("{}, {}. {}.", film.director, film.year, joined(film.topics))},
          {"channel",
           {{"name", channel.name},
            {"url", "/channel/" + channel.id},
            {"initials", initials_of(channel.name)}}}};
}

json::object list_json(const Catalogue& catalogue, const std::vector<const Film*>& films,
                       std::size_t offset, std::size_t limit, WallTime now) {
  json::array items;
  for (std::size_t i = offset; i < films.size() && items.size() < limit; ++i)
    items.push_back(card_json(catalogue, *films[i], now));
  return {{"total", films.size()}, {"offset", offset}, {"items", std::move(items)}};
}

json::object comments_json(const Film& film) {
  json::array items;
  for (const Comment& comment : comments_of(film.id))
    items.push_back({{"author", comment.author},
                     {"initials", initials_of(comment.author)},
                     {"text", comment.text},
                     {"age", age_text(comment.days_ago)}});
  return {{"total", items.size()}, {"items", std::move(items)}};
}

std::string film_text(const Catalogue& catalogue, const Film& film) {
  return fmt::format(
      "{}\nDirector: {}\nYear: {}\nCountry: {}\nLength: {}\nTopics: {}\nChannel: {}\n", film.title,
      film.director, film.year, film.country, duration_text(film.seconds), joined(film.topics),
      catalogue.channel(film.channel)->name);
}

}  // namespace troupe::demo
