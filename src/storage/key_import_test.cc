// What an import does with keys that are there already.
#include "storage/key_import.h"

#include "storage/key_rows.h"
#include "storage/storage_fixture.h"
#include "storage/testing_keys.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;
using enum Imported::Refused;

KeyRecord key_of(const std::string& id, const std::string& tenant = "acme") {
  KeyRecord key;
  key.id = id;
  key.tenant = tenant;
  key.created = kMorning;
  return key;
}

class KeyImport : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Imported import(const std::vector<KeyRecord>& keys, ImportTerms terms = {.now = kMorning}) {
    const FaultOr<Imported> done = import_keys(*database_, ada(), keys, terms);
    EXPECT_TRUE(done) << done.error().message;
    return done.value_or(Imported());
  }
  std::unique_ptr<Database> database_ = connect();
};

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

INSTANTIATE_TEST_SUITE_P(Stores, KeyImport, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
