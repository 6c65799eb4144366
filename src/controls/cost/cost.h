// What may it cost? The worst case of a request is held on every budget before it leaves, and
// what it really cost is settled once.
//
// A budget's balance is what was spent in its current window and what is held; a hold passes
// only where spent + held + amount <= limit. The window is of the calendar, in UTC; a hold
// settles in the window in which it was taken.
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
#include "controls/limits/limits.h"

namespace tollgate::cost {

// What the operator writes under a model's `price_per_million`, dollars a million tokens.
struct Prices {
  Price input;
  std::optional<Price> cached_input;  // Absent: as input.
  Price output;
};

// Tokens by the price they are paid at.
struct Amounts {
  Tokens input = 0;         // All input, cached included.
  Tokens cached_input = 0;  // At most input.
  Tokens output = 0;
};
Money price(const Prices& prices, const Amounts& amounts);

enum class Window : std::uint8_t { kHour, kDay, kWeek, kMonth, kTotal };
std::string_view name_of(Window window);  // "month"
std::optional<Window> window_named(std::string_view name);

// The start of the window that holds `now`: weeks start on Monday; total starts at the epoch.
WallTime start_of(Window window, WallTime now);
// The first moment after it; nothing for total.
std::optional<WallTime> end_of(Window window, WallTime now);

enum class WhenExhausted : std::uint8_t { kRefuse };

// One budget: a scope, a window and an amount for each distinct subject.
struct Policy {
  Mode mode = Mode::kEnforce;
  limits::Scope scope = limits::Scope::kTenantId;
  Money limit;
  Window window = Window::kMonth;
  WhenExhausted when_exhausted = WhenExhausted::kRefuse;
  std::vector<double> alert_at;  // Shares of the limit, ascending, 0 to 1: metric and log only.
  std::string rule;              // "tenants.acme.budget"; names it everywhere.
};

struct Balance {
  WallTime window_start{};
  Money spent;
  Money held;
};

// The balance in the window of `now`: a new window starts with nothing spent; what is held
// stays held.
Balance roll(const Policy& policy, Balance balance, WallTime now);

// Takes a hold. Refuses with kBudgetExhausted where spent + held + amount > limit (or the sum
// would overflow); no wait is told, the message says when the window ends.
Expected<Balance> hold(const Policy& policy, Balance balance, Money amount, WallTime now);

// The same without refusing, for a budget in observe mode.
Balance hold_observed(const Policy& policy, Balance balance, Money amount, WallTime now);

// Ends a hold of `amount` as `used`, 0 to amount for any hold (a CHECK for a negative one).
// `taken` is the window_start under which the hold was taken: what is used is spent only in
// that window.
Balance settle(const Policy& policy, Balance balance, Money amount, Money used, WallTime taken,
               WallTime now);

Money remaining(const Policy& policy, const Balance& balance);  // At least 0.

}  // namespace tollgate::cost
