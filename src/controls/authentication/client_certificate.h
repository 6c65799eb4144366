// The certificate that a caller's connection has proven to hold the key of, as far as it matters
// to who asks.
//
// That its chain leads to an authority of the listener's was checked by the handshake; which
// bundle it leads to is asked of a TrustBundle. What it may mean is for mtls.h to say.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "controls/authentication/authentication.h"

namespace tollgate::authentication {

inline constexpr std::size_t kCertificateBytesMax = std::size_t{32} << 10;
inline constexpr std::size_t kChainMax = 8;  // Certificates that came with it.

// Of RFC 5280 4.2.1.3 and 4.2.1.12, as far as it is asked for here.
struct KeyUse {
  bool stated = false;    // The extension is there.
  bool critical = false;  // Of the key usage alone.
  bool digital_signature = false;
  bool signs_certificates = false;
  bool signs_revocations = false;

  bool purpose_stated = false;  // The extended key usage is there.
  bool for_clients = false;
  bool for_servers = false;
};

struct ClientCertificate {
  Digest digest{};                     // SHA-256 of its DER: what tokens are bound to.
  Digest presented{};                  // SHA-256 of all that was presented, the chain too.
  std::string common_name;             // Empty: none, several, or no printable text.
  std::vector<std::string> uris;       // As they stand.
  std::vector<std::string> dns_names;  // In lower case; wildcards are nobody's name.
  WallTime not_before{};
  WallTime not_after{};
  bool is_authority = false;
  KeyUse use;

  std::string der;
  std::vector<std::string> chain;  // DER of what came with it, in its order.
};

// Nothing where one of them is no certificate, is too large or contradicts itself.
std::optional<ClientCertificate> read_client_certificate(std::string_view der,
                                                         std::span<const std::string> chain);

// The first certificate of a PEM text, as if it were presented with those behind it.
std::optional<ClientCertificate> read_client_certificate_pem(std::string_view pem);

}  // namespace tollgate::authentication
