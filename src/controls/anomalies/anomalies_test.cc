#include "controls/anomalies/anomalies.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "controls/anomalies/testing_traffic.h"

namespace tollgate::anomalies {
namespace {

using testing::Application;
using testing::application_of;
using testing::joined;
using testing::kStart;
using testing::Language;
using testing::said_by;
using testing::variant_of;

constexpr std::uint64_t kKey = 0x5eed;

struct World {
  Anomalies anomalies{kKey};
  Language language{21};
  Policy policy;
  WallTime now = kStart;

  Verdict ask(std::string_view actor, const std::string& text, std::string_view agent = "sdk") {
    const std::string_view texts[] = {text};
    Asked asked;
    asked.features = measure(texts, kKey);
    asked.actor = anomalies.hash_of(actor);
    asked.route = anomalies.hash_of("chat");
    asked.model = 1;
    asked.agent = static_cast<std::uint32_t>(anomalies.hash_of(agent));
    asked.now = now;
    return anomalies.observe(policy, asked);
  }
  void end(std::string_view actor, Tokens input) {
    Ended ended;
    ended.input = input;
    ended.cost = Money{input};
    anomalies.learn(anomalies.hash_of(actor), anomalies.hash_of("chat"), ended);
  }
  // Flags a campaign; a text of it.
  std::string campaign() {
    const std::vector<std::string> base = language.text(40, {});
    for (int i = 0; i < 30; ++i) {
      ask("bad" + std::to_string(i % 10), variant_of(language, base));
    }
    return variant_of(language, base);
  }
};

TEST(Anomalies, SeeACampaignFromKeysThatWereNeverThere) {
  World world;
  const Verdict verdict = world.ask("new", world.campaign());
  EXPECT_TRUE(verdict.signs.has(Sign::kCampaign));
  EXPECT_EQ(verdict.score, 80);
  EXPECT_TRUE(verdict.is_anomaly);
  EXPECT_GT(world.anomalies.counts().by_action[0], 0U);
}

TEST(Anomalies, AreRefusedOnlyWhereThatIsAsked) {
  World world;
  const Verdict verdict = world.ask("new", world.campaign());
  EXPECT_TRUE(check(world.policy, verdict, "routes.chat.anomalies"));
  world.policy.on_anomaly = OnAnomaly::kRefuse;
  const Expected<void> refused = check(world.policy, verdict, "routes.chat.anomalies");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kAnomalyRefused);
  EXPECT_EQ(refused.error().rule, "routes.chat.anomalies");
  EXPECT_NE(refused.error().message.find("(campaign)"), std::string::npos);
  EXPECT_FALSE(refused.error().retry_after);
  const Verdict usual = world.ask("new", joined(world.language.text(40, {})));
  EXPECT_TRUE(check(world.policy, usual, "routes.chat.anomalies"));
}

TEST(Anomalies, CountNothingThatIsIgnored) {
  World world;
  const std::string text = world.campaign();
  world.policy.ignored.add(Sign::kCampaign);
  const Verdict verdict = world.ask("new", text);
  EXPECT_EQ(verdict.score, 0);
  EXPECT_FALSE(verdict.is_anomaly);
}

TEST(Anomalies, SlowDownTheActorAndNobodyElse) {
  World world;
  const std::string text = world.campaign();
  world.policy.on_anomaly = OnAnomaly::kSlowDown;
  EXPECT_FALSE(world.ask("one", text).delay);
  const auto usual = [&] { return joined(world.language.text(40, {})); };
  world.now += std::chrono::seconds(1);
  const Verdict soon = world.ask("one", usual());
  ASSERT_TRUE(soon.delay);
  EXPECT_EQ(*soon.delay, std::chrono::seconds(9));
  const Expected<void> refused = check(world.policy, soon, "routes.chat.anomalies");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kRateLimited);
  EXPECT_EQ(refused.error().retry_after, std::chrono::seconds(9));
  EXPECT_FALSE(world.ask("two", usual()).delay);
  // Who waits as told passes, and a moment less is too soon.
  world.now += std::chrono::seconds(9) - Duration{1};
  EXPECT_TRUE(world.ask("one", usual()).delay);
  world.now += Duration{1};
  EXPECT_FALSE(world.ask("one", usual()).delay);
  EXPECT_TRUE(world.ask("one", usual()).delay);
  world.now += kSlowFor;
  EXPECT_FALSE(world.ask("one", usual()).delay);
  EXPECT_FALSE(world.ask("one", usual()).delay);
}

TEST(Anomalies, KeepWhoIsKnownInACrowdOfNewActors) {
  World world;
  for (int i = 0; i < 200; ++i) {
    world.now += std::chrono::hours(1);
    EXPECT_EQ(world.ask("known", joined(world.language.text(30, {}))).score, 0);
  }
  for (int i = 0; i < 100'000; ++i) {
    world.ask("crowd" + std::to_string(i), "too short");
  }
  // It still knows which client it was.
  EXPECT_TRUE(world.ask("known", joined(world.language.text(30, {})), "another")
                  .signs.has(Sign::kNewAgent));
}

TEST(Anomalies, AreNotSeenInAHundredThousandUsualRequests) {
  World world;
  std::vector<Application> applications;
  for (int i = 0; i < 200; ++i) applications.push_back(application_of(world.language));
  std::map<std::string, int> seen;
  for (int i = 0; i < 100'000; ++i) {
    world.now += std::chrono::seconds(20);
    const std::uint64_t key = world.language.random()() % 1000;
    const std::string actor = "key" + std::to_string(key);
    const Application& of = applications[key % applications.size()];
    const Verdict verdict = world.ask(actor, said_by(world.language, of));
    if (verdict.is_anomaly) ++seen[in_words(verdict.signs)];
    world.end(actor, 50 + static_cast<Tokens>(world.language.random()() % 2000));
  }
  EXPECT_TRUE(seen.empty()) << seen.begin()->first;
}

TEST(Anomalies, SurviveARestart) {
  World world;
  const std::string text = world.campaign();
  for (int i = 0; i < 200; ++i) {
    world.now += std::chrono::minutes(10);
    world.ask("known", joined(world.language.text(30, {})));
  }
  const std::string kept = world.anomalies.snapshot();
  World next;
  ASSERT_TRUE(next.anomalies.restore(kept));
  next.now = world.now - std::chrono::hours(30);
  EXPECT_TRUE(next.ask("new", text).signs.has(Sign::kCampaign));
  next.now = world.now;
  EXPECT_TRUE(
      next.ask("known", joined(next.language.text(30, {})), "another").signs.has(Sign::kNewAgent));
  EXPECT_TRUE(Anomalies{kKey}.snapshot().empty());
}

TEST(Anomalies, StartAfreshWhereWhatWasKeptIsDamaged) {
  World world;
  world.campaign();
  const std::string kept = world.anomalies.snapshot();
  EXPECT_FALSE(Anomalies{kKey + 1}.restore(kept));
  for (const std::size_t size : {std::size_t{0}, std::size_t{40}, kept.size() - 1}) {
    EXPECT_FALSE(Anomalies{kKey}.restore(kept.substr(0, size))) << size;
  }
  for (std::size_t at = 0; at < kept.size(); at += 997) {
    std::string damaged = kept;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    Anomalies anomalies{kKey};
    EXPECT_FALSE(anomalies.restore(damaged)) << at;
    EXPECT_TRUE(anomalies.snapshot().empty());
  }
}

TEST(Anomalies, AreSafeFromAnyThread) {
  Anomalies anomalies{kKey};
  const Policy policy;
  std::vector<std::thread> threads;
  for (int of = 0; of < 4; ++of) {
    threads.emplace_back([&anomalies, &policy, of] {
      Language language(static_cast<std::uint64_t>(of));
      for (int i = 0; i < 500; ++i) {
        Asked asked;
        asked.features = testing::features_of(joined(language.text(20, {})));
        asked.actor = anomalies.hash_of("actor" + std::to_string(i % 50));
        asked.route = anomalies.hash_of("chat");
        asked.now = kStart;
        anomalies.observe(policy, asked);
        anomalies.learn(asked.actor, asked.route, Ended{.input = 100});
        if (i % 250 == 0) EXPECT_FALSE(anomalies.snapshot().empty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Anomalies, TellClientsByTheirFirstProduct) {
  EXPECT_EQ(agent_family("OpenAI/Python 1.55.3"), "OpenAI/Python");
  EXPECT_EQ(agent_family("curl/8.5.0"), "curl");
  EXPECT_EQ(agent_family("Mozilla/5.0 (X11; Linux)"), "Mozilla");
  EXPECT_EQ(agent_family("my-app"), "my-app");
  EXPECT_EQ(agent_family(""), "");
  EXPECT_EQ(agent_family(std::string(100, 'x')).size(), 32U);
}

}  // namespace
}  // namespace tollgate::anomalies
