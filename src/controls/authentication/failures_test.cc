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
  void fail(std::string_view from, std::string_view key = {}) {
    alarms.push_back(failures.failed(policy, address(from), key, now));
  }
  std::optional<Duration> delay(std::string_view from, std::string_view credential = "guess") {
    return failures.delay(address(from), credential, now);
  }

  FailurePolicy policy = kPolicy;
  Failures failures{42};
  Instant now = kStart;
  std::vector<Alarm> alarms;
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
  desk.failures.succeeded(address("192.0.2.1"), "the owner's key");
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

// Whoever guesses at what, from where and how often: who has not failed more than is allowed from
// an address is never delayed there, nor is what was good from there just before.
TEST(Failures, NeverDelayTheOwnerAtAnAddressOfTheirOwnForAnyHistory) {
  std::mt19937_64 random{7};
  const auto failures = std::make_unique<Failures>(random());
  const FailurePolicy policy{.per_address = 1, .per_key = 1, .in_all = 1};
  const IpAddress owner = address("198.51.100.7");
  const IpAddress shared = address("203.0.113.9");
  Instant now = kStart;
  for (int step = 0; step < 200'000; ++step) {
    now += Duration{static_cast<std::int64_t>(random() % 200'000)};
    IpAddress from = address("10.0.0.0");
    if (random() % 4 == 0)
      from = shared;
    else
      for (int i = 13; i < 16; ++i) from.bytes[i] = static_cast<std::uint8_t>(random());
    failures->succeeded(shared, "the owner's key");
    failures->failed(policy, from, random() % 2 == 0 ? "owner" : std::to_string(random()), now);
    ASSERT_FALSE(failures->delay(owner, "the owner's key", now)) << step;
    ASSERT_FALSE(failures->delay(shared, "the owner's key", now)) << step;
    const std::optional<Duration> wait = failures->delay(from, "a guess", now);
    ASSERT_TRUE(!wait || (*wait > Duration{} && *wait <= policy.delay_max)) << step;
  }
}

}  // namespace
}  // namespace tollgate::authentication
