// Answers of an Idempotency-Key: given once more for nothing, to whoever has it.
#include <gtest/gtest.h>

#include "pipeline/reuse_world_test.h"

namespace tollgate::pipeline::testing {
namespace {

using namespace of_reuse;

const Headers kKey = {{"Idempotency-Key", "order-1"}};

TEST(Reuse, GivesTheAnswerOfAnIdempotencyKeyAgainForNothing) {
  Gateway gateway(kByKey);
  const auto first = gateway.ask(gateway.ada, {}, kKey);
  EXPECT_EQ(first->header("idempotent-replayed"), std::nullopt);
  Headers retried = kKey;
  retried.emplace_back("x-stainless-retry-count", "2");
  const auto again = gateway.ask(gateway.ada, {}, retried);
  EXPECT_EQ(gateway.made(), 1u);
  EXPECT_EQ(again->status, 200);
  EXPECT_EQ(again->text, first->text);
  EXPECT_EQ(again->header("idempotent-replayed"), "true");
  EXPECT_EQ(again->header("x-tollgate-cost-usd"), "0.00");
  EXPECT_EQ(gateway.told(R"("answered_from":"idempotency_key")"), "");
  EXPECT_EQ(gateway.told(R"("client_retries":2)"), "");
  EXPECT_EQ(gateway.last().cost, Money{});
  EXPECT_EQ(gateway.ask(gateway.ada)->header("idempotent-replayed"), std::nullopt);
  EXPECT_EQ(gateway.made(), 2u) << "without the key it is another request";
  gateway.clock.pass(minutes(10));
  (void)gateway.ask(gateway.ada, {}, kKey);
  EXPECT_EQ(gateway.made(), 3u);
}

TEST(Reuse, RefusesAnotherRequestWithTheSameKey) {
  Gateway gateway(kByKey);
  (void)gateway.ask(gateway.ada, {}, kKey);
  const auto other = gateway.ask(gateway.ada, R"("seed":1,)", kKey);
  EXPECT_EQ(other->status, 422);
  EXPECT_EQ(other->header("x-tollgate-reason"), "idempotency_key_reused");
  EXPECT_NE(other->text.find("was used with another request"), std::string::npos) << other->text;
  EXPECT_EQ(gateway.last().rule, "routes.chat.idempotency");
  EXPECT_EQ(gateway.made(), 1u);
  // Another user's key of the same letters is another key.
  EXPECT_EQ(gateway.ask(gateway.bob, R"("seed":1,)", kKey)->status, 200);
  const auto eve = gateway.ask(gateway.eve, {}, kKey);
  EXPECT_EQ(eve->status, 200);
  EXPECT_EQ(eve->header("idempotent-replayed"), std::nullopt);
  EXPECT_EQ(gateway.made(), 3u);
}

TEST(Reuse, KeepsCallsOfToolsForAKeyAndTellsOfThem) {
  Gateway gateway(kByKey);
  gateway.upstreams.script.pieces = {kCalls};
  const auto first = gateway.ask(gateway.ada, kWeather, kKey);
  const auto again = gateway.ask(gateway.ada, kWeather, kKey);
  EXPECT_EQ(gateway.made(), 1u);
  EXPECT_EQ(again->text, first->text);
  EXPECT_NE(gateway.last().written.find(R"("called":["get_weather"])"), std::string::npos)
      << gateway.last().written;
}

TEST(Reuse, KeepsNoFailureOfAKey) {
  Gateway gateway(kByKey);
  Script failing;
  failing.status = 500;
  gateway.upstreams.first = {failing};
  EXPECT_EQ(gateway.ask(gateway.ada, {}, kKey)->status, 502);
  const auto again = gateway.ask(gateway.ada, {}, kKey);
  EXPECT_EQ(again->status, 200);
  EXPECT_EQ(again->header("idempotent-replayed"), std::nullopt);
  EXPECT_EQ(gateway.ask(gateway.ada, {}, kKey)->header("idempotent-replayed"), "true");
  EXPECT_EQ(gateway.made(), 2u);
}

TEST(Reuse, MakesOneAnswerOfAKeyAtATime) {
  Gateway gateway(kByKey);
  gateway.ledger.waits = true;
  Script failing;
  failing.status = 500;
  gateway.upstreams.first = {failing};
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 4; ++i) callers.push_back(gateway.ask(gateway.ada, {}, kKey));
  const auto other = gateway.ask(gateway.ada, R"("seed":1,)", kKey);
  EXPECT_EQ(other->status, 422) << "while the first is at work";
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(callers[0]->status, 502);
  EXPECT_EQ(callers[1]->status, 200);
  EXPECT_EQ(callers[1]->header("idempotent-replayed"), std::nullopt);
  EXPECT_EQ(callers[2]->header("idempotent-replayed"), "true");
  EXPECT_EQ(callers[3]->header("idempotent-replayed"), "true");
  EXPECT_EQ(gateway.made(), 2u);
  EXPECT_EQ(gateway.ledger.open(), 0);
}

TEST(Reuse, RefusesAbsurdKeys) {
  Gateway gateway(kByKey);
  const std::string longest(255, 'k');
  EXPECT_EQ(gateway.ask(gateway.ada, {}, {{"idempotency-key", longest}})->status, 200);
  const Headers absurd[] = {
      {{"idempotency-key", longest + "k"}},
      {{"idempotency-key", "a\tb"}},
      {{"idempotency-key", "a\x7f"}},
      {{"idempotency-key", "a"}, {"Idempotency-Key", "b"}},
  };
  for (const Headers& headers : absurd) {
    const auto caller = gateway.ask(gateway.ada, {}, headers);
    EXPECT_EQ(caller->status, 400) << headers[0].second;
    EXPECT_NE(caller->text.find("Idempotency-Key"), std::string::npos) << caller->text;
    EXPECT_EQ(gateway.last().rule, "routes.chat.idempotency");
  }
  EXPECT_EQ(gateway.made(), 1u);
}

TEST(Reuse, LooksAtTheKeyBeforeTheCache) {
  Gateway gateway(std::string(kCached) + std::string(kByKey));
  const auto first = gateway.ask(gateway.ada, {}, kKey);
  const auto replayed = gateway.ask(gateway.ada, {}, kKey);
  EXPECT_EQ(replayed->header("x-tollgate-cost-usd"), "0.00");
  const auto hit = gateway.ask(gateway.bob, {}, kKey);
  EXPECT_EQ(cache_of(*hit), "hit");
  EXPECT_EQ(hit->header("x-tollgate-cost-usd"), "0.002");
  EXPECT_EQ(gateway.made(), 1u);
  // The cache's answer is that of his key from here on.
  const auto his = gateway.ask(gateway.bob, {}, kKey);
  EXPECT_EQ(his->header("idempotent-replayed"), "true");
  EXPECT_EQ(his->header("x-tollgate-cost-usd"), "0.00");
  EXPECT_EQ(gateway.ask(gateway.bob, R"("seed":1,)", kKey)->status, 422);
}

// An SDK that gives up and asks again with its key gets what was made for it, and pays once.
TEST(Reuse, MakesTheAnswerOfAKeyToItsEndForACallerThatLeft) {
  for (const bool is_streamed : {false, true}) {
    Gateway gateway(kByKey);
    const std::string more = is_streamed ? R"("stream":true,)" : "";
    if (is_streamed) {
      gateway.upstreams.script.content_type = "text/event-stream";
      gateway.upstreams.script.pieces.clear();
      for (std::string_view rest = kStream; !rest.empty();) {
        const std::size_t end = rest.find("\n\n") + 2;
        gateway.upstreams.script.pieces.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end);
      }
    }
    (void)gateway.ask(gateway.ada, more, kKey, "small", is_streamed ? 1 : 0);
    EXPECT_EQ(gateway.last().outcome, audit::Outcome::kCut);
    EXPECT_EQ(gateway.last().code, "caller_gone");
    EXPECT_EQ(gateway.last().cost, Money{49}) << "what it made, and no more";
    const auto again = gateway.ask(gateway.ada, more, kKey);
    EXPECT_EQ(again->status, 200);
    EXPECT_EQ(again->header("idempotent-replayed"), "true");
    EXPECT_NE(again->text.find("the answer"), std::string::npos);
    EXPECT_EQ(gateway.made(), 1u);
    EXPECT_EQ(gateway.ledger.open(), 0);
  }
}

TEST(Reuse, AsksGuardsOfTheAnswerOfAKeyWhoseCallerLeft) {
  Gateway gateway(std::string(kByKey) + "    response_guards: [moderation]\n");
  gateway.ledger.waits = true;
  Script clean;
  clean.pieces = {R"({"results":[{"flagged":false,"categories":{"hate":false}}]})"};
  gateway.upstreams.first = {gateway.upstreams.script, clean};
  const auto first = gateway.ask(gateway.ada, {}, kKey);
  first->leave();
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(gateway.last().code, "caller_gone");
  EXPECT_EQ(gateway.last().cost, Money{49});
  const auto again = gateway.ask(gateway.ada, {}, kKey);
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(again->header("idempotent-replayed"), "true");
  EXPECT_EQ(gateway.upstreams.upstreams, (std::vector<std::string>{"one", "judge"}));
}

TEST(Reuse, GivesUpTheAnswerOfAKeyWhereTheProcessEnds) {
  Gateway gateway(kByKey);
  Script hanging;
  hanging.hangs_before_head = true;
  gateway.upstreams.first = {hanging};
  const auto first = gateway.ask(gateway.ada, {}, kKey);
  first->leave();
  EXPECT_EQ(gateway.ledger.open(), 1) << "it goes on without its caller";
  first->cut();
  EXPECT_EQ(gateway.ledger.open(), 0) << "the process ends";
  EXPECT_EQ(gateway.last().code, "caller_gone");
  EXPECT_EQ(gateway.ask(gateway.ada, {}, kKey)->header("idempotent-replayed"), std::nullopt);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
