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
#include "base/service_tier.h"
#include "base/units.h"
#include "controls/cost/time_zone.h"
#include "controls/limits/limits.h"

namespace tollgate::cost {

// What has a price of its own within the input or the output. Absent: as that.
struct PricesApart {
  std::optional<Price> cache_write_5m;    // Input that the provider keeps for so long,
  std::optional<Price> cache_write_1h;    // a read price from then on.
  std::optional<Price> image_input;       // Input of images.
  std::optional<Price> reasoning_output;  // Output that nobody sees.
  std::optional<Price> audio_output;      // Output that is sound.
};

// What a provider asks for a whole request whose input is longer than so many tokens.
struct LongContext {
  Tokens above = 0;
  Price input;
  std::optional<Price> cached_input;  // Absent: as input.
  Price output;
  PricesApart apart = {};
};

// What the operator writes under a model's `price_per_million`, dollars a million tokens.
struct Prices {
  Price input;
  std::optional<Price> cached_input;  // Absent: as input.
  Price output;
  std::optional<Price> audio;  // Of input that is sound. Absent: as input.
  // Ascending, and none cheaper than what is before it, so that more input never costs less. The
  // last that the input is above prices all of the request but its sound.
  std::vector<LongContext> long_context;
  PricesApart apart = {};
  // Those of other tiers, each with `tier`, and none of its own.
  std::vector<Prices> tiers = {};
  ServiceTier tier = ServiceTier::kDefault;
};

// The tiers besides the usual one that have prices.
ServiceTiers priced_tiers(const Prices& prices);

// Tokens by the price they are paid at. Parts of the input (cached, written, sound, of images) do
// not overlap, nor do those of the output.
struct Amounts {
  Tokens input = 0;  // All input, its parts included.
  Tokens cached_input = 0;
  Tokens output = 0;
  Tokens audio = 0;  // Of the input.
  Tokens cache_write_5m = 0;
  Tokens cache_write_1h = 0;
  Tokens image = 0;      // Of the input.
  Tokens reasoning = 0;  // Of the output.
  Tokens audio_output = 0;
  ServiceTier tier = ServiceTier::kDefault;
};
// Rounded up once. A CHECK holds the amounts in 0 to kTokensMax and parts at most what they are of.
// A tier without prices is paid at the dearest that there are.
Money price(const Prices& prices, const Amounts& amounts);

// How long a provider is asked to keep input that it may read again.
enum class CacheLifetime : std::uint8_t { kNone, k5Minutes, k1Hour };

// What is known of a request beforehand: the most that it can come to.
struct Most {
  Tokens input = 0;
  Tokens audio = 0;                             // So much of it may be sound,
  bool images = false;                          // and all of the rest of images.
  CacheLifetime writes = CacheLifetime::kNone;  // The longest that is asked for.
  Tokens output = 0;
  ServiceTiers tiers;  // By which it may be served, beside the usual one.
};
// The price of the dearest amounts within `most`, at the dearest tier. At least price() of all
// amounts of which no part is more than `most` says.
Money worst(const Prices& prices, const Most& most);

// The tier of `tiers`, or the usual one, at which `amounts` cost most.
ServiceTier dearest_tier(const Prices& prices, const Amounts& amounts, ServiceTiers tiers);

// What says in a record which prices a request was held and settled at: dollars a million tokens
// of input, cached input and output, and of audio where it has a price, "2.50/1.25/10.00/40.00";
// what is paid apart, ";cache_write_5m=3.75"; then those of long contexts,
// ";above=200000:5.00/2.50/15.00", and of other tiers, ";tier=flex:1.25/0.625/5.00", each with what
// is paid apart there behind it.
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
