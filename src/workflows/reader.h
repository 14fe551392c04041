// Turns a Tree into a Definition and collects every mistake on the way. Private to the parser
// sources.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "workflows/controls.h"
#include "workflows/definition.h"
#include "workflows/tree.h"

namespace troupe::workflows {

class Reader final {
 public:
  explicit Reader(Mistakes& mistakes) : mistakes_(mistakes) {}

  Definition read(const Tree& document);

 private:
  /// Where a step stands: limits and ids depend on it.
  struct Place {
    std::string field;  ///< `steps`, `steps[2].do`
    std::string id;     ///< Prefix of generated ids: empty, `s3.`
    int nesting = 1;
    bool in_loop = false;
  };
  struct Use {
    Reference reference;
    Position position;
    std::string field;
  };

  // parse.cc
  void read_inputs(const Tree& tree, Definition& definition);
  Input read_input(const std::string& name, const Tree& tree, const std::string& field);
  void read_limits(const Tree& tree, const std::string& field, Input& input);
  void read_schema(const Tree& tree, Definition& definition);
  void check_uses(const Definition& definition);
  void check_use(const Use& use, const Definition& definition,
                 const std::vector<std::string_view>& roots);

  // parse_values.cc
  void wrong(const Tree& tree, const std::string& field, std::string message);
  void check_keys(const Tree& map, const std::string& field,
                  const std::vector<std::string_view>& allowed);
  ValueTemplate read_value(const Tree& tree, const std::string& field);
  Expression read_expression(const Tree& tree, const std::string& field);
  std::optional<Template> read_template(const Tree& tree, const std::string& field);
  void note_uses(std::vector<Reference> references, const Tree& tree, const std::string& field);
  /// A constant that fits the row; nullopt when it does not (a mistake then) or is a template.
  std::optional<json::value> read_field(const interact::Field& row, const Tree& tree,
                                        const std::string& field);
  std::string read_text(const Tree& tree, const std::string& field);
  std::optional<std::string> read_name(const std::string& text, const Tree& tree,
                                       const std::string& field);
  std::optional<std::int64_t> read_integer(const Tree& tree, const std::string& field,
                                           std::int64_t least, std::int64_t most);
  Position place_in(const Tree& tree, std::size_t offset) const;

  // parse_steps.cc
  std::vector<Step> read_steps(const Tree& tree, const Place& place);
  Step read_step(const Tree& tree, const Place& place, std::size_t index);
  std::optional<std::size_t> find_kind(const Tree& tree, const std::string& field);
  void read_common(const Tree& tree, Step& step);
  RetryPolicy read_retry(const Tree& tree, const std::string& field);
  void read_action(const Tree& tree, Step& step);
  void check_action(const Tree& fields, const Step& step);
  void check_extract_types(const Tree& fields, const std::string& field);
  void check_extract_field(const Tree& tree, const std::string& field);
  void read_control(const Tree& tree, const Tree& main, const ControlRow& row, const Place& place,
                    Step& step);
  void check_saved_value(const Tree& tree, const Step& step);
  void read_loop_fields(const Tree& tree, Step& step);
  void read_body(const Tree& tree, std::string_view key, const Place& place, Step& step, bool loop);
  void read_parallel(const Tree& tree, const Tree& main, const Place& place, Step& step);
  void read_set(const Tree& main, Step& step);

  Mistakes& mistakes_;
  std::vector<Use> uses_;
  std::set<std::string, std::less<>> saved_;  // every name that some step gives a value
  std::set<std::string, std::less<>> ids_;
  std::size_t steps_ = 0;
};

/// Names with a meaning of their own; no step can save under them.
inline constexpr std::string_view kReservedNames[] = {"inputs", "site", "session",
                                                      "run",    "task", "loop"};
/// Names that mean something until a step saves under them.
inline constexpr std::string_view kBuiltInNames[] = {"page", "error"};

}  // namespace troupe::workflows
