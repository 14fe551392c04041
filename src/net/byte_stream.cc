#include "net/byte_stream.h"

namespace troupe::net {
namespace {

// TCP or local.
template <class Socket>
class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(Socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  asio::awaitable<boost::system::error_code> read(ReadBuffer& buffer,
                                                  std::size_t capacity) override {
    for (;;) {
      const auto waited = co_await socket_.async_wait(Socket::wait_read, kTuple);
      if (std::get<0>(waited)) co_return std::get<0>(waited);
      // Not value-initialised: it is about to be overwritten.
      buffer.bytes.reset(new char[capacity]);
      boost::system::error_code error;
      buffer.size = socket_.read_some(asio::buffer(buffer.bytes.get(), capacity), error);
      if (error != asio::error::would_block) co_return error;
    }
  }

  std::size_t write_now(std::string_view bytes, boost::system::error_code& error) override {
    const std::size_t size = socket_.write_some(asio::buffer(bytes), error);
    if (error == asio::error::would_block) error = {};
    return size;
  }

  asio::awaitable<std::size_t> write(std::string_view bytes,
                                     boost::system::error_code& error) override {
    const auto buffer = asio::buffer(bytes);
    const auto result = co_await socket_.async_write_some(buffer, kTuple);
    error = std::get<0>(result);
    co_return std::get<1>(result);
  }

  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  Socket socket_;
};

class TlsByteStream final : public ByteStream {
 public:
  explicit TlsByteStream(std::unique_ptr<TlsStream> stream) : stream_(std::move(stream)) {}

  asio::awaitable<boost::system::error_code> read(ReadBuffer& buffer,
                                                  std::size_t capacity) override {
    buffer.bytes.reset(new char[capacity]);
    const auto space = asio::buffer(buffer.bytes.get(), capacity);
    const auto result = co_await stream_->async_read_some(space, kTuple);
    buffer.size = std::get<1>(result);
    co_return std::get<0>(result);
  }

  std::size_t write_now(std::string_view, boost::system::error_code&) override { return 0; }

  asio::awaitable<std::size_t> write(std::string_view bytes,
                                     boost::system::error_code& error) override {
    const auto buffer = asio::buffer(bytes);
    const auto result = co_await stream_->async_write_some(buffer, kTuple);
    error = std::get<0>(result);
    co_return std::get<1>(result);
  }

  void close() override {
    boost::system::error_code ignored;
    stream_->lowest_layer().close(ignored);
  }

 private:
  std::unique_ptr<TlsStream> stream_;
};

}  // namespace

std::unique_ptr<ByteStream> make_byte_stream(tcp::socket socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  return std::make_unique<SocketStream<tcp::socket>>(std::move(socket));
}

std::unique_ptr<ByteStream> make_byte_stream(asio::local::stream_protocol::socket socket) {
  using Socket = asio::local::stream_protocol::socket;
  return std::make_unique<SocketStream<Socket>>(std::move(socket));
}

std::unique_ptr<ByteStream> make_byte_stream(std::unique_ptr<TlsStream> stream) {
  return std::make_unique<TlsByteStream>(std::move(stream));
}

}  // namespace troupe::net
