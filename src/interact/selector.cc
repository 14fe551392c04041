#include "interact/selector.h"

#include <algorithm>
#include <array>
#include <vector>

namespace troupe::interact {
namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Error bad(std::string_view selector, std::string_view why) {
  return fail(Errc::invalid_argument,
              "selector \"" + std::string(selector) + "\": " + std::string(why));
}

/// Splits at ` >> ` outside quotes and brackets.
std::vector<std::string_view> split_chain(std::string_view text) {
  std::vector<std::string_view> parts;
  char quote = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote) {
      if (c == '\\') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (text.substr(i).starts_with(" >> ")) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 4;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

/// The text without its quotes; `quoted` tells whether it had some.
std::string unquote(std::string_view text, bool& quoted) {
  quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
           text.back() == text.front();
  if (!quoted) return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

Result<json::object> parse_role(std::string_view whole, std::string_view text) {
  const auto bracket = text.find('[');
  json::object query{{"role", std::string(trim(text.substr(0, bracket)))}};
  if (bracket == std::string_view::npos) return query;
  const auto rest = trim(text.substr(bracket));
  const auto equals = rest.find('=');
  if (!rest.ends_with(']') || equals == std::string_view::npos ||
      trim(rest.substr(1, equals - 1)) != "name")
    return bad(whole, "after the role only [name=\"…\"] may stand");
  bool quoted = false;
  query["name"] = unquote(trim(rest.substr(equals + 1, rest.size() - equals - 2)), quoted);
  return query;
}

Result<json::object> parse_part(std::string_view whole, std::string_view part) {
  if (part.empty()) return bad(whole, "it has an empty part");
  if (part.starts_with("//") || part.starts_with("(//")) return json::object{{"xpath", part}};
  const auto equals = part.find('=');
  const std::string_view engine = part.substr(0, equals == std::string_view::npos ? 0 : equals);
  const std::string_view rest = trim(part.substr(engine.empty() ? 0 : equals + 1));
  if (engine == "css") return json::object{{"css", rest}};
  if (engine == "xpath") return json::object{{"xpath", rest}};
  if (engine == "role") return parse_role(whole, rest);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> engines = {
      {{"text", "text"},
       {"label", "label"},
       {"placeholder", "placeholder"},
       {"test_id", "testId"},
       {"name", "name"}}};
  for (const auto& [name, key] : engines) {
    if (engine != name) continue;
    bool quoted = false;
    json::object query{{key, unquote(rest, quoted)}};
    if (quoted) query["exact"] = true;
    return query;
  }
  return json::object{{"css", part}};
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNamed = {
    {{"role", "role"},
     {"name", "name"},
     {"label", "label"},
     {"text", "text"},
     {"placeholder", "placeholder"},
     {"test_id", "testId"}}};

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

Result<json::object> parse_selector(std::string_view selector) {
  const auto parts = split_chain(trim(selector));
  if (parts.size() == 1) return parse_part(selector, parts.front());
  json::array chain;
  for (const auto part : parts) {
    TRY(auto query, parse_part(selector, part));
    chain.push_back(std::move(query));
  }
  return json::object{{"chain", std::move(chain)}};
}

bool has_target(const json::object& args) {
  return args.contains("selector") ||
         std::any_of(kNamed.begin(), kNamed.end(),
                     [&](const auto& row) { return args.contains(row.first); });
}

Result<Target> parse_target(const json::object& args) {
  Target target;
  json::object named;
  for (const auto& [field, key] : kNamed) {
    const auto text = find_string(args, field);
    if (!text) continue;
    named[key] = *text;
    target.text +=
        (target.text.empty() ? "" : " ") + std::string(field) + " \"" + std::string(*text) + "\"";
    if (field != "role" && field != "test_id") target.wanted = *text;
  }
  if (!named.empty()) named["exact"] = find_bool(args, "exact").value_or(false);
  if (const auto selector = find_string(args, "selector")) {
    TRY(target.query, parse_selector(*selector));
    const bool plain = target.query.contains("css") || target.query.contains("xpath") ||
                       target.query.contains("chain");
    if (!plain) target.query["strict"] = true;
    if (!named.empty()) target.query["filter"] = std::move(named);
    target.text = "selector \"" + std::string(*selector) + "\"" +
                  (target.text.empty() ? "" : " " + target.text);
  } else if (!named.empty()) {
    target.query = std::move(named);
    target.query["strict"] = true;
  } else {
    return fail(Errc::invalid_argument,
                "target: none of selector, role, name, label, text, "
                "placeholder, test_id is given");
  }
  if (const auto within = find_string(args, "within")) {
    TRY(auto region, parse_selector(*within));
    target.query["within"] = std::move(region);
    target.text += " within \"" + std::string(*within) + "\"";
  }
  if (const auto nth = find_int(args, "nth")) {
    if (*nth == 0) return fail(Errc::invalid_argument, "nth: 0 is not a place; 1 is the first");
    target.query["nth"] = *nth;
    target.text += " nth " + std::to_string(*nth);
  }
  target.by_name = needs_names(target.query);
  return target;
}

bool needs_names(const json::object& query) {
  for (const auto& member : query) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key == "role" || key == "name" || key == "label") return true;
    if (const auto* object = member.value().if_object(); object && needs_names(*object))
      return true;
    if (const auto* list = member.value().if_array())
      for (const auto& part : *list)
        if (part.is_object() && needs_names(part.get_object())) return true;
  }
  // A strict pick prefers interactive elements, which only the names script can tell.
  return query.contains("strict");
}

}  // namespace troupe::interact
