#include "storage/spend.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/schema.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Spend : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Spend() : database_(connect()) {}

  void spend(WallTime when, const std::string& tenant, const std::string& user,
             const std::string& key, const std::string& model, std::int64_t cost) {
    SpendGroup group;
    const SpendKey booked{quarter_of(when), tenant, user, key, "chat", model};
    group.add(booked, Spent{1, 10, 4, 5, Money{cost}});
    const FaultOr<void> done = book(*database_, group);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::vector<SpendRow> ask(const SpendQuery& query) {
    FaultOr<std::vector<SpendRow>> rows = query_spend(*database_, query);
    EXPECT_TRUE(rows) << rows.error().message;
    return rows.value_or(std::vector<SpendRow>{});
  }
  void fill() {
    spend(kMorning, "acme", "ada", "k1", "small", 100);
    spend(kMorning + Duration(1), "acme", "ada", "k1", "small", 20);
    spend(kMorning + hours(1), "acme", "", "k2", "large", 3000);
    spend(kMorning + hours(25), "globex", "ada", "k3", "small", 40'000);
  }

  std::unique_ptr<Database> database_;
};

TEST_P(Spend, AddsUpByWhatIsAsked) {
  fill();
  struct Case {
    SpendBy by;
    std::vector<std::pair<std::string, std::int64_t>> rows;  // Name, cost; dearest first.
  };
  const std::vector<Case> cases = {
      {SpendBy::kTotal, {{"", 43'120}}},
      {SpendBy::kTenant, {{"globex", 40'000}, {"acme", 3120}}},
      {SpendBy::kUser, {{"ada", 40'000}, {"", 3000}, {"ada", 120}}},
      {SpendBy::kKey, {{"k3", 40'000}, {"k2", 3000}, {"k1", 120}}},
      {SpendBy::kRoute, {{"chat", 43'120}}},
      {SpendBy::kModel, {{"small", 40'120}, {"large", 3000}}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(name_of(one.by));
    SpendQuery query;
    query.by = one.by;
    const std::vector<SpendRow> rows = ask(query);
    ASSERT_EQ(rows.size(), one.rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].name, one.rows[i].first);
      EXPECT_EQ(rows[i].spent.cost.micro_usd, one.rows[i].second);
    }
    EXPECT_EQ(spend_by_named(name_of(one.by)), one.by);
  }
  SpendQuery acme;
  acme.tenant = "acme";
  const std::vector<SpendRow> rows = ask(acme);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].spent, (Spent{3, 30, 12, 15, Money{3120}}));
}

TEST_P(Spend, CutsAtWholeHours) {
  fill();
  SpendQuery query;
  query.by = SpendBy::kHour;
  query.since = kMorning + Duration(1);
  query.until = kMorning + hours(1);  // 06:30: the hour that holds it counts.
  std::vector<SpendRow> rows = ask(query);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].name, std::to_string(to_microseconds(std::chrono::floor<hours>(kMorning))));
  EXPECT_EQ(rows[0].spent.cost, Money{120});
  query.until = std::chrono::floor<hours>(kMorning) + hours(1);
  rows = ask(query);
  ASSERT_EQ(rows.size(), 1U);
}

// Midnight in Kathmandu is at a quarter past six in the evening.
TEST_P(Spend, TellsQuartersOfAnHourApart) {
  const WallTime midnight = std::chrono::floor<hours>(kMorning) + minutes(15);
  spend(midnight - Duration(1), "acme", "ada", "k1", "small", 100);
  spend(midnight, "acme", "ada", "k1", "small", 20);
  spend(midnight + minutes(14), "acme", "ada", "k1", "small", 3);
  EXPECT_EQ(spent_since(*database_, limits::Scope::kTenantId, "acme", midnight), Money{23});
  const auto subjects = spent_by_subject(*database_, limits::Scope::kUserId, midnight);
  ASSERT_TRUE(subjects);
  ASSERT_EQ(subjects->size(), 1U);
  EXPECT_EQ(subjects->front().cost, Money{23});
  // Who asks by the hour sees hours.
  SpendQuery query;
  query.by = SpendBy::kHour;
  const std::vector<SpendRow> rows = ask(query);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].name, std::to_string(to_microseconds(std::chrono::floor<hours>(kMorning))));
  EXPECT_EQ(rows[0].spent.cost, Money{123});
}

// A file of the version that kept whole hours.
TEST_F(StorageTest, CountsAnOldHourInEveryWindowThatBeganWithinIt) {
  const WallTime hour = std::chrono::floor<hours>(kMorning);
  {
    sqlite3* old = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &old), SQLITE_OK);
    std::string made =
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = 3;", kApplicationId);
    for (int step = 0; step < 3; ++step) made += kSchemaSteps[static_cast<std::size_t>(step)];
    for (int i = 0; i < 3; ++i) {
      made += fmt::format(
          "INSERT INTO spend_hourly VALUES ({}, 'acme', 'ada', 'k1', 'chat', "
          "'small', 1, 2, 0, 3, {});",
          to_microseconds(hour + hours(i)),
          i == 0   ? 100
          : i == 1 ? 20
                   : 3);
    }
    ASSERT_EQ(sqlite3_exec(old, made.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(old);
  }
  const std::unique_ptr<Database> database = connect();
  const auto since = [&](WallTime start) {
    return spent_since(*database, limits::Scope::kTenantId, "acme", start).value_or(Money{-1});
  };
  EXPECT_EQ(since(hour), Money{123});
  EXPECT_EQ(since(hour + minutes(30)), Money{123});
  EXPECT_EQ(since(hour + hours(1)), Money{23});
  EXPECT_EQ(since(hour + hours(1) + minutes(45)), Money{23});
  SpendQuery query;
  query.by = SpendBy::kHour;
  query.since = hour + hours(1);
  query.until = hour + hours(2);
  const auto rows = query_spend(*database, query);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->front().name, std::to_string(to_microseconds(hour + hours(1))));
  EXPECT_EQ(rows->front().spent.cost, Money{20});
}

TEST_P(Spend, NamesSubjectsAsTheLedgerDoes) {
  fill();
  // A token whose subject looks like a key's, of a verifier that vouches in other tenants too.
  spend(kMorning, "acme", "key:k2", "sso/key:k2", "small", 7);
  struct Case {
    limits::Scope scope;
    std::string subject;
    WallTime since;
    std::int64_t cost;
  };
  const WallTime all{};
  const std::vector<Case> cases = {
      {limits::Scope::kGlobal, "", all, 43'127},
      {limits::Scope::kTenantId, "acme", all, 3127},
      {limits::Scope::kTenantId, "acme", kMorning + hours(1), 3000},
      {limits::Scope::kUserId, "acme/ada", all, 120},
      {limits::Scope::kUserId, "globex/ada", all, 40'000},
      {limits::Scope::kUserId, "acme/key:k2", all, 3000},
      {limits::Scope::kKeyId, "k3", all, 40'000},
      {limits::Scope::kKeyId, "acme/sso/key:k2", all, 7},
      {limits::Scope::kUserId, "acme/user:key:k2", all, 7},
      {limits::Scope::kRoute, "chat", kMorning + hours(2), 40'000},
      {limits::Scope::kModel, "large", all, 3000},
      {limits::Scope::kModel, "none", all, 0},
      {limits::Scope::kClientIp, "192.0.2.1", all, 0},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.subject);
    EXPECT_EQ(spent_since(*database_, one.scope, one.subject, one.since), Money{one.cost});
    const auto subjects = spent_by_subject(*database_, one.scope, one.since);
    ASSERT_TRUE(subjects);
    Money found;
    for (const SubjectSpent& spent : *subjects) {
      if (spent.subject == one.subject) found = spent.cost;
    }
    EXPECT_EQ(found, Money{one.cost});
  }
}

TEST_P(Spend, OfNothingIsNothing) {
  SpendQuery query;
  EXPECT_TRUE(ask(query).empty());
  query.by = SpendBy::kTotal;
  EXPECT_EQ(ask(query).front().spent, Spent{});
}

INSTANTIATE_TEST_SUITE_P(Stores, Spend, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
