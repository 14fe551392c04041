#include "interact/page_script.h"

#include <algorithm>
#include <array>

#include "base/assets.h"

namespace troupe::interact {
namespace {

struct ScriptRow {
  unsigned bit;
  const char* path;
};
constexpr std::array kScripts = std::to_array<ScriptRow>({
    {1, "interact/core.js"},
    {2, "interact/names.js"},
    {4, "interact/snapshot.js"},
    {128, "interact/structured.js"},
    {256, "interact/tables.js"},
    {4096, "interact/read.js"},
    {8, "interact/extract.js"},
    {16, "interact/input.js"},
    {8192, "interact/controls.js"},
    {32, "interact/widgets.js"},
    {64, "interact/known.js"},
    {512, "interact/figures.js"},
    {1024, "interact/reckon.js"},
    {2048, "interact/editing.js"},
});

const std::string& source_of(std::size_t row) {
  static const auto sources = [] {
    std::array<std::string, kScripts.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i] = compact_script(assets::get(kScripts[i].path));
    return all;
  }();
  return sources[row];
}

std::string sources_of(unsigned bits) {
  std::string text;
  for (std::size_t i = 0; i < kScripts.size(); ++i)
    if (bits & kScripts[i].bit) text += source_of(i);
  return text;
}

/// The script that a call asks for when it turns out to need one; 0 when it failed otherwise.
unsigned wanted_by(const Error& error) {
  constexpr std::string_view kWants = "__troupe wants ";
  constexpr std::pair<std::string_view, unsigned> kParts[] = {
      {"names", kNames}, {"extract", kExtract}, {"controls", kControls}};
  const auto at = error.message.find(kWants);
  if (error.code != Errc::script_error || at == std::string::npos) return 0;
  const auto rest = std::string_view(error.message).substr(at + kWants.size());
  for (const auto& [name, bits] : kParts)
    if (rest.starts_with(name)) return bits;
  return 0;
}

}  // namespace

std::string compact_script(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  while (!source.empty()) {
    const auto end = std::min(source.find('\n'), source.size());
    std::string_view line = source.substr(0, end);
    source.remove_prefix(std::min(end + 1, source.size()));
    const auto first = line.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    line.remove_prefix(first);
    if (line.starts_with("//")) continue;
    out.append(line).push_back('\n');
  }
  return out;
}

Async<json::value> PageScript::call(Context& ctx, cdp::Page& page, unsigned scripts,
                                    std::string function, json::array args) {
  if (serial_ != page.document_serial()) loaded_ = 0;
  std::string invoke = "__troupe." + function + "(";
  for (std::size_t i = 0; i < args.size(); ++i) invoke += (i ? "," : "") + json::serialize(args[i]);
  invoke += ")";
  // The browser takes three times as long to hand over thousands of rows as objects than as a text.
  const bool large = function == "snapshot";
  if (large) invoke = "JSON.stringify(" + invoke + ")";
  unsigned wanted = scripts | kCore;
  cdp::Page::EvaluateOptions options{.isolated = true, .context_id = context_id_};
  for (int round = 0;; ++round) {
    const unsigned missing = wanted & ~loaded_;
    std::string expression = sources_of(missing) + invoke;
    serial_ = page.document_serial();
    auto answer = co_await page.evaluate(ctx, std::move(expression), options);
    if (answer) {
      loaded_ |= wanted;
      if (!large || !answer->is_string()) co_return std::move(*answer);
      boost::system::error_code bad;
      auto rows = json::parse(answer->get_string(), bad);
      if (bad) co_return fail(Errc::internal, "interact: the script gave no JSON");
      co_return rows;
    }
    if (const unsigned more = wanted_by(answer.error()) & ~wanted) {
      loaded_ |= wanted;
      wanted |= more;
      continue;
    }
    // The world is a new one although the document's number is the same: send the scripts again.
    const bool unknown =
        answer.error().code == Errc::script_error &&
        (answer.error().message.find("__troupe is not defined") != std::string::npos ||
         answer.error().message.find("is not a function") != std::string::npos);
    const bool again = unknown && missing != wanted && round == 0;
    loaded_ = 0;
    if (again) continue;
    if (answer.error().code == Errc::timeout)
      co_return fail(Errc::timeout, answer.error().message, "page " + page.url(),
                     "the page's main thread does not answer");
    co_return answer.error();
  }
}

std::int64_t page_wait_ms(const Context& ctx) {
  using std::chrono::milliseconds;
  const auto left = std::chrono::duration_cast<milliseconds>(ctx.remaining()).count();
  const std::int64_t margin = std::min<std::int64_t>(left * 3 / 10, 400);
  return std::clamp<std::int64_t>(left - margin, 0, 30'000);
}

}  // namespace troupe::interact
