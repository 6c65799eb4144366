// Where an issuer's keys are: the metadata that it publishes about itself (OpenID Connect
// Discovery 1.0, RFC 8414).
//
// Pure. Safe from any thread.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace tollgate::authentication {

inline constexpr std::size_t kDiscoveryBytesMax = std::size_t{256} << 10;

// The address of the metadata of `issuer`.
std::string discovery_url(std::string_view issuer);

// The `jwks_uri` of the metadata, which must be of `issuer` to the letter and name a safe URL. An
// error, in words for the operator, for all else.
std::expected<std::string, std::string> read_discovery(std::string_view document,
                                                       std::string_view issuer);

// For how long an answer with this Cache-Control may be kept (RFC 9111 5.2.2): its `max-age`, zero
// where it may not be kept; nothing where it does not say.
std::optional<Duration> kept_for(std::string_view cache_control);

}  // namespace tollgate::authentication
