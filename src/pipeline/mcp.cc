#include "pipeline/mcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "base/ascii.h"
#include "base/json_writer.h"
#include "config/mcp_pins.h"
#include "config/scalars.h"
#include "controls/authentication/base64url.h"
#include "dialects/mcp_server_id.h"
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
std::string seal_of(const authentication::Pepper& pepper, std::string_view label,
                    const McpSessionOwner& owner, std::string_view sealed) {
  const authentication::Identity& caller = owner.caller;
  const std::string_view who = caller.subject.empty() ? caller.credential_id : caller.subject;
  std::string text(label);
  for (const std::string_view part :
       {owner.route, caller.tenant, caller.verifier,
        std::string_view(caller.subject.empty() ? "credential" : "subject"), who, sealed}) {
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

const config::Mcp* mcp_server_named(const config::Mcp& endpoint, std::string_view name) {
  const auto found = std::ranges::find(endpoint.servers, name, &config::Mcp::name);
  return found == endpoint.servers.end() ? nullptr : &*found;
}

namespace {

// Whether `access` names it, for whomever.
bool is_named(const authorization::NamedAccess& access, std::string_view name) {
  const auto group_names = [&](const authorization::NamedAccess::Group& group) {
    return group.allow.matches(name);
  };
  return access.allow.matches(name) || std::ranges::any_of(access.by_role, group_names) ||
         std::ranges::any_of(access.by_tenant, group_names);
}

}  // namespace

std::optional<McpPlace> mcp_place_of(const config::Mcp& endpoint, McpItem item,
                                     std::string_view name) {
  if (item == McpItem::kResource) {
    for (const config::Mcp& server : endpoint.servers) {
      if (is_named(server.resources, name)) return McpPlace{&server, name};
    }
    return std::nullopt;
  }
  const std::size_t end = name.find(dialects::kMcpServerSeparator);
  if (item == McpItem::kNone || end == std::string_view::npos) return std::nullopt;
  const config::Mcp* server = mcp_server_named(endpoint, name.substr(0, end));
  const std::string_view rest = name.substr(end + dialects::kMcpServerSeparator.size());
  if (server == nullptr || rest.empty()) return std::nullopt;
  return McpPlace{server, rest};
}

bool McpCallerSight::is_sound(McpItem item, std::string_view name) const {
  switch (item) {
    case McpItem::kNone:
      return true;
    case McpItem::kTool:
      return dialects::is_mcp_name(name) &&
             (mcp_.name.empty() || config::is_mcp_tool_of(mcp_.name, name));
    case McpItem::kPrompt:
      return dialects::is_mcp_name(name);
    case McpItem::kResource:
      return dialects::is_mcp_uri(name) && (mcp_.name.empty() || is_named(mcp_.resources, name));
  }
  return false;
}

// What a key is for says tools as its holder calls them.
bool McpCallerSight::is_reached(McpItem item, std::string_view name) const {
  if (item != McpItem::kTool || caller_.reach.tools.empty()) return true;
  if (mcp_.name.empty()) return authorization::reaches_tool(caller_.reach, name);
  return authorization::reaches_tool(
      caller_.reach, fmt::format("{}{}{}", mcp_.name, dialects::kMcpServerSeparator, name));
}

bool McpCallerSight::allows(McpItem item, std::string_view name) const {
  if (!is_sound(item, name) || !is_reached(item, name)) return false;
  switch (item) {
    case McpItem::kNone:
      return true;
    case McpItem::kTool:
      return authorization::allows_name(mcp_.tools, name, caller_);
    case McpItem::kPrompt:
      return authorization::allows_name(mcp_.prompts, name, caller_);
    case McpItem::kResource:
      return authorization::allows_name(mcp_.resources, name, caller_);
  }
  return false;
}

bool McpCallerSight::is_unapproved(McpItem item, std::string_view name) const {
  return item == McpItem::kTool && mcp_.pins != nullptr && !mcp_.pins->allows(name);
}

bool McpCallerSight::sees_definition(McpItem, std::string_view name, std::string_view definition) {
  if (std::exchange(is_first_page_, false)) listing_ = mcp_.pins->begin_listing();
  // A cursor does not say which listing it goes on with. It is taken for the last that began, whose
  // first page has come, so that what was another on that page is another since.
  const std::uint64_t listing = listing_ != 0 ? listing_ : mcp_.pins->listing();
  return mcp_.pins->saw(name, definition, listing) || mcp_.mode == Mode::kObserve;
}

bool McpCallerSight::holds_definitions(McpItem item) const {
  return item == McpItem::kTool && mcp_.pins != nullptr;
}

bool McpCallerSight::sees(McpItem item, std::string_view name) const {
  if (allows(item, name)) return true;
  // What a key is for at most holds whatever is only observed.
  return mcp_.mode == Mode::kObserve && is_sound(item, name) && is_reached(item, name);
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

dialects::McpRefusal refuse_mcp_name(std::string_view rule, McpItem item, std::string_view id) {
  const std::string_view what = item == McpItem::kTool     ? "tool"
                                : item == McpItem::kPrompt ? "prompt"
                                                           : "resource";
  // The same words for what does not exist.
  dialects::McpRefusal made;
  made.refusal = refuse(Reason::kToolNotAllowed, fmt::format("{}.{}", rule, name_of(item)),
                        fmt::format("This {} does not exist or may not be used with this "
                                    "credential. The list has those that may.",
                                    what))
                     .error();
  made.id = id;
  return made;
}

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
    return std::unexpected(refuse_mcp_name(mcp.rule, message.item, message.id));
  }
  return {};
}

Expected<std::string_view> mcp_credential(const config::Mcp& mcp,
                                          const authentication::Identity& caller) {
  const auto is_of = [](std::string_view user, std::string_view tenant, std::string_view subject) {
    return !subject.empty() && user.size() == tenant.size() + 1 + subject.size() &&
           user.starts_with(tenant) && user[tenant.size()] == '/' && user.ends_with(subject);
  };
  for (const auto& [user, secret] : mcp.user_credentials) {
    if (is_of(user, caller.tenant, caller.subject)) return secret.reveal();
  }
  if (!mcp.user_credentials.empty()) {
    return refuse(Reason::kRouteNotAllowed, mcp.rule + ".credential_by_user",
                  "The MCP server behind this route knows each user by a credential of their own, "
                  "and there is none for this one. The operator can add it.");
  }
  for (const auto& [tenant, secret] : mcp.credentials) {
    if (tenant == caller.tenant) return secret.reveal();
  }
  return mcp.upstream.credential.reveal();
}

std::string_view tool_called(const dialects::McpMethod* method, std::string_view name) {
  const bool calls = method != nullptr && method->name == "tools/call";
  return calls ? name : std::string_view();
}

namespace {

constexpr std::string_view kSessionLabel = "tollgate mcp session";

bool is_visible(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

bool is_mcp_session(std::string_view session, std::string_view credential) {
  const bool tells = !credential.empty() && session.contains(credential);
  return !tells && session.size() <= kSessionBytesMax && is_visible(session);
}

std::string seal_mcp(const authentication::Pepper& pepper, std::string_view label,
                     const McpSessionOwner& owner, std::string_view text) {
  return seal_of(pepper, label, owner, text) + "." +
         authentication::encode_base64url(authentication::bytes_of(text));
}

std::optional<std::string> open_mcp(const authentication::Pepper& pepper, std::string_view label,
                                    const McpSessionOwner& owner, std::string_view sealed,
                                    std::size_t bytes_max) {
  const std::size_t dot = sealed.find('.');
  if (dot == std::string_view::npos || sealed.size() > 2 * bytes_max) return std::nullopt;
  std::string text;
  if (authentication::decode_base64url(sealed.substr(dot + 1), text) !=
          authentication::Decoded::kWell ||
      text.size() > bytes_max || !is_visible(text)) {
    return std::nullopt;
  }
  const std::string seal = seal_of(pepper, label, owner, text);
  const std::string_view shown = sealed.substr(0, dot);
  if (shown.size() != seal.size()) return std::nullopt;
  unsigned differs = 0;  // Whatever differs takes as long.
  for (std::size_t i = 0; i < seal.size(); ++i) {
    differs |= static_cast<unsigned char>(seal[i]) ^ static_cast<unsigned char>(shown[i]);
  }
  if (differs != 0) return std::nullopt;
  return text;
}

std::string seal_mcp_session(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                             std::string_view session) {
  return seal_mcp(pepper, kSessionLabel, owner, session);
}

std::optional<std::string> open_mcp_session(const authentication::Pepper& pepper,
                                            const McpSessionOwner& owner, std::string_view sealed) {
  return open_mcp(pepper, kSessionLabel, owner, sealed, kSessionBytesMax);
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
