#include "net/websocket_frames.h"

#include <gmock/gmock.h>

#include <random>

namespace troupe::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array<unsigned char, 4> kMask = {0x11, 0x22, 0x33, 0x44};

std::string frame(Opcode opcode, std::string payload, bool fin = true, bool masked = true) {
  std::string out;
  append_frame_header(out, opcode, fin, payload.size(), masked ? &kMask : nullptr);
  if (masked) apply_mask(payload, kMask, 0);
  return out + payload;
}

struct Parsed {
  std::vector<std::string> frames;
  std::string error;
};

// Feeds the bytes in pieces of `step`; the payloads of frames, joined.
Parsed parse(std::string bytes, std::size_t step = 1 << 20,
             WebSocketRole role = WebSocketRole::server) {
  FrameParser parser(role);
  Parsed parsed;
  std::string payload;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::span<char> rest = std::span(bytes).subspan(at, std::min(step, bytes.size() - at));
    for (;;) {
      const auto piece = parser.next(rest);
      if (!piece) parsed.error = piece.error().message;
      if (!piece || !*piece) break;
      payload.append((*piece)->data);
      if ((*piece)->ends_frame()) parsed.frames.push_back(std::exchange(payload, {}));
    }
    if (!parsed.error.empty()) break;
  }
  return parsed;
}

TEST(WebSocketFrames, ReadsFramesHoweverTheBytesAreCut) {
  const std::string bytes = frame(Opcode::text, "hello") + frame(Opcode::ping, "p") +
                            frame(Opcode::binary, std::string(300, 'x')) + frame(Opcode::text, "") +
                            frame(Opcode::text, std::string(70'000, 'y'));

  for (const std::size_t step : {1, 2, 3, 7, 64, 1'000, 100'000})
    EXPECT_THAT(parse(bytes, step).frames,
                ElementsAre("hello", "p", std::string(300, 'x'), "", std::string(70'000, 'y')))
        << step;
}

TEST(WebSocketFrames, GivesPiecesOfAFrameWithTheirPlace) {
  FrameParser parser(WebSocketRole::client);
  std::string bytes = frame(Opcode::text, "abcdef", false, false);
  std::span<char> first = std::span(bytes).first(4);
  const auto one = parser.next(first);
  ASSERT_TRUE(one && *one);

  EXPECT_EQ((*one)->data, "ab");
  EXPECT_EQ((*one)->length, 6u);
  EXPECT_FALSE((*one)->ends_frame());

  std::span<char> second = std::span(bytes).subspan(4);
  const auto two = parser.next(second);
  ASSERT_TRUE(two && *two);
  EXPECT_EQ((*two)->offset, 2u);
  EXPECT_EQ((*two)->data, "cdef");
  EXPECT_TRUE((*two)->ends_frame());
  EXPECT_FALSE((*two)->ends_message());
}

TEST(WebSocketFrames, AControlFrameMayStandBetweenFragments) {
  const auto parsed = parse(frame(Opcode::text, "one", false) + frame(Opcode::ping, "") +
                            frame(Opcode::continuation, "two"));

  EXPECT_THAT(parsed.frames, ElementsAre("one", "", "two"));
}

TEST(WebSocketFrames, RefusesWhatTheProtocolForbids) {
  const std::string long_ping = frame(Opcode::ping, std::string(126, 'x'));
  EXPECT_THAT(parse(frame(Opcode::text, "x", true, false)).error, HasSubstr("not masked"));
  EXPECT_THAT(parse(frame(Opcode::text, "x"), 99, WebSocketRole::client).error,
              HasSubstr("is masked"));
  EXPECT_THAT(parse("\xc1\x80").error, HasSubstr(""));
  EXPECT_THAT(parse(std::string("\xc1\x80\0\0\0\0", 6)).error, HasSubstr("reserved bits"));
  EXPECT_THAT(parse(std::string("\x83\x80\0\0\0\0", 6)).error, HasSubstr("opcode 3"));
  EXPECT_THAT(parse(long_ping).error, HasSubstr("control frame"));
  EXPECT_THAT(parse(frame(Opcode::ping, "", false)).error, HasSubstr("control frame"));
  EXPECT_THAT(parse(frame(Opcode::continuation, "x")).error, HasSubstr("without a beginning"));
  EXPECT_THAT(parse(frame(Opcode::text, "a", false) + frame(Opcode::text, "b")).error,
              HasSubstr("inside another"));
  EXPECT_THAT(parse(std::string("\x81\xfe\0\x05\0\0\0\0", 8)).error, HasSubstr("shortest"));
  EXPECT_THAT(parse(std::string("\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14)).error,
              HasSubstr("shortest"));
}

TEST(WebSocketFrames, SurvivesGarbage) {
  std::mt19937 random(7);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(1 + random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const auto parsed = parse(bytes, 1 + random() % 50);
    std::size_t total = 0;
    for (const auto& text : parsed.frames) total += text.size();
    ASSERT_LE(total, bytes.size());
  }
}

TEST(WebSocketFrames, MaskingTwiceGivesTheOriginalFromAnyOffset) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i);
  std::string masked = text;
  apply_mask(std::span(masked).first(13), kMask, 0);
  apply_mask(std::span(masked).subspan(13), kMask, 13);
  std::string whole = text;
  apply_mask(whole, kMask, 0);

  EXPECT_EQ(masked, whole);
  EXPECT_NE(masked, text);
  apply_mask(masked, kMask, 0);
  EXPECT_EQ(masked, text);
}

TEST(WebSocketFrames, CloseCarriesCodeAndReason) {
  const auto parsed = parse_close_payload(close_payload(1001, "going"));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->first, 1001);
  EXPECT_EQ(parsed->second, "going");
  EXPECT_EQ(parse_close_payload("")->first, 1005);
  EXPECT_FALSE(parse_close_payload("x"));
  EXPECT_FALSE(parse_close_payload(close_payload(1005, "")));
  EXPECT_FALSE(parse_close_payload(close_payload(999, "")));
  EXPECT_FALSE(parse_close_payload(close_payload(1000, "") + "\xff"));
  // A reason is cut between characters.
  const std::string cut = close_payload(1000, std::string(122, 'x') + "\xc3\xa4");
  EXPECT_EQ(cut.size(), 124u);
}

}  // namespace
}  // namespace troupe::net
