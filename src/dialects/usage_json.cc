#include "dialects/usage_json.h"

#include <string_view>

namespace tollgate::dialects {

namespace {

void write_detail(std::string_view details, std::string_view key, Tokens tokens, JsonWriter& json) {
  json.key(details);
  json.begin_object();
  json.member(key, tokens);
}

void write_openai(const Usage& usage, JsonWriter& json) {
  json.member("prompt_tokens", usage.input);
  json.member("completion_tokens", usage.output);
  json.member("total_tokens", usage.input + usage.output);
  write_detail("prompt_tokens_details", "cached_tokens", usage.cached_input, json);
  if (usage.audio_input) json.member("audio_tokens", *usage.audio_input);
  json.end_object();
  write_detail("completion_tokens_details", "reasoning_tokens", usage.reasoning, json);
  if (usage.audio_output > 0) json.member("audio_tokens", usage.audio_output);
  json.end_object();
}

void write_response(const Usage& usage, JsonWriter& json) {
  json.member("input_tokens", usage.input);
  write_detail("input_tokens_details", "cached_tokens", usage.cached_input, json);
  json.end_object();
  json.member("output_tokens", usage.output);
  write_detail("output_tokens_details", "reasoning_tokens", usage.reasoning, json);
  json.end_object();
  json.member("total_tokens", usage.input + usage.output);
}

// Anthropic's input is without what was cached.
void write_anthropic(const Usage& usage, JsonWriter& json) {
  json.member("input_tokens", usage.input - usage.cached_input - usage.cache_write);
  json.member("cache_creation_input_tokens", usage.cache_write);
  json.member("cache_read_input_tokens", usage.cached_input);
  json.member("output_tokens", usage.output);
  if (usage.reasoning == 0) return;
  write_detail("output_tokens_details", "thinking_tokens", usage.reasoning, json);
  json.end_object();
}

}  // namespace

void write_usage(Surface surface, const Usage& usage, JsonWriter& json) {
  json.begin_object();
  if (dialect_of(surface) == Dialect::kAnthropic) {
    write_anthropic(usage, json);
  } else if (surface == Surface::kResponses) {
    write_response(usage, json);
  } else {
    write_openai(usage, json);
  }
  json.end_object();
}

}  // namespace tollgate::dialects
