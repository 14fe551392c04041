#include "net/event_stream.h"

#include <gmock/gmock.h>

namespace troupe::net {
namespace {

using ::testing::ElementsAre;

/// All events of `text`, read in pieces of `size` bytes, as `name|data`.
std::vector<std::string> events_of(std::string_view text, std::size_t size) {
  std::vector<std::string> events;
  EventStreamReader reader([&](ServerEvent event) {
    events.push_back(event.name + "|" + event.data);
    return true;
  });
  for (std::size_t at = 0; at < text.size(); at += size)
    EXPECT_TRUE(reader.read(text.substr(at, size)));
  return events;
}

TEST(EventStream, ReadsTheSameEventsFromPiecesOfAnySize) {
  const std::string text =
      "\xEF\xBB\xBF: a comment\n\nevent: delta\ndata: {\"a\":1}\nid: 7\n\r\ndata:one\r\ndata: "
      "two\r\n"
      "\r\nretry: 10\rdata\r\rdata: cut off";
  for (std::size_t size = 1; size <= text.size(); ++size)
    EXPECT_THAT(events_of(text, size), ElementsAre("delta|{\"a\":1}", "|one\ntwo", "|"))
        << size << " bytes each";
}

TEST(EventStream, KeepsASecondSpaceAndColonsOfAValue) {
  EXPECT_THAT(events_of("data:  x: y\n\n", 64), ElementsAre("| x: y"));
}

TEST(EventStream, RefusesAnEventBeyondItsLimitAndReadsNoFurther) {
  int events = 0;
  const auto count = [&](ServerEvent) { return ++events > 0; };
  EventStreamReader reader(count, 16);
  EXPECT_TRUE(reader.read("data: 12345\n\n"));
  const auto refused = reader.read("data: 12345678901234567");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::payload_too_large);
  EXPECT_FALSE(reader.read("\n\ndata: 1\n\n").value());
  EXPECT_EQ(events, 1);
}

TEST(EventStream, CountsManyShortLinesOfOneEventTogether) {
  EventStreamReader reader([](ServerEvent) { return true; }, 32);
  Result<bool> read = true;
  for (int i = 0; i < 20 && read; ++i) read = reader.read("data: 12\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::payload_too_large);
}

TEST(EventStream, StopsWhenItsTakerHasEnough) {
  int events = 0;
  EventStreamReader reader([&](ServerEvent) { return ++events < 2; });
  EXPECT_TRUE(reader.read("data: 1\n\n").value());
  EXPECT_FALSE(reader.read("data: 2\n\ndata: 3\n\n").value());
  EXPECT_EQ(events, 2);
}

}  // namespace
}  // namespace troupe::net
