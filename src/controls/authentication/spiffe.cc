#include "controls/authentication/spiffe.h"

namespace tollgate::authentication {

Expected<SpiffeId> read_svid(const ClientCertificate& certificate, std::string_view rule) {
  const auto broken = [rule](std::string_view what) {
    return refuse(Reason::kInvalidCredential, std::string(rule),
                  "The client certificate is no X.509-SVID: " + std::string(what) + ".");
  };
  if (certificate.uris.size() != 1) return broken("it has not exactly one URI among its names");
  const std::optional<SpiffeId> id = read_spiffe_id(certificate.uris.front());
  if (!id) return broken("its URI is not a SPIFFE ID");
  if (id->path.empty()) return broken("its SPIFFE ID has no path, so it names no workload");
  const KeyUse& use = certificate.use;
  if (certificate.is_authority) return broken("it is the certificate of an authority");
  if (!use.stated || !use.critical) return broken("its key usage is not there or not critical");
  if (!use.digital_signature) return broken("its key usage lacks digitalSignature");
  if (use.signs_certificates) return broken("its key usage has keyCertSign");
  if (use.signs_revocations) return broken("its key usage has cRLSign");
  if (use.purpose_stated && !(use.for_clients && use.for_servers)) {
    return broken("its extended key usage lacks clientAuth or serverAuth");
  }
  return *id;
}

}  // namespace tollgate::authentication
