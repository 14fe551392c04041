#include "interact/keys.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace troupe::interact {
namespace {

struct KeyRow {
  std::string_view name;  // lower case, without spaces
  std::string_view key;
  std::string_view code;
  int virtual_key;
  std::string_view text = {};
};

constexpr std::array kKeys = std::to_array<KeyRow>({
    {"enter", "Enter", "Enter", 13, "\r"},
    {"return", "Enter", "Enter", 13, "\r"},
    {"escape", "Escape", "Escape", 27},
    {"esc", "Escape", "Escape", 27},
    {"tab", "Tab", "Tab", 9},
    {"space", " ", "Space", 32, " "},
    {"spacebar", " ", "Space", 32, " "},
    {"backspace", "Backspace", "Backspace", 8},
    {"delete", "Delete", "Delete", 46},
    {"del", "Delete", "Delete", 46},
    {"insert", "Insert", "Insert", 45},
    {"home", "Home", "Home", 36},
    {"end", "End", "End", 35},
    {"pageup", "PageUp", "PageUp", 33},
    {"pagedown", "PageDown", "PageDown", 34},
    {"arrowleft", "ArrowLeft", "ArrowLeft", 37},
    {"arrowup", "ArrowUp", "ArrowUp", 38},
    {"arrowright", "ArrowRight", "ArrowRight", 39},
    {"arrowdown", "ArrowDown", "ArrowDown", 40},
    {"leftarrow", "ArrowLeft", "ArrowLeft", 37},
    {"uparrow", "ArrowUp", "ArrowUp", 38},
    {"rightarrow", "ArrowRight", "ArrowRight", 39},
    {"downarrow", "ArrowDown", "ArrowDown", 40},
    {"shift", "Shift", "ShiftLeft", 16},
    {"control", "Control", "ControlLeft", 17},
    {"ctrl", "Control", "ControlLeft", 17},
    {"alt", "Alt", "AltLeft", 18},
    {"meta", "Meta", "MetaLeft", 91},
    {"cmd", "Meta", "MetaLeft", 91},
    {"contextmenu", "ContextMenu", "ContextMenu", 93},
});

struct SignRow {
  char plain, shifted;
  std::string_view code;
  int virtual_key;
};
constexpr std::array kSigns = std::to_array<SignRow>({
    {'1', '!', "Digit1", 49},       {'2', '@', "Digit2", 50},        {'3', '#', "Digit3", 51},
    {'4', '$', "Digit4", 52},       {'5', '%', "Digit5", 53},        {'6', '^', "Digit6", 54},
    {'7', '&', "Digit7", 55},       {'8', '*', "Digit8", 56},        {'9', '(', "Digit9", 57},
    {'0', ')', "Digit0", 48},       {'-', '_', "Minus", 189},        {'=', '+', "Equal", 187},
    {'[', '{', "BracketLeft", 219}, {']', '}', "BracketRight", 221}, {'\\', '|', "Backslash", 220},
    {';', ':', "Semicolon", 186},   {'\'', '"', "Quote", 222},       {',', '<', "Comma", 188},
    {'.', '>', "Period", 190},      {'/', '?', "Slash", 191},        {'`', '~', "Backquote", 192},
});

struct CommandRow {
  char letter;
  std::string_view command;
};
// Without a window manager the browser does not know these shortcuts by itself.
constexpr std::array kCommands = std::to_array<CommandRow>({
    {'a', "selectAll"},
    {'c', "copy"},
    {'v', "paste"},
    {'x', "cut"},
    {'z', "undo"},
    {'y', "redo"},
});

constexpr int kAlt = 1, kControl = 2, kMeta = 4, kShift = 8;

std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '_' && (c != '-' || text.size() == 1))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

int modifier_bit(std::string_view name) {
  const std::string word = folded(name);
  if (word == "alt" || word == "option") return kAlt;
  if (word == "control" || word == "ctrl" || word == "controlormeta") return kControl;
  if (word == "meta" || word == "cmd" || word == "command") return kMeta;
  return word == "shift" ? kShift : 0;
}

const KeyRow* find_key(std::string_view name) {
  const std::string word = folded(name);
  const auto row =
      std::find_if(kKeys.begin(), kKeys.end(), [&](const KeyRow& r) { return r.name == word; });
  return row == kKeys.end() ? nullptr : &*row;
}

/// Number of UTF-8 characters.
std::size_t length(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

void set_character(KeyStroke& stroke, char c) {
  const auto upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  stroke.key = stroke.text = std::string(1, c);
  if (std::isalpha(static_cast<unsigned char>(c))) {
    stroke.code = std::string("Key") + upper;
    stroke.virtual_key = upper;
    return;
  }
  for (const SignRow& row : kSigns) {
    if (c != row.plain && c != row.shifted) continue;
    stroke.code = row.code;
    stroke.virtual_key = row.virtual_key;
    if (c == row.shifted) stroke.modifiers |= kShift;
  }
}

bool is_function_key(std::string_view word, int& number) {
  if (word.size() < 2 || word.size() > 3 || word[0] != 'f') return false;
  number = 0;
  for (const char c : word.substr(1)) {
    if (!std::isdigit(static_cast<unsigned char>(c))) return false;
    number = number * 10 + (c - '0');
  }
  return number >= 1 && number <= 12;
}

}  // namespace

Result<KeyStroke> parse_key(std::string_view name) {
  KeyStroke stroke;
  std::string_view rest = name;
  for (auto plus = rest.find('+', 1); plus != std::string_view::npos && plus + 1 < rest.size();
       plus = rest.find('+', 1)) {
    const int bit = modifier_bit(rest.substr(0, plus));
    if (bit == 0) break;
    stroke.modifiers |= bit;
    rest = rest.substr(plus + 1);
  }
  int number = 0;
  if (const KeyRow* row = find_key(rest); row && !rest.empty()) {
    stroke.key = row->key;
    stroke.code = row->code;
    stroke.virtual_key = row->virtual_key;
    stroke.text = row->text;
  } else if (is_function_key(folded(rest), number)) {
    stroke.key = stroke.code = "F" + std::to_string(number);
    stroke.virtual_key = 111 + number;
  } else if (rest.size() == 1) {
    set_character(stroke, rest[0]);
  } else if (length(rest) == 1) {
    stroke.key = stroke.text = std::string(rest);
  } else {
    return fail(Errc::invalid_argument, "key: \"" + std::string(name) + "\" is not known", {},
                "examples: Enter, Escape, Tab, ArrowDown, PageDown, F5, a, Control+A");
  }
  if (stroke.modifiers & (kControl | kMeta | kAlt)) stroke.text.clear();
  if (stroke.modifiers & (kControl | kMeta))
    for (const CommandRow& row : kCommands)
      if (stroke.key.size() == 1 &&
          std::tolower(static_cast<unsigned char>(stroke.key[0])) == row.letter)
        stroke.command = row.command;
  return stroke;
}

bool is_key_name(std::string_view word) {
  int number = 0;
  if (find_key(word) || is_function_key(folded(word), number)) return true;
  const auto plus = word.find('+', 1);
  return plus != std::string_view::npos && modifier_bit(word.substr(0, plus)) != 0;
}

namespace {
json::object key_event(const KeyStroke& stroke, std::string_view type) {
  json::object event{{"type", type}, {"key", stroke.key}, {"modifiers", stroke.modifiers}};
  if (!stroke.code.empty()) event["code"] = stroke.code;
  if (stroke.virtual_key) event["windowsVirtualKeyCode"] = stroke.virtual_key;
  return event;
}
}  // namespace

json::object key_down(const KeyStroke& stroke) {
  json::object event = key_event(stroke, stroke.text.empty() ? "rawKeyDown" : "keyDown");
  if (!stroke.text.empty()) event["text"] = stroke.text;
  if (!stroke.command.empty()) event["commands"] = json::array{json::value(stroke.command)};
  return event;
}

json::object key_up(const KeyStroke& stroke) { return key_event(stroke, "keyUp"); }

}  // namespace troupe::interact
