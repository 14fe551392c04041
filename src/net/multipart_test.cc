#include "net/multipart.h"

#include <gmock/gmock.h>

#include "base/random.h"

namespace troupe::net {
namespace {

using testing::HasSubstr;

constexpr std::string_view kType = "multipart/form-data; boundary=xyz";

std::string body(
    std::string_view content,
    std::string_view head = R"(Content-Disposition: form-data; name="file"; filename="a.zip")") {
  return "--xyz\r\n" + std::string(head) + "\r\n\r\n" + std::string(content) +
         "\r\n--xyz--\r\n\r\n";
}

TEST(Multipart, GivesTheFileAsItIs) {
  const std::string content("PK\0\r\n--xy\r\n\r\n", 13);
  const std::string text = body(content);
  const auto parts = parse_multipart(kType, text);
  ASSERT_TRUE(parts) << parts.error().describe();
  ASSERT_EQ(parts->size(), 1u);
  EXPECT_EQ(parts->front().name, "file");
  EXPECT_EQ(parts->front().file_name, "a.zip");
  EXPECT_EQ(parts->front().content, content);
}

TEST(Multipart, ReadsSeveralPartsAndTheirTypes) {
  const std::string text =
      "preamble\r\n--xyz\r\ncontent-disposition: form-data; filename=\"ü \\\"q\\\".txt\"; "
      "name=a\r\n"
      "Content-Type: text/plain\r\n\r\n\r\n--xyz \t\r\nContent-Disposition: form-data; name=\"b\""
      "\r\n\r\n1\r\n--xyz--";
  const auto parts = parse_multipart("Multipart/Form-Data; charset=utf-8; boundary=\"xyz\"", text);
  ASSERT_TRUE(parts) << parts.error().describe();
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].name, "a");
  EXPECT_EQ((*parts)[0].file_name, "ü \"q\".txt");
  EXPECT_EQ((*parts)[0].content_type, "text/plain");
  EXPECT_EQ((*parts)[0].content, "");
  EXPECT_EQ((*parts)[1].content, "1");
}

TEST(Multipart, RefusesWhatIsNoForm) {
  for (const char* type : {"", "application/json", "multipart/form-data",
                           "multipart/form-data; boundary=", "multipart/form-data; boundary"})
    EXPECT_FALSE(parse_multipart(type, body("x"))) << type;
  for (const std::string& text :
       {std::string(), std::string("--xyz"), std::string("--xyz\r\n"), std::string("--xyz--x"),
        std::string("--abc\r\n\r\n"), body("x", "Content-Disposition: form-data"),
        body("x", "no colon"), body("x", "Content-Disposition: form-data; name=\"open"),
        std::string("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nno end"),
        body("x", "Content-Disposition: form-data; name=\"\xFF\"")}) {
    const auto parts = parse_multipart(kType, text);
    EXPECT_TRUE(!parts || parts->empty()) << text;
    if (!parts) EXPECT_EQ(parts.error().code, Errc::invalid_argument);
  }
}

TEST(Multipart, IsLimitedInPartsAndHeaders) {
  std::string many;
  for (int i = 0; i < 70; ++i)
    many += "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
  const auto parts = parse_multipart(kType, many + "--xyz--");
  ASSERT_FALSE(parts);
  EXPECT_THAT(parts.error().message, HasSubstr("64"));
  const std::string wide =
      "Content-Disposition: form-data; name=\"a\"; x=" + std::string(9'000, 'y');
  EXPECT_FALSE(parse_multipart(kType, body("x", wide)));
}

TEST(Multipart, TakesGarbageWithoutHarm) {
  Random random(7);
  const std::string_view alphabet = "-xyz\r\n:;=\"\\ ab";
  for (int round = 0; round < 3'000; ++round) {
    std::string text = "--xyz\r\n";
    const auto length = random.between(0, 120);
    for (std::int64_t i = 0; i < length; ++i)
      text += alphabet[static_cast<std::size_t>(random.between(0, 13))];
    text += "\r\n--xyz--";
    const auto parts = parse_multipart(kType, text);
    if (!parts) continue;
    for (const FormPart& part : *parts) {
      EXPECT_FALSE(part.name.empty());
      EXPECT_LE(part.content.size(), text.size());
    }
  }
}

}  // namespace
}  // namespace troupe::net
