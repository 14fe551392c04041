#include "net/websocket_frames.h"

#include <algorithm>
#include <cstring>

#include "net/url.h"

namespace troupe::net {
namespace {

constexpr std::size_t kReasonBytesMax = 123;

Error violation(std::string what) {
  return fail(Errc::protocol_error, "websocket: " + std::move(what));
}

bool is_control(Opcode opcode) { return (static_cast<int>(opcode) & 8) != 0; }

bool is_known(int opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

// Bytes of the header, as far as the first two tell.
std::size_t header_bytes(const std::array<unsigned char, 14>& header) {
  const int length = header[1] & 127;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  return 2 + extended + ((header[1] & 128) != 0 ? 4 : 0);
}

}  // namespace

void apply_mask(std::span<char> bytes, const std::array<unsigned char, 4>& mask,
                std::uint64_t offset) {
  std::array<unsigned char, 8> rotated{};
  for (std::size_t i = 0; i < 8; ++i) rotated[i] = mask[(offset + i) % 4];
  std::uint64_t word = 0;
  std::memcpy(&word, rotated.data(), 8);
  if (word == 0) return;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + i, 8);
    value ^= word;
    std::memcpy(bytes.data() + i, &value, 8);
  }
  for (; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ rotated[i % 8]);
}

void append_frame_header(std::string& out, Opcode opcode, bool fin, std::uint64_t length,
                         const std::array<unsigned char, 4>* mask) {
  const int mask_bit = mask ? 128 : 0;
  out += static_cast<char>((fin ? 128 : 0) | static_cast<int>(opcode));
  const int extended = length < 126 ? 0 : length <= 0xffff ? 2 : 8;
  if (extended == 0) {
    out += static_cast<char>(mask_bit | static_cast<int>(length));
  } else {
    out += static_cast<char>(mask_bit | (extended == 2 ? 126 : 127));
  }
  for (int shift = 8 * (extended - 1); shift >= 0; shift -= 8)
    out += static_cast<char>((length >> shift) & 255);
  if (mask) out.append(reinterpret_cast<const char*>(mask->data()), mask->size());
}

// True when the header is complete.
Result<bool> FrameParser::read_header(std::span<char>& bytes) {
  const auto take = [&](std::size_t until) {
    const std::size_t count = std::min(until - header_size_, bytes.size());
    std::copy_n(bytes.begin(), count, header_.begin() + static_cast<std::ptrdiff_t>(header_size_));
    header_size_ += count;
    bytes = bytes.subspan(count);
    return header_size_ == until;
  };
  if (header_size_ < 2 && !take(2)) return false;
  if (!take(header_bytes(header_))) return false;
  TRY_VOID(check_header());
  header_size_ = 0;
  in_frame_ = true;
  return true;
}

Result<void> FrameParser::check_header() {
  const int code = header_[0] & 15;
  if ((header_[0] & 0x70) != 0) return violation("reserved bits are set");
  if (!is_known(code)) return violation("opcode " + std::to_string(code) + " is not known");
  if (((header_[1] & 128) != 0) != masked_)
    return violation(masked_ ? "a client's frame is not masked" : "a server's frame is masked");
  const int short_length = header_[1] & 127;
  std::uint64_t length = static_cast<std::uint64_t>(short_length);
  const std::size_t extended = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  if (extended > 0) length = 0;
  for (std::size_t i = 0; i < extended; ++i) length = length << 8 | header_[2 + i];
  if ((extended == 2 && length < 126) || (extended == 8 && length <= 0xffff) || length >> 63 != 0)
    return violation("a frame's length is not in its shortest form");
  frame_ = {.opcode = static_cast<Opcode>(code), .fin = (header_[0] & 128) != 0, .length = length};
  if (masked_) std::memcpy(mask_.data(), header_.data() + 2 + extended, 4);
  if (is_control(frame_.opcode)) {
    if (!frame_.fin || length > 125) return violation("a control frame is too long or fragmented");
    return {};
  }
  if ((frame_.opcode == Opcode::continuation) != in_message_)
    return violation(in_message_ ? "a new message begins inside another one"
                                 : "a continuation without a beginning");
  in_message_ = !frame_.fin;
  return {};
}

// A control frame is collected: it is small, and nobody wants a part of it.
std::optional<FramePiece> FrameParser::control(std::span<char>& bytes) {
  const auto left = static_cast<std::size_t>(frame_.length - frame_.offset);
  const std::size_t count = std::min(left, bytes.size());
  std::memcpy(control_.data() + frame_.offset, bytes.data(), count);
  bytes = bytes.subspan(count);
  frame_.offset += count;
  if (frame_.offset < frame_.length) return std::nullopt;
  const std::span<char> payload(control_.data(), static_cast<std::size_t>(frame_.length));
  if (masked_) apply_mask(payload, mask_, 0);
  in_frame_ = false;
  FramePiece piece = frame_;
  piece.offset = 0;
  piece.data = {payload.data(), payload.size()};
  return piece;
}

Result<std::optional<FramePiece>> FrameParser::next(std::span<char>& bytes) {
  if (!in_frame_) {
    TRY(const bool complete, read_header(bytes));
    if (!complete) return std::optional<FramePiece>();
  }
  if (is_control(frame_.opcode)) return control(bytes);
  if (bytes.empty() && frame_.length > frame_.offset) return std::optional<FramePiece>();
  const std::uint64_t left = frame_.length - frame_.offset;
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size()));
  FramePiece piece = frame_;
  if (masked_) apply_mask(bytes.first(count), mask_, frame_.offset);
  piece.data = {bytes.data(), count};
  bytes = bytes.subspan(count);
  frame_.offset += count;
  if (piece.ends_frame()) in_frame_ = false;
  return std::optional<FramePiece>(piece);
}

std::string close_payload(int code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8 & 255), static_cast<char>(code & 255)};
  std::string_view cut = reason.substr(0, kReasonBytesMax);
  while (!is_utf8(cut)) cut.remove_suffix(1);
  return payload.append(cut);
}

Result<std::pair<int, std::string>> parse_close_payload(std::string_view payload) {
  if (payload.empty()) return std::pair<int, std::string>{1005, ""};
  if (payload.size() == 1) return violation("a close frame of one byte");
  const int code =
      static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  const bool sendable =
      (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
      (code >= 3000 && code <= 4999);
  if (!sendable) return violation("close code " + std::to_string(code) + " may not be sent");
  const std::string_view reason = payload.substr(2);
  if (!is_utf8(reason)) return violation("a close reason is not UTF-8");
  return std::pair<int, std::string>{code, std::string(reason)};
}

}  // namespace troupe::net
