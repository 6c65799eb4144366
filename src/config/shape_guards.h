// The table of shape.h for external guards.
#pragma once

#include "config/choices.h"
#include "config/shape.h"

namespace tollgate::config {

inline constexpr Field kGuardPriceFields[] = {
    {.key = "input", .kind = Kind::kPrice, .doc = "Input tokens.", .need = Need::kRequired},
    {.key = "output", .kind = Kind::kPrice, .doc = "Output tokens.", .need = Need::kRequired},
};
inline constexpr Section kGuardPrices{
    "guard_price_per_million",
    "Dollars a million tokens, of what a guard reports. A token a byte is held for it.",
    kGuardPriceFields};

inline constexpr Field kGuardFields[] = {
    {.key = "kind",
     .kind = Kind::kChoice,
     .doc = "What it speaks: `openai_moderation`; `llama_guard`, a model that answers `safe` or "
            "`unsafe` behind chat completions; `presidio`, its analyzer; `http`, the form of "
            "[guards](guards.md).",
     .need = Need::kRequired,
     .names = choices::guard_kinds},
    {.key = "upstream",
     .kind = Kind::kName,
     .doc = "Where it is. Its deadline is the `timeout` of that upstream.",
     .need = Need::kRequired},
    {.key = "model",
     .kind = Kind::kModelName,
     .doc = "What the service calls the model. Required for `llama_guard`."},
    {.key = "path",
     .kind = Kind::kRoutePath,
     .doc = "Behind the upstream's URL. Not written: `/moderations`, `/chat/completions`, "
            "`/analyze`; for `http` the URL itself."},
    {.key = "language",
     .kind = Kind::kName,
     .doc = "Of the texts, for `presidio`.",
     .fallback = "en"},
    {.key = "categories",
     .kind = Kind::kList,
     .doc = "Findings that count, as the guard names them. Not written: all.",
     .max = 128,
     .of = Kind::kText},
    {.key = "score",
     .kind = Kind::kShare,
     .doc = "The least score that counts, for `openai_moderation` and `presidio`. 0: as the guard "
            "decides.",
     .fallback = "0"},
    {.key = "on_match",
     .kind = Kind::kChoice,
     .doc = "`refuse` the request or the answer, or `flag` it: the record alone tells.",
     .fallback = "refuse",
     .names = choices::guard_on_matches},
    {.key = "on_failure",
     .kind = Kind::kChoice,
     .doc = "When it is slow, down or not understood: `refuse`, or let it `pass`.",
     .fallback = "refuse",
     .names = choices::guard_on_failures},
    kMode,
    {.key = "price_per_request",
     .kind = Kind::kMoney,
     .doc = "Dollars that asking it costs, held and charged with the request; 0 for your own.",
     .need = Need::kRequired},
    {.key = "price_per_million",
     .kind = Kind::kSection,
     .doc = "Beside that, for `llama_guard`, by tokens.",
     .section = &kGuardPrices},
    {.key = "section",
     .kind = Kind::kBytes,
     .doc = "Of a streamed answer: so many bytes of text are held until it has judged them. Later "
            "sections are a quarter of all that was said, where that is more.",
     .fallback = "2KiB",
     .min = 64,
     .max = 32 << 10},
    {.key = "cache",
     .kind = Kind::kDuration,
     .doc = "How long a verdict on the same texts of the same tenant holds. 0: not at all.",
     .fallback = "10m",
     .max = std::int64_t{24} * 3600 * 1'000'000},
};
inline constexpr Section kGuard{
    "guard",
    "A service that judges the texts of a request or of its answer. See [guards](guards.md).",
    kGuardFields};

// Of a route.
inline constexpr Field kRequestGuards{
    .key = "guards",
    .kind = Kind::kList,
    .doc = "Services of `guards` that are asked, in this order, before a request goes on.",
    .max = 8,
    .of = Kind::kName};
inline constexpr Field kResponseGuards{
    .key = "response_guards",
    .kind = Kind::kList,
    .doc = "Those that are asked, in this order, about the answer before the caller has it.",
    .max = 8,
    .of = Kind::kName};

}  // namespace tollgate::config
