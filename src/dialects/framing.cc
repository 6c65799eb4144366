#include "dialects/framing.h"

#include <algorithm>

namespace tollgate::dialects {

namespace {

// OpenAI's chat formula.
constexpr Tokens kPerMessage = 3;
constexpr Tokens kPerName = 1;
constexpr Tokens kReplyPriming = 3;

// Bounds. A function that is shown to a model as code has at most these around its JSON's
// own tokens, and a call in the history at most those around its name and arguments.
constexpr Tokens kPerTool = 24;
constexpr Tokens kAnyTool = 32;
constexpr Tokens kPerToolCallText = 4;
// A sequence may get a token at its begin and one at its end, by model.
constexpr Tokens kPerPrompt = 2;
// Anthropic publishes no framing for messages; for tools it publishes a system prompt of up to
// 530 tokens by model.
constexpr Tokens kPerAnthropicMessage = 8;
constexpr Tokens kAnthropicAnyTool = 600;

}  // namespace

Tokens framing_tokens(const Request& request) {
  const auto tools = static_cast<Tokens>(request.tools.size());
  const auto calls =
      static_cast<Tokens>(std::ranges::count(request.texts, TextKind::kToolCall, &Text::kind));
  const Tokens around_tools = tools * kPerTool + calls * kPerToolCallText;
  switch (request.surface) {
    case Surface::kChatCompletions:
      return request.messages * kPerMessage + request.names * kPerName + kReplyPriming +
             around_tools + (tools > 0 ? kAnyTool : 0);
    case Surface::kMessages:
      return (request.messages + 1) * kPerAnthropicMessage + kReplyPriming + around_tools +
             (tools > 0 ? kAnthropicAnyTool : 0);
    case Surface::kCompletions:
    case Surface::kEmbeddings:
      // One text a prompt; prompts of token ids are bounded by their ids.
      return static_cast<Tokens>(request.texts.size()) * kPerPrompt +
             (request.tokens_given > 0 ? request.prompts * kPerPrompt : 0);
    case Surface::kModels:
      break;
  }
  return 0;
}

}  // namespace tollgate::dialects
