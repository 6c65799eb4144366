// What the table of keys forgets, and what it finds meanwhile.
#include "storage/key_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "storage/database.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

KeyRecord key_of(const std::string& id) {
  KeyRecord key;
  key.id = id;
  key.tenant = "acme";
  key.user = "user of " + id;
  key.created = kNow;
  return key;
}

TEST(KeyTable, ForgetsWhatEndedLongAgo) {
  KeyTable table;
  KeyRecord revoked = key_of("revoked");
  revoked.revoked = kNow;
  KeyRecord expired = key_of("expired");
  expired.expires = kNow + std::chrono::hours(1);
  for (const KeyRecord& key : {key_of("stays"), revoked, expired}) ASSERT_TRUE(table.put(key));
  const std::size_t full = table.memory_bytes();
  Arena arena;
  const WallTime end = kNow + KeyTable::kEndedKnown;
  EXPECT_TRUE(table.drop_ended(end - Duration(1), 10).empty());
  EXPECT_EQ(table.drop_ended(end, 10).size(), 1U);
  EXPECT_FALSE(table.find("revoked", arena));
  EXPECT_TRUE(table.find("expired", arena)) << "and is told apart from what never was";
  EXPECT_EQ(table.drop_ended(end + std::chrono::hours(1), 10).size(), 1U);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_LT(table.memory_bytes(), full);
}

// Else who makes and revokes without end would fill the memory.
TEST(KeyTable, ForgetsSoonerWhereManyHaveEnded) {
  KeyTable table;
  WallTime now = kNow;
  std::size_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += std::chrono::seconds(1);
    KeyRecord key = key_of("k" + std::to_string(i));
    key.revoked = now;
    table.put(key);
    if (i % 100 == 0) (void)table.drop_ended(now, 4096);
    most = std::max(most, table.size());
  }
  EXPECT_LT(most, KeyTable::kEndedKnownMax + 3600 + 4096);
  EXPECT_GE(most, KeyTable::kEndedKnownMax);
}

// Its digest was imported once more: that is another key.
TEST(KeyTable, KnowsAKeyByWhenItWasMade) {
  KeyTable table;
  KeyRecord key = key_of("abc");
  key.revoked = kNow;
  table.put(key);
  EXPECT_EQ(table.revoked(key), kNow);
  key.created += Duration(1);
  EXPECT_FALSE(table.revoked(key));
}

TEST(KeyTable, TakesNoMoreMemoryForAKeyThatChanges) {
  KeyTable table;
  table.put(key_of("abc"));
  const std::size_t before = table.memory_bytes();
  for (int i = 0; i < 100; ++i) table.put(key_of("abc"));
  EXPECT_EQ(table.memory_bytes(), before);
}

// Whatever is put and dropped: what is there is found, as it is, and nothing else.
TEST(KeyTable, FindsWhatIsThereForAnyHistory) {
  std::mt19937_64 random{31};
  KeyTable table;
  std::map<std::string, KeyRecord> model;
  WallTime now = kNow;
  for (int step = 0; step < 20'000; ++step) {
    now += std::chrono::hours(1);
    KeyRecord key = key_of("k" + std::to_string(random() % 300));
    if (random() % 2 == 0) key.revoked = now;
    if (random() % 2 == 0) key.expires = now + std::chrono::hours(random() % 100);
    key.user = std::to_string(random());
    ASSERT_TRUE(table.put(key));
    model[key.id] = key;
    if (random() % 10 == 0) {
      for (const KeyTable::Slot* slot : table.drop_ended(now, random() % 500)) {
        ASSERT_EQ(slot->id_length, 0);
      }
      std::erase_if(model, [&](const auto& each) {
        Arena arena;
        if (table.find(each.first, arena)) return false;
        const KeyRecord& gone = each.second;
        const WallTime end = std::min(gone.revoked.value_or(WallTime::max()),
                                      gone.expires.value_or(WallTime::max()));
        EXPECT_LE(end, now - KeyTable::kEndedKnown);
        return true;
      });
    }
    ASSERT_EQ(table.size(), model.size());
    Arena arena;
    const std::string id = "k" + std::to_string(random() % 300);
    const auto found = table.find(id, arena);
    ASSERT_EQ(found.has_value(), model.contains(id));
    if (found) {
      ASSERT_EQ(found->user, model[id].user);
      ASSERT_EQ(found->revoked, model[id].revoked);
    }
  }
}

}  // namespace
}  // namespace tollgate::storage
