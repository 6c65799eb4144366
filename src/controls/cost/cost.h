// What may it cost? The worst case of a request is held on every budget before it leaves, and
// what it really cost is settled once.
//
// A budget's balance is what was spent in its current window and what is held; a hold passes
// only where spent + held + amount <= limit. The window is of the calendar of the budget's time
// zone; a hold settles in the window in which it was taken.
//
// Pure: no I/O, no clock. Safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/refusal.h"
#include "base/units.h"
#include "controls/cost/time_zone.h"
#include "controls/limits/limits.h"

namespace tollgate::cost {

// What the operator writes under a model's `price_per_million`, dollars a million tokens.
struct Prices {
  Price input;
  std::optional<Price> cached_input;  // Absent: as input.
  Price output;
  std::optional<Price> audio;  // Of input that is sound. Absent: as input.
};

// Tokens by the price they are paid at.
struct Amounts {
  Tokens input = 0;         // All input, cached included.
  Tokens cached_input = 0;  // At most input…
  Tokens output = 0;
  Tokens audio = 0;  // …less this, the part of it that is sound.
};
// Rounded up once. A CHECK holds the amounts in 0 to kTokensMax and cached_input + audio <= input.
Money price(const Prices& prices, const Amounts& amounts);

// What says in a record which prices a request was held and settled at: dollars a million tokens
// of input, cached input and output, and of audio where it has a price, "2.50/1.25/10.00/40.00".
std::string version_of(const Prices& prices);
// The prices that a version says. Nothing: it is none.
std::optional<Prices> prices_of(std::string_view version);

enum class Window : std::uint8_t { kHour, kDay, kWeek, kMonth, kTotal };
std::string_view name_of(Window window);  // "month"
std::optional<Window> window_named(std::string_view name);

// From `start` to before `end`.
struct Span {
  WallTime start;
  WallTime end;
};
// The window that holds `now`. A day begins where its date does: at midnight, or at the change of
// the clocks that skips midnight; a week on Monday, a month on its first day. An hour begins on
// the hour, and ends early where the clocks are changed within it. `kTotal` is from the epoch to
// the end of time.
Span span_of(Window window, TimeZone zone, WallTime now);
WallTime start_of(Window window, TimeZone zone, WallTime now);
// Nothing for total.
std::optional<WallTime> end_of(Window window, TimeZone zone, WallTime now);

// What becomes of a request whose worst case no longer fits: it is refused, decided anew for a
// cheaper model or for less output, or let through and told.
enum class WhenExhausted : std::uint8_t {
  kRefuse,
  kAllowAndAlert,
  kDowngradeTo,
  kCapOutputTokens,
};

// One budget: a scope, a window and an amount for each distinct subject.
struct Policy {
  Mode mode = Mode::kEnforce;
  limits::Scope scope = limits::Scope::kTenantId;
  Money limit;
  Window window = Window::kMonth;
  TimeZone zone;
  WhenExhausted when_exhausted = WhenExhausted::kRefuse;
  std::string downgrade_to;      // Of kDowngradeTo: the name of a model.
  Tokens cap_output_tokens = 0;  // Of kCapOutputTokens: of each choice, at least 1.
  std::vector<double> alert_at;  // Shares of the limit, ascending, 0 to 1: metric and log only.
  std::string rule;              // "tenants.acme.budget"; names it everywhere.
};

struct Balance {
  WallTime window_start{};
  Money spent;
  Money held;
  WallTime window_end{};  // The epoch: the calendar was not asked yet.
  // Whether `now` is of the same window still; then roll() changes nothing.
  bool lasts(WallTime now) const { return now < window_end; }
};

// The balance in the window of `now`: a new window starts with nothing spent; what is held
// stays held. A clock that was set back does not reopen a window that has ended. `balance` is of
// the window and zone of `policy`; whoever changes them takes its window_end away.
Balance roll(const Policy& policy, const Balance& balance, WallTime now);

// Whether hold() would let `amount` through.
bool passes(const Policy& policy, const Balance& balance, Money amount, WallTime now);

// Takes a hold of `amount`, at least 0. Refuses with kBudgetExhausted where spent + held +
// amount > limit (or the sum would overflow); no wait is told, the message says when the window
// ends. `subject` is for the words of the refusal only.
Expected<Balance> hold(const Policy& policy, const Balance& balance, Money amount, WallTime now,
                       std::string_view subject = {});

// Whether the budget only tells what no longer fits: it is observed, or allows and alerts.
bool lets_through(const Policy& policy);

// The same as hold() without refusing, for a budget that lets through. Sums stop at the end of
// the range.
Balance hold_observed(const Policy& policy, const Balance& balance, Money amount, WallTime now);

// One hold, to settle it with. A hold may name several budgets; each keeps its own.
struct Taken {
  Money amount;
  WallTime window_start{};  // Of the balance that hold() returned.
};

// Ends a hold as `used`, at least 0. More than was held is an overrun: the balance tells the
// truth, so it is spent in full. What is used is spent only in the window of the hold.
Balance settle(const Policy& policy, const Balance& balance, const Taken& taken, Money used,
               WallTime now);

// What could still be held, at least 0.
Money remaining(const Policy& policy, const Balance& balance);

// "500.00 USD a month for tenant_id `acme`".
std::string describe(const Policy& policy, std::string_view subject);

}  // namespace tollgate::cost
