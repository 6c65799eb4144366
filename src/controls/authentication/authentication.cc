#include "controls/authentication/authentication.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <memory>

#include "base/ascii.h"
#include "base/check.h"
#include "controls/authentication/digest_count.h"

namespace tollgate::authentication {

namespace {

constexpr std::string_view kRule = "authentication.api_keys";
constexpr std::size_t kSecretLength = 32;
constexpr std::size_t kChecksumLength = 6;
constexpr std::size_t kCheckedLength = kKeyLength - kChecksumLength;

constexpr std::string_view kBase62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

constexpr std::array<bool, 256> kIsBase62 = [] {
  std::array<bool, 256> table{};
  for (const char c : kBase62) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

// CRC-32 of IEEE 802.3, as in zlib and in the tokens of other services that scanners know.
constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0xedb88320u : 0);
    table[byte] = rest;
  }
  return table;
}();

std::uint32_t crc32(std::string_view text) {
  std::uint32_t rest = 0xffffffffu;
  for (const char c : text) {
    rest = (rest >> 8) ^ kCrcTable[(rest ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~rest;
}

// The last `digits.size()` digits of `number` in base 62, most significant first.
void write_base62(unsigned __int128 number, std::span<char> digits) {
  for (std::size_t i = digits.size(); i-- > 0; number /= 62) {
    digits[i] = kBase62[static_cast<std::size_t>(number % 62)];
  }
}

std::array<char, kChecksumLength> checksum_of(std::string_view checked) {
  std::array<char, kChecksumLength> digits{};
  write_base62(crc32(checked), digits);
  return digits;
}

std::unexpected<Refusal> malformed(std::string message) {
  return refuse(Reason::kInvalidCredential, std::string(kRule), std::move(message));
}

// RFC 9110 11.4: a scheme in any case, spaces, the token. A scheme alone carries nothing, which
// is what clients send whose key is an empty string.
Expected<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer";
  const std::size_t end = std::min(authorization.find(' '), authorization.size());
  if (!equal_ignoring_case(authorization.substr(0, end), kScheme)) {
    return refuse(Reason::kInvalidCredential, "authentication",
                  "The Authorization header has another scheme than Bearer. "
                  "Send `Authorization: Bearer KEY`.");
  }
  const std::size_t start = authorization.find_first_not_of(' ', end);
  return authorization.substr(std::min(start, authorization.size()));
}

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

// HMAC-SHA-256 with the key that a thread used last: finding the algorithm anew would take longer
// than the digest, and so does taking up the key. OpenSSL wipes it when the thread ends.
class KeyedHash {
 public:
  using Key = std::array<std::uint8_t, 32>;

  KeyedHash() {
    const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    CHECK(mac != nullptr);
    context_.reset(EVP_MAC_CTX_new(mac.get()));
    CHECK(context_ != nullptr);
    char name[] = "SHA256";
    const OSSL_PARAM settings[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                                   OSSL_PARAM_construct_end()};
    CHECK(EVP_MAC_CTX_set_params(context_.get(), settings) == 1);
  }
  KeyedHash(const KeyedHash&) = delete;
  ~KeyedHash() { OPENSSL_cleanse(key_.data(), key_.size()); }

  Digest hash(const Key& key, std::string_view bytes) {
    ++made_;
    const bool same = keyed_ && CRYPTO_memcmp(key.data(), key_.data(), key.size()) == 0;
    CHECK(EVP_MAC_init(context_.get(), same ? nullptr : key.data(), same ? 0 : key.size(),
                       nullptr) == 1);
    key_ = key;
    keyed_ = true;
    Digest made;
    std::size_t size = 0;
    CHECK(EVP_MAC_update(context_.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                         bytes.size()) == 1);
    CHECK(EVP_MAC_final(context_.get(), made.data(), &size, made.size()) == 1);
    CHECK(size == made.size());
    return made;
  }
  std::uint64_t made() const { return made_; }

 private:
  std::unique_ptr<EVP_MAC_CTX, FreeMac> context_;
  Key key_{};
  bool keyed_ = false;
  std::uint64_t made_ = 0;
};

KeyedHash& keyed_hash() {
  static thread_local KeyedHash keyed;
  return keyed;
}

}  // namespace

std::string_view name_of(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::kApiKey:
      return "api_key";
    case CredentialKind::kJwt:
      return "jwt";
    case CredentialKind::kWorkload:
      return "workload";
    case CredentialKind::kSession:
      return "session";
    case CredentialKind::kIntrospection:
      return "introspection";
    case CredentialKind::kMtls:
      return "mtls";
    case CredentialKind::kAnonymous:
      return "anonymous";
  }
  CHECK(false);
}

std::optional<CredentialKind> credential_kind_named(std::string_view name) {
  for (int i = 0; i < kCredentialKindCount; ++i) {
    if (name == name_of(static_cast<CredentialKind>(i))) return static_cast<CredentialKind>(i);
  }
  return std::nullopt;
}

Expected<std::string_view> find_credential(const CredentialHeaders& headers) {
  std::string_view bearer;
  if (!headers.authorization.empty()) {
    const Expected<std::string_view> token = bearer_token(headers.authorization);
    if (!token) return token;
    bearer = *token;
  }
  std::string_view found;
  for (const std::string_view secret : {bearer, headers.x_api_key, headers.api_key}) {
    if (secret.empty()) continue;
    if (!found.empty() && found != secret) {
      return refuse(Reason::kCredentialConflict, "authentication",
                    "The request carries two different credentials. Send one, in Authorization, "
                    "x-api-key or api-key.");
    }
    found = secret;
  }
  if (found.empty()) {
    return refuse(Reason::kMissingCredential, "authentication",
                  "The request carries no API key. Send it as `Authorization: Bearer KEY` or as "
                  "`x-api-key: KEY`.");
  }
  return found;
}

Expected<std::string_view> read_key(std::string_view secret) {
  if (!secret.starts_with(kKeyPrefix)) {
    return malformed("This is not an API key of this gateway: those begin with tg_live_.");
  }
  if (secret.size() != kKeyLength) {
    return malformed("The API key has not the right length: it was cut, or something was added.");
  }
  for (const char c : secret.substr(kKeyPrefix.size())) {
    if (!kIsBase62[static_cast<unsigned char>(c)]) {
      return malformed("The API key holds a character that no key has: it was mistyped.");
    }
  }
  const std::array<char, kChecksumLength> checksum = checksum_of(secret.substr(0, kCheckedLength));
  if (secret.substr(kCheckedLength) != std::string_view(checksum.data(), checksum.size())) {
    return malformed("The API key's checksum is wrong: it was mistyped or cut.");
  }
  return secret.substr(kKeyPrefix.size(), kKeyIdLength);
}

Pepper::Pepper(std::span<const std::uint8_t> bytes) {
  CHECK(bytes.size() >= key_.size());
  CHECK(EVP_Digest(bytes.data(), bytes.size(), key_.data(), nullptr, EVP_sha256(), nullptr) == 1);
}

Pepper::~Pepper() { OPENSSL_cleanse(key_.data(), key_.size()); }

Pepper::Pepper(Pepper&& other) noexcept : key_(other.key_) {
  OPENSSL_cleanse(other.key_.data(), other.key_.size());
}

Digest Pepper::digest(std::string_view secret) const { return keyed_hash().hash(key_, secret); }

std::uint64_t digests_made() { return keyed_hash().made(); }

// One answer for a key that nobody has and for a secret that is not the key's: whoever tries
// learns nothing about which ids exist.
Refusal refuse_unknown() {
  Refusal refusal;
  refusal.reason = Reason::kInvalidCredential;
  refusal.rule = kRule;
  refusal.message =
      "This API key is not one of this gateway's. Check that it belongs here, or ask for a new "
      "one.";
  return refusal;
}

namespace {

// How the key stands that the caller has proven to hold. One that was revoked stays so whatever
// the clock says.
Expected<void> in_force(const KeyFacts& facts, WallTime now) {
  if (facts.revoked) {
    return refuse(Reason::kRevokedCredential, std::string(kRule),
                  "This API key was revoked. Ask for a new one.");
  }
  if (facts.expires && now >= *facts.expires) {
    return refuse(Reason::kExpiredCredential, std::string(kRule),
                  "This API key has expired. Ask for a new one.");
  }
  return {};
}

}  // namespace

bool is_key(const Digest& digest, const KeyFacts& facts) {
  return CRYPTO_memcmp(digest.data(), facts.digest.data(), digest.size()) == 0;
}

Expected<void> verify(const Digest& digest, const KeyFacts& facts, const IpAddress& from,
                      WallTime now) {
  if (!is_key(digest, facts)) return std::unexpected(refuse_unknown());
  if (!facts.addresses.empty() && !contains(facts.addresses, from)) {
    Refusal refusal = refuse_unknown();
    refusal.recorded = "The key is good, but its scopes do not name the address that it came from.";
    return std::unexpected(std::move(refusal));
  }
  return in_force(facts, now);
}

NewKey make_key(std::span<const std::uint8_t, 64> random, std::string_view prefix) {
  // Each part takes the last digits of a whole 128-bit number, of which it uses at most 72 bits:
  // no digit is likelier than another by more than 2^-56.
  static constexpr std::size_t kParts[] = {kKeyIdLength, 11, 11, 10};
  static_assert(kParts[1] + kParts[2] + kParts[3] == kSecretLength);

  NewKey made;
  made.secret.reserve(kKeyLength);
  made.secret = prefix;
  std::size_t next = 0;
  for (const std::size_t length : kParts) {
    unsigned __int128 number = 0;
    for (int byte = 0; byte < 16; ++byte) number = number << 8 | random[next++];
    std::array<char, kKeyIdLength> digits{};
    write_base62(number, std::span(digits).first(length));
    made.secret.append(digits.data(), length);
    OPENSSL_cleanse(digits.data(), digits.size());
    OPENSSL_cleanse(&number, sizeof number);
  }
  const std::array<char, kChecksumLength> checksum = checksum_of(made.secret);
  made.secret.append(checksum.data(), checksum.size());
  made.id = made.secret.substr(prefix.size(), kKeyIdLength);
  return made;
}

std::optional<std::string_view> public_id(std::string_view secret, std::string_view prefix) {
  const std::size_t length = prefix.size() + kKeyLength - kKeyPrefix.size();
  if (!secret.starts_with(prefix) || secret.size() != length) return std::nullopt;
  const std::string_view body = secret.substr(prefix.size());
  const auto is_base62 = [](char c) { return kIsBase62[static_cast<unsigned char>(c)]; };
  if (!std::ranges::all_of(body, is_base62)) return std::nullopt;
  const std::array<char, kChecksumLength> checksum =
      checksum_of(secret.substr(0, length - kChecksumLength));
  if (!secret.ends_with(std::string_view(checksum.data(), checksum.size()))) return std::nullopt;
  return body.substr(0, kKeyIdLength);
}

}  // namespace tollgate::authentication
