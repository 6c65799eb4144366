#include "controls/authentication/code_flow.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claim_reading.h"
#include "controls/authentication/discovery.h"
#include "controls/authentication/json_document.h"
#include "controls/authentication/jwt_policy.h"
#include "controls/authentication/token_cache.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// It becomes part of a head line that we send to a browser.
bool is_place(std::string_view url) {
  return is_safe_url(url) &&
         std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
}

bool lists(const dom::object& object, std::string_view name, std::string_view text) {
  dom::array list;
  if (object.at_key(name).get(list) != simdjson::SUCCESS) return false;
  return std::ranges::any_of(list, [&](const dom::element each) {
    std::string_view member;
    return each.get(member) == simdjson::SUCCESS && member == text;
  });
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The hash that goes with a signature (OpenID Connect Core 3.1.3.6); of EdDSA that of Ed25519.
const EVP_MD* hash_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRs256:
    case Algorithm::kPs256:
    case Algorithm::kEs256:
    case Algorithm::kHs256:
      return EVP_sha256();
    case Algorithm::kRs384:
    case Algorithm::kPs384:
    case Algorithm::kEs384:
    case Algorithm::kHs384:
      return EVP_sha384();
    case Algorithm::kRs512:
    case Algorithm::kPs512:
    case Algorithm::kEs512:
    case Algorithm::kHs512:
    case Algorithm::kEdDsa:
      return EVP_sha512();
  }
  CHECK(false);
}

// What `at_hash` says of an access token: the left half of its hash.
std::string half_hash(Algorithm algorithm, std::string_view text) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> made{};
  unsigned int size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), made.data(), &size, hash_of(algorithm), nullptr) == 1);
  return encode_base64url(std::span(made).first(size / 2));
}

}  // namespace

std::string form_text(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_') {
      made.push_back(c);
    } else {
      made += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return made;
}

std::expected<LoginPlaces, std::string> read_login_places(std::string_view document,
                                                          std::string_view issuer) {
  if (document.size() > kDiscoveryBytesMax) return std::unexpected("The metadata is too large.");
  JsonDocument json;
  std::string text(document);
  const std::optional<dom::object> metadata = json.read(text);
  if (!metadata) return std::unexpected("The metadata is no JSON object.");
  if (text_member(*metadata, "issuer") != issuer) {
    return std::unexpected("The metadata is of another issuer.");
  }
  LoginPlaces places;
  places.authorize = text_member(*metadata, "authorization_endpoint").value_or("");
  places.exchange = text_member(*metadata, "token_endpoint").value_or("");
  if (!is_place(places.authorize) || !is_place(places.exchange)) {
    return std::unexpected(
        "The `authorization_endpoint` or `token_endpoint` of the metadata is no https URL (http "
        "only on loopback).");
  }
  // Who does not say which challenges it knows may know this one; who says others does not.
  constexpr std::string_view kMethods = "code_challenge_methods_supported";
  if (has_member(*metadata, kMethods) && !lists(*metadata, kMethods, "S256")) {
    return std::unexpected("The issuer does not take the code challenge S256.");
  }
  if (metadata->at_key("authorization_response_iss_parameter_supported").get(places.names_itself) !=
      simdjson::SUCCESS) {
    places.names_itself = false;
  }
  return places;
}

std::string authorization_url(const LoginPlaces& places, const LoginRequest& request) {
  const Digest challenge = digest_of(request.verifier);
  return fmt::format(
      "{}{}response_type=code&client_id={}&redirect_uri={}&scope={}&state={}&nonce={}"
      "&code_challenge={}&code_challenge_method=S256",
      places.authorize, places.authorize.contains('?') ? '&' : '?', form_text(request.client),
      form_text(request.redirect), form_text(request.scopes), form_text(request.state),
      form_text(request.nonce), encode_base64url(challenge));
}

std::string exchange_form(const ExchangeRequest& request) {
  return fmt::format(
      "grant_type=authorization_code&code={}&redirect_uri={}&client_id={}&code_verifier={}",
      form_text(request.code), form_text(request.redirect), form_text(request.client),
      form_text(request.verifier));
}

std::string client_authorization(std::string_view client, const Secret& secret) {
  const std::string plain = fmt::format("{}:{}", form_text(client), form_text(secret.reveal()));
  std::string encoded((plain.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   bytes_of(plain).data(), static_cast<int>(plain.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return "Basic " + encoded;
}

std::expected<Exchanged, std::string> read_exchange(std::string_view answer) {
  if (answer.size() > kExchangeBytesMax) return std::unexpected("The answer is too large.");
  JsonDocument json;
  std::string text(answer);
  const std::optional<dom::object> read = json.read(text);
  if (!read) return std::unexpected("The answer is no JSON object.");
  const std::string_view token = text_member(*read, "id_token").value_or("");
  if (token.empty() || token.size() > kTokenBytesMax) {
    return std::unexpected("The answer has no ID token (`id_token`).");
  }
  return Exchanged{std::string(token),
                   std::string(text_member(*read, "access_token").value_or(""))};
}

bool says_wrong_code(std::string_view answer) {
  if (answer.size() > kExchangeBytesMax) return false;
  JsonDocument json;
  std::string text(answer);
  const std::optional<dom::object> read = json.read(text);
  return read && text_member(*read, "error") == "invalid_grant";
}

Expected<void> check_id_token(const Token& token, const IdTokenPlan& plan, std::string_view rule) {
  CHECK(token.claims != nullptr);
  const dom::object& claims = token.claims->object();
  if (const auto made = read_time(claims, "iat", Presence::kMandatory, rule); !made) {
    return std::unexpected(made.error());
  }
  if (plan.nonce.empty() || !same(text_member(claims, "nonce").value_or(""), plan.nonce)) {
    return refuse_claims(rule, "The ID token was not made for this login (`nonce`).");
  }
  dom::array audiences;
  const bool several =
      claims.at_key("aud").get(audiences) == simdjson::SUCCESS && audiences.size() > 1;
  const std::optional<std::string_view> party = text_member(claims, "azp");
  if ((several || has_member(claims, "azp")) && party != plan.client) {
    return refuse_claims(rule, "The ID token was made for another client (`azp`).");
  }
  if (has_member(claims, "at_hash") &&
      (plan.access_token.empty() || !same(text_member(claims, "at_hash").value_or(""),
                                          half_hash(token.algorithm, plan.access_token)))) {
    return refuse_claims(rule, "The ID token came with another access token (`at_hash`).");
  }
  return {};
}

}  // namespace tollgate::authentication
