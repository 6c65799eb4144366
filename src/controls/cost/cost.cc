#include "controls/cost/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tollgate::cost {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;

struct WindowRow {
  std::string_view name;
  std::string_view per;  // In words.
};
constexpr std::array<WindowRow, 5> kWindows = {{
    {"hour", "an hour"},
    {"day", "a day"},
    {"week", "a week"},
    {"month", "a month"},
    {"total", "in total"},
}};

// The date on which the window begins that holds `day`.
local_days opening(Window window, local_days day) {
  if (window == Window::kWeek) return day - (std::chrono::weekday(day) - std::chrono::Monday);
  if (window == Window::kMonth) {
    const std::chrono::year_month_day date(day);
    return local_days(date.year() / date.month() / 1);
  }
  return day;
}

// The same of the window after the one that begins on `day`.
local_days next_opening(Window window, local_days day) {
  if (window == Window::kWeek) return day + days(7);
  if (window == Window::kMonth)
    return local_days(std::chrono::year_month_day(day) + std::chrono::months(1));
  return day + days(1);
}

Span hour_of(TimeZone zone, WallTime now) {
  const TimeZone::Stretch stretch = zone.stretch_of(now);
  const auto on_the_hour = std::chrono::floor<hours>(stretch.local(now));
  const WallTime start(on_the_hour.time_since_epoch() - stretch.ahead);
  return {std::max(start, stretch.start), std::min(start + hours(1), stretch.end)};
}

std::string in_words(WallTime moment, TimeZone zone) {
  const TimeZone::Stretch stretch = zone.stretch_of(moment);
  const auto minutes_ahead = std::chrono::round<std::chrono::minutes>(stretch.ahead);
  const LocalTime local(moment.time_since_epoch() + minutes_ahead);
  const auto day = std::chrono::floor<days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(local - day));
  std::string words =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  time.hours().count(), time.minutes().count(), time.seconds().count());
  if (zone == TimeZone()) return words + "Z";
  const std::chrono::hh_mm_ss ahead(minutes_ahead);
  return words + fmt::format("{}{:02}:{:02} ({})", ahead.is_negative() ? '-' : '+',
                             ahead.hours().count(), ahead.minutes().count(), zone.name());
}

Money charged(const Balance& balance) { return add_saturated(balance.spent, balance.held); }

// In its place: on the path of a request every copy of a balance waits for the last one.
void advance(const Policy& policy, Balance& balance, WallTime now) {
  if (balance.lasts(now)) [[likely]]
    return;
  const Span span = span_of(policy.window, policy.zone, now);
  if (span.start < balance.window_start) return;
  if (span.start > balance.window_start) balance.spent = {};
  balance.window_start = span.start;
  balance.window_end = span.end;
}

bool fits(const Policy& policy, const Balance& rolled, Money amount) {
  const std::optional<Money> sum = add(charged(rolled), amount);
  return sum && *sum <= policy.limit;
}

Refusal exhausted(const Policy& policy, const Balance& balance, Money amount, WallTime now,
                  std::string_view subject) {
  Refusal refusal;
  refusal.reason = Reason::kBudgetExhausted;
  refusal.rule = policy.rule;
  refusal.message = fmt::format(
      "Budget of {} has no room for this request ({}): {} USD spent, {} USD held by requests at "
      "work, and this one may cost {} USD.",
      describe(policy, subject), policy.rule, format_usd(balance.spent), format_usd(balance.held),
      format_usd(amount));
  if (amount > policy.limit) {
    refusal.message += " It is more than the whole budget; ask for fewer tokens.";
  } else if (const std::optional<WallTime> end = end_of(policy.window, policy.zone, now)) {
    refusal.message +=
        fmt::format(" Ask for fewer tokens, or again after {}.", in_words(*end, policy.zone));
  } else {
    refusal.message += " Ask for fewer tokens, or for a larger budget.";
  }
  return refusal;
}

}  // namespace

std::string_view name_of(Window window) { return kWindows[static_cast<std::size_t>(window)].name; }

std::optional<Window> window_named(std::string_view name) {
  const auto found = std::find_if(kWindows.begin(), kWindows.end(),
                                  [name](const WindowRow& row) { return row.name == name; });
  if (found == kWindows.end()) return std::nullopt;
  return static_cast<Window>(found - kWindows.begin());
}

Span span_of(Window window, TimeZone zone, WallTime now) {
  if (window == Window::kTotal) return {WallTime{}, WallTime::max()};
  if (window == Window::kHour) return hour_of(zone, now);
  local_days day = opening(window, std::chrono::floor<days>(zone.stretch_of(now).local(now)));
  Span span{zone.first(day), {}};
  // More than once only where the clocks went back over midnight: what then comes again of the
  // day before is of the day that had begun.
  while (true) {
    day = next_opening(window, day);
    span.end = zone.first(day);
    if (now < span.end) return span;
    span.start = span.end;
  }
}

WallTime start_of(Window window, TimeZone zone, WallTime now) {
  return span_of(window, zone, now).start;
}

std::optional<WallTime> end_of(Window window, TimeZone zone, WallTime now) {
  if (window == Window::kTotal) return std::nullopt;
  return span_of(window, zone, now).end;
}

Balance roll(const Policy& policy, const Balance& balance, WallTime now) {
  Balance rolled = balance;
  advance(policy, rolled, now);
  return rolled;
}

bool passes(const Policy& policy, const Balance& balance, Money amount, WallTime now) {
  if (balance.lasts(now)) return fits(policy, balance, amount);
  return fits(policy, roll(policy, balance, now), amount);
}

Expected<Balance> hold(const Policy& policy, const Balance& balance, Money amount, WallTime now,
                       std::string_view subject) {
  CHECK(amount >= Money{});
  Balance held = balance;
  advance(policy, held, now);
  if (!fits(policy, held, amount)) [[unlikely]]
    return std::unexpected(exhausted(policy, held, amount, now, subject));
  held.held.micro_usd += amount.micro_usd;
  return held;
}

bool lets_through(const Policy& policy) {
  return policy.mode == Mode::kObserve || policy.when_exhausted == WhenExhausted::kAllowAndAlert;
}

Balance hold_observed(const Policy& policy, const Balance& balance, Money amount, WallTime now) {
  CHECK(amount >= Money{});
  Balance held = balance;
  advance(policy, held, now);
  held.held = add_saturated(held.held, amount);
  return held;
}

Balance settle(const Policy& policy, const Balance& balance, const Taken& taken, Money used,
               WallTime now) {
  CHECK(used >= Money{} && taken.amount >= Money{});
  Balance settled = balance;
  advance(policy, settled, now);
  // Sums of observed holds may have been cut at the end of the range: never below nothing.
  settled.held.micro_usd =
      std::max<std::int64_t>(settled.held.micro_usd - taken.amount.micro_usd, 0);
  if (taken.window_start == settled.window_start)
    settled.spent = add_saturated(settled.spent, used);
  return settled;
}

Money remaining(const Policy& policy, const Balance& balance) {
  const std::optional<Money> left = subtract(policy.limit, charged(balance));
  return left ? std::max(*left, Money{}) : Money{};
}

std::string describe(const Policy& policy, std::string_view subject) {
  std::string text = fmt::format("{} USD {}", format_usd(policy.limit),
                                 kWindows[static_cast<std::size_t>(policy.window)].per);
  if (policy.scope == limits::Scope::kGlobal) return text + " for all callers together";
  text += fmt::format(" for {}", limits::name_of(policy.scope));
  if (!subject.empty()) text += fmt::format(" `{}`", subject);
  return text;
}

}  // namespace tollgate::cost
