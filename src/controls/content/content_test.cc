#include "controls/content/content.h"

#include <gtest/gtest.h>

namespace tollgate::content {
namespace {

constexpr std::string_view kRule = "routes.chat.content";
constexpr Finding kFinding{"secrets.aws_access_key", 1, 112, 20};

TEST(Content, RefusesAMatchAndSaysWhatAndWhere) {
  const auto verdict = refuse_found(kFinding, "messages[3].content", kRule);
  EXPECT_EQ(verdict.error().reason, Reason::kContentRefused);
  EXPECT_EQ(verdict.error().rule, kRule);
  EXPECT_EQ(verdict.error().param, "messages[3].content");
  for (const char* part : {"secrets.aws_access_key", "messages[3].content", "20 bytes", "112"})
    EXPECT_NE(verdict.error().message.find(part), std::string::npos) << verdict.error().message;
  EXPECT_FALSE(verdict.error().retry_after);
}

constexpr Rule kRules[] = {
    {"secrets.a", Pack::kSecrets}, {"pii.email", Pack::kPii}, {"pii.iban", Pack::kPii}};
using Actions = std::vector<Action>;

Actions actions_of(Policy policy) {
  resolve(policy, kRules);
  return policy.actions;
}

TEST(Content, DoesNothingAboutPacksThatNobodyAskedFor) {
  EXPECT_EQ(actions_of({.request = {Pack::kPii}}),
            (Actions{Action::kNone, Action::kRefuse, Action::kRefuse}));
  EXPECT_EQ(actions_of({.request = {Pack::kPii, Pack::kSecrets}, .except = {"pii.email"}}),
            (Actions{Action::kRefuse, Action::kNone, Action::kRefuse}));
}

TEST(Content, DoesWhatTheModeAndTheMatchSay) {
  EXPECT_EQ(actions_of({.mode = Mode::kObserve, .request = {Pack::kPii}})[1], Action::kObserve);
  EXPECT_EQ(actions_of({.request = {Pack::kPii}, .on_match = OnMatch::kFlag})[1], Action::kFlag);
  EXPECT_EQ(
      actions_of({.mode = Mode::kObserve, .request = {Pack::kPii}, .on_match = OnMatch::kFlag})[1],
      Action::kFlag);
}

// What is said of a rule stands above what is said of its pack, in whichever order.
TEST(Content, DoesForAPackOrARuleWhatIsSaidOfIt) {
  const Policy policy{.request = {Pack::kSecrets, Pack::kPii},
                      .overrides = {{"pii.iban", Mode::kEnforce, std::nullopt},
                                    {"pii", Mode::kObserve, std::nullopt}}};
  EXPECT_EQ(actions_of(policy), (Actions{Action::kRefuse, Action::kObserve, Action::kRefuse}));
}

TEST(Content, DoesTheSameForAnswersByTheirPacks) {
  Policy policy{.request = {Pack::kPii},
                .response = {Pack::kSecrets},
                .overrides = {{"secrets.a", std::nullopt, OnMatch::kFlag}}};
  resolve(policy, kRules);
  EXPECT_EQ(policy.answer_actions, (Actions{Action::kFlag, Action::kNone, Action::kNone}));
  EXPECT_EQ(policy.actions, (Actions{Action::kNone, Action::kRefuse, Action::kRefuse}));
}

TEST(Content, RefusesAnAnswerAndSaysWhatAndWhere) {
  const auto refused = refuse_answer("secrets.a", "choices[0].message.content", kRule);
  EXPECT_EQ(refused.error().reason, Reason::kContentRefused);
  EXPECT_EQ(refused.error().rule, kRule);
  for (const char* part : {"secrets.a", "choices[0].message.content"})
    EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
}

TEST(Content, NamesWhatIsDone) {
  EXPECT_EQ(name_of(Action::kRefuse), "refuse");
  EXPECT_EQ(name_of(Action::kFlag), "flag");
  EXPECT_EQ(name_of(Action::kObserve), "observe");
}

TEST(Content, RefusesWhatCannotBeInspected) {
  const auto refused = refuse_unread("'prompt' is given as token ids.", kRule, "prompt");
  EXPECT_EQ(refused.error().reason, Reason::kContentRefused);
  EXPECT_EQ(refused.error().message, "'prompt' is given as token ids.");
  EXPECT_EQ(refused.error().param, "prompt");
}

}  // namespace
}  // namespace tollgate::content
