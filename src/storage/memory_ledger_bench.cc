#include <benchmark/benchmark.h>

#include <string>

#include "base/hand_executor.h"
#include "storage/memory_ledger.h"

namespace tollgate::storage {
namespace {

// Grants at once, out of a purse that never ends.
class RichLender final : public Lender {
 public:
  explicit RichLender(Borrower& borrower) : borrower_(borrower) {}
  void ask(std::span<const LeaseNeed> needs, LeaseWait* wait) override {
    for (const LeaseNeed& need : needs) {
      leased_ = add_saturated(leased_, add_saturated(need.least, need.ahead));
      borrower_.answered(need.account, need.hash, 1, Lease{leased_, {}, leased_});
      if (wait != nullptr) wait->answered(std::nullopt, Instant{});
    }
  }
  void give_back(std::span<const LeaseReturn>) override {}
  bool exclusive() const override { return true; }

 private:
  Borrower& borrower_;
  Money leased_;
};

Task<void> hold_once(MemoryLedger& ledger, const pipeline::Charges& charges, Arena& arena,
                     Executor& executor, Instant now, WallTime wall) {
  Expected<pipeline::Hold, pipeline::Shortfall> hold =
      co_await ledger.hold(charges, arena, executor, now, wall);
  ledger.settle(*hold, charges, {1, 1, {1}}, {}, now, wall);
}

// Six scopes as an ordinary configuration has them: three figures of the tenant, two of the
// user and the tenant's budget; callers differ.
void hold_and_settle(benchmark::State& state) {
  using limits::Figure;
  static MemoryLedger ledger({.key = 42}, nullptr);
  static RichLender lender(ledger);
  ledger.lend_from(lender);
  limits::Policy policies[5];
  const Figure figures[] = {Figure::kRequestsPerMinute, Figure::kInputTokensPerMinute,
                            Figure::kConcurrentRequests, Figure::kRequestsPerMinute,
                            Figure::kOutputTokensPerMinute};
  for (int i = 0; i < 5; ++i) {
    policies[i].figure = figures[i];
    policies[i].scope = i < 3 ? limits::Scope::kTenantId : limits::Scope::kUserId;
    policies[i].limit = 1'000'000'000;
    policies[i].rule = "limits." + std::string(limits::name_of(policies[i].scope)) + "." +
                       std::string(limits::name_of(figures[i]));
  }
  cost::Policy budget;
  budget.limit = {9'000'000'000'000'000};
  budget.rule = "tenants.acme.budget";
  std::vector<std::string> users;
  for (int i = 0; i < 1'024; ++i) users.push_back("user-" + std::to_string(i));

  Arena arena;
  HandExecutor executor;
  Instant now{std::chrono::hours(1)};
  const WallTime wall{std::chrono::hours(500'000)};
  {
    const pipeline::BudgetCharge budgets[] = {{&budget, "acme", {41'787}}};
    const pipeline::Charges first{{}, budgets};
    start(hold_once(ledger, first, arena, executor, now, wall));
    executor.run();
  }
  std::size_t turn = static_cast<std::size_t>(state.thread_index()) * 77;
  for (auto _ : state) {
    now += Duration(20);
    const std::string_view user = users[++turn % users.size()];
    const pipeline::LimitCharge limits[] = {{&policies[0], "acme", 1},
                                            {&policies[1], "acme", 331},
                                            {&policies[2], "acme", 1},
                                            {&policies[3], user, 1},
                                            {&policies[4], user, 4'096}};
    const pipeline::BudgetCharge budgets[] = {{&budget, "acme", {41'787}}};
    const pipeline::Charges charges{limits, budgets};
    Expected<pipeline::Hold, pipeline::Shortfall> hold =
        run_ready(ledger.hold(charges, arena, executor, now, wall));
    ledger.settle(*hold, charges, {331, 200, {2'828}}, {}, now, wall);
    arena.reset();
  }
}
BENCHMARK(hold_and_settle);
BENCHMARK(hold_and_settle)->Threads(2);

}  // namespace
}  // namespace tollgate::storage
