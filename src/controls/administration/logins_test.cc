#include "controls/administration/logins.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tollgate::administration {
namespace {

constexpr Instant kStart{std::chrono::hours(1000)};

IpAddress address(int number) {
  return *read_address("10.0." + std::to_string(number / 256) + "." + std::to_string(number % 256));
}

PendingLogin login(std::string_view state) {
  PendingLogin made;
  made.state = state;
  return made;
}

TEST(Logins, AreForOneBrowserOnceAndNotForLong) {
  Logins logins;
  logins.begin("a", login("one"), address(1), kStart);
  EXPECT_FALSE(logins.take("b", kStart));
  EXPECT_FALSE(logins.take("", kStart));
  const auto taken = logins.take("a", kStart + Logins::kTimeMax - Duration(1));
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->state, "one");
  EXPECT_FALSE(logins.take("a", kStart)) << "a second time";
  logins.begin("c", login("two"), address(1), kStart);
  EXPECT_FALSE(logins.take("c", kStart + Logins::kTimeMax)) << "too late";
  EXPECT_EQ(logins.size(), 0U);
}

TEST(Logins, OfOneAddressDoNotCrowdOutThoseOfOthers) {
  Logins logins;
  logins.begin("mine", login("mine"), address(1), kStart);
  for (int i = 0; i < 5000; ++i) {
    logins.begin("his" + std::to_string(i), login("his"), address(2), kStart);
    ASSERT_LE(logins.size(), Logins::kOfAddressMax + 1);
  }
  EXPECT_TRUE(logins.take("mine", kStart));
  EXPECT_FALSE(logins.take("his0", kStart));
  EXPECT_TRUE(logins.take("his4999", kStart));
}

// Whoever has more than his share of all gives his up first.
TEST(Logins, OfManyAddressesDoNotCrowdOutThoseOfOthers) {
  Logins logins;
  logins.begin("mine", login("mine"), *read_address("2001:db8:1:1::1"), kStart);
  for (int i = 0; i < 5000; ++i) {
    logins.begin("all" + std::to_string(i), login("all"), address(i % 100), kStart);
    ASSERT_LE(logins.size(), Logins::kPendingMax);
  }
  EXPECT_EQ(logins.size(), Logins::kPendingMax);
  EXPECT_TRUE(logins.take("mine", kStart)) << "the oldest of all, of one who has but one";
}

TEST(Logins, AreCountedBySubscriberOfIpv6) {
  Logins logins;
  for (int i = 0; i < 100; ++i) {
    const std::string host = "2001:db8:1:2::" + std::to_string(i);
    logins.begin(host, login("his"), *read_address(host), kStart);
    ASSERT_LE(logins.size(), Logins::kOfAddressMax);
  }
  logins.begin("mine", login("mine"), *read_address("2001:db8:1:3::1"), kStart);
  EXPECT_EQ(logins.size(), Logins::kOfAddressMax + 1);
  EXPECT_TRUE(logins.take("mine", kStart));
}

// Whoever begins however many from wherever: what one address has stays within its bound, all stay
// within theirs, and whoever just began is among them.
TEST(Logins, StayWithinTheirBoundsForAnyHistory) {
  std::mt19937_64 random{5};
  Logins logins;
  Instant now = kStart;
  std::map<std::string, std::string> states;
  for (int step = 0; step < 5000; ++step) {
    SCOPED_TRACE(step);
    now += Duration{static_cast<std::int64_t>(random() % 1'000'000)};
    const std::string id = std::to_string(random() % 4000);
    if (random() % 4 == 0) {
      const auto taken = logins.take(id, now);
      if (taken) {
        ASSERT_EQ(taken->state, states[id]);
        ASSERT_FALSE(logins.take(id, now));
      }
      continue;
    }
    if (logins.take(id, now)) states.erase(id);
    states[id] = std::to_string(random());
    logins.begin(id, login(states[id]), address(static_cast<int>(random() % 900)), now);
    ASSERT_LE(logins.size(), Logins::kPendingMax);
    if (random() % 8 == 0) {
      ASSERT_TRUE(logins.take(id, now));
    }
  }
}

}  // namespace
}  // namespace tollgate::administration
