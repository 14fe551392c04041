// Workflow texts and expressions from outside: whatever the bytes, an answer or a mistake, in
// bounded time and stack.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "workflows/definition.h"
#include "workflows/items.h"

namespace {

using namespace troupe;

class SomeNames final : public workflows::Names {
 public:
  const json::value* find(std::string_view name) const override {
    return troupe::find(values_, name);
  }

 private:
  json::object values_ = {{"a", {{"b", {1, 2.5, "text", nullptr}}}},
                          {"n", 7},
                          {"t", "some text"},
                          {"l", {{{"k", 1}, {"v", "x"}}, {{"k", 2}, {"v", nullptr}}}}};
};

void evaluate(std::string_view text) {
  const SomeNames names;
  const workflows::Evaluation limits{.steps_max = 10'000, .text_bytes_max = 1 << 16};
  if (const auto expression = workflows::Expression::parse(text))
    (void)expression->evaluate(names, limits);
  if (const auto text_template = workflows::Template::parse(text))
    (void)text_template->render(names, limits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: evaluate(text); break;
    case 1: (void)workflows::check_definition(text, "fuzz.yaml"); break;
    case 2: (void)workflows::parse_csv(text, "fuzz.csv"); break;
    default: (void)workflows::parse_json_lines(text, "fuzz.jsonl"); break;
  }
  return 0;
}
