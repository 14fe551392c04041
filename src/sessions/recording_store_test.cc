#include "sessions/recording_store.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/random.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;

class RecordingStoreTest : public testing::Test {
 protected:
  ~RecordingStoreTest() override { fs::remove_all(dir_); }
  fs::path dir_ = fs::temp_directory_path() / ("troupe-recording-" + secure_token(6));
};

TEST_F(RecordingStoreTest, GivesBackPicturesByPageAndNumber) {
  RecordingStore store(dir_.string());
  ASSERT_TRUE(store.add_frame("s1", 0, 1'000, "https://a.example/", "first"));
  ASSERT_TRUE(store.add_frame("s1", 0, 2'000, "https://b.example/", "second!"));
  ASSERT_TRUE(store.add_frame("s1", 1, 1'500, "about:blank", "other"));

  const auto pages = store.pages("s1");
  ASSERT_TRUE(pages);
  ASSERT_EQ(pages->size(), 2u);
  EXPECT_EQ((*pages)[0].url, "https://b.example/");
  EXPECT_EQ((*pages)[0].start_ms, 1'000);
  EXPECT_EQ((*pages)[0].end_ms, 2'000);
  EXPECT_EQ((*pages)[0].frames, 2);
  EXPECT_EQ(*store.picture("s1", "0", 1), "second!");
  EXPECT_EQ(*store.picture("s1", "1", 0), "other");
  EXPECT_EQ(store.picture("s1", "0", 2).error().code, Errc::not_found);
}

TEST_F(RecordingStoreTest, StopsAtTheLimitOfASession) {
  RecordingStore store(dir_.string(), {.session_bytes = 10, .pages = 2});
  EXPECT_TRUE(store.add_frame("s1", 0, 1, "", "12345678"));
  EXPECT_EQ(store.add_frame("s1", 0, 2, "", "12345678").error().code, Errc::exhausted);
  EXPECT_EQ(store.add_frame("s2", 2, 2, "", "1").error().code, Errc::exhausted);
  EXPECT_TRUE(store.add_frame("s2", 1, 2, "", "1"));
}

TEST_F(RecordingStoreTest, RefusesIdsThatCouldBePaths) {
  RecordingStore store(dir_.string());
  for (const char* id : {"", "..", "../x", "a/b", "a.b"}) {
    EXPECT_FALSE(store.add_frame(id, 0, 1, "", "x")) << id;
    EXPECT_FALSE(store.pages(id)) << id;
  }
  ASSERT_TRUE(store.add_frame("s1", 0, 1, "", "x"));
  EXPECT_FALSE(store.picture("s1", "../s1/0", 0));
}

TEST_F(RecordingStoreTest, AFullDiskIsAnError) {
  fs::create_directories(dir_);
  fs::create_directories(dir_ / "s1" / "0.jpegs");  // a folder where the file should be
  RecordingStore store(dir_.string());
  EXPECT_EQ(store.add_frame("s1", 0, 1, "", "x").error().code, Errc::storage_failed);
}

TEST_F(RecordingStoreTest, ForgetsWhatIsOld) {
  RecordingStore store(dir_.string(), {.kept = std::chrono::hours(1)});
  ASSERT_TRUE(store.add_frame("s1", 0, 1, "", "x"));
  const auto later = std::chrono::system_clock::now() + std::chrono::hours(2);
  EXPECT_EQ(store.sweep(later), 0) << "it is still being written";
  store.finish("s1");
  EXPECT_EQ(store.sweep(std::chrono::system_clock::now()), 0);
  EXPECT_EQ(store.sweep(later), 1);
  EXPECT_FALSE(store.pages("s1"));
}

TEST(RecordingStore, WithoutAFolderNothingIsStored) {
  RecordingStore store("");
  EXPECT_FALSE(store.add_frame("s1", 0, 1, "", "x"));
  EXPECT_EQ(store.sweep(std::chrono::system_clock::now()), 0);
}

}  // namespace
}  // namespace troupe::sessions
