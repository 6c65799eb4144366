// What a ledger asks of the store that several gateways share their limits in.
//
// Of a rate each gateway has units in hand, of a limit on concurrency it has slots; both only for
// a while: who dies, or is cut off, loses them. Holds are served from what is in hand, in memory.
// Where that is too little the request waits while the store is asked; ahead of need it is asked
// without anybody waiting. An answer is told to the ledger first, then to whoever waited.
//
// Nothing here outlives an outage: when the store has not answered, or has lost what it knew, all
// that was in hand belongs to a generation that has ended and is worth nothing. So a question that
// is carried out late, or twice, changes nothing that somebody counts on.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "base/executor.h"
#include "base/units.h"
#include "controls/limits/limits.h"

namespace tollgate::storage {

// One subject of one limit. Borrows.
struct RateId {
  std::string_view rule;
  std::string_view subject;
};

struct RateNeed {
  RateId id;  // Borrowed until ask() returns.
  std::uint64_t hash = 0;
  limits::Figure figure{};
  std::int64_t limit = 0;
  std::int64_t least = 0;  // 0: whatever there is, or only to know how it stands.
  std::int64_t ahead = 0;
};

enum class RateMode : std::uint8_t {
  kLent,        // The store answers.
  kLocalShare,  // It does not: each gateway lets its share through.
  kRefused,     // It does not, and nothing goes without it.
};
struct RateState {
  RateMode mode = RateMode::kLent;
  std::uint32_t generation = 0;
  std::uint32_t gateways = 1;  // That were alive when the store was heard last.
};

class RateWait;

class RateLender {
 public:
  virtual ~RateLender() = default;
  // Must not wait. `wait` is null where nobody does; else it is told once all are answered. Any
  // thread.
  virtual void ask(std::span<const RateNeed> needs, RateWait* wait) = 0;
  // Of the account more is in hand than is kept; the borrower is asked soon how much. Must not
  // wait. Any thread.
  virtual void give_back(const RateNeed& account) = 0;

  // Any thread; one load.
  RateState state() const {
    const std::uint64_t word = state_.load(std::memory_order_acquire);
    return {static_cast<RateMode>(word & 3), static_cast<std::uint32_t>(word >> 2) & kGenerations,
            static_cast<std::uint32_t>(word >> 32)};
  }

 protected:
  static constexpr std::uint32_t kGenerations = (1U << 30) - 1;
  void enter(const RateState& state) {
    state_.store(static_cast<std::uint64_t>(state.mode) |
                     std::uint64_t{state.generation & kGenerations} << 2 |
                     std::uint64_t{state.gateways} << 32,
                 std::memory_order_release);
  }

 private:
  std::atomic<std::uint64_t> state_ = std::uint64_t{1} << 32;
};

// What was held of a rate and not used. The store takes it back as far as time has not earned it
// back meanwhile, whoever used it.
struct RateClaim {
  std::int64_t units = 0;
  // Of the store's clock: when time has earned back all that was used of the limit by all when
  // these units were taken.
  std::int64_t until_us = 0;
  std::int64_t returned = 0;  // What had been taken back by then; see RateAnswer.
  std::int64_t born_us = 0;
};

// What is told to the store of one account, with each question.
enum class RateTelling : std::uint8_t {
  kAsking,     // More is needed.
  kReturning,  // Something is claimed, or slots are given up.
  kRenewing,   // What is in hand is kept; but not what was not used since the last time.
  kLeaving,    // All is given back.
};
struct RateReport {
  // Of a rate: the units that stay in hand; below 0: used beyond what was in hand. Of concurrency:
  // the slots that are in use or kept.
  std::int64_t in_hand = 0;
  std::int64_t back = 0;  // Units given back.
  Duration debt{};        // Until time has earned back all that this gateway has used…
  Duration all_debt{};    // …and all that anybody has, as far as it was told. See rate_scripts.h.
  RateClaim claim;
};
struct RateAnswer {
  std::uint32_t generation = 0;
  std::int64_t told = 0;      // What the report said to be in hand…
  std::int64_t in_hand = 0;   // …what of it still counts…
  std::int64_t granted = 0;   // …and what came to it.
  std::int64_t level = 0;     // What is left in the store; below 0: what is owed to it.
  bool gathers = false;       // It has lost its data: the level says nothing of what was taken.
  Duration part{};            // The time that is earned already of the next unit.
  Duration took_back{};       // Of the claim; so much less this gateway has used.
  Duration debt{};            // Until time has earned back all that everybody has used, at least.
  std::int64_t now_us = 0;    // Of the store's clock.
  std::int64_t returned = 0;  // Units that were taken back so far, from all…
  std::int64_t born_us = 0;   // …since the store began to count them.
  Instant heard_at{};
  Instant until{};  // From then on it counts no more.
};

// Takes the answers. Any thread.
class RateBorrower {
 public:
  // What to tell of an account now; it stays where it is until answered. Nothing: it is not known.
  virtual std::optional<RateReport> report(const RateId& id, std::uint64_t hash,
                                           RateTelling telling, Instant now) = 0;
  // One answer for a report() and `needs` needs of an account; no answer: the store could not be
  // asked.
  virtual void answered(const RateId& id, std::uint64_t hash, int needs,
                        const std::optional<RateAnswer>& answer) = 0;
  // The same where there was no report.
  virtual void unanswered(const RateId& id, std::uint64_t hash, int needs) = 0;
  // Visits each account of which this gateway has something at work, or somebody has used what time
  // has not earned back by `now`: what a store is told that has lost its data, or was away.
  virtual void each_debt(Instant now, const std::function<void(const RateNeed&)>& visit) const = 0;

 protected:
  ~RateBorrower() = default;
};

// co_await waits until all needs are answered, and goes on through the executor. Whether the store
// could be asked is seen in its state.
class RateWait {
 public:
  RateWait(RateLender& lender, std::span<const RateNeed> needs, Executor& executor)
      : lender_(lender), needs_(needs), executor_(executor), left_(needs.size()) {}
  RateWait(const RateWait&) = delete;

  bool await_ready() const { return needs_.empty(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    lender_.ask(needs_, this);
  }
  // When the last answer came: the time has moved on.
  Instant await_resume() const { return answered_at_; }

  // One need is answered. Any thread, one at a time.
  void answered(Instant at) {
    answered_at_ = at;
    if (--left_ == 0) executor_.post([waiter = waiter_] { waiter.resume(); });
  }

 private:
  RateLender& lender_;
  const std::span<const RateNeed> needs_;
  Executor& executor_;
  std::size_t left_;
  Instant answered_at_{};
  std::coroutine_handle<> waiter_;
};

}  // namespace tollgate::storage
