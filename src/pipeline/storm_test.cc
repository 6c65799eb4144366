// A thousand callers whose provider is gone: what reaches it meanwhile, and how soon all is well
// when it is back. In virtual time, so that minutes take none.
#include <gtest/gtest.h>

#include <queue>
#include <random>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kOne = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  gone: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  there: { url: "http://10.0.0.6:8000/v1", speaks: openai }
models:
  big: { upstream: gone, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
  safe: { upstream: gone, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 }, fallback: [spare] }
  spare: { upstream: there, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
tenants: { acme: {} }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [big, safe, spare]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
)";

constexpr const char* kText =
    R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"the answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";

enum class Manners : std::uint8_t {
  kAsTold,    // Waits as the reply says; where that says no wait helps, half a second.
  kStubborn,  // Comes back at once, whatever it is told.
};

// Each asks, waits and asks again, for ever.
struct Storm : World {
  Storm(int callers, std::string model, Manners manners)
      : World(load_settings(std::string(kOne)), shared_vocabularies()),
        model(std::move(model)),
        manners(manners) {
    key = add_key("acme", "ada");
    upstreams.script.takes = Duration{};
    upstreams.script.pieces = {kText};
    for (int i = 0; i < callers; ++i) {
      due.push({now + milliseconds(static_cast<std::int64_t>(random() % 1000))});
    }
  }

  // Until `end` of virtual time.
  void blow(Duration end) {
    while (!due.empty() && due.top().at < end) {
      const Duration at = due.top().at;
      due.pop();
      clock.pass(at - now);
      now = at;
      due.push({at + turn()});
      forget();
    }
  }

  // One request; how long its caller waits until the next.
  Duration turn() {
    Ask ask;
    ask.headers = {{"Authorization", "Bearer " + key}};
    ask.body = R"({"model":")" + model + R"(","messages":[{"role":"user","content":"Hello"}]})";
    const std::int64_t held = ledger.held;
    const auto caller = serve(std::move(ask));
    ++asked;
    admitted += ledger.held > held ? 1 : 0;
    const auto chance = milliseconds(static_cast<std::int64_t>(random() % 100));
    if (caller->status == 200) {
      ++answered;
      return seconds(1) + chance;  // It reads.
    }
    if (manners == Manners::kStubborn) return milliseconds(50) + chance;
    const auto told = caller->header("retry-after-ms");
    return told ? milliseconds(std::stoll(*told)) : milliseconds(500) + chance;
  }

  void forget() {
    sent += std::ssize(upstreams.messages);
    upstreams.messages.clear();
    upstreams.endpoints.clear();
    upstreams.upstreams.clear();
    upstreams.flows.clear();
    upstreams.forget();
    trail.records.clear();
    ledger.settled_in_all += std::ssize(ledger.settled);
    ledger.settled.clear();
    story.clear();
  }

  struct Due {
    Duration at;
    bool operator<(const Due& other) const { return at > other.at; }
  };
  std::string model;
  Manners manners;
  std::string key;
  std::mt19937_64 random{5};
  std::priority_queue<Due> due;
  Duration now{};
  std::int64_t asked = 0, answered = 0, admitted = 0, sent = 0;
};

class StormOf : public ::testing::TestWithParam<Manners> {};

TEST_P(StormOf, CallersReachesAProviderThatIsGoneWithNextToNothing) {
  Storm storm(1000, "big", GetParam());
  storm.blow(seconds(10));
  EXPECT_EQ(storm.answered, storm.asked);  // All is well.

  for (const bool answers : {false, true}) {
    storm.upstreams.script = {};
    if (answers) {
      storm.upstreams.script.status = 500;
    } else {
      storm.upstreams.script.send_fault = FaultKind::kUnreachable;
      storm.upstreams.script.sent = false;
    }
    storm.upstreams.script.takes = Duration{};
    const std::int64_t admitted = storm.admitted;
    const std::int64_t sent = storm.sent;
    // Those who come back at once are more requests in a quarter of a minute than the others in
    // ten.
    const Duration lasts = GetParam() == Manners::kAsTold ? minutes(10) : seconds(15);
    const std::int64_t asked = storm.asked;
    storm.blow(storm.now + lasts);
    EXPECT_GE(storm.asked - asked, 50'000);
    const std::int64_t let_in = storm.admitted - admitted;
    EXPECT_LE(static_cast<double>(storm.sent - sent), 1.1 * static_cast<double>(let_in));
    // One probe in four seconds, after those that told that it is gone.
    EXPECT_LE(storm.sent - sent, 15 * (lasts / minutes(1)) + 14);
    EXPECT_EQ(storm.ledger.held, storm.ledger.settled_in_all);
  }

  // It is back.
  storm.upstreams.script = {};
  storm.upstreams.script.pieces = {kText};
  storm.upstreams.script.takes = Duration{};
  storm.blow(storm.now + seconds(5));
  const std::int64_t asked = storm.asked;
  const std::int64_t answered = storm.answered;
  storm.blow(storm.now + seconds(10));
  EXPECT_GE(static_cast<double>(storm.answered - answered),
            0.99 * static_cast<double>(storm.asked - asked));
  // And each of the thousand is served again.
  EXPECT_GE(storm.answered - answered, 5'000);
}

// Two whose provider is gone: one waits as told, one comes back at once. What each is told grows
// for the one alone, so that it is served later than whoever did as told, and both are served in
// the end.
TEST(Insistent, CallersAreToldToWaitForLongerEachTime) {
  Storm storm(0, "big", Manners::kStubborn);
  storm.upstreams.script.send_fault = FaultKind::kUnreachable;
  storm.upstreams.script.sent = false;
  const auto told = [&](std::string_view text) {
    Ask ask;
    ask.headers = {{"Authorization", "Bearer " + storm.key}};
    ask.body =
        R"({"model":"big","messages":[{"role":"user","content":")" + std::string(text) + "\"}]}";
    const auto caller = storm.serve(std::move(ask));
    const auto wait = caller->header("retry-after-ms");
    return wait ? std::stoll(*wait) : 0;
  };
  for (int i = 0; i < 8; ++i) told("warm " + std::to_string(i));  // The breaker opens.
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 6; ++i) {
    storm.clock.pass(milliseconds(20));
    waits.push_back(told("again and again"));
  }
  // Twice as long each time, and spread by up to half of that, up to ten seconds.
  for (std::size_t i = 1; i < waits.size(); ++i) {
    EXPECT_GE(waits[i], std::min<std::int64_t>(waits[i - 1], 10'000));
  }
  EXPECT_GE(waits.back(), 4 * waits.front());
  EXPECT_LE(waits.back(), 10'000 + 5'000);  // With what it is spread by.
  EXPECT_LE(told("for the first time"), 2 * waits.front() + 2'000);
}

TEST_P(StormOf, CallersIsServedByWhoStepsIn) {
  Storm storm(300, "safe", GetParam());
  storm.upstreams.script.pieces = {kText};
  storm.upstreams.fails = "gone";
  storm.blow(minutes(1));
  EXPECT_GE(static_cast<double>(storm.answered), 0.99 * static_cast<double>(storm.asked));
  EXPECT_LE(static_cast<double>(storm.sent), 1.1 * static_cast<double>(storm.admitted));
  EXPECT_EQ(storm.ledger.open(), 0);
}

INSTANTIATE_TEST_SUITE_P(Manners, StormOf, ::testing::Values(Manners::kAsTold, Manners::kStubborn),
                         [](const auto& info) {
                           return info.param == Manners::kAsTold ? "AsTold" : "Stubborn";
                         });

}  // namespace
}  // namespace tollgate::pipeline::testing
