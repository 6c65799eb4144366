// What the tests of this room share: a directory that goes with the test, a clock that stands
// still, and requests told as records.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "controls/audit/audit.h"
#include "pipeline/ports.h"
#include "storage/audit_query.h"
#include "storage/changes.h"
#include "storage/database.h"
#include "storage/spend.h"
#include "storage/stored_trail.h"
#include "storage/testing_postgres.h"

namespace tollgate::storage {

// 2026-03-04 05:30 UTC.
inline constexpr WallTime kMorning{Duration(1'772'602'200'000'000)};

class StillClock final : public pipeline::Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  void set(WallTime wall) { wall_ = wall; }
  void pass(Duration duration) {
    now_ += duration;
    wall_ += duration;
  }

 private:
  Instant now_{};
  WallTime wall_ = kMorning;
};

// Who makes the changes of tests.
inline Author ada() { return {Author::Kind::kAdminToken, "ada", "tok_ada", "owner", {}}; }

// What holds on one kind of store holds on the other: tests with such a parameter run on it.
enum class Backend : std::uint8_t { kSqlite, kPostgres };

inline const char* name_of(Backend backend) {
  return backend == Backend::kSqlite ? "Sqlite" : "Postgres";
}
inline void PrintTo(Backend backend, std::ostream* out) { *out << name_of(backend); }
inline std::string store_name(const testing::TestParamInfo<Backend>& backend) {
  return name_of(backend.param);
}
// Both, or what there is on this machine; where PostgreSQL is missing, tests of its own fail.
inline std::vector<Backend> each_store() {
  std::vector<Backend> stores{Backend::kSqlite};
  if (!PostgresServer::programs().empty()) stores.push_back(Backend::kPostgres);
  return stores;
}

class StorageTest : public testing::Test {
 protected:
  StorageTest() {
    const char* parameter = testing::UnitTest::GetInstance()->current_test_info()->value_param();
    if (parameter != nullptr && std::string_view(parameter) == name_of(Backend::kPostgres)) {
      backend_ = Backend::kPostgres;
      where_ = PostgresServer::shared()->fresh_url();
    }
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  ~StorageTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return (directory_ / "tollgate.db").string(); }

  // What the store's URL names: the file, or a schema of the program's PostgreSQL server.
  std::string where() const { return backend_ == Backend::kSqlite ? path() : where_; }

  // A connection that hardly waits for locks.
  std::unique_ptr<Database> connect() const {
    DatabaseOptions options;
    // A server may need a moment to see that the last holder of a lock is gone.
    options.busy_timeout =
        backend_ == Backend::kSqlite ? Duration{} : Duration{std::chrono::milliseconds(300)};
    options.durability = Durability::kProcess;
    FaultOr<std::unique_ptr<Database>> opened = Database::open(where(), options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  // What the connection may no longer do, and may again.
  void refuse_writes(Database& writer) const {
    const char* sql = backend_ == Backend::kSqlite ? "PRAGMA query_only = 1" : "SET ROLE nobody";
    ASSERT_TRUE(writer.execute(sql));
  }
  void allow_writes(Database& writer) const {
    const char* sql = backend_ == Backend::kSqlite ? "PRAGMA query_only = 0" : "RESET ROLE";
    ASSERT_TRUE(writer.execute(sql));
  }

  JournalOptions journal_options() const {
    JournalOptions options;
    options.directory = journal_directory(path());
    return options;
  }

  std::unique_ptr<StoredTrail> open_trail() {
    FaultOr<std::unique_ptr<StoredTrail>> opened =
        StoredTrail::open(connect(), policy_, clock_, journal_options());
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  Backend backend_ = Backend::kSqlite;
  std::string where_;  // On a server.
  std::filesystem::path directory_;
  StillClock clock_;
  audit::Policy policy_;
};

// One request of acme's ada through the trail: number n costs n micro-dollars and held twice
// that.
struct Request {
  explicit Request(std::int64_t number) : n(number), id("req_" + std::to_string(10'000'000 + n)) {
    actor.tenant = n % 3 == 0 ? "globex" : "acme";
    actor.subject = "ada";
    actor.credential_id = "key1";
    record.id = id;
    record.time = kMorning;
    record.actor = &actor;
    record.route = "chat";
    record.model_served = "small";
  }

  FaultOr<void> decide(pipeline::Trail& trail) {
    std::string written;
    audit::write(record, audit::Phase::kDecision, written);
    return trail.append(record, audit::Phase::kDecision, Money{2 * n}, written);
  }

  FaultOr<void> end(StoredTrail& trail) {
    pipeline::Booking booking;
    booking.id = id;
    booking.tenant = actor.tenant;
    booking.user = actor.subject;
    booking.key_id = actor.credential_id;
    booking.route = record.route;
    booking.model = record.model_served;
    pipeline::Used used;
    used.input = 10;
    used.output = n;
    used.cost = Money{n};
    trail.booked(booking, used, {}, record.time);
    record.cost = used.cost;
    record.output = used.output;
    record.usage_source = audit::UsageSource::kProvider;
    std::string written;
    audit::write(record, audit::Phase::kOutcome, written);
    return trail.append(record, audit::Phase::kOutcome, Money{}, written);
  }

  std::int64_t n;
  std::string id;
  authentication::Identity actor;
  audit::Record record;
};

// What the outcome records of the trail say was spent, and what the books say.
struct Totals {
  std::int64_t decisions = 0;
  std::int64_t outcomes = 0;
  std::int64_t cut = 0;
  Money recorded;
  Money booked;
  std::int64_t requests_booked = 0;
};
Totals totals_of(Database& database);

}  // namespace tollgate::storage
