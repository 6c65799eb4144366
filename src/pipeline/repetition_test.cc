// Answers that repeat themselves without an end: what is ended, how, and what it costs.
#include <gtest/gtest.h>

#include <string>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

std::string settings_of(std::string_view mode) {
  std::string text(kSettings);
  for (const std::string_view choices : {"choices: 2 }", "choices: 1 }"}) {
    for (std::size_t at = 0; (at = text.find(choices, at)) != std::string::npos; at += 2) {
      text.insert(at, "on_repeating_output: end, mode: " + std::string(mode) + ", ");
      at += 60;
    }
  }
  for (std::size_t at = 0; (at = text.find("output_tokens: 100,", at)) != std::string::npos;) {
    text.replace(at, 19, "output_tokens: 9000,");
  }
  return text;
}

class RepetitionTest : public PipelineTest {
 protected:
  explicit RepetitionTest(std::string_view mode = "enforce") : PipelineTest(settings_of(mode)) {}
  static constexpr int kChunks = 4'000;
  std::unique_ptr<Caller> streamed() {
    world.upstreams.script.content_type = "text/event-stream";
    world.upstreams.script.pieces.clear();
    for (int i = 0; i < kChunks; ++i) world.upstreams.script.pieces.push_back(chunk("no no "));
    world.upstreams.script.pieces.push_back(kFinish + kDone);
    return world.serve(ask(std::string(kHelloStreamed)));
  }
};

TEST_F(RepetitionTest, IsEndedAsTheOutputCapWouldEndIt) {
  const auto caller = streamed();
  EXPECT_EQ(caller->status, 200);
  EXPECT_NE(caller->text.find(R"("finish_reason":"length")"), std::string::npos);
  EXPECT_TRUE(caller->text.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(last().code, "repeating_output");
  // About 8 KiB of it, two tokens each six bytes.
  EXPECT_GT(settled().used.output, 2'600);
  EXPECT_LT(settled().used.output, 3'000);
  expect_clean_books();
}

TEST_F(RepetitionTest, EndsMessagesAsTheirDialectDoes) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces = {claude_opening(9)};
  for (int i = 0; i < kChunks; ++i) {
    world.upstreams.script.pieces.push_back(event(
        "content_block_delta",
        R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"no no "}})"));
  }
  const auto caller = world.serve(ask(
      R"({"model":"opus","max_tokens":9000,"stream":true,"messages":[{"role":"user","content":"Hello there"}]})",
      "/v1/messages"));
  EXPECT_NE(caller->text.find(R"("stop_reason":"max_tokens")"), std::string::npos);
  EXPECT_EQ(last().code, "repeating_output");
  expect_clean_books();
}

TEST_F(RepetitionTest, OfAWholeAnswerIsTold) {
  std::string text;
  for (int i = 0; i < kChunks; ++i) text += "no no ";
  world.upstreams.script.pieces = {whole(reported(9, 8'000), text)};
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
  EXPECT_EQ(last().observed, std::vector<std::string>{"routes.chat.prompt.on_repeating_output"});
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
}

TEST_F(RepetitionTest, IsNotTheSameTextOfManyChoices) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces = {chunk("the answer is simple"), kFinish, kDone};
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
  EXPECT_TRUE(last().observed.empty());
}

class ObservedRepetitionTest : public RepetitionTest {
 protected:
  ObservedRepetitionTest() : RepetitionTest("observe") {}
};

TEST_F(ObservedRepetitionTest, IsOnlyTold) {
  const auto caller = streamed();
  EXPECT_EQ(caller->text.find(R"("finish_reason":"length")"), std::string::npos);
  EXPECT_EQ(last().observed, std::vector<std::string>{"routes.chat.prompt.on_repeating_output"});
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
}

// Without being asked for, a route lets it pass: the cap ends it, which is what was paid for.
TEST_F(PipelineTest, HoldsAStreamWithoutAnEndToItsCap) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces.assign(10'000, chunk("no no "));
  const auto caller = world.serve(ask(
      R"({"model":"small","max_tokens":1000000,"stream":true,"messages":[{"role":"user","content":"Say no for ever, and never stop."}]})"));
  EXPECT_NE(caller->text.find(R"("finish_reason":"length")"), std::string::npos);
  EXPECT_EQ(last().code, "output_cap_exceeded");
  EXPECT_EQ(settled().used.output, kCap);
  EXPECT_EQ(world.ledger.settled.front().held, Money{settled().used.cost});
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
