// Slots that came for a request which did not take them, by hand: no Redis, no thread, no time.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/hand_executor.h"
#include "storage/memory_ledger.h"
#include "storage/redis_rates.h"
#include "storage/testing_hold.h"

namespace tollgate::storage {
namespace {

using limits::Figure;
using pipeline::BudgetCharge;

class HandClock final : public pipeline::Clock {
 public:
  Instant now() const override { return at; }
  WallTime wall() const override { return {}; }
  Instant at{std::chrono::hours(1)};
};

// The store of the money is away.
class NoMoney final : public Lender {
 public:
  explicit NoMoney(Borrower& borrower) : borrower_(borrower) {}
  void ask(std::span<const LeaseNeed> needs, LeaseWait* wait) override {
    for (const LeaseNeed& need : needs) {
      borrower_.answered(need.account, need.hash, 1, std::nullopt);
      if (wait != nullptr) wait->answered(Fault{FaultKind::kUnreachable, "away"}, Instant{});
    }
  }
  void give_back(std::span<const LeaseReturn>) override {}
  bool exclusive() const override { return false; }

 private:
  Borrower& borrower_;
};

// Has slots for gateways that ask one after the other.
class SlotsClient final : public redis::Client {
 public:
  using Slots = std::map<std::string, std::int64_t, std::less<>>;  // In hand, by gateway.
  explicit SlotsClient(Slots& slots) : redis::Client({.host = "cache"}), slots_(slots) {}
  bool connected() const override { return true; }
  void close() override {}
  void add(const redis::Script&, std::string_view key,
           std::span<const std::string_view> arguments) override {
    using Kind = redis::Reply::Kind;
    redis::Reply reply{.kind = Kind::kList};
    const auto say = [&](std::int64_t number) {
      reply.items.push_back({.kind = Kind::kInteger, .integer = number});
    };
    if (key == "tollgate:{gateways}") {
      reply = {.kind = Kind::kInteger, .integer = 2};
    } else if (key == "tollgate:{epoch}") {
      reply.items.push_back({.kind = Kind::kText, .text = "epoch"});
      for (int i = 0; i < 2; ++i) say(0);
    } else {
      const std::int64_t told = number_of(arguments[3]);
      const std::int64_t granted = lend(arguments, told);
      for (const std::int64_t number : {granted, told}) say(number);
      for (int i = 0; i < 7; ++i) say(0);
    }
    added_.push_back(std::move(reply));
  }
  FaultOr<std::vector<redis::Reply>> exchange(Instant) override {
    return std::exchange(added_, {});
  }

 private:
  static std::int64_t number_of(std::string_view text) { return std::stoll(std::string(text)); }
  std::int64_t lend(std::span<const std::string_view> arguments, std::int64_t told) {
    slots_[std::string(arguments[0])] = told;
    std::int64_t all = 0;
    for (const auto& [gateway, has] : slots_) all += has;
    const std::int64_t granted =
        std::clamp<std::int64_t>(number_of(arguments[2]) - all, 0, number_of(arguments[4]));
    slots_[std::string(arguments[0])] += granted;
    return granted;
  }

  Slots& slots_;
  std::vector<redis::Reply> added_;
};

// One gateway.
struct Gateway {
  Gateway(std::string name, SlotsClient::Slots& slots, const HandClock& clock)
      : rates({.gateway = name, .process = name}, std::make_unique<SlotsClient>(slots), ledger,
              clock) {
    ledger.rates_from(rates);
    ledger.lend_from(money);
    rates.turn();
  }
  ~Gateway() { rates.stop(); }
  MemoryLedger ledger{{.key = 5}, nullptr};
  NoMoney money{ledger};
  RedisRates rates;
};

// Nothing of the ledger gives a slot back that came for a request which then failed otherwise.
TEST(RateSlots, ASlotThatNobodyTookIsSoonFreeElsewhere) {
  HandClock clock;
  SlotsClient::Slots slots;
  Gateway a("a", slots, clock);
  Gateway b("b", slots, clock);
  const limits::Policy work = limit(Figure::kConcurrentRequests, 1);
  cost::Policy purse;
  purse.rule = "tenants.acme.budget";
  purse.limit = Money{1'000'000};
  HandExecutor executor;
  std::vector<std::unique_ptr<Held>> all;
  // What refuses it; empty: nothing does.
  const auto refused_by = [&](Gateway& gateway, std::optional<BudgetCharge> budget) {
    all.emplace_back(new Held{{&work, "acme", 1}, budget});
    tollgate::start(hold_later(gateway.ledger, executor, clock.now(), *all.back()));
    for (int turn = 0; turn < 20 && !all.back()->answer; ++turn) {
      gateway.rates.turn();
      executor.run();
    }
    if (!all.back()->answer) return std::string("nobody answers");
    return *all.back()->answer ? std::string()
                               : std::string(all.back()->answer->error().refusal.rule);
  };
  EXPECT_EQ(refused_by(a, BudgetCharge{&purse, "acme", Money{10}}), "store");
  // It lies with a, at first for whoever asks there again.
  EXPECT_EQ(refused_by(b, {}), work.rule);
  clock.at += RedisRates::kLookAgainAfter;
  a.rates.turn();
  EXPECT_EQ(refused_by(b, {}), "");
}

}  // namespace
}  // namespace tollgate::storage
