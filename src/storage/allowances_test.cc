// The allowances in the database, against the slow model that the tests of the ledger use.
#include "storage/allowances.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "storage/account_sums.h"
#include "storage/hand_lender.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

constexpr AccountId kAcme{"tenants.acme.budget", "acme", kMorning};

class AllowancesTest : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  std::int64_t number(const std::string& sql) {
    auto statement = database->prepare(sql);
    EXPECT_TRUE(statement) << statement.error().message;
    EXPECT_TRUE(statement->step().value());
    return statement->integer(0);
  }
  // What entries have moved into a part and not out of it.
  std::int64_t part(const std::string& name) {
    return number(fmt::format(
        "SELECT CAST(coalesce(sum(CASE WHEN to_part = '{0}' THEN amount_micro_usd ELSE "
        "-amount_micro_usd END), 0) AS BIGINT) FROM allowance_entries WHERE '{0}' IN (from_part, "
        "to_part)",
        name));
  }
  static LeaseAsk ask(std::int64_t limit, std::int64_t least, std::int64_t ahead = 0) {
    LeaseAsk made;
    made.account = kAcme;
    made.limit = {limit};
    made.least = made.all = {least};
    made.ahead = {ahead};
    return made;
  }

  std::unique_ptr<Database> database = connect();
  // For one transaction each.
  Allowances one() { return {*database, "one"}; }
  Allowances two() { return {*database, "two"}; }
};

TEST_P(AllowancesTest, LeasesUpToTheLimitAndNoFurther) {
  EXPECT_EQ(one().lease(ask(1'000, 600), kMorning)->leased, Money{600});
  EXPECT_EQ(two().lease(ask(1'000, 600), kMorning)->leased, Money{0});
  const Lease last = two().lease(ask(1'000, 400), kMorning).value();
  EXPECT_EQ(last.leased, Money{400});
  EXPECT_EQ(last.taken, Money{1'000});
}

TEST_P(AllowancesTest, TakesBackOnlyWhatIsNotSpent) {
  ASSERT_TRUE(one().lease(ask(1'000, 600), kMorning));
  ASSERT_TRUE(one().spend(kAcme, {250}, kMorning));
  ASSERT_TRUE(one().give_back(kAcme, {100}, kMorning));
  EXPECT_EQ(two().lease(ask(1'000, 0), kMorning)->taken, Money{250});
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->leased, Money{250});
}

TEST_P(AllowancesTest, ReclaimsOnlyItsOwn) {
  ASSERT_TRUE(one().lease(ask(1'000, 300), kMorning));
  ASSERT_TRUE(two().lease(ask(1'000, 300), kMorning));
  ASSERT_TRUE(one().spend(kAcme, {100}, kMorning));
  EXPECT_EQ(one().end_leases(Allowances::Books::kWhole, kMorning).value(), Money{200});
  EXPECT_EQ(one().end_leases(Allowances::Books::kWhole, kMorning).value(), Money{0});
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->taken, Money{400});
}

// After a loss of power nobody can tell what the rest of a lease was used for.
TEST_P(AllowancesTest, KeepTakenWhatTheBooksMayLack) {
  ASSERT_TRUE(one().lease(ask(1'000, 300), kMorning));
  ASSERT_TRUE(one().spend(kAcme, {100}, kMorning));
  EXPECT_EQ(one().end_leases(Allowances::Books::kMayLack, kMorning).value(), Money{200});
  const Lease again = one().lease(ask(1'000, 0), kMorning).value();
  EXPECT_EQ(again.taken, Money{300});
  EXPECT_EQ(again.leased, Money{100});
  EXPECT_EQ(again.spent, Money{100});
  ASSERT_TRUE(one().raise(kAcme, {100}, kMorning));
  EXPECT_EQ(part("free"), -300);
  EXPECT_EQ(part("unproven"), 200);
}

// A budget that was not in the configuration all the time counts what was spent meanwhile.
TEST_P(AllowancesTest, RaisesToWhatTheBooksKnow) {
  ASSERT_TRUE(one().raise(kAcme, {500}, kMorning));
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->taken, Money{500});
  ASSERT_TRUE(one().lease(ask(1'000, 300), kMorning));
  ASSERT_TRUE(one().spend(kAcme, {100}, kMorning));
  // All of it was counted: nothing changes.
  ASSERT_TRUE(one().raise(kAcme, {600}, kMorning));
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->taken, Money{800});
  // 50 were spent while the rule was away.
  ASSERT_TRUE(one().raise(kAcme, {650}, kMorning));
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->taken, Money{850});
}

// The sums of long books take their time: what is settled by then is counted once, and so is what
// two gateways find at once.
TEST_P(AllowancesTest, RaisesByWhatTheSumsLackedThoughOthersGoOn) {
  ASSERT_TRUE(one().lease(ask(1'000, 300), kMorning));
  ASSERT_TRUE(one().raise(kAcme, {50}, kMorning));
  // 500 by the books, of which 50 are counted.
  const std::int64_t seen = one().last_entry().value();
  const Money uncounted = one().uncounted(kAcme, {500}).value();
  EXPECT_EQ(uncounted, Money{450});
  ASSERT_TRUE(one().spend(kAcme, {100}, kMorning));
  ASSERT_TRUE(two().lease(ask(1'000, 20), kMorning));
  ASSERT_TRUE(one().raise(kAcme, uncounted, seen, kMorning));
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->taken, Money{300 + 500 + 20});
  ASSERT_TRUE(two().raise(kAcme, uncounted, seen, kMorning));
  EXPECT_EQ(one().lease(ask(1'000, 0), kMorning)->taken, Money{300 + 500 + 20});
  EXPECT_EQ(part("unproven"), 500);
}

TEST_P(AllowancesTest, BooksSumsOnEveryAccountOfAList) {
  std::string list;
  for (const AccountId& account : {kAcme, AccountId{"budgets.user_id", "acme/ada", kMorning}}) {
    const std::size_t before = list.size();
    list.resize(before + packed_bytes(account));
    pack(account, list.data() + before);
  }
  AccountSums sums;
  sums.add(list, {30});
  sums.add(list, {12});
  Allowances allowances = one();
  ASSERT_TRUE(sums.write(allowances, kMorning));
  EXPECT_EQ(number("SELECT CAST(sum(spent_micro_usd) AS BIGINT) FROM leases"), 84);
  EXPECT_EQ(number("SELECT count(*) FROM leases WHERE spent_micro_usd = 42"), 2);
  sums.clear();
  EXPECT_TRUE(sums.empty());
  sums.add(list, {1});
  ASSERT_TRUE(sums.write(allowances, kMorning));
  EXPECT_EQ(number("SELECT CAST(sum(spent_micro_usd) AS BIGINT) FROM leases"), 86);
}

// More than are looked up in one question, some of them there.
TEST_P(AllowancesTest, LooksUpManyAtOnce) {
  std::vector<std::string> subjects;
  for (int i = 0; i < 700; ++i) subjects.push_back("tenant " + std::to_string(i));
  std::vector<AccountId> accounts;
  for (const std::string& subject : subjects) {
    accounts.push_back({"budgets.tenant_id", subject, kMorning});
  }
  Transaction transaction = std::move(Transaction::begin(*database).value());
  for (const bool again : {false, true}) {
    Allowances allowances = one();
    ASSERT_TRUE(allowances.look_up(accounts));
    for (std::size_t i = 0; i < accounts.size(); i += 3) {
      LeaseAsk asked = ask(10'000, 7);
      asked.account = accounts[i];
      const Lease lease = allowances.lease(asked, kMorning).value();
      EXPECT_EQ(lease.leased, Money{again ? 14 : 7});
    }
    ASSERT_TRUE(allowances.spend(accounts[3], {4}, kMorning));
    ASSERT_TRUE(allowances.raise(accounts[3], {50}, kMorning));
  }
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(number("SELECT count(*) FROM allowances"), 234);
  EXPECT_EQ(number("SELECT CAST(sum(leased_micro_usd) AS BIGINT) FROM leases"), 14 * 234);
  // 50 by the books and 3 that were leased and not spent, then 7 more.
  EXPECT_EQ(one().lease(LeaseAsk{accounts[3], {1'000}, {}, {}, {}}, kMorning)->taken, Money{60});
}

TEST(Accounts, AreReadBackAndNothingElseIs) {
  std::string packed(packed_bytes(kAcme), '\0');
  EXPECT_EQ(pack(kAcme, packed.data()), packed.data() + packed.size());
  for (std::size_t i = 0; i < packed.size(); ++i) {
    std::string_view cut = std::string_view(packed).substr(0, i);
    EXPECT_FALSE(take_account(cut)) << i;
  }
  std::string_view whole = packed;
  EXPECT_EQ(take_account(whole), kAcme);
  EXPECT_TRUE(whole.empty());
}

// What was spent is posted with the account's next entry, and at the end.
TEST_P(AllowancesTest, EnterWhatWasSpentOnceHoweverOftenItIsTold) {
  ASSERT_TRUE(one().lease(ask(1'000, 300), kMorning));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(one().spend(kAcme, {20}, kMorning));
  EXPECT_EQ(part("spent/one"), 0);
  EXPECT_EQ(part("leased/one"), 300);
  ASSERT_TRUE(one().lease(ask(1'000, 100), kMorning));
  EXPECT_EQ(part("spent/one"), 100);
  EXPECT_EQ(part("leased/one"), 300);
  ASSERT_TRUE(one().spend(kAcme, {30}, kMorning));
  ASSERT_TRUE(one().end_leases(Allowances::Books::kWhole, kMorning));
  EXPECT_EQ(part("spent/one"), 130);
  EXPECT_EQ(part("leased/one"), 0);
  EXPECT_EQ(part("free"), -130);
  EXPECT_EQ(number("SELECT count(*) FROM allowance_entries WHERE kind = 'settle'"), 2);
}

TEST_P(AllowancesTest, MoveWithEntriesToAnotherName) {
  ASSERT_TRUE(one().lease(ask(1'000, 300), kMorning));
  ASSERT_TRUE(one().spend(kAcme, {70}, kMorning));
  ASSERT_TRUE(one().lease(ask(1'000, 50), kMorning));
  ASSERT_TRUE(one().hand_over("two", kMorning));
  EXPECT_EQ(part("leased/one"), 0);
  EXPECT_EQ(part("spent/one"), 0);
  EXPECT_EQ(part("leased/two"), 280);
  EXPECT_EQ(part("spent/two"), 70);
  EXPECT_EQ(two().lease(ask(1'000, 0), kMorning)->leased, Money{350});
}

// I2, I6, I9: for any history the rows are what the entries add up to, and what the model says.
TEST_P(AllowancesTest, AgreeWithASlowModelForAnyHistory) {
  std::mt19937_64 random{5};
  HandStore model;
  const char* const names[] = {"one", "two"};
  const std::string key = HandStore::key(kAcme);
  constexpr std::int64_t kLimit = 100'000;
  std::size_t who = 0;
  std::optional<Allowances> gateway(one());
  for (int step = 0; step < 2'000; ++step) {
    // The next transaction, or the next thing in the same.
    if (random() % 2 == 0) {
      who = random() % 2;
      gateway.emplace(*database, names[who]);
    }
    const auto amount = static_cast<std::int64_t>(random() % 9'000);
    switch (random() % 5) {
      case 0:
      case 1: {
        const LeaseAsk asked = ask(kLimit, amount, static_cast<std::int64_t>(random() % 30'000));
        const Lease expected = model.lease(names[who], key, asked);
        const Lease given = gateway->lease(asked, kMorning).value();
        ASSERT_EQ(given.leased, expected.leased) << step;
        ASSERT_EQ(given.spent, expected.spent) << step;
        ASSERT_EQ(given.taken, expected.taken) << step;
        break;
      }
      case 2: {
        HandStore::Row& row = model.accounts[key].gateways[names[who]];
        // What was held on a lease is spent, seldom more.
        const Money most{row.leased.micro_usd - row.spent.micro_usd};
        const Money spent = random() % 50 == 0 ? Money{amount} : std::min(most, Money{amount});
        model.spend(names[who], key, spent);
        ASSERT_TRUE(gateway->spend(kAcme, spent, kMorning));
        break;
      }
      case 3: {
        HandStore::Row& row = model.accounts[key].gateways[names[who]];
        row.leased = std::min(row.leased, std::max(row.spent, Money{amount}));
        ASSERT_TRUE(gateway->give_back(kAcme, {amount}, kMorning));
        break;
      }
      default:
        if (random() % 20 != 0) break;
        model.reclaim(names[who]);
        ASSERT_TRUE(gateway->end_leases(Allowances::Books::kWhole, kMorning));
    }
    const std::int64_t taken = model.accounts[key].taken().micro_usd;
    ASSERT_EQ(number("SELECT CAST(coalesce(sum(taken_micro_usd), 0) AS BIGINT) FROM allowances"),
              taken)
        << step;
    ASSERT_EQ(part("free"), -taken);
    for (const std::string name : names) {
      const HandStore::Row& row = model.accounts[key].gateways[name];
      const std::int64_t posted = part("spent/" + name);
      ASSERT_EQ(part("leased/" + name) + posted, row.leased.micro_usd);
      ASSERT_LE(posted, row.spent.micro_usd);
    }
    ASSERT_EQ(number("SELECT CAST(coalesce(sum(leased_micro_usd), 0) AS BIGINT) FROM leases"),
              taken);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, AllowancesTest, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
