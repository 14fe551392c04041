#include "api/page_values.h"

#include <algorithm>
#include <deque>

#include "api/html_tokens.h"
#include "api/markdown.h"
#include "interact/extraction.h"

namespace troupe::api {
namespace {

constexpr std::size_t kTextBytesMax = 4'096;
constexpr std::size_t kNodesMax = 20'000;
constexpr int kDepthMax = 16;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_space(c))
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// `og:site_name`, `Site name` and `siteName` are one name, but for the prefix.
std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c + 32);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80)) out += c;
  }
  return out;
}

// First come, first kept: what is read first is the better source.
void keep(json::object& facts, std::string_view name, json::value value) {
  const std::string key = plain_name(name);
  const bool empty = value.is_null() || (value.is_string() && value.get_string().empty());
  if (!key.empty() && !empty) facts.emplace(key, std::move(value));
}

// Members of outer objects come before those of inner ones.
void keep_all(json::object& facts, const json::value& data) {
  std::deque<const json::value*> waiting{&data};
  for (std::size_t seen = 0; !waiting.empty() && seen < kNodesMax; ++seen) {
    const json::value& next = *waiting.front();
    waiting.pop_front();
    if (const auto* list = next.if_array())
      for (const json::value& entry : *list) waiting.push_back(&entry);
    const auto* object = next.if_object();
    if (!object) continue;
    for (const auto& member : *object) {
      if (!member.key().starts_with('@')) keep(facts, member.key(), member.value());
      if (member.value().is_structured()) waiting.push_back(&member.value());
    }
  }
}

// A name and the text that follows it: rows of tables, definitions, elements with `itemprop`.
class Pairs {
 public:
  explicit Pairs(json::object& facts) : facts_(facts) {}

  void take(const HtmlToken& token) {
    if (token.kind == HtmlToken::Kind::text) {
      for (std::string* text : {&label_, &value_, &marked_})
        if (text->size() < kTextBytesMax) *text += token.text;
      return;
    }
    const bool opens = token.kind == HtmlToken::Kind::open;
    if (opens && !token.attribute("itemprop").empty()) mark(token);
    if (!opens && token.name == mark_tag_) end_mark();
    if (token.name == "th" || token.name == "dt") {
      if (opens) label_.clear();
      name_ = opens ? std::string() : collapsed(label_);
    }
    if (token.name == "td" || token.name == "dd") {
      if (opens) value_.clear();
      if (!opens && !name_.empty()) keep(facts_, std::exchange(name_, {}), text_of(value_));
    }
    if (token.name == "tr") name_.clear();
  }

 private:
  static json::value text_of(std::string_view text) { return json::string(collapsed(text)); }

  void mark(const HtmlToken& token) {
    for (const char* attribute : {"content", "href", "src", "datetime"})
      if (const auto value = token.attribute(attribute); !value.empty())
        return keep(facts_, token.attribute("itemprop"), json::string(collapsed(value)));
    mark_ = std::string(token.attribute("itemprop"));
    mark_tag_ = token.name;
    marked_.clear();
  }
  void end_mark() {
    keep(facts_, mark_, text_of(marked_));
    mark_tag_.clear();
  }

  json::object& facts_;
  std::string label_, name_, value_;
  std::string mark_, mark_tag_, marked_;
};

void keep_meta(json::object& facts, const HtmlToken& token) {
  std::string_view name = token.attribute("property");
  if (name.empty()) name = token.attribute("name");
  const json::value content = json::string(collapsed(token.attribute("content")));
  const auto colon = name.find(':');
  if (colon != std::string_view::npos) keep(facts, name.substr(colon + 1), content);
  keep(facts, name, content);
}

void keep_outline(json::object& facts, std::string_view html, std::string_view url) {
  const PageOutline outline = outline_of(html, url);
  json::array links;
  for (const auto& [text, address] : outline.links)
    links.push_back({{"text", text}, {"url", address}});
  keep(facts, "title", json::string(outline.title));
  keep(facts, "description", json::string(outline.description));
  if (!outline.headings.empty()) {
    keep(facts, "heading", json::string(outline.headings.front()));
    keep(facts, "headings", json::array(outline.headings.begin(), outline.headings.end()));
  }
  if (!links.empty()) keep(facts, "links", std::move(links));
  keep(facts, "url", json::string(url));
}

json::object facts_of(std::string_view html, std::string_view url) {
  json::object data, marked, meta;
  Pairs pairs(marked);
  HtmlTokens tokens(html);
  HtmlToken token;
  while (tokens.next(token)) {
    const bool opens = token.kind == HtmlToken::Kind::open;
    if (opens && token.name == "script" && token.attribute("type") == "application/ld+json") {
      if (const auto parsed = parse_json(tokens.raw_text(), "JSON-LD")) keep_all(data, *parsed);
    } else if (opens && token.name == "meta" && token.attribute("itemprop").empty()) {
      keep_meta(meta, token);
    } else {
      pairs.take(token);
    }
  }
  for (auto& member : marked) keep(data, member.key(), std::move(member.value()));
  for (auto& member : meta) keep(data, member.key(), std::move(member.value()));
  keep_outline(data, html, url);
  return data;
}

// The first of `type` that is not null; empty: any.
std::string type_of(const json::object& schema) {
  const json::value* type = find(schema, "type");
  if (!type && schema.contains("properties")) return "object";
  if (type && type->is_string()) return std::string(type->get_string());
  if (type && type->is_array())
    for (const json::value& one : type->get_array())
      if (one.is_string() && one.get_string() != "null") return std::string(one.get_string());
  return {};
}

const json::object* object_in(const json::object& schema, std::string_view name) {
  const json::value* value = find(schema, name);
  return value ? value->if_object() : nullptr;
}

class Filler {
 public:
  explicit Filler(std::string_view url) : url_(url) {}

  json::value fill(const json::value* data, const json::object& schema, const std::string& path,
                   int depth = 0) {
    const std::string type = type_of(schema);
    if (depth > kDepthMax || !data || data->is_null()) return lacks(path);
    if (type == "object") return object(*data, schema, path, depth);
    if (type == "array") return list(*data, schema, path, depth);
    if (type.empty()) return *data;
    return scalar(*data, schema, type, path);
  }
  std::vector<std::string> missing;

 private:
  json::value lacks(const std::string& path) {
    missing.push_back(path.empty() ? "(all)" : path);
    return nullptr;
  }

  json::value object(const json::value& data, const json::object& schema, const std::string& path,
                     int depth) {
    const json::object* members = data.if_object();
    const json::object* wanted = object_in(schema, "properties");
    if (members && !wanted) return data;
    if (!members) return lacks(path);
    json::object result;
    for (const auto& property : *wanted) {
      const json::object* inner = property.value().if_object();
      const std::string name(property.key());
      const json::value* value = member_named(*members, name);
      json::value filled = fill(value, inner ? *inner : json::object(),
                                path.empty() ? name : path + "." + name, depth + 1);
      if (!filled.is_null()) result[name] = std::move(filled);
    }
    return result;
  }

  json::value list(const json::value& data, const json::object& schema, const std::string& path,
                   int depth) {
    const json::object* items = object_in(schema, "items");
    json::array result;
    const auto add = [&](const json::value& one) {
      json::value filled = items ? fill(&one, *items, path + "[]", depth + 1) : one;
      if (!filled.is_null()) result.push_back(std::move(filled));
    };
    if (const auto* entries = data.if_array())
      for (const json::value& entry : *entries) add(entry);
    else
      add(data);
    return result;
  }

  json::value scalar(const json::value& data, const json::object& schema, const std::string& type,
                     const std::string& path) {
    if (const auto* entries = data.if_array())
      return entries->empty() ? lacks(path) : scalar(entries->front(), schema, type, path);
    if (const auto* members = data.if_object()) {
      for (const char* name : {"@value", "name", "url"})
        if (const auto* value = find(*members, name); value && !value->is_structured())
          return scalar(*value, schema, type, path);
      return lacks(path);
    }
    const bool is_number = data.is_number();
    if (type == "string") return is_number ? json::value(json::serialize(data)) : data;
    if (type == "boolean" && data.is_bool()) return data;
    if (type == "integer" && (data.is_int64() || data.is_uint64())) return data;
    if (type == "number" && is_number) return data;
    if (!data.is_string() || !interact::is_field_type(type)) return lacks(path);
    auto converted = interact::convert(data.get_string(), type, url_);
    return converted ? std::move(*converted) : lacks(path);
  }

  static const json::value* member_named(const json::object& members, std::string_view name) {
    if (const json::value* value = find(members, name)) return value;
    const std::string wanted = plain_name(name);
    for (const auto& member : members)
      if (plain_name(member.key()) == wanted) return &member.value();
    return nullptr;
  }

  std::string_view url_;
};

}  // namespace

PageValues values_of_data(const json::value& data, std::string_view url,
                          const json::object& schema) {
  Filler filler(url);
  json::value value = filler.fill(&data, schema, {});
  return {std::move(value), std::move(filler.missing)};
}

PageValues values_by_schema(std::string_view html, std::string_view url,
                            const json::object& schema) {
  return values_of_data(json::value(facts_of(html, url)), url, schema);
}

}  // namespace troupe::api
