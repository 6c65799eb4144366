#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "config/build.h"

namespace tollgate::config {

namespace {

template <auto free_it>
struct Free {
  template <class T>
  void operator()(T* made) const {
    free_it(made);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

// A key with a passphrase must not stop to ask for it.
int no_passphrase(char*, int, int, void*) { return 0; }

bool holds_certificate(const std::string& pem) {
  const Bio text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate first(PEM_read_bio_X509_AUX(text.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return first != nullptr;
}

}  // namespace

CertificateAuthority authority_of(Report& report, const View& view) {
  constexpr std::string_view kKey = "certificate_authority";
  const std::string path = file_of(report, view, kKey);
  if (path.empty()) return {};
  auto read = read_certificate_authority(path);
  if (!read) {
    tell_in(report, view, kKey, fmt::format("`{}` cannot be read", path));
    return {};
  }
  if (!holds_certificate(read->pem)) {
    tell_in(report, view, kKey, fmt::format("`{}` holds no PEM certificate", path));
  }
  return std::move(*read);
}

std::string check_tls(const Tls& tls) {
  const Bio certificate_file(BIO_new_file(tls.certificate.c_str(), "r"));
  const Bio key_file(BIO_new_file(tls.key.c_str(), "r"));
  std::string wrong;
  if (!certificate_file) {
    wrong = fmt::format("the certificate `{}` cannot be read", tls.certificate);
  } else if (!key_file) {
    wrong = fmt::format("the key `{}` cannot be read", tls.key);
  } else {
    const Certificate certificate(
        PEM_read_bio_X509(certificate_file.get(), nullptr, no_passphrase, nullptr));
    const Key key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_passphrase, nullptr));
    if (!certificate) {
      wrong = fmt::format("`{}` holds no PEM certificate", tls.certificate);
    } else if (!key) {
      wrong = fmt::format("`{}` holds no PEM private key without passphrase", tls.key);
    } else if (X509_check_private_key(certificate.get(), key.get()) != 1) {
      wrong =
          fmt::format("the key `{}` is not that of the certificate `{}`", tls.key, tls.certificate);
    }
  }
  ERR_clear_error();
  return wrong;
}

}  // namespace tollgate::config
