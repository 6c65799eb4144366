// What a ledger asks of its store: more of an account's allowance than it has leased.
//
// A ledger serves holds from what is leased, in memory. Where that is too little the request
// waits while the store is asked, and ahead of need it is asked without anybody waiting. An
// answer is told to the ledger first, then to whoever waited.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "base/fault.h"
#include "base/money.h"
#include "pipeline/ports.h"
#include "storage/accounts.h"
#include "storage/allowances.h"

namespace tollgate::storage {

struct LeaseNeed {
  AccountId account;  // Borrowed until ask() returns.
  std::uint64_t hash = 0;
  Money limit;
  Money least;  // 0: whatever there is, or only to know how it stands.
  Money ahead;
};

// What an account has leased and does not need now.
struct LeaseReturn {
  AccountId account;  // Borrowed until give_back() returns.
  std::uint64_t hash = 0;
  Money keep;  // Only so much stays leased: what is spent and held.
};

class LeaseWait;

class Lender {
 public:
  virtual ~Lender() = default;
  // Must not wait. `wait` is null where nobody does; else it is told once all are answered. Any
  // thread.
  virtual void ask(std::span<const LeaseNeed> needs, LeaseWait* wait) = 0;
  // Must not wait. Answered like a need, after what was asked before and before what is asked
  // after it. Any thread.
  virtual void give_back(std::span<const LeaseReturn> returns) = 0;
  // Whether nobody else takes of the same allowances, so that what was heard last is still true.
  virtual bool exclusive() const = 0;
  // Whether what was heard of a question of the moment `asked` is still true.
  virtual bool is_current(Instant asked) const {
    (void)asked;
    return exclusive();
  }
};

// Takes the answers. Any thread.
class Borrower {
 public:
  // One answer for `needs` needs of an account; no lease: the store could not be asked.
  virtual void answered(const AccountId& account, std::uint64_t hash, int needs,
                        const std::optional<Lease>& lease) = 0;

  // Visits what is leased, account by account, so that a store that has lost it knows it again.
  // kUsed: only what is used and held stays leased from here on.
  enum class Extent : std::uint8_t { kAll, kUsed };
  using VisitLease = std::function<void(const AccountId& account, Money leased)>;
  virtual void each_lease(Extent extent, const VisitLease& visit) { (void)extent, (void)visit; }

 protected:
  ~Borrower() = default;
};

// co_await waits until all needs are answered, and goes on through the executor.
class LeaseWait {
 public:
  LeaseWait(Lender& lender, std::span<const LeaseNeed> needs, Executor& executor)
      : lender_(lender), needs_(needs), executor_(executor), left_(needs.size()) {}
  LeaseWait(const LeaseWait&) = delete;

  bool await_ready() const { return needs_.empty(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    lender_.ask(needs_, this);
  }
  // The moment of the last answer: the time has moved on. Or the first Fault of the store, if one
  // of them could not be asked.
  FaultOr<Instant> await_resume() {
    if (fault_) return std::unexpected(*std::move(fault_));
    return answered_at_;
  }

  // One need is answered. Any thread, one at a time.
  void answered(const std::optional<Fault>& fault, Instant at) {
    if (fault && !fault_) fault_ = fault;
    answered_at_ = at;
    if (--left_ == 0) executor_.post([waiter = waiter_] { waiter.resume(); });
  }

 private:
  Lender& lender_;
  const std::span<const LeaseNeed> needs_;
  Executor& executor_;
  std::size_t left_;
  std::optional<Fault> fault_;
  Instant answered_at_{};
  std::coroutine_handle<> waiter_;
};

}  // namespace tollgate::storage
