#include "dialects/chat_template.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace tollgate::dialects {

namespace {

constexpr std::array<std::string_view, 11> kNames{"largest", "openai",  "llama3",      "llama3_1",
                                                  "chatml",  "qwen2_5", "deepseek_v3", "mistral",
                                                  "llama2",  "gemma3",  "harmony"};

// Tools of templates that print them as JSON on lines of their own, four spaces a level; of
// Llama 2, whose vocabulary has runs of at most 16 spaces, the instructions are longer.
constexpr TemplateRow indented(TemplateRow row, int any_tool, int level_parts) {
  row.any_tool = any_tool;
  row.definition = 16;
  row.call = 16;
  row.comma = 3;
  row.colon = 1;
  row.container = 4;
  row.level_parts = level_parts;
  row.escapes_results = true;
  row.trims = true;
  return row;
}

constexpr TemplateRow kOpenAiRow{.prompt = 3,
                                 .system = 3,
                                 .user = 3,
                                 .assistant = 3,
                                 .tool = 3,
                                 .name = 1,
                                 .join = 2,
                                 .any_tool = 32,
                                 .definition = 24,
                                 .call = 12,
                                 .comma = 2,
                                 .counts_roles = true};

// A template that knows no tools: a server prints them by another, or leaves them out.
constexpr TemplateRow without_tools(TemplateRow row) {
  row.shows_tools = false;
  return row;
}

constexpr TemplateRow kLlama3Row = without_tools(
    indented({.prompt = 5, .system = 5, .user = 5, .assistant = 5, .tool = 8, .name = 1, .join = 2},
             128, 16));

constexpr TemplateRow kLlama3_1Row = indented({.prompt = 30,
                                               .with_system = -5,
                                               .system = 5,
                                               .user = 5,
                                               .assistant = 5,
                                               .tool = 8,
                                               .name = 1,
                                               .join = 2},
                                              128, 16);

constexpr TemplateRow kChatmlRow{.prompt = 3,
                                 .system = 5,
                                 .user = 5,
                                 .assistant = 5,
                                 .tool = 15,
                                 .name = 1,
                                 .join = 2,
                                 .any_tool = 96,
                                 .definition = 16,
                                 .call = 16,
                                 .comma = 1,
                                 .colon = 1};

constexpr TemplateRow qwen2_5() {
  TemplateRow row = kChatmlRow;
  row.without_system = 21;
  return row;
}

constexpr TemplateRow kDeepseekV3Row{.prompt = 2,
                                     .with_system = -1,
                                     .system = 1,
                                     .user = 1,
                                     .assistant = 2,
                                     .tool = 6,
                                     .name = 1,
                                     .join = 2,
                                     .any_tool = 128,
                                     .definition = 16,
                                     .call = 16,
                                     .comma = 1,
                                     .colon = 1,
                                     .shows_tools = false};

constexpr TemplateRow kMistralRow{.prompt = 1,
                                  .system = 2,
                                  .user = 2,
                                  .assistant = 1,
                                  .tool = 16,
                                  .name = 1,
                                  .join = 2,
                                  .any_tool = 8,
                                  .definition = 16,
                                  .call = 20,
                                  .comma = 1,
                                  .colon = 1};

// The vocabulary puts a space before a text, where the template may put two or none: a word
// without one is up to some tokens more.
constexpr TemplateRow kLlama2Row = without_tools(indented(
    {.prompt = 1, .system = 13, .user = 8, .assistant = 3, .tool = 12, .name = 1, .join = 2}, 192,
    4));

constexpr TemplateRow kGemma3Row = without_tools(indented({.prompt = 4,
                                                           .with_system = -4,
                                                           .system = 5,
                                                           .user = 5,
                                                           .assistant = 5,
                                                           .tool = 8,
                                                           .name = 1,
                                                           .join = 2},
                                                          128, 7));

constexpr TemplateRow kHarmonyRow{.prompt = 63,
                                  .system = 8,
                                  .user = 4,
                                  .assistant = 6,
                                  .tool = 12,
                                  .name = 1,
                                  .join = 2,
                                  .any_tool = 40,
                                  .definition = 24,
                                  .call = 12,
                                  .comma = 1,
                                  .colon = 1,
                                  .escapes_results = true};

constexpr std::array<TemplateRow, 10> kRows{kOpenAiRow, kLlama3Row,     kLlama3_1Row, kChatmlRow,
                                            qwen2_5(),  kDeepseekV3Row, kMistralRow,  kLlama2Row,
                                            kGemma3Row, kHarmonyRow};

constexpr TemplateRow largest() {
  using Figure = int TemplateRow::*;
  constexpr Figure kFigures[] = {
      &TemplateRow::prompt, &TemplateRow::without_system, &TemplateRow::system,
      &TemplateRow::user,   &TemplateRow::assistant,      &TemplateRow::tool,
      &TemplateRow::name,   &TemplateRow::join,           &TemplateRow::any_tool,
      &TemplateRow::call,   &TemplateRow::definition,     &TemplateRow::comma,
      &TemplateRow::colon,  &TemplateRow::container};
  TemplateRow most{.level_parts = 64,
                   .counts_roles = true,
                   .shows_tools = false,
                   .escapes_results = true,
                   .trims = true};
  for (const TemplateRow& row : kRows) {
    for (const Figure figure : kFigures) most.*figure = std::max(most.*figure, row.*figure);
    if (row.level_parts > 0) most.level_parts = std::min(most.level_parts, row.level_parts);
  }
  return most;
}

constexpr TemplateRow kLargestRow = largest();

}  // namespace

std::span<const std::string_view> chat_template_names() { return kNames; }

std::optional<ChatTemplate> chat_template_named(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<ChatTemplate>(std::distance(kNames.begin(), found));
}

std::string_view name_of(ChatTemplate chat_template) {
  return kNames[static_cast<std::size_t>(chat_template)];
}

ChatTemplate chat_template_of(std::string_view tokenizer) {
  struct Known {
    std::string_view tokenizer;
    ChatTemplate chat_template;
  };
  constexpr Known kKnown[] = {
      {"o200k_base", ChatTemplate::kOpenAi},     {"cl100k_base", ChatTemplate::kOpenAi},
      {"o200k_harmony", ChatTemplate::kHarmony}, {"llama3", ChatTemplate::kLlama3_1},
      {"qwen2_5", ChatTemplate::kQwen2_5},       {"deepseek_v3", ChatTemplate::kDeepseekV3},
      {"mistral_nemo", ChatTemplate::kMistral},  {"llama2", ChatTemplate::kLlama2},
      {"gemma3", ChatTemplate::kGemma3}};
  const Known* const found = std::ranges::find(kKnown, tokenizer, &Known::tokenizer);
  return found == std::end(kKnown) ? ChatTemplate::kLargest : found->chat_template;
}

const TemplateRow& row_of(ChatTemplate chat_template) {
  if (chat_template == ChatTemplate::kLargest) return kLargestRow;
  return kRows[static_cast<std::size_t>(chat_template) - 1];
}

}  // namespace tollgate::dialects
