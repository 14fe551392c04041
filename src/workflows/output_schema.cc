#include "workflows/output_schema.h"

#define VALIJSON_USE_EXCEPTIONS 1  // else it ends the process
#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace troupe::workflows {
namespace {

constexpr std::size_t kReportedMax = 20;

/// `$ref` inside the document is fine; anything else would have to be fetched.
bool refers_outside(const json::value& value) {
  if (const auto* list = value.if_array())
    return std::any_of(list->begin(), list->end(), refers_outside);
  const auto* map = value.if_object();
  if (!map) return false;
  for (const auto& member : *map) {
    const auto* text = member.value().if_string();
    if (member.key() == "$ref" && text && !std::string_view(*text).starts_with("#")) return true;
    if (refers_outside(member.value())) return true;
  }
  return false;
}

Result<void> compile(const json::value& document, valijson::Schema& schema) {
  if (refers_outside(document))
    return fail(Errc::invalid_argument, "$ref must point into the schema itself: #/...");
  try {
    valijson::SchemaParser parser;
    const valijson::adapters::BoostJsonAdapter adapter(document);
    parser.populateSchema(adapter, schema);
    return {};
  } catch (const std::exception& exception) {
    return fail(Errc::invalid_argument, std::string("not a JSON Schema: ") + exception.what());
  }
}

/// valijson names a place as `<root>[videos][0]`.
std::string place_of(const std::vector<std::string>& context) {
  std::string place = "output";
  for (std::size_t i = 1; i < context.size(); ++i) place += context[i];
  return place;
}

}  // namespace

Result<void> check_schema(const json::object& schema) {
  valijson::Schema compiled;
  return compile(json::value(schema), compiled);
}

Result<void> validate_output(const json::object& schema, const json::value& output) {
  valijson::Schema compiled;
  TRY_VOID(compile(json::value(schema), compiled));
  valijson::ValidationResults results;
  try {
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    const valijson::adapters::BoostJsonAdapter adapter(output);
    if (validator.validate(compiled, adapter, &results)) return {};
  } catch (const std::exception& exception) {
    return fail(Errc::extraction_failed, std::string("output: ") + exception.what());
  }
  std::string text = "output does not fit output_schema";
  valijson::ValidationResults::Error error;
  for (std::size_t i = 0; i < kReportedMax && results.popError(error); ++i)
    text += (i == 0 ? ": " : "; ") + place_of(error.context) + ": " + error.description;
  return fail(Errc::extraction_failed, std::move(text));
}

}  // namespace troupe::workflows
