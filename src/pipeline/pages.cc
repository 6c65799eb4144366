#include "pipeline/pages.h"

#include <algorithm>
#include <string>

#include "base/ascii.h"
#include "pipeline/mcp.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

namespace {

// What SDKs in a browser send, in alphabetic order. Others are no part of any call to a model.
constexpr std::string_view kHeaders[] = {"accept",
                                         "accept-language",
                                         "anthropic-beta",
                                         "anthropic-dangerous-direct-browser-access",
                                         "anthropic-version",
                                         "api-key",
                                         "authorization",
                                         "content-type",
                                         "idempotency-key",
                                         "last-event-id",
                                         "mcp-method",
                                         "mcp-name",
                                         "mcp-protocol-version",
                                         "mcp-session-id",
                                         "openai-beta",
                                         "openai-organization",
                                         "openai-project",
                                         "traceparent",
                                         "tracestate",
                                         "x-api-key",
                                         "x-request-id",
                                         "x-stainless-arch",
                                         "x-stainless-async",
                                         "x-stainless-helper-method",
                                         "x-stainless-lang",
                                         "x-stainless-os",
                                         "x-stainless-package-version",
                                         "x-stainless-poll-helper",
                                         "x-stainless-retry-count",
                                         "x-stainless-runtime",
                                         "x-stainless-runtime-version",
                                         "x-stainless-timeout"};

// What a script may read of an answer beside its body.
constexpr std::string_view kExposed =
    "idempotent-replayed, mcp-session-id, request-id, retry-after, retry-after-ms, x-request-id, "
    "x-should-retry, x-tollgate-cache, x-tollgate-cost-usd, "
    "x-tollgate-budget-remaining-usd, x-tollgate-model, x-tollgate-reason, x-tollgate-rule";

constexpr std::string_view kOfThePage = "vary: origin\r\n";
constexpr std::string_view kOfOneCaller = "cache-control: no-store\r\n";
constexpr std::string_view kOfOnePage = "cache-control: no-store\r\nvary: origin\r\n";

// Whether a cache may keep what such a request is answered.
bool is_kept_by_caches(std::string_view method) { return method == "GET" || method == "HEAD"; }

bool lists_pages(const config::Config& config) {
  return std::ranges::any_of(config.authentication.sessions,
                             [](const auto& session) { return !session.origins.empty(); }) ||
         std::ranges::any_of(config.routes, [](const config::Route& route) {
           return route.mcp && !route.mcp->origins.empty();
         });
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// Those of `asked`, a list, that a page may send.
std::string allowed_of(std::string_view asked) {
  std::string allowed;
  for (const std::string_view header : kHeaders) {
    std::string_view rest = asked;
    bool found = false;
    while (!rest.empty() && !found) {
      const std::string_view name = rest.substr(0, rest.find(','));
      found = equal_ignoring_case(trimmed(name), header);
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    }
    if (found) allowed.append(allowed.empty() ? "" : ", ").append(header);
  }
  return allowed;
}

std::string who_may_read(std::string_view page) {
  std::string lines = "access-control-allow-origin: ";
  lines.append(page).append("\r\naccess-control-allow-credentials: true\r\n");
  return lines;
}

}  // namespace

std::string_view listed_page(const RequestHead& head, const config::Config& config) {
  if (!lists_pages(config)) return {};
  const std::string_view origin = head.only_header("origin").value_or("");
  if (origin.empty()) return {};
  const auto listed = [&](const std::vector<std::string>& origins) -> std::string_view {
    const auto found = std::ranges::find(origins, origin);
    return found == origins.end() ? std::string_view() : std::string_view(*found);
  };
  for (const authentication::SessionPolicy& session : config.authentication.sessions) {
    if (const std::string_view page = listed(session.origins); !page.empty()) return page;
  }
  const config::Mcp* mcp = mcp_at(config, {head.exposure, "POST", without_query(head.target)});
  return mcp == nullptr ? std::string_view() : listed(mcp->origins);
}

bool is_preflight(const RequestHead& head) {
  return head.method == "OPTIONS" && !head.header("access-control-request-method").empty();
}

std::string_view preflight_headers(const RequestHead& head, std::string_view page, Arena& arena) {
  std::string lines = who_may_read(page);
  lines += "access-control-allow-methods: GET, POST, DELETE\r\n";
  const std::string allowed = allowed_of(head.header("access-control-request-headers"));
  if (!allowed.empty()) lines += "access-control-allow-headers: " + allowed + "\r\n";
  lines +=
      "access-control-max-age: 600\r\n"
      "vary: origin, access-control-request-method, access-control-request-headers\r\n";
  return arena.copy(lines);
}

std::string_view answer_headers(const RequestHead& head, std::string_view page,
                                const config::Config& config, Arena& arena) {
  const bool reads = is_kept_by_caches(head.method);
  if (page.empty()) {
    if (!reads) return {};
    return lists_pages(config) ? kOfOnePage : kOfOneCaller;
  }
  std::string lines = who_may_read(page);
  lines.append("access-control-expose-headers: ").append(kExposed).append("\r\n");
  lines += reads ? kOfOnePage : kOfThePage;
  return arena.copy(lines);
}

}  // namespace tollgate::pipeline
