#include "base/json_escapes.h"

#include <gtest/gtest.h>

#include <string>

namespace tollgate {
namespace {

struct Row {
  const char* json;
  const char* plain;
};

std::string plain(std::string_view json) {
  std::string out;
  const std::size_t read = append_plain_json(json, out);
  return out += json.substr(read);
}

TEST(JsonEscapes, AreNoMoreThanHaveToBe) {
  const Row rows[] = {
      {R"({"a":"b"})", R"({"a":"b"})"},
      {R"(\u0041\u006b)", "Ak"},
      {R"(\u00e9\u20AC\u202e)", "\u00e9\u20ac\u202e"},
      {R"(\ud83d\ude00)", "\U0001F600"},
      {R"(\uDB40\uDC41)", "\U000E0041"},
      {R"(https:\/\/a.example)", "https://a.example"},
      {R"(\u002f)", "/"},
      // What JSON has to escape.
      {R"(\n\t\"\\)", R"(\n\t\"\\)"},
      {R"(\u000a\u0009\u0022\u005c\u0008\u000C\u000d)", R"(\n\t\"\\\b\f\r)"},
      {R"(\u001B)", R"(\u001b)"},
      {R"(\u007f)", "\x7f"},
      // An escaped backslash begins no escape.
      {R"(\\u202e)", R"(\\u202e)"},
      {R"(\\\u0041)", R"(\\A)"},
      // No escapes.
      {R"(\ud83d)", R"(\ud83d)"},
      {R"(\ude00\ud83d)", R"(\ude00\ud83d)"},
      {R"(\ud83d\u0041)", R"(\ud83dA)"},
      {R"(\ud83dx)", R"(\ud83dx)"},
      {R"(\u12g4 \q \users)", R"(\u12g4 \q \users)"},
      {R"(\)", R"(\)"},
      {"", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.json);
    EXPECT_EQ(plain(row.json), row.plain);
  }
}

TEST(JsonEscapes, AreReadTheSameHoweverTheyAreCut) {
  const std::string json = R"({"a":"\u0041\ud83d\ude00\\u0041\n\u202e\ud83d \/\u00zz\)";
  const std::string whole = plain(json);
  for (std::size_t first = 0; first <= json.size(); ++first) {
    for (std::size_t second = first; second <= json.size(); ++second) {
      std::string out;
      std::string carried;
      for (const std::string& piece :
           {json.substr(0, first), json.substr(first, second - first), json.substr(second)}) {
        carried += piece;
        carried.erase(0, append_plain_json(carried, out));
        EXPECT_LT(carried.size(), 12U);
      }
      EXPECT_EQ(out + carried, whole);
    }
  }
}

TEST(JsonEscapes, LeadToWhereTheyStand) {
  const std::string json = R"(ab\u0041\ud83d\ude00c\n)";
  std::string out;
  append_plain_json(json, out);
  ASSERT_EQ(out, "abA\U0001F600c\\n");
  const std::size_t origins[] = {0, 1, 2, 8, 8, 8, 8, 20, 21, 21, 23};
  for (std::size_t at = 0; at <= out.size(); ++at) EXPECT_EQ(origin_in_json(json, at), origins[at]);
}

}  // namespace
}  // namespace tollgate
