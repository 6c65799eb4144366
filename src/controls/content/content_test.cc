#include "controls/content/content.h"

#include <gtest/gtest.h>

namespace tollgate::content {
namespace {

constexpr std::string_view kRule = "routes.chat.content";
constexpr Finding kFinding{"secrets.aws_access_key", 1, 112, 20};

TEST(Content, RefusesAMatchAndSaysWhatAndWhere) {
  const auto verdict = check(Policy{}, kFinding, "messages[3].content", kRule);
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, Reason::kContentRefused);
  EXPECT_EQ(verdict.error().rule, kRule);
  EXPECT_EQ(verdict.error().param, "messages[3].content");
  for (const char* part : {"secrets.aws_access_key", "messages[3].content", "20 bytes", "112"})
    EXPECT_NE(verdict.error().message.find(part), std::string::npos) << verdict.error().message;
  EXPECT_FALSE(verdict.error().retry_after);
}

TEST(Content, DecidesTheSameWhenObserving) {
  EXPECT_FALSE(check(Policy{.mode = Mode::kObserve}, kFinding, "prompt", kRule));
}

TEST(Content, LetsPassWhatIsOnlyFlagged) {
  EXPECT_TRUE(check(Policy{.on_match = OnMatch::kFlag}, kFinding, "prompt", kRule));
}

TEST(Content, TellsWhatIsDone) {
  EXPECT_EQ(name_of(action_of(Policy{})), "refuse");
  EXPECT_EQ(name_of(action_of(Policy{.on_match = OnMatch::kFlag})), "flag");
  EXPECT_EQ(name_of(action_of(Policy{.mode = Mode::kObserve})), "observe");
  const Policy both{.mode = Mode::kObserve, .on_match = OnMatch::kFlag};
  EXPECT_EQ(name_of(action_of(both)), "observe");
}

TEST(Content, RefusesWhatCannotBeInspected) {
  const auto refused = refuse_unread("'prompt' is given as token ids.", kRule, "prompt");
  EXPECT_EQ(refused.error().reason, Reason::kContentRefused);
  EXPECT_EQ(refused.error().message, "'prompt' is given as token ids.");
  EXPECT_EQ(refused.error().param, "prompt");
}

}  // namespace
}  // namespace tollgate::content
