// The thread that lends limits out of Redis, against a real one that is paused, killed and emptied.
#include "storage/redis_rates.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "base/hand_executor.h"
#include "redis/testing_server.h"
#include "storage/memory_ledger.h"
#include "storage/testing_clock.h"
#include "storage/testing_hold.h"

namespace tollgate::storage {
namespace {

using limits::Figure;
using std::chrono::milliseconds;
using std::chrono::seconds;

template <class Condition>
bool wait_for(Condition condition, Duration most = seconds(20)) {
  const Instant deadline = redis::in_time(most);
  while (!condition()) {
    if (redis::in_time(Duration(0)) > deadline) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

// One gateway with its thread.
struct Gateway {
  explicit Gateway(const redis::RedisServer& server, std::string name = "a",
                   RateMode on_fault = RateMode::kLocalShare)
      : rates(std::move(
            *RedisRates::create(server.endpoint(), {std::move(name), on_fault}, ledger, clock))) {
    ledger.rates_from(*rates);
  }
  ~Gateway() { rates->stop(); }

  std::unique_ptr<Held> hold(const limits::Policy& policy, std::int64_t amount = 1) {
    std::unique_ptr<Held> held(new Held{{&policy, "acme", amount}});
    tollgate::start(hold_later(ledger, executor, clock.now(), *held));
    EXPECT_TRUE(wait_for([&] { return executor.run() || held->answer; }));
    EXPECT_TRUE(wait_for([&] { return executor.run(), held->answer.has_value(); }));
    return held;
  }
  int passed(const limits::Policy& policy, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += *hold(policy) ? 1 : 0;
    return count;
  }
  void settle(Held& held, Tokens used = 0) {
    ledger.settle(**held.answer, held.charges(), {0, used, {}}, {}, clock.now(), {});
  }

  SystemClock clock;
  MemoryLedger ledger{{.key = 5}, nullptr};
  HandExecutor executor;
  std::unique_ptr<RedisRates> rates;
};

TEST(RedisRates, SeveralGatewaysShareALimit) {
  redis::RedisServer server;
  Gateway a(server, "a");
  Gateway b(server, "b");
  ASSERT_TRUE(a.rates->start());
  ASSERT_TRUE(b.rates->start());
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 100);
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += a.passed(requests, 1) + b.passed(requests, 1);
  EXPECT_LE(passed, 100);
  EXPECT_GE(passed, 95);
  EXPECT_FALSE(a.rates->degraded());
  EXPECT_GT(a.rates->counts().asked, 0);
  EXPECT_GT(a.rates->counts().granted, 0);
  EXPECT_EQ(a.rates->counts().faults, 0);
  EXPECT_TRUE(wait_for([&] { return a.rates->state().gateways == 2; }));
  EXPECT_EQ(a.rates->counts().degraded_since, std::nullopt);
}

TEST(RedisRates, SlotsThatAreFreeAreUsableEverywhere) {
  redis::RedisServer server;
  Gateway a(server, "a");
  Gateway b(server, "b");
  ASSERT_TRUE(a.rates->start());
  ASSERT_TRUE(b.rates->start());
  const limits::Policy work = limit(Figure::kConcurrentRequests, 6);
  std::vector<std::unique_ptr<Held>> held;
  for (int i = 0; i < 6; ++i) {
    held.push_back((i % 2 == 0 ? a : b).hold(work));
    ASSERT_TRUE(*held.back()) << i;
  }
  EXPECT_EQ(b.hold(work)->reason(), Reason::kConcurrencyLimited);
  a.settle(*held[0]);
  std::unique_ptr<Held> next;
  EXPECT_TRUE(wait_for([&] { return static_cast<bool>(*(next = b.hold(work))); }));
  EXPECT_EQ(a.hold(work)->reason(), Reason::kConcurrencyLimited);
}

TEST(RedisRates, SlotsOfAGatewayThatDiedComeBack) {
  redis::RedisServer server;
  const limits::Policy work = limit(Figure::kConcurrentRequests, 2);
  // It dies without a word: its connection has told what it has, and nobody tells it again.
  auto dead = std::move(*redis::Client::create(server.endpoint()));
  RateQuestion question;
  question.gateway = "dead";
  question.figure = work.figure;
  question.limit = 2;
  question.least = question.all = 2;
  question.ttl = RedisRates::kTtl;
  add_question(*dead, rate_key({work.rule, "acme"}), question);
  ASSERT_TRUE(dead->exchange(redis::in_time(seconds(5))));

  Gateway a(server);
  ASSERT_TRUE(a.rates->start());
  EXPECT_FALSE(*a.hold(work));
  EXPECT_TRUE(wait_for([&] { return static_cast<bool>(*a.hold(work)); }));
  EXPECT_TRUE(*a.hold(work));
}

TEST(RedisRates, WhatIsAtWorkIsToldAgainAndStaysTaken) {
  redis::RedisServer server;
  Gateway a(server, "a");
  Gateway b(server, "b");
  ASSERT_TRUE(a.rates->start());
  ASSERT_TRUE(b.rates->start());
  const limits::Policy work = limit(Figure::kConcurrentRequests, 1);
  auto held = a.hold(work);
  ASSERT_TRUE(*held);
  const Instant later = redis::in_time(RedisRates::kTtl + seconds(1));
  EXPECT_TRUE(wait_for([&] {
    EXPECT_FALSE(*b.hold(work));
    return redis::in_time(Duration(0)) > later;
  }));
  // A gateway that stops gives back what it had.
  a.settle(*held);
  a.rates->stop();
  EXPECT_TRUE(wait_for([&] { return static_cast<bool>(*b.hold(work)); }, seconds(2)));
}

TEST(RedisRates, APausedRedisIsNotWaitedForAndTheShareIsKept) {
  redis::RedisServer server;
  Gateway a(server, "a");
  Gateway b(server, "b");
  ASSERT_TRUE(a.rates->start());
  ASSERT_TRUE(b.rates->start());
  ASSERT_TRUE(wait_for([&] { return a.rates->state().gateways == 2; }));
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 10);
  server.pause();
  const Instant before = redis::in_time(Duration(0));
  // The first waits for the deadline, and no longer; a busy machine gets some grace.
  EXPECT_EQ(a.passed(requests, 20), 5);
  EXPECT_LT(redis::in_time(Duration(0)) - before, seconds(2));
  EXPECT_EQ(b.passed(requests, 20), 5);
  EXPECT_TRUE(a.rates->degraded());
  EXPECT_GE(a.rates->counts().faults, 1);
  EXPECT_NE(a.rates->counts().last_fault.find("no answer in time"), std::string::npos);
  EXPECT_TRUE(a.rates->counts().degraded_since.has_value());

  server.resume();
  const Instant resumed = redis::in_time(Duration(0));
  EXPECT_TRUE(wait_for([&] { return !a.rates->degraded() && !b.rates->degraded(); }));
  EXPECT_LT(redis::in_time(Duration(0)) - resumed, seconds(2));
  EXPECT_FALSE(a.rates->counts().degraded_since.has_value());
  // What both let through meanwhile counts, of each as soon as it asks.
  EXPECT_LE(a.passed(requests, 20) + b.passed(requests, 20), 6);
}

TEST(RedisRates, RefusesWithoutRedisWhereThePolicySaysSo) {
  redis::RedisServer server;
  Gateway a(server, "a", RateMode::kRefused);
  ASSERT_TRUE(a.rates->start());
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 10);
  EXPECT_TRUE(*a.hold(requests));
  server.kill();
  EXPECT_TRUE(wait_for([&] { return a.rates->degraded(); }));
  EXPECT_EQ(a.hold(requests)->reason(), Reason::kStoreUnavailable);
  server.start();
  EXPECT_TRUE(wait_for([&] { return !a.rates->degraded(); }));
}

TEST(RedisRates, NobodyGetsASecondBurstAfterTheDataAreLost) {
  redis::RedisServer server;
  Gateway a(server, "a");
  Gateway b(server, "b");
  ASSERT_TRUE(a.rates->start());
  ASSERT_TRUE(b.rates->start());
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 20);
  EXPECT_GE(a.passed(requests, 30) + b.passed(requests, 30), 19);
  server.tell({"FLUSHALL"});
  EXPECT_EQ(a.passed(requests, 30) + b.passed(requests, 30), 0);
  EXPECT_TRUE(wait_for([&] { return b.rates->counts().lost + a.rates->counts().lost == 2; }));
  // It was empty when it started again: the same.
  server.kill();
  server.start();
  EXPECT_TRUE(wait_for([&] { return !a.rates->degraded() && !b.rates->degraded(); }));
  EXPECT_TRUE(wait_for([&] { return b.rates->counts().lost + a.rates->counts().lost == 4; }));
  EXPECT_EQ(a.passed(requests, 30) + b.passed(requests, 30), 0);
  // Who starts now knows it too.
  Gateway c(server, "c");
  ASSERT_TRUE(c.rates->start());
  EXPECT_EQ(c.passed(requests, 30), 0);
}

// Nobody asks for it any more, so it has to be told.
TEST(RedisRates, WhatIsAtWorkStaysTakenWhateverBecomesOfTheData) {
  redis::RedisServer server;
  Gateway a(server, "a");
  Gateway b(server, "b");
  ASSERT_TRUE(a.rates->start());
  ASSERT_TRUE(b.rates->start());
  const limits::Policy work = limit(Figure::kConcurrentRequests, 1);
  auto held = a.hold(work);
  ASSERT_TRUE(*held);
  const auto nobody_else_for = [&](Duration time) {
    const Instant end = redis::in_time(time);
    while (redis::in_time(Duration(0)) < end) EXPECT_FALSE(*b.hold(work));
  };
  server.tell({"FLUSHALL"});
  nobody_else_for(RedisRates::kTtl + milliseconds(1500));
  server.kill();
  ASSERT_TRUE(wait_for([&] { return a.rates->degraded() && b.rates->degraded(); }));
  server.start();
  ASSERT_TRUE(wait_for([&] { return !a.rates->degraded() && !b.rates->degraded(); }));
  nobody_else_for(RedisRates::kTtl + milliseconds(1500));
  a.settle(*held);
  EXPECT_TRUE(wait_for([&] { return static_cast<bool>(*b.hold(work)); }));
}

// What it says of the clock of Redis is ahead by a leap.
class LeapingClient final : public redis::Client {
 public:
  LeapingClient(redis::Endpoint endpoint, const std::atomic<std::int64_t>& leap_us)
      : redis::Client(std::move(endpoint)), leap_us_(leap_us) {}
  FaultOr<std::vector<redis::Reply>> exchange(Instant deadline) override {
    auto replies = redis::Client::exchange(deadline);
    if (!replies) return replies;
    for (redis::Reply* epoch : {&replies->front(), &replies->back()}) {
      if (epoch->items.size() == 3) epoch->items[2].integer += leap_us_;
    }
    return replies;
  }

 private:
  const std::atomic<std::int64_t>& leap_us_;
};

TEST(RedisRates, ALeapOfItsClockFreesNothingThatIsAtWork) {
  redis::RedisServer server;
  std::atomic<std::int64_t> leap_us = 0;
  Gateway a(server, "a");
  Gateway b(server, "b");
  for (Gateway* gateway : {&a, &b}) {
    gateway->rates = std::make_unique<RedisRates>(
        RedisRates::Options{.gateway = gateway == &a ? "a" : "b"},
        std::make_unique<LeapingClient>(server.endpoint(), leap_us), gateway->ledger, a.clock);
    gateway->ledger.rates_from(*gateway->rates);
    ASSERT_TRUE(gateway->rates->start());
  }
  const limits::Policy work = limit(Figure::kConcurrentRequests, 2);
  auto one = a.hold(work);
  auto two = a.hold(work);
  ASSERT_TRUE(*one && *two);
  // By the time that it is for Redis then, what a has in hand has ended.
  leap_us = 5'000'000;
  server.tell({"DEL", rate_key({work.rule, "acme"})});
  const Instant end = redis::in_time(RedisRates::kTtl + milliseconds(1500));
  while (redis::in_time(Duration(0)) < end) EXPECT_FALSE(*b.hold(work));
  EXPECT_GT(b.rates->counts().lost, 0);
  a.settle(*one);
  a.settle(*two);
  EXPECT_TRUE(wait_for([&] { return static_cast<bool>(*b.hold(work)); }));
}

// Answers what is asked, or nothing.
class AwayClient final : public redis::Client {
 public:
  AwayClient() : redis::Client({.host = "cache"}) {}
  bool connected() const override { return connected_; }
  void close() override { connected_ = false; }
  void add(const redis::Script&, std::string_view key, std::span<const std::string_view>) override {
    using Kind = redis::Reply::Kind;
    redis::Reply reply{.kind = Kind::kInteger, .integer = 1};
    if (key != "tollgate:{epoch}") twice += keys_.insert(std::string(key)).second ? 0 : 1;
    if (key != "tollgate:{gateways}") {
      reply.kind = Kind::kList;
      reply.items.resize(key == "tollgate:{epoch}" ? 3 : 9, {.kind = Kind::kInteger});
      reply.items[0].integer = 1;
      if (key == "tollgate:{epoch}") reply.items[0] = {.kind = Kind::kText, .text = "epoch"};
    }
    added_.push_back(std::move(reply));
  }
  FaultOr<std::vector<redis::Reply>> exchange(Instant) override {
    ++asked;
    keys_.clear();
    std::vector<redis::Reply> replies = std::exchange(added_, {});
    if (away) return fault(FaultKind::kUnreachable, "away");
    connected_ = true;
    return replies;
  }
  int asked = 0;
  int twice = 0;  // Questions on a key that the same round has asked of before.
  bool away = false;

 private:
  bool connected_ = false;
  std::vector<redis::Reply> added_;
  std::set<std::string> keys_;  // In this round.
};

class HandClock final : public pipeline::Clock {
 public:
  Instant now() const override { return at; }
  WallTime wall() const override { return {}; }
  Instant at{std::chrono::hours(1)};
};

// By a clock of its own: whenever it comes back, it has been asked a quarter of a second later.
TEST(RedisRates, RecoversWithinAQuarterOfASecondOfItsReturnWhateverTheOutage) {
  constexpr milliseconds kStep{10};
  std::mt19937_64 random(3);
  HandClock clock;
  MemoryLedger ledger{{.key = 5}, nullptr};
  auto owned = std::make_unique<AwayClient>();
  AwayClient& client = *owned;
  RedisRates rates({.gateway = "a"}, std::move(owned), ledger, clock);
  const auto pass = [&](Duration time) {
    for (const Instant end = clock.at + time; clock.at < end; clock.at += kStep) rates.turn();
  };
  pass(seconds(2));
  ASSERT_FALSE(rates.degraded());
  for (int outage = 0; outage < 50; ++outage) {
    SCOPED_TRACE(outage);
    client.away = true;
    pass(RedisRates::kRenewAfter + kStep);
    ASSERT_TRUE(rates.degraded());
    const int before = client.asked;
    const Duration lasts = milliseconds(10 * (random() % 700));
    pass(lasts);
    // Not more often than that either.
    EXPECT_LE(client.asked - before, lasts / RedisRates::kRetryAfter + 1);
    client.away = false;
    pass(RedisRates::kRetryAfter + kStep);
    ASSERT_FALSE(rates.degraded());
  }
}

// What one question has brought is not known yet when the next tells what is in hand.
TEST(RedisRates, I14AsksOnceInARoundOfWhatIsToBeToldAgain) {
  const std::pair<Figure, Duration> due[] = {
      {Figure::kConcurrentRequests, RedisRates::kLookAgainAfter},
      {Figure::kRequestsPerMinute, RedisRates::kRenewAfter}};
  for (const auto& [figure, later] : due) {
    HandClock clock;
    MemoryLedger ledger{{.key = 5}, nullptr};
    auto owned = std::make_unique<AwayClient>();
    AwayClient& client = *owned;
    RedisRates rates({.gateway = "a"}, std::move(owned), ledger, clock);
    ledger.rates_from(rates);
    rates.turn();
    const limits::Policy policy = limit(figure, 12);
    HandExecutor executor;
    std::vector<std::unique_ptr<Held>> all;
    const auto hold = [&](std::int64_t amount) {
      all.emplace_back(new Held{{&policy, "acme", amount}});
      tollgate::start(hold_later(ledger, executor, clock.now(), *all.back()));
    };
    // It is lent one more than it says to have, each time.
    hold(1);
    rates.turn();
    executor.run();
    ASSERT_TRUE(all.front()->answer && *all.front());
    const int before = client.asked;
    clock.at += later;
    hold(3);
    hold(3);
    rates.turn();
    EXPECT_EQ(client.asked, before + 1);
    EXPECT_EQ(client.twice, 0);
    rates.stop();
    executor.run();
  }
}

TEST(RedisRates, StartsWithoutRedisAndSaysWhatIsWrong) {
  redis::RedisServer server({.password = "right"});
  SystemClock clock;
  MemoryLedger ledger({}, nullptr);
  redis::Endpoint wrong = server.endpoint();
  wrong.password = "hunter2";
  auto rates = std::move(*RedisRates::create(wrong, {"a", RateMode::kLocalShare}, ledger, clock));
  const FaultOr<void> started = rates->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, FaultKind::kRefusedByPeer);
  EXPECT_EQ(started.error().message.find("hunter2"), std::string::npos);
  EXPECT_TRUE(rates->degraded());
  rates->stop();

  server.kill();
  Gateway late(server);
  const FaultOr<void> nobody = late.rates->start();
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, FaultKind::kUnreachable);
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 3);
  EXPECT_EQ(late.passed(requests, 10), 3);
  server.start();
  EXPECT_TRUE(wait_for([&] { return !late.rates->degraded(); }));
}

TEST(RedisRates, AServerThatTakesNoScriptsIsAnOutage) {
  redis::RedisServer server;
  Gateway a(server);
  ASSERT_TRUE(a.rates->start());
  server.tell({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_TRUE(wait_for([&] { return a.rates->degraded(); }));
  EXPECT_NE(a.rates->counts().last_fault.find("memory is full"), std::string::npos);
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 3);
  EXPECT_EQ(a.passed(requests, 10), 3);
  server.tell({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(wait_for([&] { return !a.rates->degraded(); }));
}

// I12: threads of several gateways at once, while Redis comes and goes: nothing is left behind.
TEST(RedisRates, I12NothingIsLeftBehindWhateverHappensToRedis) {
  redis::RedisServer server;
  std::vector<std::unique_ptr<Gateway>> gateways;
  for (const char* name : {"a", "b"}) {
    gateways.push_back(std::make_unique<Gateway>(server, name));
    ASSERT_TRUE(gateways.back()->rates->start());
  }
  const limits::Policy work = limit(Figure::kConcurrentRequests, 4);
  std::atomic<bool> done = false;
  std::atomic<int> passed = 0;
  const auto hammer = [&](Gateway& gateway, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::unique_ptr<Held>> open;
    while (!done) {
      if (auto held = gateway.hold(work); *held) {
        ++passed;
        open.push_back(std::move(held));
      }
      while (!open.empty() && random() % 2 == 0) {
        gateway.settle(*open.back());
        open.pop_back();
      }
    }
    for (auto& held : open) gateway.settle(*held);
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < gateways.size(); ++i)
    threads.emplace_back(hammer, std::ref(*gateways[i]), i);
  const auto some_pass = [&] {
    const int before = passed;
    return wait_for([&] { return passed > before + 20; });
  };
  EXPECT_TRUE(some_pass());
  server.pause();
  EXPECT_TRUE(wait_for([&] { return gateways[0]->rates->degraded(); }));
  EXPECT_TRUE(some_pass());
  server.resume();
  EXPECT_TRUE(wait_for([&] { return !gateways[0]->rates->degraded(); }));
  EXPECT_TRUE(some_pass());
  server.tell({"FLUSHALL"});
  EXPECT_TRUE(some_pass());
  done = true;
  for (std::thread& thread : threads) thread.join();
  for (auto& gateway : gateways) {
    EXPECT_EQ(gateway->ledger.open_holds(), 0);
    for (const WorkStanding& standing : gateway->ledger.snapshot({}).work)
      EXPECT_EQ(standing.at_work, 0);
  }
  // All slots are usable again.
  std::vector<std::unique_ptr<Held>> all;
  EXPECT_TRUE(wait_for([&] {
    if (auto held = gateways[1]->hold(work); *held) all.push_back(std::move(held));
    return all.size() == 4;
  }));
  for (auto& held : all) gateways[1]->settle(*held);
}

}  // namespace
}  // namespace tollgate::storage
