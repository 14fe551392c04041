// The sessions of one Browserbase account: created within its limits, recorded before they are
// asked for, released until that is confirmed, and looked for when nobody knows of them.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/async.h"
#include "observe/log.h"
#include "services/browserbase.h"
#include "sessions/remote_browser.h"
#include "sessions/session_intents.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

struct BrowserbaseAccountOptions {
  std::string project_id;  ///< Empty: the key's own.
  std::string data_dir;
  /// Names the account in the journal; not secret. See browserbase_account_name().
  std::string account;
  /// A creation whose answer was lost is looked for that long.
  Duration search_for = std::chrono::seconds(60);
  Duration retry_first = std::chrono::milliseconds(250);  ///< Doubles.
  Duration retry_max = std::chrono::seconds(10);
  Duration reap_every = std::chrono::minutes(5);
  /// How often the sessions of others are counted anew while they fill the account.
  Duration recount_every = std::chrono::seconds(5);
  /// No session of Browserbase lives longer: one that was asked for before is over.
  Duration life_max = std::chrono::hours(6) + std::chrono::minutes(15);
  ConnectionHealth health;  ///< Of the connections to sessions.
  /// A broken connection is tried again for so long.
  Duration reconnect_for = std::chrono::minutes(2);
};

/// The same for the same key at the same service, and no secret. Pure.
std::string browserbase_account_name(const std::string& base_url, const std::string& api_key);

/// Threads: engine.
class BrowserbaseAccount final {
 public:
  BrowserbaseAccount(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                     std::unique_ptr<services::BrowserbaseClient> client,
                     BrowserbaseAccountOptions options);

  /// Waits for a place, records the intent and creates. A session whose answer was lost is looked
  /// for and taken. Afterwards release() must be called once, whatever happens.
  /// Errors: exhausted, storage_failed (nothing was asked for), and the client's.
  Async<services::RemoteSession> create(Context& ctx, std::string id, SessionSpec spec);
  Async<services::RemoteSession> get(Context& ctx, std::string provider_id);
  /// Asks for the end and goes on asking in the background until it is confirmed.
  void release(std::string id, std::string provider_id);
  /// Waits until a release that began is confirmed.
  Async<void> released(Context& ctx, std::string id);

  /// Sessions that could be created now without a refusal: places and creations left, as far as
  /// the limits are known. Before they are, one may find them out.
  int room() const;
  /// Whether the next session has to wait for the end of another one.
  bool is_full() const { return limit_ && live_ + coming_ >= *limit_; }
  const BrowserbaseAccountOptions& options() const { return options_; }
  /// Looks for sessions that nobody owns: soon after the start if an earlier process left traces,
  /// after the first create() otherwise, and every few minutes. Returns at once.
  void tend();
  /// Releases go on until the deadline; what is left then is for the next start.
  Async<void> shutdown(Context& ctx);

  services::BrowserbaseClient& client() { return *client_; }
  int live() const { return live_; }

 private:
  struct Waiter {
    Event moved;
  };
  Async<void> take_place(Context& ctx, bool first_in_line);
  void give_place();
  void wake_first();
  bool has_place() const { return !limit_ || live_ + others_ < *limit_; }
  // There would be room, but for sessions that are not ours.
  bool is_crowded_out() const { return limit_ && live_ < *limit_ && !has_place(); }
  asio::awaitable<void> count_others(Context& ctx);
  Async<services::RemoteSession> create_counted(Context& ctx, std::string id, SessionSpec spec);
  void learn_from_refusal(const Error& refusal);
  asio::awaitable<void> learn_limit(Context& ctx);
  Async<services::RemoteSession> post(Context& ctx, const std::string& id,
                                      services::CreateSession request);
  Async<services::RemoteSession> find_created(Context& ctx, const std::string& id, Error error);
  Async<std::optional<services::RemoteSession>> find(Context& ctx, const std::string& id);
  Async<bool> is_ended(Context& ctx, const std::string& provider_id, int attempt);
  asio::awaitable<void> dispose(std::string id, std::string provider_id, bool has_place);
  asio::awaitable<void> reap();
  void tell_of_other_accounts();
  Async<int> reap_unowned(Context& ctx);
  void note(observe::Level level, std::string_view action, std::string_view status,
            std::vector<observe::Detail> details, const Error* error = nullptr);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  std::unique_ptr<services::BrowserbaseClient> client_;
  BrowserbaseAccountOptions options_;
  SessionIntents intents_;
  std::list<Waiter*> queue_;
  int live_ = 0;    // places in use: being created, running, or not confirmed as ended
  int coming_ = 0;  // calls of create() that have no place yet
  int unsent_ = 0;  // and those that have one, but have not been sent
  int others_ = 0;  // running sessions of the account that are not known here
  SteadyTime others_counted_at_{};
  Event place_given_;
  std::optional<int> limit_;
  SteadyTime limit_asked_at_{};
  bool asking_limit_ = false;
  Event limit_asked_;
  SteadyTime crowded_until_{};  // after a refusal that others' sessions caused
  Duration crowded_pause_{};
  bool used_ = false;
  bool inherited_taken_ = false;
  bool told_of_others_ = false;
  bool reaping_ = false;
  bool sweep_due_ = false;  // sessions were ended since the last look at what is left
  SteadyTime reaped_at_{};
  bool closed_ = false;
  CancelSource stop_;
  Scope scope_;
};

}  // namespace troupe::sessions
