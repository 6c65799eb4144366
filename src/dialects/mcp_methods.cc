#include "dialects/mcp_methods.h"

#include <algorithm>
#include <array>

namespace tollgate::dialects {

namespace {

using Item = McpItem;
using Named = McpNamed;

constexpr McpMethod kMethods[] = {
    {.name = "initialize", .legacy = true},
    {.name = "ping", .legacy = true},
    {.name = "server/discover", .modern = true},
    {.name = "tools/list",
     .item = Item::kTool,
     .lists = "tools",
     .key = "name",
     .legacy = true,
     .modern = true},
    {.name = "tools/call",
     .item = Item::kTool,
     .named = Named::kByName,
     .legacy = true,
     .modern = true,
     .in_header = true},
    {.name = "prompts/list",
     .item = Item::kPrompt,
     .lists = "prompts",
     .key = "name",
     .legacy = true,
     .modern = true},
    {.name = "prompts/get",
     .item = Item::kPrompt,
     .named = Named::kByName,
     .legacy = true,
     .modern = true,
     .in_header = true},
    {.name = "resources/list",
     .item = Item::kResource,
     .lists = "resources",
     .key = "uri",
     .legacy = true,
     .modern = true},
    {.name = "resources/templates/list",
     .item = Item::kResource,
     .lists = "resourceTemplates",
     .key = "uriTemplate",
     .legacy = true,
     .modern = true},
    {.name = "resources/read",
     .item = Item::kResource,
     .named = Named::kByUri,
     .legacy = true,
     .modern = true,
     .in_header = true},
    {.name = "resources/subscribe",
     .item = Item::kResource,
     .named = Named::kByUri,
     .legacy = true},
    {.name = "resources/unsubscribe",
     .item = Item::kResource,
     .named = Named::kByUri,
     .legacy = true},
    {.name = "completion/complete", .named = Named::kByRef, .legacy = true, .modern = true},
    {.name = "logging/setLevel", .legacy = true},
    {.name = "subscriptions/listen", .named = Named::kBySubscription, .modern = true},
    {.name = "notifications/initialized", .legacy = true, .notification = true},
    {.name = "notifications/cancelled", .legacy = true, .modern = true, .notification = true},
    {.name = "notifications/progress", .legacy = true, .notification = true},
    {.name = "notifications/roots/list_changed", .legacy = true, .notification = true},
};

constexpr std::string_view kOfServers[] = {
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "notifications/tools/list_changed",
};

struct ServerRequestRow {
  std::string_view name;
  std::string_view method;
};
constexpr std::array<ServerRequestRow, kMcpServerRequestCount> kServerRequests{{
    {"elicitation", "elicitation/create"},
    {"sampling", "sampling/createMessage"},
    {"roots", "roots/list"},
}};

std::optional<McpServerRequest> request_where(std::string_view ServerRequestRow::* column,
                                              std::string_view text) {
  for (std::size_t i = 0; i < kServerRequests.size(); ++i) {
    if (kServerRequests[i].*column == text) return static_cast<McpServerRequest>(i);
  }
  return std::nullopt;
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// "%2e", "%2F" and "%5c", in any case.
bool escapes_separator(std::string_view three) {
  const char high = three[1];
  const char low = static_cast<char>(three[2] | 0x20);
  return (high == '2' && (low == 'e' || low == 'f')) || (high == '5' && low == 'c');
}

}  // namespace

std::optional<McpEra> mcp_era_of(std::string_view version) {
  if (version == kMcpModern) return McpEra::kModern;
  if (version == kMcpNewestLegacy || version == "2025-06-18" || version == "2025-03-26") {
    return McpEra::kLegacy;
  }
  return std::nullopt;
}

std::string_view name_of(McpItem item) {
  switch (item) {
    case Item::kNone:
      break;
    case Item::kTool:
      return "tools";
    case Item::kPrompt:
      return "prompts";
    case Item::kResource:
      return "resources";
  }
  return {};
}

std::span<const McpMethod> mcp_methods() { return kMethods; }

const McpMethod* mcp_method(std::string_view name, McpEra era) {
  for (const McpMethod& method : kMethods) {
    if (method.name != name) continue;
    return (era == McpEra::kModern ? method.modern : method.legacy) ? &method : nullptr;
  }
  return nullptr;
}

std::string_view name_of(McpServerRequest request) {
  return kServerRequests[static_cast<std::size_t>(request)].name;
}
std::optional<McpServerRequest> mcp_server_request_named(std::string_view name) {
  return request_where(&ServerRequestRow::name, name);
}
std::optional<McpServerRequest> mcp_server_request(std::string_view method) {
  return request_where(&ServerRequestRow::method, method);
}

bool is_mcp_notification_of_servers(std::string_view method) {
  return std::ranges::find(kOfServers, method) != std::end(kOfServers);
}

bool is_mcp_name(std::string_view name) {
  constexpr std::size_t kBytesMax = 128;
  return !name.empty() && name.size() <= kBytesMax && std::ranges::all_of(name, [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.' || c == '/';
  });
}

bool is_mcp_uri(std::string_view uri) {
  constexpr std::size_t kBytesMax = 2048;
  if (uri.empty() || uri.size() > kBytesMax) return false;
  for (std::size_t i = 0; i < uri.size(); ++i) {
    const char c = uri[i];
    if (c <= ' ' || c > '~' || c == '\\') return false;
    if (c == '%' && i + 2 < uri.size() && escapes_separator(uri.substr(i, 3))) return false;
    if (c != '/') continue;
    const std::string_view rest = uri.substr(i + 1);
    const std::string_view segment = rest.substr(0, rest.find_first_of("/?#"));
    if (segment == "." || segment == "..") return false;
  }
  return true;
}

}  // namespace tollgate::dialects
