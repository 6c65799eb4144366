// The table of shape.h for TLS, of listeners and of the admin address.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kTlsFields[] = {
    {.key = "certificate",
     .kind = Kind::kFile,
     .doc = "PEM chain, the server's first.",
     .need = kRequired},
    {.key = "key",
     .kind = Kind::kFile,
     .doc = "PEM private key of that certificate.",
     .need = kRequired},
    {.key = "client_ca",
     .kind = Kind::kFile,
     .doc = "PEM bundle of authorities: callers are asked for a certificate that one of them "
            "vouches for. Whose it is says `authentication.mtls`."},
    {.key = "client_certificates",
     .kind = Kind::kChoice,
     .doc = "With `client_ca`: whether a caller without a certificate is served.",
     .fallback = "require",
     .names = choices::client_certificates},
};
inline constexpr Section kTls{"tls", "The certificate that a listener shows.", kTlsFields};

}  // namespace tollgate::config
