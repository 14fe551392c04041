// The stores beside the sessions, on a real folder: extensions, certificates, files, usage.
#include <gmock/gmock.h>
#include <zip.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "base/text_file.h"
#include "sessions/certificate_store.h"
#include "sessions/extension_store.h"
#include "sessions/session_files.h"
#include "sessions/usage_ledger.h"
#include "sessions/zip_archive.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

UploadContent bytes(const std::string& text) {
  const auto owned = std::make_shared<const std::string>(text);
  return {.bytes = *owned, .owner = owned};
}

class StoresTest : public testing::Test {
 protected:
  StoresTest() {
    char name[] = "/tmp/troupe-stores-XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~StoresTest() override { fs::remove_all(dir_); }

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
  bool soon(const std::function<bool()>& holds) {
    for (int i = 0; i < 500 && !holds(); ++i)
      (void)run(sleep_for(ctx_, std::chrono::milliseconds(10)));
    return holds();
  }
  void write(const std::string& path, std::string_view text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  // An archive with these files, as bytes.
  std::string zip(const std::vector<std::pair<std::string, std::string>>& files) {
    std::vector<ZipSource> sources;
    for (const auto& [name, text] : files) {
      const std::string path = dir_ + "/in/" + std::to_string(sources.size());
      write(path, text);
      sources.push_back({name, path, WallTime(std::chrono::seconds(1'790'000'000))});
    }
    const std::string path = dir_ + "/made.zip";
    EXPECT_TRUE(pack_zip(sources, path));
    return read_text_file(path, 64 << 20).value();
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context ctx_{*clock_, io_.get_executor()};
  std::string dir_;
};

constexpr auto kManifest = R"({"manifest_version": 3, "name": "x", "version": "1"})";

TEST_F(StoresTest, UnpacksWhatWasPacked) {
  const std::string archive = zip({{"manifest.json", kManifest}, {"js/a.js", "1"}});

  ASSERT_TRUE(unpack_zip(archive, dir_ + "/out", {}));

  EXPECT_EQ(read_text_file(dir_ + "/out/js/a.js", 10).value(), "1");
  EXPECT_TRUE(zip_has(archive, "manifest.json").value());
  EXPECT_FALSE(zip_has(archive, "other.json").value());
}

TEST_F(StoresTest, NothingLeadsOutOfTheFolder) {
  for (const char* name :
       {"../evil", "/etc/evil", "a/../../evil", "a//b", "..", "a\\..\\evil", "./a"}) {
    const auto done = unpack_zip(zip({{name, "x"}}), dir_ + "/deep/out", {});
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, Errc::invalid_argument) << name;
  }
  EXPECT_FALSE(fs::exists(dir_ + "/deep/evil"));
  EXPECT_FALSE(fs::exists(dir_ + "/evil"));
}

TEST_F(StoresTest, BombsAndGarbageAreRefused) {
  const std::string bomb = zip({{"a", std::string(8 << 20, '\0')}});
  const auto grown = unpack_zip(bomb, dir_ + "/out", {});
  ASSERT_FALSE(grown);
  EXPECT_THAT(grown.error().message, HasSubstr("200 times"));
  EXPECT_FALSE(
      unpack_zip(zip({{"a", "12345"}, {"b", "12345"}}), dir_ + "/out", {.unpacked_bytes = 9}));
  EXPECT_FALSE(unpack_zip(zip({{"a", ""}, {"b", ""}}), dir_ + "/out", {.entries = 1}));
  std::string damaged = zip({{"manifest.json", kManifest}});
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    std::string changed = damaged;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    (void)unpack_zip(changed, dir_ + "/damaged/" + std::to_string(i), {});
    (void)unpack_zip(damaged.substr(0, i), dir_ + "/cut", {});
  }
  EXPECT_FALSE(unpack_zip("no zip at all", dir_ + "/out", {}));
  EXPECT_FALSE(unpack_zip("", dir_ + "/out", {}));
}

TEST_F(StoresTest, AnExtensionOutlivesARestart) {
  std::string id;
  {
    auto store = make_extension_store(*clock_, dir_ + "/extensions").value();
    const auto added = run(store->add(ctx_, "acme", "x.zip", zip({{"manifest.json", kManifest}})));
    ASSERT_TRUE(added) << added.error().describe();
    id = added->id;
  }
  write(dir_ + "/extensions/half-done/file", "x");
  auto store = make_extension_store(*clock_, dir_ + "/extensions").value();
  const auto found = store->find(id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->project + found->file_name, "acmex.zip");
  EXPECT_TRUE(fs::exists(found->folder + "/manifest.json"));
  EXPECT_FALSE(fs::exists(dir_ + "/extensions/half-done"));

  ASSERT_TRUE(run(store->remove(ctx_, id)));
  EXPECT_EQ(store->find(id).error().code, Errc::not_found);
  EXPECT_EQ(run(store->remove(ctx_, id)).error().code, Errc::not_found);
  EXPECT_TRUE(soon([&] { return !fs::exists(found->folder); }));
}

TEST_F(StoresTest, ABadExtensionLeavesNothing) {
  auto store = make_extension_store(*clock_, dir_ + "/extensions").value();
  for (const std::string& archive :
       {zip({{"folder/manifest.json", kManifest}}), zip({{"manifest.json", "[]"}}),
        zip({{"manifest.json", kManifest}, {"../x", "y"}}), std::string("PK")})
    EXPECT_EQ(run(store->add(ctx_, "p", "x.zip", archive)).error().code, Errc::invalid_argument);
  EXPECT_EQ(
      run(store->add(ctx_, "p", "x.zip", std::string(kExtensionBytesMax + 1, 'x'))).error().code,
      Errc::payload_too_large);
  EXPECT_TRUE(soon([&] { return fs::is_empty(dir_ + "/extensions"); }));
}

TEST_F(StoresTest, ACancelledCertificateIsNotThereAfterARestart) {
  const std::string folder = dir_ + "/certificates";
  ASSERT_EQ(std::system(("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null"
                         " -out " +
                         dir_ + "/ca.pem 2>/dev/null")
                            .c_str()),
            0);
  const std::string pem = *read_text_file(dir_ + "/ca.pem", 10'000);
  {
    const auto store = make_certificate_store(*clock_, folder).value();
    CancelSource gone;
    gone.cancel(fail(Errc::cancelled, "the client left"));
    Context left = ctx_.with_cancel(gone);
    EXPECT_EQ(run(store->add(left, "acme", pem)).error().code, Errc::cancelled);
  }
  EXPECT_TRUE(make_certificate_store(*clock_, folder).value()->list().empty());
  const auto store = make_certificate_store(*clock_, folder).value();
  EXPECT_TRUE(run(store->add(ctx_, "acme", pem)));
  EXPECT_EQ(make_certificate_store(*clock_, folder).value()->list().size(), 1u);
}

constexpr auto kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUTEST
-----END CERTIFICATE-----
)";

TEST_F(StoresTest, OnlyCertificatesAreTaken) {
  auto store = make_certificate_store(*clock_, dir_ + "/certificates").value();
  for (const char* text : {"", "x", kCertificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n"})
    EXPECT_EQ(run(store->add(ctx_, "p", text)).error().code, Errc::invalid_argument) << text;
  EXPECT_TRUE(store->list().empty());
  EXPECT_EQ(store->find("x").error().code, Errc::not_found);
}

TEST_F(StoresTest, DownloadsAreListedNamedAndPacked) {
  SessionFiles files(*clock_, {.data_dir = dir_});
  write(dir_ + "/downloads/s1/token-1", "hello");
  write(dir_ + "/downloads/s1/later.crdownload", "half");
  files.name_download("s1", "token-1", "facts.txt");

  const auto list = run(files.downloads(ctx_, "s1"));
  ASSERT_TRUE(list) << list.error().describe();
  ASSERT_EQ(list->size(), 1u);
  const StoredDownload& download = list->front();
  EXPECT_EQ(download.file_name, "facts.txt");
  EXPECT_EQ(download.mime_type, "text/plain");
  EXPECT_EQ(download.size, 5u);
  EXPECT_EQ(download.checksum, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(run(files.download(ctx_, download.id))->path, download.path);

  const auto archive = run(files.zip_downloads(ctx_, "s1"));
  ASSERT_TRUE(archive);
  const auto packed = read_text_file(*archive, 1 << 20).value();
  EXPECT_TRUE(zip_has(packed, timed_name("facts.txt", to_unix_ms(download.created_at))).value());

  files.session_ended("s1");  // names are kept with the files
  EXPECT_TRUE(soon([&] { return fs::exists(dir_ + "/downloads/s1/.names.json"); }));
  EXPECT_EQ(run(files.downloads(ctx_, "s1"))->front().file_name, "facts.txt");
  ASSERT_TRUE(run(files.remove_download(ctx_, download.id)));
  EXPECT_EQ(run(files.download(ctx_, download.id)).error().code, Errc::not_found);
}

TEST_F(StoresTest, ASessionWithoutDownloadsHasTheEmptyArchive) {
  SessionFiles files(*clock_, {.data_dir = dir_});
  fs::create_directories(dir_ + "/downloads");
  const auto archive = run(files.zip_downloads(ctx_, "s1"));
  ASSERT_TRUE(archive) << archive.error().describe();
  EXPECT_EQ(fs::file_size(*archive), 22u);
  EXPECT_FALSE(run(files.downloads(ctx_, "../x")));
}

TEST_F(StoresTest, UploadsAreLimitedAndGoWithTheirSession) {
  SessionFiles files(*clock_, {.data_dir = dir_, .upload_bytes_max = 10, .uploads_max = 2});
  const auto path = run(files.add_upload(ctx_, "s1", "a.txt", bytes("12345")));
  ASSERT_TRUE(path) << path.error().describe();
  EXPECT_EQ(read_text_file(*path, 10).value(), "12345");
  EXPECT_EQ(run(files.add_upload(ctx_, "s1", "b.txt", bytes("123456"))).error().code,
            Errc::payload_too_large);
  EXPECT_TRUE(run(files.add_upload(ctx_, "s1", "b.txt", bytes("1"))));
  EXPECT_EQ(run(files.add_upload(ctx_, "s1", "c.txt", bytes("1"))).error().code, Errc::exhausted);
  for (const char* name : {"", ".", "..", "a/b", "a\\b", ".hidden", "a\nb"})
    EXPECT_EQ(run(files.add_upload(ctx_, "s1", name, bytes("1"))).error().code,
              Errc::invalid_argument);
  files.session_ended("s1");
  EXPECT_TRUE(soon([&] { return !fs::exists(files.upload_dir("s1")); }));
}

TEST_F(StoresTest, OldDownloadsAreRemoved) {
  write(dir_ + "/downloads/old/a.txt", "x");
  write(dir_ + "/downloads/new/a.txt", "x");
  fs::last_write_time(dir_ + "/downloads/old",
                      fs::file_time_type::clock::now() - std::chrono::hours(30));
  SessionFiles files(*clock_, {.data_dir = dir_});
  EXPECT_TRUE(soon([&] { return !fs::exists(dir_ + "/downloads/old"); }));
  EXPECT_TRUE(fs::exists(dir_ + "/downloads/new/a.txt"));
}

TEST(SessionFiles, NamesFilesAsTheContractDoes) {
  EXPECT_EQ(timed_name("report.tar.gz", 17), "report.tar-17.gz");
  EXPECT_EQ(timed_name("report", 17), "report-17");
  EXPECT_EQ(mime_type_of("A.PDF"), "application/pdf");
  EXPECT_EQ(mime_type_of("a"), "application/octet-stream");
}

TEST_F(StoresTest, UsageIsCountedAndKept) {
  Session session;
  session.tenant = "acme";
  session.started_at = WallTime(std::chrono::seconds(1'000));
  session.ended_at = WallTime(std::chrono::seconds(1'090));
  session.proxy_bytes = 7;
  {
    UsageLedger ledger(*clock_, dir_ + "/usage.json");
    ledger.know("default");
    ledger.add(session);
    ledger.add(session);
    session.started_at.reset();
    ledger.add(session);  // never ran
  }
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  EXPECT_EQ(ledger.projects().size(), 2u);
  Session running;
  running.tenant = "acme";
  running.started_at = clock_->wall() - std::chrono::seconds(60);
  const Usage usage = ledger.of("acme", {running});
  EXPECT_EQ(usage.sessions, 2u);
  EXPECT_EQ(usage.proxy_bytes, 14u);
  EXPECT_GE(usage.browser_ms, 240'000);
  EXPECT_LT(usage.browser_ms, 300'000);
}

TEST_F(StoresTest, ADamagedLedgerIsPutAside) {
  write(dir_ + "/usage.json", "{\"acme\":");
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  EXPECT_TRUE(ledger.projects().empty());
  EXPECT_TRUE(fs::exists(dir_ + "/usage.json.damaged"));
  ASSERT_TRUE(ledger.damage()) << "it is said";
  EXPECT_NE(ledger.damage()->message.find("put aside"), std::string::npos);
}

TEST_F(StoresTest, ALedgerOfOtherRowsIsDamagedAsAWhole) {
  write(dir_ + "/usage.json", R"({"acme":{"browser_ms":60000},"other":7})");
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  EXPECT_TRUE(ledger.projects().empty());
  EXPECT_TRUE(ledger.damage());
}

TEST_F(StoresTest, ANewLedgerIsNotDamaged) {
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  EXPECT_FALSE(ledger.damage());
}

TEST_F(StoresTest, HoursOfTheLastDayAreKept) {
  Session session;
  session.tenant = "acme";
  session.started_at = WallTime(std::chrono::seconds(1'000));
  session.ended_at = WallTime(std::chrono::seconds(1'090));
  {
    UsageLedger(*clock_, dir_ + "/usage.json").add(session);
  }
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  Duration sum{};
  for (int ago = 0; ago < 24; ++ago) sum += ledger.ended_in_hour("acme", ago);
  EXPECT_EQ(sum, std::chrono::seconds(90));
  EXPECT_EQ(ledger.ended_in_hour("other", 0), Duration::zero());
}

TEST_F(StoresTest, WhatIsLeftOfTheCreationsOutlivesARestart) {
  {
    UsageLedger(*clock_, dir_ + "/usage.json").note_creations("acme", 0.5);
  }
  const UsageLedger ledger(*clock_, dir_ + "/usage.json");
  const auto left = ledger.creations_left("acme");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->count, 0.5);
  EXPECT_GE(left->ago, Duration::zero());
  EXPECT_LT(left->ago, std::chrono::minutes(1));
  EXPECT_FALSE(ledger.creations_left("other"));
}

TEST_F(StoresTest, SessionsOfAKilledTroupeAreCountedFromTheLastCheckpoint) {
  Session session;
  session.id = "one";
  session.tenant = "acme";
  session.started_at = clock_->wall() - std::chrono::minutes(5);
  {
    UsageLedger(*clock_, dir_ + "/usage.json").checkpoint({session});
  }
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  EXPECT_EQ(ledger.projects().at("acme").sessions, 1u);
  EXPECT_GE(ledger.projects().at("acme").browser_ms, 300'000);
  EXPECT_GE(ledger.ended_in_hour("acme", 0), std::chrono::minutes(5));
}

TEST_F(StoresTest, ACheckpointOfASessionThatEndedIsNotCountedTwice) {
  Session session;
  session.id = "one";
  session.tenant = "acme";
  session.started_at = clock_->wall() - std::chrono::minutes(5);
  {
    UsageLedger ledger(*clock_, dir_ + "/usage.json");
    ledger.checkpoint({session});
    session.ended_at = *session.started_at + std::chrono::minutes(6);
    ledger.add(session);
  }
  UsageLedger ledger(*clock_, dir_ + "/usage.json");
  EXPECT_EQ(ledger.projects().at("acme").sessions, 1u);
  EXPECT_EQ(ledger.projects().at("acme").browser_ms, 360'000);
}

}  // namespace
}  // namespace troupe::sessions
