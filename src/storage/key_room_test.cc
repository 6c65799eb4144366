// How many keys may be in force at once, whichever way they come to be.
#include "storage/key_room.h"

#include <map>
#include <random>

#include "storage/key_fixture.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;

class Room : public KeyStoreTest {
 protected:
  KeyCounts counts(std::string_view tenant = {}) { return key_counts(*database_, tenant).value(); }
};

TEST_P(Room, IsOfWhatIsInForce) {
  const KeyRoom room{.of_tenant = 2, .in_all = 3};
  const auto create = [&](const KeyRecord& key) {
    return create_key(*database_, ada(), key, room).value();
  };
  KeyRecord ends = key_of("ends");
  ends.expires = kMorning + std::chrono::hours(1);
  EXPECT_EQ(create(ends), KeyVerdict::kDone);
  EXPECT_EQ(create(key_of("a")), KeyVerdict::kDone);
  EXPECT_EQ(create(key_of("b")), KeyVerdict::kTenantIsFull);
  EXPECT_EQ(create(key_of("g", "globex")), KeyVerdict::kDone);
  EXPECT_EQ(create(key_of("h", "globex")), KeyVerdict::kStoreIsFull);
  // Each that ends makes room for another.
  ASSERT_TRUE(revoke_key(*database_, ada(), "a", kMorning));
  EXPECT_EQ(create(key_of("b")), KeyVerdict::kDone);
  EXPECT_EQ(create(key_of("c")), KeyVerdict::kStoreIsFull);
  const WallTime later = kMorning + std::chrono::hours(1);
  EXPECT_EQ(create(key_of("c", "acme", later)), KeyVerdict::kDone);
  // What was in force is in force again, where there is room.
  const auto expire = [&](std::string_view id, std::optional<WallTime> end) {
    return expire_key(*database_, ada(), id, {.expires = end, .now = later, .room = room}).value();
  };
  EXPECT_EQ(expire("ends", std::nullopt), KeyVerdict::kStoreIsFull);
  ASSERT_TRUE(revoke_key(*database_, ada(), "g", later));
  EXPECT_EQ(expire("ends", std::nullopt), KeyVerdict::kTenantIsFull);
  ASSERT_TRUE(revoke_key(*database_, ada(), "c", later));
  EXPECT_EQ(expire("ends", std::nullopt), KeyVerdict::kDone);
  EXPECT_EQ(expire("ends", later), KeyVerdict::kDone) << "an end needs no room";
  EXPECT_EQ(expire("ends", std::nullopt), KeyVerdict::kDone);
  // A rotation is one more, until the old one ends.
  const auto rotate = [&](const std::string& id) {
    return rotate_key(*database_, ada(), "b", {key_of(id, "acme", later), later, room}).value();
  };
  EXPECT_EQ(rotate("d"), KeyVerdict::kTenantIsFull);
  ASSERT_TRUE(revoke_key(*database_, ada(), "ends", later));
  EXPECT_EQ(rotate("d"), KeyVerdict::kDone);
  EXPECT_EQ(all_keys(*database_).size(), 6U);
}

TEST_P(Room, IsOfThoseThatAreImported) {
  const auto import = [&](const std::vector<KeyRecord>& keys, std::int64_t in_all = 10) {
    return KeyStoreTest::import(
        keys, {.now = kMorning, .of_tenant = [](std::string_view) { return 2; }, .in_all = in_all});
  };
  using enum Imported::Refused;
  Imported done = import({key_of("a"), key_of("b"), key_of("c")});
  EXPECT_EQ(done.refused, kTenantIsFull);
  EXPECT_EQ(done.at, 2U);
  EXPECT_TRUE(all_keys(*database_).empty()) << "all or nothing";
  EXPECT_EQ(import({key_of("a"), key_of("b")}).made, 2U);
  EXPECT_EQ(import({key_of("a"), key_of("b")}).refused, kNo) << "those that are known need none";
  EXPECT_EQ(import({key_of("g", "globex"), key_of("h", "globex")}, 3).refused, kStoreIsFull);
  EXPECT_EQ(import({key_of("g", "globex")}, 3).made, 1U);
}

// Whatever is asked, in whatever order and on whichever connection: no tenant has more in force
// than it may, and what is counted is what is there.
TEST_P(Room, IsNeverExceededForAnyHistory) {
  std::mt19937_64 random{29};
  const KeyRoom room{.of_tenant = 5, .in_all = 8};
  WallTime now = kMorning;
  int refused = 0;
  std::unique_ptr<Database> other = connect();
  for (int step = 0; step < 400; ++step) {
    now += std::chrono::seconds(random() % 10);
    std::swap(database_, other);
    const std::string tenant = random() % 2 == 0 ? "acme" : "globex";
    const std::string fresh = "k" + std::to_string(step);
    const std::string some = "k" + std::to_string(random() % (step + 1));
    const std::optional<WallTime> end =
        random() % 2 == 0 ? std::optional(now + std::chrono::seconds(random() % 60)) : std::nullopt;
    FaultOr<KeyVerdict> done = KeyVerdict::kDone;
    switch (random() % 5) {
      case 0: {
        KeyRecord key = key_of(fresh, tenant, now);
        key.expires = end;
        done = create_key(*database_, ada(), key, room);
        break;
      }
      case 1:
        ASSERT_TRUE(revoke_key(*database_, ada(), some, now));
        break;
      case 2:
        done = expire_key(*database_, ada(), some, {.expires = end, .now = now, .room = room});
        break;
      case 3:
        done = rotate_key(*database_, ada(), some,
                          {key_of(fresh, "", now), now + std::chrono::seconds(30), room});
        break;
      default: {
        const std::vector<KeyRecord> keys{key_of(fresh, tenant, now), key_of(some, tenant, now)};
        ASSERT_TRUE(import_keys(
            *database_, ada(), keys,
            {.now = now, .of_tenant = [](std::string_view) { return 5; }, .in_all = 8}));
      }
    }
    ASSERT_TRUE(done) << done.error().message;
    if (*done == KeyVerdict::kTenantIsFull || *done == KeyVerdict::kStoreIsFull) ++refused;
    std::map<std::string, int> in_force;
    int in_all = 0;
    for (const KeyRecord& key : all_keys(*database_)) {
      if (!is_in_force(key, now)) continue;
      ASSERT_LE(++in_force[key.tenant], 5) << step;
      ASSERT_LE(++in_all, 8) << step;
    }
    EXPECT_EQ(counts().in_force + counts().ended, number("SELECT count(*) FROM keys"));
    ASSERT_TRUE(note_ended_keys(*database_, now));
    EXPECT_EQ(counts("acme").in_force, in_force["acme"]);
    EXPECT_EQ(counts().in_force, in_all);
  }
  EXPECT_GT(refused, 10);
}

// Nobody fills the store with keys that have ended; who waits makes more.
TEST_P(Room, IsOfWhatHasEndedToo) {
  const KeyRoom room{.of_tenant = 3};
  import_that_end(kEndedKeysLeast, "acme", kMorning);
  const WallTime soon = kMorning + std::chrono::minutes(1);
  const auto create = [&](const std::string& id, const std::string& tenant, WallTime now) {
    return create_key(*database_, ada(), key_of(id, tenant, now), room).value();
  };
  EXPECT_EQ(create("a", "acme", soon), KeyVerdict::kTooManyEnded);
  EXPECT_EQ(counts("acme").ended, kEndedKeysLeast);
  EXPECT_EQ(
      import({key_of("a")}, {.now = soon, .of_tenant = [](std::string_view) { return 3; }}).refused,
      Imported::Refused::kTooManyEnded);
  EXPECT_EQ(create("g", "globex", soon), KeyVerdict::kDone) << "others are not held up";
  EXPECT_TRUE(revoke_key(*database_, ada(), "g", soon)) << "nor does ending wait";
  const WallTime later = kMorning + kEndedKeptLeast + std::chrono::minutes(1);
  EXPECT_EQ(create("a", "acme", later), KeyVerdict::kDone);
  EXPECT_EQ(counts("acme").ended, 0);
  EXPECT_EQ(number("SELECT count(*) FROM keys WHERE tenant = 'acme'"), 1);
  EXPECT_TRUE(show_key(*database_, "g").value()) << "of others nothing leaves";
}

// A million that make and revoke in a loop leave no more than a tenant may have.
TEST_P(Room, IsBoundedForWhoeverMakesAndRevokesInALoop) {
  import_that_end(kEndedKeysLeast - 50, "acme", kMorning);
  WallTime now = kMorning + std::chrono::minutes(1);
  int made = 0;
  for (int i = 0; i < 200; ++i) {
    now += std::chrono::minutes(1);
    const std::string id = "k" + std::to_string(i);
    const KeyRoom room{.of_tenant = 2};
    if (create_key(*database_, ada(), key_of(id, "acme", now), room) == KeyVerdict::kDone) ++made;
    ASSERT_TRUE(revoke_key(*database_, ada(), id, now));
    ASSERT_LE(number("SELECT count(*) FROM keys"), kEndedKeysLeast + 2);
  }
  EXPECT_GT(made, 150);
}

TEST_P(Room, KeepsWhatHasEndedForLong) {
  import_that_end(3, "acme", kMorning);
  ASSERT_EQ(import({key_of("stays")}).made, 1U);
  const WallTime end = kMorning + std::chrono::seconds(1);
  ASSERT_TRUE(note_ended_keys(*database_, end));
  EXPECT_EQ(remove_ended_keys(*database_, end + kEndedKept), false);
  EXPECT_EQ(all_keys(*database_).size(), 4U);
  EXPECT_EQ(remove_ended_keys(*database_, end + kEndedKept + Duration(1)), false);
  EXPECT_EQ(all_keys(*database_).size(), 1U);
  EXPECT_EQ(counts("acme").ended, 0);
  EXPECT_EQ(counts("acme").in_force, 1);
}

// What another process has not counted, as one of an older version, ends all the same.
TEST_P(Room, NotesWhatWasRevokedElsewhere) {
  ASSERT_EQ(import({key_of("a"), key_of("b")}).made, 2U);
  ASSERT_TRUE(database_->execute("UPDATE keys SET revoked_us = 5 WHERE id = 'a'"));
  ASSERT_TRUE(note_ended_keys(*database_, kMorning));
  EXPECT_EQ(counts("acme").in_force, 1);
  EXPECT_EQ(counts("acme").ended, 1);
}

TEST_P(Room, IsNotCountedForWhatWasNotCommitted) {
  ASSERT_EQ(import({key_of("a")}).made, 1U);
  refuse_writes(*database_);
  EXPECT_FALSE(create_key(*database_, ada(), key_of("b")));
  EXPECT_FALSE(revoke_key(*database_, ada(), "a", kMorning));
  allow_writes(*database_);
  database_ = connect();
  EXPECT_EQ(counts().in_force, 1);
  EXPECT_EQ(counts().ended, 0);
}

INSTANTIATE_TEST_SUITE_P(Stores, Room, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
