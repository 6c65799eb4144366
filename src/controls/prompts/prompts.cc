#include "controls/prompts/prompts.h"

#include <fmt/format.h>

#include <algorithm>

namespace tollgate::prompts {

namespace {

// Agents know a prompt that they have to shorten by the words of its provider: Anthropic's "prompt
// is too long: 9 tokens > 8 maximum", OpenAI's "maximum context length is 8 tokens".
std::unexpected<Refusal> too_large(const Facts& facts, Tokens most, std::string_view whose,
                                   std::string rule) {
  return refuse(
      Reason::kPromptTooLarge, std::move(rule),
      fmt::format("The prompt is too long: {0}{1} tokens > {2} maximum. {3} maximum "
                  "context length is {2} tokens: shorten the prompt.",
                  facts.input_is_bound ? "at most " : "", facts.input_tokens, most, whose));
}

}  // namespace

Expected<Caps> check(const Policy& policy, const Facts& facts, std::string_view rule) {
  if (facts.body > policy.body) {
    return refuse(Reason::kBodyTooLarge, fmt::format("{}.body", rule),
                  fmt::format("The body has {} bytes, but this route takes at most {}.", facts.body,
                              policy.body));
  }
  if (facts.choices < 1 || facts.choices > policy.choices) {
    return refuse(Reason::kInvalidRequest, fmt::format("{}.choices", rule),
                  fmt::format("The request asks for {} choices, but this route gives 1 to {}.",
                              facts.choices, policy.choices),
                  "n");
  }
  if (facts.input_tokens > policy.input_tokens) {
    return too_large(facts, policy.input_tokens, "This route's",
                     fmt::format("{}.input_tokens", rule));
  }
  // An input that fills the context leaves no token to answer with.
  const bool context_known = facts.context_tokens > 0;
  const Tokens room = facts.context_tokens - facts.input_tokens;
  if (context_known && room < 1) {
    return too_large(facts, facts.context_tokens - 1, "With one token to answer, the model's",
                     fmt::format("{}.input_tokens", rule));
  }
  if (facts.output_tokens_asked && *facts.output_tokens_asked < 1) {
    return refuse(Reason::kInvalidRequest, fmt::format("{}.output_tokens", rule),
                  "The request asks for less than one output token.", "max_tokens");
  }
  const Tokens asked = facts.output_tokens_asked.value_or(policy.output_tokens);
  if (asked > policy.output_tokens && policy.on_output_over == OverCap::kRefuse) {
    return refuse(Reason::kOutputCapExceeded, fmt::format("{}.output_tokens", rule),
                  fmt::format("The request asks for {} output tokens, but this route gives at "
                              "most {}. Ask for no more, or for none and get the most.",
                              asked, policy.output_tokens),
                  "max_tokens");
  }
  const Tokens capped = std::min(asked, policy.output_tokens);
  return Caps{.output_tokens = context_known ? std::min(capped, room) : capped};
}

Expected<void> check_media(const Policy& policy, std::string_view host, std::string_view where,
                           std::string_view rule) {
  const auto is_of = [&](std::string_view domain) {
    if (!domain.starts_with("*.")) return host == domain;
    return host.ends_with(domain.substr(1)) && host.size() > domain.size() - 1;
  };
  if (std::ranges::any_of(policy.media_domains, is_of)) return {};
  const std::string setting = fmt::format("{}.media_domains", rule);
  return refuse(Reason::kUnsupportedParameter, setting,
                fmt::format("'{}' names an image by an address that nothing is fetched from on "
                            "this route: the hosts are set by the operator as `{}`. Send the image "
                            "itself.",
                            where, setting),
                std::string(where));
}

Caps observe(const Policy& policy, const Facts& facts) {
  const Tokens asked = facts.output_tokens_asked.value_or(policy.output_tokens);
  // Whatever was asked, the books must be able to hold all choices of it.
  const Tokens most = kTokensMax / std::max<std::int64_t>(facts.choices, 1);
  return {.output_tokens = std::max<Tokens>(std::min(asked, most), 1)};
}

}  // namespace tollgate::prompts
