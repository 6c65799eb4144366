// What the mock says as an MCP server (streamable HTTP, 2025-11-25 and 2026-07-28, no sessions):
// two tools that answer at once. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate::mock {

// kPoisoned: a third tool, whose description is an injection.
enum class McpTools : std::uint8_t { kHonest, kPoisoned };

struct McpReply {
  int status = 200;
  std::string body;
};

// The answer to a message; what is none is answered with an error.
McpReply mcp_reply(std::string_view message, McpTools tools);

}  // namespace tollgate::mock
