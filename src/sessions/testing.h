// What tests of sessions share: a log that says nothing; a scripted session provider: what it does
// is said beforehand, what happened can be read afterwards. Tests only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "observe/log.h"
#include "sessions/provider.h"

namespace troupe::sessions {

inline observe::Log& null_log() {
  static const std::unique_ptr<observe::Log> log = observe::make_null_log();
  return *log;
}

// What the scripted provider does, and what it saw.
struct Script {
  std::optional<Error> create_error;
  int create_error_from = 0;  ///< The first so many creations succeed all the same.
  std::optional<Error> close_error;
  Event* hold_creation = nullptr;
  int asked = 0;
  int created = 0;
  std::vector<std::string> closed;
  std::vector<Event*> lost;
  bool shut_down = false;
  int room = 1'000;
};

class ScriptedSession final : public ProviderSession {
 public:
  ScriptedSession(Script& script, std::string id) : script_(script), id_(std::move(id)) {
    script.lost.push_back(&lost_);
  }
  const std::string& id() const override { return id_; }
  Result<Browser> browser() override { return fail(Errc::unsupported, "scripted"); }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page>) override {}
  Result<std::string> downloads_dir() override { return fail(Errc::unsupported, "scripted"); }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return lost_; }
  Error lost_reason() const override { return fail(Errc::session_lost, "scripted death"); }
  Async<void> close(Context&, bool) override {
    script_.closed.push_back(id_);
    if (script_.close_error) co_return *script_.close_error;
    co_return Result<void>{};
  }

 private:
  Script& script_;
  std::string id_;
  Event lost_;
  Session::Counters counters_;
};

class ScriptedProvider final : public SessionProvider {
 public:
  explicit ScriptedProvider(Script& script, std::string_view name = "local")
      : script_(script), name_(name) {}
  std::string_view name() const override { return name_; }
  int room() const override { return script_.room; }
  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                 SessionSpec) override {
    if (script_.hold_creation) CO_TRY_VOID(co_await script_.hold_creation->wait(ctx));
    const int number = script_.asked++;
    if (script_.create_error && number >= script_.create_error_from)
      co_return *script_.create_error;
    ++script_.created;
    std::unique_ptr<ProviderSession> session =
        std::make_unique<ScriptedSession>(script_, std::move(id));
    co_return session;
  }
  Async<void> tend(Context&) override { co_return Result<void>{}; }
  Async<void> shutdown(Context&) override {
    script_.shut_down = true;
    co_return Result<void>{};
  }

 private:
  Script& script_;
  std::string_view name_;
};

}  // namespace troupe::sessions
