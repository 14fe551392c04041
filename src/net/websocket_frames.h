// WebSocket frames (RFC 6455, 5.2) as bytes. They are parsed piece by piece, so that a frame of any
// size passes through a small buffer. Pure: no sockets, no time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe::net {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

/// Which end of the connection this is: a client's frames are masked, a server's are not.
enum class WebSocketRole { server, client };

/// A part of one frame, in the order of arrival. Control frames come whole.
struct FramePiece {
  Opcode opcode = Opcode::text;  ///< As sent: continuation from a message's second frame on.
  bool fin = true;               ///< This frame is its message's last.
  std::uint64_t length = 0;      ///< Of the whole frame's payload.
  std::uint64_t offset = 0;      ///< Of this piece in it.
  std::string_view data;         ///< Unmasked; in the parser's or the caller's memory.
  bool begins_frame() const { return offset == 0; }
  bool ends_frame() const { return offset + data.size() == length; }
  bool ends_message() const { return fin && ends_frame(); }
};

/// What the peer of `role` sends. Strict: a mistake ends the connection.
class FrameParser final {
 public:
  explicit FrameParser(WebSocketRole role) : masked_(role == WebSocketRole::server) {}

  /// Takes bytes from the front of `bytes` (and unmasks them there). Nothing: all are taken and
  /// more are needed. The piece holds until the next call.
  /// Errors: protocol_error.
  Result<std::optional<FramePiece>> next(std::span<char>& bytes);

 private:
  Result<bool> read_header(std::span<char>& bytes);
  Result<void> check_header();
  std::optional<FramePiece> control(std::span<char>& bytes);

  bool masked_;
  bool in_message_ = false;  ///< Between the frames of a fragmented message.
  bool in_frame_ = false;    ///< The header was read, the payload is not at its end.
  std::array<unsigned char, 14> header_{};
  std::size_t header_size_ = 0;
  std::array<char, 125> control_{};
  std::array<unsigned char, 4> mask_{};
  FramePiece frame_;
};

/// Appends a frame's header; with a mask when `mask` is given.
void append_frame_header(std::string& out, Opcode opcode, bool fin, std::uint64_t length,
                         const std::array<unsigned char, 4>* mask);

/// Masks or unmasks; `offset` is the position of `bytes` in the frame's payload.
void apply_mask(std::span<char> bytes, const std::array<unsigned char, 4>& mask,
                std::uint64_t offset);

/// The payload of a close frame, cut to what fits.
std::string close_payload(int code, std::string_view reason);

/// Code and reason out of a close frame's payload: 1005 when it is empty.
/// Errors: protocol_error (one byte, a code that may not be sent, text that is not UTF-8).
Result<std::pair<int, std::string>> parse_close_payload(std::string_view payload);

}  // namespace troupe::net
