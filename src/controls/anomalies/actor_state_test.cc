#include "controls/anomalies/actor_state.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace tollgate::anomalies {
namespace {

constexpr WallTime kStart{std::chrono::hours(24 * 365 * 50)};

// One actor on one route: what it asks, and what is seen in it.
struct Life {
  ActorState actor;
  ActorState route;
  WallTime now = kStart;
  std::mt19937_64 random{17};

  std::string words(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += ' ';
      for (std::uint64_t left = 4 + random() % 6; left > 0; --left) {
        text += static_cast<char>('a' + random() % 26);
      }
    }
    return text;
  }
  Signs ask(const std::string& text, std::uint32_t agent = 1, std::uint32_t model = 1,
            std::uint64_t route_name = 1) {
    const std::string_view texts[] = {text};
    Asked asked;
    asked.features = measure(texts, 99);
    asked.actor = 1;
    asked.route = route_name;
    asked.model = model;
    asked.agent = agent;
    asked.now = now;
    now += std::chrono::minutes(5);
    return observe(actor, route, asked);
  }
  void end(Tokens input) {
    Ended ended;
    ended.input = input;
    ended.cost = Money{input * 3};
    learn(actor, route, ended);
  }
  void end_refused() {
    Ended ended;
    ended.refused = true;
    learn(actor, route, ended);
  }
  Tokens usual_tokens() { return 200 + static_cast<Tokens>(random() % 400); }
  // A usual history of some weeks, none of which shows anything.
  void live(int requests) {
    for (int i = 0; i < requests; ++i) {
      const Signs signs = ask(words(30));
      EXPECT_EQ(signs.score(), 0) << i;
      end(usual_tokens());
    }
  }
};

TEST(ActorState, ShowsNothingOfWhatIsUsual) {
  Life life;
  life.live(20'000);
}

TEST(ActorState, SaysNothingWithoutHistory) {
  Life life;
  const std::string base = life.words(30);
  for (std::uint32_t i = 0; i < 90; ++i) {
    const Signs signs = life.ask(base + life.words(1), i + 1, i + 1, i + 1);
    EXPECT_EQ(signs.score(), 0) << i;
    life.end(i < 40 ? 10 : 100'000);
  }
}

TEST(ActorState, SeesVariantsOfOneText) {
  Life life;
  life.live(300);
  const std::string base = life.words(40);
  int seen_at = 0;
  for (int i = 1; i <= 40 && seen_at == 0; ++i) {
    if (life.ask(base + life.words(2)).has(Sign::kNearDuplicates)) seen_at = i;
    life.end(life.usual_tokens());
  }
  EXPECT_GT(seen_at, 8);
  EXPECT_LE(seen_at, 25);
}

TEST(ActorState, TakesTheSameTextAgainForNoVariant) {
  Life life;
  life.live(300);
  const std::string text = life.words(40);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(life.ask(text).empty()) << i;
}

TEST(ActorState, TakesWhatAnActorAlwaysDoesForUsual) {
  Life life;
  life.route.requests = kRouteHistory;  // Where nobody else does it.
  const std::string base = life.words(40);
  for (int i = 0; i < 600; ++i) {
    const Signs signs = life.ask(base + life.words(2));
    if (i >= 100) {
      EXPECT_FALSE(signs.has(Sign::kNearDuplicates)) << i;
    }
    life.end(300);
  }
}

TEST(ActorState, HoldsANewActorAgainstItsRoute) {
  Life life;
  life.live(600);
  life.actor = {};
  const std::string base = life.words(40);
  bool seen = false;
  for (int i = 0; i < 30; ++i) {
    seen = life.ask(base + life.words(2)).has(Sign::kNearDuplicates) || seen;
  }
  EXPECT_TRUE(seen);
}

TEST(ActorState, SeesLargerInputsAndNotASingleOne) {
  Life life;
  life.live(300);
  for (int i = 0; i < 50; ++i) {
    life.end(i == 10 ? 100'000 : life.usual_tokens());
    EXPECT_TRUE(life.ask(life.words(30)).empty()) << i;
  }
  int seen_at = 0;
  for (int i = 1; i <= 20 && seen_at == 0; ++i) {
    life.end(4'000);
    const Signs signs = life.ask(life.words(30));
    if (signs.has(Sign::kTokenShift) && signs.has(Sign::kSpendShift)) seen_at = i;
  }
  EXPECT_GT(seen_at, 2);
  EXPECT_LE(seen_at, 10);
}

TEST(ActorState, SeesThatMostIsRefusedOrFails) {
  Life life;
  life.live(300);
  bool refused = false;
  for (int i = 0; i < 25; ++i) {
    life.end_refused();
    refused = life.ask(life.words(30)).has(Sign::kRefusals);
  }
  EXPECT_TRUE(refused);
  for (int i = 0; i < 40; ++i) {
    Ended ended;
    ended.failed = true;
    learn(life.actor, life.route, ended);
  }
  const Signs signs = life.ask(life.words(30));
  EXPECT_TRUE(signs.has(Sign::kErrors));
  EXPECT_FALSE(signs.has(Sign::kRefusals));
}

TEST(ActorState, SeesWhatIsNewOnce) {
  Life life;
  life.live(400);
  const Signs signs = life.ask(life.words(30), 2, 3, 4);
  EXPECT_TRUE(signs.has(Sign::kNewAgent));
  EXPECT_TRUE(signs.has(Sign::kNewModel));
  EXPECT_TRUE(signs.has(Sign::kNewRoute));
  EXPECT_TRUE(life.ask(life.words(30), 2, 3, 4).empty());
}

TEST(ActorState, SeesAnHourThatWasNeverThere) {
  Life life;
  for (int day = 0; day < 30; ++day) {
    life.now = kStart + std::chrono::hours(24 * day + 9);
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(life.ask(life.words(30)).empty());
  }
  life.now = kStart + std::chrono::hours(24 * 30 + 3);
  EXPECT_TRUE(life.ask(life.words(30)).has(Sign::kOddHour));
  EXPECT_TRUE(life.ask(life.words(30)).empty());
}

TEST(ActorState, SeesManyTemplatesInOneHour) {
  Life life;
  std::vector<std::string> own;
  for (int i = 0; i < 3; ++i) own.push_back(life.words(30));
  for (int i = 0; i < 600; ++i) {
    EXPECT_TRUE(life.ask(own[static_cast<std::size_t>(i) % own.size()]).empty());
  }
  bool seen = false;
  const WallTime hour = life.now + std::chrono::hours(2);
  for (int i = 0; i < 80; ++i) {
    life.now = hour;
    seen = life.ask(life.words(30)).has(Sign::kManyTemplates) || seen;
  }
  EXPECT_TRUE(seen);
}

TEST(ActorState, SeesTextsOfAnotherKind) {
  Life life;
  life.live(300);
  std::string encoded;
  for (int i = 0; i < 20; ++i) encoded += "dGhlIHF1aWNrIGJyb3duIGZv" + std::to_string(i) + " ";
  EXPECT_TRUE(life.ask(encoded).has(Sign::kEncoded));
  std::string same;
  for (int i = 0; i < 100; ++i) same += "again and again ";
  EXPECT_TRUE(life.ask(same).has(Sign::kRepetitive));
  EXPECT_TRUE(life.ask(std::string(400, '-')).has(Sign::kLowEntropy));
}

TEST(ActorState, ForgetsWhatHasStopped) {
  Life life;
  life.live(300);
  for (int i = 0; i < 30; ++i) life.end(50'000);
  EXPECT_TRUE(life.ask(life.words(30)).has(Sign::kTokenShift));
  Signs signs;
  for (int i = 0; i < 60; ++i) {
    life.end(life.usual_tokens());
    signs = life.ask(life.words(30));
  }
  EXPECT_TRUE(signs.empty());
}

TEST(ActorState, OfSignsIsAScoreOfAtMostAHundred) {
  Signs signs;
  EXPECT_EQ(signs.score(), 0);
  for (int i = 0; i < kSignCount; ++i) signs.add(static_cast<Sign>(i));
  EXPECT_EQ(signs.score(), 100);
  Signs one;
  one.add(Sign::kCampaign);
  EXPECT_EQ(one.score(), 80);
  EXPECT_FALSE(signs.without(one).has(Sign::kCampaign));
}

}  // namespace
}  // namespace tollgate::anomalies
