// Which keys are listed, and in which pages.
#include "storage/key_list.h"

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "storage/key_rows.h"
#include "storage/storage_fixture.h"
#include "storage/testing_keys.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;

KeyRecord key_of(const std::string& id, const std::string& tenant, const std::string& user = {}) {
  KeyRecord key;
  key.id = id;
  key.tenant = tenant;
  key.user = user;
  key.created = kMorning;
  return key;
}

class KeyList : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  std::string ids(const KeyQuery& query, WallTime now = kMorning) {
    std::string all;
    for (const KeyRecord& key : all_keys(*database_, query, now)) all += key.id + " ";
    return all;
  }
  std::unique_ptr<Database> database_ = connect();
};

TEST_P(KeyList, TellsThoseThatAreAskedFor) {
  KeyRecord ends = key_of("ends", "acme", "ada");
  ends.expires = kMorning + std::chrono::hours(1);
  KeyRecord old = key_of("old", "globex");
  old.created = kMorning - std::chrono::hours(1);
  for (const KeyRecord& key : {key_of("new", "globex"), old, ends, key_of("gone", "acme"),
                               key_of("ada2", "initech", "ada")}) {
    ASSERT_EQ(create_key(*database_, ada(), key), KeyVerdict::kDone);
  }
  ASSERT_TRUE(revoke_key(*database_, ada(), "gone", kMorning));
  const WallTime later = kMorning + std::chrono::hours(2);
  // Tenant by tenant, the oldest first.
  EXPECT_EQ(ids({}), "ends gone old new ada2 ");
  EXPECT_EQ(ids({.tenant = "globex"}), "old new ");
  EXPECT_EQ(ids({.user = "ada"}), "ends ada2 ");
  EXPECT_EQ(ids({.tenant = "acme", .user = "ada"}), "ends ");
  EXPECT_EQ(ids({.state = KeyState::kActive}), "ends old new ada2 ");
  EXPECT_EQ(ids({.state = KeyState::kActive}, later), "old new ada2 ");
  EXPECT_EQ(ids({.state = KeyState::kExpired}), "");
  EXPECT_EQ(ids({.state = KeyState::kExpired}, later), "ends ");
  EXPECT_EQ(ids({.state = KeyState::kRevoked}), "gone ");
  EXPECT_EQ(ids({.only = {"initech", "acme"}}), "ends gone ada2 ");
  EXPECT_EQ(ids({.user = "ada", .only = {"initech"}}), "ada2 ");
  EXPECT_EQ(ids({.tenant = "globex", .only = {"acme"}}), "");
  EXPECT_EQ(ids({.tenant = "nobody"}), "");
}

// A page goes on behind a key that whoever asks may see, and no other.
TEST_P(KeyList, GoesOnBehindAKeyOfThoseThatAreAskedFor) {
  ASSERT_TRUE(create_key(*database_, ada(), key_of("a", "acme")));
  ASSERT_TRUE(create_key(*database_, ada(), key_of("g", "globex")));
  const auto page = [&](const KeyQuery& query, std::string_view after) {
    return query_keys(*database_, query, 1, after, kMorning).value();
  };
  EXPECT_TRUE(page({}, "a"));
  EXPECT_FALSE(page({}, "none"));
  EXPECT_FALSE(page({.tenant = "acme"}, "g"));
  EXPECT_FALSE(page({.only = {"acme"}}, "g"));
  EXPECT_TRUE(page({.only = {"acme"}}, "a"));
  EXPECT_TRUE(page({}, "")->has_more);
  EXPECT_FALSE(page({}, "a")->has_more);
}

// For any keys and any question the pages together are what a look at all of them finds.
TEST_P(KeyList, IsWholeAndInOrderForAnyKeys) {
  std::mt19937_64 random{23};
  const std::vector<std::string> tenants{"acme", "globex", "initech"};
  const std::vector<std::string> users{"", "ada", "eve"};
  std::vector<KeyRecord> keys;
  for (int i = 0; i < 120; ++i) {
    KeyRecord key = key_of("k" + std::to_string(random() % 100'000) + "-" + std::to_string(i),
                           tenants[random() % 3], users[random() % 3]);
    key.created = kMorning + std::chrono::seconds(random() % 5);
    if (random() % 3 == 0) key.expires = kMorning + std::chrono::seconds(random() % 100);
    ASSERT_TRUE(create_key(*database_, ada(), key));
    if (random() % 4 == 0) {
      key.revoked = kMorning;
      ASSERT_TRUE(revoke_key(*database_, ada(), key.id, kMorning));
    }
    keys.push_back(key);
  }
  std::ranges::sort(keys, [](const KeyRecord& a, const KeyRecord& b) {
    return std::tie(a.tenant, a.created, a.id) < std::tie(b.tenant, b.created, b.id);
  });
  for (int step = 0; step < 100; ++step) {
    KeyQuery query;
    if (random() % 2 == 0) query.tenant = tenants[random() % 3];
    query.user = users[random() % 3];
    if (random() % 2 == 0) query.state = static_cast<KeyState>(random() % 3);
    for (const std::string& tenant : tenants) {
      if (random() % 3 == 0) query.only.push_back(tenant);
    }
    const WallTime now = kMorning + std::chrono::seconds(random() % 100);
    std::string expected;
    for (const KeyRecord& key : keys) {
      const bool ended = key.expires && *key.expires <= now;
      const KeyState state = key.revoked ? KeyState::kRevoked
                             : ended     ? KeyState::kExpired
                                         : KeyState::kActive;
      if (!query.tenant.empty() && key.tenant != query.tenant) continue;
      if (!query.user.empty() && key.user != query.user) continue;
      if (query.state && *query.state != state) continue;
      if (!query.only.empty() && std::ranges::count(query.only, key.tenant) == 0) continue;
      expected += key.id + " ";
    }
    EXPECT_EQ(ids(query, now), expected) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, KeyList, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
