// Known actions in a real browser: found again without a snapshot, never a wrong element, healed.
#include <gmock/gmock.h>

#include "base/text_file.h"
#include "interact/action_cache.h"
#include "interact/native_tab.h"
#include "interact/native_testing.h"
#include "services/models.h"
#include "services/testing_models.h"

namespace troupe::interact {
namespace {

using services::FakeModels;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class NativeKnown : public NativeInteractorFixture {
 protected:
  void SetUp() override {
    NativeInteractorFixture::SetUp();
    if (!world_) return;
    fake_ = FakeModels::start(world_->io.get_executor(), *world_->clock);
    services::ModelsOptions options;
    options.endpoints.push_back(
        services::model_endpoint_from("openai-chat/m@" + fake_->url() + "/v1").value());
    options.client.attempts_max = 1;
    options.cache_bytes_max = 0;
    models_ = std::make_unique<services::Models>(std::move(options), *http_, *world_->clock,
                                                 Random(1), log_);
    file_ = world_->dir + "/actions.json";
    fs::create_directories(world_->dir);
    fs::remove(file_);
    cache_ = std::make_unique<ActionCache>(*world_->clock, ActionCacheOptions{.file = file_});
    own_interactor_ = make_native_interactor(models_.get(), cache_.get());
    std::swap(own_interactor_, world_->interactor);
    world_->run([this](Context& ctx) { return reopen(ctx, this); });
  }
  void TearDown() override {
    NativeInteractorFixture::TearDown();
    if (!world_ || !own_interactor_) return;
    std::swap(own_interactor_, world_->interactor);
    world_->run([this](Context& ctx) { return stop(ctx, this); });
  }
  static asio::awaitable<void> reopen(Context& ctx, NativeKnown* self) {
    auto tab = co_await world_->interactor->open(ctx, *self->session_, {.tenant = self->tenant_});
    self->tab_ = std::move(*tab);
  }
  static asio::awaitable<void> stop(Context& ctx, NativeKnown* self) {
    (void)co_await self->fake_->stop(ctx);
  }
  static asio::awaitable<void> look(Context& ctx, NativeKnown* self, std::string* out) {
    const cdp::Page::EvaluateOptions isolated;
    std::string script = "String(!!__troupe.has.snapshot)";
    auto& page = static_cast<NativeTab&>(*self->tab_).page();
    const auto value = co_await page.evaluate(ctx, std::move(script), isolated);
    *out = value ? std::string(value->as_string()) : value.error().describe();
  }
  /// Whether this document was ever listed.
  std::string listed() {
    std::string out;
    world_->run([&](Context& ctx) { return look(ctx, this, &out); });
    return out;
  }
  static std::string detail(const Result<ActionResult>& result) {
    return result ? result->detail : result.error().describe();
  }
  /// What the file holds in the end.
  std::string stored() {
    cache_.reset();
    auto text = read_text_file(file_, 1 << 20);
    cache_ = std::make_unique<ActionCache>(*world_->clock, ActionCacheOptions{.file = file_});
    world_->interactor = make_native_interactor(models_.get(), cache_.get());
    return text ? *text : text.error().describe();
  }

  std::unique_ptr<net::HttpClient> http_ = net::HttpClient::create();
  observe::MemoryLog log_;
  std::string tenant_ = "default";
  std::unique_ptr<FakeModels> fake_;
  std::unique_ptr<services::Models> models_;
  std::string file_;
  std::unique_ptr<ActionCache> cache_;
  std::unique_ptr<Interactor> own_interactor_;
};

constexpr const char* kForm = R"(<form onsubmit="return false"><label>Name <input name=n></label>
  <select name=c aria-label=Colour><option>Red<option>Blue</select>
  <label><input type=checkbox name=t> Terms</label>
  <button onclick="out.textContent+='s'">Save</button></form><p id=out></p>)";

TEST_F(NativeKnown, ElementsAreFoundAgainWithoutASnapshot) {
  const std::vector<std::string> said = {"click Save", "type Ada into the Name field",
                                         "select Blue from Colour", "check Terms",
                                         "hover over Save"};
  page(kForm);
  for (const auto& words : said) EXPECT_THAT(detail(say(words)), HasSubstr("(cache: miss)"));
  page(kForm);
  for (const auto& words : said) EXPECT_THAT(detail(say(words)), HasSubstr("(cache: hit)"));
  EXPECT_EQ(listed(), "false");
  EXPECT_EQ(value("out.textContent + document.forms[0].n.value + document.forms[0].c.value + "
                  "document.forms[0].t.checked"),
            "\"sAdaBluetrue\"");
  EXPECT_THAT(detail(say("type Grace into the Name field")), HasSubstr("(cache: hit)"));
  EXPECT_EQ(value("document.forms[0].n.value"), "\"Grace\"");
}

TEST_F(NativeKnown, AnotherTenantLearnsForItself) {
  page("<button>Go</button>");
  EXPECT_THAT(detail(say("click Go")), HasSubstr("(cache: miss)"));
  tenant_ = "acme";
  world_->run([this](Context& ctx) { return reopen(ctx, this); });
  page("<button>Go</button>");
  EXPECT_THAT(detail(say("click Go")), HasSubstr("(cache: miss)"));
  page("<button>Go</button>");
  EXPECT_THAT(detail(say("click Go")), HasSubstr("(cache: hit)"));
  EXPECT_THAT(stored(), HasSubstr("\"tenant\": \"acme\""));
}

TEST_F(NativeKnown, ElementsThatAreOthersNowAreNotTouched) {
  page(R"(<button id=a onclick="out.textContent+='right'">Save</button><p id=out></p>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: miss)"));
  page(R"(<button id=a onclick="out.textContent+='WRONG'">Delete</button>
          <a id=b href="#x" onclick="out.textContent+='right'">Save</a><p id=out></p>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: healed)"));
  EXPECT_EQ(value("out.textContent"), "\"right\"");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: hit)"));
  page(R"(<button id=a onclick="out.textContent+='WRONG'">Save</button>
          <button id=a onclick="out.textContent+='WRONG'">Save</button><p id=out></p>)");
  EXPECT_EQ(outcome(say("click Save", std::chrono::seconds(2))), "target_ambiguous");
  EXPECT_EQ(value("out.textContent"), "\"\"");
}

TEST_F(NativeKnown, ABetterNameThatIsNewWins) {
  page(R"(<button onclick="out.textContent+='draft'">Save draft</button><p id=out></p>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: miss)"));
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: hit)"));
  page(R"(<button onclick="out.textContent+='draft'">Save draft</button>
          <button onclick="out.textContent+='save'">Save</button><p id=out></p>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: healed)"));
  EXPECT_EQ(value("out.textContent"), "\"save\"");
}

TEST_F(NativeKnown, RowsAreToldByTheirWordsNotByTheirPlaces) {
  const auto table = [](std::initializer_list<const char*> people) {
    std::string html = "<table>";
    for (const std::string person : people)
      html += "<tr><td>" + person + "</td><td><button onclick=\"out.textContent+='" + person +
              "'\">Remove</button></td></tr>";
    return html + "</table><p id=out></p>";
  };
  page(table({"Anna", "Bob", "Carl"}));
  EXPECT_THAT(detail(say("click Remove in the row of Bob")), HasSubstr("(cache: miss)"));
  page(table({"Bob", "Dora", "Anna", "Carl"}));
  EXPECT_THAT(detail(say("click Remove in the row of Bob")), HasSubstr("(cache: hit)"));
  EXPECT_EQ(value("out.textContent"), "\"Bob\"");
  page(table({"Anna"}));
  EXPECT_EQ(outcome(say("click Remove in the row of Bob", std::chrono::seconds(1))),
            "target_not_found");
  EXPECT_EQ(value("out.textContent"), "\"\"");
}

TEST_F(NativeKnown, AnotherPathOrAnotherKindOfPageIsAnotherCase) {
  page(R"(<button>Save</button>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: miss)"));
  world_->pages.html["/other"] = "<button>Save</button>";
  ASSERT_TRUE(act("goto", json::object{{"url", world_->url("/other")}}));
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: miss)"));
  page(R"(<form onsubmit="return false"><input name=q><button>Save</button></form>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: healed)"));
  page(R"(<button>Save</button>)");
  EXPECT_THAT(detail(say("click Save")), HasSubstr("(cache: hit)"));
}

TEST_F(NativeKnown, AModelIsAskedOnce) {
  const char* shop = R"(<button onclick="out.textContent='bin'">Empty</button>
    <button onclick="out.textContent='paid'">Proceed</button><p id=out></p>)";
  page(shop);
  fake_->say(R"({"element": 1, "action": "click", "value": null})");
  EXPECT_THAT(detail(say("settle the bill", std::chrono::seconds(15))),
              AllOf(HasSubstr("chosen by a model"), HasSubstr("(cache: miss)")));
  ASSERT_EQ(fake_->requests().size(), 1u);
  for (int again = 0; again < 3; ++again) {
    page(shop);
    EXPECT_THAT(detail(say("settle the bill", std::chrono::seconds(15))),
                HasSubstr("(cache: hit)"));
    EXPECT_EQ(value("out.textContent"), "\"paid\"");
  }
  EXPECT_EQ(fake_->requests().size(), 1u);
  EXPECT_EQ(listed(), "false");
  // Gone: the model is asked as it would be without the cache.
  page(R"(<button onclick="out.textContent='bin'">Empty</button>
    <button onclick="out.textContent='paid'">To the till</button><p id=out></p>)");
  fake_->say(R"({"element": 1, "action": "click", "value": null})");
  EXPECT_THAT(detail(say("settle the bill", std::chrono::seconds(15))),
              HasSubstr("(cache: healed)"));
  EXPECT_EQ(fake_->requests().size(), 2u);
  EXPECT_EQ(value("out.textContent"), "\"paid\"");
}

TEST_F(NativeKnown, WhatAModelTypesIsRepeated) {
  const char* form = R"(<input id=f aria-label="Your town"><p id=out></p>)";
  page(form);
  fake_->say(R"({"element": 0, "action": "fill", "value": "Bonn"})");
  const auto first = say("we live in Bonn", std::chrono::seconds(15));
  EXPECT_THAT(detail(first), HasSubstr("(cache: miss)"));
  page(form);
  EXPECT_THAT(detail(say("we live in Bonn", std::chrono::seconds(15))), HasSubstr("(cache: hit)"));
  EXPECT_EQ(value("f.value"), "\"Bonn\"");
  EXPECT_EQ(fake_->requests().size(), 1u);
}

TEST_F(NativeKnown, ValuesOfVariablesAreNeverStored) {
  page(R"(<input type=password aria-label=Password oninput="b.textContent='Go '+this.value">
          <button id=b>Go</button>)");
  const json::object args{{"instruction", "type %secret% into the Password field and click \"Go\""},
                          {"variables", json::object{{"secret", "hunter2"}}}};
  const auto done = act("act", args);
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(value("document.querySelector('input').value"), "\"hunter2\"");
  const std::string text = stored();
  EXPECT_THAT(text, AllOf(HasSubstr("Password"), Not(HasSubstr("hunter2"))));
}

TEST_F(NativeKnown, NothingIsRememberedOfAStepThatFailed) {
  page(R"(<button disabled>Save</button>)");
  EXPECT_EQ(outcome(say("click Save", std::chrono::seconds(1))), "not_actionable");
  EXPECT_THAT(stored(), Not(HasSubstr("Save")));
}

}  // namespace
}  // namespace troupe::interact
