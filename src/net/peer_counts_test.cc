#include "net/peer_counts.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace tollgate::net {
namespace {

IpAddress address(const std::string& text) { return *read_address(text); }

TEST(PeerCounts, TakeASubscriberOfIpv6ForOneAndNoOtherWithIt) {
  PeerCounts counts;
  const auto first = counts.take(address("2001:db8:1:2::1"), 1);
  ASSERT_TRUE(first);
  EXPECT_FALSE(counts.take(address("2001:db8:1:2:ffff::9"), 1));
  EXPECT_TRUE(counts.take(address("2001:db8:1:3::1"), 1));
  EXPECT_TRUE(counts.take(address("192.0.2.1"), 1));
  EXPECT_EQ(counts.refused(), 1u);
}

// Whoever comes and goes in what order: an address has what it took, and never more than the most.
TEST(PeerCounts, HoldForAnyHistory) {
  std::mt19937_64 random{5};
  PeerCounts counts;
  std::map<int, std::vector<PeerCounts::Place>> open;
  for (int step = 0; step < 50'000; ++step) {
    const int who = static_cast<int>(random() % 20);
    std::vector<PeerCounts::Place>& mine = open[who];
    if (random() % 3 == 0 && !mine.empty()) {
      std::swap(mine[random() % mine.size()], mine.back());
      mine.pop_back();
      continue;
    }
    const int most = 1 + static_cast<int>(random() % 8);
    auto place = counts.take(address("192.0.2." + std::to_string(who)), most);
    ASSERT_EQ(place.has_value(), static_cast<int>(mine.size()) < most) << step;
    if (place) mine.push_back(std::move(*place));
  }
}

}  // namespace
}  // namespace tollgate::net
