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

}  // namespace

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
