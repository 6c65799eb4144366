#include "controls/authentication/session_cookie.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claim_reading.h"
#include "controls/authentication/policy_digest.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kVectorBytes = 12;
constexpr std::size_t kTagBytes = 16;

// What would have an encrypted cookie read in another way than it is read here.
constexpr std::string_view kRefusedParameters[] = {"crit", "zip", "cty", "b64",
                                                   "p2c",  "p2s", "epk"};

struct FreeCrypto {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

std::string rule_of(const SessionCookiePolicy& policy) {
  return "authentication.sessions." + policy.name;
}

// One answer for every cookie that is not ours, so that nobody learns how close one came.
std::unexpected<Refusal> refuse_cookie(std::string_view rule) {
  return refuse_claims(rule, "The session cookie is none of this gateway's. Log in again.");
}

std::string derive(std::string_view secret, CookieForm form) {
  std::string info = form == CookieForm::kSigned ? "tollgate session_cookie signed"
                                                 : "tollgate session_cookie encrypted";
  std::string hash = "SHA256";
  std::string key(secret);
  const std::unique_ptr<EVP_KDF, FreeCrypto> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  CHECK(kdf != nullptr);
  const std::unique_ptr<EVP_KDF_CTX, FreeCrypto> context(EVP_KDF_CTX_new(kdf.get()));
  CHECK(context != nullptr);
  const OSSL_PARAM settings[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_construct_end()};
  std::string made(kKeyBytes, '\0');
  CHECK(EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(made.data()), made.size(),
                       settings) == 1);
  OPENSSL_cleanse(key.data(), key.size());
  return made;
}

// The bytes of an `oct` JWK that is for this form of cookie.
std::expected<std::string, std::string> read_jwk(std::string_view text, CookieForm form) {
  JsonDocument document;
  std::string copy(text);
  const std::optional<dom::object> key = document.read(copy);
  OPENSSL_cleanse(copy.data(), copy.size());
  if (!key || text_member(*key, "kty") != "oct") {
    return std::unexpected("It begins like a JWK and is no `oct` key.");
  }
  const bool is_signed = form == CookieForm::kSigned;
  const std::string_view use = is_signed ? "sig" : "enc";
  if (has_member(*key, "use") && text_member(*key, "use") != use) {
    return std::unexpected(fmt::format("The JWK is for another `use` than `{}`.", use));
  }
  const std::optional<std::string_view> algorithm = text_member(*key, "alg");
  const bool fits = is_signed ? algorithm == "HS256" : algorithm == "A256GCM" || algorithm == "dir";
  if (has_member(*key, "alg") && !fits) {
    return std::unexpected("The JWK is for another algorithm (`alg`).");
  }
  std::string bytes;
  if (decode_base64url(text_member(*key, "k").value_or(""), bytes) != Decoded::kWell) {
    return std::unexpected("The `k` of the JWK is no base64url.");
  }
  return bytes;
}

std::expected<std::string, std::string> read_secret(std::string_view secret, CookieForm form,
                                                    SecretUse use) {
  std::string bytes(secret);
  if (secret.starts_with('{')) {
    std::expected<std::string, std::string> read = read_jwk(secret, form);
    if (!read) return read;
    bytes = std::move(*read);
  }
  if (bytes.size() < SessionKeys::kSecretBytesMin) {
    return std::unexpected(
        fmt::format("A secret has at least {} bytes.", SessionKeys::kSecretBytesMin));
  }
  if (use == SecretUse::kDerived) {
    std::string key = derive(bytes, form);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return key;
  }
  if (form == CookieForm::kEncrypted && bytes.size() != kKeyBytes) {
    return std::unexpected(
        fmt::format("To encrypt with a secret as given it has exactly {} bytes.", kKeyBytes));
  }
  return bytes;
}

// When the session ends: by itself, by its age or by being idle.
Expected<WallTime> check_times(const SessionCookiePolicy& policy, const dom::object& claims,
                               WallTime now, std::string_view rule) {
  const auto expires = read_time(claims, "exp", Presence::kMandatory, rule);
  if (!expires) return std::unexpected(expires.error());
  const auto issued = read_time(claims, "iat", Presence::kMandatory, rule);
  if (!issued) return std::unexpected(issued.error());
  auto used = issued;
  if (!policy.last_used.empty()) {
    used = read_time(claims, policy.last_used, Presence::kMandatory, rule);
    if (!used) return std::unexpected(used.error());
  }
  const auto not_before = read_time(claims, "nbf", Presence::kOptional, rule);
  if (!not_before) return std::unexpected(not_before.error());
  const WallTime begins = std::max({**issued, **used, not_before->value_or(**issued)});
  if (begins > now + kSessionLeeway) {
    return refuse_claims(rule, "The session begins later than now: a clock is wrong.");
  }
  const WallTime ends = std::min({**expires, **issued + policy.age_max, **used + policy.idle_max});
  if (now >= ends) return refuse_expired(rule, "The session has ended. Log in again.");
  return ends;
}

}  // namespace

std::vector<PolicyMistake> check(const SessionCookiePolicy& policy) {
  std::vector<PolicyMistake> found;
  if (policy.name.empty()) found.push_back({"name", "It is empty."});
  if (policy.cookie.empty() || policy.cookie.find_first_of("=;, \t\"") != std::string::npos) {
    found.push_back({"cookie", "It is no name of a cookie."});
  }
  if (policy.age_max <= Duration::zero()) found.push_back({"age_max", "It is above 0s."});
  if (policy.idle_max <= Duration::zero() || policy.idle_max > policy.age_max) {
    found.push_back({"idle_max", "It is above 0s and at most `age_max`."});
  }
  check_optional(policy.audiences, found);
  const std::vector<PolicyMistake> claims = check(policy.claims);
  found.insert(found.end(), claims.begin(), claims.end());
  return found;
}

Digest digest_of(const SessionCookiePolicy& policy) {
  PolicyDigest text;
  text.add("session_cookie");
  text.add(policy.name);
  text.add(policy.cookie);
  text.add(static_cast<std::int64_t>(policy.form));
  text.add(policy.issuer);
  text.add(policy.audiences);
  text.add(policy.claims);
  text.add(policy.age_max.count());
  text.add(policy.idle_max.count());
  text.add(policy.last_used);
  return text.finish();
}

SessionKeys::SessionKeys(CookieForm form, std::vector<std::string> keys)
    : form_(form), keys_(std::move(keys)) {
  PolicyDigest digest;
  for (const std::string& key : keys_) {
    Digest made;  // So that no copy of the key is left about.
    CHECK(EVP_Digest(key.data(), key.size(), made.data(), nullptr, EVP_sha256(), nullptr) == 1);
    digest.add(std::string_view(reinterpret_cast<const char*>(made.data()), made.size()));
    if (form_ == CookieForm::kSigned) {
      macs_.push_back(VerificationKey::with_secret(Algorithm::kHs256, key));
    }
  }
  digest_ = digest.finish();
}
SessionKeys::SessionKeys(SessionKeys&&) noexcept = default;
SessionKeys::~SessionKeys() {
  for (std::string& key : keys_) OPENSSL_cleanse(key.data(), key.size());
}

std::expected<SessionKeys, std::string> SessionKeys::create(
    CookieForm form, SecretUse use, std::span<const std::string_view> secrets) {
  if (secrets.empty() || secrets.size() > kSecretsMax) {
    return std::unexpected(fmt::format("There are 1 to {} secrets.", kSecretsMax));
  }
  std::vector<std::string> keys;
  for (const std::string_view secret : secrets) {
    std::expected<std::string, std::string> key = read_secret(secret, form, use);
    if (!key) return std::unexpected(std::move(key.error()));
    keys.push_back(std::move(*key));
  }
  return SessionKeys(form, std::move(keys));
}

bool SessionKeys::prove(std::string_view text, std::span<const std::uint8_t> mac) const {
  return std::ranges::any_of(macs_,
                             [&](const VerificationKey& key) { return key.proves(text, mac); });
}

bool SessionKeys::open(const Sealed& sealed, std::string& plain) const {
  CHECK(sealed.vector.size() == kVectorBytes && sealed.tag.size() == kTagBytes);
  // Kept by the thread: finding and making them anew would allocate.
  static thread_local const std::unique_ptr<EVP_CIPHER, FreeCrypto> cipher(
      EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  static thread_local const std::unique_ptr<EVP_CIPHER_CTX, FreeCrypto> context(
      EVP_CIPHER_CTX_new());
  CHECK(cipher != nullptr && context != nullptr);
  const auto* vector = bytes_of(sealed.vector).data();
  std::array<char, kTagBytes> tag{};
  std::ranges::copy(sealed.tag, tag.begin());
  plain.resize(sealed.text.size());
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  for (const std::string& key : keys_) {
    int size = 0;
    const bool good =
        EVP_DecryptInit_ex2(context.get(), cipher.get(), bytes_of(key).data(), vector, nullptr) ==
            1 &&
        EVP_DecryptUpdate(context.get(), nullptr, &size, bytes_of(sealed.header).data(),
                          static_cast<int>(sealed.header.size())) == 1 &&
        EVP_DecryptUpdate(context.get(), out, &size, bytes_of(sealed.text).data(),
                          static_cast<int>(sealed.text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(context.get(), out + size, &size) == 1;
    EVP_CIPHER_CTX_reset(context.get());
    if (good) return true;
    ERR_clear_error();
  }
  // What no key vouches for is not left about.
  OPENSSL_cleanse(plain.data(), plain.size());
  plain.clear();
  return false;
}

SessionCookieReader::SessionCookieReader()
    : header_(std::make_unique<JsonDocument>()), claims_(std::make_unique<JsonDocument>()) {}
SessionCookieReader::~SessionCookieReader() = default;

Expected<const JsonDocument*> SessionCookieReader::open_signed(const SessionKeys& keys,
                                                               std::string_view cookie,
                                                               std::string_view rule) {
  const Expected<Token> token = tokens_.read(cookie);
  const bool ours = token && token->algorithm == Algorithm::kHs256 &&
                    (token->type.empty() || token->type == "JWT") &&
                    keys.prove(token->signed_text, bytes_of(token->signature));
  if (!ours) return refuse_cookie(rule);
  return token->claims;
}

Expected<const JsonDocument*> SessionCookieReader::open_encrypted(const SessionKeys& keys,
                                                                  std::string_view cookie,
                                                                  std::string_view rule) {
  // Header, an encrypted key that `dir` has none of, vector, text, tag (RFC 7516 7.1).
  std::array<std::string_view, 5> parts{};
  if (cookie.size() > kTokenBytesMax || std::ranges::count(cookie, '.') != 4) {
    return refuse_cookie(rule);
  }
  std::string_view rest = cookie;
  for (std::string_view& part : parts) {
    part = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  if (!parts[1].empty() || decode_base64url(parts[0], header_text_) != Decoded::kWell ||
      decode_base64url(parts[2], vector_) != Decoded::kWell ||
      decode_base64url(parts[3], sealed_) != Decoded::kWell ||
      decode_base64url(parts[4], tag_) != Decoded::kWell || vector_.size() != kVectorBytes ||
      tag_.size() != kTagBytes) {
    return refuse_cookie(rule);
  }
  const std::optional<dom::object> header = header_->read(header_text_);
  if (!header || text_member(*header, "alg") != "dir" || text_member(*header, "enc") != "A256GCM" ||
      std::ranges::any_of(kRefusedParameters,
                          [&](std::string_view name) { return has_member(*header, name); })) {
    return refuse_cookie(rule);
  }
  if (!keys.open({.header = parts[0], .vector = vector_, .text = sealed_, .tag = tag_}, plain_) ||
      !claims_->read(plain_)) {
    return refuse_cookie(rule);
  }
  return claims_.get();
}

Expected<Identity> SessionCookieReader::read(const SessionCookiePolicy& policy,
                                             const SessionKeys& keys, std::string_view cookie,
                                             const Tenants& tenants, WallTime now, Arena& arena) {
  CHECK(policy.form == keys.form());
  const std::string rule = rule_of(policy);
  const Expected<const JsonDocument*> opened = policy.form == CookieForm::kSigned
                                                   ? open_signed(keys, cookie, rule)
                                                   : open_encrypted(keys, cookie, rule);
  if (!opened) return std::unexpected(opened.error());
  // From here on the cookie was made by one who has the secret.

  const dom::object& claims = (*opened)->object();
  if (!check_source(claims, policy.issuer, policy.audiences, rule)) return refuse_cookie(rule);
  const Expected<WallTime> ends = check_times(policy, claims, now, rule);
  if (!ends) return std::unexpected(ends.error());
  const Voucher voucher{.name = policy.name, .kind = CredentialKind::kSession, .rule = rule};
  Expected<Identity> identity = map_claims(policy.claims, voucher, claims, tenants, arena);
  if (identity) identity->expires = *ends;
  return identity;
}

Expected<std::string_view> find_cookie(std::string_view header, std::string_view name) {
  std::optional<std::string_view> found;
  while (!header.empty()) {
    std::string_view pair = header.substr(0, header.find(';'));
    header.remove_prefix(std::min(pair.size() + 1, header.size()));
    const std::size_t start = pair.find_first_not_of(" \t");
    pair.remove_prefix(std::min(start, pair.size()));
    if (!pair.starts_with(name) || !pair.substr(name.size()).starts_with('=')) continue;
    std::string_view value = pair.substr(name.size() + 1);
    value = value.substr(0, value.find_last_not_of(" \t") + 1);
    if (found && *found != value) {
      return refuse(Reason::kCredentialConflict, "authentication.sessions",
                    "The request carries two session cookies of one name that differ.");
    }
    found = value;
  }
  return found.value_or("");
}

}  // namespace tollgate::authentication
