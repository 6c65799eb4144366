// The tables of shape.h for attempts: who steps in, how often, and when an endpoint is left alone.
#pragma once

#include "config/choices.h"
#include "config/shape.h"

namespace tollgate::config {

inline constexpr Field kBreakerFields[] = {
    {.key = "consecutive_failures",
     .kind = Kind::kCount,
     .doc = "So many failures in a row open it.",
     .fallback = "5",
     .min = 1,
     .max = 1000},
    {.key = "failed_share",
     .kind = Kind::kShare,
     .doc = "So does this share of failures among its last 32 answers, once there are 16.",
     .fallback = "0.5"},
    {.key = "open",
     .kind = Kind::kDuration,
     .doc = "How long nothing is sent there, the first time; twice as long each further time.",
     .fallback = "1s",
     .min = 1000,
     .max = std::int64_t{3600} * 1'000'000},
    {.key = "open_max",
     .kind = Kind::kDuration,
     .doc = "The most of that.",
     .fallback = "4s",
     .min = 1000,
     .max = std::int64_t{3600} * 1'000'000},
    {.key = "slow_start",
     .kind = Kind::kDuration,
     .doc = "Until an endpoint that came back has its full share beside the others.",
     .fallback = "10s",
     .max = std::int64_t{3600} * 1'000'000},
};
inline constexpr Section kBreaker{
    "circuit_breaker",
    "When an endpoint is left alone: after failures nothing is sent there for a while, then one "
    "request at a time until one is answered. What it asks for itself (`Retry-After`, an exhausted "
    "rate) is kept, up to a minute.",
    kBreakerFields};

inline constexpr Field kHealthCheckFields[] = {
    {.key = "path",
     .kind = Kind::kRoutePath,
     .doc = "Asked with GET, of the endpoint's host: `/health`. 200 to 299 is well.",
     .need = Need::kRequired},
    {.key = "every",
     .kind = Kind::kDuration,
     .doc = "How often; an answer that takes as long, or two seconds, is none.",
     .fallback = "5s",
     .min = 100'000,
     .max = std::int64_t{3600} * 1'000'000},
};
inline constexpr Section kHealthCheck{"health_check",
                                      "Each endpoint is asked, whether or not requests go there, "
                                      "without a credential. One that is not "
                                      "well is left alone until it is.",
                                      kHealthCheckFields};

inline constexpr Field kQueueFields[] = {
    {.key = "length",
     .kind = Kind::kCount,
     .doc = "Requests that may wait, of all callers. When it is full whoever has the most waiting "
            "gives way.",
     .fallback = "128",
     .min = 1,
     .max = 100'000},
    {.key = "wait",
     .kind = Kind::kDuration,
     .doc = "The most that a request waits; then it is refused as overloaded.",
     .fallback = "2s",
     .min = 1000,
     .max = std::int64_t{600} * 1'000'000},
};
inline constexpr Section kQueue{
    "queue",
    "Where requests wait while `concurrent_requests` are at work. Places that become free are "
    "shared by tokens: each tenant gets its share by `weight`, whoever asks more often.",
    kQueueFields};

inline constexpr Field kRetryFields[] = {
    {.key = "share",
     .kind = Kind::kShare,
     .doc = "Of the requests that are sent to an upstream, so many may cause a further attempt, "
            "there or elsewhere: retries and fallbacks together. A rested upstream has 10 to "
            "begin with.",
     .fallback = "0.1"},
    {.key = "attempts",
     .kind = Kind::kCount,
     .doc = "Of one request, the first among them. 1: none is tried again.",
     .fallback = "3",
     .min = 1,
     .max = 10},
};
inline constexpr Section kRetries{
    "retries",
    "Further attempts at a request of which its caller has no byte yet. Each is authorized, held "
    "and recorded like the first.",
    kRetryFields};

inline constexpr Field kDowngradeFields[] = {
    {.key = "to",
     .kind = Kind::kModelName,
     .doc = "The model that serves instead, on the same path, where the caller may use it.",
     .need = Need::kRequired},
    {.key = "budget_used",
     .kind = Kind::kShare,
     .doc = "Where any budget of the request is used up to this share."},
    {.key = "request_usd",
     .kind = Kind::kMoney,
     .doc = "Where the request may cost more than this."},
    {.key = "tenants",
     .kind = Kind::kList,
     .doc = "Of these tenants only. Not written: of all.",
     .min = 1,
     .max = 1024,
     .of = Kind::kName},
};
inline constexpr Section kDowngrade{
    "downgrade", "One line of when another model serves instead: all that it names must hold.",
    kDowngradeFields};

// Of a tenant, and of a route.
inline constexpr Field kWeight{
    .key = "weight",
    .kind = Kind::kCount,
    .doc =
        "Its share of an upstream that is saturated: one of weight 3 gets three times the "
        "tokens of one of weight 1, where both ask for as many.",
    .fallback = "1",
    .min = 1,
    .max = 1000};
inline constexpr Field kPriority{
    .key = "priority",
    .kind = Kind::kChoice,
    .doc =
        "Beside a tenant's `weight`, where requests wait: those of `high` routes count as four "
        "times as heavy, those of `low` ones as a fourth. None of them starves.",
    .fallback = "normal",
    .names = choices::priorities};

// Of a model.
inline constexpr Field kFallback{
    .key = "fallback",
    .kind = Kind::kList,
    .doc =
        "Models that step in, in this order, when this one fails: on the same path, where the "
        "caller may use them. Each attempt is decided, held and recorded by itself.",
    .min = 1,
    .max = 8,
    .of = Kind::kModelName};
inline constexpr Field kFallbackOn{
    .key = "fallback_on",
    .kind = Kind::kList,
    .doc =
        "Which failures lead there: `error`, no answer or a 5xx; `overloaded`, 429, 503, 529 or "
        "no place; `timeout`, what was sent is charged; `context_length`, more than its context "
        "holds. Not written: the first three.",
    .min = 1,
    .max = 4,
    .names = choices::attempt_failures,
    .of = Kind::kChoice};
inline constexpr Field kFallbackAfter{.key = "fallback_after",
                                      .kind = Kind::kDuration,
                                      .doc =
                                          "Of a stream: no first byte for so long counts as a "
                                          "timeout, where that is shorter than the "
                                          "upstream's.",
                                      .min = 1000,
                                      .max = std::int64_t{3600} * 1'000'000};
inline constexpr Field kDowngrades{
    .key = "downgrade",
    .kind = Kind::kList,
    .doc = "When a cheaper model serves instead of this one: the first line that holds.",
    .max = 16,
    .section = &kDowngrade,
    .of = Kind::kSection};

}  // namespace tollgate::config
