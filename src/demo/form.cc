#include "demo/form.h"

#include "net/url.h"

namespace troupe::demo {
namespace {

Error bad(std::string what) { return fail(Errc::invalid_argument, "form: " + std::move(what)); }

/// `x` of `; key="x"` in a header's value.
std::string parameter(std::string_view header, std::string_view key) {
  const std::string start = std::string(key) + "=";
  std::size_t at = header.find("; " + start);
  if (at == header.npos) at = header.find(";" + start);
  if (at == header.npos) return {};
  std::string_view value = header.substr(header.find('=', at) + 1);
  if (!value.starts_with('"')) return std::string(value.substr(0, value.find(';')));
  value.remove_prefix(1);
  return std::string(value.substr(0, value.find('"')));
}

/// One part: headers, an empty line, content.
Result<FormField> read_part(std::string_view part) {
  const std::size_t end = part.find("\r\n\r\n");
  if (end == part.npos) return bad("a part has no empty line after its headers");
  const std::string_view headers = part.substr(0, end);
  FormField field;
  field.name = parameter(headers, "name");
  if (field.name.empty()) return bad("a part has no name");
  field.is_file = headers.find("filename=") != headers.npos;
  field.file_name = parameter(headers, "filename");
  field.value = part.substr(end + 4);
  return field;
}

Result<std::vector<FormField>> parse_multipart(std::string_view boundary, std::string_view body) {
  const std::string opening = "--" + std::string(boundary) + "\r\n";
  const std::string next = "\r\n--" + std::string(boundary);
  std::vector<FormField> fields;
  if (!body.starts_with(opening)) return bad("the body does not begin with its boundary");
  body.remove_prefix(opening.size());
  while (true) {
    const std::size_t end = body.find(next);
    if (end == body.npos) return bad("the last part is not closed");
    TRY(FormField field, read_part(body.substr(0, end)));
    fields.push_back(std::move(field));
    body.remove_prefix(end + next.size());
    if (!body.starts_with("\r\n")) return fields;
    body.remove_prefix(2);
  }
}

}  // namespace

Result<std::vector<FormField>> parse_form(std::string_view content_type, std::string_view body) {
  if (content_type.starts_with("multipart/form-data")) {
    const std::string boundary = parameter(content_type, "boundary");
    if (boundary.empty()) return bad("the content type names no boundary");
    return parse_multipart(boundary, body);
  }
  if (!content_type.starts_with("application/x-www-form-urlencoded"))
    return bad("content type '" + std::string(content_type) + "' is not one of a form");
  auto values = net::parse_query(body);
  if (!values) return bad("the body is not percent-encoded UTF-8");
  std::vector<FormField> fields;
  for (auto& [name, value] : *values)
    fields.push_back({std::move(name), std::move(value), "", false});
  return fields;
}

std::string_view field_value(const std::vector<FormField>& fields, std::string_view name) {
  for (const FormField& field : fields)
    if (field.name == name) return field.value;
  return {};
}

}  // namespace troupe::demo
