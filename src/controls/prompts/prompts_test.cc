#include "controls/prompts/prompts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace tollgate::prompts {
namespace {

constexpr std::string_view kRule = "routes.chat.prompt";
constexpr Policy kPolicy{.body = 1000, .input_tokens = 300, .output_tokens = 100, .choices = 2};

Facts ordinary() { return {.body = 500, .input_tokens = 200, .choices = 1}; }

TEST(Prompts, InjectsTheCapWhereNoneIsAsked) {
  const auto caps = check(kPolicy, ordinary(), kRule);
  ASSERT_TRUE(caps);
  EXPECT_EQ(caps->output_tokens, 100);
}

TEST(Prompts, LetsASmallerWishStand) {
  Facts facts = ordinary();
  facts.output_tokens_asked = 7;
  EXPECT_EQ(check(kPolicy, facts, kRule)->output_tokens, 7);
}

TEST(Prompts, ClampsOrRefusesALargerWishByChoice) {
  Facts facts = ordinary();
  facts.output_tokens_asked = 101;
  EXPECT_EQ(check(kPolicy, facts, kRule)->output_tokens, 100);
  Policy strict = kPolicy;
  strict.on_output_over = OverCap::kRefuse;
  const auto refused = check(strict, facts, kRule);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kOutputCapExceeded);
  EXPECT_EQ(refused.error().rule, "routes.chat.prompt.output_tokens");
  EXPECT_EQ(refused.error().param, "max_tokens");
  facts.output_tokens_asked = 100;
  EXPECT_TRUE(check(strict, facts, kRule));
}

TEST(Prompts, LeavesRoomInTheContext) {
  Facts facts = ordinary();
  facts.context_tokens = 240;
  EXPECT_EQ(check(kPolicy, facts, kRule)->output_tokens, 40);
  facts.context_tokens = 201;
  EXPECT_EQ(check(kPolicy, facts, kRule)->output_tokens, 1);
  facts.context_tokens = 0;  // Unknown.
  EXPECT_EQ(check(kPolicy, facts, kRule)->output_tokens, 100);
}

TEST(Prompts, RefusesWhatIsTooLarge) {
  struct Case {
    const char* what;
    Facts facts;
    Reason reason;
    const char* rule;
  };
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const auto changed = [](auto change) {
    Facts facts = ordinary();
    change(facts);
    return facts;
  };
  const Case cases[] = {
      {"body", changed([](Facts& f) { f.body = 1001; }), Reason::kBodyTooLarge, "body"},
      {"input", changed([](Facts& f) { f.input_tokens = 301; }), Reason::kPromptTooLarge,
       "input_tokens"},
      {"huge input", changed([](Facts& f) { f.input_tokens = kHuge; }), Reason::kPromptTooLarge,
       "input_tokens"},
      {"full context", changed([](Facts& f) { f.context_tokens = 200; }), Reason::kPromptTooLarge,
       "input_tokens"},
      {"over context", changed([](Facts& f) { f.context_tokens = 1; }), Reason::kPromptTooLarge,
       "input_tokens"},
      {"choices", changed([](Facts& f) { f.choices = 3; }), Reason::kInvalidRequest, "choices"},
      {"huge choices", changed([](Facts& f) { f.choices = kHuge; }), Reason::kInvalidRequest,
       "choices"},
      {"no choice", changed([](Facts& f) { f.choices = 0; }), Reason::kInvalidRequest, "choices"},
      {"minus one", changed([](Facts& f) { f.choices = -1; }), Reason::kInvalidRequest, "choices"},
      {"no output", changed([](Facts& f) { f.output_tokens_asked = 0; }), Reason::kInvalidRequest,
       "output_tokens"},
      {"minus output", changed([](Facts& f) { f.output_tokens_asked = -kHuge; }),
       Reason::kInvalidRequest, "output_tokens"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    const auto verdict = check(kPolicy, each.facts, kRule);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().reason, each.reason);
    EXPECT_EQ(verdict.error().rule, std::string(kRule) + "." + each.rule);
    EXPECT_FALSE(verdict.error().message.empty());
    EXPECT_FALSE(verdict.error().retry_after);
  }
}

TEST(Prompts, PassesAtEveryCap) {
  Facts facts = ordinary();
  facts.body = kPolicy.body;
  facts.input_tokens = kPolicy.input_tokens;
  facts.choices = kPolicy.choices;
  facts.output_tokens_asked = kPolicy.output_tokens;
  facts.context_tokens = kPolicy.input_tokens + kPolicy.output_tokens;
  EXPECT_EQ(check(kPolicy, facts, kRule)->output_tokens, kPolicy.output_tokens);
}

TEST(Prompts, SaysThatAnInputIsOnlyBounded) {
  Facts facts = ordinary();
  facts.input_tokens = 301;
  EXPECT_EQ(check(kPolicy, facts, kRule).error().message.find("at most 301"), std::string::npos);
  facts.input_is_bound = true;
  EXPECT_NE(check(kPolicy, facts, kRule).error().message.find("at most 301"), std::string::npos);
}

TEST(Prompts, SayThatTheyAreTooLongInTheWordsThatAgentsLookFor) {
  for (const Tokens context : {Tokens{0}, Tokens{251}}) {
    SCOPED_TRACE(context);
    Facts facts = ordinary();
    facts.input_tokens = 301;
    facts.context_tokens = context;
    Policy policy = kPolicy;
    if (context > 0) policy.input_tokens = 1000;
    const std::string message = check(policy, facts, kRule).error().message;
    const std::string most = context > 0 ? "250" : "300";
    EXPECT_NE(message.find("prompt is too long: 301 tokens > " + most + " maximum"),
              std::string::npos)
        << message;
    EXPECT_NE(message.find("maximum context length is " + most + " tokens"), std::string::npos)
        << message;
  }
}

TEST(Prompts, DecidesTheSameWhenObserving) {
  Policy observing = kPolicy;
  observing.mode = Mode::kObserve;
  Facts facts = ordinary();
  facts.input_tokens = 301;
  EXPECT_FALSE(check(observing, facts, kRule));
}

TEST(Prompts, ObservesWithTheOutputAskedOrAnInjectedCap) {
  Facts facts = ordinary();
  EXPECT_EQ(observe(kPolicy, facts).output_tokens, 100);
  facts.output_tokens_asked = 5000;
  EXPECT_EQ(observe(kPolicy, facts).output_tokens, 5000);
}

// Whatever is asked: what passes is within every cap and can be held, and asking for less of
// anything never turns a pass into a refusal.
TEST(Prompts, HoldsItsCapsForAnyRequest) {
  std::mt19937_64 random{17};
  const auto any = [&random](std::int64_t around) -> std::int64_t {
    switch (random() % 4) {
      case 0:
        return static_cast<std::int64_t>(random() % 3);
      case 1:
        return around - 2 + static_cast<std::int64_t>(random() % 5);
      case 2:
        return static_cast<std::int64_t>(random() >> 1);
      default:
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(2 * around));
    }
  };
  int passed = 0;
  for (int step = 0; step < 50'000; ++step) {
    SCOPED_TRACE(step);
    Policy policy = kPolicy;
    policy.on_output_over = random() % 2 != 0 ? OverCap::kClamp : OverCap::kRefuse;
    Facts facts{.body = any(policy.body), .input_tokens = any(policy.input_tokens)};
    facts.choices = any(policy.choices);
    facts.context_tokens = any(policy.input_tokens + policy.output_tokens);
    if (random() % 2 != 0) facts.output_tokens_asked = any(policy.output_tokens);

    const Tokens observed = observe(policy, facts).output_tokens;
    ASSERT_GE(observed, 1);
    ASSERT_TRUE(observed == 1 || static_cast<__int128>(observed) * facts.choices <= kTokensMax);

    const auto caps = check(policy, facts, kRule);
    if (!caps) continue;
    ++passed;
    ASSERT_LE(facts.body, policy.body);
    ASSERT_LE(facts.input_tokens, policy.input_tokens);
    ASSERT_TRUE(facts.choices >= 1 && facts.choices <= policy.choices);
    ASSERT_TRUE(caps->output_tokens >= 1 && caps->output_tokens <= policy.output_tokens);
    ASSERT_LE(caps->output_tokens, facts.output_tokens_asked.value_or(policy.output_tokens));
    if (facts.context_tokens > 0) {
      ASSERT_LE(facts.input_tokens + caps->output_tokens, facts.context_tokens);
    }

    Facts less = facts;
    less.body /= 2;
    less.input_tokens /= 2;
    less.choices = std::max<std::int64_t>(less.choices / 2, 1);
    if (less.output_tokens_asked) less.output_tokens_asked = 1;
    ASSERT_TRUE(check(policy, less, kRule));
  }
  EXPECT_GT(passed, 500);
}

TEST(Prompts, ListTheHostsOfMedia) {
  Policy policy = kPolicy;
  const auto passes = [&](std::string_view host) {
    return check_media(policy, host, "messages[0]", kRule).has_value();
  };
  EXPECT_FALSE(passes("a.example"));
  policy.media_domains = {"a.example", "*.b.example"};
  for (const char* host : {"a.example", "x.b.example", "x.y.b.example"})
    EXPECT_TRUE(passes(host)) << host;
  for (const char* host : {"", "example", "b.example", ".b.example", "x.a.example", "a.example.c",
                           "xb.example", "a.examplee", "aa.example", "*.b.example.c"})
    EXPECT_FALSE(passes(host)) << host;
  const auto refused = check_media(policy, "c.example", "messages[0].x", kRule);
  EXPECT_EQ(refused.error().reason, Reason::kUnsupportedParameter);
  EXPECT_EQ(refused.error().rule, std::string(kRule) + ".media_domains");
  EXPECT_EQ(refused.error().param, "messages[0].x");
}

}  // namespace
}  // namespace tollgate::prompts
