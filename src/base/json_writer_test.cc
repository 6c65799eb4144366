#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <boost/json/src.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

namespace tollgate {
namespace {

namespace json = boost::json;

std::string written(std::string_view text) {
  std::string out;
  JsonWriter(out).value(text);
  return out;
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto tail = [&out, c](int shift) {
    out.push_back(static_cast<char>(0x80 | ((c >> shift) & 0x3f)));
  };
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (c >> 6)));
    tail(0);
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (c >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xf0 | (c >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

TEST(JsonWriter, WritesEveryKindOfValueFlat) {
  std::string out = "kept:";
  JsonWriter writer(out);
  writer.begin_object();
  writer.member("text", "a");
  writer.member("owned", std::string("b"));
  writer.member("yes", true);
  writer.member("no", false);
  writer.member("small", std::numeric_limits<std::int64_t>::min());
  writer.member("large", std::numeric_limits<std::uint64_t>::max());
  writer.member("int", -3);
  writer.member("tenth", 0.1);
  writer.key("nothing");
  writer.null();
  writer.key("raw");
  writer.raw(R"({"x":[1]})");
  writer.key("list");
  writer.begin_array();
  writer.begin_array();
  writer.end_array();
  writer.value(1);
  writer.begin_object();
  writer.end_object();
  writer.value("z");
  writer.end_array();
  writer.member("last", 1);
  writer.end_object();
  EXPECT_EQ(out,
            R"(kept:{"text":"a","owned":"b","yes":true,"no":false,"small":-9223372036854775808,)"
            R"("large":18446744073709551615,"int":-3,"tenth":0.1,"nothing":null,)"
            R"("raw":{"x":[1]},"list":[[],1,{},"z"],"last":1})");
}

TEST(JsonWriter, EscapesWhatCouldBreakALineATerminalOrAReader) {
  const struct {
    std::string text, json;
  } cases[] = {
      {"", R"("")"},
      {R"(a"b\c/)", R"("a\"b\\c/")"},
      {"\n\r\t", R"("\n\r\t")"},
      {std::string("\0\x1b[31m\x7f", 7), R"("\u0000\u001b[31m\u007f")"},
      {"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0\xc2\xa9", "\"\\u0080\\u009b\\u009f\xc2\xa0\xc2\xa9\""},
      {"\xe2\x80\xa8\xe2\x80\xa9", R"("\u2028\u2029")"},
      {"\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xaa\xe2\x80\xae", R"("\u200e\u200f\u202a\u202e")"},
      {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
       "\"\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa\""},
      {"\xf3\xa0\x80\x81\xf3\xa0\x81\xbf\xf3\xa0\x82\x80",
       "\"\\udb40\\udc01\\udb40\\udc7f\xf3\xa0\x82\x80\""},
      {"\xe2\x80\x94 \xe2\x82\xac \xf0\x9f\x99\x82",
       "\"\xe2\x80\x94 \xe2\x82\xac \xf0\x9f\x99\x82\""},
  };
  for (const auto& [text, json] : cases) EXPECT_EQ(written(text), json);
}

// A character that is cut at the end of a text never makes the writer read beyond it.
TEST(JsonWriter, StaysWithinATextThatIsCut) {
  for (const std::string whole : {"\xc2\x9b", "\xe2\x80\xa8", "\xf3\xa0\x80\x81"}) {
    for (std::size_t length = 1; length < whole.size(); ++length) {
      const std::string cut = whole.substr(0, length);
      EXPECT_EQ(written(cut), '"' + cut + '"');
    }
  }
}

// For any text: what is written is one line without a control, and reads back the same.
TEST(JsonWriter, ReadsBackAsTheSameTextForAnyText) {
  std::mt19937_64 random{5};
  constexpr std::uint32_t kStarts[] = {0, 0x20, 0x78, 0x2000, 0x2020, 0x2060, 0xe0000, 0x1f600};
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    std::string text;
    for (std::size_t left = random() % 20; left > 0; --left) {
      std::uint32_t c = random() % 4 == 0 ? static_cast<std::uint32_t>(random() % 0x110000)
                                          : kStarts[random() % 8] + random() % 0x90;
      if (c >= 0xd800 && c < 0xe000) c = '"';
      append_utf8(text, c);
    }
    const std::string out = written(text);
    for (const char c : out) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    ASSERT_EQ(json::parse(out).as_string(), text);
  }
}

TEST(JsonWriter, WritesNumbersThatReadBackTheSame) {
  std::mt19937_64 random{6};
  for (int step = 0; step < 20'000; ++step) {
    const auto whole = static_cast<std::int64_t>(random());
    double real = 0;
    const std::uint64_t bits = random();
    std::memcpy(&real, &bits, sizeof real);
    if (!std::isfinite(real)) continue;
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    writer.value(whole);
    writer.value(real);
    writer.end_array();
    const std::string digits = out.substr(out.find(',') + 1, out.size() - out.find(',') - 2);
    ASSERT_EQ(json::parse(out).at(0).to_number<std::int64_t>(), whole);
    ASSERT_EQ(std::strtod(digits.c_str(), nullptr), real) << out;
  }
}

// Writes a value of any shape and the same value for the other library to compare with.
json::value any_value(JsonWriter& writer, std::mt19937_64& random, int depth) {
  const std::uint64_t kind = random() % (depth > 0 ? 6 : 4);
  switch (kind) {
    case 0:
      writer.null();
      return nullptr;
    case 1:
      writer.value(true);
      return true;
    case 2:
      writer.value(static_cast<std::int64_t>(depth));
      return static_cast<std::int64_t>(depth);
    case 3:
      writer.value("\"\xe2\x80\xa8");
      return "\"\xe2\x80\xa8";
    case 4: {
      json::array made;
      writer.begin_array();
      for (std::uint64_t left = random() % 4; left > 0; --left) {
        made.push_back(any_value(writer, random, depth - 1));
      }
      writer.end_array();
      return made;
    }
    default: {
      json::object made;
      writer.begin_object();
      for (std::uint64_t left = random() % 4; left > 0; --left) {
        const std::string name = "\n" + std::to_string(left);
        writer.key(name);
        made[name] = any_value(writer, random, depth - 1);
      }
      writer.end_object();
      return made;
    }
  }
}

TEST(JsonWriter, WritesWhatAnotherLibraryReadsForAnyShape) {
  std::mt19937_64 random{7};
  for (int step = 0; step < 5'000; ++step) {
    SCOPED_TRACE(step);
    std::string out;
    JsonWriter writer(out);
    const json::value expected = any_value(writer, random, 5);
    ASSERT_EQ(json::parse(out), expected) << out;
  }
}

TEST(JsonWriterDeathTest, TakesANumberThatJsonCannotSayForABug) {
  std::string out;
  JsonWriter writer(out);
  EXPECT_DEATH(writer.value(std::numeric_limits<double>::infinity()), "CHECK");
}

}  // namespace
}  // namespace tollgate
