#include "api/markdown.h"

#include <gmock/gmock.h>

#include "base/random.h"

namespace troupe::api {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::string markdown(std::string_view html) { return markdown_of(html, "https://a.example/b/"); }

struct Row {
  const char* name;
  const char* html;
  const char* expected;
};
class Markdown : public testing::TestWithParam<Row> {};

TEST_P(Markdown, Is) { EXPECT_EQ(markdown(GetParam().html), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    All, Markdown,
    testing::Values(
        Row{"empty", "", ""}, Row{"text", "  a \n b ", "a b\n"},
        Row{"headings", "<h1>A</h1><p>b</p><h3 class=x>C</h3>", "# A\n\nb\n\n### C\n"},
        Row{"emphasis", "<p>a <b>b</b> <em>c</em>, <code>d</code>", "a **b** *c*, `d`\n"},
        Row{"links", "<a href='c?d=1&amp;e=2'>x</a> <a href='javascript:y()'>z</a>",
            "[x](https://a.example/b/c?d=1&e=2) z\n"},
        Row{"images", "<img src=/i.png alt='an image'><img src=x>",
            "![an image](https://a.example/i.png)\n"},
        Row{"lists", "<ul><li>a<li>b<ol><li>c</li><li>d</li></ol></ul>e",
            "- a\n- b\n  1. c\n  2. d\n\ne\n"},
        Row{"scripts", "a<script>if (1 < 2) x('</p>')</script><style>b{}</style><!-- c -->d",
            "ad\n"},
        Row{"title", "<html><head><title>T</title></head><body>b</body></html>", "b\n"},
        Row{"pre", "<pre>a\n  b</pre>", "```\na\n  b\n```\n"},
        Row{"quote", "<blockquote>a<br>b</blockquote>c", "> a\n> b\n\nc\n"},
        Row{"table", "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 </td></tr></table>",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n"},
        Row{"references", "&lt;&#65;&#x42;&amp;&nbsp;&unknown;&", "<AB& &unknown;&\n"},
        Row{"stray", "1 < 2 </p></ul> <", "1 < 2\n\n<\n"}),
    [](const auto& row) { return row.param.name; });

TEST(Markdown, OutlinesAPage) {
  const auto outline = outline_of(
      R"(<title> A  page </title><meta name=description content="What it is">
         <h1>One <a href="/x">link</a></h1><h2>Two</h2><a href="mailto:a@b.example">mail</a>)",
      "https://a.example/");
  EXPECT_EQ(outline.title, "A page");
  EXPECT_EQ(outline.description, "What it is");
  EXPECT_THAT(outline.headings, ElementsAre("One link", "Two"));
  EXPECT_THAT(outline.links,
              ElementsAre(Pair("link", "https://a.example/x"), Pair("mail", "mailto:a@b.example")));
}

TEST(Markdown, TakesGarbageWithoutHarm) {
  Random random(3);
  const std::string_view parts[] = {"<",  ">",     "</",   "a",    "<ul>", "<li", "=\"", "'",
                                    "&#", "</pre", "<td>", "<!--", "-->",  "\n",  "<a ", "href"};
  for (int round = 0; round < 2'000; ++round) {
    std::string html;
    for (int i = 0; i < 30; ++i) html += parts[random.between(0, 15)];
    EXPECT_LT(markdown(html).size(), 8'192u);
    (void)outline_of(html, "https://a.example/");
  }
}

}  // namespace
}  // namespace troupe::api
