// Guards of a route: what their verdicts do to a request, to the books and to the record, and what
// happens where one is slow, down or talks nonsense.
#include <fmt/format.h>
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
  judge: { url: "http://10.0.0.6:9000/v1", speaks: openai, credential: sk-judge }
guards:
  moderation: { kind: openai_moderation, upstream: judge, price_per_request: 0.0001 }
  llama: { kind: llama_guard, upstream: judge, model: llama-guard-3, price_per_request: 0, price_per_million: { input: 1, output: 1 }, cache: 0s }
  pii: { kind: presidio, upstream: judge, path: /analyze, categories: [US_SSN], score: 0.5, price_per_request: 0, on_failure: pass }
  watch: { kind: http, upstream: judge, path: /check, price_per_request: 0, mode: observe, cache: 0s }
  note: { kind: http, upstream: judge, path: /check, price_per_request: 0, on_match: flag, cache: 0s }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
tenants:
  acme: { budget: { usd: 5, per: day, when_exhausted: refuse } }
  globex: {}
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
    guards: [moderation]
)";

std::string asking(std::string_view guards) {
  std::string text(kGuarded);
  constexpr std::string_view kAsked = "guards: [moderation]\n";
  return text.replace(text.rfind(kAsked), kAsked.size(), "guards: [" + std::string(guards) + "]\n");
}

constexpr std::string_view kClean =
    R"({"results":[{"flagged":false,"categories":{"hate":false},"category_scores":{"hate":0.01}}]})";
constexpr std::string_view kHate =
    R"({"results":[{"flagged":true,"categories":{"hate":true},"category_scores":{"hate":0.97}}]})";

Script says(std::string_view body) {
  Script script;
  script.pieces = {std::string(body)};
  return script;
}

class GuardsTest : public PipelineTest {
 protected:
  explicit GuardsTest(std::string_view settings = kGuarded) : PipelineTest(settings) {}

  std::unique_ptr<Caller> serve(const Script& guard) {
    world.upstreams.first = {guard};
    return world.serve(ask(std::string(kHello)));
  }
  std::int64_t cost_of_all() const {
    std::int64_t sum = 0;
    for (const Settled& each : world.ledger.settled) sum += each.used.cost.micro_usd;
    return sum;
  }
  // Only the guard was asked.
  void expect_stopped() const {
    ASSERT_EQ(world.upstreams.upstreams.size(), 1u);
    EXPECT_EQ(world.upstreams.upstreams[0], "judge");
    expect_clean_books();
  }
  std::string body_of(std::size_t message) const {
    const std::string& whole = world.upstreams.messages.at(message);
    return whole.substr(whole.find("\r\n\r\n") + 4);
  }
};

class LlamaGuardTest : public GuardsTest {
 protected:
  LlamaGuardTest() : GuardsTest(asking("llama")) {}
};
class PresidioTest : public GuardsTest {
 protected:
  PresidioTest() : GuardsTest(asking("pii")) {}
};
class ObservingGuardTest : public GuardsTest {
 protected:
  ObservingGuardTest() : GuardsTest(asking("watch")) {}
};
class TokensTest : public GuardsTest {
 protected:
  static std::string on_completions(std::string_view guards) {
    std::string text = asking(guards);
    constexpr std::string_view kPath = "/v1/chat/completions\n    models";
    return text.replace(text.find(kPath), kPath.size(), "/v1/completions\n    models");
  }
  explicit TokensTest(std::string_view guards = "llama") : GuardsTest(on_completions(guards)) {}
  std::unique_ptr<Caller> send_tokens() {
    return world.serve(ask(R"({"model":"small","prompt":[1,2,3]})", "/v1/completions"));
  }
};
class TokensPassedTest : public TokensTest {
 protected:
  TokensPassedTest() : TokensTest("pii") {}
};
class LlamaCategoriesTest : public GuardsTest {
 protected:
  static std::string for_one() {
    std::string text = asking("llama");
    return text.replace(text.find("cache: 0s"), 0, "categories: [S1], ");
  }
  LlamaCategoriesTest() : GuardsTest(for_one()) {}
};
class FlaggingGuardTest : public GuardsTest {
 protected:
  FlaggingGuardTest() : GuardsTest(asking("note, moderation")) {}
};

TEST_F(GuardsTest, IsAskedWithEveryTextBeforeTheModelIs) {
  const auto caller = serve(says(kClean));
  EXPECT_EQ(caller->status, 200) << caller->text;
  ASSERT_EQ(world.upstreams.upstreams.size(), 2u);
  EXPECT_EQ(world.upstreams.upstreams[0], "judge");
  EXPECT_EQ(world.upstreams.upstreams[1], "vllm");
  EXPECT_TRUE(world.upstreams.messages[0].starts_with("POST /v1/moderations HTTP/1.1\r\n"));
  EXPECT_NE(world.upstreams.messages[0].find("Bearer sk-judge"), std::string::npos);
  EXPECT_NE(body_of(0).find(R"("input":[)"), std::string::npos) << body_of(0);
  EXPECT_NE(last().written.find(R"("guard_cost_usd":0.0001)"), std::string::npos) << last().written;
  expect_clean_books();
}

TEST_F(GuardsTest, RefusesAndChargesWhatAskingCost) {
  const auto caller = serve(says(kHate));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "guards.moderation");
  EXPECT_NE(caller->text.find("hate"), std::string::npos) << caller->text;
  EXPECT_NE(
      last().written.find(
          R"("content":[{"rule":"guards.moderation.hate","where":"request","action":"refuse"}])"),
      std::string::npos)
      << last().written;
  EXPECT_NE(last().written.find(R"("cost_usd":0.0001)"), std::string::npos) << last().written;
  EXPECT_EQ(cost_of_all(), 100);
  expect_stopped();
}

TEST_F(GuardsTest, HoldsWhatItMayCostWithTheRequest) {
  serve(says(kClean));
  // The guard's beside the input and 100 tokens of output at ten micro-dollars.
  EXPECT_EQ(settled().held.micro_usd, 100 + kHelloTokens + 1000);
  EXPECT_EQ(settled().used.cost.micro_usd, 100 + 9 + 40);
}

TEST_F(GuardsTest, RefusesWhatItCannotHaveJudged) {
  Script slow;
  slow.send_fault = FaultKind::kTimeout;
  Script down;
  down.send_fault = FaultKind::kUnreachable;
  down.sent = false;
  Script angry = says(R"({"error":"no"})");
  angry.status = 500;
  Script cut = says(kClean.substr(0, 20));
  cut.fault = FaultKind::kBroken;
  for (const Script& guard :
       {slow, down, angry, cut, says("no JSON"), says("{}"), says(R"({"results":[]})"),
        says(R"({"results":[{"flagged":"no"}]})"), says(std::string(300 << 10, ' '))}) {
    const std::size_t before = world.upstreams.messages.size();
    const auto caller = serve(guard);
    EXPECT_EQ(caller->status, 503) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-rule"), "guards.moderation");
    EXPECT_EQ(world.upstreams.messages.size(), before + 1);
    EXPECT_NE(last().written.find("guards.moderation.unavailable"), std::string::npos);
  }
  expect_clean_books();
}

TEST_F(GuardsTest, NeedsAResultForEachText) {
  const std::string two = R"({"model":"small","messages":[{"role":"user","content":"Hello"},)"
                          R"({"role":"user","content":"and a text that nobody judged"}]})";
  world.upstreams.first = {says(kClean)};
  EXPECT_EQ(world.serve(ask(two))->status, 503);
  EXPECT_NE(last().written.find("guards.moderation.unavailable"), std::string::npos);
  constexpr std::string_view kResult = R"({"flagged":false,"categories":{}})";
  world.upstreams.first = {says(fmt::format(R"({{"results":[{0},{0}]}})", kResult))};
  EXPECT_EQ(world.serve(ask(two))->status, 200);
  expect_clean_books();
}

TEST_F(GuardsTest, ChargesNothingForAGuardThatWasNeverReached) {
  Script down;
  down.send_fault = FaultKind::kUnreachable;
  down.sent = false;
  serve(down);
  EXPECT_EQ(cost_of_all(), 0);
}

TEST_F(GuardsTest, RemembersAVerdictOfTheSameTenantAlone) {
  serve(says(kHate));
  const auto again = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(again->status, 400);
  EXPECT_EQ(world.upstreams.messages.size(), 1u) << "the verdict is known";
  EXPECT_EQ(cost_of_all(), 100) << "and cost nothing anew";
  world.upstreams.first = {says(kClean)};
  const std::string globex = world.add_key("globex", "grace");
  const auto other = world.serve(ask_as(globex, std::string(kHello)));
  EXPECT_EQ(other->status, 200) << other->text;
  EXPECT_EQ(world.upstreams.messages.size(), 3u);
  expect_clean_books();
}

TEST_F(GuardsTest, ForgetsAVerdictInTime) {
  serve(says(kHate));
  world.clock.pass(std::chrono::minutes(11));
  EXPECT_EQ(serve(says(kClean))->status, 200);
}

TEST_F(GuardsTest, EndsWithACallerThatLeaves) {
  Script hangs;
  hangs.hangs_before_head = true;
  world.upstreams.first = {hangs};
  const auto caller = world.serve(ask(std::string(kHello)));
  caller->leave();
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(last().code, "caller_gone");
  expect_stopped();
}

TEST_F(LlamaGuardTest, IsToldByItsFirstWord) {
  const auto reply = [](std::string_view content) {
    return says(R"({"choices":[{"message":{"content":")" + std::string(content) +
                R"("}}],"usage":{"prompt_tokens":40,"completion_tokens":4}})");
  };
  EXPECT_EQ(serve(reply("\\n\\nsafe"))->status, 200);
  EXPECT_NE(body_of(0).find(R"("model":"llama-guard-3")"), std::string::npos);
  EXPECT_NE(last().written.find(R"("guard_cost_usd":0.000044)"), std::string::npos)
      << last().written;
  const auto refused = serve(reply("unsafe\\nS1,S9"));
  EXPECT_EQ(refused->status, 400);
  EXPECT_NE(refused->text.find("S1, S9"), std::string::npos) << refused->text;
  for (const char* nonsense : {"", "safety first", "I cannot help", "safe unsafe"}) {
    EXPECT_EQ(serve(reply(nonsense))->status, 503) << nonsense;
  }
  expect_clean_books();
}

// No guard has a text to judge.
TEST_F(TokensTest, AreRefusedUnjudged) {
  const auto caller = send_tokens();
  EXPECT_EQ(caller->status, 400) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-rule"), "guards.llama");
  EXPECT_NE(caller->text.find("token ids"), std::string::npos) << caller->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
  EXPECT_NE(last().written.find("guards.llama.unavailable"), std::string::npos);
  expect_clean_books();
}
TEST_F(TokensPassedTest, PassWhereTheGuardMayBeDown) {
  EXPECT_NE(send_tokens()->status, 400);
  EXPECT_NE(last().written.find(R"("guards.pii.unavailable","where":"request","action":"pass")"),
            std::string::npos)
      << last().written;
}

// However they are parted, and where none is named.
TEST_F(LlamaCategoriesTest, AreReadInEachForm) {
  const auto reply = [](std::string_view content) {
    return says(R"({"choices":[{"message":{"content":")" + std::string(content) + R"("}}]})");
  };
  for (const char* counts : {"S1", "S9\\nS1", "S1\\nS9", "S9 S1", "S9;S1", "S1.", "", "violence"}) {
    EXPECT_EQ(serve(reply(std::string("unsafe\\n") + counts))->status, 400) << counts;
  }
  for (const char* other : {"S9", "S9,S10", "S11."}) {
    EXPECT_EQ(serve(reply(std::string("unsafe\\n") + other))->status, 200) << other;
  }
  expect_clean_books();
}

TEST_F(PresidioTest, CountsWhatIsAskedForAndPassesWhenItIsDown) {
  EXPECT_EQ(serve(says(R"([{"entity_type":"US_SSN","start":0,"end":4,"score":0.4}])"))->status,
            200);
  EXPECT_TRUE(world.upstreams.messages[0].starts_with("POST /v1/analyze HTTP/1.1\r\n"));
  world.clock.pass(std::chrono::minutes(11));
  EXPECT_EQ(serve(says(R"([{"entity_type":"US_SSN","start":0,"end":4,"score":0.9}])"))->status,
            400);
  world.clock.pass(std::chrono::minutes(11));
  EXPECT_EQ(serve(says("[{}]"))->status, 200);
  EXPECT_NE(
      last().written.find(R"({"rule":"guards.pii.unavailable","where":"request","action":"pass"})"),
      std::string::npos)
      << last().written;
  expect_clean_books();
}

TEST_F(ObservingGuardTest, OnlyTellsWhatItWouldHaveRefused) {
  EXPECT_EQ(serve(says(R"({"action":"refuse","categories":["legal"]})"))->status, 200);
  EXPECT_NE(last().written.find(R"("observed":["guards.watch"])"), std::string::npos)
      << last().written;
  EXPECT_NE(last().written.find(R"("guards.watch.legal")"), std::string::npos);
  EXPECT_NE(body_of(0).find(R"("where":"messages[0].content")"), std::string::npos) << body_of(0);
  EXPECT_NE(body_of(0).find(R"("model":"small")"), std::string::npos) << body_of(0);
  EXPECT_EQ(serve(says("nonsense"))->status, 200);
  expect_clean_books();
}

// What it refuses for and cannot name is refused all the same.
TEST_F(FlaggingGuardTest, TakesARefusalThatNamesNothingForOne) {
  for (const char* verdict :
       {R"({"action":"refuse"})", R"({"action":"refuse","categories":[]})",
        R"({"action":"refuse","categories":"x"})", R"({"action":"refuse","categories":[1]})"}) {
    SCOPED_TRACE(verdict);
    world.upstreams.first = {says(verdict), says(kClean)};
    EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
    EXPECT_NE(last().written.find(R"("guards.note.unnamed")"), std::string::npos) << last().written;
    world.clock.pass(std::chrono::minutes(11));
  }
}

class NamedModerationTest : public GuardsTest {
 protected:
  NamedModerationTest() : GuardsTest(settings()) {}
  static std::string settings() {
    std::string text(kGuarded);
    constexpr std::string_view kKind = "kind: openai_moderation, ";
    return text.insert(text.find(kKind) + kKind.size(), "categories: [hate], ");
  }
};

TEST_F(NamedModerationTest, TakesAFlagThatNamesNothingForOne) {
  const auto status_of = [&](std::string_view result) {
    world.clock.pass(std::chrono::minutes(11));
    return serve(says(fmt::format(R"({{"results":[{}]}})", result)))->status;
  };
  EXPECT_EQ(status_of(R"({"flagged":true,"categories":{}})"), 400);
  EXPECT_EQ(status_of(R"({"flagged":true,"categories":{"violence":false}})"), 400);
  EXPECT_EQ(status_of(R"({"flagged":true,"categories":{"violence":true}})"), 200);
  EXPECT_EQ(status_of(R"({"flagged":true,"categories":{"hate":true}})"), 400);
  EXPECT_EQ(status_of(R"({"flagged":false,"categories":{}})"), 200);
}

TEST_F(FlaggingGuardTest, GoesOnToTheNext) {
  world.upstreams.first = {says(R"({"action":"refuse"})"), says(kHate)};
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-rule"), "guards.moderation");
  EXPECT_NE(last().written.find(R"("guards.note.unnamed","where":"request","action":"flag")"),
            std::string::npos)
      << last().written;
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
