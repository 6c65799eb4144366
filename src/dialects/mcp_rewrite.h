// Writes messages anew with some members replaced. Internal to dialects.
#pragma once

#include <simdjson.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::dialects {

struct McpReplaced {
  std::vector<std::string_view> path;  // From the value down, by names of members.
  std::string json;                    // What stands there instead.
};

// `"key":value` of a member of what stands `depth` members down, with what stands at each path
// replaced.
void append_replacing(simdjson::dom::key_value_pair field, std::span<const McpReplaced* const> all,
                      std::size_t depth, std::string& out);
// `value` with what stands at each path replaced; a path that is not there changes nothing.
void append_replacing(simdjson::dom::element value, std::span<const McpReplaced* const> all,
                      std::size_t depth, std::string& out);
void append_replacing(simdjson::dom::element value, std::span<const McpReplaced> all,
                      std::string& out);

// The id of a server as its callers know it (mcp_server_id.h), as JSON; nothing: it is no text and
// no whole number, or too long to come back.
std::optional<std::string> mcp_server_id(std::string_view server, simdjson::dom::element id);

}  // namespace tollgate::dialects
