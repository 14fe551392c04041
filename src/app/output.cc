#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "app/commands.h"
#include "app/text.h"

namespace troupe::app {

int report(const Error& error) {
  std::cerr << "troupe: " << error.describe() << "\n";
  return traits(error.code).exit_code;
}

void print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void print_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  print(text);
}

bool wants_json(Output output) {
  if (output == Output::automatic) return !is_terminal(STDOUT_FILENO);
  return output != Output::human;
}

}  // namespace troupe::app
