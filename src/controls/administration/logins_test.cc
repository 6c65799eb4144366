#include "controls/administration/logins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

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
  for (int i = 0; i < 10'000; ++i) {
    logins.begin("his" + std::to_string(i), login("his"), address(2), kStart);
    ASSERT_LE(logins.size(), Logins::kPendingMax);
  }
  EXPECT_TRUE(logins.take("mine", kStart));
  EXPECT_FALSE(logins.take("his0", kStart));
  EXPECT_TRUE(logins.take("his9999", kStart));
}

// An office behind one address logs in, and so does somebody there who begins hundreds.
TEST(Logins, OfOneAddressDoNotCrowdEachOtherOutWhileThereIsRoom) {
  Logins logins;
  logins.begin("mine", login("mine"), address(1), kStart);
  for (std::size_t i = 1; i < Logins::kPendingMax; ++i) {
    logins.begin("his" + std::to_string(i), login("his"), address(1), kStart);
  }
  ASSERT_EQ(logins.size(), Logins::kPendingMax);
  logins.begin("another", login("another"), address(2), kStart);
  EXPECT_EQ(logins.size(), Logins::kPendingMax);
  EXPECT_FALSE(logins.take("mine", kStart)) << "the oldest of who has most";
  EXPECT_TRUE(logins.take("his1", kStart));
  EXPECT_TRUE(logins.take("another", kStart));
}

// Whoever has more than his share of all gives his up first.
TEST(Logins, OfManyAddressesDoNotCrowdOutThoseOfOthers) {
  Logins logins;
  logins.begin("mine", login("mine"), *read_address("2001:db8:1:1::1"), kStart);
  for (int i = 0; i < 10'000; ++i) {
    logins.begin("all" + std::to_string(i), login("all"), address(i % 100), kStart);
    ASSERT_LE(logins.size(), Logins::kPendingMax);
  }
  EXPECT_EQ(logins.size(), Logins::kPendingMax);
  EXPECT_TRUE(logins.take("mine", kStart)) << "the oldest of all, of one who has but one";
}

// All addresses of a /64 are one, and have one share.
TEST(Logins, AreCountedBySubscriberOfIpv6) {
  Logins logins;
  for (int i = 0; i < 3; ++i) {
    logins.begin("mine" + std::to_string(i), login("mine"), address(i % 1), kStart);
  }
  for (std::size_t i = 0; i < Logins::kPendingMax; ++i) {
    const std::string host = "2001:db8:1:2::" + std::to_string(i % 1000);
    logins.begin("his" + std::to_string(i), login("his"), *read_address(host), kStart);
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(logins.take("mine" + std::to_string(i), kStart)) << i;
}

// Whoever begins however many from wherever: those who may finish are the ones that a plain list
// says, in which the oldest of those from an address with most gives way.
TEST(Logins, AreThoseOfAPlainListForAnyHistory) {
  struct Plain {
    std::string id;
    IpAddress from;
    Instant until;
  };
  std::mt19937_64 random{5};
  Logins logins;
  Instant now = kStart;
  std::vector<Plain> plain;
  const auto make_room = [&] {
    std::erase_if(plain, [&](const Plain& each) { return now >= each.until; });
    if (plain.size() < Logins::kPendingMax) return;
    std::map<std::array<std::uint8_t, 16>, int> counts;
    for (const Plain& each : plain) ++counts[each.from.bytes];
    int most = 0;
    for (const auto& [address, count] : counts) most = std::max(most, count);
    // Of those with most, whoever began first.
    plain.erase(std::ranges::find_if(
        plain, [&](const Plain& each) { return counts[each.from.bytes] == most; }));
  };
  for (int step = 0; step < 12'000; ++step) {
    SCOPED_TRACE(step);
    now += std::chrono::milliseconds(random() % 100);
    if (step > 5000 && random() % 4 == 0) {
      const std::string id = std::to_string(random() % static_cast<std::uint64_t>(step));
      const auto known = std::ranges::find(plain, id, &Plain::id);
      const bool good = known != plain.end() && now < known->until;
      const auto taken = logins.take(id, now);
      ASSERT_EQ(taken.has_value(), good);
      if (taken) {
        ASSERT_EQ(taken->state, id);
      }
      if (known != plain.end()) plain.erase(known);
      continue;
    }
    const std::string id = std::to_string(step);
    const IpAddress from = address(static_cast<int>(random() % (1 + random() % 50)));
    make_room();
    plain.push_back({id, from, now + Logins::kTimeMax});
    logins.begin(id, login(id), from, now);
    ASSERT_EQ(logins.size(), plain.size());
  }
  for (const Plain& each : plain) {
    ASSERT_EQ(logins.take(each.id, now).has_value(), now < each.until) << each.id;
  }
}

}  // namespace
}  // namespace tollgate::administration
