#include "storage/prune_books.h"

#include <random>

#include "storage/adjust.h"
#include "storage/allowances.h"
#include "storage/reconcile.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::hours;

constexpr Money kLimit{1'000'000'000};
constexpr WallTime kNow = kMorning;

class PruneBooks : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  template <class Step>
  void in_transaction(const Step& step) {
    FaultOr<Transaction> transaction = Transaction::begin(*database_);
    ASSERT_TRUE(transaction);
    step();
    ASSERT_TRUE(transaction->commit());
  }
  void spend(WallTime when, const std::string& tenant, std::int64_t cost) {
    SpendGroup group;
    group.add({quarter_of(when), tenant, "ada", "key1", "chat", "small"},
              Spent{1, 10, 4, 5, Money{cost}});
    in_transaction([&] { ASSERT_TRUE(book(*database_, group)); });
  }
  void spend_on(const AccountId& account, Money amount, WallTime when) {
    in_transaction([&] {
      Allowances allowances(*database_, "one");
      LeaseAsk ask;
      ask.account = account;
      ask.limit = kLimit;
      ask.least = ask.all = amount;
      ASSERT_TRUE(allowances.lease(ask, when));
      ASSERT_TRUE(allowances.spend(account, amount, when));
    });
  }
  Money taken(const AccountId& account) {
    Allowances allowances(*database_, "two");
    LeaseAsk ask;
    ask.account = account;
    ask.limit = kLimit;
    return allowances.lease(ask, kNow).value().taken;
  }
  std::int64_t count(const std::string& table) {
    FaultOr<Statement> rows = database_->prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(rows && rows->step().value());
    return rows->integer(0);
  }
  int prune_all(WallTime keep_from) {
    int steps = 0;
    while (has_old_books(*database_, keep_from).value()) {
      in_transaction([&] { ASSERT_TRUE(prune_books(*database_, keep_from)); });
      if (++steps > 1000) break;
    }
    return steps;
  }

  std::unique_ptr<Database> database_ = connect();
};

TEST_P(PruneBooks, NeverKeepLessThanTheLongestWindowAndLateUsage) {
  EXPECT_LE(books_keep_from(hours(1), kNow), kNow - hours(24 * 62));
  EXPECT_LE(books_keep_from(hours(24 * 400), kNow), kNow - hours(24 * 400));
  EXPECT_GT(books_keep_from(hours(24 * 400), kNow), kNow - hours(24 * 400 + 1));
}

// Whatever was spent and whenever it is pruned: what budgets that are in force count stays as it
// is.
TEST_P(PruneBooks, ChangeNoBudgetForAnyHistory) {
  std::mt19937_64 random{11};
  const WallTime keep_from = books_keep_from(hours(24 * 90), kNow);
  const AccountId total{"budgets.tenant_id", "acme", WallTime{}};
  const AccountId month{"tenants.acme.budget", "acme",
                        cost::start_of(cost::Window::kMonth, {}, kNow)};
  std::int64_t in_all = 0;
  for (int step = 0; step < 120; ++step) {
    const WallTime when = kNow - hours(random() % (24 * 400));
    const auto cost = static_cast<std::int64_t>(1 + random() % 1000);
    in_all += cost;
    spend(when, random() % 2 == 0 ? "acme" : "globex", cost);
    const AccountId day{"budgets.key_id", "key1", cost::start_of(cost::Window::kDay, {}, when)};
    spend_on(day, Money{cost}, when);
    spend_on(total, Money{cost}, when);
    if (when >= month.window_start) spend_on(month, Money{cost}, when);
  }
  const Money total_before = taken(total);
  const Money month_before = taken(month);
  const Money spent_before =
      spent_since(*database_, limits::Scope::kTenantId, "acme", WallTime{}).value();
  const Money recent_before =
      spent_since(*database_, limits::Scope::kTenantId, "acme", keep_from).value();
  const std::int64_t rows = count("spend");
  const std::int64_t entries = count("allowance_entries");

  EXPECT_GT(prune_all(keep_from), 0);
  EXPECT_EQ(taken(total), total_before);
  EXPECT_EQ(taken(month), month_before);
  EXPECT_EQ(spent_since(*database_, limits::Scope::kTenantId, "acme", WallTime{}).value(),
            spent_before);
  EXPECT_EQ(spent_since(*database_, limits::Scope::kTenantId, "acme", keep_from).value(),
            recent_before);
  EXPECT_EQ(spent_since(*database_, limits::Scope::kGlobal, "", WallTime{}).value(), Money{in_all});
  EXPECT_LT(count("spend"), rows);
  EXPECT_LT(count("allowance_entries"), entries);
  EXPECT_EQ(books_kept_from(*database_).value(), keep_from);
  // And nothing old is left but the sums.
  FaultOr<Statement> old = database_->prepare(
      "SELECT (SELECT count(*) FROM spend WHERE quarter_us > 0 AND quarter_us < ?), (SELECT "
      "count(*) "
      "FROM leases WHERE window_start_us > 0 AND window_start_us < ?), (SELECT count(*) FROM "
      "allowances WHERE window_start_us > 0 AND window_start_us < ?)");
  ASSERT_TRUE(old);
  const std::int64_t windows_us = to_microseconds(keep_from - kWindowLongest);
  ASSERT_TRUE(
      old->bind(to_microseconds(keep_from)).bind(windows_us).bind(windows_us).step().value());
  for (int column = 0; column < 3; ++column) EXPECT_EQ(old->integer(column), 0);
}

TEST_P(PruneBooks, AreSaidWhereTheBooksAreHeldAgainstTheTrail) {
  spend(kNow - hours(24 * 100), "acme", 500);
  const WallTime keep_from = books_keep_from(hours(1), kNow);
  EXPECT_EQ(compared_from(*database_).value(), std::nullopt);
  prune_all(keep_from);
  EXPECT_EQ(compared_from(*database_).value(), keep_from);
  ReconcileQuery query;
  query.since = kNow - hours(24 * 365);
  EXPECT_TRUE(reconcile(*database_, query).value().empty());
  SpendQuery by_hour;
  by_hour.by = SpendBy::kHour;
  EXPECT_EQ(query_spend(*database_, by_hour).value().front().spent.cost, Money{500});
}

// A budget without an end has few entries for what is long ago, and they say the same together.
TEST_P(PruneBooks, FoldTheEntriesOfBudgetsWithoutAnEnd) {
  const WallTime keep_from = books_keep_from(hours(1), kNow);
  const AccountId acme{"budgets.tenant_id", "acme", WallTime{}};
  const AccountId globex{"budgets.tenant_id", "globex", WallTime{}};
  in_transaction([&] {
    Allowances allowances(*database_, "one");
    for (int i = 0; i < 1500; ++i) {
      LeaseAsk ask;
      ask.account = i % 3 == 0 ? globex : acme;
      ask.limit = kLimit;
      ask.least = ask.all = Money{i + 1};
      const WallTime when = kNow - hours(24 * 500) + std::chrono::minutes(i);
      ASSERT_TRUE(allowances.lease(ask, when));
      ASSERT_TRUE(allowances.spend(ask.account, Money{i + 1}, when));
    }
  });
  spend_on(acme, Money{7}, kNow);
  const auto parts = [&] {
    FaultOr<Statement> rows = database_->prepare(
        "SELECT subject, from_part, to_part, CAST(sum(amount_micro_usd) AS BIGINT) FROM "
        "allowance_entries GROUP BY subject, from_part, to_part ORDER BY 1, 2, 3");
    EXPECT_TRUE(rows);
    std::vector<std::string> all;
    while (rows && rows->step().value()) {
      all.push_back(std::string(rows->text(0)) + " " + std::string(rows->text(1)) + " " +
                    std::string(rows->text(2)) + " " + std::to_string(rows->integer(3)));
    }
    return all;
  };
  const std::vector<std::string> before = parts();
  ASSERT_GT(count("allowance_entries"), 2900);
  EXPECT_LT(prune_all(keep_from), 10);
  EXPECT_LT(count("allowance_entries"), 30);
  EXPECT_EQ(parts(), before);
  // The next day's pass folds what that one has left.
  prune_all(keep_from + hours(24));
  EXPECT_LE(count("allowance_entries"), 8);
  EXPECT_EQ(parts(), before);
  EXPECT_FALSE(has_old_books(*database_, keep_from + hours(25)).value());
}

// Requests go on meanwhile, and every one of them is booked.
TEST_P(PruneBooks, IsInNobodysWay) {
  const std::unique_ptr<StoredTrail> trail = open_trail();
  for (int i = 0; i < 600; ++i) spend(kNow - hours(24 * 500 + i), "acme", 1);
  bool more = true;
  std::int64_t n = 0;
  std::int64_t sum = 600;
  for (; more; ++n) {
    Request request(n + 1);
    ASSERT_TRUE(request.decide(*trail));
    ASSERT_TRUE(request.end(*trail));
    ASSERT_TRUE(trail->flush());
    sum += n + 1;
    const FaultOr<bool> pruned = trail->prune();
    ASSERT_TRUE(pruned) << pruned.error().message;
    more = *pruned;
  }
  EXPECT_GE(n, 3);
  EXPECT_EQ(totals_of(*database_).booked, Money{sum});
}

INSTANTIATE_TEST_SUITE_P(Stores, PruneBooks, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
