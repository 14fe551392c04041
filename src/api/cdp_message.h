// What the gateway must know of a DevTools message, found without parsing it: its method. And the
// few messages that it changes or answers itself. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/connect_key.h"
#include "base/json.h"

namespace troupe::api {

/// Reads a message piece by piece and finds its top-level member `method`. A message can be of any
/// size; nothing but a name is kept.
class MethodScanner final {
 public:
  void reset() { *this = MethodScanner(); }
  void feed(std::string_view piece);
  /// The last one so far (what a parser would take); empty before it was found.
  const std::string& method() const { return method_; }

 private:
  enum class Place { before_key, after_key, value };
  void structure(char c);
  std::size_t string_part(std::string_view piece);
  void end_string();
  void keep(char c);

  std::string method_;
  std::string text_;  ///< Of the string that is being read, at depth 1.
  int depth_ = 0;
  bool in_string_ = false;
  bool key_is_method_ = false;
  int escape_ = 0;  ///< 1 after a backslash; 2 to 5: hex digits of \u still to come, plus one.
  unsigned code_ = 0;
  Place place_ = Place::before_key;
};

/// What is special about a method.
enum class Guard {
  none,
  close_browser,       ///< `Browser.close`: the session's policy decides.
  download_behaviour,  ///< Its path is a client's path, which means nothing here.
  input_files,         ///< Its paths can be those of uploaded files (kUploadsPath).
};
Guard guard_of(std::string_view method);

/// Whether a key of that scope may call the method.
bool is_allowed(KeyScope scope, std::string_view method);

/// The message with the session's directory instead of the client's; as given when it has no path.
std::string with_download_dir(const json::object& message, std::string_view dir);
/// Where clients of the Browserbase API expect uploaded files on a session's machine.
constexpr std::string_view kUploadsPath = "/tmp/.uploads/";
/// The message with paths of uploaded files below `dir`; other paths stay.
std::string with_uploads_dir(const json::object& message, std::string_view dir);
/// `{"id":…,"result":{}}` to a command, with its flat session.
std::string empty_answer(const json::object& command);
/// `{"id":…,"error":{…}}` to a command.
std::string error_answer(const json::object& command, std::string_view text);

}  // namespace troupe::api
