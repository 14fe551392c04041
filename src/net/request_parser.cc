#include "net/request_parser.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/beast_chunks.h"
#include "net/url.h"

namespace troupe::net {
namespace {

namespace http = boost::beast::http;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool is_token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

void lower(std::string& text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
}

// More of an upload than that goes to disk.
constexpr std::size_t kInMemoryMax = std::size_t{512} << 10;

// Not Beast's iequals: that of 1.81 reads one byte beyond the end.
bool is_word(std::string_view text, std::string_view lower_word) {
  std::string lowered(text);
  lower(lowered);
  return lowered == lower_word;
}

bool is_host_text(std::string_view host) {
  for (const char c : host) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && std::string_view("-._~:[]%!$&'()*+,;=").find(c) == std::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace

struct RequestParser::Beast {
  using Parser = http::request_parser<http::string_body>;
  std::optional<Parser> parser;
};

RequestParser::RequestParser(Limits limits) : beast_(std::make_unique<Beast>()), limits_(limits) {
  reset();
}

RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  auto& parser = beast_->parser.emplace();
  parser.eager(true);
  // The header's size is checked here, before Beast sees it.
  parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes_max + 4));
  parser.body_limit(std::max(limits_.body_bytes_max, limits_.upload_bytes_max));
  body_bytes_max_ = std::max(limits_.body_bytes_max, limits_.upload_bytes_max);
  state_ = State::header;
  is_upload_ = false;
  request_.spool.reset();
  expects_continue_ = false;
  keep_alive_ = false;
  is_head_ = false;
  version_ = 11;
}

void RequestParser::refuse(int status, Errc code, std::string message) {
  state_ = State::refused;
  refusal_ = {status, fail(code, "request: " + std::move(message))};
}

std::size_t RequestParser::feed(std::string_view bytes) {
  if (state_ == State::header) return feed_header(bytes);
  if (state_ == State::body) return put(bytes);
  return 0;
}

std::size_t RequestParser::feed_header(std::string_view bytes) {
  // RFC 9112 2.2: empty lines before the request line are ignored.
  std::size_t skipped = 0;
  while (bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
  const std::string_view rest = bytes.substr(skipped);
  if (rest.empty() || rest == "\r") return skipped;
  if (!is_token_char(rest.front())) {
    refuse(400, Errc::invalid_argument, "not HTTP/1.1");
    return 0;
  }
  const std::size_t end = rest.find("\r\n\r\n");
  const std::size_t bare = rest.substr(0, end).find("\n\n");
  const std::size_t size = end == std::string_view::npos ? rest.size() : end + 4;
  if (bare != std::string_view::npos) {
    refuse(400, Errc::invalid_argument, "a line does not end with CRLF");
  } else if (size > limits_.header_bytes_max) {
    refuse(431, Errc::payload_too_large,
           "header exceeds " + std::to_string(limits_.header_bytes_max) + " bytes");
  } else if (end != std::string_view::npos && check_lines(rest.substr(0, size))) {
    const std::size_t used = put(rest);
    return skipped + used;
  }
  return skipped;
}

// Folded lines (RFC 9112 5.2) are a way to hide a header from one of two parsers.
bool RequestParser::check_lines(std::string_view head) {
  if (head.find("\r\n ") == std::string_view::npos && head.find("\r\n\t") == std::string_view::npos)
    return true;
  refuse(400, Errc::invalid_argument, "a header line is folded");
  return false;
}

std::size_t RequestParser::put(std::string_view bytes) {
  auto& parser = *beast_->parser;
  std::size_t used = 0;
  boost::system::error_code error;
  while (used < bytes.size() && !parser.is_done() && !error) {
    if (needs_more_first(parser, bytes.size() - used)) break;
    const std::size_t now =
        parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    used += now;
    if (now == 0) break;
  }
  if (error == http::error::body_limit) {
    refuse(413, Errc::payload_too_large,
           "body exceeds " + std::to_string(body_bytes_max_) + " bytes");
  } else if (error && error != http::error::need_more) {
    refuse(400, Errc::invalid_argument, error.message());
  }
  if (state_ == State::header && parser.is_header_done()) check_header();
  if (state_ == State::body) check_size();
  if (state_ == State::body && is_upload_) spool();
  if (state_ == State::body && parser.is_done()) state_ = State::complete;
  return used;
}

void RequestParser::check_header() {
  const auto& message = beast_->parser->get();
  version_ = static_cast<int>(message.version());
  is_head_ = message.method() == http::verb::head;
  keep_alive_ = message.keep_alive();
  if (version_ != 10 && version_ != 11)
    return refuse(505, Errc::unsupported, "HTTP version is not 1.0 or 1.1");
  if (!check_framing()) return;
  if (const auto expect = message[http::field::expect]; !expect.empty()) {
    if (!is_word(view(expect), "100-continue"))
      return refuse(417, Errc::unsupported, "Expect is not 100-continue");
    expects_continue_ = version_ == 11;
  }
  if (!take_target(view(message.target()))) return;
  request_.method.assign(message.method_string().data(), message.method_string().size());
  request_.headers.clear();
  for (const auto& field : message) {
    auto& [name, value] =
        request_.headers.emplace_back(view(field.name_string()), view(field.value()));
    lower(name);
  }
  is_upload_ = limits_.is_upload && limits_.is_upload(request_);
  body_bytes_max_ = is_upload_ ? limits_.upload_bytes_max : limits_.body_bytes_max;
  state_ = State::body;
}

// Beast's own limit is the widest of all; which one holds is known only now.
void RequestParser::check_size() {
  const auto& parser = *beast_->parser;
  const std::uint64_t announced = parser.content_length().value_or(0);
  const std::uint64_t before = request_.spool ? request_.spool->size() : 0;
  const std::uint64_t here = before + parser.get().body().size();
  if (std::max(announced, here) > body_bytes_max_)
    refuse(413, Errc::payload_too_large,
           "body exceeds " + std::to_string(body_bytes_max_) + " bytes");
}

// Moves what has come of an upload to disk. Beast appends to its string; a fresh one gives back the
// room that it reserved for all of the body.
void RequestParser::spool() {
  std::string& body = beast_->parser->get().body();
  const bool last = beast_->parser->is_done() && request_.spool;
  if (body.empty() || (body.size() < kInMemoryMax && !last)) return;
  Result<void> kept;
  if (!request_.spool) {
    auto made = Spool::make(limits_.upload_folder);
    if (made) request_.spool = std::move(*made);
    if (!made) kept = made.error();
  }
  if (kept) kept = request_.spool->append(body);
  std::string().swap(body);
  if (kept) return;
  state_ = State::refused;
  refusal_ = {507, kept.error()};
}

// What Boost 1.81's parser lets pass: codings that are not `chunked`, chunked in HTTP/1.0, a
// missing or second Host.
bool RequestParser::check_framing() {
  const auto& message = beast_->parser->get();
  const auto codings = message.equal_range(http::field::transfer_encoding);
  const auto count = std::distance(codings.first, codings.second);
  if (count > 0) {
    if (count > 1 || !is_word(view(codings.first->value()), "chunked")) {
      refuse(400, Errc::invalid_argument, "Transfer-Encoding is not chunked");
    } else if (version_ == 10) {
      refuse(400, Errc::invalid_argument, "Transfer-Encoding in HTTP/1.0");
    } else if (message.count(http::field::content_length) > 0) {
      refuse(400, Errc::invalid_argument, "both Transfer-Encoding and Content-Length");
    }
  }
  const auto hosts = message.count(http::field::host);
  if (state_ != State::refused && (hosts > 1 || (hosts == 0 && version_ == 11)))
    refuse(400, Errc::invalid_argument, "exactly one Host header is needed");
  if (state_ != State::refused && !is_host_text(view(message[http::field::host])))
    refuse(400, Errc::invalid_argument, "Host is not a host name");
  return state_ != State::refused;
}

// Keeps the origin form; the absolute form (RFC 9112 3.2.2) is brought to it.
bool RequestParser::take_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!is_word(target.substr(0, scheme.size()), scheme)) continue;
    const auto slash = target.find_first_of("/?", scheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  const std::size_t question = target.find('?');
  const bool all = target == "*" && beast_->parser->get().method() == http::verb::options;
  if (!all && !target.starts_with('/')) {
    refuse(400, Errc::invalid_argument, "target does not begin with '/'");
    return false;
  }
  auto path = percent_decode(target.substr(0, question));
  auto query =
      question == std::string_view::npos ? QueryValues() : parse_query(target.substr(question + 1));
  if (!path || !query) {
    refuse(400, Errc::invalid_argument, "target is not valid percent-encoded UTF-8");
    return false;
  }
  request_.target.assign(target);
  request_.path = std::move(*path);
  request_.query = std::move(*query);
  return true;
}

HttpRequest RequestParser::take() {
  request_.body = std::move(beast_->parser->get().body());
  return std::exchange(request_, {});
}

}  // namespace troupe::net
