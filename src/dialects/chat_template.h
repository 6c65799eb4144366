// The chat templates that are known: what each prints around the texts of a request, in tokens of
// its models' own vocabulary.
//
// A row says what stands around a message of each role (markers, the name of the role, line feeds),
// what begins and ends every prompt, what a missing system message is replaced by, and what tools
// and calls add. Where a template prints a text between special tokens the figures are exact; where
// it prints JSON anew they are bounds, and so is all that stands around tools.
//
// Sources, held by framing_golden_test to the templates themselves:
//   openai       OpenAI cookbook, "How to count tokens with tiktoken": 3 tokens a message, 1 a
//   name,
//                3 for the reply. Tools have no published form; the cookbook's reckoning of them
//                (7 to 10 a function, 12 at the end, 3 a property and 3 an enumerated value, the
//                words once) is within the tokens of their JSON and what is added here.
//   llama3       tokenizer_config.json of meta-llama/Meta-Llama-3-8B-Instruct
//   llama3_1     …of meta-llama/Llama-3.1-8B-Instruct (3.2 and 3.3 print the same), with the system
//                message that vLLM's tool_chat_template_llama3.1_json.jinja adds where there are
//                tools. Never below llama3.
//   chatml       https://github.com/openai/openai-python/blob/v0.28.1/chatml.md, as Qwen3 prints it
//                (tokenizer_config.json of Qwen/Qwen3-8B)
//   qwen2_5      …of Qwen/Qwen2.5-7B-Instruct, which has a system message of its own
//   deepseek_v3  …of deepseek-ai/DeepSeek-V3, tools as vLLM's tool_chat_template_deepseekv3.jinja
//   mistral      …of mistralai/Mistral-Nemo-Instruct-2407, with [SYSTEM_PROMPT] as in
//                mistral-common's v7
//   llama2       …of meta-llama/Llama-2-7b-chat-hf
//   gemma3       …of google/gemma-3-4b-it
//   harmony      OpenAI, "OpenAI harmony response format", of gpt-oss, as openai-harmony renders it
// Templates that know no tools (llama3, llama2, gemma3) are bounded as llama3_1 is: servers that
// take tools for their models print them by a template of their own, or not at all.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/units.h"

namespace tollgate::dialects {

enum class ChatTemplate : std::uint8_t {
  kLargest,  // Not known: of every figure the largest of all others.
  kOpenAi,
  kLlama3,
  kLlama3_1,
  kChatml,
  kQwen2_5,
  kDeepseekV3,
  kMistral,
  kLlama2,
  kGemma3,
  kHarmony,
};

// "openai", "llama3_1"…, in the order of the enumerators; "largest" is the first.
std::span<const std::string_view> chat_template_names();
std::optional<ChatTemplate> chat_template_named(std::string_view name);
std::string_view name_of(ChatTemplate chat_template);

// That of the models whose vocabulary has this name. Llama 3 and 3.1 share one: the larger.
// kLargest for none, for a path, and for vocabularies of models that are not for chat.
ChatTemplate chat_template_of(std::string_view tokenizer);

// One row: tokens, but for `level_parts`.
struct TemplateRow {
  // The begin token, and the header of the reply.
  int prompt = 0;
  // What the first message being a system message adds, or takes where a header stands anyway; and
  // what stands there without one.
  int with_system = 0;
  int without_system = 0;
  // Around a message of each role, its name included unless `counts_roles`.
  int system = 0;
  int user = 0;
  int assistant = 0;
  int tool = 0;
  int name = 0;  // Around the name of a participant.
  int join = 0;  // Between two parts of a content.
  // Instructions where there is any tool, around each definition, around each call.
  int any_tool = 0;
  int definition = 0;
  int call = 0;
  // Printed anew, JSON grows by so much a comma, a colon and a container, and by a token for so
  // many levels that its lines lie deep; 0: it has no lines.
  int comma = 0;
  int colon = 0;
  int container = 0;
  int level_parts = 0;
  bool counts_roles = false;     // The name of the role is a text like others.
  bool shows_tools = true;       // Else tools and calls are counted, and may not be there.
  bool escapes_results = false;  // What a tool answered is printed as a JSON string.
  bool trims = false;            // Contents lose the white space around them.
};

const TemplateRow& row_of(ChatTemplate chat_template);

}  // namespace tollgate::dialects
