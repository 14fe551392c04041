#include "sessions/recording_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/random.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;

class RecordingStoreTest : public testing::Test {
 protected:
  ~RecordingStoreTest() override { fs::remove_all(dir_); }

  RecordingStore store(RecordingLimits limits = {}) {
    return {io_.get_executor(), dir_.string(), limits};
  }
  static NewFrame frame(int page, std::int64_t time_ms, std::string url, std::string_view jpeg) {
    return {.page = page, .time_ms = time_ms, .url = std::move(url), .base64 = to_base64(jpeg)};
  }
  template <class T>
  Result<T> run(Async<T> work) {
    std::optional<Result<T>> value;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr exception, Result<T> result) {
      if (exception) std::rethrow_exception(exception);
      value = std::move(result);
    });
    const auto guard = asio::make_work_guard(io_);
    io_.restart();
    while (!value && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    return value ? std::move(*value) : fail(Errc::timeout, "nothing happened for 20 s");
  }
  void settle(const RecordingStore& store) { ASSERT_TRUE(run(store.settle(ctx_))); }
  static WallTime now() { return std::chrono::system_clock::now(); }
  Result<int> sweep(RecordingStore& store, WallTime when, std::set<std::string> busy = {}) {
    return run(store.sweep(ctx_, when, std::move(busy)));
  }
  // A recording that nobody writes any more.
  void record(RecordingStore& store, const std::string& session, std::size_t bytes) {
    ASSERT_TRUE(store.add_frame(session, frame(0, 1, "", std::string(bytes, 'x'))));
    store.finish(session, {}, "");
    settle(store);
  }

  fs::path dir_ = fs::temp_directory_path() / ("troupe-recording-" + secure_token(6));
  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context ctx_{*clock_, io_.get_executor()};
};

TEST_F(RecordingStoreTest, GivesBackPicturesByPageAndNumber) {
  RecordingStore store = this->store();
  ASSERT_TRUE(store.add_frame("s1", frame(0, 1'000, "https://a.example/", "first")));
  ASSERT_TRUE(store.add_frame("s1", frame(0, 2'000, "https://b.example/", "second!")));
  ASSERT_TRUE(store.add_frame("s1", frame(10, 1'700, "", "eleventh")));
  ASSERT_TRUE(store.add_frame("s1", frame(2, 1'500, "about:blank", "other")));
  settle(store);

  const auto pages = run(store.pages(ctx_, "s1"));
  ASSERT_TRUE(pages);
  ASSERT_EQ(pages->size(), 3u);
  EXPECT_EQ((*pages)[0].url, "https://b.example/");
  EXPECT_EQ((*pages)[0].start_ms, 1'000);
  EXPECT_EQ((*pages)[0].end_ms, 2'000);
  EXPECT_EQ((*pages)[0].frames, 2);
  EXPECT_FALSE((*pages)[0].video_at);
  EXPECT_EQ((*pages)[1].id, "2");
  EXPECT_EQ((*pages)[2].id, "10");
  EXPECT_EQ(*run(store.picture(ctx_, "s1", "0", 1)), "second!");
  EXPECT_EQ(*run(store.picture(ctx_, "s1", "2", 0)), "other");
  EXPECT_EQ(run(store.picture(ctx_, "s1", "0", 2)).error().code, Errc::not_found);
  EXPECT_EQ(run(store.pages(ctx_, "s2")).error().code, Errc::not_found);
}

TEST_F(RecordingStoreTest, SeesPicturesThatCameAfterTheLastLook) {
  RecordingStore store = this->store();
  for (const std::size_t count : {1u, 2u}) {
    ASSERT_TRUE(store.add_frame("s1", frame(0, 1, "", "x")));
    settle(store);
    EXPECT_EQ(run(store.frames(ctx_, "s1", "0"))->size(), count);
  }
}

TEST_F(RecordingStoreTest, KeepsTheLogAndWhyItEnded) {
  RecordingStore store = this->store();
  ASSERT_TRUE(store.add_frame("s1", frame(0, 1, "", "x")));
  store.finish("s1", {1, 2}, "full");
  EXPECT_TRUE(store.is_writing("s1"));
  settle(store);
  EXPECT_FALSE(store.is_writing("s1"));
  EXPECT_EQ(*run(store.log(ctx_, "s1")), "[1,2]");
  EXPECT_EQ(run(store.end(ctx_, "s1"))->reason, "full");
  EXPECT_EQ(run(store.end(ctx_, "s1"))->frames_dropped, 0u);
}

TEST_F(RecordingStoreTest, APageLastsUntilItIsClosed) {
  RecordingStore store = this->store();
  ASSERT_TRUE(store.add_frame("s1", frame(0, 1'000, std::string(3'000, '"'), "first")));
  ASSERT_TRUE(store.add_frame("s1", frame(0, 2'000, std::string(3'000, '"'), "last")));
  store.close_page("s1", 0, 60'000);
  store.close_page("s1", 7, 60'000);
  store.close_page("s2", 0, 60'000);
  store.finish("s1", {}, "");
  settle(store);
  const auto pages = run(store.pages(ctx_, "s1"));
  ASSERT_EQ(pages->size(), 1u);
  EXPECT_EQ(pages->at(0).end_ms, 60'000);
  EXPECT_EQ(*run(store.picture(ctx_, "s1", "0", 2)), "last");
  EXPECT_FALSE(fs::exists(dir_ / "s2"));
}

// Opening a pipe for writing waits until somebody reads: like a disk that does not answer.
TEST_F(RecordingStoreTest, ADiskThatDoesNotAnswerStopsNobody) {
  fs::create_directories(dir_ / "s1");
  const std::string pipe = (dir_ / "s1" / "0.jpegs").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  RecordingStore store = this->store({.queued_bytes = 10'000});
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(store.add_frame("s1", frame(0, i, "", std::string(750, 'x'))));
  EXPECT_EQ(store.frames_dropped("s1"), 90u);
  Context soon = ctx_.with_timeout(std::chrono::milliseconds(100), "writing");
  EXPECT_EQ(run(store.settle(soon)).error().code, Errc::timeout);
  EXPECT_FALSE(run(store.pages(ctx_, "s1"))) << "others can read meanwhile";

  // It answers again, and for as long as anything is written: the store's end waits for a write.
  const int reader = open(pipe.c_str(), O_RDWR);
  settle(store);
  EXPECT_TRUE(store.add_frame("s1", frame(0, 200, "", "x")));
  settle(store);
  close(reader);
}

TEST_F(RecordingStoreTest, StopsAtTheLimitsOfASession) {
  RecordingStore store =
      this->store({.session_bytes = 20, .pages = 2, .longest = std::chrono::seconds(10)});
  EXPECT_TRUE(store.add_frame("s1", frame(0, 1, "", "123456789012")));
  const auto bytes = store.add_frame("s1", frame(0, 2, "", "123456789012"));
  EXPECT_EQ(bytes.error().message, "recording of session s1: 20 bytes are full");
  EXPECT_EQ(store.add_frame("s2", frame(2, 2, "", "1")).error().code, Errc::exhausted);
  EXPECT_TRUE(store.add_frame("s2", frame(1, 2, "", "1")));
  const auto time = store.add_frame("s2", frame(1, 10'003, "", "1"));
  EXPECT_EQ(time.error().message, "recording of session s2: 10000 ms have passed");
}

TEST_F(RecordingStoreTest, DropsAndCountsWhileTooMuchWaits) {
  RecordingStore store = this->store({.queued_bytes = 1'000});
  // The writer's thread tells of what is written only when this thread lets it.
  EXPECT_TRUE(store.add_frame("s1", frame(0, 1, "", std::string(600, 'a'))));
  EXPECT_TRUE(store.add_frame("s1", frame(0, 2, "", std::string(600, 'b'))));
  EXPECT_EQ(store.frames_dropped("s1"), 1u);
  settle(store);
  EXPECT_TRUE(store.add_frame("s1", frame(0, 3, "", std::string(600, 'c'))));
  EXPECT_EQ(store.frames_dropped("s1"), 1u);
  store.finish("s1", {}, "");
  settle(store);
  EXPECT_EQ(run(store.frames(ctx_, "s1", "0"))->size(), 2u);
  EXPECT_EQ(run(store.end(ctx_, "s1"))->frames_dropped, 1u);
}

TEST_F(RecordingStoreTest, RefusesIdsThatCouldBePaths) {
  RecordingStore store = this->store();
  for (const char* id : {"", "..", "../x", "a/b", "a.b"}) {
    EXPECT_FALSE(store.add_frame(id, frame(0, 1, "", "x"))) << id;
    EXPECT_FALSE(run(store.pages(ctx_, id))) << id;
  }
  record(store, "s1", 3);
  EXPECT_FALSE(run(store.picture(ctx_, "s1", "../s1/0", 0)));
  EXPECT_FALSE(run(store.video_size(ctx_, "s1", "0", "../0.jpegs")));
  EXPECT_FALSE(run(store.video_size(ctx_, "s1", "0", "..")));
}

TEST_F(RecordingStoreTest, ShortensLongAddressesAtACharacter) {
  RecordingStore store = this->store();
  std::string url(2'047, 'u');
  url += "\xC3\xA4\xC3\xA4";  // two characters of two bytes
  ASSERT_TRUE(store.add_frame("s1", frame(0, 1, url, "x")));
  settle(store);
  EXPECT_EQ(run(store.pages(ctx_, "s1"))->at(0).url, std::string(2'047, 'u'));
}

TEST_F(RecordingStoreTest, AFullDiskEndsARecording) {
  fs::create_directories(dir_ / "s1" / "0.jpegs");  // a folder where the file should be
  RecordingStore store = this->store();
  EXPECT_TRUE(store.add_frame("s1", frame(0, 1, "", "x"))) << "the write comes later";
  settle(store);
  EXPECT_EQ(store.add_frame("s1", frame(0, 1, "", "x")).error().code, Errc::storage_failed);
  EXPECT_TRUE(store.add_frame("s2", frame(0, 1, "", "x"))) << "the others go on";
}

TEST_F(RecordingStoreTest, WhatIsNoBase64IsNoPicture) {
  RecordingStore store = this->store();
  ASSERT_TRUE(store.add_frame("s1", {.page = 0, .time_ms = 1, .url = "", .base64 = "%%%"}));
  ASSERT_TRUE(store.add_frame("s1", frame(0, 2, "", "good")));
  settle(store);
  EXPECT_EQ(run(store.frames(ctx_, "s1", "0"))->size(), 1u);
}

TEST_F(RecordingStoreTest, ForgetsWhatIsOld) {
  RecordingStore store = this->store({.kept = std::chrono::hours(1)});
  ASSERT_TRUE(store.add_frame("s1", frame(0, 1, "", "x")));
  settle(store);
  const auto later = now() + std::chrono::hours(2);
  EXPECT_EQ(*sweep(store, later), 0) << "it is still being written";
  store.finish("s1", {}, "");
  settle(store);
  EXPECT_EQ(*sweep(store, now()), 0);
  EXPECT_EQ(*sweep(store, later, {"s1"}), 0) << "a video is made of it";
  EXPECT_EQ(*sweep(store, later), 1);
  EXPECT_EQ(run(store.pages(ctx_, "s1")).error().code, Errc::gone);
}

TEST_F(RecordingStoreTest, DeletesTheOldestBeyondTheLimits) {
  for (const bool by_bytes : {true, false}) {
    RecordingLimits limits;
    if (by_bytes) limits.bytes_kept = 25'000;
    if (!by_bytes) limits.recordings_kept = 2;
    RecordingStore store = this->store(limits);
    for (const char* name : {"s1", "s2", "s3"}) {
      record(store, name, 10'000);
      const auto age = std::chrono::minutes(name[1] == '2' ? 50 : 10);
      for (const auto& entry : fs::directory_iterator(dir_ / name))
        fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - age);
    }
    EXPECT_EQ(*sweep(store, now()), 1);
    EXPECT_TRUE(fs::exists(dir_ / "s1"));
    EXPECT_FALSE(fs::exists(dir_ / "s2"));
    fs::remove_all(dir_);
  }
}

TEST_F(RecordingStoreTest, SweepsWhatBrokenEncodingsLeft) {
  RecordingStore store = this->store();
  record(store, "s1", 10);
  fs::create_directories(dir_ / "s1" / "0.video-x.part");
  EXPECT_EQ(*sweep(store, now(), {"s1"}), 0);
  EXPECT_TRUE(fs::exists(dir_ / "s1" / "0.video-x.part"));
  EXPECT_EQ(*sweep(store, now()), 0);
  EXPECT_FALSE(fs::exists(dir_ / "s1" / "0.video-x.part"));
  EXPECT_TRUE(fs::exists(dir_ / "s1" / "0.jpegs"));
}

TEST_F(RecordingStoreTest, DeletesOneThatIsNotWritten) {
  RecordingStore store = this->store();
  ASSERT_TRUE(store.add_frame("s1", frame(0, 1, "", "x")));
  EXPECT_EQ(run(store.remove(ctx_, "s1")).error().code, Errc::conflict);
  store.finish("s1", {}, "");
  settle(store);
  EXPECT_TRUE(run(store.remove(ctx_, "s1")));
  EXPECT_FALSE(fs::exists(dir_ / "s1"));
  EXPECT_EQ(run(store.pages(ctx_, "s1")).error().code, Errc::gone);
  EXPECT_FALSE(run(store.remove(ctx_, "s1")));
}

TEST_F(RecordingStoreTest, WithoutAFolderNothingIsStored) {
  RecordingStore store(io_.get_executor(), "");
  EXPECT_FALSE(store.add_frame("s1", frame(0, 1, "", "x")));
  store.finish("s1", {}, "");
  settle(store);
  EXPECT_EQ(*sweep(store, now()), 0);
  EXPECT_EQ(run(store.pages(ctx_, "s1")).error().code, Errc::not_found);
}

}  // namespace
}  // namespace troupe::sessions
