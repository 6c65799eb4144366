#include "controls/authentication/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/ascii.h"
#include "controls/authentication/json_document.h"
#include "controls/authentication/jwt_policy.h"

namespace tollgate::authentication {

std::string discovery_url(std::string_view issuer) {
  const std::string_view slash = issuer.ends_with('/') ? "" : "/";
  return fmt::format("{}{}.well-known/openid-configuration", issuer, slash);
}

std::expected<std::string, std::string> read_discovery(std::string_view document,
                                                       std::string_view issuer) {
  if (document.size() > kDiscoveryBytesMax) return std::unexpected("The metadata is too large.");
  JsonDocument json;
  std::string text(document);
  const std::optional<simdjson::dom::object> metadata = json.read(text);
  if (!metadata) return std::unexpected("The metadata is no JSON object.");
  if (text_member(*metadata, "issuer") != issuer) {
    return std::unexpected("The metadata is of another issuer.");
  }
  const std::string_view keys = text_member(*metadata, "jwks_uri").value_or("");
  if (!is_safe_url(keys)) {
    return std::unexpected(
        "The `jwks_uri` of the metadata is no https URL (http only on loopback).");
  }
  // An issuer elsewhere has nothing to say about what this machine listens to.
  if (is_loopback_url(keys) && !is_loopback_url(issuer)) {
    return std::unexpected("The `jwks_uri` of the metadata is of this machine, its issuer is not.");
  }
  return std::string(keys);
}

std::optional<Duration> kept_for(std::string_view cache_control) {
  constexpr std::string_view kMaxAge = "max-age=";
  std::optional<Duration> found;
  while (!cache_control.empty()) {
    std::string_view directive = cache_control.substr(0, cache_control.find(','));
    cache_control.remove_prefix(std::min(directive.size() + 1, cache_control.size()));
    directive.remove_prefix(std::min(directive.find_first_not_of(" \t"), directive.size()));
    directive = directive.substr(0, directive.find_last_not_of(" \t") + 1);
    if (equal_ignoring_case(directive, "no-store") || equal_ignoring_case(directive, "no-cache")) {
      return Duration::zero();
    }
    if (!equal_ignoring_case(directive.substr(0, kMaxAge.size()), kMaxAge)) continue;
    directive.remove_prefix(kMaxAge.size());
    std::int32_t seconds = 0;  // 2^31 and more is as long as 2^31 - 1 (RFC 9111 1.2.2).
    const auto [end, error] =
        std::from_chars(directive.data(), directive.data() + directive.size(), seconds);
    if (end != directive.data() + directive.size() || seconds < 0) continue;
    if (error == std::errc::invalid_argument) continue;
    if (error != std::errc()) seconds = std::numeric_limits<std::int32_t>::max();
    found = std::chrono::seconds(seconds);
  }
  return found;
}

}  // namespace tollgate::authentication
