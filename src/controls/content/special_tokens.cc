#include <algorithm>

#include "controls/content/identifiers.h"
#include "controls/content/patterns.h"

namespace tollgate::content {

namespace {

// A turn of the model alone is how people write down a conversation; with one of theirs before it,
// it is how one is forged.
bool follows_a_human(std::string_view text, const Extent& extent) {
  constexpr std::size_t kTurnMax = 1024;
  const std::size_t begin = extent.begin - std::min(extent.begin, kTurnMax);
  return text.substr(begin, extent.begin - begin).contains("\n\nHuman:");
}

// Also where a word is the last of it.
bool ends_with_its_word(std::string_view text, const Extent& extent) {
  const auto is_word = [](char c) { return is_alnum(c) || c == '_'; };
  return extent.end >= text.size() || !is_word(text[extent.end - 1]) || !is_word(text[extent.end]);
}

constexpr Pattern kTokens[] = {
    {"special_tokens.chatml", R"(<\|im_(?:start|end|sep)\|>)"},
    {"special_tokens.kimi_roles", R"(<\|im_(?:user|assistant|system|middle)\|>)"},
    {"special_tokens.end_of_text", R"(<\|(?:endoftext|endofprompt|startoftext|endofmask)\|>)"},
    {"special_tokens.fill_in_middle",
     R"(<\|?(?:fim_prefix|fim_middle|fim_suffix|fim_pad|repo_name|file_sep)\|?>)"},
    {"special_tokens.llama3_text", R"(<\|(?:begin_of_text|end_of_text)\|>)"},
    {"special_tokens.llama3_header", R"(<\|(?:start_header_id|end_header_id)\|>)"},
    {"special_tokens.llama3_turn", R"(<\|(?:eot_id|eom_id|python_tag)\|>)"},
    {"special_tokens.llama4_header", R"(<\|(?:header_start|header_end|eot|eom)\|>)"},
    {"special_tokens.llama4_python", R"(<\|(?:python_start|python_end)\|>)"},
    {"special_tokens.reserved", R"(<\|reserved_(?:special_token_)?[0-9]{1,6}\|>)"},
    {"special_tokens.harmony", R"(<\|(?:start|channel|message|return|call|constrain)\|>)"},
    {"special_tokens.gemma_turn", R"(<(?:start|end)_of_turn>)"},
    {"special_tokens.gemma_unused", R"(<unused[0-9]{1,4}>)"},
    {"special_tokens.llama2_instruction", R"(\[/?INST\])"},
    {"special_tokens.llama2_system", R"(<</?SYS>>)"},
    {"special_tokens.sentence_border",
     R"((?:</s>\s{0,8}<s>|<s>\s{0,8}\[INST\]|</s>\s{0,8}(?:user|assistant|system|USER|ASSISTANT)))",
     ends_with_its_word},
    {"special_tokens.deepseek_sentence",
     "<(?:\\||\uff5c)(?:begin|end)(?:_|\u2581)of(?:_|\u2581)sentence(?:\\||\uff5c)>"},
    {"special_tokens.deepseek_roles", "<(?:\\||\uff5c)(?:User|Assistant)(?:\\||\uff5c)>"},
    {"special_tokens.deepseek_tools",
     "<(?:\\||\uff5c)tool(?:_|\u2581)(?:calls?|outputs?|sep)(?:(?:_|\u2581)(?:begin|end))?"
     "(?:\\||\uff5c)>"},
    {"special_tokens.mistral_tools", R"(\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"},
    {"special_tokens.mistral_system", R"(\[/?SYSTEM_PROMPT\])"},
    {"special_tokens.phi_roles", R"(<\|(?:system|user|assistant|tool|observation)\|>)"},
    {"special_tokens.phi_end", R"(<\|(?:end|placeholder[0-9]{1,2}|dummy_[0-9]{1,2})\|>)"},
    {"special_tokens.command_turn", R"(<\|(?:START|END)_OF_TURN_TOKEN\|>)"},
    {"special_tokens.command_roles", R"(<\|(?:USER|CHATBOT|SYSTEM)_TOKEN\|>)"},
    {"special_tokens.granite_roles", R"(<\|(?:start_of_role|end_of_role|start_of_cite)\|>)"},
    {"special_tokens.glm", R"((?:\[g?MASK\]\s{0,2}<sop>|<\|(?:begin_of_image|end_of_image)\|>))"},
    {"special_tokens.tool_call", R"(</?(?:tool_call|tool_response|tool_calls)>)"},
    {"special_tokens.tool_section",
     R"(<\|tool_calls?_(?:section_)?(?:begin|end|argument_begin)\|>)"},
    {"special_tokens.function_calls", R"(</?(?:antml:)?(?:function_calls|function_results)>)"},
    {"special_tokens.vision",
     R"(<\|(?:vision_start|vision_end|vision_pad|image_pad|video_pad|image_start|image_end)\|>)"},
    {"special_tokens.anthropic_turns", R"(\n\nAssistant:)", follows_a_human},
    {"special_tokens.alpaca_turns", R"(\n### ?(?:Instruction|Response|Human|Assistant):)"},
    {"special_tokens.falcon", R"(>>(?:QUESTION|ANSWER|INTRODUCTION|SUMMARY)<<)"},
    {"special_tokens.thought", R"(<\|(?:begin|end)_of_(?:thought|solution)\|>)"},
    {"special_tokens.hermes", R"(<\|(?:begin|end)_of_(?:turn|system|user|assistant)\|>)"},
};

}  // namespace

std::span<const Pattern> special_tokens() { return kTokens; }

}  // namespace tollgate::content
