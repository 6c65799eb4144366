// What each ending of a whole reply costs.
#include <gtest/gtest.h>

#include "pipeline/forward.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

// What happened to a whole reply, and what it costs.
struct Bill {
  std::string_view what;
  Script script;
  int status;
  std::string_view code;  // x-tollgate-reason; empty: the caller got the upstream's answer.
  audit::UsageSource source;
  Tokens input;
  Tokens output;
};

Script answers(int status, std::string body, std::string type = "application/json") {
  Script script;
  script.status = status;
  script.pieces = {std::move(body)};
  script.content_type = std::move(type);
  return script;
}
Script fails_to_send(FaultKind kind, bool sent) {
  Script script;
  script.send_fault = kind;
  script.sent = sent;
  return script;
}
Script breaks(FaultKind kind) {
  Script script;
  script.pieces = {whole({}).substr(0, 40)};
  script.fault = kind;
  return script;
}
Script refuses_more() {
  Script script;
  script.full = true;
  return script;
}

std::vector<Bill> bills() {
  const Tokens in = 9;
  const std::string leak = R"({"error":{"message":"Incorrect API key: sk-upstream-secret"}})";
  return {
      {"plausible", answers(200, whole(reported(8, 5))), 200, "", kProvider, 8, 5},
      {"a little more input than we know of", answers(200, whole(reported(10, 5))), 200, "",
       kProvider, in, 5},
      {"cached", answers(200, whole(reported(9, 5, 4))), 200, "", kProvider, 9, 5},
      {"no usage", answers(200, whole({})), 200, "", kCounted, in, 4},
      {"lies low", answers(200, whole(reported(1, 1), std::string(400, '!'))), 200, "", kCounted,
       in, 0},
      {"nothing, for a short text", answers(200, whole(reported(8, 0))), 200, "", kCounted, 8, 4},
      {"lies high", answers(200, whole(reported(9000, 4000))), 200, "", kCounted, in, kCap},
      {"more output than the cap", answers(200, whole(reported(9, kCap + 1))), 200, "", kCounted,
       in, kCap},
      {"more cached than input", answers(200, whole(reported(9, 4, 10))), 200, "", kCounted, in, 4},
      {"negative", answers(200, whole(reported(-9, -4))), 200, "", kCounted, in, 4},
      {"all of the cap and a longer input", answers(200, whole(reported(20, kCap))), 200, "",
       kProvider, in, kCap},
      {"garbage", answers(200, "<html>no</html>"), 502, "upstream_error", kCounted, in, kCap},
      {"a reply cut", breaks(FaultKind::kBroken), 502, "upstream_error", kCounted, in, kCap},
      {"a reply too slow", breaks(FaultKind::kTimeout), 504, "upstream_timeout", kCounted, in,
       kCap},
      {"never reached", fails_to_send(FaultKind::kUnreachable, false), 502, "upstream_error", kNone,
       0, 0},
      {"connect timeout", fails_to_send(FaultKind::kTimeout, false), 504, "upstream_timeout", kNone,
       0, 0},
      {"first byte timeout", fails_to_send(FaultKind::kTimeout, true), 504, "upstream_timeout",
       kCounted, in, kCap},
      {"reset when sent", fails_to_send(FaultKind::kBroken, true), 502, "upstream_error", kCounted,
       in, kCap},
      {"at work on all it may", refuses_more(), 503, "overloaded", kNone, 0, 0},
      {"400", answers(400, R"({"error":{"message":"bad top_p"}})"), 400, "", kNone, 0, 0},
      {"400 that is no JSON", answers(400, "nope", "text/plain"), 502, "upstream_error", kNone, 0,
       0},
      {"400 that tells our secrets",
       answers(400, R"({"error":{"message":"llama-8b at 127.0.0.1 with sk-upstream-secret"}})"),
       400, "", kNone, 0, 0},
      {"422", answers(422, R"({"detail":"x"})"), 422, "", kNone, 0, 0},
      {"401", answers(401, leak), 502, "upstream_error", kNone, 0, 0},
      {"403", answers(403, leak), 502, "upstream_error", kNone, 0, 0},
      {"429", answers(429, leak), 503, "overloaded", kNone, 0, 0},
      {"503", answers(503, leak), 503, "overloaded", kNone, 0, 0},
      {"529", answers(529, leak), 503, "overloaded", kNone, 0, 0},
      {"500", answers(500, leak), 502, "upstream_error", kNone, 0, 0},
      {"302", answers(302, leak), 502, "upstream_error", kNone, 0, 0},
  };
}

TEST(ForwardBills, SaysWhatEachEndingOfAWholeReplyCosts) {
  for (const Bill& bill : bills()) {
    SCOPED_TRACE(bill.what);
    World world(load_settings(kSettings), shared_vocabularies());
    Ask ask;
    ask.headers = {{"x-api-key", world.add_key("acme")}};
    ask.body = R"({"model":"small","messages":[{"role":"user","content":"Hello there"}]})";
    world.upstreams.script = bill.script;
    const auto caller = world.serve(ask);
    EXPECT_EQ(caller->status, bill.status) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-reason").value_or(""), bill.code);
    if (bill.code.empty() && bill.status == 200) {
      EXPECT_EQ(caller->text, bill.script.pieces.front());
    }
    if (bill.what == "400") {
      EXPECT_NE(caller->text.find("bad top_p"), std::string::npos) << caller->text;
    }
    EXPECT_EQ(caller->text.find("sk-upstream-secret"), std::string::npos);
    ASSERT_EQ(world.ledger.settled.size(), 1U);
    ASSERT_EQ(world.trail.records.size(), 2U);
    const Settled& settled = world.ledger.settled.front();
    const Recorded& outcome = world.trail.records.back();
    EXPECT_EQ(outcome.source, bill.source);
    EXPECT_EQ(settled.used.input, bill.input);
    if (bill.what != "lies low") {
      EXPECT_EQ(settled.used.output, bill.output);
    } else {
      EXPECT_GT(settled.used.output, 3);
    }
    EXPECT_EQ(outcome.cost, settled.used.cost);
    EXPECT_LE(settled.used.cost, settled.held);
    EXPECT_EQ(world.ledger.open(), 0);
    EXPECT_EQ(world.upstreams.at_work, 0);
    EXPECT_EQ(world.trail.records.front().phase, audit::Phase::kDecision);
  }
}

TEST(ForwardBills, IsNeverAboveTheHoldWhateverTheCacheCosts) {
  std::string settings(kSettings);
  const std::string_view plain = "price_per_million: { input: 1, output: 10 }";
  const std::size_t at = settings.find(plain);
  ASSERT_NE(at, std::string::npos);
  settings.replace(at, plain.size(),
                   "price_per_million: { input: 1, cached_input: 300, output: 10 }");
  World world(load_settings(settings), shared_vocabularies());
  Ask ask;
  ask.headers = {{"x-api-key", world.add_key("acme")}};
  ask.body = R"({"model":"small","messages":[{"role":"user","content":"Hello there"}]})";
  world.upstreams.script = answers(200, whole(reported(9, kCap, 9)));
  (void)world.serve(ask);
  ASSERT_EQ(world.ledger.settled.size(), 1U);
  EXPECT_EQ(world.ledger.settled.front().used.cost, world.ledger.settled.front().held);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
