#include "controls/authentication/client_certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "base/sha256.h"
#include "controls/authentication/x509_reading.h"

namespace tollgate::authentication {

namespace {

constexpr std::size_t kNameBytesMax = 2048;
constexpr int kNamesMax = 128;

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

// The one common name. Of several, nobody can say which is meant.
std::string common_name_of(const X509* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return {};
  unsigned char* bytes = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  // Names that look alike are not alike: ASCII alone, as in DNS and SPIFFE. A blank is a name's.
  const bool well = text.size() <= kNameBytesMax &&
                    std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
  return well ? text : std::string();
}

std::optional<WallTime> moment_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

KeyUse use_of(X509* certificate) {
  KeyUse use;
  const std::uint32_t usage = X509_get_key_usage(certificate);
  const int at = X509_get_ext_by_NID(certificate, NID_key_usage, -1);
  use.stated = at >= 0;
  if (use.stated) {
    use.critical = X509_EXTENSION_get_critical(X509_get_ext(certificate, at)) == 1;
    use.digital_signature = (usage & KU_DIGITAL_SIGNATURE) != 0;
    use.signs_certificates = (usage & KU_KEY_CERT_SIGN) != 0;
    use.signs_revocations = (usage & KU_CRL_SIGN) != 0;
  }
  const std::uint32_t purposes = X509_get_extended_key_usage(certificate);
  use.purpose_stated = X509_get_ext_by_NID(certificate, NID_ext_key_usage, -1) >= 0;
  if (use.purpose_stated) {
    use.for_clients = (purposes & XKU_SSL_CLIENT) != 0;
    use.for_servers = (purposes & XKU_SSL_SERVER) != 0;
  }
  return use;
}

Digest digest_of_parts(std::string_view der, std::span<const std::string> chain) {
  std::string digests;
  const auto add = [&](std::string_view part) {
    const Digest digest = sha256(part);
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  add(der);
  for (const std::string& part : chain) add(part);
  return sha256(digests);
}

}  // namespace

X509Certificate read_der(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* const end = at + der.size();
  X509Certificate read(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (at != end) read.reset();
  return read;
}

std::vector<std::string> alternative_names(const X509* certificate, int kind) {
  std::vector<std::string> found;
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int is = 0;
    const auto* text = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &is));
    if (is != kind) continue;
    found.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return found;
}

std::optional<ClientCertificate> read_client_certificate(std::string_view der,
                                                         std::span<const std::string> chain) {
  if (der.size() > kCertificateBytesMax || chain.size() > kChainMax) return std::nullopt;
  const ErrorsForgotten forgotten;
  const X509Certificate certificate = read_der(der);
  if (!certificate) return std::nullopt;
  const std::uint32_t flags = X509_get_extension_flags(certificate.get());
  const auto not_before = moment_of(X509_get0_notBefore(certificate.get()));
  const auto not_after = moment_of(X509_get0_notAfter(certificate.get()));
  if ((flags & EXFLAG_INVALID) != 0 || !not_before || !not_after) return std::nullopt;

  ClientCertificate read;
  read.digest = sha256(der);
  read.presented = digest_of_parts(der, chain);
  read.common_name = common_name_of(certificate.get());
  read.uris = alternative_names(certificate.get(), GEN_URI);
  for (std::string& name : alternative_names(certificate.get(), GEN_DNS)) {
    if (!is_printable(name) || name.contains('*') || name.size() > kNameBytesMax) continue;
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    read.dns_names.push_back(std::move(name));
  }
  if (read.uris.size() + read.dns_names.size() > kNamesMax) return std::nullopt;
  read.not_before = *not_before;
  read.not_after = *not_after;
  read.is_authority = (flags & EXFLAG_CA) != 0;
  read.use = use_of(certificate.get());
  read.der = der;
  for (const std::string& part : chain) {
    if (part.size() > kCertificateBytesMax || !read_der(part)) return std::nullopt;
    read.chain.push_back(part);
  }
  return read;
}

std::optional<ClientCertificate> read_client_certificate_pem(std::string_view pem) {
  if (pem.size() > 4 * kCertificateBytesMax) return std::nullopt;
  const ErrorsForgotten forgotten;
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  std::vector<std::string> all;
  while (all.size() <= kChainMax) {
    const X509Certificate next(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    unsigned char* der = nullptr;
    const int size = next ? i2d_X509(next.get(), &der) : -1;
    if (size < 0) break;
    all.emplace_back(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  if (all.empty()) return std::nullopt;
  return read_client_certificate(all.front(), std::span(all).subspan(1));
}

}  // namespace tollgate::authentication
