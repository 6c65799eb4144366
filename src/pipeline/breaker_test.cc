// When an endpoint is left alone, and what its limits are.
#include <gtest/gtest.h>

#include "pipeline/attempts_world_test.h"

namespace tollgate::pipeline::testing {
namespace {

using namespace of_attempts;

TEST(Breaker, LeavesAnUpstreamAloneAfterFailuresAndAsksAgainLater) {
  Gateway gateway;
  gateway.upstreams.script = unreachable();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gateway.ask("alone")->status, 502);
  ASSERT_EQ(gateway.upstreams.messages.size(), 5U);
  const std::size_t records = gateway.trail.records.size();
  const auto refused = gateway.ask("alone");
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->header("x-tollgate-reason"), "overloaded");
  EXPECT_EQ(refused->header("x-tollgate-rule"), "upstreams.one.circuit_breaker");
  EXPECT_EQ(gateway.upstreams.messages.size(), 5U);
  EXPECT_EQ(gateway.ledger.held, 5);  // Nothing was held for it.
  EXPECT_EQ(gateway.trail.records.size(), records + 2);

  gateway.upstreams.script = {};
  gateway.upstreams.script.pieces = {kText};
  gateway.clock.pass(std::chrono::seconds(1));
  EXPECT_EQ(gateway.ask("alone")->status, 200);
  EXPECT_EQ(gateway.ask("alone")->status, 200);
}

TEST(Breaker, TellsWhoeverComesBackTooEarlyToWaitForLonger) {
  Gateway gateway;
  const std::string pat = gateway.add_key("acme", "pat");
  gateway.upstreams.script = unreachable();
  for (int i = 0; i < 5; ++i) (void)gateway.ask("alone");
  const auto told = [&](const std::string& key, std::string_view more = {}) {
    return std::stoll(*gateway.ask_as(key, "alone", more)->header("retry-after-ms"));
  };
  // With a spread of a second each.
  EXPECT_LE(told(gateway.ada), 2'000);
  EXPECT_GE(told(gateway.ada), 2'000);
  EXPECT_GE(told(gateway.ada), 4'000);
  EXPECT_LE(told(pat), 2'000);
  EXPECT_LE(told(gateway.ada, R"("max_tokens":20,)"),
            2'000);  // Another request of the same caller.
}

TEST(Breaker, WhileItIsOpenAnotherModelServesAtOnce) {
  Gateway gateway("retries: { attempts: 1 }\n");
  gateway.upstreams.script = unreachable();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gateway.ask("small")->status, 502);
  gateway.upstreams.script = {};
  gateway.upstreams.script.pieces = {kText};
  const auto caller = gateway.ask("small");
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "big");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "models.small.fallback");
  EXPECT_EQ(gateway.upstreams.upstreams.back(), "two");
}

TEST(Breaker, WhereItIsOpenADowngradeOfABudgetRefusesAndNothingBreaks) {
  Gateway gateway;
  gateway.upstreams.script = unreachable();
  for (int i = 0; i < 5; ++i) (void)gateway.ask("alone");
  gateway.upstreams.script = {};
  gateway.upstreams.script.pieces = {kText};
  // The one that stands in when the budget is used up is left alone.
  Gateway other(
      "budgets: { user_id: { usd: 0.0001, per: day, when_exhausted: { downgrade_to: alone } } }\n");
  other.upstreams.script = unreachable();
  for (int i = 0; i < 5; ++i) (void)other.ask("alone", R"("max_tokens":5,)");
  other.upstreams.script = {};
  other.upstreams.script.pieces = {kText};
  const auto refused = other.ask("big");
  EXPECT_EQ(refused->status, 429) << refused->text;
  EXPECT_EQ(other.ledger.open(), 0);
}

TEST(Breaker, WhatACallerHasToMendSaysNothingOfTheServer) {
  for (const int status : {400, 402, 404, 409, 413, 422, 451}) {
    for (const char* type : {"application/json", "text/html"}) {
      Gateway gateway;
      gateway.upstreams.script = failing(status);
      gateway.upstreams.script.content_type = type;
      for (int i = 0; i < 40; ++i) (void)gateway.ask("alone");
      gateway.upstreams.script = {};
      gateway.upstreams.script.pieces = {kText};
      EXPECT_EQ(gateway.ask("alone")->status, 200) << status << type;
    }
  }
  // Nor does it keep one well that answers nothing else.
  Gateway dead;
  int sent = 0;
  for (int i = 0; i < 60; ++i) {
    dead.upstreams.script = failing(i % 3 == 0 ? 500 : 400);
    (void)dead.ask("alone");
    sent = static_cast<int>(dead.upstreams.messages.size());
  }
  EXPECT_LT(sent, 20);
}

TEST(Breaker, LimitsOfOneModelAreNotAnothers) {
  Gateway gateway;
  Script limited = failing(429);
  limited.headers["retry-after"] = "30";
  gateway.upstreams.first = {limited};
  const auto told = gateway.ask("alone");
  EXPECT_EQ(told->status, 503);
  EXPECT_GE(std::stoll(*told->header("retry-after")), 30);
  EXPECT_EQ(gateway.ask("alone")->status, 503);
  EXPECT_EQ(gateway.ask("small")->status, 200);  // Of the same server.
}

// A front end whose engine is dead sends a head, and perhaps a first event, and nothing more.
TEST(Breaker, IsOpenedByAnswersThatBreakOff) {
  const std::vector<std::string> nothing;
  const std::vector<std::string> begun = {
      "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
      "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
      "\"finish_reason\":null}]}\n\n"};
  for (const std::vector<std::string>& pieces : {nothing, begun}) {
    for (const FaultKind fault : {FaultKind::kTimeout, FaultKind::kBroken}) {
      Gateway gateway;
      gateway.upstreams.script.content_type = "text/event-stream";
      gateway.upstreams.script.pieces = pieces;
      gateway.upstreams.script.fault = fault;
      for (int i = 0; i < 40; ++i) (void)gateway.ask("alone", R"("stream":true,)");
      EXPECT_EQ(gateway.upstreams.messages.size(), 5U) << pieces.size();
      // The probe's first byte closes it, its end opens it again, for longer.
      gateway.clock.pass(std::chrono::seconds(1));
      for (int i = 0; i < 10; ++i) (void)gateway.ask("alone", R"("stream":true,)");
      EXPECT_EQ(gateway.upstreams.messages.size(), 6U) << pieces.size();
      gateway.clock.pass(std::chrono::seconds(1));
      EXPECT_EQ(gateway.ask("alone", R"("stream":true,)")->status, 503);
    }
  }
}

// The streams of a key that is revoked are ended by us.
TEST(Breaker, IsNotOpenedByTheRevocationOfAKey) {
  Gateway gateway;
  gateway.upstreams.script.content_type = "text/event-stream";
  gateway.upstreams.script.pieces = {
      "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
      "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},"
      "\"finish_reason\":null}]}\n\n"};
  gateway.upstreams.script.hangs_after_pieces = true;
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 8; ++i) callers.push_back(gateway.ask("alone", R"("stream":true,)"));
  for (const auto& [id, key] : gateway.keys.keys) {
    if (key.user == "ada") gateway.keys.revoke(id);
  }
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(gateway.ledger.open(), 0);
  const std::string other = gateway.add_key("rich", "rob");
  gateway.upstreams.script = {};
  gateway.upstreams.script.pieces = {kText};
  EXPECT_EQ(gateway.ask_as(other, "alone")->status, 200);
}

// Of a stream whose head came, what is known is charged, not what is held.
TEST(Attempts, OfAStreamThatBreaksOffBehindItsHeadCostTheirInput) {
  Gateway gateway;
  gateway.upstreams.script.content_type = "text/event-stream";
  gateway.upstreams.script.pieces = {};
  gateway.upstreams.script.fault = FaultKind::kBroken;
  EXPECT_EQ(gateway.ask("alone", R"("stream":true,)")->status, 502);
  ASSERT_EQ(gateway.ledger.settled.size(), 1U);
  EXPECT_GT(gateway.ledger.settled[0].used.input, 0);
  EXPECT_EQ(gateway.ledger.settled[0].used.output, 0);
  // One that says nothing in time may be at work on all of it.
  gateway.upstreams.script.fault = FaultKind::kTimeout;
  EXPECT_EQ(gateway.ask("alone", R"("stream":true,)")->status, 504);
  EXPECT_EQ(gateway.ledger.settled[1].used.output, 100);
}

TEST(Breaker, IsOpenedByAHeadThatComesAlone) {
  Gateway gateway;
  gateway.upstreams.script.pieces = {};
  gateway.upstreams.script.fault = FaultKind::kBroken;
  const auto first = gateway.ask("big");
  EXPECT_EQ(first->status, 502) << "nobody was told of an answer that never came";
  for (int i = 0; i < 20; ++i) (void)gateway.ask("alone");
  EXPECT_LE(gateway.upstreams.messages.size(), 10U);
}

// fallback_after is shorter than what the server is given: one that is slow now and then is not
// ill, one that answers nobody is.
TEST(Breaker, IsOpenedBySilenceThatAFallbackCutShort) {
  Gateway gateway;
  gateway.upstreams.script = silent();
  gateway.upstreams.script.content_type = "text/event-stream";
  const std::string rich = gateway.add_key("rich", "rob");
  for (int i = 0; i < 60; ++i) (void)gateway.ask_as(rich, "big", R"("stream":true,)");
  const auto asked = std::ranges::count(gateway.upstreams.upstreams, "two");
  EXPECT_LE(asked, 12) << "five of each endpoint, and what was on its way";
}

TEST(Breaker, IsOpenedByConnectionsThatNobodyTakes) {
  Gateway gateway;
  gateway.upstreams.script = silent();
  gateway.upstreams.script.sent = false;  // No connection in time.
  const std::string rich = gateway.add_key("rich", "rob");
  for (int i = 0; i < 60; ++i) (void)gateway.ask_as(rich, "big", R"("stream":true,)");
  EXPECT_LE(std::ranges::count(gateway.upstreams.upstreams, "two"), 12);
}

TEST(Breaker, IsClosedByTheFirstByteOfAnAnswerThatGoesOn) {
  Gateway gateway;
  gateway.upstreams.script = unreachable();
  for (int i = 0; i < 5; ++i) (void)gateway.ask("alone");
  gateway.clock.pass(std::chrono::seconds(1));
  Script endless;
  endless.content_type = "text/event-stream";
  endless.pieces = {": begun\n\n"};
  endless.hangs_after_pieces = true;
  gateway.upstreams.script = endless;
  const auto probe = gateway.ask("alone", R"("stream":true,)");
  gateway.upstreams.script = {};
  gateway.upstreams.script.pieces = {kText};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(gateway.ask("alone")->status, 200);
  probe->leave();
}

TEST(Breaker, LeavesAloneWhoeverRefusesWithNoWaitAtAll) {
  Gateway gateway;
  Script limited = failing(429);
  limited.headers["retry-after"] = "0";
  gateway.upstreams.script = limited;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gateway.ask("alone")->status, 503);
  EXPECT_EQ(gateway.upstreams.messages.size(), 1U);
}

// As of OpenRouter and DeepSeek: the account has no credit, which is nothing of the request.
TEST(Attempts, GoElsewhereWhereTheAccountHasNoCredit) {
  Gateway gateway;
  gateway.upstreams.first = {failing(402), failing(402)};
  const auto served = gateway.ask("big");
  EXPECT_EQ(served->status, 200);
  EXPECT_EQ(served->header("x-tollgate-model"), "small");
}

TEST(Breaker, KeepsWhatAProviderSaysOfItsLimits) {
  Gateway gateway;
  Script limited = failing(429);
  limited.headers["retry-after"] = "7";
  gateway.upstreams.first = {limited};
  EXPECT_EQ(gateway.ask("alone")->status, 503);
  EXPECT_EQ(gateway.ask("alone")->status, 503);
  EXPECT_EQ(gateway.upstreams.messages.size(), 1U);
  gateway.clock.pass(std::chrono::seconds(7));
  EXPECT_EQ(gateway.ask("alone")->status, 200);

  // Before it has to refuse: fewer tokens are left than this may take.
  gateway.upstreams.script.headers = {{"x-ratelimit-remaining-tokens", "50"},
                                      {"x-ratelimit-reset-tokens", "3s"}};
  EXPECT_EQ(gateway.ask("alone")->status, 200);
  EXPECT_EQ(gateway.ask("alone")->status, 503);
  EXPECT_EQ(gateway.ask("alone", R"("max_tokens":20,)")->status, 200);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
