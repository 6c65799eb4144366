// How much may a subject take per time, and at once?
//
// A rate keeps one moment per subject and figure: when it has earned everything back (GCRA,
// ITU-T I.371; "virtual scheduling"). It is exact, tiny and swapped in one step. In any window
// W at most burst + rate * W is admitted, where the burst is the figure itself: a subject that
// rested may take a whole minute's worth at once. Concurrency is a plain count.
//
// No I/O and no clock: the caller passes `now`. Safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "base/units.h"

namespace tollgate::limits {

enum class Scope : std::uint8_t { kGlobal, kTenantId, kUserId, kKeyId, kRoute, kModel, kClientIp };
inline constexpr int kScopeCount = 7;
std::string_view name_of(Scope scope);  // "tenant_id"
std::optional<Scope> scope_named(std::string_view name);

enum class Figure : std::uint8_t {
  kRequestsPerMinute,
  kRequestsPerDay,
  kInputTokensPerMinute,
  kOutputTokensPerMinute,
  kTotalTokensPerMinute,
  kConcurrentRequests,
};
inline constexpr int kFigureCount = 6;
std::string_view name_of(Figure figure);  // "requests_per_minute"
std::optional<Figure> figure_named(std::string_view name);
Duration window_of(Figure figure);  // 1 min or 1 day; 0 for concurrency.

// One line of `limits`: what each distinct subject of a scope may take.
struct Policy {
  Mode mode = Mode::kEnforce;
  Scope scope = Scope::kTenantId;
  Figure figure = Figure::kRequestsPerMinute;
  std::int64_t limit = 0;  // 1 to 10^12; it is the burst as well.
  std::string rule;        // "limits.tenant_id.requests_per_minute"; names it everywhere.
};

// What one subject has left of a rate, told as the moment it may take a full burst again. A
// unit costs window / limit of time, which is seldom whole microseconds: the part below one is
// kept in limit-ths, so sums are exact for any limit. A balance that another limit wrote (the
// configuration was reloaded) is off by less than a microsecond.
struct Balance {
  Instant full_at{};
  std::int64_t fraction = 0;   // Limit-ths of a microsecond after full_at; 0 to limit - 1.
  std::uint64_t returned = 0;  // Microseconds given back by settle() so far; wraps.
};

// What one reservation took, to settle it with.
struct Taken {
  std::int64_t amount = 0;
  Balance after;  // As reserve() returned it.
};

// Whether reserve() would let `amount` through.
bool passes(const Policy& policy, Balance balance, std::int64_t amount, Instant now);

// Takes `amount`, 0 to kTokensMax, out of `balance`. Refuses with kRateLimited: an amount over
// the limit has no retry_after, as no wait would help; else retry_after is the shortest wait
// after which the same amount would pass. `subject` is for the words of the refusal only.
Expected<Balance> reserve(const Policy& policy, Balance balance, std::int64_t amount, Instant now,
                          std::string_view subject = {});

// The same without refusing, for a limit in observe mode. At most one window ahead.
Balance reserve_observed(const Policy& policy, Balance balance, std::int64_t amount, Instant now);

// Gives back what was reserved and not used, or takes what was used beyond it. Never refuses:
// it is already spent, and may put the balance as far as kDebtMax ahead.
// What time has earned back since the reservation is not given back again, else a subject that
// holds much for long would get a second burst at once. A reservation that nothing overlapped
// gets back all; of those that overlap, some may come back by time alone.
inline constexpr Duration kDebtMax = std::chrono::hours(24 * 365);
Balance settle(const Policy& policy, Balance balance, const Taken& taken, std::int64_t used,
               Instant now);

// The balance of a subject that has taken `taken`, 0 to kTokensMax, of a full one just now; also
// beyond the limit. And how many whole units a span of time earns.
Balance owing(const Policy& policy, std::int64_t taken, Instant now);
std::int64_t earned_in(const Policy& policy, Duration span);

// What could be taken at `now`, 0 to limit, and when all is back (rounded up).
std::int64_t remaining(const Policy& policy, Balance balance, Instant now);
Duration until_full(Balance balance, Instant now);

// Concurrency: how many are at work. Refuses with kConcurrencyLimited and no true wait to
// tell; the caller is asked to come back in a second.
Expected<std::int64_t> enter(const Policy& policy, std::int64_t at_work,
                             std::string_view subject = {});
std::int64_t leave(std::int64_t at_work);  // At least 1 is a CHECK.

// The words of every surface for one limit: "80000 input tokens a minute for tenant_id `acme`".
std::string describe(const Policy& policy, std::string_view subject);

}  // namespace tollgate::limits
