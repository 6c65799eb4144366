#include "pipeline/replies.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "dialects/reply.h"
#include "pipeline/refusals.h"

namespace tollgate::pipeline {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void line(std::string& headers, std::string_view name, std::string_view value) {
  headers += name;
  headers += ": ";
  headers += value;
  headers += "\r\n";
}

void line(std::string& headers, std::string_view name, std::int64_t value) {
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  line(headers, name, std::string_view(digits, end));
}

// Text of ours can carry names that a caller chose; a head line holds none of their controls.
std::string printable(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return clean;
}

bool counts_requests(limits::Figure figure) {
  return figure == limits::Figure::kRequestsPerMinute || figure == limits::Figure::kRequestsPerDay;
}

// What a scope that is shared with others has left is not a caller's to know.
bool is_callers_own(limits::Scope scope) {
  return scope == limits::Scope::kTenantId || scope == limits::Scope::kUserId ||
         scope == limits::Scope::kKeyId || scope == limits::Scope::kClientIp;
}

// The evidence with the least share left, among the figures on requests or those on tokens.
const audit::LimitEvidence* tightest(std::span<const audit::LimitEvidence> limits,
                                     Counted counted) {
  const audit::LimitEvidence* found = nullptr;
  for (const audit::LimitEvidence& limit : limits) {
    if (limit.figure == limits::Figure::kConcurrentRequests || !is_callers_own(limit.scope)) {
      continue;
    }
    if (counts_requests(limit.figure) != (counted == Counted::kRequests)) continue;
    if (found == nullptr || static_cast<__int128>(limit.remaining) * found->limit <
                                static_cast<__int128>(found->remaining) * limit.limit) {
      found = &limit;
    }
  }
  return found;
}

// When everything taken has been earned back: a share of the figure's window.
Duration until_full(const audit::LimitEvidence& limit) {
  const __int128 taken = limit.limit - std::max<std::int64_t>(limit.remaining, 0);
  const __int128 window = limits::window_of(limit.figure).count();
  return Duration(static_cast<std::int64_t>(taken * window / limit.limit));
}

void write_limit(dialects::Dialect dialect, std::string_view kind,
                 const audit::LimitEvidence& limit, WallTime wall, std::string& headers) {
  const std::int64_t remaining = std::max<std::int64_t>(limit.remaining, 0);
  const Duration reset = until_full(limit);
  if (dialect != dialects::Dialect::kAnthropic) {
    headers += "x-ratelimit-limit-";
    line(headers, kind, limit.limit);
    headers += "x-ratelimit-remaining-";
    line(headers, kind, remaining);
    headers += "x-ratelimit-reset-";
    line(headers, kind, go_duration(reset));
    return;
  }
  const auto at = std::chrono::ceil<seconds>(wall + reset);
  const std::string prefix = fmt::format("anthropic-ratelimit-{}-", kind);
  line(headers, prefix + "limit", limit.limit);
  line(headers, prefix + "remaining", remaining);
  line(headers, prefix + "reset",
       fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(at))));
}

}  // namespace

dialects::Dialect dialect_at(std::string_view path, const RequestHead& head) {
  if (const auto surface = dialects::surface_of_path(path);
      surface && *surface != dialects::Surface::kModels) {
    return dialects::dialect_of(*surface);
  }
  return head.header("anthropic-version").empty() ? dialects::Dialect::kOpenAi
                                                  : dialects::Dialect::kAnthropic;
}

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find_first_of("?#"));
}

// Most replies have two of them.
std::string go_duration(Duration duration) {
  std::int64_t ms = std::chrono::ceil<milliseconds>(duration).count();
  std::string text;
  const auto number = [&text](std::int64_t value) {
    char digits[24];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  };
  if (ms < 1000) {
    number(ms);
    return text += "ms";
  }
  if (const std::int64_t hours = ms / 3'600'000; hours > 0) {
    number(hours);
    text += 'h';
  }
  if (const std::int64_t minutes = ms / 60'000 % 60; minutes > 0 || !text.empty()) {
    number(minutes);
    text += 'm';
  }
  ms %= 60'000;
  number(ms / 1000);
  if (std::int64_t fraction = ms % 1000; fraction != 0) {
    text += '.';
    for (std::int64_t place = 100; fraction != 0; fraction %= place, place /= 10) {
      text += static_cast<char>('0' + fraction / place);
    }
  }
  return text += 's';
}

void write_id_headers(dialects::Dialect dialect, std::string_view id, std::string& headers) {
  line(headers, "x-request-id", id);
  if (dialect == dialects::Dialect::kAnthropic) line(headers, "request-id", id);
}

void write_limit_headers(dialects::Dialect dialect, std::span<const audit::LimitEvidence> limits,
                         WallTime wall, std::string& headers) {
  if (const audit::LimitEvidence* found = tightest(limits, Counted::kRequests)) {
    write_limit(dialect, "requests", *found, wall, headers);
  }
  if (const audit::LimitEvidence* found = tightest(limits, Counted::kTokens)) {
    write_limit(dialect, "tokens", *found, wall, headers);
  }
}

void write_account_headers(const Account& account, std::string& headers) {
  if (!account.model.empty()) line(headers, "x-tollgate-model", account.model);
  if (!account.rule.empty()) line(headers, "x-tollgate-rule", printable(account.rule));
  if (account.cost) line(headers, "x-tollgate-cost-usd", format_usd(*account.cost));
  std::optional<Money> least;
  for (const audit::BudgetEvidence& budget : account.budgets) {
    if (!is_callers_own(budget.scope)) continue;
    Money left = add_saturated(budget.limit, Money{-budget.spent.micro_usd});
    left = add_saturated(left, Money{-budget.held.micro_usd});
    left = add_saturated(left, account.released);
    if (!least || left < *least) least = left;
  }
  if (least) {
    line(headers, "x-tollgate-budget-remaining-usd", format_usd(std::max(*least, Money{})));
  }
  if (account.overhead) line(headers, "x-tollgate-overhead-us", account.overhead->count());
  write_degraded_header(account.degraded, headers);
}

void write_degraded_header(std::span<const std::string_view> degraded, std::string& headers) {
  if (degraded.empty()) return;
  headers.append("x-tollgate-degraded: ");
  for (std::size_t i = 0; i < degraded.size(); ++i) {
    headers.append(i == 0 ? "" : ", ").append(degraded[i]);
  }
  headers.append("\r\n");
}

namespace {

// A true wait with its jitter, or nothing where a retry would not help.
void write_retry_hints(const RefusalRow& row, const Refusal& refusal, double jitter,
                       std::string& headers) {
  if (row.retry == RefusalRow::Retry::kNo) return;
  const bool waits = row.retry == RefusalRow::Retry::kAfter && refusal.retry_after &&
                     *refusal.retry_after <= kRetryAfterMax;
  if (!waits) {
    line(headers, "x-should-retry", "false");
    return;
  }
  // Those whom a server turned away together come back over a second or more.
  const Duration tenth = *refusal.retry_after / 10;
  const Duration within =
      refusal.reason == Reason::kOverloaded ? std::max<Duration>(seconds(1), 2 * tenth) : tenth;
  const Duration spread(static_cast<std::int64_t>(static_cast<double>(within.count()) * jitter));
  const auto wait = std::min(std::chrono::ceil<milliseconds>(*refusal.retry_after + spread),
                             std::chrono::duration_cast<milliseconds>(kRetryAfterMax));
  line(headers, "retry-after-ms", std::max<std::int64_t>(wait.count(), 1));
  line(headers, "retry-after", std::max<std::int64_t>(std::chrono::ceil<seconds>(wait).count(), 1));
}

}  // namespace

void write_refusal_headers(dialects::Dialect dialect, const Refusal& refusal, std::string_view id,
                           double jitter, std::string& headers, std::string_view challenge) {
  const RefusalRow& row = row_of(refusal.reason);
  const bool anthropic = dialect == dialects::Dialect::kAnthropic;
  write_id_headers(dialect, id, headers);
  line(headers, "x-tollgate-reason", row.code);
  if (!refusal.rule.empty()) line(headers, "x-tollgate-rule", printable(refusal.rule));
  if ((anthropic ? row.anthropic_status : row.openai_status) == 401) {
    line(headers, "www-authenticate", challenge);
  }
  write_retry_hints(row, refusal, jitter, headers);
}

int write_refusal_reply(dialects::Dialect dialect, const Refusal& refusal, std::string_view id,
                        double jitter, std::string& headers, std::string& body) {
  const RefusalRow& row = row_of(refusal.reason);
  const bool openai = dialect != dialects::Dialect::kAnthropic;
  write_refusal_headers(dialect, refusal, id, jitter, headers);

  dialects::RefusalWords words;
  words.type = openai ? row.openai_type : row.anthropic_type;
  if (openai && refusal.reason == Reason::kRateLimited) {
    words.type = refusal.counted == Counted::kTokens ? "tokens" : "requests";
  }
  words.code = openai ? row.openai_code : row.anthropic_code;
  words.message = refusal.message;
  words.param = refusal.param;
  words.request_id = id;
  dialects::write_refusal(dialect, words, body);
  return openai ? row.openai_status : row.anthropic_status;
}

}  // namespace tollgate::pipeline
