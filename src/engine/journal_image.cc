#include "engine/journal_image.h"

namespace troupe::engine {
namespace {

constexpr std::size_t kPieceBytes = 4 << 10;

}  // namespace

JournalImage::JournalImage(JournalEntries stored) {
  for (auto& [key, text] : stored) {
    const std::size_t bytes = key.size() + text.size();
    bytes_ += bytes;
    entries_[std::move(key)] = {.text = std::move(text), .bytes = bytes, .stored = true};
  }
}

const std::string* JournalImage::find(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second.text;
}

json::object JournalImage::object(std::string_view key) const {
  const std::string* text = find(key);
  if (!text) return {};
  const auto value = parse_json(*text, "journal");
  return value && value->is_object() ? value->get_object() : json::object();
}

bool JournalImage::any_under(std::string_view prefix) const {
  const auto first = entries_.lower_bound(prefix);
  return first != entries_.end() && first->first.starts_with(prefix);
}

json::array JournalImage::pieces(std::string_view prefix) const {
  json::array list;
  for (std::size_t i = 0;; ++i) {
    const std::string* text = find(std::string(prefix) + std::to_string(i));
    if (!text) return list;
    auto values = parse_json("[" + *text + "]", "journal");
    if (!values) return list;
    for (json::value& value : values->get_array()) list.push_back(std::move(value));
  }
}

std::size_t JournalImage::piece_count(std::string_view prefix) const {
  std::size_t count = 0;
  while (entries_.contains(std::string(prefix) + std::to_string(count))) ++count;
  return count;
}

void JournalImage::set(std::string key, std::string text) {
  Entry& entry = entries_[key];
  bytes_ -= entry.bytes;
  entry.bytes = key.size() + text.size();
  bytes_ += entry.bytes;
  entry.text = std::move(text);
  changed_.emplace(std::move(key), entry.stored);
}

void JournalImage::erase(std::string_view key) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) erase_at(found);
}

JournalImage::Entries::iterator JournalImage::erase_at(Entries::iterator at) {
  bytes_ -= at->second.bytes;
  const auto changed = changed_.find(at->first);
  // What the store never had need not be taken from it.
  if (changed != changed_.end() && !changed->second)
    changed_.erase(changed);
  else if (changed == changed_.end() && at->second.stored)
    changed_.emplace(at->first, true);
  return entries_.erase(at);
}

void JournalImage::erase_under(std::string_view prefix) {
  for (auto at = entries_.lower_bound(prefix);
       at != entries_.end() && at->first.starts_with(prefix);)
    at = erase_at(at);
}

void JournalImage::erase_round(std::string_view prefix) {
  for (auto at = entries_.lower_bound(prefix);
       at != entries_.end() && at->first.starts_with(prefix);) {
    const bool own = at->first.size() == prefix.size() || at->first[prefix.size()] == '#';
    at = own ? std::next(at) : erase_at(at);
  }
}

JournalEntries JournalImage::take_changes() {
  JournalEntries changes;
  for (const auto& [key, had] : changed_) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
      changes.emplace_back(key, std::string());
      continue;
    }
    changes.emplace_back(key, std::move(found->second.text));
    found->second.text.clear();
    found->second.stored = true;
  }
  changed_.clear();
  return changes;
}

void GrowingList::add(JournalImage& image, const json::value& value) {
  if (!piece_.empty()) piece_ += ",";
  piece_ += json::serialize(value);
  image.set(prefix_ + std::to_string(pieces_), piece_);
  if (piece_.size() < kPieceBytes) return;
  piece_.clear();
  ++pieces_;
}

}  // namespace troupe::engine
