// Attempts at a request: elsewhere, by another model, or not again.
#include <gtest/gtest.h>

#include "pipeline/attempts_world_test.h"

namespace tollgate::pipeline::testing {
namespace {

using namespace of_attempts;

// Held and settled as often, with a pair of records each, the last of them what was answered.
void expect_attempts(const Gateway& gateway, std::size_t count) {
  EXPECT_EQ(gateway.upstreams.messages.size(), count);
  EXPECT_EQ(gateway.ledger.open(), 0);
  EXPECT_EQ(gateway.ledger.settled.size(), count);
  ASSERT_EQ(gateway.trail.records.size(), 2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const Recorded& decision = gateway.trail.records[2 * i];
    const Recorded& outcome = gateway.trail.records[2 * i + 1];
    EXPECT_EQ(decision.phase, audit::Phase::kDecision);
    EXPECT_EQ(outcome.phase, audit::Phase::kOutcome);
    EXPECT_EQ(decision.id, outcome.id);
    EXPECT_EQ(decision.id, gateway.ledger.settled[i].id);
    EXPECT_EQ(gateway.ledger.settled[i].model, decision.model);
    if (i == 0) continue;
    const Recorded& before = gateway.trail.records[2 * i - 1];
    EXPECT_EQ(before.outcome, audit::Outcome::kRefused);
    EXPECT_NE(before.written.find("\"followed_by\":\"" + decision.id + "\""), std::string::npos)
        << before.written;
    EXPECT_NE(decision.written.find("\"attempt\":" + std::to_string(i + 1) + ",\"follows\":\"" +
                                    before.id + "\""),
              std::string::npos)
        << decision.written;
  }
  EXPECT_EQ(gateway.held_now(), Money{});
  EXPECT_EQ(gateway.meter.begun, 1);
}

TEST(Attempts, GoToAnotherEndpointWhereTheFirstFailed) {
  for (const Script& first : {failing(500), failing(503), unreachable()}) {
    Gateway gateway;
    gateway.upstreams.first = {first};
    const auto caller = gateway.ask("big");
    EXPECT_EQ(caller->status, 200) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-model"), "big");
    EXPECT_FALSE(caller->header("x-tollgate-rule"));
    expect_attempts(gateway, 2);
    EXPECT_NE(gateway.upstreams.endpoints[0], gateway.upstreams.endpoints[1]);
    EXPECT_EQ(caller->header("x-request-id"), gateway.trail.records.back().id);
    EXPECT_EQ(gateway.trail.records.back().outcome, audit::Outcome::kAllowed);
    EXPECT_EQ(gateway.spent(), Money{(9 + 4) * 100});
    EXPECT_EQ(gateway.story,
              (Story{"read_body", "hold", "decision", "open", "send", "settle", "hold", "outcome",
                     "decision", "open", "send", "settle", "reply", "outcome"}));
  }
}

TEST(Attempts, FallBackWhenEveryEndpointFailedHeldAndPricedAsWhatServes) {
  Gateway gateway;
  gateway.upstreams.first = {failing(500), failing(502)};
  const auto caller = gateway.ask("big");
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "small");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "models.big.fallback");
  expect_attempts(gateway, 3);
  EXPECT_EQ(gateway.upstreams.upstreams, (std::vector<std::string>{"two", "two", "one"}));
  const Recorded& decision = gateway.trail.records[4];
  EXPECT_EQ(decision.outcome, audit::Outcome::kDowngraded);
  EXPECT_EQ(decision.code, "error");
  EXPECT_EQ(decision.held, Money{9 + 100 * 10});
  EXPECT_EQ(gateway.spent(), Money{9 + 4 * 10});
  EXPECT_NE(decision.written.find(R"("model":{"asked":"big","served":"small")"), std::string::npos)
      << decision.written;
}

std::string doors_with(std::initializer_list<std::pair<std::string_view, std::string_view>> edits) {
  std::string text(kDoors);
  for (const auto& [from, to] : edits) {
    const std::size_t at = text.find(from);
    CHECK(at != std::string::npos);
    text.replace(at, from.size(), to);
  }
  return text;
}

// The tier that is asked for holds of whoever steps in where that model has a price of it, else the
// usual one does; the answer of the one that served says which is paid.
TEST(Attempts, AreHeldAndPaidByTheTiersOfTheModelThatServes) {
  const std::string doors = doors_with(
      {{"input: 100, output: 100 }, fallback: [small, haiku]",
        "input: 100, output: 100, service_tiers: { flex: { input: 50, output: 50 }, priority: { "
        "input: 200, output: 200 } } }, fallback: [small, haiku]"},
       {"input: 1, output: 10 }, fallback: [big]",
        "input: 1, output: 10, service_tiers: { priority: { input: 2, output: 20 } } }, fallback: "
        "[big]"},
       {"    prompt: { body: 64KiB",
        "    service_tiers: [flex, priority]\n    prompt: { body: 64KiB"}});
  constexpr std::int64_t kSmall = 9 + 100 * 10;
  constexpr std::int64_t kBig = 109 * 100;
  struct Row {
    std::string_view model, asked, answered, sent;
    std::int64_t first_held, held, cost;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"big", "priority", "priority", "priority", 2 * kBig, 2 * kSmall, 98},
           {"big", "priority", "default", "priority", 2 * kBig, 2 * kSmall, 49},
           {"big", "priority", "", "priority", 2 * kBig, 2 * kSmall, 98},
           {"big", "flex", "", "default", kBig, kSmall, 49},
           {"big", "flex", "flex", "default", kBig, kSmall, 49},
           {"big", "flex", "priority", "default", kBig, kSmall, 49},
           {"small", "priority", "priority", "priority", 2 * kSmall, 2 * kBig, 2600},
           {"small", "priority", "default", "priority", 2 * kSmall, 2 * kBig, 1300},
           {"small", "priority", "flex", "priority", 2 * kSmall, 2 * kBig, 2600},
           {"small", "", "flex", "default", kSmall, kBig, 1300}}) {
    SCOPED_TRACE(std::string(row.model) + " " + std::string(row.asked) + " -> " +
                 std::string(row.answered));
    Gateway gateway({}, doors);
    std::string answer = kText;
    if (!row.answered.empty()) {
      answer.insert(1, "\"service_tier\":\"" + std::string(row.answered) + "\",");
    }
    gateway.upstreams.fails = row.model == "big" ? "two" : "one";
    gateway.upstreams.script.pieces = {answer};
    const std::string more =
        row.asked.empty() ? std::string() : "\"service_tier\":\"" + std::string(row.asked) + "\",";
    const auto caller = gateway.ask(row.model, more);
    ASSERT_EQ(caller->status, 200) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-model"), row.model == "big" ? "small" : "big");
    EXPECT_NE(gateway.upstreams.messages.back().find("\"service_tier\":\"" + std::string(row.sent) +
                                                     "\""),
              std::string::npos)
        << gateway.upstreams.messages.back();
    EXPECT_EQ(gateway.ledger.settled.front().held, Money{row.first_held});
    EXPECT_EQ(gateway.ledger.settled.back().held, Money{row.held});
    EXPECT_EQ(gateway.spent(), Money{row.cost});
    EXPECT_EQ(gateway.held_now(), Money{});
  }
}

// What is written for a later attempt takes memory as the first one did.
TEST(Attempts, AreMadeOnlyWhereThereIsMemoryForWhatIsWritten) {
  const std::string longer = "small: { upstream: one, name: " + std::string(120, 'n') + ",";
  const std::string doors = doors_with(
      {{"small: { upstream: one,", longer}, {"fallback: [small, haiku]", "fallback: [small]"}});
  std::string text;
  while (text.size() < 30'000) text += "word ";
  const auto ask = [&](Gateway& gateway) {
    gateway.upstreams.fails = "two";
    Ask made;
    made.target = "/v1/chat/completions";
    made.headers = {{"Authorization", "Bearer " + gateway.add_key("rich")}};
    made.body = R"({"model":"big","messages":[{"role":"user","content":")" + text + "\"}]}";
    return gateway.serve(std::move(made));
  };
  Gateway roomy({}, doors);
  ASSERT_EQ(ask(roomy)->status, 200);
  const auto first = static_cast<Bytes>(roomy.upstreams.messages.front().size());
  const auto last = static_cast<Bytes>(roomy.upstreams.messages.back().size());
  EXPECT_EQ(roomy.upstreams.upstreams.back(), "one");
  EXPECT_EQ(roomy.buffered.bytes(), 0);

  Gateway narrow({}, doors);
  narrow.buffered.limit((first + last) / 2 * 16 / 9);
  const Bytes room = overload::BufferedBytes::tenant_max(narrow.buffered.most());
  ASSERT_LE(first, room);
  ASSERT_GT(last, room);
  EXPECT_EQ(ask(narrow)->status, 502);
  EXPECT_EQ(narrow.upstreams.upstreams, (std::vector<std::string>{"two", "two"}));
  EXPECT_EQ(narrow.buffered.bytes(), 0);
}

TEST(Attempts, GoFromOneDialectToAnother) {
  Gateway gateway("retries: { attempts: 4 }\n");
  gateway.upstreams.first = {failing(500), failing(500), failing(500), of_claude()};
  const auto caller = gateway.ask("big");
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "haiku");
  EXPECT_NE(caller->text.find("the answer"), std::string::npos);
  expect_attempts(gateway, 4);
}

TEST(Attempts, EndWithTheFailureOfTheLastAndAreNeverMoreThanAllowed) {
  Gateway gateway;
  gateway.upstreams.script = failing(500);
  const auto caller = gateway.ask("big");
  EXPECT_EQ(caller->status, 502);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "upstream_error");
  expect_attempts(gateway, 3);
  EXPECT_EQ(gateway.spent(), Money{});
  EXPECT_EQ(caller->header("x-request-id"), gateway.trail.records.back().id);

  Gateway single("retries: { attempts: 1 }\n");
  single.upstreams.script = failing(500);
  EXPECT_EQ(single.ask("big")->status, 502);
  expect_attempts(single, 1);
}

TEST(Attempts, ModelsThatStepInForEachOtherAreTriedOnceEach) {
  Gateway gateway("retries: { attempts: 10 }\n");
  gateway.upstreams.script = failing(500);
  EXPECT_EQ(gateway.ask("small")->status, 502);
  EXPECT_EQ(gateway.upstreams.upstreams, (std::vector<std::string>{"one", "two", "two"}));
}

TEST(Attempts, AreNotMadeForWhatTheCallerHasToMend) {
  for (const int status : {400, 404, 413, 422}) {
    Gateway gateway;
    gateway.upstreams.script = failing(status);
    EXPECT_EQ(gateway.ask("big")->status, status);
    expect_attempts(gateway, 1);
  }
}

TEST(Attempts, AfterATimeoutAnotherModelServesAndBothAreCharged) {
  Gateway gateway;
  gateway.upstreams.first = {silent()};
  const auto caller = gateway.ask("big");
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "small");
  expect_attempts(gateway, 2);
  // What was sent may have been made in full, so the same model is not asked for it again.
  EXPECT_EQ(gateway.upstreams.upstreams, (std::vector<std::string>{"two", "one"}));
  EXPECT_EQ(gateway.trail.records[1].cost, Money{(9 + 100) * 100});
  EXPECT_EQ(gateway.trail.records[3].code, "timeout");
  EXPECT_EQ(gateway.spent(), Money{(9 + 100) * 100 + 9 + 4 * 10});
}

TEST(Attempts, FollowOnlyTheFailuresThatTheModelNames) {
  Gateway gateway;
  gateway.upstreams.script = silent();
  EXPECT_EQ(gateway.ask("patient")->status, 504);
  expect_attempts(gateway, 1);
}

TEST(Attempts, AreNotMadeOnceTheCallerHasAByte) {
  Gateway gateway;
  Script broken;
  broken.content_type = "text/event-stream";
  broken.pieces = {
      "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
      "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"}}]}\n\n"};
  broken.fault = FaultKind::kBroken;
  gateway.upstreams.first = {broken};
  const auto caller = gateway.ask("big", R"("stream":true,)");
  EXPECT_EQ(caller->status, 200);
  expect_attempts(gateway, 1);
  EXPECT_EQ(gateway.trail.records.back().outcome, audit::Outcome::kCut);

  // Before the first one there is another.
  Gateway early;
  broken.pieces = {};
  early.upstreams.first = {broken};
  Script stream = broken;
  stream.fault.reset();
  stream.pieces = {
      "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
      "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n"
      "data: [DONE]\n\n"};
  early.upstreams.script = stream;
  const auto second = early.ask("patient", R"("stream":true,)");
  EXPECT_EQ(second->status, 200);
  EXPECT_NE(second->text.find("Hi"), std::string::npos);
  EXPECT_EQ(early.upstreams.messages.size(), 2U);
}

TEST(Attempts, CountARequestOnceButTheModelThatServesItToo) {
  Gateway gateway;
  gateway.upstreams.first = {failing(500), failing(500)};
  ASSERT_EQ(gateway.ask("big")->status, 200);
  // Of the last hold: the tenant's requests were counted by the first attempt, those of the model
  // that steps in were not.
  std::vector<std::string> rules;
  for (const Charged& charged : gateway.ledger.limits) {
    rules.push_back(charged.rule + " " + charged.subject);
  }
  EXPECT_EQ(rules, (std::vector<std::string>{"limits.tenant_id.input_tokens_per_minute acme",
                                             "limits.model.requests_per_minute small"}));

  // What never left was given back, so it is counted anew.
  Gateway unsent;
  unsent.upstreams.first = {unreachable()};
  ASSERT_EQ(unsent.ask("big")->status, 200);
  EXPECT_TRUE(unsent.ledger.settled[0].used.never_left);
  EXPECT_EQ(unsent.ledger.limits.size(), 3U);
}

TEST(Attempts, AreEachHeldOrNotMade) {
  Gateway gateway;
  // Of 0.1 dollars each of `big` may take 0.0109, and is charged that: the tenth has no room.
  for (int i = 0; i < 9; ++i) {
    gateway.upstreams.first = {silent()};
    ASSERT_EQ(gateway.ask("big")->status, 200) << i;
  }
  const std::size_t before = gateway.upstreams.messages.size();
  EXPECT_EQ(gateway.ask("big")->status, 429);
  EXPECT_EQ(gateway.upstreams.messages.size(), before);
  EXPECT_LE(gateway.spent(), Money{100'000});

  // The one that steps in has none either: the caller is told of the failure, and no more is sent.
  Gateway near;
  near.books.balances[{"tenants.acme.budget", "acme"}] = {};
  near.upstreams.first = {silent()};
  ASSERT_EQ(near.ask("big")->status, 200);
  near.books.balances.begin()->second.spent = Money{100'000 - 10'900};
  near.upstreams.first = {silent()};
  const std::size_t sent = near.upstreams.messages.size();
  EXPECT_EQ(near.ask("big")->status, 504);
  EXPECT_EQ(near.upstreams.messages.size(), sent + 1);
  EXPECT_EQ(near.spent(), Money{100'000});
  EXPECT_EQ(near.ledger.open(), 0);
}

TEST(Attempts, NeverLeadToAModelThatTheCallerMayNotUse) {
  Gateway gateway;
  gateway.upstreams.first = {failing(500)};
  EXPECT_EQ(gateway.ask("other")->status, 502);
  expect_attempts(gateway, 1);

  Gateway allowed;
  const std::string researcher = allowed.add_key("acme", "eve", {"researcher"});
  allowed.upstreams.first = {failing(500)};
  const auto caller = allowed.ask_as(researcher, "other");
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->header("x-tollgate-model"), "hidden");
}

TEST(Attempts, AreAShareOfWhatWasLetThrough) {
  Gateway gateway("retries: { share: 0.1 }\n");
  const std::string rich = gateway.add_key("rich", "ric");
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    // A fourth fails: too little for a breaker, too much for a tenth.
    if (i % 4 == 0) gateway.upstreams.first = {failing(500)};
    refused += gateway.ask_as(rich, "big")->status == 502 ? 1 : 0;
  }
  const auto again = std::ssize(gateway.upstreams.messages) - 400;
  EXPECT_EQ(again + refused, 100);
  EXPECT_LE(again, 10 + 40);
  EXPECT_GE(again, 45);
  EXPECT_EQ(gateway.ledger.open(), 0);
}

TEST(Attempts, OfAModelThatIsTooSmallGoToALargerOneBeforeAnythingIsSent) {
  Gateway gateway;
  const auto caller = gateway.ask("tight");
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "small");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "models.tight.fallback");
  expect_attempts(gateway, 1);
  EXPECT_EQ(gateway.trail.records[0].code, "context_length");
}

TEST(Attempts, AfterADowngradeLeadToNoModelThatItIsAwayFrom) {
  Gateway gateway("budgets: { user_id: { usd: 100, per: day, when_exhausted: refuse } }\n");
  const std::string poor = gateway.add_key("poor", "pat");
  // `dear` is served by `alone` for this tenant; `back` falls back to `dear`.
  gateway.upstreams.first = {failing(500), failing(500)};
  const auto caller = gateway.ask_as(poor, "back");
  EXPECT_EQ(caller->status, 502) << caller->text;
  for (const Recorded& record : gateway.trail.records) EXPECT_NE(record.model, "dear");
  EXPECT_EQ(gateway.ledger.open(), 0);
}

TEST(Attempts, OfWhatHadNoPlaceTakeNothingOfTheShareAndGoElsewhere) {
  Gateway gateway("retries: { share: 0, attempts: 2 }\n");
  // Nothing is sent there, so nothing is multiplied, however often.
  gateway.upstreams.fulls = "two";
  for (int i = 0; i < 30; ++i) {
    const auto caller = gateway.ask("big", R"("max_tokens":5,)");
    EXPECT_EQ(caller->status, 200) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-model"), "small");
  }
  EXPECT_EQ(gateway.upstreams.messages.size(), 30U);  // Not once at its other endpoint.
  EXPECT_EQ(gateway.ledger.open(), 0);
}

TEST(Attempts, SurviveAReloadWhileTheyHold) {
  Gateway gateway;
  gateway.ledger.waits = true;
  gateway.upstreams.first = {failing(500)};
  const auto caller = gateway.ask("alone");  // Has nobody else: its budget is given back.
  const auto next = load_settings(std::string(kDoors) + "retries: { attempts: 4 }\n");
  gateway.executor.run();
  gateway.config.swap(next);
  const auto next_caller = gateway.ask("small");
  gateway.executor.run();
  gateway.executor.run();
  EXPECT_EQ(next_caller->status, 200);
  EXPECT_EQ(caller->status, 502);
  EXPECT_EQ(gateway.ledger.open(), 0);
}

// ---- Downgrades ---------------------------------------------------------------------------------

TEST(Downgrade, IsByTenantByPriceAndByWhatIsUsedOfABudget) {
  Gateway gateway;
  const std::string poor = gateway.add_key("poor", "pat");
  const std::string rich = gateway.add_key("rich", "ric");

  const auto by_tenant = gateway.ask_as(poor, "dear");
  EXPECT_EQ(by_tenant->header("x-tollgate-model"), "alone");
  EXPECT_EQ(by_tenant->header("x-tollgate-rule"), "models.dear.downgrade[1]");

  gateway.upstreams.first = {of_claude()};
  const auto by_price = gateway.ask_as(rich, "dear");  // (9 + 100) * 100 µ$: more than 0.005.
  EXPECT_EQ(by_price->header("x-tollgate-model"), "haiku");
  EXPECT_EQ(by_price->header("x-tollgate-rule"), "models.dear.downgrade[3]");
  EXPECT_EQ(gateway.ask_as(rich, "dear", R"("max_tokens":20,)")->header("x-tollgate-model"),
            "dear");
}

TEST(Downgrade, ByTheBudgetHoldsWhatIsServedAndNothingElse) {
  Gateway gateway;
  // `acme` may not use `hidden`, the first line; so it goes on with the others.
  EXPECT_EQ(gateway.ask("dear", R"("max_tokens":20,)")->header("x-tollgate-model"), "dear");
  gateway.ledger.free = Money{45'000};  // Behind this request.
  const auto caller = gateway.ask("dear", R"("max_tokens":20,)");
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "small");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "models.dear.downgrade[2]");
  EXPECT_EQ(gateway.ledger.open(), 0);
  EXPECT_EQ(gateway.held_now(), Money{});
  const Recorded& decision = gateway.trail.records[gateway.trail.records.size() - 2];
  EXPECT_EQ(decision.outcome, audit::Outcome::kDowngraded);
  EXPECT_EQ(decision.code, "downgraded");
  EXPECT_EQ(decision.held, Money{9 + 20 * 10});
}

}  // namespace
}  // namespace tollgate::pipeline::testing
