#include "dialects/surface.h"

#include <array>

namespace tollgate::dialects {

namespace {

struct Row {
  Surface surface;
  Dialect dialect;
  std::string_view name;
  std::string_view path;
};

constexpr std::array<Row, kSurfaceCount> kRows{{
    {Surface::kChatCompletions, Dialect::kOpenAi, "chat_completions", "/v1/chat/completions"},
    {Surface::kCompletions, Dialect::kOpenAi, "completions", "/v1/completions"},
    {Surface::kEmbeddings, Dialect::kOpenAi, "embeddings", "/v1/embeddings"},
    {Surface::kModels, Dialect::kOpenAi, "models", "/v1/models"},
    {Surface::kMessages, Dialect::kAnthropic, "messages", "/v1/messages"},
    {Surface::kResponses, Dialect::kOpenAi, "responses", "/v1/responses"},
}};

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
    if (row.path == path) return row.surface;
  return std::nullopt;
}

bool makes_output(Surface surface) {
  return surface != Surface::kEmbeddings && surface != Surface::kModels;
}

}  // namespace tollgate::dialects
