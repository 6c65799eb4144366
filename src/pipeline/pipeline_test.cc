// The order of the steps, who is let in, and what refused callers are told.
#include "pipeline/pipeline.h"

#include <gtest/gtest.h>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

TEST_F(PipelineTest, GoesThroughTheStepsInTheirOrder) {
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->text, kAnswer);
  EXPECT_EQ(world.story,
            (Story{"read_body", "hold", "decision", "open", "send", "settle", "reply", "outcome"}));
  EXPECT_EQ(settled().used.input, 9);
  EXPECT_EQ(settled().used.output, 4);
  EXPECT_EQ(settled().used.cost, Money{49});
  EXPECT_EQ(last().cost, Money{49});
  EXPECT_EQ(last().source, audit::UsageSource::kProvider);
  EXPECT_EQ(settled().tenant, "acme");
  EXPECT_EQ(settled().user, "ada");
  EXPECT_EQ(settled().route, "chat");
  EXPECT_EQ(settled().model, "small");
  EXPECT_EQ(settled().id, last().id);
  EXPECT_EQ(caller->header("x-request-id"), last().id);
  // Held: nine tokens in, a hundred out.
  EXPECT_EQ(world.trail.records.front().held, Money{kHelloTokens + 100 * 10});
  expect_clean_books();
}

TEST_F(PipelineTest, NeverReadsTheBodyOfAnUnauthenticatedRequest) {
  authentication::KeyRecord& key = world.keys.keys.begin()->second;
  struct Case {
    std::vector<std::pair<std::string, std::string>> headers;
    std::string_view code;
    int status;
  };
  std::string wrong = ada;
  std::array<std::uint8_t, 64> random{};
  random.fill(99);
  const std::string foreign = authentication::make_key(random).secret;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  const Case cases[] = {
      {{}, "missing_credential", 401},
      {{{"Authorization", "Basic abc"}}, "invalid_credential", 401},
      {{{"Authorization", "Bearer " + wrong}}, "invalid_credential", 401},
      {{{"Authorization", "Bearer " + foreign}}, "invalid_credential", 401},
      {{{"Authorization", "Bearer " + ada}, {"x-api-key", foreign}}, "credential_conflict", 400},
      {{{"Authorization", "Bearer " + ada}, {"authorization", "Bearer " + foreign}},
       "credential_conflict",
       400},
      {{{"x-api-key", ada}, {"X-API-Key", foreign}}, "credential_conflict", 400},
      {{{"api-key", ada}, {"API-KEY", ""}}, "credential_conflict", 400},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.headers.empty() ? "none" : each.headers.back().second);
    Ask asked = ask(std::string(kHello));
    asked.headers = each.headers;
    const auto caller = world.serve(asked);
    EXPECT_EQ(caller->status, each.status);
    EXPECT_EQ(caller->header("x-tollgate-reason"), each.code);
    EXPECT_FALSE(caller->body_read());
  }
  key.expires = world.clock.wall();
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->header("x-tollgate-reason"),
            "expired_credential");
  key.revoked = world.clock.wall();
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->header("x-tollgate-reason"),
            "revoked_credential");
  EXPECT_FALSE(told("read_body"));
  EXPECT_FALSE(told("hold"));
  EXPECT_FALSE(told("open"));
  expect_clean_books();
}

class NarrowBodies : public PipelineTest {
 protected:
  NarrowBodies()
      : PipelineTest(settings_with("prompt: { body: 64KiB, input_tokens: 32000, output_tokens: "
                                   "100, choices: 2 }",
                                   "prompt: { body: 1KiB }")) {}
};

// The cap of a route that somebody else may use is no cap for this caller.
TEST_F(NarrowBodies, AreReadToTheCapOfTheCallersOwnRoutes) {
  const std::string large(2000, ' ');
  const auto caller = world.serve(ask(std::string(kHello) + large));
  EXPECT_EQ(caller->status, 413);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "body_too_large");
  const std::string researcher = world.add_key("acme", "eve", {"researcher"});
  EXPECT_EQ(
      world
          .serve(ask_as(researcher,
                        R"({"model":"big","messages":[{"role":"user","content":"x"}]})" + large))
          ->status,
      200);
  // The larger cap is for the dear model only.
  EXPECT_EQ(
      world.serve(ask_as(researcher, std::string(kHello) + large))->header("x-tollgate-reason"),
      "body_too_large");
  expect_clean_books();
}

TEST_F(PipelineTest, NeverReadsTheBodyOfACallerWhomNoRouteLetsIn) {
  const std::string globex = world.add_key("globex");
  Ask asked = ask_as(globex, std::string(kClaude));
  asked.target = "/v1/messages";
  const auto caller = world.serve(asked);
  EXPECT_EQ(caller->status, 403);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "route_not_allowed");
  EXPECT_FALSE(caller->body_read());
  EXPECT_EQ(last().code, "route_not_allowed");
}

TEST_F(PipelineTest, TellsAnybodyThatItIsAliveAndNothingElse) {
  Ask asked;
  asked.method = "GET";
  asked.target = "/livez";
  const auto caller = world.serve(asked);
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->text, "ok\n");
  EXPECT_TRUE(world.trail.records.empty());
  EXPECT_EQ(world.meter.begun, 0);
  for (const std::string target : {"/readyz", "/healthz", "/metrics", "/livez/", "/livez?x"}) {
    asked.target = target;
    EXPECT_EQ(world.serve(asked)->status, 401) << target;
  }
  asked.target = "/livez";
  asked.method = "POST";
  EXPECT_EQ(world.serve(asked)->status, 401);
}

TEST_F(PipelineTest, TakesOneCredentialFromAnyOfItsHeadersAndTwiceTheSame) {
  using Headers = std::vector<std::pair<std::string, std::string>>;
  for (const Headers& headers :
       {Headers{{"x-api-key", ada}}, Headers{{"api-key", ada}},
        Headers{{"authorization", "bearer " + ada}},
        Headers{{"Authorization", "Bearer " + ada}, {"Authorization", "Bearer " + ada}},
        Headers{{"Authorization", "Bearer " + ada}, {"x-api-key", ada}}}) {
    Ask asked = ask(std::string(kHello));
    asked.headers = headers;
    EXPECT_EQ(world.serve(asked)->status, 200) << headers.front().first;
  }
}

TEST_F(PipelineTest, RefusesAKeyWhoseTenantIsGone) {
  const std::string key = world.add_key("initech");
  const auto caller = world.serve(ask_as(key, std::string(kHello)));
  EXPECT_EQ(caller->status, 401);
  EXPECT_FALSE(caller->body_read());
}

// What is not on record does not leave: nothing is sent before the decision was taken.
TEST_F(PipelineTest, SendsNothingThatCannotBeRecorded) {
  world.trail.fails = true;
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 503);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "audit_unavailable");
  EXPECT_TRUE(caller->header("retry-after"));
  EXPECT_FALSE(told("open"));
  EXPECT_TRUE(world.upstreams.messages.empty());
  ASSERT_EQ(world.ledger.settled.size(), 1U);
  EXPECT_TRUE(settled().used.never_left);
  EXPECT_EQ(settled().used.input, 0);
  EXPECT_EQ(settled().used.output, 0);
  EXPECT_EQ(settled().used.cost, Money{});
  expect_clean_books();
}

class PowerLossTest : public PipelineTest {
 protected:
  PowerLossTest() : PipelineTest(std::string(kSettings) + "audit: { survives: power_loss }\n") {}
};

TEST_F(PowerLossTest, SendsNothingBeforeTheDecisionIsOnTheDisk) {
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
  EXPECT_EQ(world.story, (Story{"read_body", "hold", "decision", "committed", "open", "send",
                                "settle", "reply", "outcome"}));
  expect_clean_books();
}

TEST_F(PowerLossTest, RefusesWhatCannotBeCommittedAndEndsItsRecord) {
  world.trail.commit_fails = true;
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 503);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "audit_unavailable");
  EXPECT_FALSE(told("open"));
  EXPECT_TRUE(settled().used.never_left);
  EXPECT_EQ(settled().used.cost, Money{});
  // The decision that let it pass is in the trail, so it has to have its end there.
  EXPECT_EQ(world.trail.records.back().phase, audit::Phase::kOutcome);
  EXPECT_EQ(world.trail.records.back().outcome, audit::Outcome::kRefused);
  expect_clean_books();
}

struct Refused {
  std::string_view what;
  std::string_view target;
  std::string_view body;
  std::string_view code;
  int status;
  std::string_view words;  // In the body.
};

TEST_F(PipelineTest, RefusesInTheDialectOfTheSurface) {
  const Refused cases[] = {
      {"no such path", "/v1/responses", "{}", "not_found", 404, R"("code":"model_not_found")"},
      {"a path with dots", "/v1/../v1/messages", "{}", "invalid_request", 400, "error"},
      {"no JSON", "/v1/chat/completions", "{", "invalid_json", 400,
       R"("type":"invalid_request_error")"},
      {"a key twice", "/v1/chat/completions", R"({"model":"small","model":"big","messages":[]})",
       "duplicate_key", 400, R"("code":"duplicate_key")"},
      {"no such model", "/v1/chat/completions",
       R"({"model":"gpt-9","messages":[{"role":"user","content":"x"}]})", "model_not_found", 404,
       R"("code":"model_not_found")"},
      {"a hidden model", "/v1/chat/completions",
       R"({"model":"big","messages":[{"role":"user","content":"x"}]})", "model_not_found", 404,
       R"("code":"model_not_found")"},
      {"a tool", "/v1/chat/completions",
       R"({"model":"small","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"rm"}}]})",
       "tool_not_allowed", 403, R"("code":"permission_denied")"},
      {"choices", "/v1/chat/completions",
       R"({"model":"small","n":3,"messages":[{"role":"user","content":"x"}]})", "invalid_request",
       400, "error"},
      {"an internal route", "/internal/summarize", kHello, "not_found", 404, "error"},
      {"Anthropic: no JSON", "/v1/messages", "{", "invalid_json", 400, R"("type":"error")"},
      {"Anthropic: a model", "/v1/messages",
       R"({"model":"small","max_tokens":9,"messages":[{"role":"user","content":"x"}]})",
       "model_not_found", 404, R"("type":"not_found_error")"},
  };
  for (const Refused& each : cases) {
    SCOPED_TRACE(each.what);
    world.trail.records.clear();
    const auto caller = world.serve(ask(std::string(each.body), std::string(each.target)));
    EXPECT_EQ(caller->status, each.status);
    EXPECT_EQ(caller->header("x-tollgate-reason"), each.code);
    EXPECT_NE(caller->text.find(each.words), std::string::npos) << caller->text;
    EXPECT_TRUE(caller->header("x-request-id"));
    EXPECT_EQ(caller->header("request-id").has_value(), each.target == "/v1/messages");
    EXPECT_FALSE(caller->header("retry-after"));
    ASSERT_EQ(world.trail.records.size(), 2U);
    for (const Recorded& record : world.trail.records) {
      EXPECT_EQ(record.outcome, audit::Outcome::kRefused);
      EXPECT_EQ(record.code, each.code);
      EXPECT_EQ(record.id, caller->header("x-request-id"));
      EXPECT_EQ(record.held, Money{});
    }
  }
  EXPECT_EQ(world.ledger.held, 0);
  EXPECT_FALSE(told("open"));
  expect_clean_books();
}

TEST_F(PipelineTest, ReadsNoMoreOfABodyThanTheRouteAllows) {
  const auto caller = world.serve(ask(std::string((64 << 10) + 1, ' ')));
  EXPECT_EQ(caller->status, 413);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "body_too_large");
}

TEST_F(PipelineTest, ServesAnInternalRouteOnAnInternalListenerOnly) {
  Ask asked =
      ask(R"({"model":"big","messages":[{"role":"user","content":"x"}]})", "/internal/summarize");
  EXPECT_EQ(world.serve(asked)->status, 404);
  asked.exposure = authorization::Exposure::kInternal;
  EXPECT_EQ(world.serve(asked)->status, 200);
  EXPECT_EQ(world.upstreams.messages.back().substr(0, 26), "POST /v1/chat/completions ");
}

TEST_F(PipelineTest, TellsATrueWaitAndAtMostAMinute) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = "limits.tenant_id.requests_per_minute";
  refusal.message = "120 requests a minute";
  for (const std::int64_t ms : {1, 2500, 59'999, 60'000}) {
    SCOPED_TRACE(ms);
    refusal.retry_after = std::chrono::milliseconds(ms);
    world.ledger.refusal = refusal;
    const auto caller = world.serve(ask(std::string(kHello)));
    EXPECT_EQ(caller->status, 429);
    EXPECT_EQ(caller->header("x-tollgate-rule"), refusal.rule);
    ASSERT_TRUE(caller->header("retry-after-ms"));
    const std::int64_t told_ms = std::stoll(*caller->header("retry-after-ms"));
    const std::int64_t told_s = std::stoll(*caller->header("retry-after"));
    EXPECT_GE(told_ms, ms);
    EXPECT_LE(told_ms, 60'000);
    EXPECT_GE(told_s * 1000, told_ms);
    EXPECT_LE(told_s, 60);
    EXPECT_FALSE(caller->header("x-should-retry"));
  }
  for (const std::optional<Duration> no_help :
       {std::optional<Duration>(), std::optional<Duration>(std::chrono::minutes(61))}) {
    refusal.retry_after = no_help;
    world.ledger.refusal = refusal;
    const auto caller = world.serve(ask(std::string(kHello)));
    EXPECT_EQ(caller->header("x-should-retry"), "false");
    EXPECT_FALSE(caller->header("retry-after"));
  }
  EXPECT_FALSE(told("open"));
  EXPECT_EQ(world.ledger.held, 0);
}

TEST_F(PipelineTest, ShowsHowTheRuleStandsThatRefusedAHold) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = "limits.user_id.input_tokens_per_minute";
  refusal.retry_after = std::chrono::seconds(2);
  world.ledger.refusal = refusal;
  world.ledger.short_limits = {
      {limits::Scope::kUserId, "acme/ada", limits::Figure::kInputTokensPerMinute, 100, 0, 30}};
  world.ledger.short_budgets = {
      {limits::Scope::kTenantId, "acme", cost::Window::kDay, {1000}, {400}, {590}}};
  const auto openai = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(openai->status, 429);
  EXPECT_EQ(openai->header("x-ratelimit-limit-tokens"), "100");
  EXPECT_EQ(openai->header("x-ratelimit-remaining-tokens"), "30");
  EXPECT_TRUE(openai->header("x-ratelimit-reset-tokens"));
  const std::string& decision = world.trail.records.front().written;
  EXPECT_NE(decision.find(R"("subject":"acme/ada")"), std::string::npos) << decision;
  EXPECT_NE(decision.find(R"("remaining":30)"), std::string::npos) << decision;
  EXPECT_NE(decision.find(R"("spent_usd":0.00059)"), std::string::npos) << decision;
  const auto anthropic = world.serve(ask(std::string(kClaude), "/v1/messages"));
  EXPECT_EQ(anthropic->header("anthropic-ratelimit-tokens-remaining"), "30");
}

TEST_F(PipelineTest, ForbidsTheRetryOfAnExhaustedBudgetInBothDialects) {
  Refusal refusal;
  refusal.reason = Reason::kBudgetExhausted;
  refusal.rule = "tenants.acme.budget";
  world.ledger.refusal = refusal;
  const auto openai = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(openai->status, 429);
  EXPECT_EQ(openai->header("x-should-retry"), "false");
  EXPECT_NE(openai->text.find(R"("type":"insufficient_quota")"), std::string::npos);
  const auto anthropic = world.serve(ask(std::string(kClaude), "/v1/messages"));
  EXPECT_EQ(anthropic->status, 429);
  EXPECT_EQ(anthropic->header("x-should-retry"), "false");
  EXPECT_NE(anthropic->text.find("enforced_spend_limit_reached"), std::string::npos);
  EXPECT_FALSE(openai->header("retry-after"));
}

TEST_F(PipelineTest, AnswersAnOverloadedStoreAsEachDialectKnowsIt) {
  Refusal refusal;
  refusal.reason = Reason::kStoreUnavailable;
  refusal.retry_after = std::chrono::seconds(1);
  world.ledger.refusal = refusal;
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 503);
  EXPECT_EQ(world.serve(ask(std::string(kClaude), "/v1/messages"))->status, 529);
}

TEST_F(PipelineTest, TellsWhichStoresItDecidedWithout) {
  EXPECT_FALSE(world.serve(ask(std::string(kHello)))->header("x-tollgate-degraded"));
  EXPECT_EQ(world.trail.records.front().written.find("degraded"), std::string::npos);
  world.outages.names = {"money", "keys"};
  world.trail.records.clear();
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->header("x-tollgate-degraded"), "money, keys");
  world.ledger.refusal = Refusal{Reason::kBudgetExhausted, "tenants.acme.budget", "none", {}};
  const auto refused = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->header("x-tollgate-degraded"), "money, keys");
  ASSERT_EQ(world.trail.records.size(), 4U);
  for (const Recorded& record : world.trail.records) {
    EXPECT_NE(record.written.find(R"("degraded":["money","keys"])"), std::string::npos);
  }
}

// Whether it was revoked nobody can tell.
TEST_F(PipelineTest, BelievesNoKeyOfAStoreThatIsOutOfReachWhereThePolicySaysSo) {
  world.keys.is_current = false;
  world.outages.names = {"keys"};
  const auto refused = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->header("x-tollgate-reason"), "store_unavailable");
  EXPECT_EQ(refused->header("x-tollgate-rule"), "store.on_fault.keys");
  EXPECT_EQ(refused->header("x-tollgate-degraded"), "keys");
  EXPECT_EQ(std::ranges::count(world.story, "open"), 0);
  world.keys.is_current = true;
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
}

TEST_F(PipelineTest, TellsRatesAndMoneyInBothDialects) {
  const auto openai = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(openai->header("x-ratelimit-limit-requests"), "120");
  EXPECT_EQ(openai->header("x-ratelimit-remaining-requests"), "119");
  EXPECT_TRUE(openai->header("x-ratelimit-reset-requests"));
  EXPECT_TRUE(openai->header("x-ratelimit-remaining-tokens"));
  EXPECT_FALSE(openai->header("anthropic-ratelimit-requests-limit"));
  EXPECT_EQ(openai->header("x-tollgate-model"), "small");
  EXPECT_EQ(openai->header("x-tollgate-cost-usd"), "0.000049");
  EXPECT_EQ(openai->header("x-tollgate-budget-remaining-usd"), "499.999951");
  EXPECT_TRUE(openai->header("x-tollgate-overhead-us"));

  world.upstreams.script.pieces = {
      R"({"id":"m1","type":"message","role":"assistant","model":"claude-opus","content":[{"type":"text","text":"the answer"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}})"};
  const auto anthropic = world.serve(ask(std::string(kClaude), "/v1/messages"));
  EXPECT_EQ(anthropic->status, 200) << anthropic->text;
  EXPECT_EQ(anthropic->header("anthropic-ratelimit-requests-limit"), "120");
  EXPECT_EQ(anthropic->header("anthropic-ratelimit-requests-remaining"), "119");
  EXPECT_EQ(anthropic->header("anthropic-ratelimit-requests-reset"), "2026-03-04T05:30:01Z");
  EXPECT_EQ(anthropic->header("request-id"), anthropic->header("x-request-id"));
  EXPECT_FALSE(anthropic->header("x-ratelimit-limit-requests"));
}

TEST_F(PipelineTest, ListsOnlyTheModelsThatTheCallerMayUse) {
  Ask asked = ask({}, "/v1/models");
  asked.method = "GET";
  const auto ours = world.serve(asked);
  EXPECT_EQ(ours->status, 200);
  for (const std::string_view model : {"\"small\"", "\"unknown\"", "\"opus\""}) {
    EXPECT_NE(ours->text.find(model), std::string::npos) << model;
  }
  EXPECT_EQ(ours->text.find("\"big\""), std::string::npos);

  const std::string globex = world.add_key("globex", "", {"researcher"});
  asked.headers = {{"x-api-key", globex}};
  const auto theirs = world.serve(asked);
  EXPECT_NE(theirs->text.find("\"big\""), std::string::npos);
  EXPECT_EQ(theirs->text.find("\"opus\""), std::string::npos);
  EXPECT_EQ(theirs->text.find("llama-8b"), std::string::npos);

  asked.headers = {};
  EXPECT_EQ(world.serve(asked)->status, 401);
  world.trail.fails = true;
  asked.headers = {{"x-api-key", globex}};
  EXPECT_EQ(world.serve(asked)->status, 503);
  EXPECT_EQ(world.ledger.held, 0);
  expect_clean_books();
}

TEST_F(PipelineTest, RecordsTheCallersIdButNamesTheRequestItself) {
  Ask asked = ask(std::string(kHello));
  asked.headers.emplace_back("X-Request-Id", "mine-" + std::string(500, 'x'));
  const auto caller = world.serve(asked);
  const std::string id = caller->header("x-request-id").value();
  EXPECT_TRUE(id.starts_with("req_"));
  EXPECT_EQ(id.size(), 30U);
  EXPECT_NE(world.trail.records.front().written.find("mine-xxx"), std::string::npos);
  EXPECT_EQ(world.trail.records.front().written.find(std::string(200, 'x')), std::string::npos);
}

TEST_F(PipelineTest, KeepsNoTextOfThePromptAndNoSecret) {
  (void)world.serve(ask(std::string(kHello)));
  for (const Recorded& record : world.trail.records) {
    EXPECT_EQ(record.written.find("Hello there"), std::string::npos);
    EXPECT_EQ(record.written.find("the answer is"), std::string::npos);
    EXPECT_EQ(record.written.find(ada), std::string::npos);
    EXPECT_EQ(record.written.find("sk-upstream-secret"), std::string::npos);
  }
}

TEST_F(PipelineTest, RecordsAFingerprintOfTheBodyWhereAskedTo) {
  const std::string settings = "audit: { content: hash }\n" + std::string(kSettings);
  World hashing(load_settings(settings), shared_vocabularies());
  const std::string key = hashing.add_key("acme");
  hashing.upstreams.script.pieces = {kAnswer};
  const auto fingerprint = [&](std::string body) {
    hashing.trail.records.clear();
    (void)hashing.serve(ask_as(key, std::move(body)));
    const std::string& written = hashing.trail.records.front().written;
    const std::size_t at = written.find("\"fingerprint\":");
    EXPECT_NE(at, std::string::npos) << written;
    return written.substr(at, 40);
  };
  const std::string one = fingerprint(std::string(kHello));
  EXPECT_EQ(one.substr(0, 31), fingerprint(std::string(kHello)).substr(0, 31));
  EXPECT_NE(one.substr(0, 31), fingerprint(std::string(kHelloStreamed)).substr(0, 31));
  (void)world.serve(ask(std::string(kHello)));
  EXPECT_EQ(last().written.find("fingerprint"), std::string::npos);
}

TEST_F(PipelineTest, RecordsRulesThatOnlyObserve) {
  World observing(load_settings(settings_with("tools: { allow: [get_weather] }",
                                              "tools: { allow: [get_weather], mode: observe }")),
                  shared_vocabularies());
  const std::string key = observing.add_key("acme");
  observing.upstreams.script.pieces = {kAnswer};
  observing.ledger.observed = {"limits.tenant_id.requests_per_minute"};
  const auto caller = observing.serve(ask_as(
      key,
      R"({"model":"small","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"rm"}}]})"));
  EXPECT_EQ(caller->status, 200) << caller->text;
  ASSERT_FALSE(observing.trail.records.empty());
  EXPECT_EQ(
      observing.trail.records.front().observed,
      (std::vector<std::string>{"routes.chat.tools", "limits.tenant_id.requests_per_minute"}));
}

TEST_F(PipelineTest, AnswersWhatIsNoHttpInTheDialectThatItSeemsToSpeak) {
  RequestHead head;
  head.target = "/v1/messages";
  std::string headers;
  std::string body;
  world.pipeline.refuse_malformed(head, "A header line has no name.", headers, body);
  EXPECT_NE(body.find(R"("type":"error")"), std::string::npos) << body;
  EXPECT_NE(body.find("A header line has no name."), std::string::npos);
  EXPECT_NE(headers.find("x-tollgate-reason: invalid_request\r\n"), std::string::npos);
  ASSERT_EQ(world.trail.records.size(), 2U);
  EXPECT_EQ(last().code, "invalid_request");
  expect_clean_books();
}

TEST(RequestHead, TellsWhenAHeaderIsThereTwiceAndDiffers) {
  const Header headers[] = {{"A", "1"}, {"b", "2"}, {"B", "2"}, {"c", "3"}, {"C", "4"}};
  RequestHead head;
  head.headers = headers;
  EXPECT_EQ(head.only_header("a"), "1");
  EXPECT_EQ(head.only_header("b"), "2");
  EXPECT_EQ(head.only_header("c"), std::nullopt);
  EXPECT_EQ(head.only_header("d"), "");
}

}  // namespace
}  // namespace tollgate::pipeline::testing
