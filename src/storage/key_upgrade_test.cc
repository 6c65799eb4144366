// A store of an earlier version, that has not counted its keys nor written down whose its tokens
// are, is brought up to date.
#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/admin_tokens.h"
#include "storage/key_room.h"
#include "storage/postgres_schema.h"
#include "storage/schema.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class KeyUpgrade : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  std::string digest() const {
    return backend_ == Backend::kSqlite ? "zeroblob(32)" : "decode(repeat('00', 32), 'hex')";
  }
  std::string key(std::string_view id, std::string_view tenant, std::string_view times) const {
    return fmt::format(
        "INSERT INTO keys (id, digest, tenant, \"user\", roles, name, created_us, changed, "
        "expires_us, revoked_us) VALUES ('{}', {}, '{}', '', '[]', '', 1, 1, {});",
        id, digest(), tenant, times);
  }
  std::string token(std::string_view id, std::string_view by, std::string_view revoked) const {
    return fmt::format(
        "INSERT INTO admin_tokens (id, digest, name, role, tenants, created_us, created_by, "
        "revoked_us) VALUES ('{}', {}, 'x', 'viewer', '[]', 1, '{}', {});",
        id, digest(), by, revoked);
  }
  std::string content() const {
    return key("a", "acme", "NULL, NULL") + key("b", "acme", "10, NULL") +
           key("c", "acme", "NULL, 10") + key("g", "globex", "NULL, NULL") +
           token("first", "admin.token", "NULL") + token("second", "first", "10") +
           token("third", "second", "NULL") + token("by-command", "", "NULL") +
           token("made", "by-command", "NULL");
  }
  void fill() {
    if (backend_ == Backend::kPostgres) {
      const std::string schema = where_.substr(where_.rfind("%3D") + 3);
      std::string sql = "SET search_path TO " + schema + ";";
      for (std::size_t step = 0; step < 5; ++step) sql += kPostgresSteps[step];
      sql +=
          "CREATE TABLE tollgate_schema (version BIGINT NOT NULL);"
          "INSERT INTO tollgate_schema (version) VALUES (5);";
      PostgresServer::shared()->tell(sql + content());
      return;
    }
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
    std::string sql = fmt::format("PRAGMA application_id = {};", kApplicationId);
    for (std::size_t step = 0; step < 9; ++step) sql += kSchemaSteps[step];
    sql += content() + "PRAGMA user_version = 9";
    EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }
};

TEST_P(KeyUpgrade, CountsKeysAndKnowsWhoseTheTokensAre) {
  ASSERT_NO_FATAL_FAILURE(fill());
  const std::unique_ptr<Database> database = connect();
  ASSERT_TRUE(note_ended_keys(*database, kMorning));
  const auto expect_counts = [&](std::string_view tenant, std::int64_t in_force,
                                 std::int64_t ended) {
    const KeyCounts counts = key_counts(*database, tenant).value();
    EXPECT_EQ(counts.in_force, in_force) << tenant;
    EXPECT_EQ(counts.ended, ended) << tenant;
  };
  expect_counts("acme", 1, 2);
  expect_counts("globex", 1, 0);
  expect_counts({}, 2, 2);
  const auto made_by = [&](std::string_view id) {
    std::string told;
    const auto done = revoke_admin_token(*database, ada(), id, MadeTokens::kStay, kMorning).value();
    for (const auto& each : done.made) told += each.id + " ";
    return told;
  };
  EXPECT_EQ(made_by("second"), "third ");
  EXPECT_EQ(made_by("admin.token"), "first third ");
  EXPECT_EQ(made_by("by-command"), "made ");
}

INSTANTIATE_TEST_SUITE_P(Stores, KeyUpgrade, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
