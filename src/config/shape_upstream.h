// The table of shape.h for upstreams.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_attempts.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kTimeoutFields[] = {
    {.key = "connect",
     .kind = Kind::kDuration,
     .doc = "Until the connection stands, TLS too.",
     .fallback = "5s",
     .min = kMs,
     .max = kHour},
    {.key = "first_byte",
     .kind = Kind::kDuration,
     .doc = "From the request to its first byte.",
     .fallback = "60s",
     .min = kMs,
     .max = kHour},
    {.key = "between_chunks",
     .kind = Kind::kDuration,
     .doc = "Silence within a reply.",
     .fallback = "30s",
     .min = kMs,
     .max = kHour},
    {.key = "total",
     .kind = Kind::kDuration,
     .doc = "The whole attempt.",
     .fallback = "10m",
     .min = kMs,
     .max = kDay},
};
inline constexpr Section kTimeout{"timeout", "How long to wait for an upstream.", kTimeoutFields};

inline constexpr Field kUpstreamFields[] = {
    {.key = "url", .kind = Kind::kUrl, .doc = "Where it is, with its base path. This or `urls`."},
    {.key = "urls",
     .kind = Kind::kList,
     .doc = "Several equal endpoints: each request goes to the one with the fewest tokens at work, "
            "a conversation to where it was before.",
     .min = 1,
     .max = 64,
     .of = Kind::kUrl},
    {.key = "speaks",
     .kind = Kind::kChoice,
     .doc = "Its wire dialect.",
     .need = Need::kRequired,
     .names = choices::dialect_names},
    {.key = "credential",
     .kind = Kind::kSecret,
     .doc = "Sent to it in the way of its dialect. Not written or empty: none is sent."},
    {.key = "credential_header",
     .kind = Kind::kChoice,
     .doc = "Where the credential is sent: `authorization` as a bearer token, or alone in one of "
            "the others. Not written: `authorization`, or `x-api-key` of `anthropic`.",
     .names = choices::credential_headers},
    {.key = "credentials",
     .kind = Kind::kList,
     .doc = "Several, instead of `credential`: used in turn, and one that is refused or limited is "
            "left alone for a while.",
     .min = 1,
     .max = 8,
     .of = Kind::kSecret},
    {.key = "query",
     .kind = Kind::kText,
     .doc = "Behind the path of every request: `api-version=2024-10-21`. Not written: nothing."},
    {.key = "concurrent_requests",
     .kind = Kind::kCount,
     .doc = "At once, over all its endpoints; more are refused as overloaded.",
     .fallback = "1024",
     .min = 1,
     .max = 1'000'000},
    {.key = "output_cap_field",
     .kind = Kind::kChoice,
     .doc = "The names under which the output cap of a chat is sent: all that it may read, as "
            "what it does not know it ignores. Not written: `both`, or `max_completion_tokens` "
            "for OpenAI's own and Azure's hosts, which refuse both at once.",
     .names = choices::cap_fields},
    {.key = "surfaces",
     .kind = Kind::kList,
     .doc = "Which conversations it serves. What comes by another surface is translated to the "
            "first of them. Not written: all of its dialect.",
     .min = 1,
     .max = 3,
     .names = choices::conversations,
     .of = Kind::kChoice},
    {.key = "drop_fields",
     .kind = Kind::kList,
     .doc = "Fields at the top of a request that are left out when it is translated, where they "
            "would be refused as they have no counterpart. Not written: none.",
     .min = 1,
     .max = 32,
     .of = Kind::kText},
    {.key = "timeout",
     .kind = Kind::kSection,
     .doc = "How long to wait for it.",
     .section = &kTimeout},
    {.key = "circuit_breaker",
     .kind = Kind::kSection,
     .doc = "When an endpoint is left alone.",
     .section = &kBreaker},
    {.key = "health_check",
     .kind = Kind::kSection,
     .doc = "Asking endpoints how they are. Not written: requests alone tell.",
     .section = &kHealthCheck},
    {.key = "certificate_authority",
     .kind = Kind::kFile,
     .doc = "PEM of who signs its certificate. Not written: the system's."},
    {.key = "adaptive_concurrency",
     .kind = Kind::kFlag,
     .doc = "Whether fewer than `concurrent_requests` are sent while it cannot take so many: a "
            "tenth less of what is at work each time that it is overloaded or silent, one more for "
            "each round that "
            "goes well.",
     .fallback = "false"},
    {.key = "queue",
     .kind = Kind::kSection,
     .doc = "Waiting instead of being refused. Not written: nobody waits.",
     .section = &kQueue},
};
inline constexpr Section kUpstream{"upstream", "A model server or provider.", kUpstreamFields};

}  // namespace tollgate::config
