// The demo site's films and channels, read from assets/demo/catalogue.json, and the search over
// them. Titles, years, directors and lengths are those of real public-domain films; the channels
// are not real.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace troupe::demo {

struct Film {
  std::string id;  ///< 11 lower-case letters and digits, as in `/watch?v=`.
  std::string title;
  int year = 0;
  std::string director;
  int seconds = 0;  ///< Commonly quoted running time.
  std::string country;
  std::vector<std::string> topics;
  std::string channel;  ///< Id of the channel.
};

struct Channel {
  std::string id;
  std::string name;
  std::string about;
};

/// Immutable. Pointers that it gives live as long as it does.
class Catalogue final {
 public:
  /// Errors: invalid_argument (no JSON, a field is missing or has the wrong type, unknown channel).
  static Result<Catalogue> parse(std::string_view text);
  Catalogue(Catalogue&&) = default;
  Catalogue(const Catalogue&) = delete;

  const std::vector<Film>& films() const { return films_; }
  const std::vector<Channel>& channels() const { return channels_; }
  /// nullptr when there is none.
  const Film* film(std::string_view id) const;
  const Channel* channel(std::string_view id) const;
  std::vector<const Film*> films_of(std::string_view channel_id) const;

  /// Films that fit any word of `query`, best first. Title, topics, director, year, country and
  /// channel count, in this order; letters are compared without case and accents.
  std::vector<const Film*> search(std::string_view query) const;
  /// Films that share topics, director or channel with `film`, closest first, without itself.
  std::vector<const Film*> related(const Film& film) const;

 private:
  /// What the search compares, folded.
  struct Terms {
    std::string title;
    std::vector<std::string> topics;
    std::vector<std::string> title_words;
    std::vector<std::string> topic_words;
    std::vector<std::string> director_words;
    std::vector<std::string> other_words;
  };
  Catalogue() = default;
  int score(std::size_t index, const std::string& phrase,
            const std::vector<std::string>& words) const;

  std::vector<Film> films_;
  std::vector<Terms> terms_;  ///< By place of the film.
  std::vector<Channel> channels_;
};

/// Lower case, without accents (Latin-1 letters), other signs as spaces: "Méliès!" → "melies".
std::string fold(std::string_view text);
/// The words of `text`, folded, plural forms as singular.
std::vector<std::string> words_of(std::string_view text);

}  // namespace troupe::demo
