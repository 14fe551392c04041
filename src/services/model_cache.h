// Answers of models, kept by the digest of their request, so that the same question is paid once.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/model.h"

namespace troupe::services {

/// SHA-256 in hex of all that an answer depends on, whatever the order of members in its JSON;
/// pictures by their bytes. Purpose and secrets (which are never sent) do not count.
std::string request_digest(const ModelRequest& request, const std::vector<std::string>& models);

/// The least recently used go first. Threads: engine.
class ModelCache final {
 public:
  /// `file` keeps the answers over restarts, one JSON object a line; empty: memory only.
  explicit ModelCache(std::int64_t bytes_max, std::string file = {});
  ModelCache(const ModelCache&) = delete;
  ModelCache& operator=(const ModelCache&) = delete;

  /// The answer with `cached` set, and without usage and cost.
  std::optional<ModelReply> find(const std::string& digest);
  void put(const std::string& digest, const ModelReply& reply);

  std::int64_t bytes() const { return bytes_; }
  std::size_t size() const { return entries_.size(); }
  std::int64_t hits() const { return hits_; }
  std::int64_t misses() const { return misses_; }

 private:
  struct Entry {
    std::string digest;
    std::string line;  ///< The reply as JSON.
  };
  void keep(std::string digest, std::string line);
  void load();

  std::int64_t bytes_max_;
  std::string file_;
  std::list<Entry> entries_;  ///< Used last in front.
  std::map<std::string, std::list<Entry>::iterator> places_;
  std::int64_t bytes_ = 0, hits_ = 0, misses_ = 0;
};

}  // namespace troupe::services
