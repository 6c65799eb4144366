#include "dialects/surface.h"

#include <array>
#include <cstdint>

namespace tollgate::dialects {

namespace {

enum class Output : std::uint8_t { kNone, kTokens };
enum class Cost : std::uint8_t { kNothing, kTokens };

struct Row {
  Surface surface;
  Dialect dialect;
  Output output;
  Cost cost;
  std::string_view name;
  std::string_view path;
  Unit unit = Unit::kNone;
};

constexpr Dialect kOpenAi = Dialect::kOpenAi;
constexpr Dialect kAnthropic = Dialect::kAnthropic;

// The table of what is served; docs/surfaces.md is its page.
constexpr std::array<Row, kSurfaceCount> kRows{{
    {Surface::kChatCompletions, kOpenAi, Output::kTokens, Cost::kTokens, "chat_completions",
     "/v1/chat/completions"},
    {Surface::kCompletions, kOpenAi, Output::kTokens, Cost::kTokens, "completions",
     "/v1/completions"},
    {Surface::kEmbeddings, kOpenAi, Output::kNone, Cost::kTokens, "embeddings", "/v1/embeddings"},
    {Surface::kModels, kOpenAi, Output::kNone, Cost::kNothing, "models", "/v1/models"},
    {Surface::kMessages, kAnthropic, Output::kTokens, Cost::kTokens, "messages", "/v1/messages"},
    {Surface::kResponses, kOpenAi, Output::kTokens, Cost::kTokens, "responses", "/v1/responses"},
    {Surface::kCountTokens, kAnthropic, Output::kNone, Cost::kNothing, "count_tokens",
     "/v1/messages/count_tokens"},
    {Surface::kModerations, kOpenAi, Output::kNone, Cost::kTokens, "moderations",
     "/v1/moderations"},
    {Surface::kRerank, kOpenAi, Output::kNone, Cost::kTokens, "rerank", "/v1/rerank"},
    {Surface::kMcp, Dialect::kMcp, Output::kNone, Cost::kNothing, "mcp", {}},
    {Surface::kImages, kOpenAi, Output::kNone, Cost::kTokens, "image_generations",
     "/v1/images/generations", Unit::kImages},
    {Surface::kSpeech, kOpenAi, Output::kNone, Cost::kTokens, "speech", "/v1/audio/speech",
     Unit::kCharacters},
    {Surface::kTranscriptions, kOpenAi, Output::kNone, Cost::kTokens, "transcriptions",
     "/v1/audio/transcriptions", Unit::kAudioSeconds},
    {Surface::kTranslations, kOpenAi, Output::kNone, Cost::kTokens, "translations",
     "/v1/audio/translations", Unit::kAudioSeconds},
    {Surface::kImageEdits, kOpenAi, Output::kNone, Cost::kTokens, "image_edits", "/v1/images/edits",
     Unit::kImages},
}};

constexpr bool is_in_order() {
  for (int i = 0; i < kSurfaceCount; ++i)
    if (kRows[static_cast<std::size_t>(i)].surface != static_cast<Surface>(i)) return false;
  return true;
}
static_assert(is_in_order());

const Row& row_of(Surface surface) { return kRows[static_cast<std::size_t>(surface)]; }

}  // namespace

Dialect dialect_of(Surface surface) { return row_of(surface).dialect; }
std::string_view name_of(Surface surface) { return row_of(surface).name; }
std::string_view standard_path(Surface surface) { return row_of(surface).path; }

std::optional<Surface> surface_named(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.surface;
  return std::nullopt;
}

std::optional<Surface> surface_of_path(std::string_view path) {
  for (const Row& row : kRows)
    if (!row.path.empty() && row.path == path) return row.surface;
  return std::nullopt;
}

bool makes_output(Surface surface) { return row_of(surface).output == Output::kTokens; }
bool is_conversation(Surface surface) {
  return surface == Surface::kChatCompletions || surface == Surface::kResponses ||
         surface == Surface::kMessages;
}

bool asks_by_form(Surface surface) {
  return reads_sound(surface) || surface == Surface::kImageEdits;
}

bool reads_sound(Surface surface) {
  return surface == Surface::kTranscriptions || surface == Surface::kTranslations;
}

bool answers_in_text(Surface surface) { return makes_output(surface) || reads_sound(surface); }

Unit unit_of(Surface surface) { return row_of(surface).unit; }

std::string_view name_of(Unit unit) {
  switch (unit) {
    case Unit::kImages:
      return "images";
    case Unit::kCharacters:
      return "characters";
    case Unit::kAudioSeconds:
      return "audio_seconds";
    case Unit::kNone:
      break;
  }
  return {};
}

bool costs_tokens(Surface surface) { return row_of(surface).cost == Cost::kTokens; }

}  // namespace tollgate::dialects
