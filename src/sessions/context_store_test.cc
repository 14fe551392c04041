#include "sessions/context_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "sessions/profile_archive.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using troupe::testing::run;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ContextStoreTest : public ::testing::Test {
 protected:
  ContextStoreTest() { fs::create_directories(dir_); }
  ~ContextStoreTest() override { fs::remove_all(dir_); }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-contexts-" + std::to_string(getpid()))).string();
};

TEST_F(ContextStoreTest, ArchiveKeepsWhatMattersAndLeavesCachesOut) {
  const std::string big(3'000'000, 'x');
  write(dir_ + "/a/Default/Cookies", "secret cookie");
  write(dir_ + "/a/Default/IndexedDB/site/000003.log", big);
  write(dir_ + "/a/Default/Empty", "");
  write(dir_ + "/a/Default/Cache/data", "cached");
  write(dir_ + "/a/owner.lock", "");
  ProfileKey key{1, 2, 3};

  const auto packed = pack_profile(dir_ + "/a", dir_ + "/packed", key, "one");
  const auto unpacked = unpack_profile(dir_ + "/packed", dir_ + "/b", key, "one");

  EXPECT_TRUE(packed) << packed.error().describe();
  EXPECT_TRUE(unpacked) << unpacked.error().describe();
  EXPECT_EQ(read(dir_ + "/b/Default/Cookies"), "secret cookie");
  EXPECT_EQ(read(dir_ + "/b/Default/IndexedDB/site/000003.log"), big);
  EXPECT_TRUE(fs::exists(dir_ + "/b/Default/Empty"));
  EXPECT_FALSE(fs::exists(dir_ + "/b/Default/Cache"));
  EXPECT_FALSE(fs::exists(dir_ + "/b/owner.lock"));
  EXPECT_EQ(read(dir_ + "/packed").find("secret"), std::string::npos);
}

TEST_F(ContextStoreTest, ArchiveRefusesWhatIsChangedCutOrForeign) {
  write(dir_ + "/a/Default/Cookies", std::string(2'500'000, 'c'));
  ProfileKey key{1};
  ASSERT_TRUE(pack_profile(dir_ + "/a", dir_ + "/whole", key, "one"));
  const std::string whole = read(dir_ + "/whole");
  std::string changed = whole;
  changed[1'500'000] ^= 1;
  write(dir_ + "/changed", changed);
  write(dir_ + "/cut", whole.substr(0, 32 + 2 * ((1 << 20) + 16)));
  write(dir_ + "/empty", "");
  ProfileKey other{2};

  const auto code = [&](const std::string& name, const ProfileKey& with, const std::string& label) {
    const auto result = unpack_profile(dir_ + name, dir_ + "/out", with, label);
    return result ? std::optional<Errc>() : result.error().code;
  };
  EXPECT_EQ(code("/whole", key, "one"), std::nullopt);
  EXPECT_EQ(code("/changed", key, "one"), Errc::storage_failed);
  EXPECT_EQ(code("/cut", key, "one"), Errc::storage_failed);
  EXPECT_EQ(code("/empty", key, "one"), Errc::storage_failed);
  EXPECT_EQ(code("/missing", key, "one"), Errc::storage_failed);
  EXPECT_EQ(code("/whole", other, "one"), Errc::storage_failed);
  EXPECT_EQ(code("/whole", key, "two"), Errc::storage_failed);
}

TEST_F(ContextStoreTest, KeyIsMadeOnceAndIsPrivate) {
  const auto first = load_or_make_profile_key(dir_ + "/key");
  const auto second = load_or_make_profile_key(dir_ + "/key");
  struct stat info{};
  stat((dir_ + "/key").c_str(), &info);

  EXPECT_EQ(*first, *second);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  chmod((dir_ + "/key").c_str(), 0644);
  EXPECT_EQ(load_or_make_profile_key(dir_ + "/key").error().code, Errc::storage_failed);
}

asio::awaitable<void> round_trip(Context& ctx, std::string dir) {
  auto store = make_context_store(ctx.clock(), dir + "/contexts");
  auto context = co_await store->create(ctx, "project", "  Login ");
  EXPECT_EQ(context->name, "Login");
  auto loaded = co_await store->load(ctx, context->id, dir + "/first", true);
  EXPECT_TRUE(loaded) << loaded.error().describe();
  EXPECT_FALSE(fs::exists(dir + "/first")) << "never saved: nothing to write";
  auto again = co_await store->load(ctx, context->id, dir + "/other", true);
  EXPECT_EQ(again.error().code, Errc::conflict);
  auto removed = co_await store->remove(ctx, context->id);
  EXPECT_EQ(removed.error().code, Errc::conflict);
  write(dir + "/first/Default/Cookies", "one");
  auto saved = co_await store->save(ctx, context->id, dir + "/first");
  EXPECT_TRUE(saved) << saved.error().describe();

  store.reset();
  store = make_context_store(ctx.clock(), dir + "/contexts");
  EXPECT_EQ(store->find(context->id)->name, "Login");
  auto reloaded = co_await store->load(ctx, context->id, dir + "/second", false);
  EXPECT_TRUE(reloaded) << reloaded.error().describe();
  EXPECT_EQ(read(dir + "/second/Default/Cookies"), "one");
  auto gone = co_await store->remove(ctx, context->id);
  EXPECT_TRUE(gone);
  EXPECT_EQ(store->find(context->id).error().code, Errc::not_found);
  auto missing = co_await store->load(ctx, context->id, dir + "/third", false);
  EXPECT_EQ(missing.error().code, Errc::not_found);
}

TEST_F(ContextStoreTest, ContextsOutliveTheStore) {
  run([&](Context& ctx) { return round_trip(ctx, dir_); });
}

asio::awaitable<void> names(Context& ctx, std::string dir) {
  auto store = make_context_store(ctx.clock(), dir);
  auto first = co_await store->create(ctx, "a", "Login");
  EXPECT_TRUE(first);
  auto same = co_await store->create(ctx, "a", "LOGIN");
  EXPECT_EQ(same.error().code, Errc::conflict);
  auto elsewhere = co_await store->create(ctx, "b", "login");
  EXPECT_TRUE(elsewhere);
  auto unnamed = co_await store->create(ctx, "a", "");
  auto second_unnamed = co_await store->create(ctx, "a", "");
  EXPECT_TRUE(unnamed && second_unnamed);
  std::string long_name(129, 'n');
  auto refused = co_await store->create(ctx, "a", long_name);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
}

TEST_F(ContextStoreTest, NamesAreUniqueInAProjectWhateverTheCase) {
  run([&](Context& ctx) { return names(ctx, dir_); });
}

asio::awaitable<void> failed_save(Context& ctx, std::string dir) {
  auto store = make_context_store(ctx.clock(), dir + "/contexts");
  auto context = co_await store->create(ctx, "p", "");
  (void)co_await store->load(ctx, context->id, dir + "/x", true);
  write(dir + "/x/Default/Cookies", "old");
  (void)co_await store->save(ctx, context->id, dir + "/x");
  (void)co_await store->load(ctx, context->id, dir + "/y", true);
  store->give_up(context->id);
  auto claimed = co_await store->load(ctx, context->id, dir + "/z", true);
  EXPECT_TRUE(claimed) << "the claim was given up";
  EXPECT_EQ(read(dir + "/z/Default/Cookies"), "old");
  fs::create_directories(dir + "/contexts/" + context->id + ".profile.new");
  auto saved = co_await store->save(ctx, context->id, dir + "/z");
  EXPECT_EQ(saved.error().code, Errc::storage_failed);
  auto reloaded = co_await store->load(ctx, context->id, dir + "/w", true);
  EXPECT_TRUE(reloaded) << "a failed save ends the claim and leaves the old profile";
  EXPECT_EQ(read(dir + "/w/Default/Cookies"), "old");
}

TEST_F(ContextStoreTest, AFailedSaveLeavesTheOldProfile) {
  run([&](Context& ctx) { return failed_save(ctx, dir_); });
}

}  // namespace
}  // namespace troupe::sessions
