// How large may a request be? Caps on the body, the input, the output and the choices.
//
// The output cap is injected where the caller names none, because the worst case of a request
// must be known before it is paid for; a larger wish is clamped or refused, by choice.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/units.h"

namespace tollgate::prompts {

enum class OverCap : std::uint8_t { kClamp, kRefuse };

// When the input is counted before it is admitted.
enum class InputCount : std::uint8_t {
  kNearLimits,  // Where the count may matter; else it is held at a bound.
  kAlways,
};

// What is done with a stream that repeats itself without an end (repetition.h).
enum class OnRepeating : std::uint8_t { kPass, kEnd };

// What the operator writes under a route's `prompt`.
struct Policy {
  Mode mode = Mode::kEnforce;    // Observing injects a cap too: else nothing can be held.
  Bytes body = 1 << 20;          // 1 B to 64 MiB.
  Tokens input_tokens = 32'000;  // Per request; 1 to kTokensMax.
  Tokens output_tokens = 4'096;  // Per choice; 1 to kTokensMax.
  std::int64_t choices = 1;      // n and best_of; 1 to 128.
  OverCap on_output_over = OverCap::kClamp;
  InputCount count_input = InputCount::kNearLimits;
  OnRepeating on_repeating_output = OnRepeating::kPass;
  // Hosts that the model server may fetch images from, "*.example.com" for all below one. Empty: an
  // image lies in the request.
  std::vector<std::string> media_domains;
};

struct Facts {
  Bytes body = 0;
  Tokens input_tokens = 0;
  bool input_is_bound = false;  // Counted by an upper bound; the words say so.
  std::optional<Tokens> output_tokens_asked;
  std::int64_t choices = 1;
  Tokens context_tokens = 0;  // Of the model; 0: unknown.
};

// What the request may make at most, per choice.
struct Caps {
  Tokens output_tokens = 0;
};

// Refuses with kBodyTooLarge, kPromptTooLarge (which an input is, too, that leaves no token of
// the model's context to answer with), kOutputCapExceeded, or kInvalidRequest for the choices
// and for a wish of less than one token. What is left of the context caps the output as well.
// `rule` is the route's place in the configuration, "routes.chat.prompt". In observe mode it
// refuses just the same; the caller of check() records it and goes on with observe().
Expected<Caps> check(const Policy& policy, const Facts& facts, std::string_view rule);

// Refuses with kUnsupportedParameter an image by its address, at `where` in the body, whose host is
// not among the policy's. In observe mode likewise, but that without a list there is nothing to
// observe: then nothing is fetched.
Expected<void> check_media(const Policy& policy, std::string_view host, std::string_view where,
                           std::string_view rule);

// The caps that hold although a check in observe mode would have refused: the output asked, or
// the policy's where none was asked; at least 1, and with all choices at most kTokensMax.
Caps observe(const Policy& policy, const Facts& facts);

}  // namespace tollgate::prompts
