#include "dialects/field_names.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tollgate::dialects {

namespace {

constexpr std::string_view kNames =
    // Of messages, blocks, items and parts.
    "action annotations approval_request_id approve arguments audio audio_url cache_control "
    "call_id caller citations code container_id content context created_by data detail "
    "document encrypted_content error execution file file_data file_id file_url filename "
    "format function function_call id image image_url index input input_audio is_error "
    "item_id max_length max_output_length media_type message name namespace object operation "
    "outcome output outputs phase prefix reasoning reasoning_content reasoning_details "
    "refusal result results role server_label server_name signature source status stderr "
    "stdout summary text thinking title token_ids tokens tool_call_id tool_calls tool_use_id "
    "transcript type url video video_url weight "
    // Of what is cited, searched and run.
    "cited_text command commands document_index document_title encrypted_index "
    "end_block_index end_char_index end_index end_page_number env error_code exit_code "
    "file_citation file_path logs page_age pattern queries query retrieved_at return_code "
    "safety_level score search_result_index sources start_block_index start_char_index "
    "start_index start_page_number timeout_ms url_citation user working_directory "
    // Of tools, and of which may be called.
    "allowed_callers allowed_domains allowed_tools approximate authorization blocked_domains "
    "cache city configs connector_id container country custom default_config defer_loading "
    "definition description disable_parallel_tool_use display_height_px display_number "
    "display_width_px eager_input_streaming enabled environment filters grammar headers "
    "input_examples input_schema max_characters max_num_results max_uses mcp_server_name mode "
    "parameters ranking_options region require_approval search_context_size "
    "server_description server_url strict syntax timezone tool_names tools ttl user_location "
    "vector_store_ids "
    // Of a body.
    "add_generation_prompt add_special_tokens api_key background bad_words best_of betas "
    "budget_tokens cache_salt chat_template chat_template_kwargs chunking_strategy "
    "client_metadata context_management continue_final_message conversation dimensions "
    "display documents dry_allowed_length echo edits effort encoding_format extra_body "
    "extra_headers frequency_penalty functions generate_summary guided_choice guided_grammar "
    "guided_json guided_regex ignore_eos include include_obfuscation "
    "include_stop_str_in_output include_usage inference_geo input_type instances instructions "
    "json_schema keep_alive language length_penalty logit_bias logprobs lora "
    "max_chunks_per_doc max_completion_tokens max_output_tokens max_tokens max_tokens_per_doc "
    "max_tool_calls mcp_servers messages metadata min_p min_tokens mirostat "
    "mm_processor_kwargs modalities model models moderation n negative_prompt options "
    "output_config output_format parallel_tool_calls parent_id passages plugins prediction "
    "presence_penalty previous_response_id priority prompt prompt_cache_key "
    "prompt_cache_retention prompt_logprobs prompts provider quality reasoning_effort "
    "reasoning_format repetition_penalty response_format return_documents safe_prompt "
    "safety_identifier schema seed service_tier session_id size skip_special_tokens "
    "spaces_between_special_tokens speed stop stop_sequences stop_token_ids store stream "
    "stream_options style suffix system task_type temperature text_1 text_2 thinking_budget "
    "tool_choice top_a top_k top_logprobs top_n top_p transforms truncate_prompt_tokens "
    "truncation typical_p user_id value values verbosity voice web_search_options window "
    // Of transcripts.
    "avg_logprob compression_ratio duration end no_speech_prob segments speaker start task words "
    // Of answers and their events.
    "annotation annotation_index audio_seconds block_type bytes choices chunk citation "
    "content_block content_filter_results content_index cost created delta event expires_at "
    "finish_reason incomplete_details item item_ids key languages matched_stop "
    "native_finish_reason obfuscation output_index part partial_image_b64 partial_image_index "
    "partial_json prompt_filter_results prompt_token_ids remote response sequence_number "
    "output_text stop_reason stop_sequence summary_index system_fingerprint usage ";

// Open addressing, by what tells most of the names from each other.
constexpr std::size_t kSlots = 1'024;
constexpr std::size_t slot_of(std::string_view name) {
  const auto at = [&](std::size_t place) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(name[place]));
  };
  const std::uint32_t mix = static_cast<std::uint32_t>(name.size()) + at(0) * 31 +
                            at(name.size() / 2) * 1'009 + at(name.size() - 1) * 8'191;
  return mix * 0x9E37'79B1U >> 22;
}

constexpr std::array<std::string_view, kSlots> kTable = [] {
  std::array<std::string_view, kSlots> table{};
  for (std::string_view rest = kNames; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    rest.remove_prefix(name.size() + 1);
    std::size_t slot = slot_of(name);
    while (!table[slot].empty()) slot = (slot + 1) % kSlots;
    table[slot] = name;
  }
  return table;
}();

}  // namespace

bool is_field_name(std::string_view name) {
  if (name.empty()) return false;
  for (std::size_t slot = slot_of(name); !kTable[slot].empty(); slot = (slot + 1) % kSlots) {
    if (kTable[slot] == name) return true;
  }
  return false;
}

}  // namespace tollgate::dialects
