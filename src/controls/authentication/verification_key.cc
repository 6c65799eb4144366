// Proving signatures with a key that was read.
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/key_material.h"

namespace tollgate::authentication {

namespace {

constexpr std::array<std::string_view, kAlgorithmCount> kNames = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"};

bool is_pss(Algorithm a) { return a >= Algorithm::kPs256 && a <= Algorithm::kPs512; }

struct FreeSignature {
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};

// The DER that OpenSSL reads, of r and s side by side (RFC 7518 3.4). Whether they are in 1 to
// n - 1 is its to check.
class DerSignature {
 public:
  explicit DerSignature(std::span<const std::uint8_t> raw) {
    const int half = static_cast<int>(raw.size() / 2);
    const std::unique_ptr<ECDSA_SIG, FreeSignature> signature(ECDSA_SIG_new());
    BIGNUM* r = BN_bin2bn(raw.data(), half, nullptr);
    BIGNUM* s = BN_bin2bn(raw.data() + half, half, nullptr);
    CHECK(signature != nullptr && r != nullptr && s != nullptr);
    CHECK(ECDSA_SIG_set0(signature.get(), r, s) == 1);
    unsigned char* end = bytes_.data();
    const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
    CHECK(size > 0 && static_cast<std::size_t>(size) <= bytes_.size());
    size_ = static_cast<std::size_t>(i2d_ECDSA_SIG(signature.get(), &end));
  }
  std::span<const std::uint8_t> view() const { return std::span(bytes_).first(size_); }

 private:
  std::array<unsigned char, 160> bytes_{};  // Two numbers of 66 bytes with their heads.
  std::size_t size_ = 0;
};

bool proves_by_secret(const std::string& secret, const char* digest, std::string_view text,
                      std::span<const std::uint8_t> signature) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  std::size_t size = 0;
  const unsigned char* ok =
      EVP_Q_mac(nullptr, "HMAC", nullptr, digest, nullptr, secret.data(), secret.size(),
                reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(),
                made.size(), &size);
  CHECK(ok != nullptr);
  return size == signature.size() && CRYPTO_memcmp(made.data(), signature.data(), size) == 0;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) {
  return kNames[static_cast<std::size_t>(algorithm)];
}

std::optional<Algorithm> algorithm_named(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Algorithm>(found - kNames.begin());
}

bool is_rsa(Algorithm a) { return a <= Algorithm::kPs512; }

bool is_ecdsa(Algorithm a) { return a >= Algorithm::kEs256 && a <= Algorithm::kEs512; }

const char* digest_name(Algorithm algorithm) {
  switch (digest_bytes(algorithm)) {
    case 32:
      return "SHA256";
    case 48:
      return "SHA384";
    case 64:
      return "SHA512";
    default:
      return nullptr;
  }
}

std::size_t digest_bytes(Algorithm algorithm) {
  const std::string_view name = name_of(algorithm);
  if (name.ends_with("256")) return 32;
  if (name.ends_with("384")) return 48;
  return name.ends_with("512") ? 64 : 0;
}

VerificationKey::VerificationKey(std::string id, Algorithm algorithm,
                                 std::unique_ptr<const Material> material)
    : id_(std::move(id)), algorithm_(algorithm), material_(std::move(material)) {}
VerificationKey::VerificationKey(VerificationKey&&) noexcept = default;
VerificationKey& VerificationKey::operator=(VerificationKey&&) noexcept = default;
VerificationKey::~VerificationKey() = default;

VerificationKey VerificationKey::with_secret(Algorithm algorithm, std::string_view secret) {
  CHECK(is_symmetric(algorithm) && secret.size() >= digest_bytes(algorithm));
  auto material = std::make_unique<Material>();
  material->secret = secret;
  material->signature_bytes = digest_bytes(algorithm);
  return VerificationKey({}, algorithm, std::move(material));
}

bool VerificationKey::proves(std::string_view text, std::span<const std::uint8_t> signature) const {
  if (signature.size() != material_->signature_bytes) return false;
  if (is_symmetric(algorithm_)) {
    return proves_by_secret(material_->secret, digest_name(algorithm_), text, signature);
  }
  // A context that the thread keeps: making one takes an allocation.
  static thread_local const std::unique_ptr<EVP_MD_CTX, FreeOpenSsl> context(EVP_MD_CTX_new());
  CHECK(context != nullptr);
  EVP_PKEY_CTX* settings = nullptr;
  bool good = EVP_DigestVerifyInit(context.get(), &settings, material_->digest.get(), nullptr,
                                   material_->key.get()) == 1;
  if (good && is_pss(algorithm_)) {
    // RFC 7518 3.5: the salt is as long as the hash, and the mask is made with that hash.
    good = EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  if (good) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    if (is_ecdsa(algorithm_)) {
      const DerSignature der(signature);
      good = EVP_DigestVerify(context.get(), der.view().data(), der.view().size(), bytes,
                              text.size()) == 1;
    } else {
      good = EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes,
                              text.size()) == 1;
    }
  }
  // Nothing of it may be found by a TLS connection of this thread that asks for its own errors.
  if (!good) ERR_clear_error();
  EVP_MD_CTX_reset(context.get());
  return good;
}

const VerificationKey* KeySet::find(std::optional<std::string_view> id, Algorithm algorithm) const {
  const VerificationKey* found = nullptr;
  for (const VerificationKey& key : keys) {
    if (key.algorithm() != algorithm || (id && key.id() != *id)) continue;
    if (found != nullptr) return nullptr;
    found = &key;
  }
  return found;
}

}  // namespace tollgate::authentication
