// The tables of shape.h for routes to MCP servers.
#pragma once

#include <algorithm>
#include <array>

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_allowances.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kMcpTimeoutFields[] = {
    {.key = "connect",
     .kind = Kind::kDuration,
     .doc = "Until the connection stands, TLS too.",
     .fallback = "5s",
     .min = kMs,
     .max = kHour},
    {.key = "first_byte",
     .kind = Kind::kDuration,
     .doc = "From the request to its first byte.",
     .fallback = "60s",
     .min = kMs,
     .max = kHour},
    {.key = "between_chunks",
     .kind = Kind::kDuration,
     .doc = "Silence within an answer, or within a stream of notifications.",
     .fallback = "2m",
     .min = kMs,
     .max = kHour},
    {.key = "total",
     .kind = Kind::kDuration,
     .doc = "A whole call or stream.",
     .fallback = "15m",
     .min = kMs,
     .max = kDay},
};
inline constexpr Section kMcpTimeout{"mcp_timeout", "How long to wait for an MCP server.",
                                     kMcpTimeoutFields};

inline constexpr Field kMcpAccessFields[] = {
    {.key = "allow",
     .kind = Kind::kList,
     .doc = "For every caller of the route: a name (of a resource: its address), a prefix ending "
            "in `*`, or `*`.",
     .max = 1024,
     .of = Kind::kText},
    {.key = "by_role",
     .kind = Kind::kTextMap,
     .doc = "Beside those, for callers of a role.",
     .max = 256,
     .of = Kind::kTexts},
    {.key = "by_tenant",
     .kind = Kind::kTextMap,
     .doc = "Beside those, for callers of a tenant.",
     .max = 1024,
     .of = Kind::kTexts},
};
inline constexpr Section kMcpAccess{"mcp_access",
                                    "Which of a server's tools, prompts or resources a caller may "
                                    "see and use. None unless named.",
                                    kMcpAccessFields};

inline constexpr Field kMcpAuthorizationFields[] = {
    {.key = "resource",
     .kind = Kind::kUrl,
     .doc = "The URL of this route as callers know it; its path is the route's. Tokens are for it: "
            "name it as the `audience` of the `authentication.jwt` entry.",
     .need = Need::kRequired},
    {.key = "servers",
     .kind = Kind::kList,
     .doc = "Issuers of tokens for it.",
     .need = Need::kRequired,
     .min = 1,
     .max = 16,
     .of = Kind::kUrl},
    {.key = "scopes",
     .kind = Kind::kList,
     .doc = "Scopes that a client may ask for.",
     .max = 64,
     .of = Kind::kText},
};
inline constexpr Section kMcpAuthorization{
    "mcp_authorization",
    "Where clients get a token, told to those that come without a good one (RFC 9728).",
    kMcpAuthorizationFields};

inline constexpr Field kMcpToolLimitsFields[] = {
    {.key = "tenant_id", .kind = Kind::kSection, .doc = "Of each tenant.", .section = &kLimits},
    {.key = "user_id", .kind = Kind::kSection, .doc = "Of each user.", .section = &kLimits},
    {.key = "key_id", .kind = Kind::kSection, .doc = "Of each key.", .section = &kLimits},
    {.key = "client_ip", .kind = Kind::kSection, .doc = "Of each address.", .section = &kLimits},
    {.key = "global", .kind = Kind::kSection, .doc = "Of all callers.", .section = &kLimits},
    {.key = "price_per_call",
     .kind = Kind::kMoney,
     .doc = "What a call costs, instead of the server's `price_per_call`."},
};
inline constexpr Section kMcpToolLimits{
    "mcp_tool_limits",
    "What calls of one tool may take, beside the route's limits: of `requests_per_minute`, "
    "`requests_per_day` and `concurrent_requests`; and what they cost.",
    kMcpToolLimitsFields};

// Of a server, be it the only one of its endpoint or one of several.
inline constexpr std::array kMcpServerFields{
    Field{.key = "url",
          .kind = Kind::kUrl,
          .doc = "The server's endpoint (streamable HTTP). No process is ever started.",
          .need = Need::kRequired},
    Field{
        .key = "credential",
        .kind = Kind::kSecret,
        .doc =
            "Sent to the server as `Authorization: Bearer`; what the caller shows is never passed "
            "on. Not written or empty: none is sent."},
    Field{.key = "credential_by_tenant",
          .kind = Kind::kTextMap,
          .doc = "Instead of that, for callers of a tenant.",
          .max = 1024,
          .of = Kind::kSecret},
    Field{.key = "credential_by_user",
          .kind = Kind::kTextMap,
          .doc = "What the server is shown for a user, by `TENANT/USER`. Whoever has none here is "
                 "refused; `credential` is for `tollgate mcp` alone then.",
          .max = 4096,
          .of = Kind::kSecret},
    Field{
        .key = "price_per_call",
        .kind = Kind::kMoney,
        .doc =
            "What a call of a tool costs, against the budgets of who calls. Not written: nothing."},
    Field{.key = "tool_limits",
          .kind = Kind::kMap,
          .doc = "By the name of a tool: what its calls may take and cost.",
          .max = 1024,
          .section = &kMcpToolLimits,
          .key_kind = Kind::kModelName},
    Field{
        .key = "pins",
        .kind = Kind::kFile,
        .doc = "Definitions of tools that were approved, as `tollgate mcp approve` writes them. "
               "Others, "
               "and those that have changed, are not listed and not called. Not written: none need "
               "be.",
    },
    Field{.key = "tools",
          .kind = Kind::kSection,
          .doc = "Tools that a caller sees and may call.",
          .section = &kMcpAccess},
    Field{.key = "prompts",
          .kind = Kind::kSection,
          .doc = "Prompts that a caller sees and may get.",
          .section = &kMcpAccess},
    Field{
        .key = "resources",
        .kind = Kind::kSection,
        .doc =
            "Resources, by address, that a caller sees and may read; templates by their template.",
        .section = &kMcpAccess},
    kMode,
    Field{
        .key = "server_requests",
        .kind = Kind::kList,
        .doc =
            "What the server may ask of the caller's client while it works. Not written: nothing.",
        .max = 3,
        .names = choices::mcp_server_requests,
        .of = Kind::kChoice},
    Field{.key = "answer",
          .kind = Kind::kBytes,
          .doc = "A message of the server, whole or within a stream.",
          .fallback = "4MiB",
          .min = kKiB,
          .max = 64 * kMiB},
    Field{.key = "concurrent_requests",
          .kind = Kind::kCount,
          .doc = "At once, open streams too; more are refused as overloaded.",
          .fallback = "1024",
          .min = 1,
          .max = 1'000'000},
    Field{.key = "timeout",
          .kind = Kind::kSection,
          .doc = "How long to wait for it.",
          .section = &kMcpTimeout},
    Field{.key = "certificate_authority",
          .kind = Kind::kFile,
          .doc = "PEM of who signs its certificate. Not written: the system's."},
};
inline constexpr Section kMcpServer{
    "mcp_server",
    "One of several servers behind an endpoint. Its name, `a-z 0-9 -` and at most 32 of them, and "
    "`__` stand before the names of its tools and prompts: `github__search`. What it allows is "
    "named without that.",
    kMcpServerFields};

inline constexpr std::array kMcpEndpointFields{
    Field{
        .key = "origins",
        .kind = Kind::kList,
        .doc = "Pages that may call from a browser, each `https://host[:port]`. Not written: none.",
        .max = 64,
        .of = Kind::kText},
    Field{.key = "hosts",
          .kind = Kind::kList,
          .doc = "Hosts under which callers know this endpoint, as their `Host` says them. Not "
                 "written: on a loopback listener its own names, elsewhere any.",
          .max = 64,
          .of = Kind::kText},
    Field{.key = "authorization",
          .kind = Kind::kSection,
          .doc = "Where clients get a token. Not written: they are not told.",
          .section = &kMcpAuthorization},
    Field{.key = "body",
          .kind = Kind::kBytes,
          .doc = "A message of a caller.",
          .fallback = "1MiB",
          .min = kKiB,
          .max = 64 * kMiB},
    Field{
        .key = "servers",
        .kind = Kind::kMap,
        .doc =
            "Several servers under one endpoint, at most 16, instead of `url` and all else that is "
            "of a server.",
        .max = 16,
        .section = &kMcpServer},
};

// All of them; without `servers` what is of a server stands here.
inline constexpr std::array kMcpFields = [] {
  std::array<Field, kMcpServerFields.size() + kMcpEndpointFields.size()> all{};
  std::ranges::copy(kMcpEndpointFields, std::ranges::copy(kMcpServerFields, all.begin()).out);
  all.front().need = Need::kOptional;
  return all;
}();
inline constexpr Section kMcp{"mcp",
                              "An MCP server behind the route, or several, revisions 2025-03-26 to "
                              "2025-11-25 and 2026-07-28. See "
                              "[mcp](mcp.md).",
                              kMcpFields};

// Of a route.
inline constexpr Field kRouteMcp{.key = "mcp",
                                 .kind = Kind::kSection,
                                 .doc = "Serves an MCP server at the path instead of models.",
                                 .section = &kMcp};

}  // namespace tollgate::config
