// A connected stream of bytes, plain or TLS, as the WebSocket needs it. Internal to net/.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string_view>

#include "net/connect.h"

namespace troupe::net {

/// A buffer that exists only while it holds something: an idle connection has none.
struct ReadBuffer {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Waits for bytes and reads what is there, at most `capacity`.
  virtual asio::awaitable<boost::system::error_code> read(ReadBuffer& buffer,
                                                          std::size_t capacity) = 0;
  /// Writes what can be written without waiting.
  virtual std::size_t write_now(std::string_view bytes, boost::system::error_code& error) = 0;
  /// Waits until at least a part of `bytes` is written; gives how much.
  virtual asio::awaitable<std::size_t> write(std::string_view bytes,
                                             boost::system::error_code& error) = 0;
  virtual void close() = 0;
};

std::unique_ptr<ByteStream> make_byte_stream(tcp::socket socket);
std::unique_ptr<ByteStream> make_byte_stream(asio::local::stream_protocol::socket socket);
std::unique_ptr<ByteStream> make_byte_stream(std::unique_ptr<TlsStream> stream);

}  // namespace troupe::net
