// The head lines and bodies that tollgate writes itself: refusals, limits, what a request cost.
//
// Pure text. Names of headers: contract.md, "HTTP"; forms of reset values: OpenAI writes a
// duration ("6m0s", "12ms"), Anthropic a time of the calendar (RFC 3339).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/refusal.h"
#include "controls/audit/audit.h"
#include "dialects/surface.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// Of a refusal before a route is known: what the path or the headers speak.
dialects::Dialect dialect_at(std::string_view path, const RequestHead& head);
std::string_view without_query(std::string_view target);

// x-request-id, and request-id for Anthropic.
void write_id_headers(dialects::Dialect dialect, std::string_view id, std::string& headers);

// The dialect's rate headers from the evidence of a hold: for requests and for tokens the
// figure with the least share left. Nothing where no such limit applies.
void write_limit_headers(dialects::Dialect dialect, std::span<const audit::LimitEvidence> limits,
                         WallTime wall, std::string& headers);

// x-tollgate-model, -rule (where a budget's changed what was asked), -cost-usd (where known),
// -budget-remaining-usd (where a budget applies; the smallest), -overhead-us.
struct Account {
  std::string_view model;
  std::string_view rule;
  std::optional<Money> cost;
  std::span<const audit::BudgetEvidence> budgets;
  Money released;  // What of the hold was not used and is back already.
  std::optional<Duration> overhead;
  std::span<const std::string_view> degraded;
};
void write_account_headers(const Account& account, std::string& headers);
// x-tollgate-degraded: which stores the request was decided without; nothing where there are all.
void write_degraded_header(std::span<const std::string_view> degraded, std::string& headers);

// The head lines of a refusal: ids, reason, rule, retry hints.
void write_refusal_headers(dialects::Dialect dialect, const Refusal& refusal, std::string_view id,
                           double jitter, std::string& headers,
                           std::string_view challenge = "Bearer");

// A refusal in the caller's dialect: its status, its head lines (reason, rule, retry hints) and
// its body. `jitter`, 0 to 1, spreads the retries of many; the wait told is never shorter than
// the true one.
int write_refusal_reply(dialects::Dialect dialect, const Refusal& refusal, std::string_view id,
                        double jitter, std::string& headers, std::string& body);

// "6m0s", "1.5s", "12ms": Go's form of a duration, to the millisecond, rounded up.
std::string go_duration(Duration duration);

// The longest wait that is told to a client: SDKs sleep as told, so a longer one is no hint.
inline constexpr Duration kRetryAfterMax = std::chrono::seconds(60);

}  // namespace tollgate::pipeline
