// The tables of shape.h for what a model costs.
#pragma once

#include "base/units.h"
#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kCacheWrite5m{
    .key = "cache_write_5m",
    .kind = Kind::kPrice,
    .doc =
        "Input that the provider is asked to keep for five minutes. Not written: it is asked to "
        "keep nothing for so long."};
inline constexpr Field kCacheWrite1h{
    .key = "cache_write_1h", .kind = Kind::kPrice, .doc = "The same for an hour."};
inline constexpr Field kImageInput{.key = "image_input",
                                   .kind = Kind::kPrice,
                                   .doc = "Input tokens of images. Not written: as `input`."};
inline constexpr Field kReasoningOutput{
    .key = "reasoning_output",
    .kind = Kind::kPrice,
    .doc = "Output tokens that nobody sees. Not written: as `output`."};
inline constexpr Field kAudioOutput{.key = "audio_output",
                                    .kind = Kind::kPrice,
                                    .doc = "Output tokens of sound. Not written: as `output`."};

inline constexpr Field kInput{
    .key = "input", .kind = Kind::kPrice, .doc = "Input tokens.", .need = kRequired};
inline constexpr Field kCachedInput{
    .key = "cached_input",
    .kind = Kind::kPrice,
    .doc = "Input that the provider had cached. Not written: as `input`."};
inline constexpr Field kOutput{
    .key = "output",
    .kind = Kind::kPrice,
    .doc = "Output tokens, reasoning included where that has no price of its own.",
    .need = kRequired};
inline constexpr Field kAudioInput{
    .key = "audio",
    .kind = Kind::kPrice,
    .doc = "Input tokens of recordings. A model with `audio` needs it."};

inline constexpr Field kLongContextFields[] = {
    {.key = "above",
     .kind = Kind::kCount,
     .doc = "Input tokens, cached included.",
     .need = kRequired,
     .min = 1,
     .max = kTokensMax},
    kInput,
    kCachedInput,
    kOutput,
    kCacheWrite5m,
    kCacheWrite1h,
    kImageInput,
    kReasoningOutput,
    kAudioOutput,
};
inline constexpr Section kLongContextSection{
    "long_context", "Of requests with more input than `above`, dollars a million tokens.",
    kLongContextFields};
inline constexpr Field kLongContext{
    .key = "long_context",
    .kind = Kind::kList,
    .doc =
        "Prices of requests with a longer input, for all of the request but its recordings: "
        "ascending, none cheaper than what is before it.",
    .max = 8,
    .section = &kLongContextSection,
    .of = Kind::kSection};

inline constexpr Field kTierPriceFields[] = {
    kInput,        kCachedInput, kOutput,          kAudioInput,  kCacheWrite5m,
    kCacheWrite1h, kImageInput,  kReasoningOutput, kAudioOutput, kLongContext,
};
inline constexpr Section kTierPrices{
    "service_tier_prices",
    "Dollars a million tokens by another tier: all of them, as none is "
    "taken over from the usual one.",
    kTierPriceFields};

inline constexpr Field kPriceFields[] = {
    kInput,
    kCachedInput,
    kOutput,
    kAudioInput,
    kCacheWrite5m,
    kCacheWrite1h,
    kImageInput,
    kReasoningOutput,
    kAudioOutput,
    kLongContext,
    {.key = "service_tiers",
     .kind = Kind::kMap,
     .doc = "Prices by other tiers, where the provider has some. A tier without is refused.",
     .section = &kTierPrices,
     .keys = choices::service_tiers},
};
inline constexpr Section kPrices{"price_per_million", "Dollars a million tokens.", kPriceFields};

inline constexpr Field kPricePerMillion{
    .key = "price_per_million",
    .kind = Kind::kSection,
    .doc = "What it costs by tokens. A model without a price is refused.",
    .section = &kPrices};

inline constexpr Field kPricePerImage{
    .key = "price_per_image",
    .kind = Kind::kTextMap,
    .doc =
        "Dollars for an image that it makes, by size, or quality and size: `1024x1024`, "
        "`hd/1024x1024`, `hd/any`, `any`. What has no price is refused; where the caller "
        "leaves the choice to the model the dearest is held.",
    .max = 64,
    .of = Kind::kMoney};

inline constexpr Field kTokensPerImage{
    .key = "tokens_per_image",
    .kind = Kind::kTextMap,
    .doc =
        "Of a model that is paid for images by tokens: the output tokens of one, at most, "
        "by the same names.",
    .max = 64,
    .of = Kind::kText};

inline constexpr Field kPricePerMillionCharacters{
    .key = "price_per_million_characters",
    .kind = Kind::kMoney,
    .doc = "Dollars for speech, by the characters that are spoken."};

inline constexpr Field kPricePerMinute{
    .key = "price_per_minute",
    .kind = Kind::kMoney,
    .doc = "Dollars for the text of a recording, by the seconds that it lasts, each begun."};

inline constexpr Field kPricePerRequest{
    .key = "price_per_request",
    .kind = Kind::kMoney,
    .doc = "Dollars for each request of tokens that is answered, beside those or instead of them."};

inline constexpr Field kPricePerToolCall{
    .key = "price_per_tool_call",
    .kind = Kind::kTextMap,
    .doc =
        "Dollars for a call of a tool that the provider runs, by tool: `web_search`, "
        "`web_fetch`, `file_search`, `code_interpreter`, `code_execution`, `mcp`, `shell`, "
        "`advisor`, `other`. A tool without a price is refused; 0 is one.",
    .max = 64,
    .of = Kind::kMoney};

inline constexpr Field kInputTokensPerToolCall{
    .key = "input_tokens_per_tool_call",
    .kind = Kind::kCount,
    .doc =
        "Input tokens that a call of such a tool adds at most, as the model reads what it found: "
        "held for each call, and paid as the provider reports them. 0: what is read beyond the "
        "request is paid by nobody here.",
    .fallback = "0",
    .max = 10'000'000};

inline constexpr Field kPriceEntryFields[] = {
    {.key = "name",
     .kind = Kind::kModelName,
     .doc = "What models name it by. Several entries may have one name and other dates.",
     .need = kRequired},
    {.key = "from",
     .kind = Kind::kText,
     .doc = "The day on which it begins, in UTC: `2026-01-31`. Each entry holds until the next of "
            "its name begins, and the first one before its own day too. Not written: it always "
            "was."},
    {.key = "source",
     .kind = Kind::kText,
     .doc = "Where it is from: an address, a contract. For people."},
    kPricePerMillion,
    kPricePerImage,
    kTokensPerImage,
    kPricePerMillionCharacters,
    kPricePerMinute,
    kPricePerRequest,
    kPricePerToolCall,
    kInputTokensPerToolCall,
};
inline constexpr Section kPriceEntry{
    "prices", "An entry of the table of prices: what models cost that name it, from a day on.",
    kPriceEntryFields};

inline constexpr Field kPriceTable{
    .key = "prices",
    .kind = Kind::kList,
    .doc = "A table of prices that models name, instead of each having its own.",
    .max = 4096,
    .section = &kPriceEntry,
    .of = Kind::kSection};

inline constexpr Field kPricesFile{
    .key = "prices_file",
    .kind = Kind::kFile,
    .doc = "The same table in a file of its own, which has `prices` and nothing else."};

inline constexpr Field kServiceTiersOfRoute{
    .key = "service_tiers",
    .kind = Kind::kList,
    .doc =
        "Tiers that callers may ask for, where the model has prices for them. Not written: the "
        "usual one alone.",
    .max = 2,
    .names = choices::service_tiers,
    .of = Kind::kChoice};

inline constexpr Field kPricesOfModel{
    .key = "prices",
    .kind = Kind::kModelName,
    .doc = "The entry of the table `prices` that says what it costs, instead of prices here."};

}  // namespace tollgate::config
