// What is wrong in a document, and where: collected, so that all of it is told at once.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace troupe::workflows {

/// Both from 1; 0: not known.
struct Position {
  int line = 0;
  int column = 0;
};

struct Mistake {
  std::string file;
  int line = 0;
  int column = 0;
  std::string field;  ///< Path: `steps[3].click.nth`; empty: the document as a whole.
  std::string message;
  /// `discovery.yaml:12:5 steps[3].click.nth: not an integer`
  std::string describe() const;
};

class Mistakes final {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}

  void add(Position position, std::string field, std::string message);
  bool empty() const { return all_.empty(); }
  const std::string& file() const { return file_; }
  /// In the order of their lines.
  std::vector<Mistake> sorted() const;
  /// invalid_argument: one line per mistake.
  Error to_error() const;

 private:
  static constexpr std::size_t kMost = 100;
  std::string file_;
  std::vector<Mistake> all_;
  std::size_t left_out_ = 0;
};

}  // namespace troupe::workflows
