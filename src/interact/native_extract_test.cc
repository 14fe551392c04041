// Extraction without selectors from pages of the shapes that sites have, in a real browser.
#include "interact/native_testing.h"

namespace troupe::interact {
namespace {

class NativeExtract : public NativeInteractorFixture {
 protected:
  std::string extracted(const char* args) {
    const auto result = act("extract", args, std::chrono::seconds(30));
    return result ? json::serialize(result->output) : result.error().describe();
  }
};

constexpr const char* kShop = R"(<nav><ul><li><a href=/a>Home</a><li><a href=/b>Sale</a></ul></nav>
  <section class=grid>
  <div class="card featured"><a href=/p/1><img src=data:, data-src=/1.jpg alt=""></a>
    <h3><a href=/p/1>Red lamp</a></h3><p class="star-rating Three"></p><span>(1,204)</span>
    <del>€ 59,90</del> <b>49,90 €</b></div>
  <div class="card"><a href=/p/2><img src=/2.jpg alt=""></a>
    <h3><a href=/p/2>Blue lamp</a></h3><p aria-label="4.5 out of 5 stars">x</p><span>(7)</span>
    <b>1.234,50 €</b></div></section>
  <section class=grid>
  <div class="card"><a href=/p/3><img srcset="/3.jpg 1x, /3b.jpg 2x" alt=""></a>
    <h3><a href=/p/3>Green lamp</a></h3><p>★★★★☆</p><span>(12)</span><b>9 €</b></div></section>)";

TEST_F(NativeExtract, ReadsAShopListingByTheNatureOfItsParts) {
  page(kShop);

  const std::string base = world_->url("");
  const auto row = [&](const char* rest, int n) {
    const std::string number = std::to_string(n);
    return R"({"title":)" + std::string(rest) + R"(,"url":")" + base + "/p/" + number +
           R"(","image":")" + base + "/" + number + R"(.jpg"})";
  };
  EXPECT_EQ(extracted(R"({"list": true, "fields": {"title": "string", "price": "price",
          "rating": "number", "reviews": "integer", "url": "url", "image": "image"}})"),
            "[" + row(R"("Red lamp","price":4.99E1,"rating":3E0,"reviews":1204)", 1) + "," +
                row(R"("Blue lamp","price":1.2345E3,"rating":4.5E0,"reviews":7)", 2) + "," +
                row(R"("Green lamp","price":9E0,"rating":4E0,"reviews":12)", 3) + "]");
}

TEST_F(NativeExtract, TakesWhatTheArticleStatesForMachinesFirst) {
  page(R"(<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
    {"@type": "Organization", "name": "The Paper", "url": "https://paper.test"},
    {"@type": "NewsArticle", "headline": "Rain is expected", "datePublished": "2024-11-02T08:00:00Z",
     "author": [{"@type": "Person", "name": "Ann Lee"}, {"@type": "Person", "name": "Bo Ek"}],
     "image": {"@type": "ImageObject", "url": "https://paper.test/rain.jpg"}}]}</script>
    <meta property="og:description" content="Clouds come in from the west.">
    <h1>Rain is expected</h1><p class=author>by staff</p><time>Saturday</time>)");

  EXPECT_EQ(extracted(R"({"schema": {"type": "object", "properties": {"title": {"type": "string"},
      "author": {"type": "string"}, "published": {"type": "string", "format": "date-time"},
      "image": {"type": "string", "format": "uri"}, "description": {"type": "string"}}}})"),
            R"({"title":"Rain is expected","author":"Ann Lee, Bo Ek",)"
            R"("published":"2024-11-02T08:00:00Z","image":"https://paper.test/rain.jpg",)"
            R"("description":"Clouds come in from the west."})");
}

TEST_F(NativeExtract, LeavesTheDataOfAPageThatWasReplaced) {
  page(R"(<script type="application/ld+json">{"@type": "Product", "name": "Old thing",
    "offers": {"price": 10}}</script><h1>New thing</h1><p>Price: $25.00</p>)");

  EXPECT_EQ(extracted(R"({"fields": {"title": "string", "price": "price"}})"),
            R"({"title":"New thing","price":2.5E1})");
}

TEST_F(NativeExtract, ReadsMicrodataAndListsOfLinkedData) {
  page(R"(<div itemscope itemtype="https://schema.org/Movie"><h1 itemprop=name>Metropolis</h1>
    <span itemprop=director itemscope itemtype="https://schema.org/Person"><b itemprop=name>Fritz
    Lang</b></span><meta itemprop=duration content=PT2H33M>
    <span itemprop=aggregateRating itemscope><i itemprop=ratingValue>8.3</i>/10</span></div>)");
  const std::string movie = extracted(R"({"fields": {"title": "string", "director": "string",
      "duration": "duration", "rating": "number"}})");
  page(R"(<script type="application/ld+json">{"@type": "ItemList", "itemListElement": [
    {"@type": "ListItem", "position": 1, "item": {"@type": "Recipe", "name": "Soup", "totalTime": "PT20M"}},
    {"@type": "ListItem", "position": 2, "item": {"@type": "Recipe", "name": "Stew", "totalTime": "PT2H"}}]}
    </script><p>Soup and Stew</p>)");
  const std::string recipes =
      extracted(R"({"list": true, "fields": {"name": "string", "duration": "duration"}})");

  EXPECT_EQ(movie,
            R"({"title":"Metropolis","director":"Fritz Lang","duration":9180,"rating":8.3E0})");
  EXPECT_EQ(recipes, R"([{"name":"Soup","duration":1200},{"name":"Stew","duration":7200}])");
}

TEST_F(NativeExtract, ReadsTablesWithSpansAndHeadersOfTwoLines) {
  page(R"(<table><caption>Results</caption>
    <tr><th rowspan=2>City<th colspan=2>Population<th rowspan=2>Founded
    <tr><th>Total<th>Per km²
    <tr><th colspan=4>North
    <tr><td rowspan=2>Aby<td>1.2M<td>300<td>1850
    <tr><td>1.3M<td>310<td>1851
    <tr><td>Bor<td>5,600<td>12<td>1900
    <tfoot><tr><td>Sum<td>9<td>9<td>9</table>)");

  EXPECT_EQ(extracted(R"({"list": true, "fields": {"city": "string", "population_total": "integer",
      "founded": "integer"}})"),
            R"([{"city":"Aby","population_total":1200000,"founded":1850},)"
            R"({"city":"Aby","population_total":1300000,"founded":1851},)"
            R"({"city":"Bor","population_total":5600,"founded":1900}])");
}

TEST_F(NativeExtract, ReadsTablesWhoseRecordsStandSideBySideAndListsOfTerms) {
  page(R"(<table><tr><td><td>Basic<td>Pro<tr><th>Plan<td>B<td>P<tr><th>Price<td>$5<td>$20
    <tr><th>Users<td>1<td>10</table>)");
  const std::string plans = extracted(
      R"({"list": true, "fields": {"plan": "string", "price": "price", "users": "integer"}})");
  page(R"(<dl><dt>Name<dd>Ann<dt>Born<dd>March 5, 1970<dt>Name<dd>Bo<dt>Born<dd>6 May 1971</dl>)");
  const std::string people = extracted(R"({"schema": {"type": "array", "items": {"type": "object",
      "properties": {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}}}}})");

  EXPECT_EQ(plans, R"([{"plan":"B","price":5E0,"users":1},{"plan":"P","price":2E1,"users":10}])");
  EXPECT_EQ(people, R"([{"name":"Ann","born":"1970-03-05"},{"name":"Bo","born":"1971-05-06"}])");
}

TEST_F(NativeExtract, ReadsCardsOfKeysAndValuesAndRecordsOfSeveralRows) {
  page(R"(<div class=host><div class=r><span>Name</span><span>alpha</span></div><div class=r>
    <span>Load</span><span>0.5</span></div><div class=r><span>Uptime</span><span>3:45</span></div></div>
    <div class=host><div class=r><span>Name</span><span>beta</span></div><div class=r>
    <span>Load</span><span>1.25</span></div><div class=r><span>Uptime</span><span>1:00:00</span></div></div>)");
  const std::string hosts = extracted(
      R"({"list": true, "fields": {"name": "string", "load": "number", "uptime": "integer"}})");
  page(R"(<table><tr class=story><td>1.<td><a href=/x>First story</a><tr><td><td>
    <span>120 points</span> by <a class=user>ann</a><tr class=gap><td>
    <tr class=story><td>2.<td><a href=/y>Second story</a><tr><td><td><span>1 point</span> by
    <a class=user>bo</a><tr class=gap><td></table>)");
  const std::string stories = extracted(
      R"({"list": true, "fields": {"title": "string", "points": "integer", "user": "string"}})");

  EXPECT_EQ(hosts, R"([{"name":"alpha","load":5E-1,"uptime":225},)"
                   R"({"name":"beta","load":1.25E0,"uptime":3600}])");
  EXPECT_EQ(stories, R"([{"title":"First story","points":120,"user":"ann"},)"
                     R"({"title":"Second story","points":1,"user":"bo"}])");
}

TEST_F(NativeExtract, TellsTheElementThatEachValueComesFrom) {
  page(kShop);
  const auto result = act("extract", R"({"list": true, "sources": true, "limit": 2,
      "fields": {"title": "string", "price": "price"}})");

  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_EQ(result->output.at("value").at(0).at("title"), json::value("Red lamp"));
  ASSERT_EQ(result->output.at("sources").as_array().size(), 2u);
  const auto& source = result->output.at("sources").at(0).at("price");
  EXPECT_EQ(source.at("found_by"), json::value("nature"));
  const std::string selector(source.at("selector").as_string());
  EXPECT_EQ(value("document.querySelector('" + selector + "').textContent"), "\"49,90 €\"");
}

constexpr const char* kPaged = R"(<ul id=l></ul><nav class=pagination></nav><script>
  const page = +(new URL(location).searchParams.get('page') || 1);
  for (let i = 0; i < 10; i++) l.insertAdjacentHTML('beforeend',
    `<li><b class=title>Item ${page * 10 + i - 9}</b> <i class=views>${page}.5K views</i></li>`);
  document.querySelector('nav').innerHTML = (page > 1 ? `<a href="?page=${page - 1}">Previous</a>` : '') +
    (page < 4 ? `<a href="?page=${page + 1}">Next</a>` : '<span class=disabled>Next</span>');
  </script>)";

TEST_F(NativeExtract, ReadsAListThroughItsPagesUntilTheLimit) {
  page(kPaged);
  const std::string fields = R"("list": true, "more": "pages",
      "fields": {"title": "string", "views": "count"})";
  const auto some =
      act("extract", ("{\"limit\": 25, " + fields + "}").c_str(), std::chrono::seconds(60));
  page(kPaged);
  const auto all =
      act("extract", ("{\"limit\": 500, " + fields + "}").c_str(), std::chrono::seconds(60));
  page(kPaged);
  const auto two =
      act("extract", ("{\"pages_max\": 2, " + fields + "}").c_str(), std::chrono::seconds(60));

  ASSERT_TRUE(some) << some.error().describe();
  EXPECT_EQ(some->output.as_array().size(), 25u);
  EXPECT_EQ(json::serialize(some->output.at(24)), R"({"title":"Item 25","views":3500})");
  EXPECT_EQ(outcome(some), "ok: url");
  ASSERT_TRUE(all) << all.error().describe();
  EXPECT_EQ(all->output.as_array().size(), 40u);
  ASSERT_TRUE(two) << two.error().describe();
  EXPECT_EQ(two->output.as_array().size(), 20u);
}

TEST_F(NativeExtract, ReadsAListThatGrowsByScrollingOrByAButton) {
  page(R"(<style>li{height:80px}</style><ul id=l></ul><script>
    const add = () => { for (let i = 0; i < 10 && l.children.length < 45; i++)
      l.insertAdjacentHTML('beforeend', `<li><b class=title>Item ${l.children.length + 1}</b></li>`); };
    add();
    addEventListener('scroll', () => { if (scrollY + innerHeight > document.body.scrollHeight - 50)
      setTimeout(add, 100); });</script>)");
  const auto scrolled = act("extract", R"({"list": true, "more": "scroll", "limit": 100,
      "fields": {"title": "string"}})",
                            std::chrono::seconds(60));
  page(R"(<ul id=l></ul><button onclick='setTimeout(add, 50)'>Load more</button><script>
    const add = () => { for (let i = 0; i < 5; i++)
      l.insertAdjacentHTML('beforeend', `<li><b class=title>Item ${l.children.length + 1}</b></li>`);
      if (l.children.length > 14) document.querySelector('button').remove(); };
    add();</script>)");
  const auto pressed = act("extract", R"({"list": true, "more": "pages", "limit": 100,
      "fields": {"title": "string"}})",
                           std::chrono::seconds(60));

  ASSERT_TRUE(scrolled) << scrolled.error().describe();
  EXPECT_EQ(scrolled->output.as_array().size(), 45u);
  ASSERT_TRUE(pressed) << pressed.error().describe();
  EXPECT_EQ(pressed->output.as_array().size(), 15u);
  EXPECT_EQ(pressed->output.at(14).at("title"), json::value("Item 15"));
}

TEST_F(NativeExtract, ReadsAListOfWhichOnlyAPartExistsAtATime) {
  page(
      R"(<style>#box{height:200px;overflow:auto;position:relative}.row{position:absolute;height:40px}
    </style><div id=box><div id=all style="height:1600px"></div></div><script>
    const draw = () => { const first = Math.floor(box.scrollTop / 40); all.innerHTML = '';
      for (let i = first; i < Math.min(first + 7, 40); i++) all.insertAdjacentHTML('beforeend',
        `<div class=row style="top:${i * 40}px"><b class=title>Row ${i}</b><i class=size>${i}</i></div>`); };
    draw(); box.addEventListener('scroll', draw);</script>)");
  const auto rows = act("extract", R"({"list": true, "more": "scroll", "limit": 100,
      "fields": {"title": "string", "size": "integer"}})",
                        std::chrono::seconds(60));

  ASSERT_TRUE(rows) << rows.error().describe();
  ASSERT_EQ(rows->output.as_array().size(), 40u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(rows->output.at(i).at("size"), json::value(i));
}

TEST_F(NativeExtract, EndsItsWaitWhenNothingMoreCanCome) {
  page("<p>nothing here</p>");
  const auto counters = [] { return world_->chromium->connection().counters().commands; };
  const auto before = counters();
  const auto none = act("extract", R"({"list": true, "fields": {"title": "string"}})");

  // A page without scripts is asked once, and its answer is final.
  ASSERT_TRUE(none) << none.error().describe();
  EXPECT_EQ(json::serialize(none->output), "[]");
  EXPECT_LE(counters() - before, 2u);
}

TEST_F(NativeExtract, WaitsForWhatATimerBringsALittleLater) {
  page(R"(<ul id=l></ul><script>setTimeout(() => {
    l.innerHTML = '<li><b class=title>A</b></li><li><b class=title>B</b></li>'; }, 900)</script>)");

  EXPECT_EQ(extracted(R"({"list": true, "fields": {"title": "string"}})"),
            R"([{"title":"A"},{"title":"B"}])");
}

TEST_F(NativeExtract, WaitsForWhatAScriptStillFetches) {
  world_->pages.html["/late"] = "x";
  page(R"(<ul id=l></ul><script>setTimeout(() => fetch('/late').then(() => setTimeout(() => {
    l.innerHTML = '<li><b class=title>A</b></li><li><b class=title>B</b></li>'; }, 200)), 50)</script>)");

  EXPECT_EQ(extracted(R"({"list": true, "fields": {"title": "string"}})"),
            R"([{"title":"A"},{"title":"B"}])");
}

// Most of what reads pages is sent to them only when a step turns out to need it.
TEST_F(NativeExtract, GetsWhatItNeedsBesidesForValuesOfSelectors) {
  page(R"(<ul><li><b>Red</b><i class=stars><svg class=full></svg></i><u>4.5 out of 5 stars</u></li>
    <li><b><span aria-hidden=true>AB</span> Blue</b><i></i><u>3 out of 5 stars</u></li></ul>
    <p>Maker: Lamp Works</p>)");

  EXPECT_EQ(extracted(R"({"items": "li", "fields": {"name": {"selector": "b"}}})"),
            R"([{"name":"Red"},{"name":"Blue"}])");
  EXPECT_EQ(extracted(R"({"items": "li", "fields": {"name": {"selector": "b"},
                          "rating": {"selector": "u", "type": "rating"}}})"),
            R"([{"name":"Red","rating":4.5E0},{"name":"Blue","rating":3E0}])");
  EXPECT_EQ(extracted(R"({"fields": {"first": {"selector": "li b"}, "maker": "string"}})"),
            R"({"first":"Red","maker":"Lamp Works"})");
}

TEST_F(NativeExtract, FindsRecordsInThePageAndInItsShadowRoots) {
  page(R"(<p class=row>one</p><x-list></x-list><div id=plain></div><script>
    const put = (e, text) => { e.attachShadow({mode: 'open'}).innerHTML = text; };
    put(document.querySelector('x-list'), '<p class=row>two</p><section id=in></section>');
    put(document.querySelector('x-list').shadowRoot.querySelector('#in'), '<p class=row>three</p>');
    put(document.querySelector('#plain'), '<p class=row>four</p><button>Deep</button>');</script>)");

  EXPECT_EQ(extracted(R"({"items": ".row", "fields": {"t": {"selector": ":scope"}}})"),
            R"([{"t":"one"},{"t":"two"},{"t":"four"},{"t":"three"}])");
  EXPECT_TRUE(act("click", R"({"selector": "button"})"));
  const auto hidden = act("click", R"({"selector": ".row:empty"})");
  EXPECT_EQ(hidden.error().code, Errc::target_not_found) << hidden.error().describe();
}

}  // namespace
}  // namespace troupe::interact
