#include "storage/stored_keys.h"

#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>

#include "storage/key_columns.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using authentication::KeyFacts;
using authentication::KeyRecord;

KeyRecord key_named(const std::string& id) {
  KeyRecord key;
  key.id = id;
  key.digest.fill(static_cast<std::uint8_t>(id.back()));
  key.tenant = "acme";
  key.user = "ada";
  key.roles = {"engineer", "re\"viewer"};
  key.name = "laptop";
  key.created = kMorning;
  return key;
}

class KeysTest : public StorageTest {
 protected:
  KeysTest() {
    FaultOr<std::unique_ptr<StoredKeys>> loaded = StoredKeys::load(connect(), clock_);
    EXPECT_TRUE(loaded) << loaded.error().message;
    keys_ = std::move(*loaded);
  }
  StillClock clock_;
  std::unique_ptr<StoredKeys> keys_;
  Arena arena_;
};
class Keys : public KeysTest, public testing::WithParamInterface<Backend> {};
class KeysInAFile : public KeysTest {};

TEST_P(Keys, AreSaidToBeInForceOnceTheyAre) {
  const auto command = connect();
  EXPECT_EQ(key_changes_in_force(*command), 0);
  ASSERT_TRUE(create_key(*command, ada(), key_named("abc")));
  const FaultOr<std::int64_t> made = key_changes(*command);
  ASSERT_EQ(made, 1);
  EXPECT_EQ(key_changes_in_force(*command), 0);
  ASSERT_TRUE(keys_->poll());
  EXPECT_EQ(key_changes_in_force(*command), 1);
  ASSERT_TRUE(keys_->revoke(ada(), "abc", kMorning));
  EXPECT_EQ(key_changes_in_force(*command), 2);
}

TEST_F(KeysInAFile, AreInForceWhileNothingCanBeWritten) {
  const auto command = connect();
  ASSERT_TRUE(create_key(*command, ada(), key_named("abc")));
  {
    const FaultOr<Transaction> other = Transaction::begin(*command);
    ASSERT_TRUE(other);
    ASSERT_TRUE(keys_->poll());
    EXPECT_TRUE(keys_->find("abc", arena_));
    EXPECT_EQ(key_changes_in_force(*command), 0);
  }
  ASSERT_TRUE(keys_->poll());  // Nothing new, but something left to tell.
  EXPECT_EQ(key_changes_in_force(*command), 1);
}

TEST_P(Keys, AreFoundAsTheyWereMade) {
  EXPECT_FALSE(keys_->find("abc", arena_));
  KeyRecord key = key_named("abc");
  key.expires = kMorning + std::chrono::hours(1);
  ASSERT_TRUE(keys_->create(ada(), key));
  const std::optional<KeyFacts> facts = keys_->find("abc", arena_);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->id, "abc");
  EXPECT_EQ(facts->digest, key.digest);
  EXPECT_EQ(facts->tenant, "acme");
  EXPECT_EQ(facts->user, "ada");
  ASSERT_EQ(facts->roles.size(), 2U);
  EXPECT_EQ(facts->roles[1], "re\"viewer");
  EXPECT_EQ(facts->expires, key.expires);
  EXPECT_FALSE(facts->revoked);
  const auto shown = keys_->show("abc");
  ASSERT_TRUE(shown && *shown);
  EXPECT_EQ((*shown)->name, "laptop");
  EXPECT_EQ((*shown)->created, kMorning);
}

TEST_P(Keys, AreMadeOnce) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  const FaultOr<KeyVerdict> again = keys_->create(ada(), key_named("abc"));
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("already"), std::string::npos);
}

TEST_P(Keys, AreThereAfterARestart) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  ASSERT_TRUE(keys_->revoke(ada(), "abc", kMorning));
  keys_ = std::move(*StoredKeys::load(connect(), clock_));
  const std::optional<KeyFacts> facts = keys_->find("abc", arena_);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->revoked, kMorning);
}

TEST_P(Keys, ThatAnotherProcessRevokesAreRevokedHere) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const FaultOr<bool> done = revoke_key(*connect(), ada(), "abc", kMorning);
    _exit(done.value_or(false) ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_FALSE(keys_->find("abc", arena_)->revoked);
  ASSERT_TRUE(keys_->poll());
  EXPECT_EQ(keys_->find("abc", arena_)->revoked, kMorning);
}

TEST_P(Keys, AreRevokedOnceAndForGood) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  EXPECT_TRUE(keys_->revoke(ada(), "abc", kMorning).value_or(false));
  EXPECT_TRUE(keys_->revoke(ada(), "abc", kMorning + Duration(5)).value_or(false));
  EXPECT_EQ(keys_->find("abc", arena_)->revoked, kMorning);
  EXPECT_FALSE(keys_->revoke(ada(), "none", kMorning).value_or(true));
  EXPECT_EQ(keys_->rotate(ada(), "abc", {key_named("def"), kMorning, {}}), KeyVerdict::kRevoked);
}

TEST_P(Keys, RotateIntoOneOfTheSameRights) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  KeyRecord fresh;
  fresh.id = "def";
  fresh.digest.fill(9);
  fresh.created = kMorning + Duration(1);
  const WallTime grace_end = kMorning + std::chrono::hours(1);
  ASSERT_EQ(keys_->rotate(ada(), "abc", {fresh, grace_end, {}}), KeyVerdict::kDone);
  EXPECT_EQ(keys_->find("abc", arena_)->expires, grace_end);
  const std::optional<KeyFacts> facts = keys_->find("def", arena_);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->tenant, "acme");
  EXPECT_EQ(facts->roles.size(), 2U);
  EXPECT_EQ(facts->digest, fresh.digest);
  EXPECT_FALSE(facts->expires);
}

TEST_P(Keys, ThatWereRotatedNameEachOtherAndEndOnTheirOwn) {
  KeyRecord old = key_named("abc");
  old.scopes.routes = {"chat"};
  old.scopes.addresses = {*read_address_range("10.0.0.0/8")};
  ASSERT_TRUE(keys_->create(ada(), old));
  KeyRecord fresh;
  fresh.id = "def";
  fresh.created = kMorning;
  const WallTime grace_end = kMorning + std::chrono::hours(24);
  ASSERT_EQ(keys_->rotate(ada(), "abc", {fresh, grace_end, {}}), KeyVerdict::kDone);
  EXPECT_EQ((*keys_->show("abc"))->replaced_by, "def");
  EXPECT_EQ((*keys_->show("def"))->replaces, "abc");
  EXPECT_EQ((*keys_->show("def"))->scopes, old.scopes);
  fresh.id = "ghi";
  EXPECT_EQ(keys_->rotate(ada(), "abc", {fresh, grace_end, {}}), KeyVerdict::kRotatedBefore);
  EXPECT_EQ(keys_->rotate(ada(), "none", {fresh, grace_end, {}}), KeyVerdict::kNoSuchKey);
  ASSERT_TRUE(keys_->revoke(ada(), "def", kMorning).value_or(false));
  EXPECT_EQ(keys_->find("abc", arena_)->expires, grace_end);
  KeyRecord ended = key_named("xyz");
  ended.expires = kMorning;
  ASSERT_TRUE(keys_->create(ada(), ended));
  EXPECT_EQ(keys_->rotate(ada(), "xyz", {fresh, grace_end, {}}), KeyVerdict::kExpired);
}

// What was rotated is on its way out: nobody gives it back what it had.
TEST_P(Keys, ThatWereRotatedEndEarlierAndNeverLater) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  KeyRecord fresh;
  fresh.id = "def";
  fresh.created = kMorning;
  const WallTime grace_end = kMorning + std::chrono::hours(24);
  ASSERT_EQ(keys_->rotate(ada(), "abc", {fresh, grace_end, {}}), KeyVerdict::kDone);
  const auto expire = [&](const char* id, std::optional<WallTime> end, WallTime now) {
    return keys_->expire(ada(), id, {.expires = end, .now = now}).value();
  };
  for (const WallTime now : {kMorning, grace_end}) {
    EXPECT_EQ(expire("abc", std::nullopt, now), KeyVerdict::kRotatedBefore);
    EXPECT_EQ(expire("abc", grace_end + Duration(1), now), KeyVerdict::kRotatedBefore);
    EXPECT_EQ(expire("abc", grace_end, now), KeyVerdict::kDone);
  }
  EXPECT_EQ(expire("abc", kMorning + Duration(1), kMorning), KeyVerdict::kDone);
  EXPECT_EQ(expire("abc", grace_end, kMorning), KeyVerdict::kRotatedBefore);
  EXPECT_EQ((*keys_->show("abc"))->expires, kMorning + Duration(1));
  EXPECT_EQ(expire("def", kMorning, kMorning), KeyVerdict::kDone);
  EXPECT_EQ(expire("def", std::nullopt, kMorning), KeyVerdict::kDone) << "it was not rotated";
}

TEST_P(Keys, AreForWhatTheirScopesName) {
  KeyRecord key = key_named("abc");
  key.scopes = {{"chat"}, {"small", "large"}, {"search_*"}, {}};
  key.scopes.addresses = {*read_address_range("10.0.0.0/8"), *read_address_range("2001:db8::/32")};
  ASSERT_TRUE(keys_->create(ada(), key));
  ASSERT_TRUE(keys_->create(ada(), key_named("def")));
  keys_ = std::move(*StoredKeys::load(connect(), clock_));
  const std::optional<KeyFacts> facts = keys_->find("abc", arena_);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->user, "ada");
  EXPECT_EQ(std::vector(facts->reach.routes.begin(), facts->reach.routes.end()),
            std::vector<std::string_view>{"chat"});
  ASSERT_EQ(facts->reach.models.size(), 2U);
  EXPECT_EQ(facts->reach.models[1], "large");
  EXPECT_EQ(facts->reach.tools[0], "search_*");
  EXPECT_TRUE(std::ranges::equal(facts->addresses, key.scopes.addresses));
  EXPECT_TRUE(keys_->find("def", arena_)->reach.routes.empty());
  EXPECT_TRUE(keys_->find("def", arena_)->addresses.empty());
}

TEST_P(Keys, OfOneImportAreTakenOverOnce) {
  EXPECT_FALSE(keys_->holds_imported());
  const std::vector<KeyRecord> keys = {key_named("im_abc"), key_named("im_def")};
  EXPECT_EQ(keys_->import(ada(), keys, {.now = kMorning})->made, 2U);
  EXPECT_TRUE(keys_->holds_imported());
  EXPECT_EQ(keys_->import(ada(), keys, {.now = kMorning})->made, 0U);
  EXPECT_TRUE(keys_->find("im_abc", arena_));
}

TEST_P(Keys, AreSaidToHaveBeenUsedToTheMinute) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  EXPECT_FALSE((*keys_->show("abc"))->last_used);
  const KeyFacts key = *keys_->find("abc", arena_);
  keys_->used(key, kMorning);
  keys_->used(key, kMorning + std::chrono::seconds(59));
  ASSERT_TRUE(keys_->tell_uses());
  EXPECT_EQ((*keys_->show("abc"))->last_used, kMorning);
  const std::int64_t changes = key_changes(*connect()).value_or(-1);
  keys_->used(key, kMorning + std::chrono::seconds(61));
  ASSERT_TRUE(keys_->tell_uses());
  EXPECT_EQ((*keys_->show("abc"))->last_used, kMorning + std::chrono::seconds(61));
  EXPECT_EQ(key_changes(*connect()), changes);
  // Another gateway whose clock is behind takes nothing back.
  ASSERT_TRUE(write_uses(*connect(), std::vector<KeyUse>{{"abc", kMorning}}));
  EXPECT_EQ((*keys_->show("abc"))->last_used, kMorning + std::chrono::seconds(61));
}

TEST_F(KeysInAFile, AreReadInPagesHoweverManyChangedAtOnce) {
  const std::unique_ptr<Database> command = connect();
  std::vector<KeyRecord> keys;
  for (int i = 0; i < 25'000; ++i) keys.push_back(key_named("key" + std::to_string(i)));
  // As one change, which is more than an import makes at once.
  {
    FaultOr<Transaction> transaction = Transaction::begin(*command);
    for (const KeyRecord& key : keys) ASSERT_TRUE(insert_key_row(*command, key, 1));
    ASSERT_TRUE(write_mark(*command, "key_changes", "1"));
    ASSERT_TRUE(transaction->commit());
  }
  ASSERT_TRUE(keys_->poll());
  EXPECT_EQ(keys_->size(), keys.size());
  EXPECT_TRUE(keys_->find("key24999", arena_));
  EXPECT_LT(keys_->memory_bytes() / keys.size(), 320U);
}

TEST_F(KeysInAFile, StayKnownWhileTheDatabaseIsLocked) {
  ASSERT_TRUE(keys_->create(ada(), key_named("abc")));
  const auto other = connect();
  ASSERT_TRUE(other->execute("BEGIN EXCLUSIVE"));
  EXPECT_FALSE(keys_->revoke(ada(), "abc", kMorning));
  EXPECT_TRUE(keys_->find("abc", arena_));
  ASSERT_TRUE(other->execute("ROLLBACK"));
  EXPECT_TRUE(keys_->revoke(ada(), "abc", kMorning));
}

// Whatever is changed, here or elsewhere: after a poll memory says what the database says.
// Whoever sets the clock to next year for a while finds all keys in their place afterwards.
TEST_P(Keys, AreNotLetGoOfByAClockThatLeaps) {
  constexpr Duration kLong = std::chrono::hours(24 * 365);
  KeyRecord key = key_named("abc");
  key.expires = kMorning + std::chrono::hours(1);
  ASSERT_TRUE(keys_->create(ada(), key));
  clock_.pass(std::chrono::hours(25));  // From here on the clock is believed.
  ASSERT_TRUE(keys_->tend());
  const WallTime before = clock_.wall();
  clock_.set(before + kLong);
  ASSERT_TRUE(keys_->tend());
  EXPECT_TRUE(keys_->find("abc", arena_));
  clock_.set(before);
  ASSERT_TRUE(keys_->tend());
  EXPECT_TRUE(keys_->find("abc", arena_));
  // A year that has passed is another matter.
  clock_.pass(kLong);
  ASSERT_TRUE(keys_->tend());
  EXPECT_FALSE(keys_->find("abc", arena_));
}

TEST_P(Keys, AreTheSameInMemoryForAnyHistory) {
  std::mt19937_64 random{5};
  const auto elsewhere = connect();
  std::map<std::string, KeyRecord> expected;
  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE(step);
    const std::string id = "key" + std::to_string(random() % 40);
    const WallTime now = kMorning + Duration(step);
    const bool here = random() % 2 == 0;
    const auto found = expected.find(id);
    if (found == expected.end()) {
      const KeyRecord key = key_named(id);
      ASSERT_TRUE(here ? keys_->create(ada(), key) : create_key(*elsewhere, ada(), key));
      expected[id] = key;
    } else if (random() % 3 == 0) {
      ASSERT_TRUE(here ? keys_->revoke(ada(), id, now) : revoke_key(*elsewhere, ada(), id, now));
      if (!found->second.revoked) found->second.revoked = now;
    } else {
      const NewEnd end{now, now};
      ASSERT_TRUE(here ? keys_->expire(ada(), id, end) : expire_key(*elsewhere, ada(), id, end));
      found->second.expires = now;
    }
    ASSERT_TRUE(keys_->poll());
    arena_.reset();
    for (const auto& [known, key] : expected) {
      const std::optional<KeyFacts> facts = keys_->find(known, arena_);
      ASSERT_TRUE(facts);
      ASSERT_EQ(facts->revoked, key.revoked);
      ASSERT_EQ(facts->expires, key.expires);
    }
  }
}

// As after a failover to a standby that lacks the revocation, and a change that has its number.
TEST_P(Keys, StayRevokedWhereTheStoreHasForgottenIt) {
  ASSERT_TRUE(keys_->create(ada(), key_named("lost")));
  ASSERT_TRUE(keys_->revoke(ada(), "lost", kMorning));
  const std::unique_ptr<Database> elsewhere = connect();
  ASSERT_TRUE(elsewhere->execute("UPDATE keys SET revoked_us = NULL, changed = 1"));
  ASSERT_TRUE(elsewhere->execute("UPDATE marks SET value = '1' WHERE name = 'key_changes'"));
  ASSERT_TRUE(keys_->poll());
  EXPECT_TRUE(keys_->find("lost", arena_)->revoked);
  EXPECT_TRUE(show_key(*elsewhere, "lost").value()->revoked);
}

// The same of an end that it was given, by a rotation say.
TEST_P(Keys, EndWhenTheyWereToWhereTheStoreHasForgottenIt) {
  ASSERT_TRUE(keys_->create(ada(), key_named("short")));
  ASSERT_TRUE(keys_->expire(ada(), "short", {kMorning, kMorning}));
  const std::unique_ptr<Database> elsewhere = connect();
  ASSERT_TRUE(elsewhere->execute("UPDATE keys SET expires_us = NULL, changed = 1"));
  ASSERT_TRUE(elsewhere->execute("UPDATE marks SET value = '1' WHERE name = 'key_changes'"));
  ASSERT_TRUE(keys_->poll());
  EXPECT_EQ(keys_->find("short", arena_)->expires, kMorning);
  EXPECT_EQ(show_key(*elsewhere, "short").value()->expires, kMorning);
  // Who wants it longer says so again.
  ASSERT_TRUE(keys_->expire(ada(), "short", {std::nullopt, kMorning}));
  ASSERT_TRUE(keys_->poll());
  arena_.reset();
  EXPECT_EQ(keys_->find("short", arena_)->expires, std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Stores, Keys, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
