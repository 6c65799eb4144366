// What limits that several gateways share cost where they are served from what is in hand.
#include <benchmark/benchmark.h>

#include <string>

#include "base/hand_executor.h"
#include "storage/memory_ledger.h"

namespace tollgate::storage {
namespace {

// Puts much in hand at once, for long.
class RichRates final : public RateLender {
 public:
  explicit RichRates(RateBorrower& borrower) : borrower_(borrower) {}
  void ask(std::span<const RateNeed> needs, RateWait* wait) override {
    for (const RateNeed& need : needs) {
      const auto told = borrower_.report(need.id, need.hash, RateTelling::kAsking, Instant{});
      RateAnswer answer;
      answer.told = answer.in_hand = told->in_hand;
      answer.granted = need.limit / 1'000;
      answer.level = need.limit / 2;
      answer.until = Instant::max();
      answer.born_us = 1;
      answer.debt = std::chrono::seconds(30);
      borrower_.answered(need.id, need.hash, 1, answer);
      if (wait != nullptr) wait->answered(Instant{});
    }
  }
  void give_back(const RateNeed&) override {}

 private:
  RateBorrower& borrower_;
};

Task<void> hold_once(MemoryLedger& ledger, const pipeline::Charges& charges, Arena& arena,
                     Executor& executor, Instant now) {
  Expected<pipeline::Hold, pipeline::Shortfall> hold =
      co_await ledger.hold(charges, arena, executor, now, {});
  ledger.settle(*hold, charges, {1, 1, {}}, {}, now, {});
}

// The five limits of hold_and_settle, without its budget.
void hold_and_settle_shared(benchmark::State& state) {
  using limits::Figure;
  static MemoryLedger ledger({.key = 42}, nullptr);
  static RichRates lender(ledger);
  if (state.range(0) == 1) ledger.rates_from(lender);
  limits::Policy policies[5];
  const Figure figures[] = {Figure::kRequestsPerMinute, Figure::kInputTokensPerMinute,
                            Figure::kConcurrentRequests, Figure::kRequestsPerMinute,
                            Figure::kOutputTokensPerMinute};
  for (int i = 0; i < 5; ++i) {
    policies[i].figure = figures[i];
    policies[i].scope = i < 3 ? limits::Scope::kTenantId : limits::Scope::kUserId;
    policies[i].limit = 1'000'000'000'000;
    policies[i].rule = "limits." + std::string(limits::name_of(policies[i].scope)) + "." +
                       std::string(limits::name_of(figures[i]));
  }
  std::vector<std::string> users;
  for (int i = 0; i < 1'024; ++i) users.push_back("user-" + std::to_string(i));
  Arena arena;
  HandExecutor executor;
  Instant now{std::chrono::hours(1)};
  const auto charges_of = [&](std::string_view user) {
    return std::array<pipeline::LimitCharge, 5>{{{&policies[0], "acme", 1},
                                                 {&policies[1], "acme", 331},
                                                 {&policies[2], "acme", 1},
                                                 {&policies[3], user, 1},
                                                 {&policies[4], user, 4'096}}};
  };
  for (const std::string& user : users) {
    const auto limits = charges_of(user);
    const pipeline::Charges first{limits, {}};
    start(hold_once(ledger, first, arena, executor, now));
    executor.run();
  }
  std::size_t turn = 0;
  for (auto _ : state) {
    now += Duration(20);
    const auto limits = charges_of(users[++turn % users.size()]);
    const pipeline::Charges charges{limits, {}};
    Expected<pipeline::Hold, pipeline::Shortfall> hold =
        run_ready(ledger.hold(charges, arena, executor, now, {}));
    ledger.settle(*hold, charges, {331, 200, {}}, {}, now, {});
    arena.reset();
  }
}
// 0: the limits are the ledger's alone; 1: they are shared. In this order.
BENCHMARK(hold_and_settle_shared)->Arg(0)->Arg(1);

}  // namespace
}  // namespace tollgate::storage
