#include "dialects/paid_tools.h"

#include <algorithm>

namespace tollgate::dialects {

namespace {

constexpr std::array<std::string_view, kPaidToolCount> kNames{
    "web_search", "web_fetch", "file_search", "code_interpreter", "code_execution", "mcp",
    "shell",      "advisor",   "other"};

// What the caller runs, under a name that the type implies, and what costs only its tokens.
constexpr std::array<std::string_view, 14> kUnpaid{"function",
                                                   "custom",
                                                   "apply_patch",
                                                   "bash",
                                                   "computer",
                                                   "computer_use",
                                                   "local_shell",
                                                   "memory",
                                                   "namespace",
                                                   "programmatic_tool_calling",
                                                   "text_editor",
                                                   "tool_search",
                                                   "tool_search_tool_bm25",
                                                   "tool_search_tool_regex"};

// "_20250305", "_preview", "_preview_2025_03_11".
bool is_version(std::string_view rest) {
  constexpr std::string_view kPreview = "_preview";
  if (rest.starts_with(kPreview)) rest.remove_prefix(kPreview.size());
  return std::ranges::all_of(rest, [](char c) { return (c >= '0' && c <= '9') || c == '_'; });
}

bool is_of(std::string_view type, std::string_view family) {
  return type.starts_with(family) && is_version(type.substr(family.size()));
}

}  // namespace

std::string_view name_of(PaidTool tool) { return kNames[static_cast<std::size_t>(tool)]; }

std::optional<PaidTool> paid_tool_named(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<PaidTool>(found - kNames.begin());
}

std::span<const std::string_view, kPaidToolCount> paid_tool_names() { return kNames; }

std::optional<PaidTool> paid_tool_of(std::string_view type) {
  const auto is_type = [&](std::string_view family) { return is_of(type, family); };
  if (std::ranges::any_of(kUnpaid, is_type)) return std::nullopt;
  if (type == "mcp_toolset") return PaidTool::kMcp;
  for (int i = 0; i < kPaidToolCount - 1; ++i) {
    if (is_type(kNames[static_cast<std::size_t>(i)])) return static_cast<PaidTool>(i);
  }
  return PaidTool::kOther;
}

bool ToolCalls::any() const {
  return std::ranges::any_of(of, [](std::int32_t calls) { return calls != 0; });
}

}  // namespace tollgate::dialects
