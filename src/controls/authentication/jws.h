// Reads a signed token: one JWS in compact form (RFC 7515 7.1) whose payload is a set of claims
// (RFC 7519), as strictly as RFC 8725 advises.
//
// A token says who signed it and how; of that only the id of the key and the name of the
// algorithm are looked at, and the algorithm must be the key's own (jwk.h). Keys inside a token
// or behind an address in it (`jwk`, `jku`, `x5c`, `x5u`) are never used. Whatever would change
// how a token is read (`crit`, `b64`, `zip`, encryption, a token within the token) is refused.
//
// No I/O, no clock. A reader belongs to one thread and is used again, its memory with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "controls/authentication/jwk.h"

namespace tollgate::authentication {

class JsonDocument;

inline constexpr std::size_t kTokenBytesMax = std::size_t{16} << 10;

// A token as it was read: nothing in it is proven before check_signature(). Views into the token
// and its reader, until the reader's next read.
struct Token {
  Algorithm algorithm{};
  std::optional<std::string_view> key_id;
  std::string_view type;         // `typ`; empty: absent.
  std::string_view signed_text;  // Header and payload as they came.
  std::string_view signature;
  std::string_view payload;
  const JsonDocument* claims = nullptr;  // Of the payload; null where read_signed() made this.
  std::string_view issuer;  // `iss`, to find the verifier by; empty: absent or no text.
};

class TokenReader {
 public:
  TokenReader();
  ~TokenReader();
  TokenReader(TokenReader&&) noexcept;

  // A signed token with claims. kInvalidCredential for everything else.
  Expected<Token> read(std::string_view token);

  // The same for any payload.
  Expected<Token> read_signed(std::string_view token);

 private:
  std::unique_ptr<JsonDocument> header_;
  std::unique_ptr<JsonDocument> claims_;
  std::string header_text_;
  std::string payload_;
  std::string signature_;
};

// Whether `text` has the shape of a token: two dots. What has not is another kind of credential.
bool looks_like_token(std::string_view text);

// Refuses a token that `key` did not sign. `rule` names the verifier in the configuration.
Expected<void> check_signature(const Token& token, const VerificationKey& key,
                               std::string_view rule);

// The one answer for a token whose key is not in the verifier's set, and for one that its key
// did not sign: whoever forges tokens learns nothing about which keys there are.
Refusal refuse_signature(std::string_view rule);

}  // namespace tollgate::authentication
