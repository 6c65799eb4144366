// What the simulator itself has to keep: a seed is a whole run, and the oracle finds what is wrong.
#include <gtest/gtest.h>

#include <functional>

#include "sim/world.h"
#include "storage/accounts.h"

namespace tollgate::sim {
namespace {

TEST(Simulator, TellsTheSameStoryOfASeedEachTime) {
  std::uint64_t before = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const RunResult first = run_seed(seed, 200);
    const RunResult second = run_seed(seed, 200);
    EXPECT_EQ(first.violation, "") << seed;
    EXPECT_EQ(first.digest, second.digest) << seed;
    EXPECT_NE(first.digest, before) << seed;
    before = first.digest;
  }
}

// Leases that lie with one gateway are not there for the next: no more than a tenth may lie idle.
TEST(Simulator, UsesNineTenthsOfABudgetWhoseCallersTryAgain) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Directory directory;
    World world(seed, Plan::calm(), directory.path());
    const std::int64_t limit = world.settings().budgets.at(0).limit.micro_usd;
    for (int round = 0; round < 400 && !world.everybody_refuses(40); ++round) world.run(100);
    EXPECT_TRUE(world.everybody_refuses(40)) << seed;
    world.rest();
    EXPECT_GE(world.oracle().booked_in_all(), limit * 9 / 10) << seed;
    EXPECT_LE(world.oracle().booked_in_all(), limit) << seed;
  }
}

// ---- The oracle -----------------------------------------------------------------------------

class AnOracle : public testing::Test {
 protected:
  AnOracle() {
    budget_.rule = "budgets.0";
    budget_.limit = {1'000};
    rate_.rule = "limits.0";
    rate_.figure = limits::Figure::kRequestsPerMinute;
    rate_.limit = 2;
    permits_.rule = "limits.1";
    permits_.figure = limits::Figure::kConcurrentRequests;
    permits_.limit = 2;
    oracle_.enforce(budget_);
  }
  Taken taken(std::int64_t money) const {
    Taken made;
    made.money = money;
    const storage::AccountId id{budget_.rule, "acme", WallTime{}};
    Account account(storage::packed_bytes(id), '\0');
    storage::pack(id, account.data());
    made.accounts = {account};
    made.budgets = {{budget_.rule, "acme"}};
    return made;
  }
  static std::string broken(const std::function<void()>& what) {
    try {
      what();
    } catch (const Violation& violation) {
      return violation.what.substr(0, violation.what.find(':'));
    }
    return "nothing";
  }

  cost::Policy budget_;
  limits::Policy rate_;
  limits::Policy permits_;
  Oracle oracle_;
};

TEST_F(AnOracle, FindsWhatIsSpentTwice) {
  oracle_.admitted("a", taken(600));
  EXPECT_EQ(broken([&] { oracle_.admitted("b", taken(401)); }), "I1");
  oracle_.ended("a", 100, {});
  EXPECT_EQ(oracle_.sums().begin()->second.spent, 100);
}

TEST_F(AnOracle, LetsAnOverrunBeOverTheLimitAndNobodyElse) {
  oracle_.admitted("a", taken(600));
  oracle_.ended("a", 1'500, {});
  EXPECT_EQ(oracle_.sums().begin()->second.overrun, 900);
  oracle_.admitted("b", taken(400));
  EXPECT_EQ(broken([&] { oracle_.admitted("c", taken(1)); }), "I1");
}

TEST_F(AnOracle, FindsAHoldThatEndsTwiceOrIsHeldTwice) {
  oracle_.admitted("a", taken(1));
  EXPECT_EQ(broken([&] { oracle_.admitted("a", taken(1)); }), "I3");
  oracle_.ended("a", 1, {});
  EXPECT_NE(broken([&] { oracle_.ended("a", 1, {}); }), "nothing");
}

TEST_F(AnOracle, FindsMoreThanBurstAndRateInAnyWindow) {
  Taken at_once = taken(0);
  at_once.rates = {{&rate_, "acme", 1, Taken::By::kGateway, rate_.limit}};
  oracle_.admitted("a", at_once);
  oracle_.admitted("b", at_once);
  at_once.at_us = 29'999'999;
  EXPECT_EQ(broken([&] { Oracle(oracle_).admitted("c", at_once); }), "I13");
  at_once.at_us = 30'000'000;
  EXPECT_EQ(broken([&] { oracle_.admitted("d", at_once); }), "nothing");
}

TEST_F(AnOracle, FindsOnePermitTooMany) {
  Taken one = taken(0);
  one.rates = {{&permits_, "acme", 1, Taken::By::kGateway, permits_.limit}};
  oracle_.admitted("a", one);
  oracle_.admitted("b", one);
  oracle_.ended("a", 0, {});
  oracle_.admitted("c", one);
  EXPECT_EQ(broken([&] { oracle_.admitted("d", one); }), "I14");
}

// What one gateway may not take alone, several may not take together.
TEST_F(AnOracle, AddsUpWhatGatewaysShare) {
  Taken use = taken(0);
  use.rates = {{&rate_, "acme", 1, Taken::By::kAll, rate_.limit},
               {&permits_, "acme", 1, Taken::By::kAll, permits_.limit}};
  oracle_.admitted("a", use);
  use.gateway = 1;
  oracle_.admitted("b", use);
  use.gateway = 2;
  EXPECT_EQ(broken([&] { Oracle(oracle_).admitted("c", use); }), "I13");
  use.rates.erase(use.rates.begin());
  EXPECT_EQ(broken([&] { Oracle(oracle_).admitted("c", use); }), "I14");
  oracle_.permits_are_forgotten(0);
  EXPECT_EQ(broken([&] { oracle_.admitted("c", use); }), "nothing");
}

}  // namespace
}  // namespace tollgate::sim
