// Every ending of an attempt: what the caller gets, what is billed, and that it is settled once.
#include "pipeline/forward.h"

#include <gtest/gtest.h>

#include <random>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

class Forward : public PipelineTest {
 protected:
  void streams(std::vector<std::string> pieces) {
    world.upstreams.script.content_type = "text/event-stream; charset=utf-8";
    world.upstreams.script.pieces = std::move(pieces);
  }
  // Settled once, with so much.
  void expect_settled(Tokens input, Tokens output) {
    ASSERT_EQ(world.ledger.settled.size(), 1U);
    EXPECT_EQ(settled().used.input, input);
    EXPECT_EQ(settled().used.output, output);
    EXPECT_EQ(settled().used.cost, Money{input + 10 * output});
    EXPECT_EQ(last().phase, audit::Phase::kOutcome);
    EXPECT_EQ(last().cost, settled().used.cost);
    EXPECT_EQ(world.trail.records.size(), 2U);
    expect_clean_books();
  }
};

TEST_F(Forward, PassesAStreamOnAndBillsTheProvidersUsage) {
  streams({chunk("the answer"), chunk(" is simple"), kFinish, usage_chunk(9, 4), kDone});
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->content_type, "text/event-stream");
  // The usage that the caller did not ask for is asked for upstream and held back here.
  EXPECT_EQ(caller->text, chunk("the answer") + chunk(" is simple") + kFinish + kDone);
  EXPECT_NE(world.upstreams.messages.back().find(R"("include_usage":true)"), std::string::npos);
  EXPECT_TRUE(caller->complete());
  EXPECT_EQ(last().source, kProvider);
  expect_settled(9, 4);
}

TEST_F(Forward, ShowsTheUsageOfAStreamToWhomAskedForIt) {
  streams({chunk("the answer") + kFinish + usage_chunk(9, 2) + kDone});
  const auto caller = world.serve(ask(
      R"({"model":"small","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hello there"}]})"));
  EXPECT_EQ(caller->text, chunk("the answer") + kFinish + usage_chunk(9, 2) + kDone);
  expect_settled(9, 2);
}

TEST_F(Forward, CountsAStreamWithoutUsageAndOneThatLies) {
  for (const std::string& usage :
       {std::string(), usage_chunk(9, 0), usage_chunk(1, 4), usage_chunk(90'000, 4)}) {
    SCOPED_TRACE(usage);
    world.ledger.settled.clear();
    world.ledger.held = 0;
    world.trail.records.clear();
    streams({chunk("the answer"), chunk(" is simple"), kFinish, usage, kDone});
    if (usage.empty())
      world.upstreams.script.pieces.erase(world.upstreams.script.pieces.begin() + 3);
    (void)world.serve(ask(std::string(kHelloStreamed)));
    EXPECT_EQ(last().source, kCounted);
    expect_settled(kHelloTokens, 4);
  }
}

TEST_F(Forward, BillsWhatHadPassedWhenTheCallerLeavesInMidStream) {
  streams({chunk("the answer"), chunk(" is simple")});
  world.upstreams.script.hangs_after_pieces = true;
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_FALSE(caller->complete());
  EXPECT_EQ(world.ledger.open(), 1);
  caller->leave();
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(last().code, "caller_gone");
  EXPECT_EQ(last().source, kCounted);
  expect_settled(kHelloTokens, 4);
}

// The whole answer is out, and with it what it cost: whoever leaves just before the usage has
// thinking to pay for that did not pass by here.
TEST_F(Forward, WaitsForTheUsageWhenTheCallerLeavesWithTheWholeAnswer) {
  streams({chunk("the answer"), kFinish, usage_chunk(9, 90), kDone});
  const auto caller = world.serve(ask(std::string(kHelloStreamed)), 1);
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(last().source, kProvider);
  expect_settled(kHelloTokens, 90);
}

TEST_F(Forward, SettlesWhenTheCallerLeavesBeforeTheUpstreamAnswers) {
  world.upstreams.script.hangs_before_head = true;
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(world.ledger.open(), 1);
  caller->leave();
  EXPECT_FALSE(caller->answered());
  EXPECT_EQ(last().code, "caller_gone");
  // Sent, and nobody will say what was made of it: it may have cost all that was held.
  expect_settled(kHelloTokens, kCap);
}

// A key that is revoked takes down what is at work with it: a stream ends with the dialect's error,
// a whole reply is refused, and both are paid as far as they were made.
TEST_F(Forward, EndsAStreamWhoseKeyIsRevoked) {
  streams({chunk("the answer"), chunk(" is simple")});
  world.upstreams.script.hangs_after_pieces = true;
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  ASSERT_FALSE(caller->complete());
  world.keys.revoke(world.keys.keys.begin()->first);
  EXPECT_FALSE(caller->complete());  // Not on the store's thread.
  world.executor.run();
  EXPECT_TRUE(caller->complete());
  EXPECT_NE(caller->text.find("revoked"), std::string::npos) << caller->text;
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(last().code, "revoked_credential");
  expect_settled(kHelloTokens, 4);
  EXPECT_EQ(world.upstreams.at_work, 0);
}

TEST_F(Forward, RefusesAWholeReplyWhoseKeyIsRevokedMeanwhile) {
  world.upstreams.script.hangs_before_head = true;
  const auto caller = world.serve(ask(std::string(kHello)));
  world.keys.revoke(world.keys.keys.begin()->first);
  world.executor.run();
  ASSERT_TRUE(caller->complete());
  EXPECT_EQ(caller->status, 401);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "revoked_credential");
  expect_settled(kHelloTokens, kCap);
}

TEST_F(Forward, LeavesTheRequestsOfOtherKeysAlone) {
  streams({chunk("the answer")});
  world.upstreams.script.hangs_after_pieces = true;
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  world.add_key("acme", "another");
  ASSERT_EQ(world.keys.keys.size(), 2U);
  for (const auto& [id, key] : world.keys.keys) {
    if (key.user == "another") world.keys.revoke(id);
  }
  world.executor.run();
  EXPECT_FALSE(caller->complete());
  caller->leave();
}

TEST_F(Forward, SettlesWhenTheCallerLeavesBeforeAnythingWasSent) {
  world.upstreams.script.hangs_before_head = true;
  world.upstreams.script.sent = false;
  const auto caller = world.serve(ask(std::string(kHello)));
  caller->leave();
  expect_settled(0, 0);
  EXPECT_TRUE(settled().used.never_left);
}

TEST_F(Forward, SettlesWhenTheCallerLeavesWhileAWholeReplyComes) {
  world.upstreams.script.pieces = {"{"};
  world.upstreams.script.hangs_after_pieces = true;
  const auto caller = world.serve(ask(std::string(kHello)));
  caller->leave();
  EXPECT_EQ(last().code, "caller_gone");
  expect_settled(kHelloTokens, kCap);
  EXPECT_FALSE(settled().used.never_left);
}

TEST_F(Forward, EndsAStreamThatBreaksOffWithTheDialectsError) {
  for (const FaultKind kind : {FaultKind::kBroken, FaultKind::kTimeout}) {
    world.ledger.settled.clear();
    world.ledger.held = 0;
    world.trail.records.clear();
    streams({chunk("the answer")});
    world.upstreams.script.fault = kind;
    const auto caller = world.serve(ask(std::string(kHelloStreamed)));
    EXPECT_TRUE(caller->complete());
    EXPECT_TRUE(caller->text.starts_with(chunk("the answer")));
    EXPECT_NE(caller->text.find("\"error\""), std::string::npos) << caller->text;
    EXPECT_EQ(last().outcome, audit::Outcome::kCut);
    EXPECT_EQ(last().code, kind == FaultKind::kTimeout ? "upstream_timeout" : "upstream_error");
    expect_settled(kHelloTokens, 2);
  }
}

TEST_F(Forward, EndsAnAnthropicStreamThatBreaksOffWithItsErrorEvent) {
  streams({claude_opening(9), claude_delta("the answer")});
  const auto caller = world.serve(ask(std::string(kClaudeStreamed), "/v1/messages"));
  EXPECT_NE(caller->text.find("event: error\n"), std::string::npos) << caller->text;
  EXPECT_EQ(last().code, "upstream_error");
  expect_settled(9, 2);  // As its message_start says.
}

// Whoever has the whole of an answer may ask again at once with what this one did not use.
TEST_F(Forward, SettlesBeforeTheCallerHasTheLastOfAStream) {
  const std::string past_the_cap = chunk(" one two three four five six seven eight nine ten");
  std::vector<std::string> too_long(20, past_the_cap);
  const std::vector<std::vector<std::string>> cases = {{chunk("the answer") + kFinish + kDone},
                                                       {chunk("the answer"), kFinish, kDone},
                                                       too_long,
                                                       {chunk("the answer")}};
  for (const std::vector<std::string>& pieces : cases) {
    SCOPED_TRACE(pieces.front());
    world.story.clear();
    streams(pieces);
    const auto caller = world.serve(ask(std::string(kHelloStreamed)));
    ASSERT_TRUE(caller->complete());
    ASSERT_GE(world.story.size(), 4U);
    EXPECT_EQ(Story(world.story.end() - 4, world.story.end()),
              (Story{"settle", "write", "finish", "outcome"}));
  }
}

// Nothing has reached the caller yet, so they get a status that tells what happened.
TEST_F(Forward, RefusesAStreamThatBreaksBeforeItsFirstEvent) {
  const std::vector<std::vector<std::string>> cases = {
      {}, {"data: {\"id\""}, {"data: no json\n\n"}, {"<html>this is no stream</html>\n\n"}};
  for (const std::vector<std::string>& pieces : cases) {
    SCOPED_TRACE(pieces.empty() ? "" : pieces.front());
    streams(pieces);
    const auto caller = world.serve(ask(std::string(kHelloStreamed)));
    if (caller->status == 200) {
      // A line that no reader of events knows is passed over, and then the stream ends.
      EXPECT_NE(caller->text.find("error"), std::string::npos);
    } else {
      EXPECT_EQ(caller->status, 502);
    }
    EXPECT_TRUE(caller->complete());
    expect_clean_books();
  }
}

TEST_F(Forward, RefusesAStreamThatIsNone) {
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_EQ(caller->status, 502);
  expect_settled(kHelloTokens, kCap);
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + what.size())) {
    ++count;
  }
  return count;
}

// However the stream is cut into pieces: the caller gets what was paid for, a clean ending, and
// nothing beyond.
TEST_F(Forward, EndsAStreamAtTheCapCleanlyInBothDialects) {
  std::string openai;
  std::string anthropic = claude_opening(kClaudeTokens);
  for (int i = 0; i < 400; ++i) {
    openai += chunk(" word");
    anthropic += claude_delta(" word");
  }
  openai += kFinish + usage_chunk(9, 400) + kDone;
  anthropic += claude_closing(400);
  for (const std::size_t size : {7UL, 100UL, 4096UL, 1UL << 20}) {
    for (const bool is_openai : {true, false}) {
      SCOPED_TRACE(size);
      world.ledger.settled.clear();
      world.ledger.held = 0;
      world.trail.records.clear();
      const std::string& all = is_openai ? openai : anthropic;
      std::vector<std::string> pieces;
      for (std::size_t at = 0; at < all.size(); at += size) pieces.push_back(all.substr(at, size));
      streams(pieces);
      const Tokens cap = is_openai ? 100 : 50;
      const auto caller = is_openai
                              ? world.serve(ask(std::string(kHelloStreamed)))
                              : world.serve(ask(std::string(kClaudeStreamed), "/v1/messages"));
      EXPECT_TRUE(caller->complete());
      EXPECT_EQ(count_of(caller->text, "\" word\""), static_cast<std::size_t>(cap));
      if (is_openai) {
        EXPECT_EQ(count_of(caller->text, R"("finish_reason":"length")"), 1U);
        EXPECT_TRUE(caller->text.ends_with(kDone));
        EXPECT_EQ(count_of(caller->text, "[DONE]"), 1U);
      } else {
        EXPECT_EQ(count_of(caller->text, "event: message_start"), 1U);
        EXPECT_EQ(count_of(caller->text, "event: content_block_stop"), 1U);
        EXPECT_EQ(count_of(caller->text, R"("stop_reason":"max_tokens")"), 1U);
        EXPECT_EQ(count_of(caller->text, "event: message_stop"), 1U);
      }
      EXPECT_EQ(last().outcome, audit::Outcome::kCut);
      EXPECT_EQ(last().code, "output_cap_exceeded");
      expect_settled(is_openai ? kHelloTokens : kClaudeTokens, cap);
    }
  }
}

// Without a vocabulary only a bound is known, and a bound cuts no honest stream.
TEST_F(Forward, CutsAStreamOfAnUnknownVocabularyOnlyWhenItIsSureToBeTooLong) {
  const std::string body =
      R"({"model":"unknown","stream":true,"max_tokens":10,"messages":[{"role":"user","content":"x"}]})";
  streams({chunk("ten words of eight letters, each of them a token and more"), kFinish, kDone});
  (void)world.serve(ask(body));
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
  EXPECT_EQ(settled().used.output, 10);
  streams({chunk(std::string(200, 'x')), kFinish, kDone});
  (void)world.serve(ask(body));
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  EXPECT_EQ(settled().used.output, 10);
  expect_clean_books();
}

// ---- The message upstream ----------------------------------------------------------------------

TEST_F(Forward, WritesItsOwnHeadAndForwardsNoneOfTheCallers) {
  Ask asked = ask(std::string(kHello));
  asked.headers.insert(
      asked.headers.end(),
      {{"Host", "gateway.example"},
       {"Cookie", "sid=1"},
       {"X-Stainless-Lang", "js"},
       {"OpenAI-Organization", "org"},
       {"X-Forwarded-For", "9.9.9.9"},
       {"anthropic-version", "2023-06-01"},
       {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}});
  const auto caller = world.serve(asked);
  const std::string& sent = world.upstreams.messages.back();
  const std::size_t end = sent.find("\r\n\r\n");
  const std::string body = sent.substr(end + 4);
  EXPECT_EQ(sent.substr(0, end + 4),
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 10.0.0.5:8000\r\n"
            "Authorization: Bearer sk-upstream-secret\r\n"
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
            "Accept: application/json\r\nUser-Agent: tollgate\r\nx-request-id: " +
                caller->header("x-request-id").value() +
                "\r\nContent-Type: application/json\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n");
  // The model under the upstream's name, and the cap that the caller did not set.
  EXPECT_NE(body.find(R"("model":"llama-8b")"), std::string::npos) << body;
  EXPECT_EQ(body.find("small"), std::string::npos);
  EXPECT_NE(body.find(":100"), std::string::npos) << body;
  EXPECT_EQ(sent.find(ada), std::string::npos);
}

TEST_F(Forward, SpeaksAnthropicToAnthropic) {
  struct Version {
    std::string_view asked;
    std::string_view sent;
  };
  for (const Version& version :
       {Version{"", "2023-06-01"}, Version{"2026-10-21", "2026-10-21"},
        Version{"2023-06-01\tx", "2023-06-01"}, Version{"latest", "2023-06-01"}}) {
    Ask asked = ask(std::string(kClaude), "/v1/messages");
    if (!version.asked.empty()) asked.headers.emplace_back("anthropic-version", version.asked);
    asked.headers.emplace_back("traceparent", "00-4BF92f3577b34da6a3ce929d0e0e4736-00-01");
    (void)world.serve(asked);
    const std::string& sent = world.upstreams.messages.back();
    EXPECT_TRUE(
        sent.starts_with("POST /v1/messages HTTP/1.1\r\nHost: [2001:db8::7]\r\n"
                         "x-api-key: sk-ant-secret\r\n"))
        << sent;
    EXPECT_NE(sent.find("\r\nanthropic-version: " + std::string(version.sent) + "\r\n"),
              std::string::npos)
        << sent;
    EXPECT_EQ(sent.find("traceparent"), std::string::npos);
    EXPECT_NE(sent.find(R"("model":"claude-opus")"), std::string::npos);
    EXPECT_NE(sent.find(R"("max_tokens":50)"), std::string::npos);
  }
}

TEST_F(Forward, KeepsAConversationAtOneEndpointAndSpreadsThemOverAll) {
  World two(load_settings(settings_with(R"(url: "http://10.0.0.5:8000/v1")",
                                        R"(urls: ["http://a:1/v1", "http://b/x"])")),
            shared_vocabularies());
  const std::string key = two.add_key("acme");
  two.upstreams.script.pieces = {kAnswer};
  const auto say = [](const std::string& first, const std::string& more) {
    return R"({"model":"small","messages":[{"role":"system","content":"Be kind."},)"
           R"({"content":")" +
           first + R"(","role":"user"})" + more + "]}";
  };
  std::array<int, 2> asked{};
  for (int i = 0; i < 40; ++i) {
    const std::string first = "I am caller " + std::to_string(i);
    (void)two.serve(ask_as(key, say(first, "")));
    (void)two.serve(ask_as(key, say(first, R"(,{"role":"assistant","content":"Hi."},)"
                                           R"({"role":"user","content":"And?"})")));
    const std::size_t last = two.upstreams.endpoints.size() - 1;
    EXPECT_EQ(two.upstreams.endpoints[last], two.upstreams.endpoints[last - 1]);
    ++asked[static_cast<std::size_t>(two.upstreams.endpoints[last])];
    const std::string_view begins = two.upstreams.endpoints[last] == 0
                                        ? "POST /v1/chat/completions HTTP/1.1\r\nHost: a:1\r\n"
                                        : "POST /x/chat/completions HTTP/1.1\r\nHost: b\r\n";
    EXPECT_TRUE(two.upstreams.messages[last].starts_with(begins));
  }
  EXPECT_GT(asked[0], 8);
  EXPECT_GT(asked[1], 8);
}

TEST_F(Forward, TellsTheMeterHowFarTheCountWasOff) {
  world.upstreams.script.pieces = {whole(reported(12, 4))};
  (void)world.serve(ask(std::string(kHello)));
  EXPECT_EQ(world.meter.last_count, (std::pair<Tokens, Tokens>{9, 12}));
  // The upstream took five milliseconds, of which the gateway owns nothing.
  EXPECT_EQ(world.meter.last_overhead, Duration{});
  (void)world.serve(
      ask(R"({"model":"unknown","messages":[{"role":"user","content":"Hello there"}]})"));
  EXPECT_EQ(world.meter.counts, 1);  // A bound is no count.
}

// ---- For any history ---------------------------------------------------------------------------

std::string random_body(std::mt19937_64& random) {
  static constexpr const char* kModels[] = {"small", "unknown", "opus", "big", "gpt-9"};
  std::string body = R"({"model":")" + std::string(kModels[random() % 5]) + "\"";
  if (random() % 2 == 0) body += ",\"stream\":true";
  body += ",\"max_tokens\":" + std::to_string(random() % 200);
  body += R"(,"messages":[{"role":"user","content":"Hello there"}]})";
  return body;
}

Script random_script(std::mt19937_64& random) {
  static constexpr int kStatuses[] = {200, 200, 200, 200, 400, 401, 429, 500};
  static constexpr FaultKind kFaults[] = {FaultKind::kTimeout, FaultKind::kBroken,
                                          FaultKind::kUnreachable};
  Script script;
  script.full = random() % 16 == 0;
  script.sent = random() % 2 == 0;
  if (random() % 8 == 0) script.send_fault = kFaults[random() % 3];
  script.status = kStatuses[random() % 8];
  script.hangs_before_head = random() % 8 == 0;
  script.hangs_after_pieces = random() % 4 == 0;
  if (random() % 4 == 0) script.fault = kFaults[random() % 3];
  if (random() % 4 == 0) {
    script.pieces = {
        whole(reported(static_cast<Tokens>(random() % 30), static_cast<Tokens>(random() % 120)))};
    return script;
  }
  script.content_type = "text/event-stream";
  const bool anthropic = random() % 3 == 0;
  if (anthropic) script.pieces.push_back(claude_opening(9));
  for (std::uint64_t i = random() % 150; i > 0; --i) {
    script.pieces.push_back(anthropic ? claude_delta(" word") : chunk(" word"));
  }
  if (random() % 2 == 0) {
    script.pieces.push_back(anthropic ? claude_closing(static_cast<Tokens>(random() % 60))
                                      : kFinish + usage_chunk(9, 4) + kDone);
  }
  return script;
}

class History : public Forward {
 protected:
  // Serves random requests, some of which wait until their caller leaves, and ends them all.
  void live(std::mt19937_64& random, int steps, int trail_fails_one_in) {
    std::vector<std::unique_ptr<Caller>> waiting;
    for (int step = 0; step < steps; ++step) {
      if (!waiting.empty() && random() % 3 == 0) {
        const std::size_t which = random() % waiting.size();
        waiting[which]->leave();
        waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(which));
        continue;
      }
      world.clock.pass(std::chrono::seconds(5));  // Whoever failed may be asked again.
      world.upstreams.script = random_script(random);
      world.trail.fails = trail_fails_one_in > 0 && random() % trail_fails_one_in == 0;
      const std::string target = random() % 3 == 0 ? "/v1/messages" : "/v1/chat/completions";
      const int leaves = random() % 4 == 0 ? static_cast<int>(random() % 20) : -1;
      ++requests;
      auto caller = world.serve(ask(random_body(random), target), leaves);
      const bool over = world.meter.over == requests - static_cast<int>(waiting.size());
      if (!over) waiting.push_back(std::move(caller));
    }
    for (const auto& caller : waiting) caller->leave();
    expect_clean_books();
    EXPECT_EQ(world.meter.over, requests);
    ASSERT_GT(world.ledger.settled.size(), 500U);
    for (const Settled& each : world.ledger.settled) booked += each.used.cost.micro_usd;
    for (const Recorded& record : world.trail.records) {
      auto& [decisions, outcomes] = phases[record.id];
      ++(record.phase == audit::Phase::kDecision ? decisions : outcomes);
      if (record.phase == audit::Phase::kOutcome) recorded += record.cost.micro_usd;
    }
  }

  int requests = 0;
  std::int64_t booked = 0;
  std::int64_t recorded = 0;
  std::map<std::string, std::pair<int, int>> phases;  // Decisions and outcomes by id.
};

TEST_F(History, IsBookedOnceAndRecordedTwiceWhateverHappens) {
  std::mt19937_64 random{11};
  live(random, 3000, 0);
  EXPECT_EQ(std::ssize(phases), requests);
  for (const auto& [id, counts] : phases) EXPECT_EQ(counts, (std::pair<int, int>{1, 1})) << id;
  EXPECT_EQ(recorded, booked);
  EXPECT_GT(booked, 0);
}

TEST_F(History, CostsNothingThatWasNotDecidedOnRecord) {
  std::mt19937_64 random{12};
  live(random, 3000, 4);
  for (const auto& [id, counts] : phases) {
    EXPECT_LE(counts.first, 1) << id;
    EXPECT_LE(counts.second, 1) << id;
  }
  for (const Settled& each : world.ledger.settled) {
    if (each.used.cost > Money{}) {
      EXPECT_EQ(phases[each.id].first, 1);
    }
  }
  // An outcome that the trail could not take is the only cost that it does not tell.
  EXPECT_LE(recorded, booked);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
