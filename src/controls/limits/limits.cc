#include "controls/limits/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tollgate::limits {

namespace {

using Wide = __int128;

constexpr std::array<std::string_view, kScopeCount> kScopes = {
    "global", "tenant_id", "user_id", "key_id", "route", "model", "client_ip"};

struct FigureRow {
  std::string_view name;
  std::string_view unit;  // In words.
  std::string_view per;
  Duration window;
};
constexpr std::array<FigureRow, kFigureCount> kFigures = {{
    {"requests_per_minute", "requests", "a minute", std::chrono::minutes(1)},
    {"requests_per_day", "requests", "a day", std::chrono::hours(24)},
    {"input_tokens_per_minute", "input tokens", "a minute", std::chrono::minutes(1)},
    {"output_tokens_per_minute", "output tokens", "a minute", std::chrono::minutes(1)},
    {"total_tokens_per_minute", "tokens", "a minute", std::chrono::minutes(1)},
    {"concurrent_requests", "requests", "at once", Duration(0)},
}};

const FigureRow& row(Figure figure) { return kFigures[static_cast<std::size_t>(figure)]; }

// A length of time, exact: whole microseconds and limit-ths of one.
struct Span {
  std::int64_t us = 0;
  std::int64_t fraction = 0;
  friend auto operator<=>(const Span&, const Span&) = default;
};

// The time that `amount` takes to earn, at most kDebtMax.
Span cost_of(const Policy& policy, std::int64_t amount) {
  const std::int64_t window = window_of(policy.figure).count();
  std::int64_t narrow = 0;
  // A 128-bit division costs several times a 64-bit one and is almost never needed.
  if (!__builtin_mul_overflow(amount, window, &narrow)) [[likely]]
    return {std::min(narrow / policy.limit, kDebtMax.count()), narrow % policy.limit};
  const Wide wide = static_cast<Wide>(amount) * window;
  const Wide whole = std::min<Wide>(wide / policy.limit, kDebtMax.count());
  return {static_cast<std::int64_t>(whole), static_cast<std::int64_t>(wide % policy.limit)};
}

Balance later(const Policy& policy, Balance from, Span by) {
  from.full_at += Duration(by.us);
  from.fraction += by.fraction;
  if (from.fraction >= policy.limit) {
    from.fraction -= policy.limit;
    from.full_at += Duration(1);
  }
  return from;
}

Balance earlier(const Policy& policy, Balance from, Span by) {
  from.full_at -= Duration(by.us);
  from.fraction -= by.fraction;
  if (from.fraction < 0) {
    from.fraction += policy.limit;
    from.full_at -= Duration(1);
  }
  return from;
}

// The balance as of `now`: what was full before is full now, and no more.
Balance current(const Policy& policy, Balance balance, Instant now) {
  if (balance.full_at < now) return {now, 0, balance.returned};
  balance.fraction = std::min(balance.fraction, policy.limit - 1);
  return balance;
}

// The balance after `amount` was taken, whether it may be or not.
Balance taking(const Policy& policy, Balance balance, std::int64_t amount, Instant now) {
  CHECK(amount >= 0 && amount <= kTokensMax && policy.limit >= 1);
  CHECK(policy.figure != Figure::kConcurrentRequests);
  return later(policy, current(policy, balance, now), cost_of(policy, amount));
}

// How long until `after` is within one window of the present; 0 or less: it is.
Duration excess(const Policy& policy, Balance after, Instant now) {
  const Duration over = after.full_at - now - window_of(policy.figure);
  return after.fraction > 0 ? over + Duration(1) : over;
}

// Rounded up, so that the words are as true as the number.
std::string in_seconds(Duration wait) {
  const std::int64_t ms = (wait.count() + 999) / 1000;
  std::string text = fmt::format("{}.{:03}", ms / 1000, ms % 1000);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

Refusal too_soon(const Policy& policy, Balance balance, std::int64_t amount, Instant now,
                 std::string_view subject) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = policy.rule;
  const bool requests =
      policy.figure == Figure::kRequestsPerMinute || policy.figure == Figure::kRequestsPerDay;
  refusal.counted = requests ? Counted::kRequests : Counted::kTokens;
  if (amount > policy.limit) {
    refusal.message = fmt::format(
        "This request counts {} {}, more than the rate limit of {} ever lets through ({}); "
        "no wait helps, send a smaller one.",
        amount, row(policy.figure).unit, describe(policy, subject), policy.rule);
    return refusal;
  }
  const Duration wait = excess(policy, taking(policy, balance, amount, now), now);
  refusal.retry_after = wait;
  const std::string counts =
      requests ? std::string()
               : fmt::format(": {} asked, {} left", amount, remaining(policy, balance, now));
  refusal.message = fmt::format("Rate limit of {} reached ({}){}; try again in {}.",
                                describe(policy, subject), policy.rule, counts, in_seconds(wait));
  return refusal;
}

}  // namespace

std::string_view name_of(Scope scope) { return kScopes[static_cast<std::size_t>(scope)]; }

std::optional<Scope> scope_named(std::string_view name) {
  const auto found = std::find(kScopes.begin(), kScopes.end(), name);
  if (found == kScopes.end()) return std::nullopt;
  return static_cast<Scope>(found - kScopes.begin());
}

std::string_view name_of(Figure figure) { return row(figure).name; }

std::optional<Figure> figure_named(std::string_view name) {
  const auto found = std::find_if(kFigures.begin(), kFigures.end(),
                                  [name](const FigureRow& r) { return r.name == name; });
  if (found == kFigures.end()) return std::nullopt;
  return static_cast<Figure>(found - kFigures.begin());
}

Duration window_of(Figure figure) { return row(figure).window; }

bool passes(const Policy& policy, Balance balance, std::int64_t amount, Instant now) {
  return amount <= policy.limit &&
         excess(policy, taking(policy, balance, amount, now), now) <= Duration(0);
}

Expected<Balance> reserve(const Policy& policy, Balance balance, std::int64_t amount, Instant now,
                          std::string_view subject) {
  const Balance after = taking(policy, balance, amount, now);
  if (amount > policy.limit || excess(policy, after, now) > Duration(0)) [[unlikely]]
    return std::unexpected(too_soon(policy, balance, amount, now, subject));
  return after;
}

Balance reserve_observed(const Policy& policy, Balance balance, std::int64_t amount, Instant now) {
  const Balance after = taking(policy, balance, amount, now);
  if (excess(policy, after, now) <= Duration(0)) return after;
  return {now + window_of(policy.figure), 0, after.returned};
}

Balance settle(const Policy& policy, Balance balance, const Taken& taken, std::int64_t used,
               Instant now) {
  CHECK(used >= 0 && taken.amount >= 0);
  if (used > taken.amount) {
    const std::int64_t beyond = std::min(used - taken.amount, kTokensMax);
    const Balance after = taking(policy, balance, beyond, now);
    return after.full_at > now + kDebtMax ? Balance{now + kDebtMax, 0, after.returned} : after;
  }
  // What it takes to be safe for any history: without the unused part the balance cannot have
  // been full before taken.after - unused, less all that was given back since (it may have been
  // reserved before). From then on time may have earned back nothing, so it does not count.
  const Span unused = cost_of(policy, taken.amount - used);
  const std::uint64_t since =
      std::min<std::uint64_t>(balance.returned - taken.after.returned, 2 * kDebtMax.count());
  const Span left = {(taken.after.full_at - now).count() - static_cast<std::int64_t>(since),
                     std::min(taken.after.fraction, policy.limit - 1)};
  const Span back = std::clamp(left, Span{}, unused);
  if (back == Span{}) return balance;
  balance.fraction = std::min(balance.fraction, policy.limit - 1);
  balance.returned += static_cast<std::uint64_t>(unused.us) + 1;
  return earlier(policy, balance, back);
}

Balance owing(const Policy& policy, std::int64_t taken, Instant now) {
  return taking(policy, {now, 0, 0}, taken, now);
}

std::int64_t earned_in(const Policy& policy, Duration span) {
  const std::int64_t window = window_of(policy.figure).count();
  const Wide earned =
      static_cast<Wide>(std::max(span, Duration(0)).count()) * policy.limit / window;
  return static_cast<std::int64_t>(std::min<Wide>(earned, INT64_MAX));
}

std::int64_t remaining(const Policy& policy, Balance balance, Instant now) {
  const std::int64_t window = window_of(policy.figure).count();
  const Balance held = current(policy, balance, now);
  const std::int64_t ahead = (held.full_at - now).count();
  if (ahead == 0 && held.fraction == 0) return policy.limit;
  if (ahead >= window) return 0;
  std::int64_t narrow = 0;
  if (!__builtin_mul_overflow(window - ahead, policy.limit, &narrow)) [[likely]]
    return (narrow - held.fraction) / window;
  const Wide free = static_cast<Wide>(window - ahead) * policy.limit - held.fraction;
  return static_cast<std::int64_t>(free / window);
}

Duration until_full(Balance balance, Instant now) {
  if (balance.full_at < now) return Duration(0);
  return balance.full_at - now + Duration(balance.fraction > 0 ? 1 : 0);
}

Expected<std::int64_t> enter(const Policy& policy, std::int64_t at_work, std::string_view subject) {
  if (at_work < policy.limit) return at_work + 1;
  Refusal refusal;
  refusal.reason = Reason::kConcurrencyLimited;
  refusal.rule = policy.rule;
  refusal.retry_after = std::chrono::seconds(1);
  refusal.message = fmt::format(
      "Limit of {} reached ({}): {} at work; try again when one has "
      "ended.",
      describe(policy, subject), policy.rule, at_work);
  return std::unexpected(std::move(refusal));
}

std::int64_t leave(std::int64_t at_work) {
  CHECK(at_work >= 1);
  return at_work - 1;
}

std::string describe(const Policy& policy, std::string_view subject) {
  const FigureRow& figure = row(policy.figure);
  std::string text = fmt::format("{} {} {}", policy.limit, figure.unit, figure.per);
  if (policy.scope == Scope::kGlobal) return text + " for all callers together";
  text += fmt::format(" for {}", name_of(policy.scope));
  if (!subject.empty()) text += fmt::format(" `{}`", subject);
  return text;
}

}  // namespace tollgate::limits
