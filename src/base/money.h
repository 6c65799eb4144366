// Money, in whole micro-dollars, and prices, in whole pico-dollars a token.
//
// "0.05 dollars a million tokens" is 50,000 pico-dollars a token, so every price that a
// provider publishes is a whole number here; the product is rounded up once, to the next
// micro-dollar, so a request is never charged less than it costs. Nothing is a float.
//
// No I/O. Safe from any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace tollgate {

struct Money {
  std::int64_t micro_usd = 0;
  friend auto operator<=>(const Money&, const Money&) = default;
};

// Nothing where the sum would leave 63 bits.
std::optional<Money> add(Money a, Money b);
std::optional<Money> subtract(Money a, Money b);

// The sum or difference, held at the ends of the range: for totals that are only shown.
Money add_saturated(Money a, Money b);

// A price of one token.
struct Price {
  std::int64_t pico_usd_per_token = 0;
  friend auto operator<=>(const Price&, const Price&) = default;
};

// One million dollars a million tokens: more is refused as a mistake of the configuration.
inline constexpr Price kPriceMax{1'000'000'000'000};

// A sum of products in 128 bits, rounded up to a micro-dollar once, at the end.
class Bill {
 public:
  // `tokens` is 0 to kTokensMax, `price` 0 to kPriceMax: a CHECK holds the range.
  void add(Tokens tokens, Price price);
  Money total() const;

 private:
  __int128 pico_usd_ = 0;
};

// "12.50", "0.000001" or "500": at most six decimals, no sign, no exponent, at most 9e12.
std::optional<Money> parse_money(std::string_view text);

// Dollars a million tokens, as price lists write them: at most six decimals, at most kPriceMax.
std::optional<Price> parse_price_per_million(std::string_view text);

// The shortest form with at least two and at most six decimals: "12.50", "0.000123", "-1.00".
std::string format_usd(Money amount);
std::string format_price_per_million(Price price);

}  // namespace tollgate
