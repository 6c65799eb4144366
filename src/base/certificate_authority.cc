#include "base/certificate_authority.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "base/sha256.h"

namespace tollgate {

CertificateAuthority certificate_authority(std::string path, std::string pem) {
  CertificateAuthority made{std::move(path), std::move(pem), {}};
  made.digest = sha256(made.pem);
  return made;
}

std::optional<CertificateAuthority> read_certificate_authority(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string pem(CertificateAuthority::kBytesMax + 1, '\0');
  in.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<std::size_t>(in.gcount()));
  if (pem.size() > CertificateAuthority::kBytesMax) return std::nullopt;
  pem.shrink_to_fit();
  return certificate_authority(path, std::move(pem));
}

}  // namespace tollgate
