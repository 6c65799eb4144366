#include "dialects/reply_reading.h"

#include <algorithm>

#include "dialects/json_strict.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

void Teller::any(std::int64_t choice, dom::element value) {
  if (value.is_null()) return;
  if (std::string_view piece; value.get(piece) == simdjson::SUCCESS) return text(choice, piece);
  scratch_.clear();
  append_json(value, scratch_);
  text(choice, scratch_);
}

void Teller::strings(std::int64_t choice, dom::element call) {
  dom::object fields;
  if (call.get(fields) != simdjson::SUCCESS) return any(choice, call);
  for (const dom::key_value_pair field : fields) any(choice, field.value);
}

void Teller::tool_calls(std::int64_t choice, dom::element calls) {
  dom::array array;
  if (calls.get(array) != simdjson::SUCCESS) return any(choice, calls);
  for (const dom::element call : array) {
    dom::object fields;
    if (call.get(fields) != simdjson::SUCCESS) continue;
    for (const dom::key_value_pair field : fields)
      if (field.key == "function" || field.key == "custom") strings(choice, field.value);
  }
}

void Teller::chat_message(std::int64_t choice, dom::object message) {
  std::string_view reasoning;
  for (const dom::key_value_pair field : message) {
    if (field.key == "role" || field.key == "annotations" || field.key == "audio") continue;
    if (field.key == "tool_calls") {
      tool_calls(choice, field.value);
    } else if (field.key == "function_call") {
      strings(choice, field.value);
    } else if (field.key == "reasoning" || field.key == "reasoning_content") {
      // Servers in the middle of a renaming send the same text under both names.
      std::string_view piece;
      if (field.value.get(piece) == simdjson::SUCCESS && piece == reasoning) continue;
      reasoning = piece;
      any(choice, field.value);
    } else {
      any(choice, field.value);
    }
  }
}

void Teller::anthropic_block(dom::object block) {
  std::string_view type;
  if (block.at_key("type").get(type) != simdjson::SUCCESS) return;
  // Results of the provider's own tools are input of the next step, not output.
  if (type.ends_with("_result")) return;
  for (const dom::key_value_pair field : block) {
    const bool output = field.key == "text" || field.key == "thinking" || field.key == "name";
    if (output) any(0, field.value);
    if (field.key != "input") continue;
    // A stream opens a block with an empty input and sends the true one in pieces.
    dom::object input;
    if (field.value.get(input) == simdjson::SUCCESS && input.size() == 0) continue;
    any(0, field.value);
  }
}

TokenField read_tokens(dom::object object, std::string_view field) {
  dom::element value;
  if (object.at_key(field).get(value) != simdjson::SUCCESS || value.is_null()) return {};
  if (value.type() != dom::element_type::INT64) return {.tokens = {}, .broken = true};
  const auto tokens = std::int64_t(value);
  if (tokens < 0 || tokens > kTokensMax) return {.tokens = {}, .broken = true};
  return {.tokens = tokens};
}

namespace {

// A number in an object of details; both may be absent.
TokenField read_detail(dom::object usage, std::string_view details, std::string_view field) {
  dom::element inner;
  if (usage.at_key(details).get(inner) != simdjson::SUCCESS || inner.is_null()) return {};
  dom::object object;
  if (inner.get(object) != simdjson::SUCCESS) return {.tokens = {}, .broken = true};
  return read_tokens(object, field);
}

}  // namespace

namespace {

// The names of one form of usage.
struct UsageNames {
  std::string_view input;
  std::string_view input_details;
  std::string_view output;
  std::string_view output_details;
};
constexpr UsageNames kOfChat{"prompt_tokens", "prompt_tokens_details", "completion_tokens",
                             "completion_tokens_details"};
constexpr UsageNames kOfResponse{"input_tokens", "input_tokens_details", "output_tokens",
                                 "output_tokens_details"};

// What was thought beside the output is output as well.
void add_reasoning(const TokenField& total, Usage& read) {
  // Some providers tell reasoning beside the completion, not as a part of it; then only the
  // sum of all three is the total.
  if (read.reasoning > 0 && total.tokens == read.input + read.output + read.reasoning)
    read.output += read.reasoning;
  // Gemini, asked as OpenAI is, tells what it thought in the total alone.
  if (read.reasoning == 0 && total.tokens.value_or(0) > read.input + read.output) {
    read.reasoning = *total.tokens - read.input - read.output;
    read.output += read.reasoning;
  }
  read.reasoning = std::min(read.reasoning, read.output);
}

std::optional<Usage> read_usage(dom::element usage, const UsageNames& names, bool makes_output) {
  dom::object object;
  if (usage.get(object) != simdjson::SUCCESS) return std::nullopt;
  const TokenField input = read_tokens(object, names.input);
  const TokenField output = read_tokens(object, names.output);
  const TokenField total = read_tokens(object, "total_tokens");
  const TokenField cached = read_detail(object, names.input_details, "cached_tokens");
  const TokenField audio = read_detail(object, names.input_details, "audio_tokens");
  const TokenField image = read_detail(object, names.input_details, "image_tokens");
  const TokenField reasoning = read_detail(object, names.output_details, "reasoning_tokens");
  const TokenField spoken = read_detail(object, names.output_details, "audio_tokens");
  // DeepSeek's own name for what was cached.
  const TokenField hit = read_tokens(object, "prompt_cache_hit_tokens");
  if (input.broken || output.broken || total.broken || cached.broken || audio.broken ||
      image.broken || reasoning.broken || spoken.broken || hit.broken)
    return std::nullopt;
  if (!input.tokens || (!output.tokens && makes_output)) return std::nullopt;

  Usage read;
  read.input = *input.tokens;
  read.cached_input = cached.tokens.value_or(hit.tokens.value_or(0));
  read.audio_input = audio.tokens;
  read.image_input = image.tokens;
  read.output = output.tokens.value_or(0);
  read.reasoning = reasoning.tokens.value_or(0);
  if (read.cached_input > read.input || audio.tokens.value_or(0) > read.input ||
      image.tokens.value_or(0) > read.input)
    return std::nullopt;
  if (makes_output) add_reasoning(total, read);
  read.audio_output = std::min(spoken.tokens.value_or(0), read.output - read.reasoning);
  if (read.output > kTokensMax) return std::nullopt;
  return read;
}

}  // namespace

std::optional<Usage> read_openai_usage(Surface surface, dom::element usage) {
  return read_usage(usage, kOfChat, makes_output(surface));
}

std::optional<Usage> read_response_usage(dom::object response) {
  dom::element usage;
  if (response.at_key("usage").get(usage) != simdjson::SUCCESS) return std::nullopt;
  std::optional<Usage> read = read_usage(usage, kOfResponse, true);
  if (dom::element tier;
      read && response.at_key("service_tier").get(tier) == simdjson::SUCCESS && !tier.is_null())
    read_tier(tier, *read);
  return read;
}

void read_tier(dom::element told, Usage& usage) {
  std::string_view name;
  usage.tier = told.get(name) == simdjson::SUCCESS ? service_tier_named(name) : std::nullopt;
  usage.other_tier = !usage.tier;
}

void AnthropicUsage::merge(dom::element part) {
  dom::object object;
  if (part.get(object) != simdjson::SUCCESS) return;
  const TokenField in = read_tokens(object, "input_tokens");
  const TokenField out = read_tokens(object, "output_tokens");
  const TokenField read = read_tokens(object, "cache_read_input_tokens");
  const TokenField creation = read_tokens(object, "cache_creation_input_tokens");
  const TokenField thought = read_detail(object, "output_tokens_details", "thinking_tokens");
  const TokenField hour = read_detail(object, "cache_creation", "ephemeral_1h_input_tokens");
  const TokenField minutes = read_detail(object, "cache_creation", "ephemeral_5m_input_tokens");
  if (in.broken || out.broken || read.broken || creation.broken || thought.broken || hour.broken ||
      minutes.broken)
    return;
  if (in.tokens) input = in.tokens;
  if (out.tokens) output = out.tokens;
  // A later part that says that it is not known.
  if (dom::element told;
      object.at_key("output_tokens").get(told) == simdjson::SUCCESS && told.is_null())
    output.reset();
  cache_read = read.tokens.value_or(cache_read);
  cache_creation = creation.tokens.value_or(cache_creation);
  if (minutes.tokens) cache_creation_5m = minutes.tokens;
  thinking = thought.tokens.value_or(thinking);
  if (dom::element told;
      object.at_key("service_tier").get(told) == simdjson::SUCCESS && !told.is_null()) {
    Usage said;
    read_tier(told, said);
    tier = said.tier;
    other_tier = said.other_tier;
  }
}

EarlyUsage AnthropicUsage::early() const {
  EarlyUsage told;
  told.usage.tier = tier;
  told.usage.other_tier = other_tier;
  const Tokens all = input.value_or(0) + cache_read + cache_creation;
  if (!input || all > kTokensMax) return told;
  told.has_input = true;
  told.usage.input = all;
  told.usage.cached_input = cache_read;
  told.usage.cache_write = cache_creation;
  if (cache_creation_5m)
    told.usage.cache_write_1h = cache_creation - std::min(*cache_creation_5m, cache_creation);
  return told;
}

std::optional<Usage> AnthropicUsage::total() const {
  const EarlyUsage told = early();
  if (!told.has_input || !output) return std::nullopt;
  Usage usage = told.usage;
  usage.output = *output;
  usage.reasoning = std::min(thinking, *output);
  return usage;
}

}  // namespace tollgate::dialects
