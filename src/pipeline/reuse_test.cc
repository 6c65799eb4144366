// Answers that are given again: what they cost, to whom they are given, and to whom never.
#include "pipeline/reuse.h"

#include <gtest/gtest.h>

#include "pipeline/reuse_world_test.h"

namespace tollgate::pipeline::testing {
namespace {

using namespace of_reuse;

TEST(Reuse, GivesAnAnswerAgainAtThePriceOfAHit) {
  Gateway gateway(kCached);
  const auto first = gateway.ask(gateway.ada);
  EXPECT_EQ(cache_of(*first), "miss");
  EXPECT_EQ(gateway.ledger.settled.back().used.cost, Money{49});
  const auto again = gateway.ask(gateway.ada);
  EXPECT_EQ(gateway.made(), 1u) << "the model was not asked";
  EXPECT_EQ(again->status, 200);
  EXPECT_EQ(again->text, first->text);
  EXPECT_EQ(cache_of(*again), "hit");
  EXPECT_EQ(again->header("x-tollgate-model"), "small");
  EXPECT_EQ(again->header("x-tollgate-cost-usd"), "0.002");
  EXPECT_NE(again->header("x-request-id"), first->header("x-request-id"));

  EXPECT_EQ(gateway.ledger.open(), 0);
  ASSERT_EQ(gateway.ledger.settled.size(), 2u);
  EXPECT_EQ(gateway.ledger.settled[1].used.cost, Money{2000});
  EXPECT_EQ(gateway.ledger.settled[1].used.input, 0);
  ASSERT_EQ(gateway.trail.records.size(), 4u);
  EXPECT_EQ(gateway.told(R"("answered_from":"cache")"), "");
  EXPECT_EQ(gateway.trail.records[2].held, Money{2000});
  EXPECT_EQ(gateway.last().outcome, audit::Outcome::kAllowed);
  EXPECT_EQ(gateway.last().source, audit::UsageSource::kNone);
  EXPECT_EQ(gateway.last().cost, Money{2000});
  EXPECT_EQ(gateway.last().model, "small");
  // Requests and what is at work count, tokens do not.
  for (const auto& charge : gateway.ledger.limits) {
    EXPECT_EQ(charge.rule.find("tokens"), std::string::npos) << charge.rule;
  }
  EXPECT_EQ(gateway.ledger.limits.size(), 2u);
}

TEST(Reuse, IsOffUnlessARouteAsksForIt) {
  Gateway gateway("");
  (void)gateway.ask(gateway.ada, {}, {{"idempotency-key", "k"}});
  const auto again = gateway.ask(gateway.ada, {}, {{"idempotency-key", "k"}});
  EXPECT_EQ(gateway.made(), 2u);
  EXPECT_EQ(cache_of(*again), std::nullopt);
  EXPECT_EQ(gateway.answers.bytes(), 0);
}

TEST(Reuse, GivesAStreamAgainAsItWas) {
  Gateway gateway(kFree);
  gateway.upstreams.script.content_type = "text/event-stream";
  gateway.upstreams.script.pieces = {std::string(kStream)};
  const auto first = gateway.ask(gateway.ada, R"("stream":true,)");
  const auto again = gateway.ask(gateway.bob, R"("stream":true,)");
  EXPECT_EQ(gateway.made(), 1u);
  EXPECT_EQ(again->text, first->text);
  EXPECT_NE(again->text.find("the answer"), std::string::npos);
  EXPECT_EQ(again->content_type, "text/event-stream");
  // Whoever asks for the usage in it gets that; it is another answer.
  (void)gateway.ask(gateway.ada, R"("stream":true,"stream_options":{"include_usage":true},)");
  EXPECT_EQ(gateway.made(), 2u);
}

// The attack: every request that might be taken for one that was answered.
TEST(Reuse, GivesNothingToAnotherTenantWhateverItSends) {
  Gateway gateway(kFree);
  const auto first = gateway.ask(gateway.ada);
  ASSERT_EQ(gateway.made(), 1u);
  gateway.upstreams.script.pieces = {std::string(kText).replace(
      std::string_view(kText).find("the answer"), std::string_view("the answer").size(), "hers")};
  // The same user's name and the same body, in another tenant, and whatever else may help.
  const Headers forged[] = {
      {},
      {{"x-tollgate-tenant", "acme"}, {"x-tollgate-cache", "hit"}},
      {{"x-request-id", *first->header("x-request-id")}},
      {{"idempotency-key", "acme"}},
      {{"anthropic-version", "acme"}},
      {{"if-none-match", "*"}, {"cache-control", "only-if-cached"}},
  };
  for (const Headers& headers : forged) {
    const auto caller = gateway.ask(gateway.eve, {}, headers);
    EXPECT_EQ(caller->status, 200);
    EXPECT_NE(caller->text.find("hers"), std::string::npos) << caller->text;
    EXPECT_EQ(caller->text.find("the answer"), std::string::npos) << caller->text;
  }
  EXPECT_GE(gateway.made(), 2u);
  // Names of tenants and users that run into each other are still two.
  Gateway names(kOfUsers);
  const std::string one = names.add_key("acme", "globexada");
  const std::string other = names.add_key("globex", "ada");
  (void)names.ask(one);
  EXPECT_EQ(cache_of(*names.ask(other)), "miss");
  EXPECT_EQ(names.made(), 2u);
}

TEST(Reuse, SharesAmongUsersOnlyWhereTheRouteSaysSo) {
  Gateway own(kOfUsers);
  (void)own.ask(own.ada);
  EXPECT_EQ(cache_of(*own.ask(own.bob)), "miss");
  EXPECT_EQ(cache_of(*own.ask(own.ada)), "hit");
  EXPECT_EQ(own.made(), 2u);
  Gateway shared(kFree);
  (void)shared.ask(shared.ada);
  EXPECT_EQ(cache_of(*shared.ask(shared.bob)), "hit");
}

TEST(Reuse, TakesARequestForTheSameOnlyIfEveryByteIs) {
  Gateway gateway(kFree);
  (void)gateway.ask(gateway.ada);
  std::size_t made = 1;
  for (const std::string_view more :
       {R"("temperature":0.5,)", R"("max_tokens":7,)", R"("n":2,)", R"("seed":1,)",
        R"("user":"x",)", R"("stream":false,)", R"("stop":["a"],)"}) {
    SCOPED_TRACE(more);
    EXPECT_EQ(cache_of(*gateway.ask(gateway.ada, more)), "miss");
    EXPECT_EQ(gateway.made(), ++made);
  }
  EXPECT_EQ(cache_of(*gateway.ask(gateway.ada, {}, {}, "other")), "miss");
  EXPECT_EQ(cache_of(*gateway.ask(gateway.ada)), "hit");
}

TEST(Reuse, ForgetsWhatIsTooOldOrOfAnotherConfiguration) {
  Gateway gateway(kFree);
  (void)gateway.ask(gateway.ada);
  gateway.clock.pass(minutes(9));
  EXPECT_EQ(cache_of(*gateway.ask(gateway.ada)), "hit");
  gateway.clock.pass(minutes(1));
  EXPECT_EQ(cache_of(*gateway.ask(gateway.ada)), "miss");
  gateway.config.swap(load_settings(std::string(kDoors) + std::string(kFree) + "# other\n"));
  EXPECT_EQ(cache_of(*gateway.ask(gateway.ada)), "miss");
}

TEST(Reuse, KeepsNothingButWholeAnswers) {
  struct Case {
    std::string_view what;
    Script script;
    std::string_view more = {};
    Headers headers = {};
    std::string_view text = "Hello there";
  };
  Script failing, refusing, cut, calls, found;
  failing.status = 500;
  refusing.status = 400;
  refusing.pieces = {R"({"error":{"message":"no","type":"invalid_request_error"}})"};
  cut.content_type = "text/event-stream";
  cut.pieces = {std::string(kStream.substr(0, 200))};
  cut.fault = FaultKind::kBroken;
  calls.pieces = {kCalls};
  Script plain;
  plain.pieces = {kText};
  const Case all[] = {
      {"an error of the server", failing},
      {"an error about the request", refusing},
      {"a stream that broke off", cut, R"("stream":true,)"},
      {"a call of a tool", calls, kWeather},
      {"what a caller wants anew", plain, {}, {{"cache-control", "max-age=0, No-Store"}}},
      {"what was masked", plain, {}, {}, "write to ann@acme-mail.com, thanks"},
  };
  for (const Case& one : all) {
    SCOPED_TRACE(one.what);
    Gateway gateway(kFree);
    gateway.upstreams.script = one.script;
    for (std::size_t i = 1; i <= 2; ++i) {
      const auto caller =
          gateway.serve(Gateway::asked(gateway.ada, one.more, one.headers, "small", one.text));
      EXPECT_NE(cache_of(*caller), "hit");
      EXPECT_EQ(gateway.made(), i);
    }
    EXPECT_EQ(gateway.answers.bytes(), 0);
    EXPECT_EQ(gateway.ledger.open(), 0);
  }
}

TEST(Reuse, KeepsNothingThatItsCallerDidNotGet) {
  Gateway gateway(kFree);
  gateway.upstreams.script.content_type = "text/event-stream";
  gateway.upstreams.script.pieces = {std::string(kStream.substr(0, 200)),
                                     std::string(kStream.substr(200))};
  (void)gateway.ask(gateway.ada, R"("stream":true,)", {}, "small", 0);
  EXPECT_EQ(gateway.answers.bytes(), 0);
}

TEST(Reuse, KeepsTheAnswerOfAnotherModelUnderThatModelsName) {
  Gateway gateway(kFree);
  gateway.upstreams.fails = "two";
  const auto first = gateway.ask(gateway.ada, {}, {}, "safe");
  EXPECT_EQ(first->header("x-tollgate-model"), "small");
  gateway.upstreams.fails = {};
  const auto again = gateway.ask(gateway.ada, {}, {}, "safe");
  EXPECT_EQ(again->header("x-tollgate-model"), "safe");
  EXPECT_EQ(cache_of(*again), "miss");
  EXPECT_EQ(cache_of(*gateway.ask(gateway.ada)), "hit") << "as if it had been asked";
}

TEST(Reuse, IsHeldToBudgetsAtItsPrice) {
  Gateway priced(kCached);  // Five hits are all that a day's budget holds.
  (void)priced.ask(priced.ada);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(cache_of(*priced.ask(priced.ada)), "hit");
  const auto refused = priced.ask(priced.ada);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->header("x-tollgate-reason"), "budget_exhausted");
  EXPECT_EQ(priced.made(), 1u);

  Gateway free(kFree);
  (void)free.ask(free.ada);
  for (auto& [account, balance] : free.books.balances) balance.spent = Money{10'000};
  EXPECT_EQ(cache_of(*free.ask(free.bob)), "hit") << "what is free needs no budget";
  EXPECT_EQ(free.ask(free.bob, R"("seed":1,)")->status, 429);
}

TEST(Reuse, IsHeldToLimitsAndToTheRecord) {
  Gateway gateway(kFree);
  (void)gateway.ask(gateway.ada);
  gateway.ledger.refusal.emplace();
  gateway.ledger.refusal->reason = Reason::kRateLimited;
  EXPECT_EQ(gateway.ask(gateway.ada)->status, 429);
  gateway.ledger.refusal.reset();
  gateway.trail.fails = true;
  EXPECT_EQ(gateway.ask(gateway.ada)->status, 503) << "nothing without a record";
  EXPECT_EQ(gateway.made(), 1u);
  EXPECT_EQ(gateway.ledger.open(), 0);
}

// ---- In flight ------------------------------------------------------------------------------

TEST(Reuse, AnswersRequestsInFlightOnce) {
  Gateway gateway(kOnce);
  gateway.ledger.waits = true;  // So the first is at work while the others come.
  const auto leader = gateway.ask(gateway.ada);
  std::vector<std::unique_ptr<Caller>> followers;
  for (int i = 0; i < 50; ++i) followers.push_back(gateway.ask(gateway.bob));
  const auto stranger = gateway.ask(gateway.eve);
  EXPECT_EQ(gateway.ledger.held, 0);
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(gateway.made(), 2u) << "one, and the other tenant's";
  EXPECT_EQ(cache_of(*leader), "miss");
  EXPECT_EQ(cache_of(*stranger), "miss");
  for (const auto& follower : followers) {
    EXPECT_EQ(follower->text, leader->text);
    EXPECT_EQ(cache_of(*follower), "hit");
  }
  int in_flight = 0;
  for (const Recorded& record : gateway.trail.records) {
    if (record.written.find(R"("answered_from":"in_flight")") != std::string::npos) ++in_flight;
  }
  EXPECT_EQ(in_flight, 100) << "fifty, in both phases";
  EXPECT_EQ(gateway.ledger.open(), 0);
}

TEST(Reuse, LetsEachGoOnByItselfWhereTheFirstFails) {
  Gateway gateway(kOnce);
  gateway.ledger.waits = true;
  Script failing;
  failing.status = 500;
  gateway.upstreams.first = {failing};
  const auto leader = gateway.ask(gateway.ada);
  const auto one = gateway.ask(gateway.ada);
  const auto two = gateway.ask(gateway.bob);
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(leader->status, 502);
  EXPECT_EQ(one->status, 200);
  EXPECT_EQ(two->status, 200);
  EXPECT_EQ(gateway.made(), 3u);
  EXPECT_EQ(gateway.ledger.open(), 0);
}

TEST(Reuse, LetsEachGoOnByItselfWhereTheFirstIsRefusedOrLeaves) {
  Gateway refused(kOnce);
  refused.ledger.waits = true;
  const auto leader = refused.ask(refused.ada);
  const auto follower = refused.ask(refused.ada);
  refused.ledger.refusal.emplace();
  refused.ledger.refusal->reason = Reason::kRateLimited;
  refused.ledger.refusals = 1;
  while (refused.executor.run()) {
  }
  EXPECT_EQ(leader->status, 429);
  EXPECT_EQ(follower->status, 200);

  Gateway left(kOnce);
  Script hangs;
  hangs.hangs_before_head = true;
  left.upstreams.first = {hangs};
  const auto gone = left.ask(left.ada);
  const auto stays = left.ask(left.ada);
  EXPECT_FALSE(stays->answered());
  gone->leave();
  while (left.executor.run()) {
  }
  EXPECT_EQ(stays->status, 200);
  EXPECT_EQ(left.made(), 2u);
}

TEST(Reuse, LetsAFollowerGoThatLeavesOrIsRevoked) {
  Gateway gateway(kOnce);
  Script hangs;
  hangs.hangs_before_head = true;
  gateway.upstreams.first = {hangs};
  const auto leader = gateway.ask(gateway.ada);
  const auto leaves = gateway.ask(gateway.ada);
  const auto revoked = gateway.ask(gateway.bob);
  leaves->leave();
  for (const auto& [id, key] : gateway.keys.keys) {
    if (key.user == "bob") gateway.keys.revoke(id);
  }
  while (gateway.executor.run()) {
  }
  EXPECT_FALSE(leaves->answered());
  EXPECT_EQ(revoked->status, 401);
  EXPECT_EQ(gateway.made(), 1u);
  leader->leave();
  while (gateway.executor.run()) {
  }
  EXPECT_EQ(gateway.made(), 1u);
  EXPECT_EQ(gateway.ledger.open(), 0);
  EXPECT_EQ(gateway.meter.begun, gateway.meter.over);
}

TEST(Reuse, AnswersRequestsOnceAcrossLoops) {
  Gateway gateway(kOnce);
  HandExecutor elsewhere;
  Pipeline second({gateway.config, gateway.clock, gateway.keys, gateway.pepper, gateway.callers,
                   gateway.ledger, gateway.trail, gateway.upstreams, gateway.meter,
                   gateway.vocabularies, elsewhere, gateway.outages, gateway.failures,
                   &gateway.count_errors, &gateway.anomalies, nullptr, &gateway.answers});
  gateway.ledger.waits = true;
  const auto leader = gateway.ask(gateway.ada);
  Caller follower(Gateway::asked(gateway.bob), gateway.story);
  start(second.serve(follower));
  EXPECT_FALSE(elsewhere.run());
  while (gateway.executor.run()) {
  }
  EXPECT_TRUE(leader->complete());
  EXPECT_FALSE(follower.answered()) << "it goes on on its own loop";
  while (elsewhere.run()) {
  }
  EXPECT_EQ(follower.text, leader->text);
  EXPECT_EQ(gateway.made(), 1u);
}

// ---- Idempotency-Key ------------------------------------------------------------------------

TEST(Reuse, BelievesOnlySoundCountsOfRetries) {
  const auto count = [](std::string_view told) {
    const Header header{"x-stainless-retry-count", told};
    RequestHead head;
    head.headers = {&header, 1};
    return client_retries_of(head);
  };
  EXPECT_EQ(count("1"), 1);
  EXPECT_EQ(count("1000"), 1000);
  for (const std::string_view absurd :
       {"", "0", "-1", "1001", "99999999999999999999", "2x", " 2"}) {
    EXPECT_EQ(count(absurd), 0) << absurd;
  }
}

}  // namespace
}  // namespace tollgate::pipeline::testing
