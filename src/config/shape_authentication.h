// The tables of shape.h for authentication.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kApiKeysFields[] = {
    {.key = "pepper_file",
     .kind = Kind::kFile,
     .doc =
         "32 or more random bytes that the stored digests of keys need, the same for all gateways "
         "of a `postgres://` ledger, which must name it. Not written: made beside the ledger at "
         "the first start."},
};
inline constexpr Section kApiKeys{"api_keys", "Tenant API keys; `{}` is enough.", kApiKeysFields};

inline constexpr Field kAuthenticationFields[] = {
    {.key = "api_keys",
     .kind = Kind::kSection,
     .doc = "Accept tenant API keys. Without it no key is accepted.",
     .section = &kApiKeys},
    {.key = "jwt", .kind = Kind::kNotServed, .doc = "Tokens signed by an identity provider."},
    {.key = "introspection", .kind = Kind::kNotServed, .doc = "Opaque tokens (RFC 7662)."},
    {.key = "sessions", .kind = Kind::kNotServed, .doc = "Session cookies."},
    {.key = "mtls", .kind = Kind::kNotServed, .doc = "Client certificates."},
};
inline constexpr Section kAuthentication{
    "authentication", "Which credentials are accepted. None unless named.", kAuthenticationFields};

}  // namespace tollgate::config
