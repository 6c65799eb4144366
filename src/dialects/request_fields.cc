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

// The tables are looked up for each field of each request; lengths tell most names apart
// without a look at their bytes.
constexpr bool comes_before(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

template <std::size_t kCount>
consteval std::array<Row, kCount> sorted(std::array<Row, kCount> rows) {
  std::ranges::sort(rows, comes_before, &Row::field);
  return rows;
}

// Of every surface, where its own table does not say otherwise.
constexpr auto kCommon = sorted(std::to_array<Row>({
    {"model", kModel},
    {"stream", kStream},
    {"max_tokens", kMaxTokens},
    {"service_tier", kServiceTier},
    {"speed", kSpeed},
    {"metadata", kPass},
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
    {"lora_path", kRefuse},
    {"bootstrap_host", kRefuse},
    {"bootstrap_port", kRefuse},
    {"logits_processors", kRefuse},
    {"custom_logit_processor", kRefuse},
    {"guided_decoding_backend", kRefuse},
    {"inference_geo", kRefuse},
    // Other names for the output cap or the number of choices in some servers.
    {"max_output_tokens", kRefuse},
    {"max_new_tokens", kRefuse},
    {"max_length", kRefuse},
    {"max_tokens_to_sample", kRefuse},
    {"enable_thinking", kRefuse},
    {"thinking_budget", kRefuse},
    {"n_predict", kRefuse},
    {"num_predict", kRefuse},
    {"n_cmpl", kRefuse},
    {"num_return_sequences", kRefuse},
    {"num_beams", kRefuse},
    {"use_beam_search", kRefuse},
    {"options", kRefuse},
    // Input that is not in the texts, and what a template may add to it.
    {"chat_template", kRefuse},
    {"chat_template_kwargs", kRefuse},
    {"safe_prompt", kRefuse},
    {"input_type", kRefuse},
    {"documents", kRefuse},
    {"images", kRefuse},
    {"prompt_embeds", kRefuse},
    {"mm_processor_kwargs", kRefuse},
    {"media_io_kwargs", kRefuse},
    {"multi_modal_data", kRefuse},
    // Work at the provider beyond the one answer.
    {"background", kRefuse},
    {"keep_alive", kRefuse},
    {"store", kRefuse},
    {"plugins", kRefuse},
    {"web_search_options", kRefuse},
    {"mcp_servers", kRefuse},
    {"container", kRefuse},
    {"prediction", kRefuse},
    {"search", kRefuse},
    {"enable_search", kRefuse},
    {"web_search", kRefuse},
    {"use_search", kRefuse},
    {"search_mode", kRefuse},
    {"return_images", kRefuse},
    {"return_related_questions", kRefuse},
    {"cached_content", kRefuse},
    {"previous_response_id", kRefuse},
    {"conversation", kRefuse},
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
    // Which program asks, of whom, on which machine: nothing for the provider.
    {"client_metadata", kDrop},
}));

// Of chat and completions: how the next token is chosen, what it is told with, and where the
// output ends. None of it reaches beyond the cap.
constexpr auto kSampling = sorted(std::to_array<Row>({
    {"temperature", kPass},
    {"top_p", kPass},
    {"frequency_penalty", kPass},
    {"presence_penalty", kPass},
    {"logit_bias", kPass},
    {"seed", kPass},
    {"stop", kPass},
    {"user", kPass},
    {"safety_identifier", kPass},
    // vLLM, SGLang, llama.cpp and Ollama.
    {"top_k", kPass},
    {"min_p", kPass},
    {"top_a", kPass},
    {"typical_p", kPass},
    {"repetition_penalty", kPass},
    {"repeat_penalty", kPass},
    {"repeat_last_n", kPass},
    {"length_penalty", kPass},
    {"mirostat", kPass},
    {"mirostat_eta", kPass},
    {"mirostat_tau", kPass},
    {"min_tokens", kPass},
    {"ignore_eos", kPass},
    {"stop_token_ids", kPass},
    {"include_stop_str_in_output", kPass},
    {"no_stop_trim", kPass},
    {"allowed_token_ids", kPass},
    {"bad_words", kPass},
    {"skip_special_tokens", kPass},
    {"spaces_between_special_tokens", kPass},
    {"add_special_tokens", kSpecialTokens},
    {"truncate_prompt_tokens", kPass},
    {"return_token_ids", kPass},
    {"return_tokens_as_token_ids", kPass},
    // Some servers describe to the model what its output is held to.
    {"guided_json", kCountedText},
    {"guided_regex", kCountedText},
    {"guided_choice", kCountedText},
    {"guided_grammar", kCountedText},
    {"guided_whitespace_pattern", kCountedText},
    {"structured_outputs", kCountedText},
    {"structural_tag", kCountedText},
    {"json_schema", kCountedText},
    {"grammar", kCountedText},
    {"regex", kCountedText},
    {"ebnf", kCountedText},
    {"response_format", kCountedText},
    {"n", kChoices},
    {"best_of", kBestOf},
    {"max_completion_tokens", kMaxCompletionTokens},
    {"stream_options", kStreamOptions},
    {"logprobs", kLogprobCount},
    {"prompt_logprobs", kLogprobCount},
}));

constexpr auto kChat = sorted(std::to_array<Row>({
    {"messages", kMessages},
    {"tools", kTools},
    {"tool_choice", kToolChoice},
    {"parallel_tool_calls", kBesideTools},
    {"functions", kFunctions},
    {"function_call", kToolChoice},
    {"reasoning_effort", kPass},
    {"include_reasoning", kPass},
    {"separate_reasoning", kPass},
    {"stream_reasoning", kPass},
    {"verbosity", kPass},
    {"add_generation_prompt", kPass},
    {"continue_final_message", kPass},
    {"modalities", kModalities},
    {"top_logprobs", kLogprobCount},
    {"prompt", kRefuse},
    {"input", kRefuse},
    {"system", kRefuse},
}));

constexpr auto kText = sorted(std::to_array<Row>({
    {"prompt", kPrompt},
    {"suffix", kCountedText},
    {"echo", kPass},
    {"messages", kRefuse},
    {"input", kRefuse},
}));

constexpr auto kVector = sorted(std::to_array<Row>({
    {"input", kInput},
    {"dimensions", kPass},
    {"encoding_format", kPass},
    {"user", kPass},
    {"safety_identifier", kPass},
    {"truncate_prompt_tokens", kPass},
    {"add_special_tokens", kPass},
    {"normalize", kPass},
    {"max_tokens", kRefuse},
    {"stream", kRefuse},
    {"n", kRefuse},
    {"messages", kRefuse},
    {"prompt", kRefuse},
}));

constexpr auto kAnthropic = sorted(std::to_array<Row>({
    {"messages", kMessages},
    {"system", kSystem},
    {"tools", kTools},
    {"tool_choice", kToolChoice},
    {"thinking", kThinking},
    {"cache_control", kCacheControl},
    {"temperature", kPass},
    {"top_k", kPass},
    {"top_p", kPass},
    {"stop_sequences", kPass},
    {"output_config", kCountedText},
    {"output_format", kCountedText},
    {"n", kRefuse},
    {"best_of", kRefuse},
    {"max_completion_tokens", kRefuse},
    {"prompt", kRefuse},
    {"max_tokens_to_sample", kRefuse},
}));

// What a count is of is what a message would be asked of.
constexpr auto kCounted = sorted(std::to_array<Row>({
    {"messages", kMessages},
    {"system", kSystem},
    {"tools", kTools},
    {"tool_choice", kToolChoice},
    {"thinking", kThinking},
    {"output_config", kCountedText},
    {"output_format", kCountedText},
    {"max_tokens", kDrop},
    {"stream", kRefuse},
    {"prompt", kRefuse},
    {"n", kRefuse},
}));

constexpr auto kModeration = sorted(std::to_array<Row>({
    {"input", kModerated},
    {"user", kPass},
    {"stream", kRefuse},
    {"max_tokens", kRefuse},
    {"messages", kRefuse},
    {"prompt", kRefuse},
    {"n", kRefuse},
}));

constexpr auto kRanking = sorted(std::to_array<Row>({
    {"query", kQuery},
    {"documents", kDocuments},
    {"instruction", kRefuse},  // Servers read it with each document.
    {"top_n", kPass},
    {"top_k", kPass},
    {"return_documents", kPass},
    {"max_tokens_per_doc", kPass},
    {"max_chunks_per_doc", kPass},
    {"truncate_prompt_tokens", kPass},
    {"user", kPass},
    {"stream", kRefuse},
    {"max_tokens", kRefuse},
    {"messages", kRefuse},
    {"prompt", kRefuse},
    {"input", kRefuse},
    {"n", kRefuse},
}));

// Of what is made, and paid by what it is: all that could change that is known, and what is not
// known is refused whatever its value.
constexpr auto kImage = sorted(std::to_array<Row>({
    {"prompt", kDescription},
    {"n", kChoices},
    {"size", kImageSize},
    {"quality", kImageQuality},
    {"response_format", kImageFormat},
    {"style", kUnknown},
    {"background", kUnknown},
    {"moderation", kUnknown},
    {"output_format", kUnknown},
    {"output_compression", kUnknown},
    {"user", kUnknown},
    {"safety_identifier", kUnknown},
    {"partial_images", kRefuse},  // Each costs tokens of its own.
    {"stream", kRefuse},
    {"max_tokens", kRefuse},
    {"metadata", kRefuse},
    {"input", kRefuse},
    {"messages", kRefuse},
}));

constexpr auto kSpeech = sorted(std::to_array<Row>({
    {"input", kSpoken},
    {"instructions", kSpoken},
    {"voice", kUnknown},
    {"speed", kUnknown},
    {"response_format", kSoundFormat},
    {"stream_format", kSoundStream},
    {"stream", kRefuse},
    {"n", kRefuse},
    {"max_tokens", kRefuse},
    {"metadata", kRefuse},
    {"prompt", kRefuse},
    {"messages", kRefuse},
}));

constexpr auto kResponse = sorted(std::to_array<Row>({
    {"input", kItems},
    {"instructions", kInstructions},
    {"tools", kTools},
    {"tool_choice", kToolChoice},
    {"parallel_tool_calls", kBesideTools},
    {"max_tool_calls", kMaxToolCalls},
    {"max_output_tokens", kMaxTokens},
    {"text", kTextOptions},
    {"reasoning", kPass},
    {"include", kPass},
    {"truncation", kPass},
    {"temperature", kPass},
    {"top_p", kPass},
    {"top_logprobs", kLogprobCount},
    {"stream_options", kPass},
    {"user", kPass},
    {"safety_identifier", kPass},
    {"store", kStore},
    {"previous_response_id", kPreviousResponse},
    {"conversation", kConversation},
    {"prompt", kRefuse},
    {"messages", kRefuse},
    {"max_tokens", kRefuse},
    {"max_completion_tokens", kRefuse},
    {"n", kRefuse},
    {"best_of", kRefuse},
}));

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
    case Surface::kResponses:
      return kResponse;
    case Surface::kCountTokens:
      return kCounted;
    case Surface::kModerations:
      return kModeration;
    case Surface::kRerank:
      return kRanking;
    case Surface::kImages:
      return kImage;
    case Surface::kSpeech:
      return kSpeech;
    case Surface::kTranscriptions:  // Forms: request_form.cc.
    case Surface::kTranslations:
    case Surface::kImageEdits:
    case Surface::kMcp:
    case Surface::kModels:
      break;
  }
  return {};
}

const Row* row_of(std::span<const Row> rows, std::string_view field) {
  const auto row = std::ranges::lower_bound(rows, field, comes_before, &Row::field);
  return row == rows.end() || row->field != field ? nullptr : &*row;
}

}  // namespace

FieldUse use_of(Surface surface, std::string_view field) {
  if (const Row* own = row_of(own_rows(surface), field)) return own->use;
  const bool samples = surface == Surface::kChatCompletions || surface == Surface::kCompletions;
  if (const Row* row = samples ? row_of(kSampling, field) : nullptr) return row->use;
  if (const Row* common = row_of(kCommon, field)) return common->use;
  return unit_of(surface) == Unit::kNone ? kUnknown : kRefuse;
}

}  // namespace tollgate::dialects
