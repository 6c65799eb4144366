// The doors that tollgate serves and the wire dialects they speak.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tollgate::dialects {

enum class Dialect : std::uint8_t {
  kOpenAi,
  kAnthropic,
  kMcp,  // JSON-RPC; spoken by no model.
};

enum class Surface : std::uint8_t {
  kChatCompletions,  // OpenAI POST /v1/chat/completions
  kCompletions,      // OpenAI POST /v1/completions
  kEmbeddings,       // OpenAI POST /v1/embeddings
  kModels,           // GET /v1/models: answered by tollgate itself, only what the caller may use.
  kMessages,         // Anthropic POST /v1/messages
  kResponses,        // OpenAI POST /v1/responses
  kCountTokens,      // Anthropic POST /v1/messages/count_tokens
  kModerations,      // OpenAI POST /v1/moderations
  kRerank,           // POST /v1/rerank, as Jina, Cohere and vLLM have it; refusals as OpenAI's.
  kMcp,              // An MCP server, at a path of the route's own; see mcp_message.h.
  kImages,           // OpenAI POST /v1/images/generations
  kSpeech,           // OpenAI POST /v1/audio/speech: answers are sound, not JSON.
  kTranscriptions,   // OpenAI POST /v1/audio/transcriptions: requests are forms (form.h).
  kTranslations,     // OpenAI POST /v1/audio/translations: the same.
  kImageEdits,       // OpenAI POST /v1/images/edits: requests are forms, answers as of kImages.
};
inline constexpr int kSurfaceCount = 15;

// What an answer is paid by beside tokens, or instead of them.
enum class Unit : std::uint8_t { kNone, kImages, kCharacters, kAudioSeconds };

// The names under which the output cap of a chat is written. Servers know one or both, and
// some models of OpenAI refuse both at once. Every other surface has one name: `max_tokens`, or
// `max_output_tokens` of responses.
enum class CapField : std::uint8_t { kBoth, kMaxTokens, kMaxCompletionTokens };

Dialect dialect_of(Surface surface);

// "chat_completions", "completions", "embeddings", "models", "messages", "responses",
// "count_tokens", "moderations", "rerank", "mcp", "image_generations", "speech",
// "transcriptions", "translations", "image_edits".
std::string_view name_of(Surface surface);
std::optional<Surface> surface_named(std::string_view name);

// The surface that a standard path implies, or nothing.
std::optional<Surface> surface_of_path(std::string_view path);
std::string_view standard_path(Surface surface);  // "/v1/chat/completions"; empty: it has none.

// Whether replies of this surface bring forth tokens: chat, completions, messages and responses.
bool makes_output(Surface surface);

// Whether a request of this surface is a conversation, which others can carry: chat_completions,
// responses and messages.
bool is_conversation(Surface surface);

// Whether a request of this surface is paid by its tokens, or costs nothing but itself.
bool costs_tokens(Surface surface);

Unit unit_of(Surface surface);
std::string_view name_of(Unit unit);  // "images", "characters", "audio_seconds"; empty for none.

// Whether requests are forms, and not JSON.
bool asks_by_form(Surface surface);
// Whether the text of a recording is asked for: the answer is a text, whole.
bool reads_sound(Surface surface);
// Whether there are texts of a model in its answers, to be inspected and judged.
bool answers_in_text(Surface surface);

}  // namespace tollgate::dialects
