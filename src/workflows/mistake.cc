#include "workflows/mistake.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace troupe::workflows {

std::string Mistake::describe() const {
  std::string text = file;
  if (line > 0) text += ":" + std::to_string(line) + ":" + std::to_string(column);
  if (!field.empty()) text += " " + field;
  return text + ": " + message;
}

void Mistakes::add(Position position, std::string field, std::string message) {
  if (all_.size() >= kMost) {
    ++left_out_;
    return;
  }
  all_.push_back({file_, position.line, position.column, std::move(field), std::move(message)});
}

std::vector<Mistake> Mistakes::sorted() const {
  // Not std::stable_sort: libstdc++ 12 implements it with a function that clang calls deprecated.
  std::vector<std::size_t> order(all_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
    return std::tuple(all_[a].line, all_[a].column, a) <
           std::tuple(all_[b].line, all_[b].column, b);
  });
  std::vector<Mistake> sorted;
  for (const std::size_t index : order) sorted.push_back(all_[index]);
  return sorted;
}

Error Mistakes::to_error() const {
  std::string text;
  for (const Mistake& mistake : sorted()) {
    if (!text.empty()) text += '\n';
    text += mistake.describe();
  }
  if (left_out_ > 0) text += "\n" + file_ + ": " + std::to_string(left_out_) + " more mistakes";
  return fail(Errc::invalid_argument, std::move(text), file_);
}

}  // namespace troupe::workflows
