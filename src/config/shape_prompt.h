// The table of shape.h for how large a request may be.
#pragma once

#include <cstdint>

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_allowances.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kPromptFields[] = {
    {.key = "body",
     .kind = Kind::kBytes,
     .doc = "The request body.",
     .fallback = "1MiB",
     .min = 1,
     .max = 64 * kMiB},
    {.key = "input_tokens",
     .kind = Kind::kCount,
     .doc = "Input of one request.",
     .fallback = "32000",
     .min = 1,
     .max = std::int64_t{1} << 40},
    {.key = "output_tokens",
     .kind = Kind::kCount,
     .doc = "Output of one choice; written into requests that name no cap.",
     .fallback = "4096",
     .min = 1,
     .max = std::int64_t{1} << 40},
    {.key = "choices",
     .kind = Kind::kCount,
     .doc = "`n` and `best_of`.",
     .fallback = "1",
     .min = 1,
     .max = 128},
    {.key = "on_output_over",
     .kind = Kind::kChoice,
     .doc = "A request that asks for more output: cut it to the cap, or refuse it.",
     .fallback = "clamp",
     .names = choices::over_caps},
    {.key = "count_input",
     .kind = Kind::kChoice,
     .doc = "When the input is counted before it is admitted. `near_limits`: where a limit, budget "
            "or cap is near enough for the count to matter, and one request in 16; else it is held "
            "at a token a byte, and settled at what the provider reports. See "
            "[billing](billing.md).",
     .fallback = "near_limits",
     .names = choices::input_counts},
    {.key = "on_repeating_output",
     .kind = Kind::kChoice,
     .doc = "A streamed answer that repeats itself without an end (one period of up to 256 bytes, "
            "or one line, at least 64 times and over 8 KiB): `end` it as its output cap would. A "
            "whole one is as long as it is, and told in the record.",
     .fallback = "pass",
     .names = choices::on_repeating},
    {.key = "media_domains",
     .kind = Kind::kList,
     .doc = "Hosts that the model server may fetch images from: `images.example.com`, or "
            "`*.example.com` for all below it. Not written: an image that is named by its address "
            "is refused. See [images by address](tokens.md#images-by-address).",
     .min = 1,
     .max = 256,
     .of = Kind::kText},
    kMode,
};
inline constexpr Section kPrompt{"prompt", "How large a request may be.", kPromptFields};

}  // namespace tollgate::config
