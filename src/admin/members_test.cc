// Names of what is made here are seen as they are.
#include "admin/members.h"

#include <gtest/gtest.h>

#include "admin/key_wish.h"
#include "admin/new_token.h"

namespace tollgate::admin {
namespace {

TEST(Members, TakeNoTextThatIsNotSeenAsItIs) {
  struct Row {
    std::string_view what;
    std::string text;
    bool good;
  };
  const Row rows[] = {
      {"plain", "night shift", true},
      {"quotes and slashes", R"(a "b" \c /d)", true},
      {"accents", "Zo\u00eb \u0141ukasz", true},
      {"right to left letters", "\u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645", true},
      {"pictures", "\U0001f511", true},
      {"as long as may be", std::string(kTextBytesMax, 'a'), true},
      {"longer", std::string(kTextBytesMax + 1, 'a'), false},
      {"a line end", "a\nb", false},
      {"a tab", "a\tb", false},
      {"a bell", "a\ab", false},
      {"a nought", std::string("a\0b", 3), false},
      {"an escape sequence", "\x1b[31mred", false},
      {"delete", "a\x7f", false},
      {"a control of the upper half", "a\u009b31m", false},
      {"an override", "a\u202etxt.exe", false},
      {"an embedding", "a\u202ab", false},
      {"an isolate", "a\u2066b\u2069", false},
      {"a mark", "a\u200fb", false},
      {"nothing that is seen", "a\u200bb", false},
      {"a line separator", "a\u2028b", false},
      {"a byte order mark", "\ufeffname", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(check_text("name", row.text).has_value(), row.good) << row.what;
  }
}

// Wherever a name is read.
TEST(Members, AreCheckedInEveryBody) {
  const WallTime now{};
  const std::string_view bodies[] = {
      R"({"tenant":"acme","name":"a\u202eb"})",
      R"({"tenant":"acme","user":"a\u0007b"})",
      R"({"tenant":"ac\nme"})",
      R"({"tenant":"acme","roles":["good","a\u001b[2Jb"]})",
      R"({"tenant":"acme","scopes":{"models":["a\u200bb"]}})",
  };
  for (const std::string_view body : bodies) {
    const OrWords<KeyWish> wish = read_wish(body, now);
    ASSERT_FALSE(wish) << body;
    EXPECT_TRUE(wish.error().contains("not seen as it is")) << wish.error();
  }
  EXPECT_TRUE(read_wish(R"({"tenant":"acme","name":"laptop","roles":["r"]})", now));
  EXPECT_FALSE(read_token_wish(R"({"name":"a\u202eb","role":"viewer"})", now));
  EXPECT_FALSE(
      read_token_wish(R"({"name":"a","role":"viewer","tenants":["acme","a\u2067"]})", now));
  EXPECT_TRUE(read_token_wish(R"({"name":"a","role":"viewer","tenants":["acme"]})", now));
  EXPECT_FALSE(
      read_token_wish(R"({"name":"a","role":"viewer","expires":"1969-12-31T00:00:00Z"})", now));
  TokenWish wish;
  wish.name = "a\x1b]0;title\a";
  EXPECT_FALSE(check(wish, now)) << "what a command is told";
}

}  // namespace
}  // namespace tollgate::admin
