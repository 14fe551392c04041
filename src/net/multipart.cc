#include "net/multipart.h"

#include <algorithm>
#include <optional>

#include "net/url.h"

namespace troupe::net {
namespace {

constexpr std::size_t kPartsMax = 64;
constexpr std::size_t kHeaderBytesMax = 8 << 10;
constexpr std::size_t kBoundaryBytesMax = 200;  // RFC 2046 says 70; some send more

Error wrong(std::string message) {
  return fail(Errc::invalid_argument, "multipart body: " + std::move(message), "request body");
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A quoted value: browsers write a quote in a name as %22, others as \".
std::optional<std::string> quoted(std::string_view& rest) {
  std::string value;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return value;
    }
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    value += rest[i];
  }
  return std::nullopt;
}

// `; name=value` anywhere behind the first part of a header's value.
std::optional<std::string> parameter(std::string_view header, std::string_view wanted) {
  std::string_view rest = header.substr(std::min(header.find(';'), header.size()));
  while (!rest.empty()) {
    rest = trimmed(rest.substr(1));
    const auto equals = rest.find_first_of("=;");
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = trimmed(rest.substr(0, equals));
    std::optional<std::string> value;
    if (rest[equals] == '=') {
      rest = trimmed(rest.substr(equals + 1));
      if (rest.starts_with('"')) {
        value = quoted(rest);
        if (!value) return std::nullopt;
      } else {
        value = std::string(trimmed(rest.substr(0, rest.find(';'))));
      }
    } else {
      rest.remove_prefix(equals);
    }
    if (value && same_name(name, wanted)) return value;
    rest = rest.substr(std::min(rest.find(';'), rest.size()));
  }
  return std::nullopt;
}

Result<std::string> boundary_of(std::string_view content_type) {
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  if (!same_name(type, "multipart/form-data"))
    return fail(
        Errc::invalid_argument,
        "content-type: '" + std::string(type.substr(0, 64)) + "' is not multipart/form-data",
        "request", "send the file as field 'file' of a form");
  auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax)
    return wrong("content-type has no usable boundary");
  return std::move(*boundary);
}

Result<FormPart> parse_part(std::string_view text) {
  const auto end = text.find("\r\n\r\n");
  const bool bare = text.starts_with("\r\n");  // no headers at all
  if (bare || end == std::string_view::npos || end > kHeaderBytesMax)
    return wrong("a part without its headers");
  FormPart part;
  part.content = text.substr(end + 4);
  std::string_view headers = text.substr(0, end);
  while (!headers.empty()) {
    const auto line_end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, line_end);
    headers.remove_prefix(std::min(line_end + 2, headers.size()));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return wrong("a header of a part without ':'");
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (same_name(line.substr(0, colon), "content-type")) part.content_type = value;
    if (!same_name(line.substr(0, colon), "content-disposition")) continue;
    part.name = parameter(value, "name").value_or("");
    part.file_name = parameter(value, "filename").value_or("");
  }
  if (part.name.empty()) return wrong("a part without a name");
  if (!is_utf8(part.name) || !is_utf8(part.file_name)) return wrong("a name is not UTF-8");
  return part;
}

}  // namespace

Result<std::vector<FormPart>> parse_multipart(std::string_view content_type,
                                              std::string_view body) {
  TRY(const auto boundary, boundary_of(content_type));
  const std::string delimiter = "\r\n--" + boundary;
  // The first one may stand at the very beginning, without a line break before it.
  std::size_t at = 0;
  if (body.starts_with(std::string_view(delimiter).substr(2))) {
    at = delimiter.size() - 2;
  } else {
    at = body.find(delimiter);
    if (at == std::string_view::npos) return wrong("its boundary does not occur");
    at += delimiter.size();
  }
  std::vector<FormPart> parts;
  while (true) {
    std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) return parts;
    const auto line = rest.find("\r\n");
    if (line == std::string_view::npos || !trimmed(rest.substr(0, line)).empty())
      return wrong("a boundary is not followed by a line break");
    at += line + 2;
    const auto next = body.find(delimiter, at);
    if (next == std::string_view::npos) return wrong("ends before its closing boundary");
    if (parts.size() == kPartsMax)
      return wrong("more than " + std::to_string(kPartsMax) + " parts");
    TRY(auto part, parse_part(body.substr(at, next - at)));
    parts.push_back(std::move(part));
    at = next + delimiter.size();
  }
}

}  // namespace troupe::net
