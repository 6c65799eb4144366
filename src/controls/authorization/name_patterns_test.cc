#include "controls/authorization/name_patterns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tollgate::authorization {
namespace {

TEST(NamePatterns, AreNamesAndBeginnings) {
  const NamePatterns patterns{"search", "read_*", "docs://page/*", "read_all*"};
  for (const std::string_view name : {"search", "read_", "read_one", "read_all", "docs://page/1"}) {
    EXPECT_TRUE(patterns.matches(name)) << name;
  }
  for (const std::string_view name : {"", "searc", "search_", "read", "docs://page", "Search"}) {
    EXPECT_FALSE(patterns.matches(name)) << name;
  }
  EXPECT_TRUE(NamePatterns{"*"}.matches("anything"));
  EXPECT_FALSE(NamePatterns().matches("anything"));
  EXPECT_EQ(patterns.entries().size(), 4U);
}

// However they are written: together they say what they say one by one.
TEST(NamePatterns, SayTheSameTogetherAsOneByOne) {
  std::mt19937_64 random{5};
  const auto word = [&] {
    std::string made;
    for (std::size_t i = 0; i < random() % 5; ++i) made += static_cast<char>('a' + random() % 2);
    return made;
  };
  for (int round = 0; round < 2'000; ++round) {
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < random() % 6; ++i)
      entries.push_back(word() + (random() % 2 ? "*" : ""));
    const NamePatterns patterns(entries);
    for (int i = 0; i < 20; ++i) {
      const std::string name = word();
      const bool by_one = std::ranges::any_of(entries, [&](const std::string& entry) {
        return entry.ends_with('*') ? name.starts_with(entry.substr(0, entry.size() - 1))
                                    : name == entry;
      });
      ASSERT_EQ(patterns.matches(name), by_one) << name;
    }
  }
}

}  // namespace
}  // namespace tollgate::authorization
