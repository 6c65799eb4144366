// Authorities and certificates made for tests, good ones and bad ones.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "controls/authentication/x509_reading.h"

namespace tollgate::authentication::testing {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using MadeKey = std::unique_ptr<EVP_PKEY, FreeKey>;

// As OpenSSL's configuration writes them; empty: the extension is left out.
struct Wanted {
  std::vector<std::string> common_names;
  std::string names;  // "URI:spiffe://…,DNS:…"
  std::string constraints = "critical,CA:FALSE";
  std::string use = "critical,digitalSignature";
  std::string purposes = "serverAuth,clientAuth";
  std::string from = "20000101000000Z";
  std::string until = "20900101000000Z";
};

inline Wanted wanted_authority(std::string name, std::string names = {}) {
  Wanted wanted;
  wanted.common_names = {std::move(name)};
  wanted.names = std::move(names);
  wanted.constraints = "critical,CA:TRUE";
  wanted.use = "critical,keyCertSign,cRLSign";
  wanted.purposes = {};
  return wanted;
}

// A workload of example.org whose every rule is kept.
inline Wanted wanted_svid(const std::string& id = "spiffe://example.org/ns/search/sa/indexer") {
  Wanted wanted;
  wanted.names = "URI:" + id;
  return wanted;
}

// A certificate with its key.
class Made {
 public:
  // Signed by `issuer`, or by itself.
  explicit Made(const Wanted& wanted, const Made* issuer = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static long serial = 0;
    X509* const made = certificate_.get();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    CHECK(ASN1_TIME_set_string(X509_getm_notBefore(made), wanted.from.c_str()) == 1);
    CHECK(ASN1_TIME_set_string(X509_getm_notAfter(made), wanted.until.c_str()) == 1);
    X509_set_pubkey(made, key_.get());
    for (const std::string& name : wanted.common_names) {
      X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0);
    }
    const Made& signer = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(made, X509_get_subject_name(signer.certificate_.get()));
    extend(NID_subject_alt_name, wanted.names);
    extend(NID_basic_constraints, wanted.constraints);
    extend(NID_key_usage, wanted.use);
    extend(NID_ext_key_usage, wanted.purposes);
    CHECK(X509_sign(made, signer.key_.get(), EVP_sha256()) > 0);
  }

  std::string der() const {
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate_.get(), &bytes);
    std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return text;
  }
  std::string pem() const {
    return written([this](BIO* to) { return PEM_write_bio_X509(to, certificate_.get()); });
  }
  std::string key_pem() const {
    return written([this](BIO* to) {
      return PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }

 private:
  void extend(int kind, const std::string& text) {
    if (text.empty()) return;
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, text.c_str());
    CHECK(extension != nullptr);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <class Write>
  static std::string written(const Write& write) {
    BIO* to = BIO_new(BIO_s_mem());
    CHECK(write(to) == 1);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(to, &bytes);
    std::string text(bytes, static_cast<std::size_t>(size));
    BIO_free(to);
    return text;
  }

  MadeKey key_;
  X509Certificate certificate_;
};

}  // namespace tollgate::authentication::testing
