#include "controls/authentication/jwk.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/sha256.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/json_document.h"
#include "controls/authentication/key_material.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;
constexpr int kRsaExponentBitsMax = 32;
constexpr std::size_t kShownIdBytesMax = 64;

using Why = std::string;

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;

struct Curve {
  std::string_view name;  // Of RFC 7518 6.2.1.1 and RFC 8037.
  const char* group;      // What OpenSSL calls it.
  Algorithm algorithm;
  std::size_t bytes;            // Of one coordinate, or of the whole key.
  std::size_t signature_bytes;  // Raw.
};
constexpr Curve kCurves[] = {
    {"P-256", "P-256", Algorithm::kEs256, 32, 64},
    {"P-384", "P-384", Algorithm::kEs384, 48, 96},
    {"P-521", "P-521", Algorithm::kEs512, 66, 132},
};
constexpr Curve kEdwardsCurves[] = {
    {"Ed25519", "ED25519", Algorithm::kEdDsa, 32, 64},
    {"Ed448", "ED448", Algorithm::kEdDsa, 57, 114},
};

// Whether `modulus` looks like one of CVE-2017-15361 (ROCA): those are powers of 65537 modulo
// every small prime, which of other moduli one in 2^150 is.
bool is_weakly_generated(const BIGNUM* modulus) {
  static constexpr BN_ULONG kPrimes[] = {
      3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
      73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
  return std::ranges::all_of(kPrimes, [&](BN_ULONG prime) {
    const BN_ULONG rest = BN_mod_word(modulus, prime);
    BN_ULONG power = 1;
    do {
      if (power == rest) return true;
      power = power * (65537 % prime) % prime;
    } while (power != 1);
    return false;
  });
}

// A public key of OpenSSL from what `fill` adds; null where OpenSSL does not take it.
template <class Fill>
std::unique_ptr<EVP_PKEY, FreeOpenSsl> build_key(const char* type, Fill fill) {
  const std::unique_ptr<OSSL_PARAM_BLD, FreeNumber> builder(OSSL_PARAM_BLD_new());
  CHECK(builder != nullptr && fill(builder.get()) == 1);
  const std::unique_ptr<OSSL_PARAM, FreeNumber> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const std::unique_ptr<EVP_PKEY_CTX, FreeOpenSsl> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  CHECK(parameters != nullptr && context != nullptr);
  CHECK(EVP_PKEY_fromdata_init(context.get()) == 1);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return std::unique_ptr<EVP_PKEY, FreeOpenSsl>(key);
}

bool is_on_curve(EVP_PKEY* key) {
  const std::unique_ptr<EVP_PKEY_CTX, FreeOpenSsl> context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  CHECK(context != nullptr);
  const bool good = EVP_PKEY_public_check(context.get()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

// The key's id as an operator may see it: whatever a foreign server wrote there.
std::string shown(std::string_view id) {
  std::string made;
  for (const char c : id.substr(0, kShownIdBytesMax)) {
    made.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  }
  return made;
}

}  // namespace

// Reads one key after the other, each with a verdict of its own.
class KeyReader {
 public:
  explicit KeyReader(const KeyRules& rules) : rules_(rules) {}

  void read(dom::element element) {
    dom::object object;
    if (element.get(object) == simdjson::SUCCESS) return read(object);
    set_.refused.push_back({{}, "It is no JSON object."});
  }

  void read(const dom::object& object) {
    identity_.clear();
    const std::optional<std::string_view> id = text_member(object, "kid");
    std::expected<VerificationKey, Why> key = read_key(object, id);
    if (!key) {
      set_.refused.push_back({shown(id.value_or("")), std::move(key.error())});
      return;
    }
    // What the key is, in one digest: lengths stand before texts, so no two keys have the same.
    for (const std::string_view part : {name_of(key->algorithm()), std::string_view(key->id())}) {
      identity_ += fmt::format("{}:{}", part.size(), part);
    }
    set_.keys.push_back(std::move(*key));
    digests_.push_back(sha256(identity_));
  }

  KeySet finish() && {
    refuse_mixed();
    refuse_duplicates();
    std::string all;
    std::ranges::sort(digests_);
    for (const Digest& digest : digests_) all.append(digest.begin(), digest.end());
    set_.digest = sha256(all);
    return std::move(set_);
  }

 private:
  using Material = VerificationKey::Material;
  using Made = std::expected<std::unique_ptr<Material>, Why>;
  using Claimed = std::pair<std::string, Algorithm>;

  std::expected<VerificationKey, Why> read_key(const dom::object& object,
                                               std::optional<std::string_view> id) {
    if (!id && has_member(object, "kid")) return std::unexpected("Its `kid` is no text.");
    if (id && id->size() > KeySet::kKeyIdBytesMax) {
      return std::unexpected(
          fmt::format("Its `kid` has more than {} bytes.", KeySet::kKeyIdBytesMax));
    }
    const std::string_view type = text_member(object, "kty").value_or("");
    secrets_ |= type == "oct";
    publics_ |= type != "oct";
    if ((type == "oct") != (rules_.kind == KeyKind::kSecret)) {
      return std::unexpected(type == "oct" ? "A secret key (`oct`) proves nothing here."
                                           : "Only secret keys (`oct`) are taken here.");
    }
    if (std::optional<Why> why = refuse_use(object)) return std::unexpected(std::move(*why));
    const std::expected<Algorithm, Why> algorithm = algorithm_of(object, type);
    if (!algorithm) return std::unexpected(algorithm.error());
    if (std::ranges::find(rules_.algorithms, *algorithm) == rules_.algorithms.end()) {
      return std::unexpected(
          fmt::format("Its algorithm {} is not among those allowed.", name_of(*algorithm)));
    }
    claimed_.emplace_back(id.value_or(""), *algorithm);
    Made material = type == "oct"   ? read_secret(object, *algorithm)
                    : type == "RSA" ? read_rsa(object)
                    : type == "EC"  ? read_point(object)
                                    : read_edwards(object);
    if (!material) return std::unexpected(std::move(material.error()));
    if (const char* digest = digest_name(*algorithm)) {
      (*material)->digest.reset(EVP_MD_fetch(nullptr, digest, nullptr));
      CHECK((*material)->digest != nullptr);
    }
    return VerificationKey(std::string(id.value_or("")), *algorithm, std::move(*material));
  }

  // RFC 7517 4.2 and 4.3: a key says what it is for, or nothing. SPIFFE bundles have a word of
  // their own for keys that sign tokens.
  static std::optional<Why> refuse_use(const dom::object& object) {
    const std::optional<std::string_view> use = text_member(object, "use");
    if (has_member(object, "use") && use != "sig" && use != "jwt-svid") {
      return "It is not for signatures (`use`).";
    }
    if (has_member(object, "key_ops")) {
      dom::array operations;
      bool verifies = false;
      if (object.at_key("key_ops").get(operations) == simdjson::SUCCESS) {
        for (const dom::element operation : operations) {
          verifies |= operation.is_string() && std::string_view(operation) == "verify";
        }
      }
      if (!verifies) return "It is not for verifying (`key_ops`).";
    }
    if (has_member(object, "d")) {
      return "Its private half stands beside it: whoever reads the set can sign with it.";
    }
    return std::nullopt;
  }

  std::expected<Algorithm, Why> algorithm_of(const dom::object& object, std::string_view type) {
    const std::span<const Curve> curves =
        type == "OKP" ? std::span<const Curve>(kEdwardsCurves) : std::span<const Curve>(kCurves);
    std::optional<Algorithm> algorithm;
    if (type == "EC" || type == "OKP") {
      const std::string_view name = text_member(object, "crv").value_or("");
      const auto curve = std::ranges::find(curves, name, &Curve::name);
      if (curve == curves.end()) return std::unexpected("Its curve is none that is used here.");
      curve_ = &*curve;
      algorithm = curve->algorithm;
    } else if (type == "RSA" || type == "oct") {
      const auto first = std::ranges::find_if(rules_.algorithms, [&](Algorithm allowed) {
        return type == "RSA" ? is_rsa(allowed) : is_symmetric(allowed);
      });
      if (first != rules_.algorithms.end()) algorithm = *first;
    } else {
      return std::unexpected("Its type (`kty`) is none that is used here.");
    }
    if (!has_member(object, "alg")) {
      if (!algorithm) return std::unexpected("No algorithm of its type is among those allowed.");
      return *algorithm;
    }
    std::string_view name = text_member(object, "alg").value_or("");
    // How ES512 is often misspelled, after its curve. The curve leaves it one meaning.
    if (name == "ES521" && algorithm == Algorithm::kEs512) name = name_of(Algorithm::kEs512);
    const std::optional<Algorithm> named = algorithm_named(name);
    const bool fits = named && (type == "RSA"   ? is_rsa(*named)
                                : type == "oct" ? is_symmetric(*named)
                                                : *named == *algorithm);
    if (!fits) return std::unexpected("Its algorithm (`alg`) signs nothing with such a key.");
    return *named;
  }

  // The bytes of the member `name`; nothing if it is absent, no text or no base64url.
  std::optional<std::string> bytes_member(const dom::object& object, std::string_view name) {
    std::string bytes;
    const std::optional<std::string_view> text = text_member(object, name);
    if (!text || decode_base64url(*text, bytes) != Decoded::kWell) return std::nullopt;
    identity_ += fmt::format("{}:{}", name, text->size());
    identity_ += *text;
    return bytes;
  }

  Made read_secret(const dom::object& object, Algorithm algorithm) {
    const std::optional<std::string> secret = bytes_member(object, "k");
    if (!secret || secret->size() < digest_bytes(algorithm)) {
      return std::unexpected(fmt::format("Its secret (`k`) has fewer than the {} bytes of {}.",
                                         digest_bytes(algorithm), name_of(algorithm)));
    }
    auto material = std::make_unique<Material>();
    material->secret = *secret;
    material->signature_bytes = digest_bytes(algorithm);
    return material;
  }

  Made read_rsa(const dom::object& object) {
    const std::optional<std::string> modulus_bytes = bytes_member(object, "n");
    const std::optional<std::string> exponent_bytes = bytes_member(object, "e");
    // Before a number is made of it, so that no document makes a huge one.
    if (!modulus_bytes || !exponent_bytes || modulus_bytes->size() > kRsaBitsMax / 8 ||
        exponent_bytes->size() > kRsaBitsMax / 8) {
      return std::unexpected("Its modulus or exponent (`n`, `e`) is missing or malformed.");
    }
    const Number modulus = number(*modulus_bytes);
    const Number exponent = number(*exponent_bytes);
    const int bits = BN_num_bits(modulus.get());
    if (bits < kRsaBitsMin) {
      return std::unexpected(fmt::format("It has {} bits, at least {}.", bits, kRsaBitsMin));
    }
    if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get()) ||
        BN_num_bits(exponent.get()) > kRsaExponentBitsMax) {
      return std::unexpected("Its exponent (`e`) is even, 1 or above 32 bits.");
    }
    if (!BN_is_odd(modulus.get())) return std::unexpected("Its modulus (`n`) is even.");
    if (is_weakly_generated(modulus.get())) {
      return std::unexpected(
          "It was made by a generator of weak keys (CVE-2017-15361): make a new one.");
    }
    auto material = std::make_unique<Material>();
    material->key = build_key("RSA", [&](OSSL_PARAM_BLD* builder) {
      return OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus.get()) &
             OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent.get());
    });
    if (material->key == nullptr) return std::unexpected("It is no RSA key.");
    material->signature_bytes = static_cast<std::size_t>(bits + 7) / 8;
    return material;
  }

  Made read_point(const dom::object& object) {
    const std::optional<std::string> x = bytes_member(object, "x");
    const std::optional<std::string> y = bytes_member(object, "y");
    if (!x || !y || x->size() != curve_->bytes || y->size() != curve_->bytes) {
      return std::unexpected("Its point (`x`, `y`) is missing or of the wrong size.");
    }
    const std::string point = '\x04' + *x + *y;  // SEC 1 2.3.3, uncompressed.
    auto material = std::make_unique<Material>();
    material->key = build_key("EC", [&](OSSL_PARAM_BLD* builder) {
      return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve_->group,
                                             0) &
             OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                              point.size());
    });
    if (material->key == nullptr || !is_on_curve(material->key.get())) {
      return std::unexpected("Its point (`x`, `y`) is not on its curve.");
    }
    material->signature_bytes = curve_->signature_bytes;
    return material;
  }

  Made read_edwards(const dom::object& object) {
    const std::optional<std::string> x = bytes_member(object, "x");
    if (!x || x->size() != curve_->bytes) {
      return std::unexpected("Its public key (`x`) is missing or of the wrong size.");
    }
    auto material = std::make_unique<Material>();
    material->key.reset(EVP_PKEY_new_raw_public_key_ex(
        nullptr, curve_->group, nullptr, reinterpret_cast<const unsigned char*>(x->data()),
        x->size()));
    if (material->key == nullptr) {
      ERR_clear_error();
      return std::unexpected("Its public key (`x`) is none.");
    }
    material->signature_bytes = curve_->signature_bytes;
    return material;
  }

  static Number number(const std::string& bytes) {
    Number made(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()), nullptr));
    CHECK(made != nullptr);
    return made;
  }

  // A secret that lies where public keys lie was published with them.
  void refuse_mixed() {
    if (!secrets_ || !publics_ || rules_.kind != KeyKind::kSecret) return;
    for (const VerificationKey& key : set_.keys) {
      set_.refused.push_back({shown(key.id()), "A secret in a set that also has public keys."});
    }
    set_.keys.clear();
    digests_.clear();
  }

  // Of two keys for one id and algorithm nobody knows which is meant: neither is taken, even if one
  // of them is malformed.
  void refuse_duplicates() {
    std::ranges::sort(claimed_);
    for (std::size_t i = set_.keys.size(); i-- > 0;) {
      const VerificationKey& key = set_.keys[i];
      const Claimed claimed(key.id(), key.algorithm());
      const auto same = std::ranges::equal_range(claimed_, claimed);
      if (key.id().empty() || same.size() < 2) continue;
      set_.refused.push_back({shown(key.id()), "Another key of the set has the same `kid`."});
      set_.keys.erase(set_.keys.begin() + static_cast<std::ptrdiff_t>(i));
      digests_.erase(digests_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  const KeyRules& rules_;
  KeySet set_;
  std::vector<Digest> digests_;  // Of set_.keys.
  std::vector<Claimed> claimed_;
  std::string identity_;  // Of the key that is being read.
  const Curve* curve_ = nullptr;
  bool secrets_ = false;
  bool publics_ = false;
};

std::expected<KeySet, std::string> read_key_set(std::string_view document, const KeyRules& rules) {
  if (document.size() > KeySet::kDocumentBytesMax) {
    return std::unexpected(
        fmt::format("The key set has more than {} bytes.", KeySet::kDocumentBytesMax));
  }
  JsonDocument json;
  std::string text(document);
  const std::optional<dom::object> object = json.read(text);
  if (!object) {
    return std::unexpected(
        "The key set is no JSON object, is nested too deep or has a name twice.");
  }
  KeyReader reader(rules);
  if (!has_member(*object, "keys")) {
    if (!has_member(*object, "kty")) return std::unexpected("The document has no `keys`.");
    reader.read(*object);
    return std::move(reader).finish();
  }
  dom::array keys;
  if (object->at_key("keys").get(keys) != simdjson::SUCCESS) {
    return std::unexpected("The `keys` of the key set are no list.");
  }
  if (keys.size() > KeySet::kKeysMax) {
    return std::unexpected(fmt::format("The key set has more than {} keys.", KeySet::kKeysMax));
  }
  for (const dom::element key : keys) reader.read(key);
  return std::move(reader).finish();
}

}  // namespace tollgate::authentication
