// Who signs the certificates of a server that we ask: a PEM file as it was when the configuration
// was loaded.
//
// The text is kept beside its path, so that what is trusted changes with the configuration and
// with nothing else: a file that is replaced is in force with the next reload, everywhere at once,
// and one that is half written never is.
//
// read_certificate_authority() reads a file; all else is pure. Safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace tollgate {

struct CertificateAuthority {
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;

  std::string path;  // Empty: the system's.
  std::string pem;
  std::array<std::uint8_t, 32> digest{};  // SHA-256 of `pem`; zeros: the system's.

  bool empty() const { return path.empty(); }
};

CertificateAuthority certificate_authority(std::string path, std::string pem);

// Nothing where the file cannot be read or is larger than kBytesMax.
std::optional<CertificateAuthority> read_certificate_authority(const std::string& path);

}  // namespace tollgate
