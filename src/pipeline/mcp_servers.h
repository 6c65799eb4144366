// Several MCP servers behind one endpoint, as one to its callers: what the gateway itself answers.
//
// A session of a caller holds one of each server. Its id is the text of all of them, sealed like
// that of one server (mcp.h), so nothing is kept here; a server that could not be asked when it
// began is not in it.
//
// Pure. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/mcp_answer.h"
#include "dialects/mcp_methods.h"

namespace tollgate::pipeline {

inline constexpr std::size_t kMcpSessionsBytesMax = 4096;  // Of the text of all of them.

// The session of one server within a caller's.
struct McpServerSession {
  std::string server;
  std::uint8_t capabilities = 0;  // Bits of dialects::McpCapability.
  std::string version;
  std::string id;  // The server's own; empty: it keeps none.
};

// Visible ASCII. One that would make it longer than kMcpSessionsBytesMax is left out, and is erased
// from `all`.
std::string write_mcp_sessions(std::vector<McpServerSession>& all);
// What write_mcp_sessions() made; nothing: it did not make this.
std::optional<std::vector<McpServerSession>> read_mcp_sessions(std::string_view text);

// Whether a server with those can be asked for it; null: any can.
bool mcp_capable(std::uint8_t capabilities, const dialects::McpMethod* method);

// What passes one method where several servers are.
enum class McpRouted : std::uint8_t {
  kOne,     // To the server that it names, or whose id it says.
  kAll,     // To every one that can.
  kItself,  // The gateway answers.
  kNot,     // Not served: what comes of it would come on a stream that is of one server.
};
McpRouted mcp_routed(const dialects::McpMethod* method);

// Results that the gateway writes. `id` is JSON; `capabilities` those of all servers together.
// What belongs to a stream of its own (changes of lists, subscriptions) is not among them.
void write_mcp_initialized(std::string_view id, std::string_view version, std::uint8_t capabilities,
                           std::string& out);
void write_mcp_discovered(std::string_view id, std::uint8_t capabilities, std::string& out);
// `entries` are those of all servers, with a comma after each.
void write_mcp_list(std::string_view id, const dialects::McpMethod& method, dialects::McpEra era,
                    std::string_view entries, std::string& out);
void write_mcp_done(std::string_view id, std::string& out);

}  // namespace tollgate::pipeline
