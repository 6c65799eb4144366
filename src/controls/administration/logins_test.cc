#include "controls/administration/logins.h"

#include <gtest/gtest.h>

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
  for (int i = 0; i < 5000; ++i) {
    logins.begin("all" + std::to_string(i), login("all"), address(i), kStart);
    ASSERT_LE(logins.size(), Logins::kPendingMax);
  }
}

}  // namespace
}  // namespace tollgate::administration
