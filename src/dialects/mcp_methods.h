// The methods of the Model Context Protocol that pass the gateway, and what each is about.
//
// Deny by default: a method that has no row here is answered as unknown and never leaves. Two eras
// are served, as the specification calls them: legacy, with a handshake and sessions (2025-03-26 to
// 2025-11-25), and modern, where every request says what it is (2026-07-28).
//
// Pure. Any thread. Source: modelcontextprotocol.io/specification, 2025-11-25 and 2026-07-28.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tollgate::dialects {

enum class McpEra : std::uint8_t { kLegacy, kModern };

inline constexpr std::string_view kMcpModern = "2026-07-28";
inline constexpr std::string_view kMcpNewestLegacy = "2025-11-25";

// Of a revision that is served; else nothing.
std::optional<McpEra> mcp_era_of(std::string_view version);

// What a policy names: tools and prompts by name, resources by address.
enum class McpItem : std::uint8_t { kNone, kTool, kPrompt, kResource };

// "tools", "prompts", "resources"; empty for kNone.
std::string_view name_of(McpItem item);

// How a request says what it is about.
enum class McpNamed : std::uint8_t { kNot, kByName, kByUri, kByRef, kBySubscription };

// A method of callers.
struct McpMethod {
  std::string_view name;
  McpItem item = McpItem::kNone;
  McpNamed named = McpNamed::kNot;
  std::string_view lists;  // The member of the result that is a list of them; empty: none.
  std::string_view key;    // By what an entry of that list is named.
  bool legacy = false;
  bool modern = false;
  bool notification = false;
  bool in_header = false;  // Modern requests say its name in `Mcp-Name` as well.
};

// All that pass.
std::span<const McpMethod> mcp_methods();
// Null: no such method passes.
const McpMethod* mcp_method(std::string_view name, McpEra era);

// What a server may ask of the one who calls, where the operator lets it.
enum class McpServerRequest : std::uint8_t { kElicitation, kSampling, kRoots };
inline constexpr int kMcpServerRequestCount = 3;
std::string_view name_of(McpServerRequest request);  // "elicitation": of the capability, too.
std::optional<McpServerRequest> mcp_server_request_named(std::string_view name);
std::optional<McpServerRequest> mcp_server_request(std::string_view method);

struct McpServerRequests {
  std::uint8_t bits = 0;
  bool has(McpServerRequest request) const {
    return (bits >> static_cast<unsigned>(request) & 1U) != 0;
  }
  void add(McpServerRequest request) {
    bits = static_cast<std::uint8_t>(bits | 1U << static_cast<unsigned>(request));
  }
};

// Whether a notification of a server passes to the caller.
bool is_mcp_notification_of_servers(std::string_view method);

// Whether a name can be a tool's or a prompt's here: 1 to 128 of A-Z a-z 0-9 _ - . / and nothing
// else, so that two names that look alike are alike.
bool is_mcp_name(std::string_view name);

// Whether an address means what it says to everybody: visible ASCII, at most 2 KiB, no dot
// segments, no backslash, and none of them escaped.
bool is_mcp_uri(std::string_view uri);

}  // namespace tollgate::dialects
