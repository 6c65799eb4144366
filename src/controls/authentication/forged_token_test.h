// Tokens made in tests: keys of our own, whatever header and claims, signed with OpenSSL.
#pragma once

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/jwk.h"

namespace tollgate::authentication {

inline std::string encoded(std::string_view text) { return encode_base64url(bytes_of(text)); }

// A private key and its public half as a JWK.
class SigningKey {
 public:
  // Of an elliptic curve ("P-256"…), "ED25519", "ED448", or "RSA" of `bits`.
  static SigningKey make(std::string_view type, std::size_t bits = 2048) {
    const std::string name(type);
    EVP_PKEY* key = type == "RSA" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits)
                    : type.starts_with("P-")
                        ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", name.c_str())
                        : EVP_PKEY_Q_keygen(nullptr, nullptr, name.c_str());
    CHECK(key != nullptr);
    return SigningKey(type, key);
  }

  EVP_PKEY* handle() const { return key_.get(); }

  // Its public half with members such as `"kid":"a","alg":"ES256"`.
  std::string jwk(std::string_view members = R"("kid":"a")") const {
    const std::string more = members.empty() ? "" : fmt::format(",{}", members);
    if (type_ == "RSA") {
      return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"{}}})", number(OSSL_PKEY_PARAM_RSA_N),
                         number(OSSL_PKEY_PARAM_RSA_E), more);
    }
    if (type_.starts_with("P-")) {
      const std::size_t size = field_bytes();
      return fmt::format(R"({{"kty":"EC","crv":"{}","x":"{}","y":"{}"{}}})", type_,
                         number(OSSL_PKEY_PARAM_EC_PUB_X, size),
                         number(OSSL_PKEY_PARAM_EC_PUB_Y, size), more);
    }
    std::uint8_t raw[57];
    std::size_t size = sizeof raw;
    CHECK(EVP_PKEY_get_raw_public_key(key_.get(), raw, &size) == 1);
    return fmt::format(R"({{"kty":"OKP","crv":"{}","x":"{}"{}}})",
                       type_ == "ED448" ? "Ed448" : "Ed25519",
                       encode_base64url(std::span(raw).first(size)), more);
  }

  // The signature over `text` as JOSE writes it.
  std::string sign(std::string_view text, const char* digest, bool pss = false) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    EVP_PKEY_CTX* settings = nullptr;
    CHECK(EVP_DigestSignInit_ex(context.get(), &settings, digest, nullptr, nullptr, key_.get(),
                                nullptr) == 1);
    if (pss) {
      CHECK(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1);
      CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    std::string made(1100, '\0');
    std::size_t size = made.size();
    CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(made.data()), &size,
                         reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    made.resize(size);
    return type_.starts_with("P-") ? raw_of(made) : made;
  }

  // The signature as DER, which JOSE does not use.
  std::string sign_der(std::string_view text, const char* digest) const {
    SigningKey same(*this);
    same.type_ = "DER";
    return same.sign(text, digest);
  }

 private:
  SigningKey(std::string_view type, EVP_PKEY* key) : type_(type), key_(key, EVP_PKEY_free) {}

  std::size_t field_bytes() const { return type_ == "P-256" ? 32 : type_ == "P-384" ? 48 : 66; }

  std::string raw_of(const std::string& der) const {
    const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
        d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(der.size())), ECDSA_SIG_free);
    CHECK(signature != nullptr);
    const int size = static_cast<int>(field_bytes());
    std::string raw(2 * field_bytes(), '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, size) == size);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + size, size) == size);
    return raw;
  }

  std::string number(const char* name, std::size_t size = 0) const {
    BIGNUM* found = nullptr;
    CHECK(EVP_PKEY_get_bn_param(key_.get(), name, &found) == 1);
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> held(found, BN_free);
    std::string bytes(std::max(size, static_cast<std::size_t>(BN_num_bytes(found))), '\0');
    BN_bn2binpad(found, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    return encoded(bytes);
  }

  std::string type_;
  std::shared_ptr<EVP_PKEY> key_;
};

inline std::string join_token(std::string_view header, std::string_view claims) {
  return encoded(header) + "." + encoded(claims);
}

inline std::string es256_token(const SigningKey& key, std::string_view header,
                               std::string_view claims) {
  const std::string text = join_token(header, claims);
  return text + "." + encoded(key.sign(text, "SHA256"));
}

// A JWS with HMAC-SHA-256.
inline std::string hs256_token(std::string_view secret, std::string_view header,
                               std::string_view claims) {
  const std::string text = join_token(header, claims);
  unsigned char mac[32];
  std::size_t size = 0;
  CHECK(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, secret.data(), secret.size(),
                  reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, sizeof mac,
                  &size) != nullptr);
  return text + "." + encode_base64url(mac);
}

class KnownTenants final : public Tenants {
 public:
  explicit KnownTenants(std::set<std::string, std::less<>> names) : names_(std::move(names)) {}
  bool contains(std::string_view name) const override { return names_.contains(name); }

 private:
  std::set<std::string, std::less<>> names_;
};

}  // namespace tollgate::authentication
