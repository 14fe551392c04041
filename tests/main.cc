// main() of every test binary: GoogleTest's own, and a limit for each test. A test that hangs ends
// the process with its name, so that it costs minutes and not the whole run; tools/run-tests goes
// on with the others.
#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

namespace {

/// Seconds that one test may take, from TEST_LIMIT; generous, since machines are busy.
int limit_of_a_test() {
  constexpr int kDefault = 240;
  const char* text = std::getenv("TEST_LIMIT");
  if (text == nullptr) return kDefault;
  int seconds = 0;
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, seconds);
  if (error == std::errc() && rest == end && seconds > 0) return seconds;
  std::fprintf(stderr, "TEST_LIMIT: %s is not a number of seconds\n", text);
  std::exit(2);
}

/// Watches the running test from a thread of its own.
class Watch final : public ::testing::EmptyTestEventListener {
 public:
  explicit Watch(int limit) : limit_(limit), thread_([this] { watch(); }) {}

  ~Watch() override {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void OnTestStart(const ::testing::TestInfo& test) override {
    const std::lock_guard lock(mutex_);
    running_ = std::string(test.test_suite_name()) + "." + test.name();
    started_ = std::chrono::steady_clock::now();
    changed_.notify_one();
  }

  void OnTestEnd(const ::testing::TestInfo&) override {
    const std::lock_guard lock(mutex_);
    running_.clear();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
      if (running_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto end = started_ + limit_;
      changed_.wait_until(lock, end);
      if (!ended_ && !running_.empty() && std::chrono::steady_clock::now() >= started_ + limit_) {
        std::printf("%s: not ended after %d s; the process ends\n", running_.c_str(),
                    static_cast<int>(limit_.count()));
        std::fflush(stdout);
        std::_Exit(3);
      }
    }
  }

  const std::chrono::seconds limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string running_;
  std::chrono::steady_clock::time_point started_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new Watch(limit_of_a_test()));
  return RUN_ALL_TESTS();
}
