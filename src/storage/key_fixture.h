// A store with keys, for the tests of what changes them.
#pragma once

#include <string>
#include <vector>

#include "storage/key_rows.h"
#include "storage/storage_fixture.h"
#include "storage/testing_keys.h"

namespace tollgate::storage {

class KeyStoreTest : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  static authentication::KeyRecord key_of(const std::string& id, const std::string& tenant = "acme",
                                          WallTime created = kMorning) {
    authentication::KeyRecord key;
    key.id = id;
    key.tenant = tenant;
    key.created = created;
    return key;
  }
  Imported import(const std::vector<authentication::KeyRecord>& keys,
                  const ImportTerms& terms = {.now = kMorning}) {
    const FaultOr<Imported> done = import_keys(*database_, ada(), keys, terms);
    EXPECT_TRUE(done) << done.error().message;
    return done.value_or(Imported());
  }
  // So many of a tenant, at most kKeysOfBatchMax, that end soon.
  void import_that_end(std::size_t count, const std::string& tenant, WallTime now,
                       const std::string& prefix = "ends") {
    std::vector<authentication::KeyRecord> keys;
    for (std::size_t i = 0; i < count; ++i) {
      keys.push_back(key_of(prefix + std::to_string(i), tenant, now));
      keys.back().expires = now + std::chrono::seconds(1);
    }
    ASSERT_EQ(import(keys, {.now = now}).made, count);
  }
  std::int64_t number(std::string_view sql) {
    auto query = database_->prepare(sql).value();
    return query.step().value() ? query.integer(0) : 0;
  }
  std::unique_ptr<Database> database_ = connect();
};

}  // namespace tollgate::storage
