// The tables of shape.h for answers that are given again.
#pragma once

#include "config/choices.h"
#include "config/shape.h"

namespace tollgate::config {

inline constexpr std::int64_t kAnswersKeptMin = 1'000'000;
inline constexpr std::int64_t kAnswersKeptMax = std::int64_t{24} * 3600 * 1'000'000;

inline constexpr Field kCacheFields[] = {
    {.key = "keep",
     .kind = Kind::kDuration,
     .doc = "How long an answer may be given again.",
     .fallback = "10m",
     .min = kAnswersKeptMin,
     .max = kAnswersKeptMax},
    {.key = "scope",
     .kind = Kind::kChoice,
     .doc = "Among whom: the requests of one `user`, or of all users of a `tenant`. Never beyond.",
     .fallback = "user",
     .names = choices::answer_scopes},
    {.key = "price_per_hit",
     .kind = Kind::kMoney,
     .doc = "What a request costs that is answered so; limits on requests count it, no tokens do.",
     .fallback = "0"},
    {.key = "coalesce",
     .kind = Kind::kFlag,
     .doc = "Requests that are the same wait for the first of them while it is at work, and get "
            "its answer.",
     .fallback = "false"},
};
inline constexpr Section kCache{
    "cache",
    "Answers that are given again to a request that is the same to the byte as it is written for "
    "its upstream, after everything that decides about it. See [caching](caching.md).",
    kCacheFields};
inline constexpr Field kRouteCache{.key = "cache",
                                   .kind = Kind::kSection,
                                   .doc = "Answers that are given again. Not written: none is.",
                                   .section = &kCache};

inline constexpr Field kIdempotencyFields[] = {
    {.key = "keep",
     .kind = Kind::kDuration,
     .doc = "How long the answer to a key is given again.",
     .fallback = "10m",
     .min = kAnswersKeptMin,
     .max = kAnswersKeptMax},
};
inline constexpr Section kIdempotency{
    "idempotency",
    "Requests with the header `Idempotency-Key`: the same request with the same key, of the same "
    "user, gets the same answer, which is made and paid once. See "
    "[caching](caching.md#idempotency-key).",
    kIdempotencyFields};
inline constexpr Field kRouteIdempotency{
    .key = "idempotency",
    .kind = Kind::kSection,
    .doc = "Whether `Idempotency-Key` holds here. Not written: the header is not looked at.",
    .section = &kIdempotency};

}  // namespace tollgate::config
