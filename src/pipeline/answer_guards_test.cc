// Guards that are asked about answers: what their verdicts do to whole and streamed answers, to the
// books and to the record, and what happens where one is slow, down or not paid for.
#include <gtest/gtest.h>

#include <string>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kGuarded = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  claude: { url: "http://10.0.0.7:8000", speaks: anthropic }
  judge: { url: "http://10.0.0.6:9000/v1", speaks: openai }
guards:
  moderation: { kind: openai_moderation, upstream: judge, price_per_request: 0.0001, section: 64B }
  open: { kind: openai_moderation, upstream: judge, price_per_request: 0, on_failure: pass, section: 64B }
  llama: { kind: llama_guard, upstream: judge, model: llama-guard-3, price_per_request: 0, price_per_million: { input: 1, output: 1 }, section: 64B }
  watch: { kind: http, upstream: judge, path: /check, price_per_request: 0.0001, mode: observe }
  hook: { kind: http, upstream: judge, path: /check, price_per_request: 0.0001, section: 64B }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  opus: { upstream: claude, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
tenants:
  acme: { budget: { usd: 5, per: day, when_exhausted: refuse } }
routes:
  - name: chat
    path: /v1/chat/completions
    tools: { mode: observe }
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 2 }
    response_guards: [moderation]
  - name: messages
    path: /v1/messages
    models: [opus]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
    response_guards: [moderation]
)";

std::string asking(std::string_view guards, std::string_view more = "") {
  std::string text(kGuarded);
  constexpr std::string_view kAsked = "response_guards: [moderation]\n";
  const std::string asked = "response_guards: [" + std::string(guards) + "]\n" + std::string(more);
  return text.replace(text.find(kAsked), kAsked.size(), asked);
}

constexpr std::string_view kClean =
    R"({"results":[{"flagged":false,"categories":{"hate":false}}]})";
constexpr std::string_view kHate = R"({"results":[{"flagged":true,"categories":{"hate":true}}]})";

Script says(std::string_view body) {
  Script script;
  script.pieces = {std::string(body)};
  return script;
}

// Sections of 64 bytes: four of these chunks are one.
const std::string kFirst = "sixteen bytes 1.";
const std::string kSecond = "and forbidden 2.";

std::vector<std::string> chunks(const std::string& text, int count) {
  std::vector<std::string> made;
  for (int i = 0; i < count; ++i) made.push_back(chunk(text));
  return made;
}

Script streams(std::initializer_list<std::vector<std::string>> parts) {
  Script script;
  script.content_type = "text/event-stream";
  for (const auto& part : parts) {
    script.pieces.insert(script.pieces.end(), part.begin(), part.end());
  }
  return script;
}

const std::vector<std::string> kEnd = {kFinish, usage_chunk(9, 30), kDone};

class AnswerGuardsTest : public PipelineTest {
 protected:
  explicit AnswerGuardsTest(std::string_view settings = kGuarded) : PipelineTest(settings) {}

  // The model's answer, and what the guards then say.
  std::unique_ptr<Caller> serve(std::vector<Script> scripts, std::string_view body = kHello) {
    world.upstreams.first = std::move(scripts);
    return world.serve(ask(std::string(body)));
  }
  std::unique_ptr<Caller> stream(std::vector<Script> scripts) {
    return serve(std::move(scripts), kHelloStreamed);
  }
  std::string body_of(std::size_t message) const {
    const std::string& whole = world.upstreams.messages.at(message);
    return whole.substr(whole.find("\r\n\r\n") + 4);
  }
  void expect_recorded(std::string_view what) const {
    EXPECT_NE(last().written.find(what), std::string::npos) << last().written;
  }
};

TEST_F(AnswerGuardsTest, AreAskedWithTheAnswerBeforeTheCallerHasIt) {
  const auto caller = serve({says(kAnswer), says(kClean)});
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->text, kAnswer);
  EXPECT_EQ(world.upstreams.upstreams, (std::vector<std::string>{"vllm", "judge"}));
  EXPECT_EQ(body_of(1), R"({"input":["the answer is simple"]})");
  expect_recorded(R"("guard_cost_usd":0.0001)");
  EXPECT_EQ(settled().used.cost.micro_usd, 9 + 40 + 100);
  EXPECT_EQ(caller->header("x-tollgate-cost-usd"), "0.000149");
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, RefuseAWholeAnswerThatIsPaidFor) {
  const auto caller = serve({says(kAnswer), says(kHate)});
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "guards.moderation");
  EXPECT_NE(caller->text.find("this answer"), std::string::npos) << caller->text;
  EXPECT_EQ(caller->text.find("simple"), std::string::npos) << caller->text;
  expect_recorded(
      R"("content":[{"rule":"guards.moderation.hate","where":"response","action":"refuse"}])");
  EXPECT_EQ(settled().used.cost.micro_usd, 9 + 40 + 100);
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, HoldWhatAskingMayCostWithTheRequest) {
  serve({says(kAnswer), says(kClean)});
  EXPECT_EQ(settled().held.micro_usd, 100 + kHelloTokens + 1000) << "once about a whole answer";
  stream({streams({chunks(kFirst, 2), kEnd}), says(kClean)});
  // 1600 bytes at most: sections of 64 bytes up to 256, then of a quarter more each.
  EXPECT_EQ(settled().held.micro_usd / 100, 13 + 10) << "and input at a bound";
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, EndAStreamBeforeTheSectionThatTheyRefuse) {
  const auto caller =
      stream({streams({chunks(kFirst, 4), chunks(kSecond, 40), kEnd}), says(kClean), says(kHate)});
  EXPECT_EQ(caller->status, 200);
  for (const std::string& one : chunks(kFirst, 4)) {
    EXPECT_NE(caller->text.find(one), std::string::npos) << caller->text;
  }
  EXPECT_EQ(caller->text.find("forbidden"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
  EXPECT_TRUE(caller->text.ends_with(kDone)) << caller->text;
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(last().code, "content_refused");
  expect_recorded(R"("rule":"guards.moderation.hate","where":"response","action":"refuse")");
  expect_recorded(R"("guard_cost_usd":0.0002)");
  expect_recorded(R"({"upstream":"judge","status":200,"duration":0.01,"calls":2})");
  EXPECT_EQ(world.upstreams.messages.size(), 3u);
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, SeeAllThatWasSaidEachTime) {
  const auto caller = stream({streams({chunks(kFirst, 4), chunks(kSecond, 5), kEnd}), says(kClean),
                              says(kClean), says(kClean)});
  EXPECT_EQ(caller->status, 200);
  std::string so_far;
  for (int i = 0; i < 4; ++i) so_far += kFirst;
  EXPECT_EQ(body_of(1), R"({"input":[")" + so_far + R"("]})");
  for (int i = 0; i < 4; ++i) so_far += kSecond;
  EXPECT_EQ(body_of(2), R"({"input":[")" + so_far + R"("]})");
  EXPECT_EQ(body_of(3), R"({"input":[")" + so_far + kSecond + R"("]})");
  EXPECT_EQ(world.upstreams.messages.size(), 4u);
  EXPECT_TRUE(caller->text.ends_with(kDone));
  expect_clean_books();
}

// Sections are of text, not of what a network makes of it.
TEST_F(AnswerGuardsTest, HaveTheSameSectionsHoweverAStreamIsCut) {
  const Script pieces = streams({chunks(kFirst, 4), chunks(kSecond, 40), kEnd});
  std::string all;
  for (const std::string& piece : pieces.pieces) all += piece;
  std::optional<std::string> told;
  for (const std::size_t size : {std::size_t{7}, std::size_t{1000}, all.size()}) {
    const std::size_t before = world.upstreams.messages.size();
    Script cut = streams({});
    for (std::size_t at = 0; at < all.size(); at += size)
      cut.pieces.push_back(all.substr(at, size));
    world.clock.pass(std::chrono::minutes(11));  // No verdict is known any more.
    const auto caller = stream({cut, says(kClean), says(kHate)});
    EXPECT_EQ(world.upstreams.messages.size(), before + 3) << size;
    EXPECT_EQ(caller->text.find("forbidden"), std::string::npos) << size;
    const std::string asked = body_of(before + 1) + body_of(before + 2);
    EXPECT_EQ(told.value_or(asked), asked) << size;
    told = asked;
  }
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, RefuseAStreamOfWhichNothingIsOut) {
  const auto caller = stream({streams({chunks(kSecond, 40), kEnd}), says(kHate)});
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-rule"), "guards.moderation");
  EXPECT_EQ(caller->text.find("forbidden"), std::string::npos);
  EXPECT_EQ(last().outcome, audit::Outcome::kRefused);
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, JudgeTheEndOfAShortStream) {
  const auto caller = stream({streams({chunks(kSecond, 1), kEnd}), says(kHate)});
  EXPECT_EQ(caller->status, 400) << caller->text;
  const auto clean = stream({streams({chunks(kFirst, 1), kEnd}), says(kClean)});
  EXPECT_EQ(clean->status, 200);
  EXPECT_TRUE(clean->text.ends_with(kDone));
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, JudgeWhatIsLeftOfAStreamThatIsCutAtItsCap) {
  const auto caller = stream({streams({chunks(kFirst, 3), chunks(kSecond, 400)}), says(kClean),
                              says(kClean), says(kHate)});
  EXPECT_EQ(last().code, "content_refused") << last().written;
  EXPECT_NE(caller->text.find("content_filter"), std::string::npos) << caller->text;
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, LetNothingPassThatTheyCannotJudge) {
  Script slow;
  slow.send_fault = FaultKind::kTimeout;
  Script angry = says(R"({"error":"no"})");
  angry.status = 500;
  for (const Script& guard : {slow, angry, says("no JSON"), says("{}")}) {
    const auto whole_answer = serve({says(kAnswer), guard});
    EXPECT_EQ(whole_answer->status, 503) << whole_answer->text;
    EXPECT_EQ(whole_answer->header("x-should-retry"), "false") << "it would be made anew";
    EXPECT_EQ(whole_answer->text.find("simple"), std::string::npos);
    const auto streamed =
        stream({streams({chunks(kFirst, 4), chunks(kSecond, 40), kEnd}), says(kClean), guard});
    EXPECT_EQ(streamed->text.find("forbidden"), std::string::npos);
    EXPECT_NE(streamed->text.find("content_filter"), std::string::npos);
    EXPECT_EQ(last().outcome, audit::Outcome::kCut);
    expect_recorded(R"("rule":"guards.moderation.unavailable","where":"response")");
    world.clock.pass(std::chrono::minutes(11));
  }
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, RememberVerdicts) {
  for (int i = 0; i < 2; ++i) {
    world.upstreams.first = {streams({chunks(kFirst, 4), chunks(kSecond, 4), kEnd})};
    if (i == 0) {
      world.upstreams.first.push_back(says(kClean));
      world.upstreams.first.push_back(says(kHate));
    }
    const auto caller = world.serve(ask(std::string(kHelloStreamed)));
    EXPECT_EQ(caller->text.find("forbidden"), std::string::npos);
    EXPECT_NE(caller->text.find("sixteen"), std::string::npos);
  }
  EXPECT_EQ(world.upstreams.messages.size(), 4u);
  EXPECT_EQ(last().written.find("guard_cost_usd"), std::string::npos) << "and cost nothing anew";
  expect_clean_books();
}

// A result for each text.
constexpr std::string_view kThreeClean =
    R"({"results":[{"flagged":false,"categories":{}},{"flagged":false,"categories":{}},{"flagged":false,"categories":{}}]})";

TEST_F(AnswerGuardsTest, SeeReasoningAndToolCalls) {
  constexpr std::string_view kCalls =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"think","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
  EXPECT_EQ(serve({says(kCalls), says(kThreeClean)})->status, 200);
  EXPECT_EQ(body_of(1), R"({"input":["think","f","{\"x\":1}"]})");
  expect_clean_books();
}

// What the model has named so itself is no name of the dialect's.
TEST_F(AnswerGuardsTest, SeeFieldsOfToolsThatAreNamedAsThoseOfTheDialect) {
  constexpr std::string_view kCalls =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":[{"id":"said here","type":"and here"}]}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
  EXPECT_EQ(serve({says(kCalls), says(kThreeClean)})->status, 200);
  EXPECT_EQ(body_of(1), R"({"input":["f","said here","and here"]})");
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, EndAStreamOfMessagesInItsDialect) {
  world.upstreams.first = {
      streams({{claude_opening(9)},
               {claude_delta(kFirst + kFirst), claude_delta(kFirst + kFirst)},
               {claude_delta(kSecond + kSecond), claude_delta(kSecond + kSecond)},
               {claude_closing(30)}}),
      says(kClean), says(kHate)};
  Ask asked = ask(std::string(kClaudeStreamed), "/v1/messages");
  const auto caller = world.serve(asked);
  EXPECT_NE(caller->text.find(kFirst), std::string::npos) << caller->text;
  EXPECT_EQ(caller->text.find("forbidden"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find(R"("stop_reason":"refusal")"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find("content_block_stop"), std::string::npos);
  EXPECT_NE(caller->text.find("message_stop"), std::string::npos);
  expect_clean_books();
}

TEST_F(AnswerGuardsTest, EndWithACallerThatLeavesWhileTheyAreAsked) {
  Script hangs;
  hangs.hangs_before_head = true;
  for (const bool is_streamed : {false, true}) {
    world.upstreams.first = {is_streamed ? streams({chunks(kFirst, 8), kEnd}) : says(kAnswer),
                             hangs};
    const auto caller = world.serve(ask(std::string(is_streamed ? kHelloStreamed : kHello)));
    caller->leave();
    EXPECT_EQ(last().outcome, audit::Outcome::kCut);
    EXPECT_EQ(last().code, "caller_gone");
    EXPECT_TRUE(caller->text.empty()) << caller->text;
    expect_clean_books();
  }
}

TEST_F(AnswerGuardsTest, LetNothingPassOfAKeyThatIsRevokedMeanwhile) {
  Script hangs;
  hangs.hangs_before_head = true;
  for (const bool is_streamed : {false, true}) {
    world.upstreams.first = {is_streamed ? streams({chunks(kFirst, 8), kEnd}) : says(kAnswer),
                             hangs};
    const std::string key = world.add_key("acme", "grace");
    const auto caller =
        world.serve(ask_as(key, std::string(is_streamed ? kHelloStreamed : kHello)));
    for (const auto& [id, record] : world.keys.keys) {
      if (record.user == "grace" && !record.revoked) world.keys.revoke(id);
    }
    world.executor.run();
    ASSERT_TRUE(caller->complete());
    EXPECT_EQ(caller->status, 401) << caller->text;
    EXPECT_EQ(caller->text.find("sixteen"), std::string::npos) << caller->text;
    EXPECT_EQ(caller->text.find("simple"), std::string::npos) << caller->text;
    EXPECT_EQ(last().code, "revoked_credential");
    expect_clean_books();
  }
}

// The model's call is watched again once the guards have answered.
TEST_F(AnswerGuardsTest, LeaveTheModelToItsCaller) {
  Script model = streams({chunks(kFirst, 4)});
  model.hangs_after_pieces = true;
  world.upstreams.first = {model, says(kClean)};
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_NE(caller->text.find(kFirst), std::string::npos);
  caller->leave();
  EXPECT_EQ(last().code, "caller_gone");
  expect_clean_books();
}

// A provider may send more beside its output than a cap on that allows for.
TEST_F(AnswerGuardsTest, CostNoMoreThanWasHeldForThem) {
  const std::string cited = R"(data: {"choices":[{"index":0,"delta":{"annotations":[{"title":")" +
                            std::string(1000, 'x') + "\"}]}}]}\n\n";
  Script model = streams({std::vector<std::string>(200, cited), kEnd});
  std::vector<Script> scripts = {model};
  for (int i = 0; i < 30; ++i) scripts.push_back(says(kClean));
  const auto caller = stream(std::move(scripts));
  EXPECT_EQ(last().outcome, audit::Outcome::kCut) << last().written;
  expect_recorded("guards.moderation.unavailable");
  EXPECT_EQ(world.upstreams.messages.size(), 1u + 13);
  expect_clean_books();
}

class OpenGuardTest : public AnswerGuardsTest {
 protected:
  OpenGuardTest() : AnswerGuardsTest(asking("open")) {}
};
TEST_F(OpenGuardTest, LetPassWhatItCannotJudge) {
  Script down;
  down.send_fault = FaultKind::kUnreachable;
  down.sent = false;
  EXPECT_EQ(serve({says(kAnswer), down})->text, kAnswer);
  const auto streamed =
      stream({streams({chunks(kFirst, 4), chunks(kSecond, 4), kEnd}), down, down, down});
  EXPECT_NE(streamed->text.find("forbidden"), std::string::npos) << streamed->text;
  EXPECT_TRUE(streamed->text.ends_with(kDone));
  expect_recorded(
      R"("content":[{"rule":"guards.open.unavailable","where":"response","action":"pass"}])");
  expect_clean_books();
}

class LlamaAnswerTest : public AnswerGuardsTest {
 protected:
  LlamaAnswerTest() : AnswerGuardsTest(asking("llama")) {}
};
TEST_F(LlamaAnswerTest, IsToldWhatWasAskedAndJudgesWhatWasAnswered) {
  const auto reply = says(
      R"({"choices":[{"message":{"content":"unsafe\nS1"}}],"usage":{"prompt_tokens":40,"completion_tokens":4}})");
  const auto caller = serve({says(kAnswer), reply});
  EXPECT_EQ(caller->status, 400) << caller->text;
  EXPECT_NE(
      body_of(1).find(
          R"("messages":[{"role":"user","content":"Hello there"},{"role":"assistant","content":"the answer is simple"}])"),
      std::string::npos)
      << body_of(1);
  expect_recorded(R"("guard_cost_usd":0.000044)");
  expect_clean_books();
}

class ObservedAnswerGuardTest : public AnswerGuardsTest {
 protected:
  ObservedAnswerGuardTest() : AnswerGuardsTest(asking("watch")) {}
};
TEST_F(ObservedAnswerGuardTest, HoldsNothingAndIsAskedAtTheEnd) {
  const auto caller = stream({streams({chunks(kFirst, 4), chunks(kSecond, 12), kEnd}),
                              says(R"({"action":"refuse","categories":["legal"]})")});
  EXPECT_NE(caller->text.find("forbidden"), std::string::npos);
  EXPECT_TRUE(caller->text.ends_with(kDone));
  EXPECT_GT(caller->pieces.size(), 16u) << "each as it came";
  EXPECT_EQ(world.upstreams.messages.size(), 2u);
  EXPECT_NE(body_of(1).find(R"("direction":"response","complete":true)"), std::string::npos);
  expect_recorded(R"("observed":["guards.watch"])");
  expect_recorded(R"("rule":"guards.watch.legal","where":"response","action":"observe")");
  expect_clean_books();
}

class HookOnAnswersTest : public AnswerGuardsTest {
 protected:
  HookOnAnswersTest() : AnswerGuardsTest(asking("hook")) {}
};
// It may judge a text otherwise that is complete.
TEST_F(HookOnAnswersTest, IsAskedOnceMoreWhereItsLastSectionWasAllOfIt) {
  const auto caller = stream({streams({chunks(kFirst, 4), kEnd}), says(R"({"action":"allow"})"),
                              says(R"({"action":"refuse","categories":["legal"]})")});
  ASSERT_EQ(world.upstreams.messages.size(), 3u);
  EXPECT_NE(body_of(1).find(R"("complete":false)"), std::string::npos);
  EXPECT_NE(body_of(2).find(R"("complete":true)"), std::string::npos);
  EXPECT_EQ(caller->text.find(kFinish), std::string::npos) << caller->text;
  expect_recorded("guards.hook.legal");
  EXPECT_LE(settled().used.cost.micro_usd, settled().held.micro_usd);
  expect_clean_books();
}

TEST_F(HookOnAnswersTest, IsAskedAtOnceWhereTheLastTextSaysThatItIs) {
  std::string last = chunks(kFirst, 1)[0];
  const std::string_view open = R"("finish_reason":null)";
  last.replace(last.find(open), open.size(), R"("finish_reason":"stop")");
  stream({streams({chunks(kFirst, 3), {last, kDone}}),
          says(R"({"action":"refuse","categories":["legal"]})")});
  ASSERT_EQ(world.upstreams.messages.size(), 2u);
  EXPECT_NE(body_of(1).find(R"("complete":true)"), std::string::npos);
  EXPECT_EQ(this->last().code, "content_refused");
}

class BothGuardsTest : public AnswerGuardsTest {
 protected:
  BothGuardsTest()
      : AnswerGuardsTest(asking("moderation, watch",
                                "    guards: [watch]\n"
                                "    content: { response: [secrets] }\n")) {}
};
TEST_F(BothGuardsTest, AreAskedBesideThoseOfTheRequestAndTheContentPolicy) {
  const std::string allow = R"({"action":"allow"})";
  world.upstreams.first = {says(allow), streams({chunks(kFirst, 6), kEnd}), says(kClean),
                           says(kClean), says(allow)};
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_TRUE(caller->text.ends_with(kDone)) << caller->text;
  EXPECT_EQ(world.upstreams.upstreams,
            (std::vector<std::string>{"judge", "vllm", "judge", "judge", "judge"}));
  expect_recorded(R"("guard_cost_usd":0.0004)");
  // A secret ends it, and nothing that no guard has judged goes out with that.
  const std::string key = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
  world.upstreams.first = {
      streams({chunks(kFirst, 4), {chunk("some more "), chunk(key + ".")}, kEnd})};
  const auto cut = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_NE(cut->text.find(kFirst), std::string::npos) << "its verdict is known";
  EXPECT_EQ(cut->text.find("some more"), std::string::npos) << cut->text;
  EXPECT_NE(cut->text.find("content_filter"), std::string::npos) << cut->text;
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
