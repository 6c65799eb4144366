// What providers were seen to count beyond us, on the path of a request.
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

TEST(LearnedCount, IsHeldUpToTheMostThatCanBe) {
  Count count;
  count.tokens = kTokensMax - 1;
  count.margin = 3 * kTokensMax;
  EXPECT_EQ(count.held(), kTokensMax);
}

class LearnedCounts : public PipelineTest {
 protected:
  LearnedCounts() : PipelineTest(kAllCounted) {}
  static inline const std::string kAllCounted = settings_with(
      "output_tokens: 100, choices: 2 }", "output_tokens: 100, choices: 2, count_input: always }");

  // Says hello; the provider reports so much input. What was held of the input.
  Tokens serve(Tokens input) {
    world.upstreams.script.pieces = {whole(reported(input, 2))};
    const auto caller = world.serve(ask(std::string(kHello)));
    EXPECT_EQ(caller->status, 200) << caller->text;
    return world.ledger.limits[1].amount;
  }
  bool says(std::size_t from_last, const std::string& text) const {
    const auto& records = world.trail.records;
    return records[records.size() - 1 - from_last].written.find(text) != std::string::npos;
  }
};

TEST_F(LearnedCounts, AreHeldAndChargedOnceTheyWereSeenThreeTimes) {
  EXPECT_EQ(serve(kHelloTokens), kHelloTokens);
  EXPECT_FALSE(says(0, "input_reported"));
  for (int i = 0; i < 3; ++i) {
    // More than was held is charged as what was held, and told as it was.
    EXPECT_EQ(serve(30), kHelloTokens);
    EXPECT_EQ(settled().used.input, kHelloTokens);
    EXPECT_TRUE(says(0, "\"input_reported\":30,"));
  }
  EXPECT_EQ(serve(30), 30);
  EXPECT_EQ(settled().used.input, 30);
  EXPECT_FALSE(says(0, "input_reported"));
  EXPECT_TRUE(says(1, "\"input_tokens_counted\":9,\"input_tokens_margin\":21,"));
  // Who uses less is charged less, and of whom nobody says what he used is charged the count.
  EXPECT_EQ(serve(12), 30);
  EXPECT_EQ(settled().used.input, 12);
  world.upstreams.script.pieces = {whole("")};
  world.serve(ask(std::string(kHello)));
  EXPECT_EQ(settled().used.input, kHelloTokens);
  expect_clean_books();
}

// A provider that lies makes nothing free, and nothing so dear that nobody is served.
TEST_F(LearnedCounts, OfASmallRequestAreLittleForALargeOne) {
  for (int i = 0; i < 3; ++i) serve(1'000'000'000);
  EXPECT_EQ(serve(kHelloTokens), kHelloTokens + 1024);
}

// What the operator allows of a prompt is by its count, whatever providers say.
TEST_F(LearnedCounts, AreNoPartOfThePromptCap) {
  std::string many(R"({"model":"small","messages":[{"role":"user","content":")");
  for (int i = 0; i < 12'000; ++i) many += " word";
  many += "\"}]}";
  world.upstreams.script.pieces = {whole(reported(1'000'000'000, 2))};
  for (int i = 0; i < 4; ++i) {
    const auto caller = world.serve(ask(many));
    EXPECT_EQ(caller->status, 200) << caller->text;
  }
  EXPECT_TRUE(says(1, "\"input_tokens_counted\":12007,\"input_tokens_margin\":36085,"));
}

// What is learned while a request runs is not held for it, so it is not charged either.
class LearnedMeanwhile : public PipelineTest {
 protected:
  void learn_from_others() {
    world.upstreams.script = Script{};
    world.upstreams.script.pieces = {whole(reported(100, 4))};
    const std::string bob = world.add_key("acme", "bob");
    for (int i = 0; i < 3; ++i) (void)world.serve(ask_as(bob, std::string(kHello)));
  }
};

TEST_F(LearnedMeanwhile, IsNotChargedForAStreamThatIsLeft) {
  (void)world.serve(ask(std::string(kHello)));  // All is far, so the next is held at a bound.
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces = {chunk("the answer")};
  world.upstreams.script.hangs_after_pieces = true;
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  ASSERT_NE(last().written.find("\"bound\":true"), std::string::npos);
  learn_from_others();
  caller->leave();
  EXPECT_EQ(settled().used.input, kHelloTokens);
  expect_clean_books();
}

TEST_F(LearnedMeanwhile, IsNotChargedForAReplyThatNeverComes) {
  (void)world.serve(ask(std::string(kHello)));
  world.upstreams.script.hangs_before_head = true;
  const auto caller = world.serve(ask(std::string(kHello)));
  ASSERT_NE(last().written.find("\"bound\":true"), std::string::npos);
  learn_from_others();
  caller->leave();
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
