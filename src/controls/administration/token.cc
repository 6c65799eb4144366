#include "controls/administration/token.h"

#include <openssl/crypto.h>

namespace tollgate::administration {

namespace {

constexpr std::string_view kRule = "admin";

}  // namespace

std::optional<std::string_view> read_token(std::string_view secret) {
  return authentication::public_id(secret, kTokenPrefix);
}

authentication::NewKey make_token(std::span<const std::uint8_t, 64> random) {
  return authentication::make_key(random, kTokenPrefix);
}

Refusal refuse_unknown() {
  Refusal refusal;
  refusal.reason = Reason::kInvalidCredential;
  refusal.rule = kRule;
  refusal.message = "This credential is none of an administrator of this gateway.";
  return refusal;
}

Expected<void> verify(const TokenRecord* record, const authentication::Digest& digest,
                      WallTime now) {
  static constexpr authentication::Digest kNobody{};
  const authentication::Digest& known = record == nullptr ? kNobody : record->digest;
  const bool same = CRYPTO_memcmp(digest.data(), known.data(), digest.size()) == 0;
  if (record == nullptr || !same) return std::unexpected(refuse_unknown());
  if (record->revoked) {
    return refuse(Reason::kRevokedCredential, std::string(kRule),
                  "This admin token was revoked. Ask for a new one.");
  }
  if (record->grant.expires && now >= *record->grant.expires) {
    return refuse(Reason::kExpiredCredential, std::string(kRule),
                  "This admin token has expired. Ask for a new one.");
  }
  return {};
}

}  // namespace tollgate::administration
