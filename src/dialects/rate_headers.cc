#include "dialects/rate_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tollgate::dialects {

namespace {

// Longer than anything that is believed, and far from where sums overflow.
constexpr double kSecondsMax = 1e6;

std::optional<Duration> seconds(double value) {
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return Duration(static_cast<std::int64_t>(std::ceil(std::min(value, kSecondsMax) * 1e6)));
}

// Takes a number off the front: digits, perhaps with a fraction.
std::optional<double> take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
  double value = 0;
  const char* const begin = text.begin();
  const auto [last, error] = std::from_chars(begin, begin + end, value, std::chars_format::fixed);
  if (end == 0 || error != std::errc{} || last != begin + end) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

// The seconds of the unit at the front; 0: there is none.
double take_unit(std::string_view& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}};
  for (const auto& [name, value] : kUnits) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return value;
  }
  return 0;
}

std::optional<std::int64_t> read_count(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

// YYYY-MM-DDTHH:MM:SSZ, with a fraction that is left out.
std::optional<WallTime> read_rfc3339(std::string_view text) {
  const auto digits = [&](std::size_t at, std::size_t count) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + count, value);
    return value;
  };
  if (text.size() < 20 || text.back() != 'Z' || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(digits(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(digits(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(digits(8, 2))));
  const int hour = digits(11, 2);
  const int minute = digits(14, 2);
  const int second = digits(17, 2);
  if (digits(0, 4) < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second);
}

// How long until what a header of either provider names comes back.
std::optional<Duration> read_reset(std::string_view text, WallTime wall) {
  if (const std::optional<Duration> wait = read_go_duration(text)) return wait;
  if (const std::optional<WallTime> at = read_rfc3339(text)) {
    return std::max(Duration{}, std::chrono::duration_cast<Duration>(*at - wall));
  }
  return std::nullopt;
}

struct Names {
  std::string_view left;
  std::string_view reset;
};
constexpr Names kRequestNames[] = {
    {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
    {"anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"}};
constexpr Names kTokenNames[] = {
    {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
    {"anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"}};

// "Fri, 27 Nov 2026 18:49:37 GMT": the one form of RFC 9110, 5.6.7 that may still be sent.
std::optional<WallTime> read_http_date(std::string_view text) {
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || !text.ends_with(" GMT")) {
    return std::nullopt;
  }
  const auto* const month = std::ranges::find(kMonths, text.substr(8, 3));
  if (month == std::end(kMonths)) return std::nullopt;
  const auto number = static_cast<int>(month - std::begin(kMonths)) + 1;
  return read_rfc3339(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), number, text.substr(5, 2),
                                  text.substr(17, 8)));
}

std::optional<Duration> wait_asked(const HeaderOf& header, WallTime wall) {
  std::string_view ms = header("retry-after-ms");
  if (const auto value = ms.empty() ? std::nullopt : take_number(ms); value && ms.empty()) {
    return seconds(*value / 1e3);
  }
  std::string_view told = header("retry-after");
  if (const auto value = told.empty() ? std::nullopt : take_number(told); value && told.empty()) {
    return seconds(*value);
  }
  if (const std::optional<WallTime> at = read_http_date(header("retry-after"))) {
    return std::max(Duration{}, std::chrono::duration_cast<Duration>(*at - wall));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Duration> read_go_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const std::optional<double> value = take_number(text);
    if (!value) return std::nullopt;
    if (text.empty() && sum == 0) return seconds(*value);  // Without a unit it is seconds.
    const double unit = take_unit(text);
    if (unit == 0) return std::nullopt;
    sum += *value * unit;
  }
  return seconds(sum);
}

RateTold read_rates(const HeaderOf& header, bool refused, WallTime wall) {
  RateTold told;
  if (refused) told.wait = wait_asked(header, wall);
  for (const Names& names : kRequestNames) {
    const std::optional<std::int64_t> left = read_count(header(names.left));
    if (!left || *left > 0) continue;
    const std::optional<Duration> reset = read_reset(header(names.reset), wall);
    if (reset) told.wait = std::max(told.wait.value_or(Duration{}), *reset);
  }
  for (const Names& names : kTokenNames) {
    const std::optional<std::int64_t> left = read_count(header(names.left));
    if (!left) continue;
    const std::optional<Duration> reset = read_reset(header(names.reset), wall);
    if (!reset) continue;
    told.tokens_left = std::min(told.tokens_left.value_or(kTokensMax), *left);
    told.tokens_reset = std::max(told.tokens_reset, std::min(*reset, kRateWaitMax));
  }
  if (told.wait) told.wait = std::min(*told.wait, kRateWaitMax);
  return told;
}

}  // namespace tollgate::dialects
