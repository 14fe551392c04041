#include "demo/catalogue.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "base/json.h"
#include "demo/figures.h"

namespace troupe::demo {
namespace {

// Second bytes 0xA0..0xBF of the UTF-8 letters U+00E0..U+00FF; the capitals differ by 0x20.
constexpr std::string_view kLatin1 = "aaaaaaaceeeeiiiidnooooo ouuuuyty";

std::string singular(std::string word) {
  if (word.size() > 4 && word.ends_with("ies")) return word.substr(0, word.size() - 3) + "y";
  if (word.size() > 3 && word.ends_with("s") && !word.ends_with("ss")) word.pop_back();
  return word;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void append(std::vector<std::string>& words, std::string_view text) {
  for (std::string& word : words_of(text)) words.push_back(std::move(word));
}

/// Words that nearly every film or query has: they never make a hit on their own beside others.
bool is_filler(const std::string& word) {
  static constexpr std::array kFiller{"a",  "an",    "and", "by", "film", "for",
                                      "in", "movie", "of",  "on", "the",  "video"};
  return std::find(kFiller.begin(), kFiller.end(), word) != kFiller.end();
}

Error bad(std::string what) {
  return fail(Errc::invalid_argument, "demo catalogue: " + std::move(what));
}

Result<std::string> text_of(const json::object& row, std::string_view key) {
  const auto value = find_string(row, key);
  if (!value || value->empty()) return bad(std::string(key) + " is missing or not text");
  return std::string(*value);
}

Result<int> number_of(const json::object& row, std::string_view key) {
  const auto value = find_int(row, key);
  if (!value) return bad(std::string(key) + " is missing or not a whole number");
  return static_cast<int>(*value);
}

Result<Channel> read_channel(const json::value& value) {
  if (!value.is_object()) return bad("a channel is not an object");
  const json::object& row = value.get_object();
  Channel channel;
  TRY(channel.id, text_of(row, "id"));
  TRY(channel.name, text_of(row, "name"));
  TRY(channel.about, text_of(row, "about"));
  return channel;
}

Result<Film> read_film(const json::value& value) {
  if (!value.is_object()) return bad("a film is not an object");
  const json::object& row = value.get_object();
  Film film;
  TRY(film.id, text_of(row, "id"));
  TRY(film.title, text_of(row, "title"));
  TRY(film.year, number_of(row, "year"));
  TRY(film.director, text_of(row, "director"));
  TRY(film.seconds, number_of(row, "seconds"));
  TRY(film.country, text_of(row, "country"));
  TRY(film.channel, text_of(row, "channel"));
  const json::value* topics = find(row, "topics");
  if (!topics || !topics->is_array()) return bad(film.id + ": topics is missing or no list");
  for (const json::value& topic : topics->get_array()) {
    if (!topic.is_string()) return bad(film.id + ": a topic is not text");
    film.topics.emplace_back(topic.get_string());
  }
  return film;
}

Result<const json::array*> list_of(const json::value& document, std::string_view key) {
  const json::value* list = find(document, key);
  if (!list || !list->is_array()) return bad(std::string(key) + " is missing or no list");
  return &list->get_array();
}

}  // namespace

std::string fold(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0xC3 && i + 1 < text.size()) {
      out += kLatin1[static_cast<unsigned char>(text[++i]) & 0x1F];
    } else if (byte < 0x80 && std::isalnum(byte)) {
      out += static_cast<char>(std::tolower(byte));
    } else if (byte != '\'' && !out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream in(fold(text));
  for (std::string word; in >> word;) words.push_back(singular(std::move(word)));
  return words;
}

Result<Catalogue> Catalogue::parse(std::string_view text) {
  TRY(const json::value document, parse_json(text, "demo catalogue"));
  TRY(const json::array* channels, list_of(document, "channels"));
  TRY(const json::array* films, list_of(document, "films"));
  Catalogue catalogue;
  for (const json::value& value : *channels) {
    TRY(Channel channel, read_channel(value));
    catalogue.channels_.push_back(std::move(channel));
  }
  for (const json::value& value : *films) {
    TRY(Film film, read_film(value));
    const Channel* channel = catalogue.channel(film.channel);
    if (!channel) return bad(film.id + ": there is no channel " + film.channel);
    Terms terms;
    terms.title = fold(film.title);
    append(terms.title_words, film.title);
    append(terms.director_words, film.director);
    for (const std::string& topic : film.topics) {
      terms.topics.push_back(fold(topic));
      append(terms.topic_words, topic);
    }
    append(terms.other_words, film.country);
    append(terms.other_words, channel->name);
    append(terms.other_words, std::to_string(film.year));
    catalogue.terms_.push_back(std::move(terms));
    catalogue.films_.push_back(std::move(film));
  }
  return catalogue;
}

const Film* Catalogue::film(std::string_view id) const {
  const auto it =
      std::find_if(films_.begin(), films_.end(), [&](const Film& film) { return film.id == id; });
  return it == films_.end() ? nullptr : &*it;
}

const Channel* Catalogue::channel(std::string_view id) const {
  const auto it = std::find_if(channels_.begin(), channels_.end(),
                               [&](const Channel& channel) { return channel.id == id; });
  return it == channels_.end() ? nullptr : &*it;
}

std::vector<const Film*> Catalogue::films_of(std::string_view channel_id) const {
  std::vector<const Film*> found;
  for (const Film& film : films_)
    if (film.channel == channel_id) found.push_back(&film);
  return found;
}

int Catalogue::score(std::size_t index, const std::string& phrase,
                     const std::vector<std::string>& words) const {
  const Terms& terms = terms_[index];
  int score = 0;
  if (terms.title == phrase) score += 100;
  if (phrase.size() > 3 && terms.title.find(phrase) != std::string::npos) score += 30;
  for (const std::string& topic : terms.topics)
    if (phrase.find(topic) != std::string::npos) score += 20;
  for (const std::string& word : words) {
    if (contains(terms.title_words, word)) score += 6;
    if (contains(terms.topic_words, word)) score += 5;
    if (contains(terms.director_words, word)) score += 5;
    if (contains(terms.other_words, word)) score += 3;
  }
  return score;
}

std::vector<const Film*> Catalogue::search(std::string_view query) const {
  const std::string phrase = fold(query);
  std::vector<std::string> words = words_of(query);
  std::vector<std::string> telling;
  std::copy_if(words.begin(), words.end(), std::back_inserter(telling),
               [](const std::string& word) { return !is_filler(word); });
  if (!telling.empty()) words = std::move(telling);

  struct Hit {
    int score;
    std::int64_t views;
    const Film* film;
  };
  std::vector<Hit> hits;
  for (std::size_t i = 0; i < films_.size(); ++i) {
    const int points = words.empty() ? 1 : score(i, phrase, words);
    if (points > 0) hits.push_back({points, figures_of(films_[i].id).views, &films_[i]});
  }
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.views != b.views) return a.views > b.views;
    return a.film->id < b.film->id;
  });
  std::vector<const Film*> found;
  for (const Hit& hit : hits) found.push_back(hit.film);
  return found;
}

std::vector<const Film*> Catalogue::related(const Film& film) const {
  std::vector<std::pair<int, const Film*>> close;
  for (const Film& other : films_) {
    if (other.id == film.id) continue;
    int points =
        (other.director == film.director ? 4 : 0) + (other.channel == film.channel ? 2 : 0);
    for (const std::string& topic : other.topics) points += contains(film.topics, topic) ? 1 : 0;
    if (points > 0) close.emplace_back(points, &other);
  }
  std::sort(close.begin(), close.end(), [](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first > b.first;
    return a.second->id < b.second->id;
  });
  std::vector<const Film*> found;
  for (const auto& entry : close) found.push_back(entry.second);
  return found;
}

}  // namespace troupe::demo
