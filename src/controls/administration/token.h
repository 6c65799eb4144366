// Admin tokens that are made while the gateway runs, and kept in the store.
//
// A token is `tga_` + 12 characters that name it in public + 32 secret ones + 6 of a checksum, the
// shape of a tenant API key (authentication.h) under another prefix, so that neither can be taken
// for the other. The store has the keyed digest of the whole; the prefix is part of what is
// digested, so no digest of a key is one of a token.
//
// Pure: random bytes and time are arguments. Safe from any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "controls/administration/administration.h"
#include "controls/authentication/authentication.h"

namespace tollgate::administration {

inline constexpr std::string_view kTokenPrefix = "tga_";
inline constexpr std::size_t kNameBytesMax = 128;
// In force at once of those that one has made who is no owner, or is bound to tenants, and that
// were made by these.
inline constexpr std::int64_t kTokensOfMakerMax = 100;

// What the store keeps of a token.
struct TokenRecord {
  std::string id;
  authentication::Digest digest{};
  std::string name;
  Grant grant;
  WallTime created{};
  std::string created_by;  // The credential that made it; empty: a command.
  std::optional<WallTime> revoked;
  std::optional<WallTime> last_used;
};

// The public id inside a token of the right shape and checksum.
std::optional<std::string_view> read_token(std::string_view secret);

// `random` must come from a cryptographic generator.
authentication::NewKey make_token(std::span<const std::uint8_t, 64> random);

// Whether `digest`, of the secret that is shown, is that of `record` and the token is in force.
// One that nobody has (null) and a wrong secret take the same time and say the same.
Expected<void> verify(const TokenRecord* record, const authentication::Digest& digest,
                      WallTime now);

// The answer to a credential that is no administrator's.
Refusal refuse_unknown();

}  // namespace tollgate::administration
