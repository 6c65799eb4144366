#include "controls/authentication/jws.h"

#include <algorithm>
#include <array>

#include "controls/authentication/base64url.h"
#include "controls/authentication/json_document.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view kRule = "authentication.jwt";

// Header parameters that change how a token is to be read or that only encryption has. Ignoring
// one would be to read another token than the one that was signed.
constexpr std::string_view kRefusedParameters[] = {"crit", "b64", "zip", "enc", "cty",
                                                   "epk",  "p2c", "p2s", "iv",  "tag"};

std::unexpected<Refusal> malformed(std::string message) {
  return refuse(Reason::kInvalidCredential, std::string(kRule), std::move(message));
}

struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;
};

Expected<Parts> split(std::string_view token) {
  if (token.size() > kTokenBytesMax) return malformed("The token is longer than 16 KiB.");
  const auto dots = std::ranges::count(token, '.');
  if (dots == 4) {
    return malformed("The token is encrypted (JWE). Only signed tokens (JWS) are accepted here.");
  }
  if (dots != 2) return malformed("The token has not the three parts of a signed token.");
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  return Parts{.header = token.substr(0, first),
               .payload = token.substr(first + 1, second - first - 1),
               .signature = token.substr(second + 1),
               .signed_text = token.substr(0, second)};
}

Expected<void> read_header(const dom::object& header, Token& token) {
  const std::optional<Algorithm> algorithm =
      algorithm_named(text_member(header, "alg").value_or(""));
  if (!algorithm) return malformed("The token is signed with no algorithm that is accepted.");
  token.algorithm = *algorithm;
  for (const std::string_view parameter : kRefusedParameters) {
    if (!has_member(header, parameter)) continue;
    return malformed("The token's header has `" + std::string(parameter) +
                     "`, which is not accepted here.");
  }
  token.key_id = text_member(header, "kid");
  if ((!token.key_id && has_member(header, "kid")) ||
      (token.key_id && token.key_id->size() > KeySet::kKeyIdBytesMax)) {
    return malformed("The `kid` of the token's header is no text, or too long.");
  }
  token.type = text_member(header, "typ").value_or("");
  if (token.type.empty() && has_member(header, "typ")) {
    return malformed("The `typ` of the token's header is no text.");
  }
  return {};
}

}  // namespace

TokenReader::TokenReader()
    : header_(std::make_unique<JsonDocument>()), claims_(std::make_unique<JsonDocument>()) {}
TokenReader::~TokenReader() = default;
TokenReader::TokenReader(TokenReader&&) noexcept = default;

Expected<Token> TokenReader::read_signed(std::string_view text) {
  const Expected<Parts> parts = split(text);
  if (!parts) return std::unexpected(parts.error());
  if (decode_base64url(parts->header, header_text_) != Decoded::kWell ||
      decode_base64url(parts->payload, payload_) != Decoded::kWell ||
      decode_base64url(parts->signature, signature_) != Decoded::kWell) {
    return malformed("A part of the token is not base64url: it was cut or something was added.");
  }
  const std::optional<dom::object> header = header_->read(header_text_);
  if (!header) return malformed("The token's header is no JSON object of unique names.");
  Token token;
  if (Expected<void> good = read_header(*header, token); !good) {
    return std::unexpected(std::move(good.error()));
  }
  token.signed_text = parts->signed_text;
  token.signature = signature_;
  token.payload = payload_;
  return token;
}

Expected<Token> TokenReader::read(std::string_view text) {
  Expected<Token> token = read_signed(text);
  if (!token) return token;
  const std::optional<dom::object> claims = claims_->read(payload_);
  if (!claims) return malformed("The token's claims are no JSON object of unique names.");
  token->payload = payload_;
  token->claims = claims_.get();
  token->issuer = text_member(*claims, "iss").value_or("");
  return token;
}

bool looks_like_token(std::string_view text) { return std::ranges::count(text, '.') >= 2; }

Expected<void> check_signature(const Token& token, const VerificationKey& key,
                               std::string_view rule) {
  if (token.algorithm != key.algorithm() ||
      !key.proves(token.signed_text, bytes_of(token.signature))) {
    return std::unexpected(refuse_signature(rule));
  }
  return {};
}

Refusal refuse_signature(std::string_view rule) {
  Refusal refusal;
  refusal.reason = Reason::kInvalidCredential;
  refusal.rule = rule;
  refusal.message =
      "The token is not signed by a key of its issuer that is accepted here. Get a new one.";
  return refusal;
}

}  // namespace tollgate::authentication
