#include <fmt/format.h>

#include <algorithm>

#include "dialects/request.h"

namespace tollgate::dialects {

namespace {

// The part of a message that texts of that kind are of.
std::string_view part_of(const Text& text) {
  if (text.field != "messages") return {};
  switch (text.kind) {
    case TextKind::kContent:
      return ".content";
    case TextKind::kRole:
      return ".role";
    case TextKind::kName:
      return ".name";
    case TextKind::kToolCall:
      return ".tool_calls";
    case TextKind::kToolDefinition:
    case TextKind::kQuery:
    case TextKind::kCarried:
      break;
  }
  return {};
}

}  // namespace

std::string place_of(std::span<const Text> texts, std::size_t which) {
  const Text& text = texts[which];
  if (text.field.empty()) return "a field of another name";
  std::string place(text.field);
  if (text.index >= 0) place += fmt::format("[{}]", text.index);
  place += part_of(text);
  const auto before = std::ranges::count_if(texts.first(which), [&](const Text& other) {
    return other.field == text.field && other.index == text.index && other.kind == text.kind;
  });
  if (before > 0) place += fmt::format("[{}]", before);
  return place;
}

}  // namespace tollgate::dialects
