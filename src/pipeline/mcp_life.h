// What a request to several MCP servers behind one endpoint gathers. Internal to the pipeline.
#pragma once

#include <vector>

#include "pipeline/life.h"
#include "pipeline/mcp_fanout.h"
#include "pipeline/mcp_servers.h"

namespace tollgate::pipeline {

struct McpCrowd {
  McpTurn turn;
  const config::Mcp* server = nullptr;     // The one that is asked; null: all, or none.
  std::vector<McpServerSession> sessions;  // Of the caller's.
  std::vector<McpErrand> errands;          // Where all are asked.
};

Refusal no_mcp_session(const config::Mcp& mcp);

}  // namespace tollgate::pipeline
