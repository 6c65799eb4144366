#include "controls/authentication/failures.h"

#include <gtest/gtest.h>

#include <random>

namespace tollgate::authentication {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};
constexpr FailurePolicy kPolicy{.per_address = 3, .per_key = 5, .in_all = 1000};

IpAddress address(std::string_view text) { return *read_address(text); }

struct Desk {
  // One that was looked at and was wrong; whether or not there is a delay by now.
  void fail(std::string_view from, std::string_view key = {}) {
    const std::string fresh = "wrong " + std::to_string(++shown_);
    const std::string_view shown[] = {fresh};
    const Guess made{address(from), shown, {}, key};
    const Judged judged = failures.end(policy, made, Look{.charged = true}, LookEnd::kWrong, now);
    alarms.push_back(judged.alarm);
  }
  // How long `credential` would wait there, in spite of the one a second that does not.
  std::optional<Duration> delay(std::string_view from, std::string_view credential = {}) {
    std::optional<Duration> wait;
    for (int i = 0; i < 2; ++i) {
      const std::string fresh = "guess " + std::to_string(++shown_);
      const std::string_view shown[] = {credential.empty() ? fresh : credential};
      const Guess made = guess(from, shown);
      const auto look = failures.begin(policy, made, now);
      if (look) failures.end(policy, made, *look, LookEnd::kUndecided, now);
      wait = look ? std::nullopt : std::optional(look.error());
    }
    return wait;
  }

  // A request that shows these.
  Guess guess(std::string_view from, std::span<const std::string_view> guessable,
              std::span<const std::string_view> others = {}) const {
    return {address(from), guessable, others, {}};
  }
  // Whether a wrong guess is looked at.
  bool tries(std::string_view from, const std::string& credential, LookEnd how) {
    const std::string_view shown[] = {credential};
    const Guess made = guess(from, shown);
    const auto look = failures.begin(policy, made, now);
    if (look) failures.end(policy, made, *look, how, now);
    return look.has_value();
  }

  FailurePolicy policy = kPolicy;
  Failures failures{42};
  Instant now = kStart;
  std::vector<Alarm> alarms;

 private:
  int shown_ = 0;
};

TEST(Failures, DelayAnAddressLongerEachTimeAndSayHowLong) {
  Desk desk;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(desk.delay("192.0.2.1")) << i;
    desk.fail("192.0.2.1");
  }
  EXPECT_FALSE(desk.delay("192.0.2.1"));
  // From then on one is forgotten while the next is waited for.
  for (const int wait : {1, 2, 4, 8, 16, 32, 32}) {
    desk.fail("192.0.2.1");
    ASSERT_EQ(desk.delay("192.0.2.1"), seconds(wait));
    desk.now += seconds(wait) - Duration(1);
    ASSERT_EQ(desk.delay("192.0.2.1"), Duration(1)) << wait;
    desk.now += Duration(1);
    ASSERT_FALSE(desk.delay("192.0.2.1")) << wait;
  }
}

TEST(Failures, AreForgottenInTime) {
  Desk desk;
  for (int i = 0; i < 4; ++i) desk.fail("192.0.2.1");
  EXPECT_TRUE(desk.delay("192.0.2.1"));
  desk.now += minutes(4);
  for (int i = 0; i < 3; ++i) desk.fail("192.0.2.1");
  EXPECT_FALSE(desk.delay("192.0.2.1"));
}

TEST(Failures, CountASubscriberOfIpv6AsOneAddressAndNoOtherWithIt) {
  Desk desk;
  for (int i = 1; i <= 4; ++i) desk.fail("2001:db8:1:2::" + std::to_string(i));
  EXPECT_TRUE(desk.delay("2001:db8:1:2:ffff::9"));
  EXPECT_FALSE(desk.delay("2001:db8:1:3::1"));
  EXPECT_FALSE(desk.delay("192.0.2.1"));
}

TEST(Failures, LetWhatWasGoodFromAnAddressBeShownFromThereWhileItIsDelayed) {
  Desk desk;
  EXPECT_TRUE(desk.tries("192.0.2.1", "the owner's key", LookEnd::kGood));
  for (int i = 0; i < 4; ++i) desk.fail("192.0.2.1");
  EXPECT_FALSE(desk.delay("192.0.2.1", "the owner's key"));
  EXPECT_TRUE(desk.delay("192.0.2.1", "the owner's kez"));
  EXPECT_TRUE(desk.delay("192.0.2.1", "another's key"));
  // It was good from there only.
  for (int i = 0; i < 4; ++i) desk.fail("192.0.2.2");
  EXPECT_TRUE(desk.delay("192.0.2.2", "the owner's key"));
}

TEST(Failures, OfAKeyMakeEachAddressesFirstItsLast) {
  Desk desk;
  for (int i = 1; i <= 5; ++i) {
    const std::string from = "192.0.2." + std::to_string(i);
    desk.fail(from, "owner");
    EXPECT_FALSE(desk.delay(from)) << i;
  }
  desk.fail("192.0.2.6", "owner");
  EXPECT_EQ(desk.delay("192.0.2.6"), seconds(1));
  desk.fail("192.0.2.7", "other");
  EXPECT_FALSE(desk.delay("192.0.2.7"));
  EXPECT_FALSE(desk.delay("192.0.2.8", "the owner's key"));
  desk.now += minutes(2);
  desk.fail("192.0.2.9", "owner");
  EXPECT_FALSE(desk.delay("192.0.2.9"));
}

TEST(Failures, InAllMakeEachAddressesFirstItsLast) {
  Desk desk;
  desk.policy.in_all = 4;
  for (int i = 1; i <= 4; ++i) desk.fail("192.0.2." + std::to_string(i));
  EXPECT_FALSE(desk.delay("192.0.2.4"));
  desk.fail("192.0.2.5");
  EXPECT_TRUE(desk.delay("192.0.2.5"));
  EXPECT_FALSE(desk.delay("192.0.2.6"));
}

TEST(Failures, AreToldOnceAMinuteOfEachKind) {
  Desk desk;
  for (int i = 0; i < 6; ++i) desk.fail("192.0.2.1");
  EXPECT_EQ(std::ranges::count(desk.alarms, Alarm::kAddress), 1);
  EXPECT_EQ(desk.alarms[3], Alarm::kAddress);
  for (int i = 0; i < 9; ++i) desk.fail("192.0.2.2", "owner");
  EXPECT_EQ(std::ranges::count(desk.alarms, Alarm::kKey), 1);
  desk.now += minutes(1);
  desk.fail("192.0.2.1");
  EXPECT_EQ(desk.alarms.back(), Alarm::kAddress);
}

TEST(Failures, AreForgottenSoonHoweverManyThereWere) {
  Desk desk;
  for (int i = 0; i < 100'000; ++i) desk.fail("192.0.2.1", "owner");
  // What 6 doublings need beyond what is allowed, and the one that begins them.
  desk.now += minutes(kPolicy.per_address + 7);
  for (int i = 0; i < 3; ++i) {
    desk.fail("192.0.2.1", "owner");
    EXPECT_FALSE(desk.delay("192.0.2.1")) << i;
  }
}

TEST(Failures, AtOnceAreLookedAtInABoundedNumber) {
  Desk desk;
  std::vector<std::string> texts(1000);
  std::vector<Look> looks;
  const auto at_once = [&](const std::string& name) {
    looks.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i] = name + std::to_string(i);
      const std::string_view shown[] = {texts[i]};
      if (const auto look =
              desk.failures.begin(desk.policy, desk.guess("192.0.2.1", shown), desk.now)) {
        looks.push_back(*look);
      }
    }
    return looks.size();
  };
  const auto end_all = [&](const std::string& name, LookEnd how) {
    for (std::size_t i = 0; i < looks.size(); ++i) {
      const std::string text = name + std::to_string(i);
      const std::string_view shown[] = {text};
      desk.failures.end(desk.policy, desk.guess("192.0.2.1", shown), looks[i], how, desk.now);
    }
  };
  // One more than the most is the trickle's.
  EXPECT_EQ(at_once("good"), Failures::kLooksMax + 1);
  end_all("good", LookEnd::kGood);
  // What was good has given its place back, and so has what nobody could tell of.
  EXPECT_EQ(at_once("unasked"), Failures::kLooksMax);
  end_all("unasked", LookEnd::kUndecided);
  desk.now += seconds(1);
  EXPECT_EQ(at_once("bad"), Failures::kLooksMax + 1);
  end_all("bad", LookEnd::kWrong);
  // Whoever is known goes on; of what is new, one a second is looked at.
  EXPECT_TRUE(desk.tries("192.0.2.1", "good1", LookEnd::kGood));
  EXPECT_EQ(at_once("worse"), 0u);
  desk.now += seconds(1);
  EXPECT_EQ(at_once("worse"), 1u);
  end_all("worse", LookEnd::kWrong);
  // Where the next failure delays, one at once.
  desk.now += minutes(1);
  EXPECT_TRUE(desk.tries("192.0.2.1", "first", LookEnd::kUndecided));
  desk.now += seconds(1);
  EXPECT_EQ(at_once("last"), 2u);
}

TEST(Failures, OfOneCredentialAreOneGuess) {
  Desk desk;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(desk.tries("192.0.2.1", "dead", LookEnd::kWrong)) << i;
  EXPECT_FALSE(desk.delay("192.0.2.1"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(desk.tries("192.0.2.1", std::to_string(i), LookEnd::kWrong)) << i;
  }
  EXPECT_TRUE(desk.delay("192.0.2.1"));
}

TEST(Failures, OfWhatWasGoodFromThereAreAnOrdinaryEnd) {
  Desk desk;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(desk.tries("192.0.2.1", std::to_string(i), LookEnd::kGood));
  }
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(desk.tries("192.0.2.1", std::to_string(i), LookEnd::kWrong));
  }
  EXPECT_FALSE(desk.delay("192.0.2.1"));
}

TEST(Failures, OfTwoCredentialsAreFailuresOfTheOneThatIsNotKnown) {
  Desk desk;
  EXPECT_TRUE(desk.tries("192.0.2.1", "mine", LookEnd::kGood));
  for (int i = 0; i < 10; ++i) {
    const std::string guess = std::to_string(i);
    const std::string_view shown[] = {"mine", guess};
    const Guess made = desk.guess("192.0.2.1", shown);
    const auto look = desk.failures.begin(desk.policy, made, desk.now);
    // One is the trickle's.
    ASSERT_EQ(look.has_value(), i < 5) << i;
    if (look) desk.failures.end(desk.policy, made, *look, LookEnd::kWrong, desk.now);
  }
  EXPECT_TRUE(desk.tries("192.0.2.1", "mine", LookEnd::kGood));
}

TEST(Failures, DoNotHoldBackWhatIsBeyondGuessing) {
  Desk desk;
  for (int i = 0; i < 4; ++i) desk.fail("192.0.2.1");
  const std::optional<Duration> before = desk.delay("192.0.2.1");
  ASSERT_TRUE(before);
  for (int i = 0; i < 100; ++i) {
    const std::string text = std::to_string(i);
    const std::string_view shown[] = {text};
    const Guess made = desk.guess("192.0.2.1", {}, shown);
    const auto look = desk.failures.begin(desk.policy, made, desk.now);
    ASSERT_TRUE(look);
    EXPECT_FALSE(desk.failures.end(desk.policy, made, *look, LookEnd::kGood, desk.now).delay);
    // What is wrong is told of the delay, and does not lengthen it.
    EXPECT_EQ(desk.failures.end(desk.policy, made, {}, LookEnd::kWrong, desk.now).delay, before);
  }
  EXPECT_EQ(desk.delay("192.0.2.1"), before);
}

// Whoever shares an address with one who guesses without end gets in with something new: a key of
// ours at once, anything else in its turn.
TEST(Failures, LetWhoIsNewInBesideOneWhoGuessesWithoutEnd) {
  std::mt19937_64 random{11};
  Desk desk;
  Duration longest{};
  int waited = 0;
  for (int who = 0; who < 50; ++who) {
    const std::string newcomer = "newcomer" + std::to_string(who);
    const Instant came = desk.now;
    do {
      // Ten guesses for each of his tries.
      for (int i = 0; i < 10; ++i) {
        desk.now += Duration{static_cast<std::int64_t>(random() % 100'000)};
        desk.tries("203.0.113.9", std::to_string(random()), LookEnd::kWrong);
      }
      desk.now += Duration{static_cast<std::int64_t>(random() % 100'000)};
      ++waited;
    } while (!desk.tries("203.0.113.9", newcomer, LookEnd::kGood));
    longest = std::max(longest, desk.now - came);
    ASSERT_TRUE(desk.tries("203.0.113.9", newcomer, LookEnd::kGood));
  }
  EXPECT_GT(waited, 50);
  EXPECT_LT(longest, minutes(2));
}

// Whoever guesses at what, from where and how often: who has not failed more than is allowed from
// an address is never delayed there, nor is what was good from there just before.
TEST(Failures, NeverDelayTheOwnerAtAnAddressOfTheirOwnForAnyHistory) {
  std::mt19937_64 random{7};
  const auto desk = std::make_unique<Desk>();
  desk->policy = {.per_address = 1, .per_key = 1, .in_all = 1};
  const std::string owner = "the owner's key";
  ASSERT_TRUE(desk->tries("203.0.113.9", owner, LookEnd::kGood));
  for (int step = 0; step < 100'000; ++step) {
    desk->now += Duration{static_cast<std::int64_t>(random() % 200'000)};
    std::string from = "203.0.113.9";
    if (random() % 4 != 0) {
      IpAddress any = address("10.0.0.0");
      for (std::size_t i = 13; i < 16; ++i) any.bytes[i] = static_cast<std::uint8_t>(random());
      from = format_address(any);
    }
    desk->fail(from, random() % 2 == 0 ? "owner" : std::to_string(random()));
    ASSERT_FALSE(desk->delay("198.51.100.7", owner)) << step;
    ASSERT_FALSE(desk->delay("203.0.113.9", owner)) << step;
    const std::optional<Duration> wait = desk->delay(from);
    ASSERT_TRUE(!wait || (*wait > Duration{} && *wait <= desk->policy.delay_max)) << step;
  }
}

}  // namespace
}  // namespace tollgate::authentication
