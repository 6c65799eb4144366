#include "base/money.h"

#include <limits>

#include "base/check.h"

namespace tollgate {

namespace {

constexpr std::int64_t kMicroPerDollar = 1'000'000;
constexpr int kDecimals = 6;

// A decimal number of at most six decimals, in millionths, at most `most`.
std::optional<std::int64_t> parse_millionths(std::string_view text, std::int64_t most) {
  __int128 whole = 0;
  int decimals = -1;  // -1: before the point.
  bool digits = false;
  for (const char c : text) {
    if (c == '.') {
      if (decimals >= 0 || !digits) return std::nullopt;
      decimals = 0;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    if (decimals >= 0) ++decimals;
    if (decimals > kDecimals) return std::nullopt;
    digits = true;
    whole = whole * 10 + (c - '0');
    if (whole > (static_cast<__int128>(1) << 70)) return std::nullopt;
  }
  if (!digits || decimals == 0) return std::nullopt;
  for (int i = decimals < 0 ? 0 : decimals; i < kDecimals; ++i) whole *= 10;
  if (whole > most) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

// Each reply has two of them, so the digits are written without reading a format.
std::string format_millionths(std::int64_t amount) {
  auto size =
      amount < 0 ? 0 - static_cast<std::uint64_t>(amount) : static_cast<std::uint64_t>(amount);
  char text[32];
  char* const end = text + sizeof text;
  char* at = end;
  for (int i = 0; i < kDecimals; ++i, size /= 10) *--at = static_cast<char>('0' + size % 10);
  *--at = '.';
  do {
    *--at = static_cast<char>('0' + size % 10);
    size /= 10;
  } while (size != 0);
  if (amount < 0) *--at = '-';
  std::string_view shown(at, end);
  while (shown.back() == '0' && shown[shown.size() - 3] != '.') shown.remove_suffix(1);
  return std::string(shown);
}

}  // namespace

std::optional<Money> add(Money a, Money b) {
  Money sum;
  if (__builtin_add_overflow(a.micro_usd, b.micro_usd, &sum.micro_usd)) return std::nullopt;
  return sum;
}

std::optional<Money> subtract(Money a, Money b) {
  Money difference;
  if (__builtin_sub_overflow(a.micro_usd, b.micro_usd, &difference.micro_usd)) return std::nullopt;
  return difference;
}

Money add_saturated(Money a, Money b) {
  if (const std::optional<Money> sum = tollgate::add(a, b)) return *sum;
  using Limits = std::numeric_limits<std::int64_t>;
  return {a.micro_usd > 0 ? Limits::max() : Limits::min()};
}

void Bill::add(Tokens tokens, Price price) {
  CHECK(tokens >= 0 && tokens <= kTokensMax);
  CHECK(price.pico_usd_per_token >= 0 && price <= kPriceMax);
  pico_usd_ += static_cast<__int128>(tokens) * price.pico_usd_per_token;
}

Money Bill::total() const {
  constexpr __int128 kPicoPerMicro = 1'000'000;
  const __int128 micro = (pico_usd_ + kPicoPerMicro - 1) / kPicoPerMicro;
  CHECK(micro <= std::numeric_limits<std::int64_t>::max());
  return {static_cast<std::int64_t>(micro)};
}

std::optional<Money> parse_money(std::string_view text) {
  const auto micro = parse_millionths(text, 9'000'000'000'000 * kMicroPerDollar);
  if (!micro) return std::nullopt;
  return Money{*micro};
}

// A dollar a million tokens is a million pico-dollars a token: the same digits.
std::optional<Price> parse_price_per_million(std::string_view text) {
  const auto pico = parse_millionths(text, kPriceMax.pico_usd_per_token);
  if (!pico) return std::nullopt;
  return Price{*pico};
}

std::string format_usd(Money amount) { return format_millionths(amount.micro_usd); }

std::string format_price_per_million(Price price) {
  return format_millionths(price.pico_usd_per_token);
}

}  // namespace tollgate
