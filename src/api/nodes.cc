#include "api/nodes.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "api/session_body.h"

namespace troupe::api {
namespace {

constexpr std::string_view kNodeKind = "node";
constexpr std::string_view kSessionKind = "session";
constexpr std::int64_t kVersion = 1;
constexpr int kPage = 1'000;
constexpr std::size_t kTellAtOnce = 32;
constexpr auto kCall = std::chrono::seconds(5);
constexpr auto kRetell = std::chrono::seconds(1);
constexpr auto kForgetEvery = std::chrono::minutes(10);
constexpr int kSilencesUntilErased = 6;

tasks::Document node_document(const Node& node, std::uint64_t version) {
  const json::object text{{"v", kVersion}, {"url", node.url}, {"role", node.role}};
  return {.kind = std::string(kNodeKind),
          .id = node.id,
          .text = json::serialize(text),
          .version = version};
}

std::optional<Node> node_from(const tasks::Document& document) {
  const auto value = parse_json(document.text, "node");
  const json::object* object = value ? value->if_object() : nullptr;
  if (!object || find_int(*object, "v") != kVersion) return std::nullopt;
  return Node{.id = document.id,
              .url = std::string(find_string(*object, "url").value_or("")),
              .role = std::string(find_string(*object, "role").value_or(""))};
}

std::string hex(const unsigned char* bytes, unsigned size) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

bool same(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

// Who asked for it learns how it ended, although nobody was left to tell.
void end_with_node(json::object& shown, const std::string& node_id) {
  const auto status = find_string(shown, "status");
  if (status != "RUNNING" && status != "PENDING") return;
  const Error error = fail(Errc::session_lost, "session: ended with its node " + node_id, "nodes");
  shown["status"] = "ERROR";
  shown["endReason"] = to_string(EndReason::connection_lost);
  if (const json::value* updated = shown.if_contains("updatedAt")) {
    json::value at = *updated;
    shown["endedAt"] = std::move(at);
  }
  shown["error"] = to_json(error);
  shown["clients"] = 0;
}

}  // namespace

Nodes::Nodes(tasks::Backend& backend, const SessionService& sessions, Clock& clock,
             asio::any_io_executor executor, observe::Log& log, NodesOptions options)
    : backend_(backend),
      sessions_(sessions),
      clock_(clock),
      executor_(executor),
      log_(log),
      options_(std::move(options)),
      scope_(executor) {}

void Nodes::start(std::string url) {
  options_.self.url = std::move(url);
  looked_at_ = forgot_at_ = clock_.now();
  scope_.spawn("node beat", beat_forever());
  scope_.spawn("node sessions", tell_forever());
}

asio::awaitable<void> Nodes::stop() {
  if (std::exchange(stopped_, true)) co_return;
  stopping_.cancel(fail(Errc::draining, "node: is shutting down"));
  Context ctx = base().with_timeout(kCall, "node: saying goodbye");
  (void)co_await scope_.join(ctx);
  for (const std::string& id : std::exchange(news_, {})) {
    const auto told = co_await tell(ctx, id);
    if (!told) break;
  }
  const std::string kind(kNodeKind);
  const std::string id = options_.self.id;
  (void)co_await backend_.erase(ctx, kind, id);
}

// --- Who is there
std::vector<Node> Nodes::others() const {
  std::vector<Node> list;
  for (const auto& [id, seen] : seen_)
    if (seen.silent <= options_.silence_max) list.push_back(seen.node);
  return list;
}

Async<std::vector<Node>> Nodes::others_now(Context& ctx) {
  Context limited = ctx.with_timeout(kCall, "looking for nodes");
  (void)co_await look(limited);
  co_return others();
}

std::optional<Node> Nodes::find_node(const std::string& id) const {
  const auto found = seen_.find(id);
  if (found == seen_.end() || found->second.silent > options_.silence_max) return std::nullopt;
  return found->second.node;
}

std::string Nodes::secret_for(std::string_view purpose) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), options_.secret.data(), static_cast<int>(options_.secret.size()),
       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(), digest.data(),
       &size);
  return hex(digest.data(), size);
}

std::string Nodes::token_for(const std::string& node_id) const {
  return secret_for("node:" + node_id);
}

Result<bool> Nodes::is_from_node(const net::HttpRequest& request) const {
  const std::string_view given = request.header(kHeader);
  if (given.empty()) return false;
  if (same(given, token_for(options_.self.id))) return true;
  return fail(Errc::unavailable, "node: this is " + options_.self.id + ", not the one asked for",
              "nodes");
}

asio::awaitable<void> Nodes::beat_forever() {
  while (!stopping_.is_cancelled()) {
    Context ctx = base().with_cancel(stopping_).with_timeout(kCall, "node beat");
    const auto beaten = co_await beat(ctx);
    if (!beaten) complain("node.beat", beaten.error());
    if (beaten) complained_ = false;
    Context pause = base().with_cancel(stopping_);
    (void)co_await sleep_for(pause, options_.beat_every);
  }
}

Async<void> Nodes::beat(Context& ctx) {
  CO_TRY_VOID(co_await introduce(ctx));
  CO_TRY_VOID(co_await look(ctx));
  for (const auto& [id, told] : told_)
    if (!told.ended) changed(id);  // tell() compares
  if (clock_.now() - forgot_at_ < kForgetEvery) co_return Result<void>{};
  forgot_at_ = clock_.now();
  co_return co_await forget_gone(ctx);
}

Async<void> Nodes::introduce(Context& ctx) {
  tasks::Document self = node_document(options_.self, version_);
  auto put = co_await backend_.put(ctx, self);
  if (!put && put.error().code == Errc::conflict) {
    // An answer was lost, or this node stood still for so long that the others forgot it.
    const std::string kind(kNodeKind);
    CO_TRY(const auto stored, co_await backend_.document(ctx, kind, self.id));
    self.version = stored ? stored->version : 0;
    if (!stored) tell_all();
    put = co_await backend_.put(ctx, std::move(self));
  }
  if (!put) co_return put.error();
  version_ = *put;
  co_return Result<void>{};
}

// A node that does not count on is silent. Only time between two successful looks counts: while the
// backend is away nobody can be heard.
Async<void> Nodes::look(Context& ctx) {
  const std::string kind(kNodeKind), from;
  CO_TRY(const auto documents, co_await backend_.documents(ctx, kind, from, kPage, false));
  const SteadyTime now = clock_.now();
  const Duration passed = std::min<Duration>(now - looked_at_, 2 * options_.beat_every);
  looked_at_ = now;
  std::map<std::string, Seen> seen;
  std::vector<std::string> gone;
  for (const tasks::Document& document : documents) {
    if (document.id == options_.self.id) continue;
    const auto before = seen_.find(document.id);
    if (before != seen_.end() && before->second.version == document.version) {
      Seen& still = seen.emplace(document.id, before->second).first->second;
      still.silent += passed;
      if (still.silent > kSilencesUntilErased * options_.silence_max) gone.push_back(document.id);
      continue;
    }
    if (auto node = node_from(document))
      seen.emplace(document.id, Seen{.node = std::move(*node), .version = document.version});
  }
  seen_ = std::move(seen);
  for (const std::string& id : gone) CO_TRY_VOID(co_await backend_.erase(ctx, kind, id));
  co_return Result<void>{};
}

// --- Sessions of this node
void Nodes::changed(const std::string& session_id) {
  if (!sessions_.find(session_id)) return;
  news_.insert(session_id);
  has_news_.pulse();
}

void Nodes::tell_all() {
  for (auto& [id, told] : told_) {
    told.shown.clear();
    news_.insert(id);
  }
  has_news_.pulse();
}

Async<void> Nodes::told(Context& ctx, const std::string& session_id) {
  while (news_.contains(session_id) || telling_.contains(session_id))
    CO_TRY_VOID(co_await has_told_.wait(ctx));
  co_return Result<void>{};
}

asio::awaitable<void> Nodes::tell_forever() {
  while (!stopping_.is_cancelled()) {
    Context waiting = base().with_cancel(stopping_);
    if (news_.empty() && !co_await has_news_.wait(waiting)) co_return;
    Context ctx = base().with_timeout(kCall, "telling of sessions");
    std::vector<std::string> ids;
    std::vector<Async<void>> calls;
    while (!news_.empty() && ids.size() < kTellAtOnce) {
      ids.push_back(*news_.begin());
      telling_.insert(ids.back());
      news_.erase(news_.begin());
      calls.push_back(tell(ctx, ids.back()));
    }
    const auto answers = co_await gather(ctx, std::move(calls));
    telling_.clear();
    bool failed = false;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]) continue;
      failed = true;
      news_.insert(ids[i]);
      complain("node.tell", answers[i].error());
    }
    has_told_.pulse();
    Context pause = base().with_cancel(stopping_);
    if (failed) (void)co_await sleep_for(pause, kRetell);
  }
}

// One at a time of each session.
Async<void> Nodes::tell(Context ctx, std::string id) {
  const auto session = sessions_.find(id);
  if (!session) co_return co_await forget(ctx, id);
  json::object object = session_object(*session);
  std::string shown = json::serialize(object);
  if (told_[id].shown == shown) co_return Result<void>{};
  const json::object text{{"v", kVersion},
                          {"node", options_.self.id},
                          {"created_ms", to_unix_ms(session->created_at)},
                          {"told_ms", to_unix_ms(clock_.wall())},
                          {"session", std::move(object)}};
  tasks::Document document{.kind = std::string(kSessionKind),
                           .id = id,
                           .text = json::serialize(text),
                           .version = told_[id].version};
  auto put = co_await backend_.put(ctx, document);
  if (!put && put.error().code == Errc::conflict) {
    CO_TRY(const auto stored, co_await backend_.document(ctx, document.kind, id));
    document.version = stored ? stored->version : 0;
    put = co_await backend_.put(ctx, std::move(document));
  }
  if (!put) co_return put.error();
  Told& told = told_[id];
  told.shown = std::move(shown);
  told.version = *put;
  if (session->state != SessionState::ended || std::exchange(told.ended, true))
    co_return Result<void>{};
  ended_.push_back(id);
  if (ended_.size() <= options_.ended_kept) co_return Result<void>{};
  const std::string oldest = ended_.front();
  ended_.pop_front();
  co_return co_await forget(ctx, oldest);
}

Async<void> Nodes::forget(Context ctx, std::string id) {
  told_.erase(id);
  const std::string kind(kSessionKind);
  co_return co_await backend_.erase(ctx, kind, id);
}

// --- Sessions of the others
std::optional<RemoteSession> Nodes::read(const tasks::Document& document) const {
  const auto value = parse_json(document.text, "session");
  const json::object* object = value ? value->if_object() : nullptr;
  const json::value* shown = object ? find(*object, "session") : nullptr;
  if (!shown || !shown->is_object() || find_int(*object, "v") != kVersion) return std::nullopt;
  RemoteSession session{.node_id = std::string(find_string(*object, "node").value_or("")),
                        .shown = shown->get_object(),
                        .created_ms = find_int(*object, "created_ms").value_or(0)};
  if (session.node_id == options_.self.id) return std::nullopt;
  session.node = find_node(session.node_id);
  if (!session.node) end_with_node(session.shown, session.node_id);
  return session;
}

Async<std::optional<RemoteSession>> Nodes::find_session(Context& ctx, std::string session_id) {
  const std::string kind(kSessionKind);
  CO_TRY(const auto document, co_await backend_.document(ctx, kind, session_id));
  if (!document) co_return std::optional<RemoteSession>();
  // A node that has just begun has not been seen yet.
  auto session = read(*document);
  if (session && !session->node && !seen_.contains(session->node_id)) {
    CO_TRY_VOID(co_await look(ctx));
    session = read(*document);
  }
  co_return session;
}

Async<std::vector<RemoteSession>> Nodes::sessions(Context& ctx) {
  const std::string kind(kSessionKind);
  std::vector<RemoteSession> list;
  std::string cursor;
  for (;;) {
    CO_TRY(const auto page, co_await backend_.documents(ctx, kind, cursor, kPage, false));
    for (const tasks::Document& document : page)
      if (auto session = read(document)) list.push_back(std::move(*session));
    if (page.size() < static_cast<std::size_t>(kPage)) co_return list;
    cursor = page.back().id;
  }
}

// What gone nodes left, after its time.
Async<void> Nodes::forget_gone(Context& ctx) {
  const std::string kind(kSessionKind);
  const std::int64_t before = to_unix_ms(clock_.wall()) - options_.kept.count();
  std::string cursor;
  for (;;) {
    CO_TRY(const auto page, co_await backend_.documents(ctx, kind, cursor, kPage, false));
    for (const tasks::Document& document : page) {
      const auto value = parse_json(document.text, "session");
      const json::object* object = value ? value->if_object() : nullptr;
      const std::string node(object ? find_string(*object, "node").value_or("") : "");
      const bool young = object && find_int(*object, "told_ms").value_or(0) >= before;
      if (young || node == options_.self.id || find_node(node)) continue;
      const std::string id = document.id;
      CO_TRY_VOID(co_await backend_.erase(ctx, kind, id));
    }
    if (page.size() < static_cast<std::size_t>(kPage)) co_return Result<void>{};
    cursor = page.back().id;
  }
}

// Once until it works again.
void Nodes::complain(std::string_view action, const Error& error) {
  if (std::exchange(complained_, true) || stopping_.is_cancelled()) return;
  log_.write(
      {},
      {.level = observe::Level::warning, .action = action, .status = "failed", .error = &error});
}

}  // namespace troupe::api
