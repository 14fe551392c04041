#include "demo/form.h"

#include <gmock/gmock.h>

namespace troupe::demo {
namespace {

using testing::HasSubstr;

constexpr std::string_view kMultipart = "multipart/form-data; boundary=xyz";

std::string error_of(std::string_view content_type, std::string_view body) {
  const auto fields = parse_form(content_type, body);
  return fields ? "" : fields.error().message;
}

TEST(DemoForm, ReadsPercentEncodedFields) {
  const auto fields =
      parse_form("application/x-www-form-urlencoded", "user=Ida+B.&password=a%26b").value();

  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(field_value(fields, "user"), "Ida B.");
  EXPECT_EQ(field_value(fields, "password"), "a&b");
  EXPECT_EQ(field_value(fields, "other"), "");
}

TEST(DemoForm, ReadsTextsAndFilesOfParts) {
  const auto fields = parse_form(kMultipart,
                                 "--xyz\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n"
                                 "Detour\r\n"
                                 "--xyz\r\nContent-Disposition: form-data; name=\"evidence\"; "
                                 "filename=\"a b.txt\"\r\nContent-Type: text/plain\r\n\r\n"
                                 "one\r\n--two\r\n--xyz--\r\n")
                          .value();

  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields[0].name, "title");
  EXPECT_EQ(fields[0].value, "Detour");
  EXPECT_FALSE(fields[0].is_file);
  EXPECT_EQ(fields[1].name, "evidence");
  EXPECT_EQ(fields[1].file_name, "a b.txt");
  EXPECT_EQ(fields[1].value, "one\r\n--two");
  EXPECT_TRUE(fields[1].is_file);
}

TEST(DemoForm, ReadsAFileFieldLeftEmpty) {
  const auto fields = parse_form(kMultipart,
                                 "--xyz\r\nContent-Disposition: form-data; name=\"evidence\"; "
                                 "filename=\"\"\r\n\r\n\r\n--xyz--\r\n")
                          .value();

  ASSERT_EQ(fields.size(), 1U);
  EXPECT_TRUE(fields[0].is_file);
  EXPECT_EQ(fields[0].file_name, "");
}

TEST(DemoForm, RefusesWhatIsNoForm) {
  EXPECT_THAT(error_of("text/plain", "a"), HasSubstr("content type 'text/plain'"));
  EXPECT_THAT(error_of("application/x-www-form-urlencoded", "a=%zz"), HasSubstr("not percent"));
  EXPECT_THAT(error_of("multipart/form-data", "a"), HasSubstr("no boundary"));
  EXPECT_THAT(error_of(kMultipart, "a"), HasSubstr("does not begin"));
  EXPECT_THAT(error_of(kMultipart, "--xyz\r\nrest"), HasSubstr("not closed"));
  EXPECT_THAT(error_of(kMultipart, "--xyz\r\nX: y\r\n--xyz--"), HasSubstr("no empty line"));
  EXPECT_THAT(error_of(kMultipart, "--xyz\r\nX: y\r\n\r\nv\r\n--xyz--"), HasSubstr("no name"));
}

}  // namespace
}  // namespace troupe::demo
