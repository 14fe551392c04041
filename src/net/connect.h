// Outgoing connections: name look-up, TCP, TLS; each step ends at the context's deadline and its
// failure is classified once, here. Internal to net/ and the WebSocket transport (it shows Asio's
// types).
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/async.h"
#include "net/url.h"

namespace troupe::net {

using tcp = asio::ip::tcp;
using TlsStream = asio::ssl::stream<tcp::socket>;
/// Completion token: `co_await` gives a tuple that begins with the error code.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kTuple{};

/// Calls `stop` (which must make the pending operation end soon) at the context's deadline or
/// cancellation, while it lives.
class Interruption final {
 public:
  Interruption(Context& ctx, std::function<void()> stop);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  /// What ended the operation: the context's error if it was interrupted, or else `error`
  /// classified.
  Error explain(const boost::system::error_code& error, const std::string& what) const;
  bool happened() const { return reason_.has_value(); }

 private:
  void interrupt(Error reason);
  std::function<void()> stop_;
  std::optional<Error> reason_;
  Timer timer_;
  CancelSource::Registration registration_;
};

/// network_error, tls_error or protocol_error, with `what` in front of the message.
Error network_failure(const boost::system::error_code& error, const std::string& what);

/// unauthenticated: a proxy wants a password, or another one.
Error proxy_refusal(const std::string& where);

/// Which addresses may be connected to. Asked after the look-up, so that a name cannot lead
/// elsewhere than what was asked about. Null: all.
using AddressFilter = bool (*)(const asio::ip::address&);
/// Not of this machine, its networks, or a special purpose (RFC 6890).
bool is_public_address(const asio::ip::address& address);

/// Tries each address of the host in turn.
/// Errors: dns_error, network_error, permission_denied (no address that `filter` lets pass),
/// timeout, cancelled.
Async<std::unique_ptr<tcp::socket>> connect_tcp(Context& ctx, std::string host, std::string port,
                                                AddressFilter filter = nullptr);

/// Certificates of the system, or only those of `ca_file` when it is not empty; TLS 1.2 and later.
/// Errors: storage_failed (file not readable).
Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const std::string& ca_file,
                                                             bool verify = true);

/// The same through a proxy (CONNECT), which looks the name up: `filter` holds for direct
/// connections only. With no proxy: connect_tcp.
/// Errors: as connect_tcp, for the proxy; network_error (it refuses, or answers no HTTP),
/// unauthenticated (it answers 407).
Async<std::unique_ptr<tcp::socket>> connect_through(Context& ctx, std::optional<Url> proxy,
                                                    std::string host, std::string port,
                                                    AddressFilter filter = nullptr);

/// TCP, directly or through a proxy, then a handshake with SNI that verifies chain and name.
/// Errors: as connect_through, tls_error.
Async<std::unique_ptr<TlsStream>> connect_tls(Context& ctx, asio::ssl::context& tls,
                                              std::string host, std::string port,
                                              AddressFilter filter = nullptr,
                                              std::optional<Url> proxy = {});

}  // namespace troupe::net
