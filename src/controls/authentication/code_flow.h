// The login of a person in a browser at an issuer: the authorization code flow of OpenID Connect
// Core 1.0 (3.1) with PKCE (RFC 7636, S256).
//
// The browser is sent to the issuer with a state, a nonce and the digest of a verifier, and comes
// back with a code. Whoever has the code and the verifier gets an ID token, which must bear the
// nonce. So an answer counts only for the login that it was made for.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "controls/authentication/jws.h"

namespace tollgate::authentication {

inline constexpr std::size_t kExchangeBytesMax = std::size_t{64} << 10;

// Where an issuer lets people log in.
struct LoginPlaces {
  std::string authorize;      // The browser is sent there…
  std::string exchange;       // …and we ask there.
  bool names_itself = false;  // Its answers always say of whom they are (`iss`, RFC 9207).
};

// The places in the metadata of `issuer` (discovery.h), which must be of it to the letter, name
// safe URLs and know S256. An error, in words for the operator, for all else.
std::expected<LoginPlaces, std::string> read_login_places(std::string_view document,
                                                          std::string_view issuer);

struct LoginRequest {
  std::string_view client;
  std::string_view redirect;
  std::string_view scopes;
  std::string_view state;
  std::string_view nonce;
  std::string_view verifier;
};
// The address that a browser is sent to.
std::string authorization_url(const LoginPlaces& places, const LoginRequest& request);

struct ExchangeRequest {
  std::string_view client;
  std::string_view redirect;
  std::string_view code;
  std::string_view verifier;
};
// The form that a code is exchanged with. A client with a secret proves itself in the head besides
// (client_authorization()).
std::string exchange_form(const ExchangeRequest& request);

// RFC 6749 2.3.1: "Basic …".
std::string client_authorization(std::string_view client, const Secret& secret);

// What a code was good for.
struct Exchanged {
  std::string id_token;
  std::string access_token;  // Used for nothing; an ID token may be bound to it. May be empty.
};
// An error, in words for the operator, for all else.
std::expected<Exchanged, std::string> read_exchange(std::string_view answer);

// Whether the answer to a code, which was no good one, says that the code itself is not: it is
// nobody's, was used, or is of another login (`invalid_grant`, RFC 6749 5.2). Everything else is
// between the issuer and us.
bool says_wrong_code(std::string_view answer);

// What this login expects of its ID token.
struct IdTokenPlan {
  std::string_view nonce;
  std::string_view client;
  std::string_view access_token;
};
// What an ID token must say beyond what every token must, once its signature and claims are
// verified (OpenID Connect Core 3.1.3.7): when it was made, the nonce of this login, that it was
// made for this client where it names a party or several audiences; and where it is bound to an
// access token (`at_hash`, 3.1.3.8), that it is the one which came with it.
Expected<void> check_id_token(const Token& token, const IdTokenPlan& plan, std::string_view rule);

// application/x-www-form-urlencoded, of one name or value.
std::string form_text(std::string_view text);

}  // namespace tollgate::authentication
