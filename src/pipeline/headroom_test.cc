#include "pipeline/headroom.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

TEST(Headroom, IsFarWhileHalfIsLeft) {
  limits::Policy limit;
  limit.limit = 1000;
  const LimitCharge limit_charge{&limit, "acme", 1};
  cost::Policy budget;
  budget.limit = Money{1000};
  const BudgetCharge budget_charge{&budget, "acme", Money{1}};
  for (const std::int64_t left : {1000, 500, 499, 0, -1}) {
    audit::LimitEvidence limit_left;
    limit_left.remaining = left;
    audit::BudgetEvidence budget_left;
    budget_left.free = Money{left};
    Hold hold;
    hold.limits = {&limit_left, 1};
    hold.budgets = {&budget_left, 1};
    limit.figure = limits::Figure::kTotalTokensPerMinute;
    EXPECT_EQ(is_far({{&limit_charge, 1}, {}}, hold), left >= 500) << left;
    EXPECT_EQ(is_far({{}, {&budget_charge, 1}}, hold), left >= 500) << left;
    // What counts no input is not asked.
    limit.figure = limits::Figure::kRequestsPerMinute;
    EXPECT_TRUE(is_far({{&limit_charge, 1}, {}}, hold));
  }
}

Count bound_of(Tokens exact, Bytes text, Tokens unsure = 0) {
  return {.tokens = exact + text, .is_bound = true, .text = text, .unsure = unsure};
}

// What is exact of a bound is no part of what may be a half or an eighth.
TEST(Headroom, BelievesTwoToEightBytesOfTextAToken) {
  EXPECT_TRUE(is_credible(50, bound_of(0, 100)));
  EXPECT_FALSE(is_credible(51, bound_of(0, 100)));
  EXPECT_TRUE(is_credible(12, bound_of(0, 100)));
  EXPECT_FALSE(is_credible(11, bound_of(0, 100)));
  EXPECT_TRUE(is_credible(800, bound_of(800, 0)));
  EXPECT_FALSE(is_credible(100, bound_of(800, 0)));
  EXPECT_FALSE(is_credible(801, bound_of(800, 0)));
  EXPECT_TRUE(is_credible(812, bound_of(800, 100)));
  EXPECT_FALSE(is_credible(-1, bound_of(0, 0)));
  // What stands around the texts by a bound may not be there.
  EXPECT_TRUE(is_credible(712, bound_of(800, 100, 100)));
  EXPECT_FALSE(is_credible(711, bound_of(800, 100, 100)));
}

// Of each by itself: whoever asks for two in turn takes no sample from either.
TEST(Headroom, CountsOneInSixteenOfEachModel) {
  Headroom headroom;
  const Hold hold;
  headroom.held(1, {}, hold);
  std::map<std::string_view, int> counted;
  for (int i = 0; i < 160; ++i) {
    for (const std::string_view model : {"a", "b"}) {
      counted[model] += headroom.suffices(1, model) ? 0 : 1;
    }
  }
  EXPECT_EQ(counted["a"], 10);
  EXPECT_EQ(counted["b"], 10);
}

// Doubt does not go away by itself.
TEST(Headroom, DoubtsUntilFiguresHaveAgreed) {
  Headroom headroom;
  headroom.held(1, {}, Hold{});
  headroom.compared("a", Count{.tokens = 100}, 49);
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(headroom.suffices(1, "a"));
  EXPECT_TRUE(headroom.suffices(1, "b"));
  for (std::uint32_t i = 1; i < Headroom::kAgreeing; ++i)
    headroom.compared("a", Count{.tokens = 100}, 50 + i);
  EXPECT_FALSE(headroom.suffices(1, "a"));
  headroom.compared("a", Count{.tokens = 100}, 100);
  EXPECT_TRUE(headroom.suffices(1, "a"));
  headroom.compared("a", Count{.tokens = 100}, 165);
  EXPECT_FALSE(headroom.suffices(1, "a"));
}

TEST(Headroom, KnowsEverySubjectByItself) {
  Headroom::Subject subject{"1", "acme", "ada", "key", {}, "/v1/chat/completions", "small"};
  std::vector<std::uint64_t> keys{Headroom::key_of(subject)};
  for (std::string_view* part : {&subject.config_version, &subject.tenant, &subject.user,
                                 &subject.credential_id, &subject.path, &subject.model}) {
    const std::string_view before = std::exchange(*part, "other");
    keys.push_back(Headroom::key_of(subject));
    *part = before;
  }
  subject.client_ip.bytes[15] = 1;
  keys.push_back(Headroom::key_of(subject));
  std::swap(subject.tenant, subject.user);
  keys.push_back(Headroom::key_of(subject));
  std::ranges::sort(keys);
  EXPECT_TRUE(std::ranges::adjacent_find(keys) == keys.end());
}

class HeldAtABound : public PipelineTest {
 protected:
  explicit HeldAtABound(std::string_view settings = kSettings) : PipelineTest(settings) {
    world.upstreams.script.pieces = {answer};
  }

  // One more, and what its decision says of the input.
  struct Input {
    Tokens held;
    bool is_bound;
    bool operator==(const Input&) const = default;
  };
  Input input_of(const std::string& body) {
    const std::size_t before = world.trail.records.size();
    const auto caller = world.serve(ask(body));
    EXPECT_EQ(caller->status, 200) << caller->text;
    const std::string& written = world.trail.records[before].written;
    const bool is_bound = written.find("\"bound\":true") != std::string::npos;
    EXPECT_NE(
        written.find("\"input_tokens_counted\":" + std::to_string(world.ledger.limits[1].amount)),
        std::string::npos)
        << written;
    return {world.ledger.limits[1].amount, is_bound};
  }

  static std::string prompt_of(std::string_view text) {
    return R"({"model":"small","messages":[{"role":"user","content":")" + std::string(text) +
           "\"}]}";
  }

  static constexpr std::string_view kText = "The quick brown fox jumps over the lazy dog again.";
  static constexpr Tokens kCounted = 18;  // Eleven of the text, one of the role, six of framing.
  static constexpr Tokens kBound = 60;
  const std::string prompt = prompt_of(kText);
  std::string answer = whole(reported(kCounted, 4));
};

TEST_F(HeldAtABound, WhereAllIsFarAndSettledAtWhatIsReported) {
  EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));  // Nothing is known yet.
  EXPECT_EQ(world.meter.counts, 1);
  EXPECT_EQ(input_of(prompt), (Input{kBound, true}));
  EXPECT_EQ(world.meter.counts, 1);
  EXPECT_EQ(settled().used.input, kCounted);
  EXPECT_EQ(settled().used.cost, Money{kCounted + 40});
  EXPECT_EQ(settled().held, Money{kBound + 1000});
  EXPECT_EQ(last().source, kProvider);
  expect_clean_books();
}

TEST_F(HeldAtABound, OnlyWhileAllIsFar) {
  (void)input_of(prompt);
  world.ledger.free = Money{NotedLedger::kPlenty - 1};
  EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));  // The ledger refused the bound.
  EXPECT_EQ(std::ranges::count(world.story, "hold"), 3);
  EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
  EXPECT_EQ(std::ranges::count(world.story, "hold"), 4);
  world.ledger.free.reset();
  EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
  EXPECT_EQ(input_of(prompt), (Input{kBound, true}));
  // Another caller's are others.
  ada = world.add_key("acme", "bob");
  EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
}

TEST_F(HeldAtABound, IsCountedWhereItDoesNotFit) {
  (void)input_of(prompt);
  world.ledger.refusal.emplace();
  world.ledger.refusal->reason = Reason::kRateLimited;
  world.ledger.refusals = 1;
  EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
  EXPECT_EQ(input_of(prompt), (Input{kBound, true}));
  world.ledger.refusal.emplace();
  world.ledger.refusal->reason = Reason::kBudgetExhausted;
  const auto caller = world.serve(ask(prompt));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "budget_exhausted");
  const std::string& written = (world.trail.records.end() - 2)->written;
  EXPECT_NE(written.find("\"input_tokens_counted\":18"), std::string::npos) << written;
  EXPECT_EQ(written.find("\"bound\":true"), std::string::npos);
  expect_clean_books();
}

// What no count mends is refused once, and whoever is refused is counted from then on.
TEST_F(HeldAtABound, IsHeldOnceWhereNoCountWouldHelp) {
  (void)input_of(prompt);
  world.ledger.refusal.emplace();
  world.ledger.refusal->reason = Reason::kConcurrencyLimited;
  world.story.clear();
  EXPECT_EQ(world.serve(ask(prompt))->header("x-tollgate-reason"), "concurrency_limited");
  EXPECT_EQ(std::ranges::count(world.story, "hold"), 1);
  world.ledger.refusal->reason = Reason::kRateLimited;
  EXPECT_EQ(world.serve(ask(prompt))->header("x-tollgate-reason"), "rate_limited");
  EXPECT_EQ(std::ranges::count(world.story, "hold"), 2);
}

TEST_F(HeldAtABound, IsCountedOnceInSixteen) {
  int counted = 0;
  for (int i = 0; i < 65; ++i) counted += input_of(prompt).is_bound ? 0 : 1;
  EXPECT_EQ(counted, 5);  // And the first.
  EXPECT_EQ(world.meter.counts, 5);
}

TEST_F(HeldAtABound, IsCountedForAProviderWhoseFiguresDoNotAgree) {
  world.upstreams.script.pieces = {whole(reported(1, 4))};
  EXPECT_FALSE(input_of(prompt).is_bound);
  world.upstreams.script.pieces = {answer};
  for (std::uint32_t i = 0; i < Headroom::kAgreeing; ++i) EXPECT_FALSE(input_of(prompt).is_bound);
  EXPECT_TRUE(input_of(prompt).is_bound);
}

// What nobody reports, or not credibly, is billed as if it had been counted before.
TEST_F(HeldAtABound, IsBilledAsCountedUnlessTheReportIsCredible) {
  struct Case {
    std::string reply;
    Tokens billed;
    audit::UsageSource source;
    bool is_counted;
  };
  // Six tokens of framing and 54 bytes of text: 12 to 33.
  const Case cases[] = {
      {whole(""), kCounted, testing::kCounted, false},
      {whole(reported(33, 4)), 33, kProvider, false},
      {whole(reported(34, 4)), kCounted, kProvider, true},  // Within the slack of templates.
      {whole(reported(kCounted + 65, 4)), kCounted, testing::kCounted, true},
      {whole(reported(12, 4)), 12, kProvider, false},
      {whole(reported(11, 4)), 11, kProvider, true},
      {whole(reported(8, 4)), kCounted, testing::kCounted, true},
      {whole(reported(0, 4)), kCounted, testing::kCounted, true},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.reply);
    // A pipeline of its own: a bad report is remembered.
    World fresh(world.config.get(), shared_vocabularies());
    ada = fresh.add_key("acme", "ada");
    fresh.upstreams.script.pieces = {answer};
    (void)fresh.serve(ask(prompt));
    fresh.upstreams.script.pieces = {each.reply};
    (void)fresh.serve(ask(prompt));
    const Settled& settled = fresh.ledger.settled.back();
    EXPECT_EQ(settled.held, Money{kBound + 1000});
    EXPECT_EQ(settled.used.input, each.billed);
    EXPECT_EQ(fresh.trail.records.back().source, each.source);
    EXPECT_EQ(fresh.meter.counts, each.is_counted ? 2 : 1);
  }
}

TEST_F(HeldAtABound, IsCountedForAStreamThatIsCut) {
  const std::string streamed = R"({"model":"small","stream":true,)" + prompt.substr(17);
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces = {chunk("the answer"), kFinish, usage_chunk(kCounted, 2), kDone};
  EXPECT_EQ(input_of(streamed), (Input{kCounted, false}));
  EXPECT_EQ(input_of(streamed), (Input{kBound, true}));
  EXPECT_EQ(settled().used.input, kCounted);
  EXPECT_EQ(last().source, kProvider);
  world.upstreams.script.pieces = {chunk("the answer")};
  (void)world.serve(ask(streamed));
  EXPECT_EQ(settled().held, Money{kBound + 1000});
  EXPECT_EQ(settled().used.input, kCounted);
  EXPECT_EQ(settled().used.output, 2);
  EXPECT_EQ(last().source, testing::kCounted);
  expect_clean_books();
}

class NarrowPrompts : public HeldAtABound {
 protected:
  NarrowPrompts()
      : HeldAtABound(settings_with(
            "prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 2 }",
            "prompt: { body: 64KiB, input_tokens: 59, output_tokens: 100, choices: 2 }")) {}
};
TEST_F(NarrowPrompts, AreCountedWhereTheBoundIsOverTheCap) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
  const std::string shorter = prompt_of(kText.substr(1));
  EXPECT_TRUE(input_of(shorter).is_bound);
}

class NarrowContext : public HeldAtABound {
 protected:
  NarrowContext()
      : HeldAtABound(settings_with("name: llama-8b,", "name: llama-8b, context_tokens: 159,")) {}
};
TEST_F(NarrowContext, AreCountedWhereTheBoundWouldTakeOfTheOutput) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
  EXPECT_TRUE(input_of(prompt_of(kText.substr(1))).is_bound);
}

// A hold at a bound is little beside each of them, or it is counted.
struct Narrow {
  std::string_view from, to;
  bool counts;
};
class NarrowAllowances : public ::testing::TestWithParam<Narrow> {};
TEST_P(NarrowAllowances, AreHeldAtCounts) {
  World world(load_settings(settings_with(GetParam().from, GetParam().to)), shared_vocabularies());
  Ask ask;
  ask.target = "/v1/chat/completions";
  ask.headers = {{"Authorization", "Bearer " + world.add_key("acme", "ada")}};
  // Sixty tokens in at the most and a hundred out: 1,060 micro-dollars.
  ask.body =
      R"({"model":"small","messages":[{"role":"user","content":"The quick brown fox jumps over the lazy dog again."}]})";
  world.upstreams.script.pieces = {whole(reported(18, 4))};
  (void)world.serve(ask);
  ASSERT_EQ(world.trail.records.back().code, "");
  (void)world.serve(ask);
  EXPECT_EQ(world.ledger.limits[1].amount, GetParam().counts ? 18 : 60);
}
INSTANTIATE_TEST_SUITE_P(
    Of, NarrowAllowances,
    ::testing::Values(
        Narrow{"total_tokens_per_minute: 100000", "total_tokens_per_minute: 10240", false},
        Narrow{"total_tokens_per_minute: 100000", "total_tokens_per_minute: 10239", true},
        Narrow{"input_tokens_per_minute: 80000", "input_tokens_per_minute: 3840", false},
        Narrow{"input_tokens_per_minute: 80000", "input_tokens_per_minute: 3839", true},
        Narrow{"usd: 500,", "usd: 0.06784,", false}, Narrow{"usd: 500,", "usd: 0.06783,", true}));

class AlwaysCounted : public HeldAtABound {
 protected:
  AlwaysCounted()
      : HeldAtABound(settings_with("output_tokens: 100, choices: 2 }",
                                   "output_tokens: 100, choices: 2, count_input: always }")) {}
};
TEST_F(AlwaysCounted, WhereTheRouteSaysSo) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(input_of(prompt), (Input{kCounted, false}));
}

}  // namespace
}  // namespace tollgate::pipeline::testing
