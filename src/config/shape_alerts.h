// The tables of shape.h for who is told of what, and what is done about it by itself.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_claims.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr std::int64_t kAlertOverMax = kDay;
inline constexpr std::int64_t kAlertCountMax = 1'000'000'000;

constexpr Field alert_over(std::string_view doc, std::string_view fallback) {
  return {.key = "over",
          .kind = Kind::kDuration,
          .doc = doc,
          .fallback = fallback,
          .min = 30 * kSecond,
          .max = kAlertOverMax};
}
constexpr Field alert_scope(std::string_view fallback) {
  return {.key = "scope",
          .kind = Kind::kChoice,
          .doc = "Whose: each distinct value is looked at by itself.",
          .fallback = fallback,
          .names = choices::alert_scopes};
}
constexpr Field alert_count(std::string_view doc, std::string_view fallback) {
  return {.key = "count",
          .kind = Kind::kCount,
          .doc = doc,
          .fallback = fallback,
          .min = 1,
          .max = kAlertCountMax};
}

inline constexpr Field kSpendVelocityFields[] = {
    {.key = "times_usual",
     .kind = Kind::kCount,
     .doc = "So many times what the subject usually spends at that hour, on working days or at "
            "the weekend (UTC).",
     .fallback = "5",
     .min = 2,
     .max = 1000},
    alert_over("The longest window. 10 seconds and a minute are looked at, too.", "10m"),
    alert_scope("tenant_id"),
    {.key = "at_least",
     .kind = Kind::kMoney,
     .doc = "Dollars in a window, below which nothing is an alert.",
     .fallback = "1"},
    {.key = "newcomers",
     .kind = Kind::kMoney,
     .doc = "Dollars in `over` from which on a subject is alerted that was first seen less than an "
            "hour ago, so that nothing is usual for it. Not written: it never is."},
};
inline constexpr Section kSpendVelocity{
    "spend_velocity", "A subject spends several times what is usual for it.", kSpendVelocityFields};

inline constexpr Field kRefusalBurstFields[] = {
    alert_count("So many refused requests of a subject.", "100"),
    alert_over("Within this time.", "1m"), alert_scope("tenant_id")};
inline constexpr Section kRefusalBurst{
    "refusals", "Requests of one subject are refused again and again, whatever for.",
    kRefusalBurstFields};

inline constexpr Field kFailureBurstFields[] = {
    alert_count("So many requests whose credential was not believed, over all.", "100"),
    alert_over("Within this time.", "1m")};
inline constexpr Section kFailureBurst{"authentication_failures", "Somebody tries credentials.",
                                       kFailureBurstFields};

inline constexpr Field kUpstreamDownFields[] = {
    alert_count("So many attempts at one upstream, and none of them had a reply below 500.", "5"),
    alert_over("Within this time.", "1m")};
inline constexpr Section kUpstreamDown{"upstream_down", "An upstream serves nothing any more.",
                                       kUpstreamDownFields};

inline constexpr Field kWhenFields[] = {
    {.key = "spend_velocity",
     .kind = Kind::kSection,
     .doc = "A subject spends several times what is usual for it.",
     .section = &kSpendVelocity},
    {.key = "budget_reached",
     .kind = Kind::kShare,
     .doc = "This share of any budget is spent: it is as if it stood in the `alert_at` of each."},
    {.key = "refusals",
     .kind = Kind::kSection,
     .doc = "Requests of one subject are refused again and again.",
     .section = &kRefusalBurst},
    {.key = "authentication_failures",
     .kind = Kind::kSection,
     .doc = "Credentials are not believed, again and again.",
     .section = &kFailureBurst},
    {.key = "upstream_down",
     .kind = Kind::kSection,
     .doc = "An upstream serves nothing any more.",
     .section = &kUpstreamDown},
    {.key = "store_degraded",
     .kind = Kind::kDuration,
     .doc = "A store cannot be asked for so long.",
     .min = kSecond,
     .max = kDay},
    {.key = "audit_lag",
     .kind = Kind::kShare,
     .doc = "This share of `audit.queue` waits for the store, or records are not kept."},
    {.key = "token_count_drift",
     .kind = Kind::kShare,
     .doc = "Over ten minutes a provider counts the input of a model so much more, or less, than "
            "we do, as a part of ours."},
};
inline constexpr Section kWhen{"when", "What is an alert: one of these.", kWhenFields};

inline constexpr Field kAlertDoFields[] = {
    {.key = "cap_output_tokens",
     .kind = Kind::kCount,
     .doc = "Its requests make at most so many output tokens for each choice.",
     .min = 1,
     .max = 1'000'000'000'000},
    {.key = "downgrade_to",
     .kind = Kind::kModelName,
     .doc = "Its requests are served by this model, on the same path; where that may not be, they "
            "are refused."},
};
inline constexpr Section kAlertDo{
    "do", "One of the two. The request is decided anew on these terms.", kAlertDoFields};

inline constexpr Field kAlertFields[] = {
    {.key = "when",
     .kind = Kind::kSection,
     .doc = "What is an alert.",
     .need = kRequired,
     .section = &kWhen},
    {.key = "notify",
     .kind = Kind::kList,
     .doc = "Who is told: names of `notify`.",
     .max = 16,
     .of = Kind::kName},
    {.key = "cooldown",
     .kind = Kind::kDuration,
     .doc = "So long nothing is told of the same subject by this rule again; of a budget, in the "
            "same window. What `do` says is done meanwhile as well.",
     .fallback = "30m",
     .min = kSecond,
     .max = 30 * kDay},
    {.key = "do",
     .kind = Kind::kChoice,
     .doc = "What is done about the subject by itself: `slow_down` lets 6 of its requests a minute "
            "through, `freeze` none, each with the words why.",
     .fallback = "none",
     .names = choices::alert_actions,
     .section = &kAlertDo},
    {.key = "for",
     .kind = Kind::kDuration,
     .doc = "So long it is done; 0: until somebody releases it (`tollgate alerts release`).",
     .fallback = "1h",
     .max = 365 * kDay},
};
inline constexpr Section kAlert{
    "alert", "Something that is told, and done something about. See [alerts](alerts.md).",
    kAlertFields};

inline constexpr Field kTargetFields[] = {
    {.key = "webhook",
     .kind = Kind::kUrl,
     .doc = "A URL that each alert is posted to as JSON, signed as Standard Webhooks are."},
    {.key = "slack",
     .kind = Kind::kSecret,
     .doc = "The URL of an incoming webhook of Slack, or of what takes its form."},
    {.key = "alertmanager",
     .kind = Kind::kUrl,
     .doc = "The URL of an Alertmanager, whose API v2 each alert is posted to."},
    {.key = "email",
     .kind = Kind::kText,
     .doc =
         "The mail server that each alert is sent by: `smtps://HOST` (port 465) or `smtp://HOST` "
         "(port 587, STARTTLS; without TLS nothing is sent, but to an `internal` one that no "
         "password is shown). What stands behind the host, as in `smtps://HOST/NAME`, is how the "
         "gateway names itself."},
    {.key = "from", .kind = Kind::kText, .doc = "Of an `email`: the address that it is from."},
    {.key = "to",
     .kind = Kind::kList,
     .doc = "Of an `email`: the addresses that it goes to.",
     .max = 32,
     .of = Kind::kText},
    {.key = "user",
     .kind = Kind::kText,
     .doc = "Of an `email`: who signs in at the server. Not written: nobody does."},
    {.key = "password",
     .kind = Kind::kSecret,
     .doc = "Of its `user`, such as `\"${SMTP_PASSWORD}\"`."},
    {.key = "password_file",
     .kind = Kind::kFile,
     .doc = "Instead of it: a file that holds it, read for each mail."},
    {.key = "secret",
     .kind = Kind::kSecret,
     .doc = "That a `webhook` is signed with: `whsec_` and 24 to 64 bytes in Base64, or a text of "
            "at least 16 characters. Required there."},
    {.key = "internal",
     .kind = Kind::kFlag,
     .doc = "It may be at an address that the internet does not have, and need not speak TLS. "
            "Services of the cloud's machine (169.254.169.254 and the like) never get anything.",
     .fallback = "false"},
    kCertificateAuthority,
};
inline constexpr Section kTarget{
    "notify", "Where alerts go: one of `webhook`, `slack`, `alertmanager`, `email`.",
    kTargetFields};

}  // namespace tollgate::config
