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
#include "storage/database.h"
#include "storage/spend.h"
#include "storage/stored_trail.h"

namespace tollgate::storage {

// 2026-03-04 05:30 UTC.
inline constexpr WallTime kMorning{Duration(1'772'602'200'000'000)};

class StillClock final : public pipeline::Clock {
 public:
  Instant now() const override { return Instant{}; }
  WallTime wall() const override { return wall_; }
  void set(WallTime wall) { wall_ = wall; }

 private:
  WallTime wall_ = kMorning;
};

class StorageTest : public testing::Test {
 protected:
  StorageTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  ~StorageTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return (directory_ / "tollgate.db").string(); }

  // A connection that does not wait for locks.
  std::unique_ptr<Database> connect() const {
    DatabaseOptions options;
    options.busy_timeout = Duration{};
    options.durability = Durability::kProcess;
    FaultOr<std::unique_ptr<Database>> opened = Database::open(path(), options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  std::unique_ptr<StoredTrail> open_trail() {
    FaultOr<std::unique_ptr<StoredTrail>> opened = StoredTrail::open(connect(), policy_, clock_);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

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
