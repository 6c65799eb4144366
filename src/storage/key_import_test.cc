// What an import does with keys that are there already.
#include "storage/key_import.h"

#include <sqlite3.h>

#include "storage/key_fixture.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;
using enum Imported::Refused;

class KeyImport : public KeyStoreTest {};

// So what was broken off is begun again from its start.
TEST_P(KeyImport, LeavesWhatItsTenantHas) {
  EXPECT_EQ(import({key_of("a"), key_of("b"), key_of("a")}).made, 2U);
  ASSERT_TRUE(revoke_key(*database_, ada(), "a", kMorning));
  const std::int64_t changes = key_changes(*database_).value();
  EXPECT_EQ(import({key_of("a"), key_of("b")}).made, 0U);
  EXPECT_EQ(key_changes(*database_), changes) << "no change";
  EXPECT_EQ(import({key_of("a"), key_of("b"), key_of("c")}).made, 1U);
  EXPECT_EQ(show_key(*database_, "a").value()->revoked, kMorning);
}

TEST_P(KeyImport, IsRefusedInAllWithAKeyOfAnotherTenant) {
  ASSERT_EQ(import({key_of("g", "globex")}).made, 1U);
  const Imported done = import({key_of("a"), key_of("g"), key_of("b")});
  EXPECT_EQ(done.refused, kOfAnother);
  EXPECT_EQ(done.at, 1U);
  EXPECT_EQ(all_keys(*database_).size(), 1U);
  EXPECT_EQ(show_key(*database_, "g").value()->tenant, "globex");
}

// Where all must be new, a key of the same tenant, one of another, and one that is there twice are
// answered alike; and how much room there is is told before any of them is looked up.
TEST_P(KeyImport, TellsNothingOfWhoseAKnownKeyIs) {
  ASSERT_EQ(import({key_of("a"), key_of("g", "globex")}).made, 2U);
  const ImportTerms terms{.now = kMorning, .known = KnownKeys::kRefuseBatch};
  for (const char* known : {"a", "g", "new"}) {
    EXPECT_EQ(import({key_of("new"), key_of(known)}, terms).refused, kKnown) << known;
  }
  const ImportTerms full{.now = kMorning,
                         .known = KnownKeys::kRefuseBatch,
                         .of_tenant = [](std::string_view) { return 1; }};
  for (const char* known : {"a", "g", "new"}) {
    EXPECT_EQ(import({key_of(known)}, full).refused, kTenantIsFull) << known;
  }
  EXPECT_EQ(all_keys(*database_).size(), 2U);
  EXPECT_EQ(import({key_of("new")}, terms).made, 1U);
}

// What has ended is of no use to anybody; but a file that was broken off is begun again, however
// long ago that was.
TEST_P(KeyImport, RefusesWhatHasEndedUnlessItIsThere) {
  KeyRecord ends = key_of("ends");
  ends.expires = kMorning + std::chrono::hours(1);
  const ImportTerms later{.now = kMorning + std::chrono::hours(1)};
  Imported done = import({key_of("a"), ends}, later);
  EXPECT_EQ(done.refused, kHasEnded);
  EXPECT_EQ(done.at, 1U);
  EXPECT_EQ(import({key_of("a"), ends}).made, 2U);
  done = import({key_of("a"), ends, key_of("b")}, later);
  EXPECT_EQ(done.refused, kNo);
  EXPECT_EQ(done.made, 1U);
}

// How one would find out which digests are in use: each try is on record, and changes nothing.
TEST_P(KeyImport, PutsOnRecordWhoAskedForKnownKeys) {
  ASSERT_EQ(import({key_of("a"), key_of("g", "globex")}).made, 2U);
  const std::int64_t changes = key_changes(*database_).value();
  const ImportTerms terms{.now = kMorning, .known = KnownKeys::kRefuseBatch};
  ASSERT_EQ(import({key_of("new"), key_of("g"), key_of("n", "globex")}, terms).refused, kKnown);
  EXPECT_EQ(key_changes(*database_), changes);
  EXPECT_EQ(all_keys(*database_).size(), 2U);
  AuditQuery query;
  query.phase = audit::Phase::kChange;
  query.action = "key.import_refused";
  const auto rows = query_audit(*database_, query, 10).value();
  ASSERT_EQ(rows.size(), 2U) << "one of each tenant";
  for (const auto& [row, part] :
       {std::pair(rows[1], R"("tenant":"acme","after":{"refused":"known_keys","asked":2})"),
        std::pair(rows[0], R"("tenant":"globex","after":{"refused":"known_keys","asked":1})")}) {
    EXPECT_NE(row.record.find(part), std::string::npos) << row.record;
    EXPECT_NE(row.record.find(R"("credential_id":"tok_ada")"), std::string::npos) << row.record;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, KeyImport, testing::ValuesIn(each_store()), store_name);

// Counts what SQLite does: the steps of its machine, of every statement that ends.
class Work {
 public:
  static int watch(sqlite3* handle, char**, const void*) {
    return sqlite3_trace_v2(handle, SQLITE_TRACE_PROFILE, count, nullptr);
  }
  static std::int64_t steps;

 private:
  static int count(unsigned, void*, void* statement, void*) {
    steps +=
        sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
  }
};
std::int64_t Work::steps = 0;

class ImportWork : public StorageTest {
 protected:
  ImportWork() { sqlite3_auto_extension(hook_); }
  ~ImportWork() override { sqlite3_cancel_auto_extension(hook_); }
  void (*hook_)() = reinterpret_cast<void (*)()>(&Work::watch);
};

// Else the time of the answer would tell where in the batch the known key is.
TEST_F(ImportWork, IsTheSameWhereverTheKnownKeysAre) {
  const auto database = connect();
  std::vector<KeyRecord> known;
  std::vector<KeyRecord> fresh;
  for (int i = 100; i < 200; ++i) {
    KeyRecord key;
    key.tenant = "globex";
    key.created = kMorning;
    key.id = "known" + std::to_string(i);
    known.push_back(key);
    key.tenant = "acme";
    key.id = "fresh" + std::to_string(i);
    fresh.push_back(key);
  }
  ASSERT_EQ(import_keys(*database, ada(), known, {.now = kMorning})->made, 100U);
  const ImportTerms terms{.now = kMorning, .known = KnownKeys::kRefuseBatch};
  const auto work = [&](std::initializer_list<std::size_t> places) {
    std::vector<KeyRecord> keys = fresh;
    for (const std::size_t place : places) keys[place].id = known[place].id;
    Work::steps = 0;
    EXPECT_EQ(import_keys(*database, ada(), keys, terms)->refused, kKnown);
    return Work::steps;
  };
  (void)work({0});  // Statements are prepared.
  const std::int64_t first = work({0});
  ASSERT_GT(first, 100);
  EXPECT_EQ(work({99}), first);
  EXPECT_EQ(work({50}), first);
  EXPECT_LE(work({0, 1, 2, 50, 99}), first + 4) << "nor is seen how many there are";
}

}  // namespace
}  // namespace tollgate::storage
