// Whose is a client certificate? From what a connection has proven to the one actor, or nobody.
//
// A certificate that no policy maps names nobody, as every caller of a mesh has one: it is no
// reason to refuse by itself. One that is mapped and breaks a rule is, and is never passed over
// for another credential that holds.
//
// No I/O; time is an argument.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "controls/authentication/mtls_policy.h"

namespace tollgate::authentication {

// The actor of `certificate`, whose views live in `arena`, in the certificate and in `policies`;
// nothing where no policy maps it. kExpiredCredential for one whose time has passed while its
// connection lives, kInvalidCredential for one that breaks a rule, that its bundle does not vouch
// for, or that is mapped to two actors.
Expected<std::optional<Identity>> identify(std::span<const MtlsPolicy> policies,
                                           const ClientCertificate& certificate,
                                           BundleVerdicts& verdicts, WallTime now, Arena& arena);

// What identify() has said of the certificate of one connection, which asks with it many times: of
// policies with that stamp, for kGood, and never beyond the certificate's own time. What it refuses
// is not kept. Of the connection's thread.
class KeptCertificate {
 public:
  static constexpr Duration kGood = std::chrono::seconds(10);

  // The same as identify(), whose views are in `arena`, in the certificate and in `policies`.
  // `certificate` is the same at each call, and `stamp` another for policies that differ.
  Expected<std::optional<Identity>> identify(std::span<const MtlsPolicy> policies,
                                             const Digest& stamp,
                                             const ClientCertificate& certificate,
                                             BundleVerdicts& verdicts, WallTime now, Arena& arena);

 private:
  bool kept_ = false;
  Digest stamp_{};
  WallTime given_{};
  std::size_t policy_ = 0;
  std::string tenant_;  // Empty: it is nobody's.
  std::string_view subject_;
  std::string credential_id_;
};

}  // namespace tollgate::authentication
