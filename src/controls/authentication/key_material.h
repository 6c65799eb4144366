// What a VerificationKey holds of OpenSSL. Internal to the room.
#pragma once

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "controls/authentication/jwk.h"

namespace tollgate::authentication {

struct FreeOpenSsl {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

struct VerificationKey::Material {
  Material() = default;
  Material(const Material&) = delete;
  ~Material() { OPENSSL_cleanse(secret.data(), secret.size()); }

  std::unique_ptr<EVP_PKEY, FreeOpenSsl> key;   // None for a secret.
  std::unique_ptr<EVP_MD, FreeOpenSsl> digest;  // None for EdDSA.
  std::string secret;
  std::size_t signature_bytes = 0;
};

bool is_rsa(Algorithm algorithm);
bool is_ecdsa(Algorithm algorithm);

// "SHA256"; null for EdDSA, which hashes by itself.
const char* digest_name(Algorithm algorithm);
std::size_t digest_bytes(Algorithm algorithm);

}  // namespace tollgate::authentication
