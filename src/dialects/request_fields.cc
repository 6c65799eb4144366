#include "dialects/request_fields.h"

#include <algorithm>
#include <array>
#include <span>

namespace tollgate::dialects {

namespace {

struct Row {
  std::string_view field;
  FieldUse use;
};

using enum FieldUse;

// Of every surface, where its own table does not say otherwise.
constexpr auto kCommon = std::to_array<Row>({
    {"model", kModel},
    {"stream", kStream},
    {"max_tokens", kMaxTokens},
    {"service_tier", kServiceTier},
    {"speed", kSpeed},
    // Which model answers, and where, is the operator's to say.
    {"models", kRefuse},
    {"fallbacks", kRefuse},
    {"route", kRefuse},
    {"provider", kRefuse},
    {"api_base", kRefuse},
    {"base_url", kRefuse},
    {"api_key", kRefuse},
    {"api_version", kRefuse},
    {"custom_llm_provider", kRefuse},
    {"extra_headers", kRefuse},
    {"extra_body", kRefuse},
    {"headers", kRefuse},
    {"mock_response", kRefuse},
    {"lora_request", kRefuse},
    {"lora", kRefuse},
    {"inference_geo", kRefuse},
    // Other names for the output cap or the number of choices in some servers.
    {"max_output_tokens", kRefuse},
    {"max_new_tokens", kRefuse},
    {"max_length", kRefuse},
    {"n_predict", kRefuse},
    {"num_predict", kRefuse},
    {"n_cmpl", kRefuse},
    {"num_return_sequences", kRefuse},
    {"num_beams", kRefuse},
    {"use_beam_search", kRefuse},
    {"options", kRefuse},
    // Input that is not in the texts.
    {"chat_template", kRefuse},
    {"documents", kRefuse},
    {"images", kRefuse},
    {"prompt_embeds", kRefuse},
    {"mm_processor_kwargs", kRefuse},
    {"media_io_kwargs", kRefuse},
    {"multi_modal_data", kRefuse},
    // Work at the provider beyond the one answer.
    {"background", kRefuse},
    {"store", kRefuse},
    {"plugins", kRefuse},
    {"web_search_options", kRefuse},
    {"mcp_servers", kRefuse},
    {"container", kRefuse},
    {"prediction", kRefuse},
    {"audio", kRefuse},
    // A cache shared between callers tells one what another asked; who may use it, and the
    // order of the queue, is the operator's to say.
    {"cache_salt", kDrop},
    {"prompt_cache_key", kDrop},
    {"prompt_cache_retention", kDrop},
    {"cache_control", kDrop},
    {"priority", kDrop},
    {"request_id", kDrop},
    {"kv_transfer_params", kDrop},
    {"ec_transfer_params", kDrop},
    {"vllm_xargs", kDrop},
    {"context_management", kDrop},
    {"betas", kDrop},
});

constexpr auto kChat = std::to_array<Row>({
    {"messages", kMessages},
    {"tools", kTools},
    {"functions", kFunctions},
    {"n", kChoices},
    {"best_of", kBestOf},
    {"max_completion_tokens", kMaxCompletionTokens},
    {"stream_options", kStreamOptions},
    {"response_format", kCountedText},
    {"chat_template_kwargs", kCountedText},
    {"modalities", kModalities},
    {"top_logprobs", kLogprobCount},
    {"prompt_logprobs", kLogprobCount},
    {"prompt", kRefuse},
    {"input", kRefuse},
    {"system", kRefuse},
});

constexpr auto kText = std::to_array<Row>({
    {"prompt", kPrompt},
    {"suffix", kCountedText},
    {"n", kChoices},
    {"best_of", kBestOf},
    {"max_completion_tokens", kMaxCompletionTokens},
    {"stream_options", kStreamOptions},
    {"response_format", kCountedText},
    {"logprobs", kLogprobCount},
    {"prompt_logprobs", kLogprobCount},
    {"messages", kRefuse},
    {"input", kRefuse},
});

constexpr auto kVector = std::to_array<Row>({
    {"input", kInput},
    {"max_tokens", kRefuse},
    {"stream", kRefuse},
    {"n", kRefuse},
    {"messages", kRefuse},
    {"prompt", kRefuse},
});

constexpr auto kAnthropic = std::to_array<Row>({
    {"messages", kMessages},
    {"system", kSystem},
    {"tools", kTools},
    {"thinking", kThinking},
    {"output_config", kCountedText},
    {"output_format", kCountedText},
    {"n", kRefuse},
    {"best_of", kRefuse},
    {"max_completion_tokens", kRefuse},
    {"prompt", kRefuse},
    {"max_tokens_to_sample", kRefuse},
});

std::span<const Row> own_rows(Surface surface) {
  switch (surface) {
    case Surface::kChatCompletions:
      return kChat;
    case Surface::kCompletions:
      return kText;
    case Surface::kEmbeddings:
      return kVector;
    case Surface::kMessages:
      return kAnthropic;
    case Surface::kModels:
      break;
  }
  return {};
}

const Row* row_of(std::span<const Row> rows, std::string_view field) {
  const auto row = std::ranges::find(rows, field, &Row::field);
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace

FieldUse use_of(Surface surface, std::string_view field) {
  if (const Row* own = row_of(own_rows(surface), field)) return own->use;
  if (const Row* common = row_of(kCommon, field)) return common->use;
  return kPass;
}

}  // namespace tollgate::dialects
