// Bytes to one HttpRequest: no sockets, no time. Stricter than Beast's parser where that one lets
// request smuggling through. Not a router.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "net/spool.h"

namespace troupe::net {

/// Why a request is refused: the status to answer with (some exist only in HTTP) and the error.
struct Refusal {
  int status = 400;
  Error error;
};

/// For the requests of one connection, one after the other. Bytes that were not used are offered
/// again.
class RequestParser final {
 public:
  struct Limits {
    std::size_t header_bytes_max = 16 << 10;
    std::uint64_t body_bytes_max = 8 << 20;
    std::uint64_t upload_bytes_max = 0;  ///< For the requests that `is_upload` says yes to.
    std::function<bool(const HttpRequest&)> is_upload = {};
    std::string upload_folder = {};  ///< As for Spool::make.
  };
  explicit RequestParser(Limits limits);
  ~RequestParser();

  enum class State { header, body, complete, refused };
  /// Uses bytes from the front of `bytes` (all that it was not able to use comes again, with more
  /// behind it) and returns how many. Call until complete or refused.
  std::size_t feed(std::string_view bytes);
  State state() const { return state_; }
  /// Why; only when refused.
  const Refusal& refusal() const { return refusal_; }
  /// Whether the client waits for `100 Continue` before it sends the body.
  bool expects_continue() const { return expects_continue_; }
  bool keep_alive() const { return keep_alive_; }
  /// 10 or 11, known after the header.
  int version() const { return version_; }
  bool is_head() const { return is_head_; }
  /// Once, when complete.
  HttpRequest take();
  /// Ready for the next request.
  void reset();

 private:
  std::size_t feed_header(std::string_view bytes);
  std::size_t put(std::string_view bytes);
  bool check_lines(std::string_view head);
  void check_header();
  bool check_framing();
  void spool();
  void check_size();
  bool take_target(std::string_view target);
  void refuse(int status, Errc code, std::string message);

  struct Beast;
  std::unique_ptr<Beast> beast_;
  Limits limits_;
  std::uint64_t body_bytes_max_ = 0;  ///< Of this request; known after the header.
  bool is_upload_ = false;
  State state_ = State::header;
  Refusal refusal_;
  HttpRequest request_;
  bool expects_continue_ = false;
  bool keep_alive_ = false;
  bool is_head_ = false;
  int version_ = 11;
};

}  // namespace troupe::net
