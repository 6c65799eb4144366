#include "dialects/framing.h"

#include <algorithm>

#include "dialects/json_form.h"

namespace tollgate::dialects {

namespace {

// A sequence may get a token at its begin and one at its end, by model.
constexpr Tokens kPerPrompt = 2;
// A format that the output is held to may be shown to the model.
constexpr Tokens kPerFormat = 32;
// Anthropic publishes no framing for messages; for tools it publishes a system prompt of up to
// 530 tokens by model.
constexpr Tokens kPerAnthropicMessage = 8;
constexpr Tokens kAnthropicReply = 3;
constexpr Tokens kAnthropicAnyTool = 600;

Tokens around_messages(const Request& request, const TemplateRow& row) {
  const Turns& turns = request.turns;
  return row.prompt + (turns.begins_with_system ? row.with_system : row.without_system) +
         turns.system * row.system + turns.user * row.user + turns.assistant * row.assistant +
         turns.tool * row.tool + request.names * row.name;
}

// What is printed anew, and instructions: bounds.
Tokens around_tools(const Request& request, const TemplateRow& row, std::int64_t printings) {
  const Turns& turns = request.turns;
  const JsonForm& form = turns.definitions;
  const auto tools = static_cast<Tokens>(request.tools.size());
  const Tokens definitions =
      tools * row.definition + turns.formats * kPerFormat + form.commas * row.comma +
      form.colons * row.colon + form.containers * row.container +
      (row.level_parts > 0 ? form.levels / row.level_parts : 0) + form.exponents * kPerExponent;
  const Tokens calls = turns.calls * row.call + (row.colon > 0 ? turns.calls_growth : 0) +
                       (row.escapes_results ? turns.results_growth : 0);
  return (definitions + (tools > 0 ? row.any_tool : 0)) * printings + calls;
}

Framing of_template(const Request& request, ChatTemplate chat_template) {
  const TemplateRow& row = row_of(chat_template);
  const Tokens messages = around_messages(request, row);
  const Tokens bounds =
      around_tools(request, row, readings_of(TextKind::kToolDefinition, request, chat_template)) +
      request.turns.joins * row.join + (request.adds_special_tokens ? kPerPrompt : 0);
  return {messages + bounds, chat_template == ChatTemplate::kLargest ? messages + bounds : bounds};
}

Framing of_anthropic(const Request& request) {
  const TemplateRow& row = row_of(ChatTemplate::kOpenAi);
  const Tokens tokens = (request.messages + 1) * kPerAnthropicMessage + kAnthropicReply +
                        around_tools(request, row, 1) +
                        (request.tools.empty() ? 0 : kAnthropicAnyTool);
  return {tokens, tokens};
}

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f); }

// The bytes of the white space at the begin of `text`, which is not empty; 0: there is none. All
// that Python's str.strip() takes.
std::size_t white_at_begin(std::string_view text) {
  if (is_white(text.front())) return 1;
  for (const std::string_view wide : {"\u0085", "\u00a0"})
    if (text.starts_with(wide)) return 2;
  if (text.size() < 3) return 0;
  const std::string_view three = text.substr(0, 3);
  const bool general = three >= "\u2000" && three <= "\u200a";
  const bool other = three == "\u1680" || three == "\u2028" || three == "\u2029" ||
                     three == "\u202f" || three == "\u205f" || three == "\u3000";
  return general || other ? 3 : 0;
}

std::size_t white_at_end(std::string_view text) {
  if (is_white(text.back())) return 1;
  for (const std::size_t size : {2, 3})
    if (text.size() >= size && white_at_begin(text.substr(text.size() - size)) == size) return size;
  return 0;
}

}  // namespace

Framing framing_of(const Request& request, ChatTemplate chat_template) {
  switch (request.surface) {
    case Surface::kChatCompletions:
    case Surface::kResponses:
      return of_template(request, chat_template);
    case Surface::kMessages:
    case Surface::kCountTokens: {
      const Framing bound = of_anthropic(request);
      if (chat_template == ChatTemplate::kLargest) return bound;
      const Tokens printed = of_template(request, chat_template).tokens;
      const Tokens most = std::max(bound.tokens, printed);
      return {most, most};
    }
    case Surface::kRerank: {
      // A query and a document, with a token between and at each end of them.
      const Tokens tokens = request.prompts * 2 * kPerPrompt;
      return {tokens, tokens};
    }
    case Surface::kCompletions:
    case Surface::kModerations:
    case Surface::kImages:
    case Surface::kSpeech:
    case Surface::kTranscriptions:
    case Surface::kTranslations:
    case Surface::kImageEdits:
    case Surface::kEmbeddings: {
      // One text a prompt; prompts of token ids are bounded by their ids.
      const Tokens tokens = static_cast<Tokens>(request.texts.size()) * kPerPrompt +
                            (request.tokens_given > 0 ? request.prompts * kPerPrompt : 0);
      return {tokens, tokens};
    }
    case Surface::kMcp:
    case Surface::kModels:
      break;
  }
  return {};
}

std::int64_t readings_of(TextKind kind, const Request& request, ChatTemplate chat_template) {
  if (kind == TextKind::kQuery) return request.prompts;
  const bool repeats =
      chat_template == ChatTemplate::kMistral || chat_template == ChatTemplate::kLargest;
  const bool is_printed =
      request.surface == Surface::kChatCompletions || request.surface == Surface::kResponses;
  const bool is_repeated = kind == TextKind::kToolDefinition && repeats && is_printed;
  return is_repeated ? request.turns.repeats : 1;
}

Printed printed(const Text& text, Surface surface, const TemplateRow& row) {
  Printed parts{.before = {}, .text = text.text, .after = {}};
  if (surface != Surface::kChatCompletions && surface != Surface::kResponses) return parts;
  if (text.kind == TextKind::kRole && !row.counts_roles) return {};
  if (text.kind != TextKind::kContent || !row.trims) return parts;
  std::string_view& body = parts.text;
  while (!body.empty()) {
    const std::size_t white = white_at_begin(body);
    if (white == 0) break;
    body.remove_prefix(white);
  }
  parts.before = text.text.substr(0, text.text.size() - body.size());
  const std::size_t whole = body.size();
  while (!body.empty()) {
    const std::size_t white = white_at_end(body);
    if (white == 0) break;
    body.remove_suffix(white);
  }
  parts.after = text.text.substr(text.text.size() - (whole - body.size()));
  return parts;
}

}  // namespace tollgate::dialects
