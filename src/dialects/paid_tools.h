// Tools that a provider runs itself, each call of which it may charge for, and how often an answer
// says that it ran them.
//
// Sources: OpenAI API reference (Responses: output items that end in `_call`) and pricing (of a web
// search the searches are paid, and not the pages that it opens); Anthropic API reference
// (`server_tool_use` blocks and `usage.server_tool_use`, which leaves out those that failed).
//
// Pure. Values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tollgate::dialects {

enum class PaidTool : std::uint8_t {
  kWebSearch,
  kWebFetch,
  kFileSearch,
  kCodeInterpreter,
  kCodeExecution,
  kMcp,  // Servers that the provider asks.
  kShell,
  kAdvisor,
  kOther,  // Of a type that is not known to this version.
};
inline constexpr int kPaidToolCount = 9;

// "web_search", "web_fetch", "file_search", "code_interpreter", "code_execution", "mcp", "shell",
// "advisor", "other".
std::string_view name_of(PaidTool tool);
std::optional<PaidTool> paid_tool_named(std::string_view name);
std::span<const std::string_view, kPaidToolCount> paid_tool_names();

// By the type of a definition, of every version ("web_search_20250305"). Nothing: it is one that
// the caller runs, or that only tokens are paid for (a search among tools).
std::optional<PaidTool> paid_tool_of(std::string_view type);

// So many calls of each.
struct ToolCalls {
  std::array<std::int32_t, kPaidToolCount> of{};

  std::int32_t& at(PaidTool tool) { return of[static_cast<std::size_t>(tool)]; }
  std::int32_t at(PaidTool tool) const { return of[static_cast<std::size_t>(tool)]; }
  bool any() const;
};

}  // namespace tollgate::dialects
