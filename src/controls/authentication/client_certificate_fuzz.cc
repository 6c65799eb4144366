// What a caller presents as its certificate, whatever it is. The first two bytes say how much of
// the rest is the certificate; what follows came with it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "controls/authentication/mtls.h"

namespace {

using namespace tollgate;
using namespace tollgate::authentication;

std::vector<MtlsPolicy> policies() {
  std::vector<MtlsPolicy> made(2);
  made[0].name = "mesh";
  made[0].named_by = CertificateName::kSpiffeId;
  made[0].trust_domain = "example.org";
  made[0].tenant_by_name = {{"spiffe://example.org/*", "search"}};
  made[1].name = "company";
  made[1].named_by = CertificateName::kDnsName;
  made[1].tenant_by_name = {{"*.search.internal", "search"}};
  // An authority that has signed nothing of it.
  constexpr const char* kPem = R"(-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUYYUe7/jyVGHdacgpfxDiSNGCVOMwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjYwNzU4MThaGA8yMTI2MTEwMjA3NTgxOFow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB02KWCMfD+/
cVs9JfOBykp8UmZupISPgq6kimHyWf9fovG6RQOUGFxHbyLZcKd9N7UHS2mytUeX
tM0kZpeWbtGjYzBhMB0GA1UdDgQWBBTYiHL9XqD3mJrW6vGMzuCE4zYkujAfBgNV
HSMEGDAWgBTYiHL9XqD3mJrW6vGMzuCE4zYkujAPBgNVHRMBAf8EBTADAQH/MA4G
A1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNJADBGAiEAuF4y58+aMRqg3Z4TCv73
Kw1BpD9PIRk48i9MM+Wu6xMCIQD5wTBSrSSzx671HCJ+WKiZ+h7TX8UE4OliX9Vy
xsi4iA==
-----END CERTIFICATE-----)";
  for (MtlsPolicy& each : made) {
    auto trust = TrustBundle::read(kPem);
    CHECK(trust);
    each.trust = std::move(*trust);
  }
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<MtlsPolicy> all = policies();
  if (size < 2) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = std::min<std::size_t>(rest.size(), data[0] * std::size_t{256} + data[1]);
  const std::string chain[] = {rest.substr(cut)};
  const std::span<const std::string> with(chain, cut < rest.size() ? 1 : 0);
  const auto certificate = read_client_certificate(std::string_view(rest).substr(0, cut), with);
  if (!certificate) return 0;
  Arena arena;
  BundleVerdicts verdicts;
  const WallTime now{std::chrono::seconds(1'800'000'000)};
  const auto caller = identify(all, *certificate, verdicts, now, arena);
  CHECK(!caller || !*caller);  // Nobody whom no authority of ours vouches for.
  return 0;
}
