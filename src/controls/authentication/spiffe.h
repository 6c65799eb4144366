// X.509-SVIDs: the certificate of a workload, by the rules of the SPIFFE standard (X509-SVID).
//
// Pure. Safe from any thread.
#pragma once

#include <string_view>

#include "base/refusal.h"
#include "controls/authentication/client_certificate.h"
#include "controls/authentication/spiffe_id.h"

namespace tollgate::authentication {

// The workload that `certificate` names, whose key a connection has proven. kInvalidCredential,
// with `rule`, for what breaks a rule of the standard:
//   exactly one URI among its names (2), which is a SPIFFE ID with a path (3.1);
//   no authority (4.1); a key usage that is critical, has digitalSignature and neither
//   keyCertSign nor cRLSign (4.3); where it states purposes, those of client and server (4.4).
// Whether its trust domain's bundle vouches for it is asked of that. Views into the certificate.
Expected<SpiffeId> read_svid(const ClientCertificate& certificate, std::string_view rule);

}  // namespace tollgate::authentication
