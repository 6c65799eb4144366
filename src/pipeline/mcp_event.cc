#include "pipeline/mcp_event.h"

#include <algorithm>

#include "controls/authentication/base64url.h"

namespace tollgate::pipeline {

namespace {

constexpr std::string_view kLabel = "tollgate mcp event";
constexpr std::string McpEvent::* kParts[] = {&McpEvent::server,         &McpEvent::session,
                                              &McpEvent::method,         &McpEvent::request,
                                              &McpEvent::progress_token, &McpEvent::event};

}  // namespace

std::string seal_mcp_event(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                           const McpEvent& event) {
  std::string text;
  for (const auto part : kParts) {
    text += authentication::encode_base64url(authentication::bytes_of(event.*part));
    text.push_back(':');
  }
  if (text.size() > kMcpEventBytesMax) return {};
  return seal_mcp(pepper, kLabel, owner, text);
}

std::optional<McpEvent> open_mcp_event(const authentication::Pepper& pepper,
                                       const McpSessionOwner& owner, std::string_view sealed) {
  const auto text = open_mcp(pepper, kLabel, owner, sealed, kMcpEventBytesMax);
  if (!text) return std::nullopt;
  McpEvent event;
  std::string_view rest = *text;
  for (const auto part : kParts) {
    const std::size_t end = rest.find(':');
    if (end == std::string_view::npos) return std::nullopt;
    if (end > 0 && authentication::decode_base64url(rest.substr(0, end), event.*part) !=
                       authentication::Decoded::kWell) {
      return std::nullopt;
    }
    rest.remove_prefix(end + 1);
  }
  if (!rest.empty()) return std::nullopt;
  return event;
}

}  // namespace tollgate::pipeline
