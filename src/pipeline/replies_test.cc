#include "pipeline/replies.h"

#include <gtest/gtest.h>

namespace tollgate::pipeline {
namespace {

using dialects::Dialect;

constexpr WallTime kMorning{Duration(1'772'602'200'000'000)};  // 2026-03-04 05:30 UTC.

audit::LimitEvidence evidence(limits::Figure figure, std::int64_t limit, std::int64_t remaining) {
  audit::LimitEvidence made;
  made.scope = limits::Scope::kTenantId;
  made.figure = figure;
  made.limit = limit;
  made.remaining = remaining;
  return made;
}

TEST(Replies, WriteDurationsAsGoDoes) {
  struct Case {
    std::int64_t us;
    std::string_view text;
  };
  for (const Case& each : {Case{0, "0ms"}, Case{1, "1ms"}, Case{12'000, "12ms"},
                           Case{999'001, "1s"}, Case{1'500'000, "1.5s"}, Case{60'000'000, "1m0s"},
                           Case{360'000'000, "6m0s"}, Case{3'600'000'000, "1h0m0s"},
                           Case{86'400'000'000, "24h0m0s"}, Case{61'050'000, "1m1.05s"}}) {
    EXPECT_EQ(go_duration(Duration(each.us)), each.text);
  }
}

TEST(Replies, TellTheTightestLimitOfEachKind) {
  const audit::LimitEvidence limits[] = {
      evidence(limits::Figure::kRequestsPerMinute, 100, 50),
      evidence(limits::Figure::kRequestsPerDay, 1000, 10),
      evidence(limits::Figure::kInputTokensPerMinute, 6000, 5900),
      evidence(limits::Figure::kTotalTokensPerMinute, 6000, 3000),
      evidence(limits::Figure::kConcurrentRequests, 10, 0),
  };
  std::string openai;
  write_limit_headers(Dialect::kOpenAi, limits, kMorning, openai);
  EXPECT_EQ(openai,
            "x-ratelimit-limit-requests: 1000\r\nx-ratelimit-remaining-requests: 10\r\n"
            "x-ratelimit-reset-requests: 23h45m36s\r\n"
            "x-ratelimit-limit-tokens: 6000\r\nx-ratelimit-remaining-tokens: 3000\r\n"
            "x-ratelimit-reset-tokens: 30s\r\n");
  std::string anthropic;
  write_limit_headers(Dialect::kAnthropic, std::span(limits).subspan(3, 1), kMorning, anthropic);
  EXPECT_EQ(anthropic,
            "anthropic-ratelimit-tokens-limit: 6000\r\n"
            "anthropic-ratelimit-tokens-remaining: 3000\r\n"
            "anthropic-ratelimit-tokens-reset: 2026-03-04T05:30:30Z\r\n");
  std::string none;
  write_limit_headers(Dialect::kOpenAi, {}, kMorning, none);
  write_limit_headers(Dialect::kOpenAi, std::span(limits).subspan(4, 1), kMorning, none);
  EXPECT_EQ(none, "");
}

TEST(Replies, TellNothingOfWhatIsSharedWithOthers) {
  for (const limits::Scope scope :
       {limits::Scope::kGlobal, limits::Scope::kRoute, limits::Scope::kModel}) {
    audit::LimitEvidence limit = evidence(limits::Figure::kRequestsPerMinute, 100, 50);
    limit.scope = scope;
    audit::BudgetEvidence budget;
    budget.scope = scope;
    budget.limit = {5'000'000};
    Account account;
    account.budgets = {&budget, 1};
    std::string headers;
    write_limit_headers(Dialect::kOpenAi, {&limit, 1}, kMorning, headers);
    write_account_headers(account, headers);
    EXPECT_EQ(headers, "") << static_cast<int>(scope);
  }
}

TEST(Replies, TellNoLessThanNothingOfALimitOverdrawn) {
  const audit::LimitEvidence limits[] = {evidence(limits::Figure::kRequestsPerMinute, 100, -7)};
  std::string headers;
  write_limit_headers(Dialect::kOpenAi, limits, kMorning, headers);
  EXPECT_NE(headers.find("remaining-requests: 0\r\n"), std::string::npos) << headers;
}

TEST(Replies, TellTheSmallestBudgetLeftAfterWhatIsBack) {
  audit::BudgetEvidence budgets[2];
  budgets[0].scope = budgets[1].scope = limits::Scope::kTenantId;
  budgets[0].limit = {10'000'000};
  budgets[0].spent = {2'000'000};
  budgets[0].held = {1'000'000};
  budgets[1].limit = {5'000'000};
  budgets[1].spent = {4'900'000};
  budgets[1].held = {1'000'000};
  Account account;
  account.model = "small";
  account.budgets = budgets;
  account.released = {950'000};
  account.cost = Money{50'000};
  account.overhead = Duration(21);
  std::string headers;
  write_account_headers(account, headers);
  EXPECT_EQ(headers,
            "x-tollgate-model: small\r\nx-tollgate-cost-usd: 0.05\r\n"
            "x-tollgate-budget-remaining-usd: 0.05\r\nx-tollgate-overhead-us: 21\r\n");
}

TEST(Replies, KeepControlsOutOfHeadLines) {
  Refusal refusal;
  refusal.rule = "routes.a\r\nx-evil: 1\x7f\xc3\xa9";
  std::string headers;
  std::string body;
  write_refusal_reply(Dialect::kOpenAi, refusal, "req_1", 0, headers, body);
  EXPECT_EQ(headers.find("\r\nx-evil"), std::string::npos);
  EXPECT_NE(headers.find("x-tollgate-rule: routes.a??x-evil: 1???\r\n"), std::string::npos)
      << headers;
}

// For any wait and any jitter: never shorter than the truth, never above a minute, and the two
// forms agree.
TEST(Replies, HintATrueWaitForAnyJitter) {
  Refusal refusal;
  refusal.reason = Reason::kConcurrencyLimited;
  for (std::int64_t us = 1; us <= 60'000'000; us = us * 3 + 1) {
    for (const double jitter : {0.0, 0.5, 0.97}) {
      refusal.retry_after = Duration(us);
      std::string headers;
      std::string body;
      EXPECT_EQ(write_refusal_reply(Dialect::kAnthropic, refusal, "r", jitter, headers, body), 429);
      const std::size_t at = headers.find("retry-after-ms: ");
      ASSERT_NE(at, std::string::npos);
      const std::int64_t ms = std::stoll(headers.substr(at + 16));
      EXPECT_GE(ms * 1000, us);
      EXPECT_LE(ms, 60'000);
      EXPECT_LE(ms * 1000, us + us / 10 + 1000);
      const std::size_t whole = headers.find("retry-after: ");
      EXPECT_GE(std::stoll(headers.substr(whole + 13)) * 1000, ms);
    }
  }
}

TEST(Replies, AskForABearerWhereACredentialIsMissing) {
  Refusal refusal;
  refusal.reason = Reason::kMissingCredential;
  for (const Dialect dialect : {Dialect::kOpenAi, Dialect::kAnthropic}) {
    std::string headers;
    std::string body;
    EXPECT_EQ(write_refusal_reply(dialect, refusal, "r", 0, headers, body), 401);
    EXPECT_NE(headers.find("www-authenticate: Bearer\r\n"), std::string::npos);
  }
}

}  // namespace
}  // namespace tollgate::pipeline
