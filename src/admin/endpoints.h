// What can be asked of the admin API, and which right each wants: one table.
//
// Whatever has no row here does not exist. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controls/administration/administration.h"

namespace tollgate::admin {

enum class Endpoint : std::uint8_t {
  kListKeys,
  kCreateKey,
  kImportKeys,
  kShowKey,
  kRotateKey,
  kExpireKey,
  kRevokeKey,
  kSpend,
  kBudgets,
  kTrail,
  kConfiguration,
  kListGateways,
  kRetireGateway,
  kListAlertAnswers,
  kReleaseAlertAnswer,
  kListTokens,
  kCreateToken,
  kRevokeToken,
  kMetrics,
  kReadiness,
  kShowSession,
  kBeginSession,
  kEndSession,
};
inline constexpr int kEndpointCount = static_cast<int>(Endpoint::kEndSession) + 1;

// Whether somebody who is bound to tenants may ask: then the answer is about those alone.
enum class Reach : std::uint8_t { kTenants, kWhole };

struct EndpointRow {
  Endpoint endpoint;
  std::string_view method;
  std::string_view path;                       // Behind /admin/v1/; `*` is one id.
  std::optional<administration::Right> right;  // Nothing: whoever administers, about himself.
  Reach reach = Reach::kTenants;
};
std::span<const EndpointRow> endpoints();

struct Match {
  const EndpointRow* row = nullptr;
  std::string_view id;  // What stands for `*`.
};
// Nothing: there is no such endpoint.
std::optional<Match> find_endpoint(std::string_view method, std::string_view path);

// What was asked, for the record: "POST /admin/v1/keys/{id}/revoke". Of what is no endpoint it says
// that alone, and no word of whoever asked.
std::string asked_of(const std::optional<Match>& match);

}  // namespace tollgate::admin
