#include "controls/tools/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace tollgate::tools {

namespace {

constexpr std::size_t kNameBytesMax = 128;
constexpr std::string_view kTypeMark = "type:";

// OpenAI's and Anthropic's types of tools without their versions, as both publish them (the types
// of openai 6 and @anthropic-ai/sdk 0.70).
constexpr std::array<std::string_view, 25> kFamilies{"advisor",
                                                     "agent_toolset",
                                                     "apply_patch",
                                                     "bash",
                                                     "browser_toolset",
                                                     "code_execution",
                                                     "code_interpreter",
                                                     "computer",
                                                     "computer_toolset",
                                                     "computer_use",
                                                     "file_search",
                                                     "image_generation",
                                                     "local_shell",
                                                     "mcp",
                                                     "mcp_toolset",
                                                     "memory",
                                                     "namespace",
                                                     "programmatic_tool_calling",
                                                     "shell",
                                                     "text_editor",
                                                     "tool_search",
                                                     "tool_search_tool_bm25",
                                                     "tool_search_tool_regex",
                                                     "web_fetch",
                                                     "web_search"};

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// "_20250305", "_preview", "_preview_2025_03_11"; what else follows is another tool.
bool is_version(std::string_view rest) {
  constexpr std::string_view kPreview = "_preview";
  if (rest.starts_with(kPreview)) rest.remove_prefix(kPreview.size());
  if (rest.empty()) return true;
  const bool is_dated = rest.size() >= 5 && rest.front() == '_' && rest[1] != '_';
  return is_dated &&
         std::ranges::all_of(rest, [](char c) { return (c >= '0' && c <= '9') || c == '_'; });
}

// "teleport_20270101": of a tool that this version has not heard of, and no slip of the pen.
bool is_dated(std::string_view type) {
  constexpr std::size_t kDigits = 8;
  if (type.size() < kDigits + 2 || !is_name(type)) return false;
  const std::string_view date = type.substr(type.size() - kDigits);
  return type[type.size() - kDigits - 1] == '_' &&
         std::ranges::all_of(date, [](char c) { return c >= '0' && c <= '9'; });
}

std::string backwards(std::string_view text) { return {text.rbegin(), text.rend()}; }

void sort_without_longer(std::vector<std::string>& prefixes) {
  std::ranges::sort(prefixes);
  std::vector<std::string> kept;
  for (std::string& prefix : prefixes) {
    if (kept.empty() || !prefix.starts_with(kept.back())) kept.push_back(std::move(prefix));
  }
  prefixes = std::move(kept);
}

bool begins_with_one(const std::vector<std::string>& prefixes, std::string_view name) {
  const auto behind = std::ranges::upper_bound(prefixes, name, std::less<>{});
  return behind != prefixes.begin() && name.starts_with(*std::prev(behind));
}

}  // namespace

bool goes_by_name(const Tool& tool) { return tool.type == "function" || tool.type == "custom"; }

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, is_name_byte);
}

std::string_view family_of(std::string_view type) {
  if (type.empty()) return {};
  constexpr auto kFirst = [](std::string_view family) { return family.front(); };
  static_assert(std::ranges::is_sorted(kFamilies, {}, kFirst));
  // The longest that fits: tool_search_tool_regex is not a tool_search.
  std::string_view found;
  for (const std::string_view family :
       std::ranges::equal_range(kFamilies, type.front(), {}, kFirst)) {
    if (family.size() > found.size() && type.starts_with(family) &&
        is_version(type.substr(family.size()))) {
      found = family;
    }
  }
  return found;
}

std::vector<std::string_view> families() { return {kFamilies.begin(), kFamilies.end()}; }

bool lets_in(std::string_view entry, const Tool& tool) {
  if (!goes_by_name(tool)) {
    if (tool.type.empty() || !entry.starts_with(kTypeMark)) return false;
    const std::string_view type = entry.substr(kTypeMark.size());
    return type == tool.type || type == family_of(tool.type);
  }
  if (tool.name.empty()) return false;
  if (entry.ends_with('*')) return tool.name.starts_with(entry.substr(0, entry.size() - 1));
  if (entry.starts_with('*')) return tool.name.ends_with(entry.substr(1));
  return entry == tool.name;
}

std::string NameSet::mistake_in(std::string_view entry) {
  if (entry.starts_with(kTypeMark)) {
    const std::string_view type = entry.substr(kTypeMark.size());
    if (!family_of(type).empty() || is_dated(type)) return {};
    return fmt::format("there is no type of tool `{}`; known are {}, and whatever ends with a date",
                       type, fmt::join(kFamilies, ", "));
  }
  if (entry == "*") return {};
  std::string_view name = entry;
  if (name.ends_with('*')) {
    name.remove_suffix(1);
  } else if (name.starts_with('*')) {
    name.remove_prefix(1);
  }
  if (is_name(name)) return {};
  return fmt::format(
      "`{}` is no name of a tool: 1 to {} letters, digits, `_`, `-` and `.`, with one `*` at its "
      "begin or end at most, or `type:` and a type",
      entry, kNameBytesMax);
}

NameSet::NameSet(std::vector<std::string> entries) : entries_(std::move(entries)) {
  for (const std::string& entry : entries_) {
    if (entry.starts_with(kTypeMark)) {
      types_.insert(entry.substr(kTypeMark.size()));
    } else if (entry == "*") {
      all_ = true;
    } else if (entry.ends_with('*')) {
      prefixes_.push_back(entry.substr(0, entry.size() - 1));
    } else if (entry.starts_with('*')) {
      endings_.push_back(backwards(std::string_view(entry).substr(1)));
    } else {
      exact_.insert(entry);
    }
  }
  sort_without_longer(prefixes_);
  sort_without_longer(endings_);
}

bool NameSet::has_name(std::string_view name) const {
  if (name.empty()) return false;
  if (all_ || exact_.contains(name) || begins_with_one(prefixes_, name)) return true;
  if (endings_.empty()) return false;
  // Most names are short: no memory is asked for.
  std::array<char, kNameBytesMax> reversed;
  if (name.size() > reversed.size()) return begins_with_one(endings_, backwards(name));
  std::ranges::reverse_copy(name, reversed.begin());
  return begins_with_one(endings_, {reversed.data(), name.size()});
}

bool NameSet::has_type(std::string_view type) const {
  if (type.empty() || types_.empty()) return false;
  return types_.contains(type) || types_.contains(family_of(type));
}

std::string_view NameSet::named(std::string_view name) const {
  if (const auto exact = exact_.find(name); exact != exact_.end()) return *exact;
  if (const auto type = types_.find(name); type != types_.end()) return *type;
  const auto family = types_.find(family_of(name));
  return family == types_.end() ? std::string_view() : std::string_view(*family);
}

bool NameSet::lets_in(const Tool& tool) const {
  return goes_by_name(tool) ? has_name(tool.name) : has_type(tool.type);
}

bool NameSet::keeps_out(const Tool& tool) const {
  if (has_name(tool.name)) return true;
  if (goes_by_name(tool)) return false;
  // Of a provider's own the name is its type, and a version of it is called by its family.
  return has_type(tool.type) || has_name(tool.type) || has_name(family_of(tool.type));
}

}  // namespace tollgate::tools
