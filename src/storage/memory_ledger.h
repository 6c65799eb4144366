// The books in memory: every hold and settlement of one gateway is served from here.
//
// Each subject of each rule has one account. A hold locks the shards of its accounts, takes all
// charges or none, and remembers what it took; settling undoes and books it exactly once, and
// hands it to a sink that keeps it.
//
// Of a budget only what is leased from the store is held: where that is too little the request
// waits for more, or is refused where there is no more. So nothing is read from a disk or a
// network while the lease lasts, and what the lease does not cover cannot be spent, whatever
// becomes of this process or of its view of the others. Limits that several gateways share are
// served in the same way from what a RateLender has put in hand.
//
// Safe from any thread. In the steady state nothing is allocated from the heap.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/ports.h"
#include "storage/ledger_accounts.h"
#include "storage/lender.h"
#include "storage/rate_lender.h"

namespace tollgate::storage {

// Where settlements are booked for good.
class SettlementSink {
 public:
  virtual ~SettlementSink() = default;
  // Once for each settled hold, with no lock held. Any thread; must not wait.
  // `accounts`: of the budgets that it was held on, packed; `at`: when it was held.
  virtual void booked(const pipeline::Booking& booking, const pipeline::Used& used,
                      std::string_view accounts, WallTime at) = 0;
  // `spent` has come to `share` of the budget, one of its alert_at: once for each in a window.
  // Or a budget that allows and alerts let a request through that no longer fits: `spent` is
  // then what is spent and held, above the limit; once in a window for each subject.
  // With no lock held. Any thread.
  struct BudgetReached {
    const cost::Policy& policy;
    std::string_view subject;
    std::string_view tenant;  // Of who asked.
    double share = 0;
    Money spent;
    WallTime at{};
  };
  virtual void budget_reached(const BudgetReached& reached) { (void)reached; }
};

// How one budget stands, for metrics and the admin API.
struct BudgetStanding {
  std::string rule;
  std::string subject;
  limits::Scope scope{};
  cost::Window window{};
  WallTime window_start{};
  std::optional<WallTime> window_end;  // Nothing: it has none.
  cost::TimeZone zone;
  Money limit;  // As of the last hold or restore.
  Money spent;
  Money held;
};
// How many of one subject's requests are at work.
struct WorkStanding {
  std::string rule;
  std::string subject;
  limits::Scope scope{};
  std::int64_t limit = 0;
  std::int64_t at_work = 0;
};
struct Standings {
  std::vector<BudgetStanding> budgets;
  std::vector<WorkStanding> work;
};

class MemoryLedger final : public pipeline::Ledger, public Borrower, public RateBorrower {
 public:
  static constexpr std::size_t kAccountsMax = 8'000'000;

  struct Options {
    std::size_t accounts_max = kAccountsMax;
    std::uint64_t key = 0;  // Random and secret: callers must not be able to choose collisions.
  };

  // `sink` may be null (nothing is kept) and must outlive the ledger.
  MemoryLedger(const Options& options, SettlementSink* sink);

  // Refuses with the longest wait of all rules that refuse, so that whoever
  // waits as told passes; a refusal that no wait helps comes first. kStoreUnavailable: no room
  // for a new account.
  Task<Expected<pipeline::Hold, pipeline::Shortfall>> hold(const pipeline::Charges& charges,
                                                           Arena& arena, Executor& executor,
                                                           Instant now, WallTime wall) override;
  // `charges` are those of the hold. Requests are given back only where
  // nothing left; tokens are by their figure.
  void settle(pipeline::Hold& hold, const pipeline::Charges& charges, const pipeline::Used& used,
              const pipeline::Booking& booking, Instant now, WallTime wall) override;

  // From here on budgets are served from leases of `lender`, which outlives the holds. Before
  // the first hold. Without one a budget is this ledger's alone.
  void lend_from(Lender& lender) { lender_ = &lender; }
  // How an account stands by the store, before anybody asks for it. False: no room.
  bool know(const cost::Policy& policy, std::string_view subject, WallTime window_start,
            const Lease& lease);
  // Gives back to a shared store what accounts have leased that nothing was held on for kIdle, so
  // that other gateways can spend it. Any thread, every now and then.
  static constexpr Duration kIdle = std::chrono::seconds(2);
  void give_back_idle(Instant now);
  void answered(const AccountId& account, std::uint64_t hash, int needs,
                const std::optional<Lease>& lease) override;
  void each_lease(Extent extent, const VisitLease& visit) override;

  // From here on limits are served from what `rates` lends, which outlives the holds. Before the
  // first hold. Without one a limit is this ledger's alone.
  void rates_from(RateLender& rates) { rates_ = &rates; }
  std::optional<RateReport> report(const RateId& id, std::uint64_t hash, RateTelling telling,
                                   Instant now) override;
  void answered(const RateId& id, std::uint64_t hash, int needs,
                const std::optional<RateAnswer>& answer) override;
  void each_debt(Instant now, const std::function<void(const RateNeed&)>& visit) const override;
  void unanswered(const RateId& id, std::uint64_t hash, int needs) override;

  Standings snapshot(WallTime wall) const;
  std::int64_t open_holds() const { return open_holds_.load(std::memory_order_relaxed); }
  std::int64_t overruns() const { return overruns_.load(std::memory_order_relaxed); }
  std::size_t accounts() const { return accounts_.count(); }

 private:
  struct Slot;
  struct SharedSlot;
  struct Slots;
  class Verdict;
  // What the stores must be asked for: the limits first, as they cost less to ask for.
  struct Needs {
    std::span<const RateNeed> rates;
    std::span<const LeaseNeed> money;
    bool empty() const { return rates.empty() && money.empty(); }
  };

  // Fills `needs` where a store must be asked before the hold can be tried again; nothing is
  // held then.
  Expected<pipeline::Hold, pipeline::Shortfall> hold_now(const pipeline::Charges& charges,
                                                         Slots& slots, Arena& arena, Instant now,
                                                         WallTime wall, Needs& needs);
  static void mark_answered(Slots& slots, const Needs& needs);
  Slots& find_places(const pipeline::Charges& charges, Arena& arena) const;
  bool open_accounts(const pipeline::Charges& charges, Slots& slots, Instant now, WallTime wall);
  void take_limit(const pipeline::LimitCharge& charge, Slot& slot, Verdict& verdict,
                  Instant now) const;
  void roll(const cost::Policy& policy, BudgetAccount& account, WallTime wall);
  LeaseNeed need_of(const pipeline::BudgetCharge& charge, Slot& slot, Money least,
                    Instant now) const;
  bool may_have_more(const Slot& slot, Instant now) const;
  void take_budget(const pipeline::BudgetCharge& charge, Slot& slot, Verdict& verdict, Instant now,
                   WallTime wall);
  static void give_up(Slots& slots, const Needs& needs);
  static std::int64_t remaining(const pipeline::LimitCharge& charge, const Slot& slot, Instant now);
  // Whether what counts the input has plenty left, now that all is taken.
  static bool is_far(const pipeline::Charges& charges, const Slots& slots, Instant now);
  static pipeline::Hold evidence(const pipeline::Charges& charges, Slots& slots,
                                 std::span<const std::string_view> observed, Arena& arena,
                                 Instant now);
  std::span<const LeaseNeed> low_leases(const pipeline::Charges& charges, Slots& slots, Instant now,
                                        Arena& arena) const;
  void take_answer(BudgetAccount& account, const Lease& lease);
  void note_left(const BudgetAccount& account);
  void spend_left(const AccountId& account, Money used);
  std::optional<Money> take_left(const BudgetAccount& account);
  void note_lent(BudgetAccount& account);
  static AccountId account_of(const pipeline::BudgetCharge& charge, const Slot& slot);

  void settle_budget(const pipeline::BudgetCharge& charge, Slot& slot, Money used, WallTime held_at,
                     WallTime wall);
  static void settle_limit(const pipeline::LimitCharge& charge, Slot& slot,
                           const pipeline::Used& used, Instant now);

  // Limits that several gateways share: memory_ledger_rates.cc.
  void take_shared(const pipeline::LimitCharge& charge, Slot& slot, Verdict& verdict,
                   Instant now) const;
  static void take_units(const pipeline::LimitCharge& charge, Slot& slot, Verdict& verdict,
                         Instant now);
  static void take_slot(const pipeline::LimitCharge& charge, Slot& slot, Verdict& verdict,
                        Instant now);
  static void take_share(const pipeline::LimitCharge& charge, Slot& slot, Verdict& verdict,
                         std::uint32_t gateways, Instant now);
  static RateNeed rate_need(const pipeline::LimitCharge& charge, Slot& slot, std::int64_t least,
                            Instant now);
  static void give_up_shared(Slots& slots, std::span<const RateNeed> needs);
  void settle_shared(const pipeline::LimitCharge& charge, Slot& slot,
                     std::optional<std::int64_t> used, Instant now) const;
  std::span<const RateNeed> low_hands(const pipeline::Charges& charges, Slots& slots, Instant now,
                                      Arena& arena) const;
  void mark_returns(const pipeline::Charges& charges, Slots& slots) const;
  void give_back_shared(const pipeline::Charges& charges, Slots& slots) const;
  void tell_reached(const pipeline::Charges& charges, std::size_t budget, const Slot& slot,
                    WallTime wall) const;
  static void mark_told(Slots& slots);
  void tell_over(const pipeline::Charges& charges, std::size_t budget, const Slot& slot,
                 WallTime wall) const;

  LedgerAccounts accounts_;
  SettlementSink* const sink_;
  Lender* lender_ = nullptr;
  RateLender* rates_ = nullptr;
  // Accounts that may have more leased than they need, where the store is shared.
  struct Lent {
    std::uint64_t hash;
    std::string rule;
    std::string subject;
  };
  // What was spent here in windows that a reload turned away from, by packed account: the books may
  // not know all of it yet when another reload comes back.
  std::mutex left_mutex_;  // Taken under the locks of shards.
  std::unordered_map<std::string, Money> left_;
  std::atomic<bool> has_left_ = false;
  std::mutex lent_mutex_;  // Taken under the locks of shards.
  std::vector<Lent> lent_;
  std::atomic<std::int64_t> open_holds_ = 0;
  std::atomic<std::int64_t> overruns_ = 0;
};

}  // namespace tollgate::storage
