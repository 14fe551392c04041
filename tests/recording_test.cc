// Recordings by the real binary and browser: a full disk, a service that is killed while it makes a
// video, and sessions that nobody connects to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service.h"

namespace troupe::e2e {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kSoon(15);

std::string create(const Service& service, const std::string& body = R"({"keepAlive":true})") {
  const auto created = service.post("/v1/sessions", body);
  EXPECT_EQ(created.status, 201) << created.body;
  return created.status == 201 ? std::string(parsed(created.body).at("id").as_string()) : "";
}

void release(const Service& service, const std::string& id) {
  EXPECT_EQ(service.post("/v1/sessions/" + id, R"({"status":"REQUEST_RELEASE"})").status, 200);
}

bool is_seen(const Service& service, const std::string& id) {
  return Binary::until(kSoon, [&] {
    return parsed(service.get("/v1/sessions/" + id + "/replays").body).at("pageCount") != 0;
  });
}

json::value downloads(const Service& service, const std::string& id) {
  return parsed(service.get("/v1/sessions/" + id + "/recording/downloads").body);
}

std::size_t broken_videos(const Scratch& scratch) {
  std::size_t count = 0;
  std::error_code ignored;
  for (const auto& entry :
       fs::recursive_directory_iterator(scratch.path() + "/data/recordings", ignored))
    count += entry.path().extension() == ".part";
  return count;
}

// The disk takes nothing more.
void fill(const std::string& folder) {
  std::ofstream file(folder + "/filler", std::ios::binary);
  while (file << std::string(1'024, 'x') << std::flush) {
  }
}

TEST(Recording, AServiceThatIsKilledLeavesNoEncoderAndNoHalfVideo) {
  const Scratch scratch;
  const std::string pid = scratch.path() + "/pid";
  const std::string encoder =
      scratch.write("encoder", "#!/bin/sh\necho $$ > " + pid + "\nexec sleep 300\n");
  fs::permissions(encoder, fs::perms::owner_all);
  std::string id;
  pid_t child = 0;
  {
    Service service(scratch, {"--video-encoder", encoder});
    id = create(service);
    ASSERT_TRUE(is_seen(service, id));
    release(service, id);
    ASSERT_EQ(service.post("/v1/sessions/" + id + "/recording/downloads", "").status, 202);
    ASSERT_TRUE(Binary::until(kSoon, [&] { return (std::ifstream(pid) >> child) && child > 0; }));
    EXPECT_EQ(broken_videos(scratch), 1u);
    service.binary().signal(SIGKILL);
    service.binary().wait();
  }
  EXPECT_TRUE(Binary::until(
      kSoon, [&] { return kill(child, 0) != 0 || is_zombie("/proc/" + std::to_string(child)); }));

  const Service again(scratch);
  EXPECT_TRUE(Binary::until(kSoon, [&] { return broken_videos(scratch) == 0; }));
  const auto list = downloads(again, id);
  EXPECT_EQ(list.at("downloads").at(0).at("status"), "NOT_REQUESTED") << "its pictures are there";
}

TEST(Recording, AServiceThatIsStoppedEndsItsEncoder) {
  const Scratch scratch;
  const std::string pid = scratch.path() + "/pid";
  const std::string encoder =
      scratch.write("encoder", "#!/bin/sh\necho $$ > " + pid + "\nexec sleep 300\n");
  fs::permissions(encoder, fs::perms::owner_all);
  Service service(scratch, {"--video-encoder", encoder});
  const std::string id = create(service);
  const std::string other = create(service);
  ASSERT_TRUE(is_seen(service, id));
  ASSERT_TRUE(is_seen(service, other));
  release(service, id);
  ASSERT_EQ(service.post("/v1/sessions/" + id + "/recording/downloads", "").status, 202);
  pid_t child = 0;
  ASSERT_TRUE(Binary::until(kSoon, [&] { return (std::ifstream(pid) >> child) && child > 0; }));

  service.binary().signal(SIGTERM);
  EXPECT_EQ(service.binary().wait(kSoon), 0);

  EXPECT_NE(kill(child, 0), 0);
  EXPECT_EQ(broken_videos(scratch), 0u);
  EXPECT_TRUE(fs::exists(scratch.path() + "/data/recordings/" + other + "/log.json"))
      << "a recording that was under way is whole";
}

TEST(Recording, AFullDiskLeavesTheSessionAlone) {
  const Scratch scratch;
  const TinyDisk disk(scratch.path() + "/data/recordings", "64k");
  if (!disk.mounted()) GTEST_SKIP() << "mounting is not permitted here";
  fill(scratch.path() + "/data/recordings");
  Service service(scratch);
  const std::string id = create(service);
  EXPECT_EQ(parsed(service.get("/v1/sessions/" + id).body).at("status"), "RUNNING");
  release(service, id);
  EXPECT_EQ(parsed(service.get("/v1/sessions/" + id).body).at("status"), "COMPLETED");
  EXPECT_EQ(service.get("/v1/sessions/" + id + "/recording/downloads").status, 404);
}

TEST(Recording, AFullDiskMakesAVideoFail) {
  const Scratch scratch;
  const TinyDisk disk(scratch.path() + "/data/recordings", "256k");
  if (!disk.mounted()) GTEST_SKIP() << "mounting is not permitted here";
  Service service(scratch);
  const std::string id = create(service);
  ASSERT_TRUE(is_seen(service, id));
  release(service, id);
  (void)downloads(service, id);  // waits until everything is written
  fill(scratch.path() + "/data/recordings");
  const auto asked = service.post("/v1/sessions/" + id + "/recording/downloads", "");
  if (asked.status == 501) GTEST_SKIP() << "ffmpeg is not installed";
  ASSERT_EQ(asked.status, 202) << asked.body;
  json::value row;
  ASSERT_TRUE(Binary::until(kSoon, [&] {
    row = downloads(service, id).at("downloads").at(0);
    return row.at("status") != "PENDING";
  }));
  EXPECT_EQ(row.at("status"), "FAILED");
  EXPECT_EQ(broken_videos(scratch), 0u);

  fs::remove(scratch.path() + "/data/recordings/filler");
  ASSERT_EQ(service.post("/v1/sessions/" + id + "/recording/downloads", "").status, 202);
  EXPECT_TRUE(Binary::until(kSoon, [&] {
    return downloads(service, id).at("downloads").at(0).at("status") == "COMPLETED";
  })) << json::serialize(downloads(service, id));
}

TEST(Recording, WhatIsTooMuchIsDeletedAtTheStart) {
  const Scratch scratch;
  std::string older, newer;
  {
    Service service(scratch);
    for (std::string* id : {&older, &newer}) {
      *id = create(service);
      ASSERT_TRUE(is_seen(service, *id));
      release(service, *id);
      (void)downloads(service, *id);
    }
    service.binary().signal(SIGTERM);
    EXPECT_EQ(service.binary().wait(kSoon), 0);
  }
  const Service again(scratch, {"--recordings-max", "1"});
  EXPECT_TRUE(Binary::until(
      kSoon, [&] { return !fs::exists(scratch.path() + "/data/recordings/" + older); }));
  EXPECT_TRUE(fs::exists(scratch.path() + "/data/recordings/" + newer));
  const auto gone = again.get("/v1/sessions/" + older + "/recording/downloads");
  EXPECT_EQ(gone.status, 410);
  EXPECT_THAT(gone.body, HasSubstr("was deleted"));
}

}  // namespace
}  // namespace troupe::e2e
