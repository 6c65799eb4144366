// Several ledgers on one Redis, and one against the ledger that has its limits alone.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "storage/rate_fixture.h"

namespace tollgate::storage {
namespace {

using limits::Figure;
using limits::Scope;
using pipeline::Charges;
using pipeline::Hold;
using pipeline::LimitCharge;
using pipeline::Shortfall;
using pipeline::Used;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Request = RateRequest;

// As the threads of the gateways do, each tells every second what it has.
void pass(SharedRedis& shared, std::span<SharingGateway* const> gateways,
          std::span<const limits::Policy* const> policies, Duration time) {
  while (time > Duration(0)) {
    shared.pass(std::min<Duration>(time, seconds(1)));
    time -= std::min<Duration>(time, seconds(1));
    for (SharingGateway* gateway : gateways) {
      for (const limits::Policy* policy : policies)
        gateway->rates.renew(account_of(*policy), gateway->ledger);
    }
  }
}

// The two are asked milliseconds apart, so they may differ where a moment decides.
bool a_moment_decides(const Request& request) {
  if (request.passed()) return false;
  const std::optional<Duration> wait = request.held->error().refusal.retry_after;
  return wait && *wait < milliseconds(50);
}

void expect_the_same(const Request& one, const Request& other) {
  ASSERT_EQ(one.passed(), other.passed())
      << (one.passed() ? other.held->error().refusal.message : one.held->error().refusal.message);
  if (!one.passed()) {
    const Refusal& refusal = one.held->error().refusal;
    const Refusal& its = other.held->error().refusal;
    ASSERT_EQ(its.reason, refusal.reason);
    ASSERT_EQ(its.rule, refusal.rule);
    ASSERT_NEAR(static_cast<double>(its.retry_after->count()),
                static_cast<double>(refusal.retry_after->count()), 50'000.0);
    return;
  }
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_NEAR(static_cast<double>((**one.held).limits[i].remaining),
                static_cast<double>((**other.held).limits[i].remaining), 1.0);
  }
}

// I12, I13: one gateway admits on Redis what it would with its limits alone, and tells the same.
TEST(SharedRates, I13OneGatewayAdmitsWhatItWouldAloneForAnyHistory) {
  SharedRedis shared;
  SharingGateway gateway(shared, "only");
  const limits::Policy tokens = limit(Figure::kTotalTokensPerMinute, 397);
  const limits::Policy work = limit(Figure::kConcurrentRequests, 5);
  SharingGateway* const gateways[] = {&gateway};
  const limits::Policy* const policies[] = {&tokens, &work};
  MemoryLedger alone({.key = 3}, nullptr);
  HandExecutor executor;
  struct Both {
    std::unique_ptr<Request> shared;
    std::unique_ptr<Request> alone;
  };
  std::vector<Both> open;
  std::mt19937_64 random{17};
  std::map<Reason, int> refused;
  int steps = 0;
  for (int step = 0; step < 1'500; ++step) {
    SCOPED_TRACE(step);
    pass(shared, gateways, policies, Duration(random() % 4'000'000));
    const Instant now = shared.now();
    if (random() % 5 < 2 && !open.empty()) {
      const std::size_t at = random() % open.size();
      const auto used = static_cast<Tokens>(random() % 150);
      settle(gateway, *open[at].shared, used, now);
      alone.settle(**open[at].alone->held, open[at].alone->charges(), {0, used, {}}, {}, now,
                   kWall);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
      answer_all(gateway);
    }
    const auto amount = static_cast<std::int64_t>(1 + random() % 200);
    Both both;
    both.alone = std::make_unique<Request>();
    both.alone->limits = {{&work, "acme", 1}, {&tokens, "acme", amount}};
    both.alone->held =
        run_ready(alone.hold(both.alone->charges(), both.alone->arena, executor, now, kWall));
    both.shared = begin(gateway, both.alone->limits, now);
    answer_all(gateway);
    if (a_moment_decides(*both.alone) && both.shared->passed()) {
      settle(gateway, *both.shared, 0, now);
      continue;
    }
    if (a_moment_decides(*both.shared) && both.alone->passed()) {
      alone.settle(**both.alone->held, both.alone->charges(), {}, {}, now, kWall);
      continue;
    }
    ++steps;
    expect_the_same(*both.alone, *both.shared);
    if (HasFatalFailure()) return;
    if (!both.alone->passed()) {
      ++refused[both.alone->held->error().refusal.reason];
      continue;
    }
    open.push_back(std::move(both));
  }
  EXPECT_GT(steps, 1'400);
  EXPECT_EQ(refused.size(), 2u);
}

// What was used of one limit, and when it was taken.
struct Taken {
  Instant at;
  std::int64_t used;
};

// In any window W at most limit + rate * W was used: a full bucket lets all of it through.
void expect_within(const limits::Policy& policy, std::vector<Taken> all) {
  std::sort(all.begin(), all.end(), [](const Taken& a, const Taken& b) { return a.at < b.at; });
  limits::Balance balance;
  for (const Taken& taken : all) {
    // A microsecond for the rounding of each of its times.
    const auto held = limits::reserve(policy, balance, taken.used, taken.at + Duration(2));
    ASSERT_TRUE(held) << "more than the limit was used; it fits in "
                      << held.error().retry_after.value_or(Duration(-1)).count() << " us";
    balance = *held;
  }
}

// Three gateways and what becomes of their requests, one step after the other.
struct Crowd {
  struct Open {
    std::size_t gateway;
    std::unique_ptr<Request> request;
    std::size_t taken = SIZE_MAX;
  };

  explicit Crowd(std::uint64_t seed) : random(seed) {
    for (const char* name : {"a", "b", "c"})
      gateways.push_back(std::make_unique<SharingGateway>(shared, name));
  }

  // Who passed, and who was refused.
  void look() {
    for (Open& at : open) {
      if (at.taken != SIZE_MAX || !at.request->passed()) continue;
      at.taken = all.size();
      all.push_back({shared.now(), (**at.request->held).limits[0].held});
    }
    std::erase_if(open, [](const Open& at) { return at.request->held && !at.request->passed(); });
  }
  void answer_one(SharingGateway& gateway) {
    if (gateway.rates.asked.empty()) return;
    if (random() % 12 == 0)
      gateway.rates.lose(gateway.ledger);
    else
      gateway.rates.answer(gateway.ledger);
    gateway.executor.run();
  }
  void settle_one(std::size_t who) {
    const auto found = std::find_if(open.begin(), open.end(), [&](const Open& at) {
      return at.gateway == who && at.taken != SIZE_MAX;
    });
    if (found == open.end()) return;
    Taken& taken = all[found->taken];
    // Sometimes more than was held; that counts when it is known.
    const bool more = random() % 10 == 0;
    const auto used = static_cast<std::int64_t>(
        more ? taken.used + 20 : random() % static_cast<std::uint64_t>(taken.used + 1));
    settle(*gateways[who], *found->request, used, shared.now());
    if (!more) taken.used = used;
    open.erase(found);
  }
  void step() {
    const std::size_t who = random() % gateways.size();
    SharingGateway& gateway = *gateways[who];
    switch (random() % 8) {
      case 0:
        shared.pass(Duration(random() % (random() % 10 == 0 ? 30'000'000 : 1'000'000)));
        break;
      case 1:
        answer_one(gateway);
        break;
      case 2:
        answer_all(gateway);
        if (random() % 3 == 0) gateway.rates.carry_out_late();
        break;
      case 3:
        gateway.rates.renew(account_of(tokens), gateway.ledger);
        break;
      case 4:
        settle_one(who);
        break;
      default: {
        const auto amount = static_cast<std::int64_t>(1 + random() % 200);
        open.push_back({who, begin(gateway, {{&tokens, "acme", amount}}, shared.now())});
      }
    }
    look();
  }
  void end() {
    for (auto& gateway : gateways) answer_all(*gateway);
    look();
  }
  void settle_rest() {
    for (Open& at : open) settle(*gateways[at.gateway], *at.request, 0, shared.now());
  }

  std::mt19937_64 random;
  SharedRedis shared;
  std::vector<std::unique_ptr<SharingGateway>> gateways;
  const limits::Policy tokens = limit(Figure::kTotalTokensPerMinute, 1'000);
  std::vector<Open> open;
  std::vector<Taken> all;
};

// I13: whatever several gateways do at once, with answers that are late or lost.
TEST(SharedRates, I13SeveralGatewaysNeverUseMoreThanTheLimitForAnyHistory) {
  std::int64_t admitted = 0;
  // Others with --gtest_shuffle --gtest_random_seed=N.
  const auto first =
      static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed()) * 8;
  for (std::uint64_t history = first; history < first + 8; ++history) {
    SCOPED_TRACE(fmt::format("history {}", history));
    Crowd crowd(history + 100);
    for (int step = 0; step < 700; ++step) crowd.step();
    crowd.end();
    for (const Taken& taken : crowd.all) admitted += taken.used;
    expect_within(crowd.tokens, crowd.all);
    crowd.settle_rest();
  }
  EXPECT_GT(admitted, 10'000);
}

// What may be used does get used, however many gateways share it.
TEST(SharedRates, GatewaysThatAreBusyUseNearlyAllOfALimit) {
  std::mt19937_64 random{3};
  SharedRedis shared;
  std::vector<std::unique_ptr<SharingGateway>> owned;
  std::vector<SharingGateway*> gateways;
  for (const char* name : {"a", "b", "c"}) {
    owned.push_back(std::make_unique<SharingGateway>(shared, name));
    gateways.push_back(owned.back().get());
  }
  const limits::Policy tokens = limit(Figure::kOutputTokensPerMinute, 10'000);
  const limits::Policy* const policies[] = {&tokens};
  struct Open {
    SharingGateway* gateway;
    std::unique_ptr<Request> request;
    Instant ends;
  };
  std::vector<Open> open;
  std::vector<Taken> all;
  const Instant start = shared.now();
  while (shared.now() - start < std::chrono::minutes(5)) {
    for (SharingGateway* gateway : gateways) {
      auto request = hold(*gateway, tokens, 400, shared.now());
      if (!request->passed()) continue;
      open.push_back(
          {gateway, std::move(request), shared.now() + milliseconds(1'000 + random() % 15'000)});
    }
    for (Open& at : open) {
      if (shared.now() < at.ends) continue;
      const auto used = static_cast<std::int64_t>(100 + random() % 100);
      settle(*at.gateway, *at.request, used, shared.now());
      all.push_back({at.request->at, used});
    }
    std::erase_if(open, [&](const Open& at) { return !(**at.request->held).open; });
    pass(shared, gateways, policies, milliseconds(500));
  }
  std::int64_t used = 0;
  for (const Taken& taken : all) used += taken.used;
  EXPECT_GT(used, 60'000 * 85 / 100);
  expect_within(tokens, all);
  for (Open& at : open) settle(*at.gateway, *at.request, 0, shared.now());
}

// I12: however slots go around, all gateways together never have more requests at work.
TEST(SharedRates, I12SlotsAreNeverMoreThanTheLimitForAnyHistory) {
  std::mt19937_64 random{7};
  SharedRedis shared;
  std::vector<std::unique_ptr<SharingGateway>> gateways;
  for (const char* name : {"a", "b", "c"})
    gateways.push_back(std::make_unique<SharingGateway>(shared, name));
  const limits::Policy work = limit(Figure::kConcurrentRequests, 6);
  struct Open {
    std::size_t gateway;
    std::unique_ptr<Request> request;
  };
  std::vector<Open> open;
  std::int64_t most = 0;
  std::map<std::size_t, int> passed;
  for (int step = 0; step < 3'000; ++step) {
    const std::size_t who = random() % gateways.size();
    SharingGateway& gateway = *gateways[who];
    if (random() % 3 == 0) {
      open.push_back({who, begin(gateway, {{&work, "acme", 1}}, shared.now())});
      // Who is refused may come again only after a while, as others may have given back.
      shared.pass(milliseconds(20));
    } else if (random() % 2 == 0 && !gateway.rates.asked.empty()) {
      gateway.rates.answer(gateway.ledger);
      gateway.executor.run();
    } else {
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (open[i].gateway != who || !open[i].request->passed()) continue;
        settle(gateway, *open[i].request, 0, shared.now());
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
    }
    for (const Open& at : open)
      if (at.request->passed()) ++passed[at.gateway];
    std::erase_if(open, [](const Open& at) { return at.request->held && !at.request->passed(); });
    const std::int64_t at_work = std::count_if(open.begin(), open.end(),
                                               [](const Open& at) { return at.request->passed(); });
    ASSERT_LE(at_work, 6) << step;
    most = std::max(most, at_work);
  }
  EXPECT_EQ(most, 6);
  EXPECT_EQ(passed.size(), 3u);
  for (auto& gateway : gateways) answer_all(*gateway);
  for (Open& at : open)
    if (at.request->passed()) settle(*gateways[at.gateway], *at.request, 0, shared.now());
  for (auto& gateway : gateways) answer_all(*gateway);
  for (auto& gateway : gateways) gateway->rates.renew(account_of(work), gateway->ledger);
  // All are back.
  auto last = std::vector<std::unique_ptr<Request>>();
  for (int i = 0; i < 6; ++i) {
    last.push_back(hold(*gateways[0], work, 1, shared.now() + seconds(1)));
    EXPECT_TRUE(last.back()->passed()) << i;
  }
  for (auto& request : last) settle(*gateways[0], *request, 0, shared.now());
  answer_all(*gateways[0]);
}

TEST(SharedRates, ACrowdIsOneQuestionAndWhatItLacksIsAskedTogether) {
  SharedRedis shared;
  SharingGateway gateway(shared, "a");
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 10);
  std::vector<std::unique_ptr<Request>> crowd;
  for (int i = 0; i < 20; ++i)
    crowd.push_back(begin(gateway, {{&requests, "acme", 1}}, shared.now()));
  answer_all(gateway);
  int passed = 0;
  for (auto& request : crowd) {
    ASSERT_TRUE(request->held);
    if (request->passed()) {
      ++passed;
      settle(gateway, *request, 0, shared.now());
    } else {
      EXPECT_EQ(request->held->error().refusal.reason, Reason::kRateLimited);
      EXPECT_EQ(request->held->error().limits[0].remaining, 0);
    }
  }
  EXPECT_EQ(passed, 10);
}

TEST(SharedRates, WhatIsInHandIsServedFromMemoryAndGoesBackWhenIdle) {
  SharedRedis shared;
  SharingGateway gateway(shared, "a");
  const limits::Policy tokens = limit(Figure::kInputTokensPerMinute, 80'000);
  auto first = hold(gateway, tokens, 100, shared.now());
  EXPECT_GT(gateway.rates.last.granted, 100);
  for (int i = 0; i < 3; ++i) {
    auto next = begin(gateway, {{&tokens, "acme", 100}}, shared.now());
    EXPECT_TRUE(next->passed());  // Nobody was asked.
    settle(gateway, *next, 0, shared.now());
  }
  const RateNeed account = account_of(tokens);
  gateway.rates.renew(account, gateway.ledger);  // Used since the last time.
  EXPECT_GT(gateway.rates.last.in_hand, 0);
  gateway.rates.renew(account, gateway.ledger);
  EXPECT_EQ(gateway.rates.last.in_hand, 0);
  EXPECT_GT(gateway.rates.last.level, 79'500);
  settle(gateway, *first, 0, shared.now());
}

TEST(SharedRates, ObservedLimitsLetNobodyWait) {
  SharedRedis shared;
  SharingGateway gateway(shared, "a");
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 3, Mode::kObserve);
  const limits::Policy work = limit(Figure::kConcurrentRequests, 3, Mode::kObserve);
  int observed = 0;
  for (int i = 0; i < 6; ++i) {
    auto request = begin(gateway, {{&requests, "acme", 1}, {&work, "acme", 1}}, shared.now());
    ASSERT_TRUE(request->passed());
    observed += static_cast<int>((**request->held).observed.size());
    answer_all(gateway);
    shared.pass(milliseconds(101));
  }
  EXPECT_EQ(observed, 6);
  EXPECT_EQ(shared.field({requests.rule, "acme"}, "level"), 0);
}

TEST(SharedRates, ALimitThatIsRefusedTakesNothingOfTheOthers) {
  SharedRedis shared;
  SharingGateway gateway(shared, "a");
  const limits::Policy many = limit(Figure::kRequestsPerMinute, 10);
  const limits::Policy one = limit(Figure::kRequestsPerDay, 1);
  const limits::Policy work = limit(Figure::kConcurrentRequests, 2);
  const auto ask = [&] {
    auto request =
        begin(gateway, {{&many, "acme", 1}, {&work, "acme", 1}, {&one, "acme", 1}}, shared.now());
    answer_all(gateway);
    return request;
  };
  auto first = ask();
  ASSERT_TRUE(first->passed());
  for (int i = 0; i < 20; ++i) {
    auto next = ask();
    ASSERT_EQ(next->held->error().refusal.rule, one.rule);
    ASSERT_EQ(next->held->error().refusal.reason, Reason::kRateLimited);
  }
  settle(gateway, *first, 0, shared.now());
  answer_all(gateway);
  int passed = 0;
  for (int i = 0; i < 12; ++i) passed += hold(gateway, many, 1, shared.now())->passed() ? 1 : 0;
  EXPECT_EQ(passed, 9);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(hold(gateway, work, 1, shared.now())->passed());
}

TEST(SharedRates, AnOutageLetsTheShareThroughAndNoMore) {
  SharedRedis shared;
  SharingGateway gateway(shared, "a");
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 10);
  const limits::Policy work = limit(Figure::kConcurrentRequests, 2);
  const Instant now = shared.now();
  auto before = hold(gateway, requests, 1, now);
  gateway.rates.fall_back(RateMode::kLocalShare, 3);
  const auto passed = [&](const limits::Policy& policy, Instant at) {
    int count = 0;
    for (int i = 0; i < 20; ++i) {
      auto request = begin(gateway, {{&policy, "acme", 1}}, at);
      EXPECT_TRUE(request->held);
      count += request->passed() ? 1 : 0;
      if (request->passed()) continue;
      const Refusal& refusal = request->held->error().refusal;
      EXPECT_TRUE(refusal.retry_after.has_value());
      EXPECT_EQ(refusal.rule, policy.rule);
      EXPECT_NE(refusal.message.find("its store cannot be asked"), std::string::npos);
    }
    return count;
  };
  EXPECT_EQ(passed(requests, now), 3);
  EXPECT_EQ(passed(requests, now + seconds(20)), 1);
  EXPECT_EQ(passed(work, now), 1);  // At least one.
  // Another outage brings no other share.
  gateway.rates.fall_back(RateMode::kLent, 3);
  gateway.rates.fall_back(RateMode::kLocalShare, 3);
  EXPECT_EQ(passed(requests, now + seconds(20)), 0);
  // What was let through meanwhile counts when Redis is there again.
  gateway.rates.fall_back(RateMode::kLent, 3);
  auto after = hold(gateway, requests, 1, shared.now());
  EXPECT_TRUE(after->passed());

  gateway.rates.fall_back(RateMode::kRefused, 3);
  auto refused = begin(gateway, {{&requests, "acme", 1}}, now);
  ASSERT_TRUE(refused->held);
  EXPECT_EQ(refused->held->error().refusal.reason, Reason::kStoreUnavailable);
}

// However slow the store is: it is asked once, and what it said is the answer.
TEST(SharedRates, WhoWaitsForASlowStoreIsRefusedByWhatItSaid) {
  SharedRedis shared;
  SharingGateway other(shared, "other");
  SharingGateway gateway(shared, "a");
  const limits::Policy work = limit(Figure::kConcurrentRequests, 2);
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 2);
  for (const limits::Policy* policy : {&work, &requests}) {
    SCOPED_TRACE(policy->rule);
    const auto one = hold(other, *policy, 1, shared.now());
    const auto two = hold(other, *policy, 1, shared.now());
    ASSERT_TRUE(one->passed() && two->passed());
    auto late = begin(gateway, {{policy, "acme", 1}}, shared.now());
    int answers = 0;
    for (; !late->held && answers < 10; ++answers) {
      shared.pass(milliseconds(150));
      gateway.rates.answer_all(gateway.ledger);
      gateway.executor.run();
    }
    ASSERT_TRUE(late->held && !late->passed());
    EXPECT_EQ(answers, 1);
    const Refusal& refusal = late->held->error().refusal;
    EXPECT_EQ(refusal.rule, policy->rule);
    ASSERT_TRUE(refusal.retry_after);
    EXPECT_GT(*refusal.retry_after, policy == &work ? milliseconds(1) : milliseconds(29'000));
  }
}

TEST(SharedRates, WhoWaitsWhenTheStoreGoesAwayGoesOnAtOnce) {
  SharedRedis shared;
  SharingGateway gateway(shared, "a");
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 10);
  auto request = begin(gateway, {{&requests, "acme", 1}}, shared.now());
  EXPECT_FALSE(request->held);
  gateway.rates.fall_back(RateMode::kLocalShare, 2);
  gateway.rates.fail_all(gateway.ledger);
  gateway.executor.run();
  EXPECT_TRUE(request->passed());
}

}  // namespace
}  // namespace tollgate::storage
