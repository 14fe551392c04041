#include "api/cdp_message.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace troupe::api {
namespace {

// Longer names are no methods; they are cut, and then fit none.
constexpr std::size_t kNameMax = 128;

constexpr std::array<std::string_view, 6> kViewing = {"Page.enable",
                                                      "Page.disable",
                                                      "Page.startScreencast",
                                                      "Page.stopScreencast",
                                                      "Page.screencastFrameAck",
                                                      "Page.getLayoutMetrics"};
constexpr std::array<std::string_view, 13> kControlling = {"Input.dispatchKeyEvent",
                                                           "Input.dispatchMouseEvent",
                                                           "Input.dispatchTouchEvent",
                                                           "Input.insertText",
                                                           "Input.imeSetComposition",
                                                           "Input.synthesizeScrollGesture",
                                                           "Page.navigate",
                                                           "Page.reload",
                                                           "Page.getNavigationHistory",
                                                           "Page.bringToFront",
                                                           "Page.navigateToHistoryEntry",
                                                           "Page.handleJavaScriptDialog",
                                                           "Page.stopLoading"};

json::object answer_to(const json::object& command) {
  json::object answer;
  if (const json::value* id = find(command, "id")) answer["id"] = *id;
  return answer;
}

std::string with_session(json::object answer, const json::object& command) {
  if (const json::value* session = find(command, "sessionId")) answer["sessionId"] = *session;
  return json::serialize(answer);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 0;
}

}  // namespace

void MethodScanner::keep(char c) {
  if (depth_ == 1 && text_.size() < kNameMax) text_ += c;
}

void MethodScanner::feed(std::string_view piece) {
  std::size_t at = 0;
  while (at < piece.size()) {
    if (in_string_) {
      at += string_part(piece.substr(at));
    } else {
      structure(piece[at++]);
    }
  }
}

void MethodScanner::structure(char c) {
  if (c == '"') {
    in_string_ = true;
    text_.clear();
  } else if (c == '{' || c == '[') {
    ++depth_;
    if (depth_ == 1) place_ = Place::before_key;
  } else if (c == '}' || c == ']') {
    --depth_;
  } else if (depth_ == 1 && c == ',') {
    place_ = Place::before_key;
  } else if (depth_ == 1 && c == ':') {
    place_ = Place::value;
  }
}

// How many characters of `piece` belong to the string (with its end).
std::size_t MethodScanner::string_part(std::string_view piece) {
  const char c = piece.front();
  if (escape_ == 1) {
    escape_ = c == 'u' ? 5 : 0;
    code_ = 0;
    if (c != 'u') keep(c);
    return 1;
  }
  if (escape_ > 1) {
    code_ = code_ * 16 + static_cast<unsigned>(hex_value(c));
    if (--escape_ == 1) {
      escape_ = 0;
      keep(code_ < 0x80 ? static_cast<char>(code_) : '?');
    }
    return 1;
  }
  // Most of a large message is inside of strings: jump to what can end one.
  const void* quote = std::memchr(piece.data(), '"', piece.size());
  std::size_t plain = quote
                          ? static_cast<std::size_t>(static_cast<const char*>(quote) - piece.data())
                          : piece.size();
  const void* slash = std::memchr(piece.data(), '\\', plain);
  if (slash) plain = static_cast<std::size_t>(static_cast<const char*>(slash) - piece.data());
  if (depth_ == 1) text_.append(piece.substr(0, std::min(plain, kNameMax - text_.size())));
  if (slash) {
    escape_ = 1;
    return plain + 1;
  }
  if (!quote) return plain;
  end_string();
  return plain + 1;
}

void MethodScanner::end_string() {
  in_string_ = false;
  if (depth_ != 1) return;
  if (place_ == Place::before_key) {
    key_is_method_ = text_ == "method";
    place_ = Place::after_key;
  } else if (place_ == Place::value && key_is_method_) {
    method_ = text_;
  }
}

Guard guard_of(std::string_view method) {
  if (method == "Browser.close") return Guard::close_browser;
  if (method == "Browser.setDownloadBehavior" || method == "Page.setDownloadBehavior")
    return Guard::download_behaviour;
  if (method == "DOM.setFileInputFiles") return Guard::input_files;
  return Guard::none;
}

bool is_allowed(KeyScope scope, std::string_view method) {
  if (scope == KeyScope::connect) return true;
  if (std::ranges::find(kViewing, method) != kViewing.end()) return true;
  return scope == KeyScope::control &&
         std::ranges::find(kControlling, method) != kControlling.end();
}

std::string with_download_dir(const json::object& message, std::string_view dir) {
  json::object changed = message;
  json::value* params = changed.if_contains("params");
  if (!params || !params->is_object()) return json::serialize(changed);
  json::object& members = params->get_object();
  const auto behaviour = find_string(members, "behavior").value_or("");
  // `deny` and `default` take no path; the others need one, given or not.
  if (behaviour == "allow" || behaviour == "allowAndName" || members.contains("downloadPath"))
    members["downloadPath"] = dir;
  return json::serialize(changed);
}

std::string with_uploads_dir(const json::object& message, std::string_view dir) {
  json::object changed = message;
  json::value* params = changed.if_contains("params");
  json::value* files =
      params && params->is_object() ? params->get_object().if_contains("files") : nullptr;
  if (!files || !files->is_array()) return json::serialize(changed);
  for (json::value& file : files->get_array()) {
    if (!file.is_string()) continue;
    const std::string_view path = file.get_string();
    if (!path.starts_with(kUploadsPath)) continue;
    const std::string_view name = path.substr(kUploadsPath.size());
    // A plain name: `..` must not lead to the files of others.
    if (name.empty() || name.find('/') != name.npos || name == "..") continue;
    file = std::string(dir) + "/" + std::string(name);
  }
  return json::serialize(changed);
}

std::string empty_answer(const json::object& command) {
  json::object answer = answer_to(command);
  answer["result"] = json::object();
  return with_session(std::move(answer), command);
}

std::string error_answer(const json::object& command, std::string_view text) {
  json::object answer = answer_to(command);
  answer["error"] = {{"code", -32'000}, {"message", text}};
  return with_session(std::move(answer), command);
}

}  // namespace troupe::api
