// What a provider says of its own limits in the head of an answer: how long to leave it alone, and
// how many tokens it still takes.
//
// Pure. Sources: OpenAI, "Rate limits" (x-ratelimit-{remaining,reset}-{requests,tokens}; resets are
// durations as Go writes them, "6m0s"); Anthropic, "Rate limits" (anthropic-ratelimit-*-{remaining,
// reset}; resets are times, RFC 3339); RFC 9110, 10.2.3 (Retry-After); Azure (retry-after-ms).
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "base/units.h"

namespace tollgate::dialects {

// The value of a header by its name in lower case, or empty.
using HeaderOf = std::function<std::string_view(std::string_view name)>;

// No word of a provider is believed for longer.
inline constexpr Duration kRateWaitMax = std::chrono::seconds(60);

struct RateTold {
  // Until when nothing more is taken: what a refusal asks for, or until the requests that are used
  // up come back.
  std::optional<Duration> wait;
  // So many tokens are taken until `tokens_reset` has passed.
  std::optional<Tokens> tokens_left;
  Duration tokens_reset{};
};

// Absurd figures are left out: what is no number, is negative, or is of another form. `refused`:
// the answer was a 429 or 503 or 529, so Retry-After counts.
RateTold read_rates(const HeaderOf& header, bool refused, WallTime wall);

// "6m0s", "1.5s", "12ms", "1h2m3s", or plain seconds.
std::optional<Duration> read_go_duration(std::string_view text);

}  // namespace tollgate::dialects
