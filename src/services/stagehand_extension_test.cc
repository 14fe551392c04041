#include "services/stagehand_extension.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"

namespace troupe::services {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StagehandExtensionTest : public ::testing::Test {
 protected:
  StagehandExtensionTest() {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    dir_ = fs::canonical(dir_).string();
  }
  ~StagehandExtensionTest() override { fs::remove_all(dir_); }

  std::string put(const std::string& folder, const std::string& manifest, bool worker = true) {
    const std::string place = dir_ + "/" + folder;
    fs::create_directories(place);
    std::ofstream(place + "/manifest.json") << manifest;
    if (worker) std::ofstream(place + "/service-worker.js") << "0";
    return place;
  }

  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-extension-" + std::to_string(getpid()))).string();
};

constexpr const char* kManifest = R"({"name": "Stagehand Runtime", "version": "1.3.0"})";

TEST_F(StagehandExtensionTest, IsFoundWhereItWasInstalledOrSet) {
  const auto none = find_stagehand("", dir_);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_THAT(none.error().hint, HasSubstr("troupe stagehand install"));
  const std::string installed = put("stagehand/4.4.0", kManifest);
  EXPECT_EQ(find_stagehand("", dir_)->folder, installed);
  EXPECT_EQ(find_stagehand("", dir_)->version, "1.3.0");
  const std::string inside = put("package/dist/extension", kManifest);
  EXPECT_EQ(find_stagehand(dir_ + "/package", dir_)->folder, inside);
  fs::create_directory_symlink(inside, dir_ + "/link");
  EXPECT_EQ(find_stagehand(dir_ + "/link", dir_)->folder, inside);
}

TEST_F(StagehandExtensionTest, IsNotTakenForSomethingElse) {
  EXPECT_EQ(find_stagehand(dir_ + "/nowhere", dir_).error().code, Errc::not_found);
  EXPECT_EQ(find_stagehand(dir_, dir_).error().code, Errc::not_found);
  for (const char* manifest : {R"({"name": "Other", "version": "1"})", "{", "[]"})
    EXPECT_FALSE(find_stagehand(put("other", manifest), dir_)) << manifest;
  EXPECT_EQ(find_stagehand(put("no-worker", kManifest, false), dir_).error().code,
            Errc::invalid_argument);
}

TEST(UnpackedExtensionId, IsThatOfChromium) {
  const std::string id = unpacked_extension_id("/opt/stagehand");
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnop"), std::string::npos);
  EXPECT_NE(id, unpacked_extension_id("/opt/stagehand2"));
}

}  // namespace
}  // namespace troupe::services
