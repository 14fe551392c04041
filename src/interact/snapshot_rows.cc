// What the page script lists (assets/interact/snapshot.js), read.
#include "interact/resolver.h"

namespace troupe::interact {

namespace {
std::string text_at(const json::object& row, std::string_view key) {
  return std::string(find_string(row, key).value_or(""));
}

/// The texts of the list that rows give numbers of.
class Texts {
 public:
  explicit Texts(const json::object& whole) {
    if (const auto* list = find(whole, "texts")) list_ = list->if_array();
  }
  std::string at(const json::object& row, std::string_view key) const {
    const auto* number = find(row, key);
    return number ? of(*number) : std::string();
  }
  std::vector<std::string> all_at(const json::object& row, std::string_view key) const {
    std::vector<std::string> out;
    if (const auto* numbers = find(row, key); numbers && numbers->is_array())
      for (const auto& number : numbers->get_array()) out.push_back(of(number));
    return out;
  }

 private:
  std::string of(const json::value& number) const {
    const auto* at = number.if_int64();
    if (!list_ || !at || *at < 0 || static_cast<std::size_t>(*at) >= list_->size()) return {};
    const auto* text = (*list_)[static_cast<std::size_t>(*at)].if_string();
    return text ? std::string(*text) : std::string();
  }
  const json::array* list_ = nullptr;
};

std::vector<std::string> texts_at(const json::object& row, std::string_view key) {
  std::vector<std::string> out;
  if (const auto* list = find(row, key); list && list->is_array())
    for (const auto& item : list->get_array())
      if (item.is_string()) out.emplace_back(item.get_string());
  return out;
}
}  // namespace

Snapshot read_snapshot(const json::value& value) {
  Snapshot out;
  const auto* whole = value.if_object();
  if (!whole) return out;
  out.hidden = static_cast<int>(find_int(*whole, "hidden").value_or(0));
  out.frames = static_cast<int>(find_int(*whole, "frames").value_or(0));
  out.focused = static_cast<int>(find_int(*whole, "focus").value_or(-1));
  out.url = text_at(*whole, "url");
  out.title = text_at(*whole, "title");
  out.shape = text_at(*whole, "shape");
  const auto* rows = find(*whole, "rows");
  if (!rows || !rows->is_array()) return out;
  const Texts texts(*whole);
  for (const auto& item : rows->get_array()) {
    const auto* row = item.if_object();
    if (!row) continue;
    Candidate c{.ref = static_cast<int>(find_int(*row, "r").value_or(-1))};
    c.tag = texts.at(*row, "t");
    c.role = texts.at(*row, "k");
    c.name = text_at(*row, "n");
    c.label = text_at(*row, "l");
    c.placeholder = text_at(*row, "p");
    c.value = text_at(*row, "v");
    c.type = text_at(*row, "ty");
    c.href = text_at(*row, "h");
    c.tokens = text_at(*row, "g");
    c.id = text_at(*row, "id");
    c.test_id = text_at(*row, "ti");
    c.heading = texts.at(*row, "hd");
    c.context = texts.all_at(*row, "s");
    c.options = texts_at(*row, "o");
    c.pointer = text_at(*row, "f") == "p";
    c.item = static_cast<int>(find_int(*row, "it").value_or(0));
    c.disabled = row->contains("d");
    c.readonly = row->contains("ro");
    c.checked = row->contains("c");
    c.in_dialog = row->contains("m");
    c.in_view = row->contains("i");
    c.expanded = static_cast<int>(find_int(*row, "x").value_or(-1));
    c.coloured = row->contains("co");
    if (const auto* box = find(*row, "b"); box && box->is_array())
      for (std::size_t i = 0; i < 4 && i < box->get_array().size(); ++i)
        if (box->get_array()[i].is_number()) c.box[i] = box->get_array()[i].to_number<int>();
    out.elements.push_back(std::move(c));
  }
  return out;
}

}  // namespace troupe::interact
