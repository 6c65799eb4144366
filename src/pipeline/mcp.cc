#include "pipeline/mcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "base/ascii.h"
#include "base/json_writer.h"
#include "config/mcp_pins.h"
#include "config/scalars.h"
#include "controls/authentication/base64url.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

using dialects::McpItem;

namespace {

constexpr std::size_t kSessionBytesMax = 512;
constexpr std::size_t kSealBytes = 24;  // Of the digest that seals a session.

// "host", "host:port", "[v6]:port": the host of it, without brackets.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    return authority.substr(1, std::max<std::size_t>(authority.find(']'), 1) - 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool is_loopback_name(std::string_view host) {
  return equal_ignoring_case(host, "localhost") || config::is_loopback(host);
}

// A page of this very address, where the gateway has none.
bool is_itself(std::string_view origin, std::string_view host) {
  constexpr std::string_view kPlain = "http://";
  return origin.starts_with(kPlain) && origin.substr(kPlain.size()) == host &&
         is_loopback_name(host_of(host));
}

std::optional<std::string_view> line_of(const RequestHead& head, std::string_view name,
                                        bool& twice) {
  bool found = false;
  std::string_view value;
  for (const Header& header : head.headers) {
    if (!equal_ignoring_case(header.name, name)) continue;
    twice = twice || (found && header.value != value);
    found = true;
    value = header.value;
  }
  if (!found) return std::nullopt;
  return value;
}

// One text for each owner: no part of it can be taken for another.
std::string seal_of(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                    std::string_view session) {
  const authentication::Identity& caller = owner.caller;
  const std::string_view who = caller.subject.empty() ? caller.credential_id : caller.subject;
  std::string text = "tollgate mcp session";
  for (const std::string_view part :
       {owner.route, caller.tenant, caller.verifier,
        std::string_view(caller.subject.empty() ? "credential" : "subject"), who, session}) {
    fmt::format_to(std::back_inserter(text), "\n{}:{}", part.size(), part);
  }
  const authentication::Digest digest = pepper.digest(text);
  return authentication::encode_base64url(std::span(digest).first(kSealBytes));
}

}  // namespace

Expected<void> check_mcp_caller(const RequestHead& head, const config::Mcp& mcp,
                                bool is_on_loopback) {
  bool twice = false;
  const std::optional<std::string_view> origin = line_of(head, "origin", twice);
  const std::string_view host = head.header("host");
  const bool listed = origin && std::ranges::find(mcp.origins, *origin) != mcp.origins.end();
  if (twice || (origin && !listed && !(is_on_loopback && is_itself(*origin, host)))) {
    return refuse(Reason::kRouteNotAllowed, mcp.rule + ".origins",
                  "A page of this origin may not call. The operator lists those that may in "
                  "`origins`.",
                  "Origin");
  }
  const bool known =
      mcp.hosts.empty()
          ? !is_on_loopback || is_loopback_name(host_of(host))
          : std::ranges::any_of(mcp.hosts, [&](const std::string& each) {
              return equal_ignoring_case(each, host) || equal_ignoring_case(each, host_of(host));
            });
  if (known) return {};
  return refuse(Reason::kRouteNotAllowed, mcp.rule + ".hosts",
                "`Host` is no name of this endpoint. The operator lists its names in `hosts`.",
                "Host");
}

const config::Mcp* mcp_at(const config::Config& config, const authorization::Target& target) {
  const int first = authorization::first_at(config.access, target);
  if (first < 0) return nullptr;
  const auto& mcp = config.routes[static_cast<std::size_t>(first)].mcp;
  return mcp ? &*mcp : nullptr;
}

const config::Mcp* mcp_metadata_at(const config::Config& config, const RequestHead& head) {
  std::string_view path = without_query(head.target);
  if (head.method != "GET" || !path.starts_with(config::kMcpMetadataPath)) return nullptr;
  path.remove_prefix(config::kMcpMetadataPath.size());
  const config::Mcp* mcp = mcp_at(config, {head.exposure, "GET", path});
  return mcp == nullptr || mcp->metadata.empty() ? nullptr : mcp;
}

dialects::McpHeaders mcp_headers(const RequestHead& head) {
  dialects::McpHeaders headers;
  headers.version = line_of(head, "mcp-protocol-version", headers.twice);
  headers.method = line_of(head, "mcp-method", headers.twice);
  headers.name = line_of(head, "mcp-name", headers.twice);
  return headers;
}

bool McpCallerSight::allows(McpItem item, std::string_view name) const {
  switch (item) {
    case McpItem::kNone:
      return true;
    case McpItem::kTool:
      return dialects::is_mcp_name(name) && authorization::reaches_tool(caller_.reach, name) &&
             authorization::allows_name(mcp_.tools, name, caller_);
    case McpItem::kPrompt:
      return dialects::is_mcp_name(name) && authorization::allows_name(mcp_.prompts, name, caller_);
    case McpItem::kResource:
      return dialects::is_mcp_uri(name) &&
             authorization::allows_name(mcp_.resources, name, caller_);
  }
  return false;
}

bool McpCallerSight::is_unapproved(McpItem item, std::string_view name) const {
  return item == McpItem::kTool && mcp_.pins != nullptr && !mcp_.pins->allows(name);
}

bool McpCallerSight::sees_definition(McpItem, std::string_view name, std::string_view definition) {
  return mcp_.pins->saw(name, definition) || mcp_.mode == Mode::kObserve;
}

bool McpCallerSight::holds_definitions(McpItem item) const {
  return item == McpItem::kTool && mcp_.pins != nullptr;
}

bool McpCallerSight::sees(McpItem item, std::string_view name) const {
  if (allows(item, name)) return true;
  // What a key is for at most holds whatever is only observed.
  if (mcp_.mode == Mode::kEnforce) return false;
  if (item == McpItem::kResource) return dialects::is_mcp_uri(name);
  return dialects::is_mcp_name(name) &&
         (item != McpItem::kTool || authorization::reaches_tool(caller_.reach, name));
}

namespace {

std::unexpected<dialects::McpRefusal> unapproved(const dialects::McpMessage& message,
                                                 const config::Mcp& mcp) {
  dialects::McpRefusal made;
  made.refusal = refuse(Reason::kToolNotAllowed, mcp.rule + ".pins",
                        "What this tool says of itself is not what was approved. Ask the operator "
                        "to look at it and to approve it.")
                     .error();
  made.id = message.id;
  return std::unexpected(std::move(made));
}

}  // namespace

Expected<void, dialects::McpRefusal> check_mcp_names(const dialects::McpMessage& message,
                                                     const config::Mcp& mcp,
                                                     const McpCallerSight& sight, bool& observed) {
  for (const std::string_view name : message.names) {
    if (sight.allows(message.item, name)) {
      if (!sight.is_unapproved(message.item, name)) continue;
      observed = mcp.mode == Mode::kObserve;
      if (observed) continue;
      return unapproved(message, mcp);
    }
    if (sight.sees(message.item, name)) {
      observed = true;
      continue;
    }
    const std::string_view what = message.item == McpItem::kTool     ? "tool"
                                  : message.item == McpItem::kPrompt ? "prompt"
                                                                     : "resource";
    // The same words for what does not exist.
    dialects::McpRefusal made;
    made.refusal = refuse(Reason::kToolNotAllowed,
                          fmt::format("{}.{}", mcp.rule, dialects::name_of(message.item)),
                          fmt::format("This {} does not exist or may not be used with this "
                                      "credential. The list has those that may.",
                                      what))
                       .error();
    made.id = message.id;
    return std::unexpected(std::move(made));
  }
  return {};
}

bool is_mcp_session(std::string_view session) {
  return !session.empty() && session.size() <= kSessionBytesMax &&
         std::ranges::all_of(session, [](char c) { return c > ' ' && c <= '~'; });
}

std::string seal_mcp_session(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                             std::string_view session) {
  return seal_of(pepper, owner, session) + "." +
         authentication::encode_base64url(authentication::bytes_of(session));
}

std::optional<std::string> open_mcp_session(const authentication::Pepper& pepper,
                                            const McpSessionOwner& owner, std::string_view sealed) {
  const std::size_t dot = sealed.find('.');
  if (dot == std::string_view::npos || sealed.size() > 2 * kSessionBytesMax) return std::nullopt;
  std::string session;
  if (authentication::decode_base64url(sealed.substr(dot + 1), session) !=
          authentication::Decoded::kWell ||
      !is_mcp_session(session)) {
    return std::nullopt;
  }
  const std::string seal = seal_of(pepper, owner, session);
  const std::string_view shown = sealed.substr(0, dot);
  if (shown.size() != seal.size()) return std::nullopt;
  unsigned differs = 0;  // Whatever differs takes as long.
  for (std::size_t i = 0; i < seal.size(); ++i) {
    differs |= static_cast<unsigned char>(seal[i]) ^ static_cast<unsigned char>(shown[i]);
  }
  if (differs != 0) return std::nullopt;
  return session;
}

int write_mcp_refusal(const McpError& error, const Refusal& refusal, std::string_view id,
                      double jitter, std::string& headers, std::string& body) {
  const RefusalRow& row = row_of(refusal.reason);
  write_refusal_headers(dialects::Dialect::kMcp, refusal, id, jitter, headers, error.challenge);
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  json.member("reason", row.code);
  if (!refusal.rule.empty()) json.member("rule", std::string_view(refusal.rule));
  json.member("request_id", id);
  json.end_object();
  if (!error.data.empty()) data.insert(data.size() - 1, error.data);
  const int status = error.status != 0 ? error.status : row.openai_status;
  dialects::write_mcp_error(error.id, error.code != 0 ? error.code : status, refusal.message, data,
                            body);
  return status;
}

}  // namespace tollgate::pipeline
