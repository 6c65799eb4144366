#include "controls/authentication/discovery.h"

#include <fmt/format.h>

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
  return std::string(keys);
}

}  // namespace tollgate::authentication
