#include "controls/alerts/watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "controls/alerts/in_force.h"

namespace tollgate::alerts {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A Monday, at midnight.
constexpr WallTime kMonday{hours(24 * 20003)};
constexpr Duration kTick = milliseconds(250);

Rule velocity() {
  Rule rule;
  rule.when = Condition::kSpendVelocity;
  rule.scope = limits::Scope::kTenantId;
  rule.over = minutes(10);
  rule.at_least = Money{1'000'000};
  rule.rule = "alerts[0]";
  return rule;
}

Watch watch_of(std::vector<Rule> rules) {
  Watch watch;
  watch.replace(rules);
  return watch;
}

// One that asks as people do: by the hour of the day and the day of the week, in a noise of minutes
// that goes on top of chance, with costs of all sizes.
struct Caller {
  std::string name;
  double rate = 1;     // Requests a second at noon of a working day.
  double cost = 0.01;  // Dollars, the median.
  double noise = 0.3;  // Of a minute, log-normal.
  double minute = 1;

  double shape(WallTime now) const {
    const auto hour = std::chrono::floor<hours>(now).time_since_epoch().count();
    const bool weekend = (hour / 24 + 4) % 7 % 6 == 0;
    const double of_day =
        static_cast<double>(now.time_since_epoch().count() % 86'400'000'000) / 86'400'000'000.0;
    const double day = 0.1 + 0.9 * std::pow(std::max(0.0, std::sin(3.14159265 * of_day)), 2);
    return day * (weekend ? 0.3 : 1);
  }
};

struct Traffic {
  std::mt19937_64 random{7};
  Tally tally;

  void second(Caller& caller, WallTime now, double times = 1) {
    if (now.time_since_epoch().count() % 60'000'000 == 0) {
      caller.minute = std::exp(caller.noise * std::normal_distribution<>()(random));
    }
    std::poisson_distribution<int> count(caller.rate * caller.shape(now) * caller.minute * times);
    for (int i = count(random); i > 0; --i) {
      const double usd = caller.cost * std::exp(0.8 * std::normal_distribution<>()(random));
      tally.spent({.tenant = caller.name, .user = "u", .key_id = "k", .route = "r", .model = "m"},
                  Money{static_cast<std::int64_t>(usd * 1e6)});
    }
  }
};

// So that whoever spends as usual is left alone, whatever he usually spends.
TEST(Watch, TellsAtMostOnceATenantInAMonthOfNormalDays) {
  Watch watch = watch_of({velocity()});
  std::vector<Caller> callers = {{"steady", 5, 0.01, 0.1},
                                 {"noisy", 3, 0.02, 0.5},
                                 {"rare", 0.02, 0.5, 0.3},
                                 {"dear", 0.005, 3, 0.3},
                                 {"cheap", 8, 0.0005, 0.3}};
  Traffic traffic;
  std::map<std::string, int> told;
  for (WallTime now = kMonday; now < kMonday + hours(24 * 30); now += seconds(2)) {
    for (Caller& caller : callers) traffic.second(caller, now, 2);
    watch.take(traffic.tally, now);
    for (const Alert& alert : watch.judge({}, now)) ++told[alert.subject];
  }
  for (const auto& [tenant, count] : told) EXPECT_LE(count, 1) << tenant;
}

// From the step to the alert, at noon and at night, on the fourth day.
TEST(Watch, TellsOfATenfoldStepWithinTenSeconds) {
  for (const hours at : {hours(12), hours(3)}) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      SCOPED_TRACE(testing::Message() << at.count() << " h, seed " << seed);
      Watch watch = watch_of({velocity()});
      Caller caller{"acme", 4, 0.05, 0.2};
      Traffic traffic;
      traffic.random.seed(seed);
      const WallTime step = kMonday + hours(24 * 3) + at + minutes(30);
      WallTime now = kMonday;
      for (; now < step; now += seconds(1)) {
        traffic.second(caller, now);
        watch.take(traffic.tally, now);
        EXPECT_TRUE(watch.judge({}, now).empty());
      }
      std::vector<Alert> told;
      for (; told.empty() && now < step + minutes(1); now += seconds(1)) {
        traffic.second(caller, now, 10);
        watch.take(traffic.tally, now);
        told = watch.judge({}, now);
      }
      ASSERT_EQ(told.size(), 1U);
      EXPECT_LE(told[0].at - step, seconds(10) - kTick);
      EXPECT_EQ(told[0].subject, "acme");
      EXPECT_EQ(told[0].tenant, "acme");
      EXPECT_EQ(told[0].rule, "alerts[0]");
      EXPECT_TRUE(told[0].message.starts_with("tenant_id `acme` spent ")) << told[0].message;
    }
  }
}

void spend(Watch& watch, Tally& tally, std::string_view tenant, double usd, WallTime now) {
  tally.spent({.tenant = tenant, .user = "ada", .key_id = "key", .route = "chat", .model = "small"},
              Money{static_cast<std::int64_t>(usd * 1e6)});
  watch.take(tally, now);
}

TEST(Watch, PenniesAndNewcomersAreNoAlertUnlessTheRuleSaysSo) {
  Watch watch = watch_of({velocity()});
  Tally tally;
  spend(watch, tally, "acme", 500, kMonday);
  EXPECT_TRUE(watch.judge({}, kMonday).empty());
  Rule strict = velocity();
  strict.newcomers = Money{2'000'000};
  Watch other = watch_of({strict});
  spend(other, tally, "acme", 1.9, kMonday);
  EXPECT_TRUE(other.judge({}, kMonday).empty());
  spend(other, tally, "acme", 0.2, kMonday + minutes(5));
  const std::vector<Alert> told = other.judge({}, kMonday + minutes(5));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].message, "tenant_id `acme` is new and spent 2.10 USD within 10 min.");
}

// The cooldown holds for each subject by itself, and a spike does not become usual at once.
TEST(Watch, TellsOfASubjectAgainOnlyAfterTheCooldown) {
  Rule rule = velocity();
  rule.newcomers = Money{1'000'000};
  rule.cooldown = minutes(30);
  Watch watch = watch_of({rule});
  Tally tally;
  int told = 0;
  for (int i = 0; i < 40; ++i) {
    const WallTime now = kMonday + minutes(i);
    spend(watch, tally, "acme", 5, now);
    told += static_cast<int>(watch.judge({}, now).size());
  }
  EXPECT_EQ(told, 2);
  spend(watch, tally, "other", 5, kMonday + minutes(40));
  EXPECT_EQ(watch.judge({}, kMonday + minutes(40)).size(), 1U);
}

TEST(Watch, WhatIsUsualAndWhatWasToldSurvivesARestart) {
  Rule rule = velocity();
  rule.newcomers = Money{2'000'000};
  Watch watch = watch_of({rule});
  Tally tally;
  WallTime now = kMonday;
  for (; now < kMonday + hours(30); now += seconds(30)) {
    spend(watch, tally, "acme", 0.05, now);
    EXPECT_TRUE(watch.judge({}, now).empty());
  }
  spend(watch, tally, "new", 3, now);
  EXPECT_EQ(watch.judge({}, now).size(), 1U);
  const std::string kept = watch.snapshot();

  Watch next = watch_of({rule});
  ASSERT_TRUE(next.restore(kept, now));
  EXPECT_EQ(next.subjects(), 2U);
  spend(next, tally, "new", 3, now);
  EXPECT_TRUE(next.judge({}, now).empty()) << "it was told already";
  spend(next, tally, "acme", 9, now);
  const std::vector<Alert> told = next.judge({}, now);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].message.find("is usual"), std::string::npos) << told[0].message;

  // What is cut, changed, or of other rules is not taken.
  Watch third = watch_of({rule});
  for (std::size_t cut = 0; cut < kept.size(); cut += 97) {
    EXPECT_FALSE(third.restore(std::string_view(kept).substr(0, cut), now)) << cut;
  }
  std::string changed = kept;
  changed[kept.size() / 2] ^= 1;
  EXPECT_FALSE(third.restore(changed, now));
  Rule of_users = rule;
  of_users.scope = limits::Scope::kUserId;
  Watch others = watch_of({of_users});
  EXPECT_TRUE(others.restore(kept, now));
  EXPECT_EQ(others.subjects(), 0U);
}

TEST(Watch, RemembersNoMoreSubjectsThanItsBound) {
  Watch watch = watch_of({velocity()});
  Tally tally;
  for (std::size_t i = 0; i < Watch::kSubjectsMax + 100; ++i) {
    spend(watch, tally, "t" + std::to_string(i), 1, kMonday + milliseconds(i));
    if (i % 64 == 0) (void)watch.judge({}, kMonday + milliseconds(i));
  }
  EXPECT_EQ(watch.subjects(), Watch::kSubjectsMax);
}

TEST(Watch, TellsOfBurstsOfRefusals) {
  Rule rule;
  rule.when = Condition::kRefusals;
  rule.scope = limits::Scope::kKeyId;
  rule.count = 10;
  rule.over = minutes(1);
  Watch watch = watch_of({rule});
  Tally tally;
  std::size_t told = 0;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(told, 0U) << i;
    tally.refused({.tenant = "acme", .key_id = "key"});
    const WallTime now = kMonday + seconds(i);
    watch.take(tally, now);
    told += watch.judge({}, now).size();
  }
  EXPECT_EQ(told, 1U);
  // As many in ten times the time are none.
  Watch slow = watch_of({rule});
  for (int i = 0; i < 30; ++i) {
    tally.refused({.tenant = "acme", .key_id = "key"});
    const WallTime now = kMonday + seconds(10 * i);
    slow.take(tally, now);
    EXPECT_TRUE(slow.judge({}, now).empty());
  }
}

TEST(Watch, TellsOfUpstreamsThatServeNothingAndOfCredentialsThatAreTried) {
  Rule down;
  down.when = Condition::kUpstreamDown;
  down.count = 3;
  down.over = minutes(1);
  Rule failures;
  failures.when = Condition::kAuthenticationFailures;
  failures.count = 50;
  failures.over = minutes(1);
  Watch watch = watch_of({down, failures});
  Tally tally;
  tally.attempted("gpu", false, 2);
  tally.attempted("other", false, 9);
  tally.attempted("other", true, 1);
  for (int i = 0; i < 49; ++i) tally.failed_authentication();
  watch.take(tally, kMonday);
  EXPECT_TRUE(watch.judge({}, kMonday).empty());
  tally.attempted("gpu", false, 1);
  tally.failed_authentication();
  watch.take(tally, kMonday + seconds(1));
  const std::vector<Alert> told = watch.judge({}, kMonday + seconds(1));
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].message,
            "Upstream `gpu` is down: 3 attempts within 1 min, and none was served.");
  EXPECT_EQ(told[1].message, "50 credentials were not believed within 1 min.");
}

TEST(Watch, TellsOfStoresThatAreOutAndOfATrailThatLags) {
  Rule store;
  store.when = Condition::kStoreDegraded;
  store.over = seconds(10);
  Rule lag;
  lag.when = Condition::kAuditLag;
  lag.share = 0.5;
  Watch watch = watch_of({store, lag});
  const std::string_view out[] = {"money"};
  EXPECT_TRUE(watch.judge({out, 0.4, true}, kMonday).empty());
  EXPECT_TRUE(watch.judge({{}, 0.4, true}, kMonday + seconds(9)).empty());  // It is back.
  EXPECT_TRUE(watch.judge({out, 0.4, true}, kMonday + seconds(10)).empty());
  std::vector<Alert> told = watch.judge({out, 0.6, true}, kMonday + seconds(20));
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].subject, "money");
  EXPECT_EQ(told[1].message, "60 % of audit.queue waits for the store.");
  Watch other = watch_of({lag});
  told = other.judge({{}, 0, false}, kMonday);
  ASSERT_EQ(told.size(), 1U);
}

TEST(Watch, TellsOfAProviderThatCountsOtherThanWeDo) {
  Rule drift;
  drift.when = Condition::kTokenCountDrift;
  drift.share = 0.2;
  Watch watch = watch_of({drift});
  Tally tally;
  tally.counted("small", 9'000, 18'000);  // Too few to tell.
  watch.take(tally, kMonday);
  EXPECT_TRUE(watch.judge({}, kMonday).empty());
  tally.counted("small", 3'000, 3'000);
  watch.take(tally, kMonday + seconds(1));
  const std::vector<Alert> told = watch.judge({}, kMonday + seconds(1));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].message,
            "The provider of model `small` counted 75.0 % more input tokens than we did within 10 "
            "min.");
}

TEST(Watch, TellsOfTheShareOfABudgetThatItsRuleNames) {
  Rule rule;
  rule.when = Condition::kBudgetReached;
  rule.share = 0.8;
  Watch watch = watch_of({rule});
  Watch::Reached reached{
      limits::Scope::kTenantId, "acme", "acme", 0.5, Money{5'000'000}, Money{10'000'000},
      "tenants.acme.budget",    kMonday};
  watch.budget_reached(reached, kMonday);
  reached.share = 0.8;
  reached.spent = Money{8'100'000};
  watch.budget_reached(reached, kMonday);
  const std::vector<Alert> told = watch.judge({}, kMonday);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].message,
            "tenant_id `acme` has spent 8.10 of 10.00 USD of tenants.acme.budget: 80 %.");
  EXPECT_EQ(told[0].tenant, "acme");
}

// A key is of the tenant that asked with it; what all share is nobody's.
TEST(Watch, TheBudgetOfAKeyIsOfItsTenant) {
  Rule rule;
  rule.when = Condition::kBudgetReached;
  rule.share = 0.5;
  rule.action = Action::kFreeze;
  Watch watch = watch_of({rule});
  const auto told = [&](limits::Scope scope, std::string subject) {
    watch.budget_reached(
        {scope, std::move(subject), "acme", 0.5, Money{5}, Money{10}, "budgets", kMonday}, kMonday);
    const std::vector<Alert> alerts = watch.judge({}, kMonday);
    return alerts.size() == 1 ? answer_to(rule, alerts[0])->tenant : "none";
  };
  EXPECT_EQ(told(limits::Scope::kKeyId, "k1"), "acme");
  EXPECT_EQ(told(limits::Scope::kUserId, "acme/ada"), "acme");
  EXPECT_EQ(told(limits::Scope::kRoute, "chat"), "");
  EXPECT_EQ(told(limits::Scope::kGlobal, ""), "");
}

// Each budget of a subject in each of its windows, and 1 is said of one that is passed.
TEST(Watch, TellsOfEachBudgetInEachWindow) {
  Rule rule;
  rule.when = Condition::kBudgetReached;
  rule.share = 1;
  rule.cooldown = hours(48);
  Watch watch = watch_of({rule});
  const auto told = [&](double share, std::string budget, WallTime window) {
    watch.budget_reached({limits::Scope::kTenantId, "acme", "acme", share, Money{11}, Money{10},
                          std::move(budget), window},
                         window + hours(1));
    return watch.judge({}, window + hours(1)).size();
  };
  EXPECT_EQ(told(0.99, "budgets[0]", kMonday), 0U);
  EXPECT_EQ(told(1.1, "budgets[0]", kMonday), 1U);
  EXPECT_EQ(told(1, "budgets[0]", kMonday), 0U);
  EXPECT_EQ(told(1, "budgets[1]", kMonday), 1U);
  EXPECT_EQ(told(1, "budgets[0]", kMonday + hours(24)), 1U);
}

// A freeze that is shorter than the cooldown is given again while the condition holds.
TEST(Watch, TheCooldownSilencesWhatIsToldAndNotWhatIsDone) {
  Rule rule;
  rule.when = Condition::kRefusals;
  rule.count = 1;
  rule.rule = "alerts[0]";
  rule.action = Action::kFreeze;
  rule.lasts = minutes(1);
  Watch watch = watch_of({rule});
  Releases releases;
  Tally tally;
  std::vector<Answer> in_force;
  int told = 0;
  int done = 0;
  const auto refuse_at = [&](WallTime now) {
    tally.refused({.tenant = "acme"});
    watch.take(tally, now);
    for (const Alert& alert : watch.judge({}, now)) {
      told += alert.silent ? 0 : 1;
      const Answer answer = *answer_to(watch.rules()[alert.number], alert);
      if (!releases.lets(answer, alert, in_force)) continue;
      in_force = {answer};
      ++done;
    }
  };
  for (int i = 0; i < 8; ++i) refuse_at(kMonday + seconds(15 * i));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(done, 2) << "at once, and when it was over";
  // What is over is not released; what is gone before is, until it is told again.
  releases.follow(in_force, {}, kMonday + minutes(2));
  in_force.clear();
  refuse_at(kMonday + minutes(3));
  EXPECT_EQ(done, 3);
  releases.follow(in_force, {}, kMonday + minutes(3));
  in_force.clear();
  refuse_at(kMonday + minutes(4));
  EXPECT_EQ(done, 3);
  refuse_at(kMonday + minutes(31));
  EXPECT_EQ(told, 2);
  EXPECT_EQ(done, 4);
}

// More callers than it tells apart are counted by their tenant, and nothing is lost.
TEST(Tally, ItsCallersAreBoundedAndWhatTheySpendIsNot) {
  struct Sum final : Tally::Reader {
    void caller(const Who& who, const Deed& deed) override {
      ++callers;
      spent += deed.spent.micro_usd;
      EXPECT_EQ(who.tenant, "acme");
    }
    void upstream(std::string_view, const Attempts&) override {}
    void model(std::string_view, const Counted&) override {}
    void authentication_failures(std::int64_t) override {}
    std::size_t callers = 0;
    std::int64_t spent = 0;
  };
  Tally tally;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) {
      const std::string user = "u" + std::to_string(i + round * 10'000);
      tally.spent({.tenant = "acme", .user = user, .key_id = "k"}, Money{7});
    }
    Sum sum;
    tally.drain(sum);
    EXPECT_EQ(sum.spent, 70'000);
    EXPECT_LE(sum.callers, Tally::kCallersMax + 1);
  }
}

}  // namespace
}  // namespace tollgate::alerts
