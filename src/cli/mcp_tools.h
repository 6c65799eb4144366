// What the tools of an MCP server are now, asked as a gateway would ask: for `tollgate mcp`.
#pragma once

#include <string>
#include <vector>

#include "base/fault.h"
#include "config/config.h"

namespace tollgate::cli {

struct McpTool {
  std::string name;
  std::string definition;  // Canonical JSON.
};

// In the order of their names; of each name one, but none where the server has two of it. Asks in
// the newest revision first. Blocks.
FaultOr<std::vector<McpTool>> fetch_mcp_tools(const config::Mcp& mcp);

}  // namespace tollgate::cli
