// Videos of recordings: with a scripted encoder for every way it may fail, and with the real one
// where it is installed.
#include "sessions/video_encoder.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/random.h"
#include "base/text_file.h"
#include "sessions/recording_videos.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A whole JPEG of 16 by 16 pixels, one colour.
constexpr std::string_view kJpeg =
    "/9j/4AAQSkZJRgABAgAAAQABAAD//gAQTGF2YzU5LjM3LjEwMAD/2wBDAAgoKC8oLzc3Nzc3N0E8QUNDQ0FBQUFDQ0NISE"
    "hVVVVISEhDQ0hIUFBVVVxfXFdXVVdfX2RkZHh4c3OMjJGsrM//xABLAAEBAAAAAAAAAAAAAAAAAAAABgEBAAAAAAAAAAAA"
    "AAAAAAAABhABAAAAAAAAAAAAAAAAAAAAABEBAAAAAAAAAAAAAAAAAAAAAP/AABEIABAAEAMBIgACEQADEQD/2gAMAwEAAh"
    "EDEQA/AIsAVCX/2Q==";

class VideoTest : public testing::Test {
 protected:
  VideoTest() { fs::create_directories(dir_); }
  ~VideoTest() override { fs::remove_all(dir_); }

  template <class T>
  Result<T> run(Async<T> work) {
    std::optional<Result<T>> value;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr exception, Result<T> result) {
      if (exception) std::rethrow_exception(exception);
      value = std::move(result);
    });
    const auto guard = asio::make_work_guard(io_);
    io_.restart();
    while (!value && io_.run_one_for(std::chrono::seconds(30)) > 0) {
    }
    return value ? std::move(*value) : fail(Errc::timeout, "nothing happened for 30 s");
  }
  void record(const std::vector<std::string>& pictures, std::int64_t apart_ms = 500) {
    std::int64_t time = 1'000'000;
    for (const std::string& picture : pictures) {
      ASSERT_TRUE(store_.add_frame(
          "s1", {.page = 0, .time_ms = time, .url = "about:blank", .base64 = picture}));
      time += apart_ms;
    }
    store_.finish("s1", {}, "");
    ASSERT_TRUE(run(store_.settle(ctx_)));
  }
  // A program that takes the encoder's place; it runs in the folder where the video is made.
  std::string script(const std::string& text) {
    const std::string path = (dir_ / ("encoder-" + secure_token(4))).string();
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    chmod(path.c_str(), 0700);
    return path;
  }
  static std::string good() {
    return "printf 0000ftyp0000moov > video.mp4; printf segment > 00000.ts; "
           "printf '#EXTM3U\\n00000.ts\\n#EXT-X-ENDLIST\\n' > playlist.m3u8";
  }
  Result<void> make(const std::string& encoder, Duration limit = std::chrono::seconds(20)) {
    Context limited = ctx_.with_timeout(limit, "making a video");
    return run(make_video(limited, store_, {.encoder = encoder, .session = "s1", .page = "0"}));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(dir_ / "recordings" / "s1"))
      all.push_back(entry.path().filename().string());
    std::ranges::sort(all);
    return all;
  }
  static auto only_the_recording() {
    return ElementsAre("0.jpegs", "0.ndjson", "end.json", "log.json");
  }

  fs::path dir_ = fs::temp_directory_path() / ("troupe-video-" + secure_token(6));
  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context ctx_{*clock_, io_.get_executor()};
  observe::MemoryLog log_;
  RecordingStore store_{io_.get_executor(), (dir_ / "recordings").string()};
};

TEST(VideoList, ShowsEachPictureAsLongAsItWasSeenAndRepeatsStillOnes) {
  const std::string list = video_list({{.time_ms = 1'000, .offset = 0, .size = 10},
                                       {.time_ms = 1'250, .offset = 10, .size = 5},
                                       {.time_ms = 5'350, .offset = 15, .size = 7}},
                                      "../0.jpegs");
  EXPECT_EQ(list,
            "ffconcat version 1.0\n"
            "file 'subfile,,start,0,end,10,,:../0.jpegs'\nduration 0.250\n"
            "file 'subfile,,start,10,end,15,,:../0.jpegs'\nduration 2.000\n"
            "file 'subfile,,start,10,end,15,,:../0.jpegs'\nduration 2.000\n"
            "file 'subfile,,start,10,end,15,,:../0.jpegs'\nduration 0.100\n"
            "file 'subfile,,start,15,end,22,,:../0.jpegs'\nduration 1.000\n"
            "file 'subfile,,start,15,end,22,,:../0.jpegs'\nduration 0.001\n");
}

TEST(VideoList, AClockThatWasSetBackGivesNoNegativeTimes) {
  const std::string list = video_list(
      {{.time_ms = 5'000, .offset = 0, .size = 1}, {.time_ms = 1'000, .offset = 1, .size = 1}},
      "p");
  EXPECT_THAT(list, HasSubstr("duration 0.001\n"));
  EXPECT_THAT(list, Not(HasSubstr("-")));
}

TEST(JpegSize, IsTakenFromTheHeader) {
  const std::string picture = from_base64(kJpeg).value();
  const auto size = jpeg_size(picture);
  ASSERT_TRUE(size);
  EXPECT_EQ(size->width, 16);
  EXPECT_EQ(size->height, 16);
}

TEST(JpegSize, GarbageAndHalfPicturesHaveNone) {
  const std::string picture = from_base64(kJpeg).value();
  for (std::size_t size = 0; size < picture.size(); ++size)
    EXPECT_FALSE(jpeg_size(std::string_view(picture).substr(0, size))) << size;
  EXPECT_FALSE(jpeg_size("hello"));
  EXPECT_FALSE(jpeg_size("\xFF\xD8\xFF\xD9"));
  EXPECT_FALSE(jpeg_size(std::string("\xFF\xD8\xFF\xE0\0\0\xFF\xD9", 8)))
      << "a segment without end";
}

TEST_F(VideoTest, TheEncoderIsFoundByPathOrName) {
  const std::string program = script("true");
  const std::string name = fs::path(program).filename();
  EXPECT_EQ(*find_video_encoder(program, ""), program);
  EXPECT_EQ(*find_video_encoder(name, "/nowhere::" + dir_.string() + ":relative"), program);
  for (const std::string& wanted : {std::string(), std::string("no-such-encoder"), dir_.string()}) {
    const auto missing = find_video_encoder(wanted, dir_.string());
    ASSERT_FALSE(missing) << wanted;
    EXPECT_EQ(missing.error().code, Errc::unsupported);
    EXPECT_THAT(missing.error().hint, HasSubstr("Debian package ffmpeg"));
  }
}

TEST_F(VideoTest, KeepsWhatTheEncoderMade) {
  record({std::string(kJpeg)});
  ASSERT_TRUE(make(script("test -s list.txt && test $(nice) -ge 15 && " + good())));
  EXPECT_THAT(names(), ElementsAre("0.jpegs", "0.ndjson", "0.video", "end.json", "log.json"));
  EXPECT_EQ(*run(store_.video_piece(ctx_, "s1", "0", "video.mp4", 0, 100)), "0000ftyp0000moov");
  EXPECT_EQ(*run(store_.video_piece(ctx_, "s1", "0", "00000.ts", 3, 2)), "me");
  EXPECT_EQ(*run(store_.video_size(ctx_, "s1", "0", "video.mp4")), 16u);
  EXPECT_FALSE(run(store_.video_size(ctx_, "s1", "0", "list.txt")));
  EXPECT_TRUE(run(store_.pages(ctx_, "s1"))->at(0).video_at);
  EXPECT_TRUE(make(script("exit 1"))) << "one that is there is not made again";
}

TEST_F(VideoTest, AFailedEncoderSaysWhyAndLeavesNothing) {
  record({std::string(kJpeg)});
  const auto failed = make(script(good() + "; echo 'Unknown encoder' >&2; echo more >&2; exit 3"));
  EXPECT_EQ(failed.error().code, Errc::protocol_error);
  EXPECT_EQ(failed.error().message,
            "recording: the video encoder failed (exit code 3): Unknown encoder");
  EXPECT_THAT(names(), only_the_recording());
}

TEST_F(VideoTest, AFullDiskIsToldApart) {
  record({std::string(kJpeg)});
  const auto failed = make(script("echo 'video.mp4: No space left on device'; exit 1"));
  EXPECT_EQ(failed.error().code, Errc::storage_failed);
  EXPECT_THAT(names(), only_the_recording());
}

TEST_F(VideoTest, AnEncoderThatMakesNothingHasFailed) {
  record({std::string(kJpeg)});
  EXPECT_THAT(make(script("echo 'Impossible to open x' >&2; " + good())).error().message,
              HasSubstr("Impossible to open"));
  EXPECT_EQ(make(script("exit 0")).error().code, Errc::protocol_error);
  for (const char* half : {"printf 0000ftyp0000mdat > video.mp4", ": > video.mp4",
                           "printf '#EXTM3U\\n00000.ts\\n' > playlist.m3u8"})
    EXPECT_EQ(make(script(good() + ";" + half)).error().code, Errc::protocol_error) << half;
  EXPECT_THAT(names(), only_the_recording());
}

TEST_F(VideoTest, AKilledEncoderIsAnError) {
  record({std::string(kJpeg)});
  const auto failed = make(script("kill -9 $$"));
  EXPECT_THAT(failed.error().message, HasSubstr("(signal 9)"));
  EXPECT_THAT(names(), only_the_recording());
}

TEST_F(VideoTest, AnEncoderThatHangsIsKilledWithItsChildren) {
  record({std::string(kJpeg)});
  const std::string pids = (dir_ / "pids").string();
  const auto began = clock_->now();
  const auto failed =
      make(script("sleep 300 & echo $! $$ > " + pids + "; wait"), std::chrono::milliseconds(700));
  EXPECT_EQ(failed.error().code, Errc::timeout);
  EXPECT_LT(clock_->now() - began, std::chrono::seconds(10));
  EXPECT_THAT(names(), only_the_recording());
  pid_t child = 0, leader = 0;
  std::ifstream(pids) >> child >> leader;
  ASSERT_GT(leader, 0);
  EXPECT_NE(kill(leader, 0), 0);
  // The orphan is init's to reap; until then it is there, but ended.
  const auto is_there = [child] {
    const auto stat = read_text_file("/proc/" + std::to_string(child) + "/stat", 4'096);
    return stat && stat->find(") Z") == std::string::npos;
  };
  for (int i = 0; i < 500 && is_there(); ++i)
    (void)run(sleep_for(ctx_, std::chrono::milliseconds(10)));
  EXPECT_FALSE(is_there());
}

TEST_F(VideoTest, WhatCannotBeStartedIsNotSupported) {
  record({std::string(kJpeg)});
  const auto failed = make((dir_ / "none").string());
  EXPECT_EQ(failed.error().code, Errc::unsupported);
  EXPECT_THAT(failed.error().hint, HasSubstr("ffmpeg"));
  EXPECT_EQ(make(script("exec no-such-program")).error().code, Errc::unsupported);
  EXPECT_THAT(names(), only_the_recording());
}

TEST_F(VideoTest, GarbageIsLeftOutAndOnlyGarbageIsNoVideo) {
  const std::string garbage = to_base64("garbage");
  record({garbage, std::string(kJpeg), garbage});
  ASSERT_TRUE(make(script("test $(grep -c subfile list.txt) -eq 2 && " + good())));
  fs::remove_all(dir_ / "recordings");
  record({garbage});
  EXPECT_EQ(make(script(good())).error().code, Errc::not_found);
  EXPECT_THAT(names(), only_the_recording());
}

class RecordingVideosTest : public VideoTest {
 protected:
  std::unique_ptr<RecordingVideos> videos(VideoOptions options) {
    return std::make_unique<RecordingVideos>(*clock_, io_.get_executor(), log_, store_,
                                             std::move(options));
  }
  void record_pages(int count) {
    for (int page = 0; page < count; ++page)
      ASSERT_TRUE(store_.add_frame(
          "s1", {.page = page, .time_ms = 1, .url = "", .base64 = std::string(kJpeg)}));
    store_.finish("s1", {}, "");
    ASSERT_TRUE(run(store_.settle(ctx_)));
  }
};

TEST_F(RecordingVideosTest, OnlySoManyAreMadeAtOnceInTheOrderOfAsking) {
  record_pages(3);
  const std::string lines = (dir_ / "lines").string();
  const auto all = videos({.encoder = script("echo in >> " + lines + "; sleep 0.1; echo out >> " +
                                             lines + "; " + good())});
  for (const char* page : {"0", "1", "2"}) ASSERT_TRUE(all->request("s1", page));
  ASSERT_TRUE(all->request("s1", "1")) << "asking twice changes nothing";
  EXPECT_TRUE(all->is_pending("s1", "2"));
  EXPECT_THAT(all->busy(), ElementsAre("s1"));
  EXPECT_TRUE(run(all->wait(ctx_, "s1", "2")));
  EXPECT_EQ(*read_text_file(lines, 1'000), "in\nout\nin\nout\nin\nout\n");
  EXPECT_FALSE(all->is_pending("s1", "0"));
  EXPECT_THAT(all->busy(), IsEmpty());
  EXPECT_TRUE(run(all->join(ctx_)));
}

TEST_F(RecordingVideosTest, RemembersAFailureUntilItIsTriedAgain) {
  record_pages(1);
  const std::string flag = (dir_ / "mended").string();
  const auto all = videos({.encoder = script("test -e " + flag + " || exit 5; " + good())});
  ASSERT_TRUE(all->request("s1", "0"));
  EXPECT_FALSE(run(all->wait(ctx_, "s1", "0")));
  EXPECT_THAT(all->failure("s1", "0")->message, HasSubstr("exit code 5"));
  EXPECT_THAT(log_.lines().back(), HasSubstr("recording.video"));

  std::ofstream(flag) << "x";
  ASSERT_TRUE(all->request("s1", "0"));
  EXPECT_FALSE(all->failure("s1", "0"));
  EXPECT_TRUE(run(all->wait(ctx_, "s1", "0")));
  EXPECT_FALSE(all->failure("s1", "0"));
  EXPECT_TRUE(run(all->join(ctx_)));
}

TEST_F(RecordingVideosTest, WhoWaitsTooLongForATurnIsGivenUp) {
  record_pages(2);
  const auto all = videos({.encoder = script("sleep 1; " + good()),
                           .waiting_max = 2,
                           .turn_timeout = std::chrono::milliseconds(200)});
  ASSERT_TRUE(all->request("s1", "0"));
  ASSERT_TRUE(all->request("s1", "1"));
  EXPECT_EQ(run(all->wait(ctx_, "s1", "1")).error().code, Errc::timeout);
  EXPECT_TRUE(run(all->wait(ctx_, "s1", "0")));
  EXPECT_TRUE(run(all->join(ctx_)));
}

TEST_F(RecordingVideosTest, TooManyThatWaitAreRefused) {
  record_pages(2);
  const auto all = videos({.encoder = script(good()), .waiting_max = 1});
  ASSERT_TRUE(all->request("s1", "0"));
  EXPECT_EQ(all->request("s1", "1").error().code, Errc::exhausted);
  EXPECT_TRUE(run(all->join(ctx_)));
}

TEST_F(RecordingVideosTest, StoppingKillsTheEncoder) {
  record_pages(2);
  const auto all = videos({.encoder = script("sleep 300")});
  ASSERT_TRUE(all->request("s1", "0"));
  ASSERT_TRUE(all->request("s1", "1"));
  (void)run(sleep_for(ctx_, std::chrono::milliseconds(200)));
  all->stop();
  const auto began = clock_->now();
  EXPECT_TRUE(run(all->join(ctx_)));
  EXPECT_LT(clock_->now() - began, std::chrono::seconds(5));
  EXPECT_EQ(all->failure("s1", "1")->code, Errc::draining);
  EXPECT_EQ(all->request("s1", "0").error().code, Errc::draining);
  EXPECT_THAT(names(), Not(testing::Contains(HasSubstr("part"))));
}

TEST_F(RecordingVideosTest, WithoutAnEncoderThePackageIsNamed) {
  const auto all = videos({.encoder = "no-such-encoder"});
  EXPECT_THAT(all->request("s1", "0").error().hint, HasSubstr("ffmpeg"));
}

// --- The real one
class FfmpegTest : public VideoTest {
 protected:
  void SetUp() override {
    const auto found = find_video_encoder("ffmpeg", std::getenv("PATH"));
    if (!found) GTEST_SKIP() << "ffmpeg is not installed";
    encoder_ = *found;
  }
  // What the prober says of the video.
  std::string probe(const std::string& what) {
    const std::string out = (dir_ / "probe").string();
    const std::string command = "ffprobe -v error " + what + " -of csv=p=0 '" +
                                (dir_ / "recordings/s1/0.video/video.mp4").string() + "' > " + out;
    EXPECT_EQ(std::system(command.c_str()), 0);
    return read_text_file(out, 100'000).value();
  }
  std::string encoder_;
};

TEST_F(FfmpegTest, MakesAPlayableVideoAndPlaylist) {
  record(std::vector<std::string>(20, std::string(kJpeg)), 500);
  const auto made = make(encoder_);
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ(probe("-show_entries stream=codec_name,width,height,pix_fmt"), "h264,16,16,yuv420p\n");
  for (const char* of : {"format", "stream"})
    EXPECT_NEAR(std::stod(probe("-show_entries " + std::string(of) + "=duration")), 19 * 0.5 + 1,
                0.3);
  const auto playlist = run(store_.video_piece(ctx_, "s1", "0", "playlist.m3u8", 0, 10'000));
  EXPECT_THAT(*playlist, HasSubstr("#EXTM3U"));
  EXPECT_THAT(*playlist, HasSubstr("#EXT-X-ENDLIST"));
  EXPECT_THAT(*playlist, HasSubstr("\n00001.ts\n"));
  EXPECT_GT(*run(store_.video_size(ctx_, "s1", "0", "00001.ts")), 0u);
}

TEST_F(FfmpegTest, PicturesOfOtherSizesAndBrokenOnesDoNotStopIt) {
  std::string broken = from_base64(kJpeg).value();
  for (std::size_t i = broken.size() - 6; i < broken.size() - 2; ++i) broken[i] = 'x';
  std::string odd = from_base64(kJpeg).value();  // 15 by 9 pixels
  const auto header = odd.find(std::string("\xFF\xC0", 2));
  odd[header + 6] = 9;
  odd[header + 8] = 15;
  record({std::string(kJpeg), to_base64(broken), to_base64("garbage"), to_base64(odd),
          std::string(kJpeg)});
  const auto made = make(encoder_);
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ(probe("-show_entries stream=width,height"), "16,16\n");
  EXPECT_GT(std::stod(probe("-show_entries format=duration")), 1.5);
}

}  // namespace
}  // namespace troupe::sessions
