// --remote-debugging-pipe: JSON texts that end with NUL, on two Unix sockets.
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "cdp/transport.h"

namespace troupe::cdp {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kMessageBytesMax = 512u << 20;
constexpr std::size_t kOutboxBytesMax = 256u << 20;

// Shared: owned by the transport, and by the operations it has under way.
class Pipe final : public std::enable_shared_from_this<Pipe> {
 public:
  Pipe(asio::any_io_executor executor, int read_fd, int write_fd)
      : read_(executor, asio::local::stream_protocol(), read_fd),
        write_(executor, asio::local::stream_protocol(), write_fd) {
    read_.non_blocking(true);
    write_.non_blocking(true);
  }

  void start(std::function<void(std::string_view)> message, std::function<void(Error)> closed) {
    message_ = std::move(message);
    closed_ = std::move(closed);
    inbox_.resize(kReadBytes);
    read_more();
  }

  void send(std::string text) {
    if (ended_) return;
    if (outbox_.size() + text.size() > kOutboxBytesMax) {
      end("the browser does not read: more than " + std::to_string(kOutboxBytesMax >> 20) +
          " MiB wait to be sent");
      return;
    }
    outbox_.append(text).push_back('\0');
    if (!writing_) write_more();
  }

  void close() {
    ended_ = true;  // the callbacks stay: one of them may be what is running now
    boost::system::error_code ignored;
    read_.close(ignored);
    write_.close(ignored);
  }

 private:
  void read_more() {
    if (filled_ == inbox_.size()) inbox_.resize(inbox_.size() * 2);
    read_.async_read_some(asio::buffer(inbox_.data() + filled_, inbox_.size() - filled_),
                          [self = shared_from_this()](auto error, std::size_t count) {
                            self->on_read(error, count);
                          });
  }

  void on_read(const boost::system::error_code& error, std::size_t count) {
    if (ended_) return;
    if (error) return end(error == asio::error::eof ? "the browser ended" : error.message());
    std::size_t scan = filled_;
    filled_ += count;
    std::size_t begin = 0;
    while (!ended_) {
      const void* nul = std::memchr(inbox_.data() + scan, 0, filled_ - scan);
      if (!nul) break;
      const std::size_t end_at = static_cast<const char*>(nul) - inbox_.data();
      message_(std::string_view(inbox_.data() + begin, end_at - begin));
      begin = scan = end_at + 1;
    }
    if (ended_) return;
    if (begin > 0) {
      std::memmove(inbox_.data(), inbox_.data() + begin, filled_ - begin);
      filled_ -= begin;
    }
    if (filled_ == 0 && inbox_.size() > (1u << 20)) std::vector<char>(kReadBytes).swap(inbox_);
    if (filled_ > kMessageBytesMax)
      return end("a message is larger than " + std::to_string(kMessageBytesMax >> 20) + " MiB");
    read_more();
  }

  // Most messages fit the pipe's buffer: writing at once saves a turn of the loop.
  void write_more() {
    writing_ = true;
    sending_.swap(outbox_);
    outbox_.clear();
    asio::async_write(write_, asio::buffer(sending_),
                      [self = shared_from_this()](auto error, std::size_t) {
                        self->writing_ = false;
                        if (self->ended_) return;
                        if (error) return self->end(error.message());
                        if (!self->outbox_.empty()) self->write_more();
                      });
  }

  void end(const std::string& why) {
    if (ended_) return;
    close();
    closed_(fail(Errc::session_lost, "browser connection: " + why));
  }

  // Sockets, not descriptors: writing to a dead browser must not raise SIGPIPE.
  asio::local::stream_protocol::socket read_;
  asio::local::stream_protocol::socket write_;
  std::vector<char> inbox_;
  std::size_t filled_ = 0;
  std::string outbox_;
  std::string sending_;
  bool writing_ = false;
  bool ended_ = false;
  std::function<void(std::string_view)> message_;
  std::function<void(Error)> closed_;
};

class PipeTransport final : public Transport {
 public:
  PipeTransport(asio::any_io_executor executor, int read_fd, int write_fd)
      : pipe_(std::make_shared<Pipe>(std::move(executor), read_fd, write_fd)) {}
  ~PipeTransport() override { pipe_->close(); }
  void start(std::function<void(std::string_view)> message,
             std::function<void(Error)> closed) override {
    pipe_->start(std::move(message), std::move(closed));
  }
  void send(std::string message) override { pipe_->send(std::move(message)); }
  void close() override { pipe_->close(); }

 private:
  std::shared_ptr<Pipe> pipe_;
};

}  // namespace

std::unique_ptr<Transport> make_pipe_transport(asio::any_io_executor executor, int read_fd,
                                               int write_fd) {
  return std::make_unique<PipeTransport>(std::move(executor), read_fd, write_fd);
}

}  // namespace troupe::cdp
