#include "pipeline/mcp_servers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/json_writer.h"
#include "config/config.h"
#include "controls/authentication/base64url.h"
#include "pipeline/mcp.h"

namespace tollgate::pipeline {

using dialects::McpCapability;

namespace {

bool has(std::uint8_t capabilities, McpCapability one) {
  return (capabilities >> static_cast<unsigned>(one) & 1U) != 0;
}

// What of `text` stands before `separator`; takes both away.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

void write_capabilities(std::uint8_t capabilities, std::string& out) {
  out += "\"capabilities\":";
  char separator = '{';
  for (int i = 0; i < dialects::kMcpCapabilityCount; ++i) {
    const auto one = static_cast<McpCapability>(i);
    if (!has(capabilities, one)) continue;
    fmt::format_to(std::back_inserter(out), "{}\"{}\":{{}}", separator, dialects::name_of(one));
    separator = ',';
  }
  out += separator == '{' ? "{}" : "}";
}

constexpr std::string_view kItself = R"({"name":"tollgate","version":")" TOLLGATE_VERSION R"("})";
// What it says is of this caller, and may be another thing the next moment.
constexpr std::string_view kComplete =
    R"("resultType":"complete","ttlMs":0,"cacheScope":"private")";

void begin_result(std::string_view id, std::string& out) {
  fmt::format_to(std::back_inserter(out), R"({{"jsonrpc":"2.0","id":{},"result":{{)", id);
}

}  // namespace

std::string write_mcp_sessions(std::vector<McpServerSession>& all) {
  std::string text;
  std::erase_if(all, [&text](const McpServerSession& one) {
    if (!one.id.empty() && !is_mcp_session(one.id)) return true;
    const std::string part = fmt::format(
        "{}{}:{}:{}:{}", text.empty() ? "" : ";", one.server, one.capabilities, one.version,
        authentication::encode_base64url(authentication::bytes_of(one.id)));
    if (text.size() + part.size() > kMcpSessionsBytesMax) return true;
    text += part;
    return false;
  });
  return text;
}

std::optional<std::vector<McpServerSession>> read_mcp_sessions(std::string_view text) {
  std::vector<McpServerSession> all;
  while (!text.empty()) {
    std::string_view part = take(text, ';');
    McpServerSession one;
    one.server = take(part, ':');
    const std::string_view bits = take(part, ':');
    const auto read = std::from_chars(bits.data(), bits.data() + bits.size(), one.capabilities);
    one.version = take(part, ':');
    if (!config::is_mcp_server_name(one.server) || read.ec != std::errc() ||
        read.ptr != bits.data() + bits.size() ||
        dialects::mcp_era_of(one.version) != dialects::McpEra::kLegacy ||
        (!part.empty() &&
         authentication::decode_base64url(part, one.id) != authentication::Decoded::kWell)) {
      return std::nullopt;
    }
    all.push_back(std::move(one));
  }
  if (all.empty() || all.size() > config::kMcpServersMax) return std::nullopt;
  return all;
}

bool mcp_capable(std::uint8_t capabilities, const dialects::McpMethod* method) {
  if (method == nullptr) return true;
  if (method->name == "logging/setLevel") return has(capabilities, McpCapability::kLogging);
  if (method->lists.empty()) return true;
  switch (method->item) {
    case dialects::McpItem::kNone:
      return true;
    case dialects::McpItem::kTool:
      return has(capabilities, McpCapability::kTools);
    case dialects::McpItem::kPrompt:
      return has(capabilities, McpCapability::kPrompts);
    case dialects::McpItem::kResource:
      return has(capabilities, McpCapability::kResources);
  }
  return false;
}

McpRouted mcp_routed(const dialects::McpMethod* method) {
  if (method == nullptr || method->name == "notifications/progress") return McpRouted::kOne;
  if (method->name == "ping") return McpRouted::kItself;
  if (method->name == "resources/subscribe" || method->name == "resources/unsubscribe" ||
      method->name == "subscriptions/listen") {
    return McpRouted::kNot;
  }
  return method->named == dialects::McpNamed::kNot ? McpRouted::kAll : McpRouted::kOne;
}

void write_mcp_initialized(std::string_view id, std::string_view version, std::uint8_t capabilities,
                           std::string& out) {
  begin_result(id, out);
  fmt::format_to(std::back_inserter(out), "\"protocolVersion\":\"{}\",", version);
  write_capabilities(capabilities, out);
  fmt::format_to(std::back_inserter(out), ",\"serverInfo\":{}}}}}", kItself);
}

void write_mcp_discovered(std::string_view id, std::uint8_t capabilities, std::string& out) {
  begin_result(id, out);
  fmt::format_to(std::back_inserter(out), "\"supportedVersions\":[\"{}\"],", dialects::kMcpModern);
  write_capabilities(capabilities, out);
  fmt::format_to(std::back_inserter(out),
                 R"(,{},"_meta":{{"io.modelcontextprotocol/serverInfo":{}}}}}}})", kComplete,
                 kItself);
}

void write_mcp_list(std::string_view id, const dialects::McpMethod& method, dialects::McpEra era,
                    std::string_view entries, std::string& out) {
  if (entries.ends_with(',')) entries.remove_suffix(1);
  begin_result(id, out);
  fmt::format_to(std::back_inserter(out), "\"{}\":[", method.lists);
  out.append(entries).append("]");
  if (era == dialects::McpEra::kModern) out.append(",").append(kComplete);
  out += "}}";
}

void write_mcp_done(std::string_view id, std::string& out) {
  begin_result(id, out);
  out += "}}";
}

}  // namespace tollgate::pipeline
