// Sessions of a browser that carry their own claims: a cookie that a web application signs or
// encrypts with a secret that it shares with us.
//
// A signed cookie is a compact JWS with HS256, an encrypted one a compact JWE with `alg: dir` and
// `enc: A256GCM`; every JOSE library of the web frameworks makes both. A verifier takes one of the
// two forms, so that a key has one purpose. A secret is used as it is, or derived: HKDF-SHA-256
// without salt, whose `info` is "tollgate session_cookie signed" or "… encrypted" and whose length
// is 32 bytes, which gives one secret a key of its own for each purpose.
//
// A session ends at its `exp`, at its greatest age since `iat`, or when it was idle for too long,
// whichever is first. The application writes the cookie anew while it is used; what revokes a
// session before that is to change the secret, so sessions that must end at once live in a store.
//
// No I/O; time is an argument. Policies and keys are safe from any thread, a reader belongs to one.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/refusal.h"
#include "controls/authentication/claims.h"

namespace tollgate::authentication {

// A session that begins so much later than now was begun by a clock that differs.
inline constexpr Duration kSessionLeeway = std::chrono::seconds(30);

enum class CookieForm : std::uint8_t { kSigned, kEncrypted };
enum class SecretUse : std::uint8_t { kAsGiven, kDerived };

// One entry of `authentication.sessions` without a store.
struct SessionCookiePolicy {
  std::string name;
  std::string cookie;  // Its name.
  CookieForm form = CookieForm::kSigned;
  std::string issuer;                  // `iss`, to the letter; empty: not looked at.
  std::vector<std::string> audiences;  // `aud` has one of them; empty: not looked at.
  ClaimMapping claims;
  Duration age_max = std::chrono::hours(12);  // Since `iat`.
  Duration idle_max = std::chrono::hours(1);  // Since the last use.
  std::string last_used;  // The claim with the time of the last use; empty: `iat`.
};

std::vector<PolicyMistake> check(const SessionCookiePolicy& policy);
Digest digest_of(const SessionCookiePolicy& policy);

// The keys of one verifier: that of the current secret and those of previous ones, which are
// accepted while cookies are still about that were made with them.
class SessionKeys {
 public:
  static constexpr std::size_t kSecretsMax = 4;
  static constexpr std::size_t kSecretBytesMin = 32;

  // `secrets` are 1 to kSecretsMax. Each is 32 or more bytes, exactly 32 to encrypt with one as
  // given; or an `oct` JWK, whose `use` and `alg` fit the form. An error, in words for the
  // operator, for others.
  static std::expected<SessionKeys, std::string> create(CookieForm form, SecretUse use,
                                                        std::span<const std::string_view> secrets);
  SessionKeys(SessionKeys&&) noexcept;
  ~SessionKeys();  // Wipes.

  CookieForm form() const { return form_; }
  const Digest& digest() const { return digest_; }  // The same for the same keys.

  bool prove(std::string_view text, std::span<const std::uint8_t> mac) const;

  // What was encrypted with one of the keys, to `plain`; false where none of them did it.
  struct Sealed {
    std::string_view header;  // As it came: it is authenticated as well.
    std::string_view vector;  // 12 bytes.
    std::string_view text;
    std::string_view tag;  // 16 bytes.
  };
  bool open(const Sealed& sealed, std::string& plain) const;

 private:
  SessionKeys(CookieForm form, std::vector<std::string> keys);

  CookieForm form_;
  std::vector<std::string> keys_;
  std::vector<VerificationKey> macs_;
  Digest digest_{};
};

class SessionCookieReader {
 public:
  SessionCookieReader();
  ~SessionCookieReader();

  // Who the session `cookie` belongs to. kExpiredCredential where it has ended,
  // kInvalidCredential where it is none of ours. All views are in `arena`.
  Expected<Identity> read(const SessionCookiePolicy& policy, const SessionKeys& keys,
                          std::string_view cookie, const Tenants& tenants, WallTime now,
                          Arena& arena);

 private:
  Expected<const JsonDocument*> open_signed(const SessionKeys& keys, std::string_view cookie,
                                            std::string_view rule);
  Expected<const JsonDocument*> open_encrypted(const SessionKeys& keys, std::string_view cookie,
                                               std::string_view rule);

  TokenReader tokens_;
  std::unique_ptr<JsonDocument> header_;
  std::unique_ptr<JsonDocument> claims_;
  std::string header_text_;
  std::string vector_;
  std::string sealed_;
  std::string tag_;
  std::string plain_;
};

// The value of the cookie `name` in a Cookie header; empty where it has none.
// kCredentialConflict where it has several that differ.
Expected<std::string_view> find_cookie(std::string_view header, std::string_view name);

}  // namespace tollgate::authentication
