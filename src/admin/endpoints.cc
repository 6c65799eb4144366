#include "admin/endpoints.h"

#include <fmt/format.h>

#include <array>

namespace tollgate::admin {

namespace {

using administration::Right;

// A path that is written out stands before one with `*` that it would fit.
constexpr std::array<EndpointRow, kEndpointCount> kEndpoints = {{
    {Endpoint::kListKeys, "GET", "keys", Right::kReadKeys},
    {Endpoint::kCreateKey, "POST", "keys", Right::kChangeKeys},
    {Endpoint::kImportKeys, "POST", "keys/import", Right::kChangeKeys},
    {Endpoint::kShowKey, "GET", "keys/*", Right::kReadKeys},
    {Endpoint::kRotateKey, "POST", "keys/*/rotate", Right::kChangeKeys},
    {Endpoint::kExpireKey, "POST", "keys/*/expire", Right::kChangeKeys},
    {Endpoint::kRevokeKey, "POST", "keys/*/revoke", Right::kChangeKeys},
    {Endpoint::kSpend, "GET", "spend", Right::kReadSpend},
    {Endpoint::kBudgets, "GET", "budgets", Right::kReadSpend},
    {Endpoint::kTrail, "GET", "audit", Right::kReadTrail},
    {Endpoint::kConfiguration, "GET", "config", Right::kReadConfiguration, Reach::kWhole},
    {Endpoint::kListGateways, "GET", "gateways", Right::kReadGateways, Reach::kWhole},
    {Endpoint::kRetireGateway, "POST", "gateways/*/retire", Right::kRetireGateways, Reach::kWhole},
    {Endpoint::kListAlertAnswers, "GET", "alerts", Right::kReadKeys},
    {Endpoint::kReleaseAlertAnswer, "POST", "alerts/*/release", Right::kChangeKeys},
    {Endpoint::kListTokens, "GET", "tokens", Right::kChangeTokens},
    {Endpoint::kCreateToken, "POST", "tokens", Right::kChangeTokens},
    {Endpoint::kRevokeToken, "POST", "tokens/*/revoke", Right::kChangeTokens},
    {Endpoint::kMetrics, "GET", "metrics", Right::kReadMetrics, Reach::kWhole},
    {Endpoint::kReadiness, "GET", "readyz", Right::kReadMetrics, Reach::kWhole},
    {Endpoint::kShowSession, "GET", "session", std::nullopt},
    {Endpoint::kBeginSession, "POST", "session", std::nullopt},
    {Endpoint::kEndSession, "DELETE", "session", std::nullopt},
}};
constexpr bool in_order() {
  for (std::size_t i = 0; i < kEndpoints.size(); ++i) {
    if (static_cast<std::size_t>(kEndpoints[i].endpoint) != i) return false;
  }
  return true;
}
static_assert(in_order());

// What stands for the `*` of `pattern`; empty where it has none. Nothing: they do not fit.
std::optional<std::string_view> fit(std::string_view pattern, std::string_view path) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return pattern == path ? std::optional<std::string_view>("") : std::nullopt;
  }
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  if (path.size() <= before.size() + after.size()) return std::nullopt;
  if (!path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
  const std::string_view id =
      path.substr(before.size(), path.size() - before.size() - after.size());
  if (id.contains('/')) return std::nullopt;
  return id;
}

}  // namespace

std::span<const EndpointRow> endpoints() { return kEndpoints; }

std::optional<Match> find_endpoint(std::string_view method, std::string_view path) {
  for (const EndpointRow& row : kEndpoints) {
    if (row.method != method) continue;
    if (const auto id = fit(row.path, path)) return Match{&row, *id};
  }
  return std::nullopt;
}

std::string asked_of(const std::optional<Match>& match) {
  if (!match) return "another path";
  std::string path(match->row->path);
  if (const std::size_t star = path.find('*'); star != std::string::npos) {
    path.replace(star, 1, "{id}");
  }
  return fmt::format("{} /admin/v1/{}", match->row->method, path);
}

}  // namespace tollgate::admin
