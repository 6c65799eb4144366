// Admin tokens in the database: for the admin API and `tollgate admin`.
//
// Few, and asked for rarely: each use reads its row, so that a revocation is in force at once on
// every gateway of the store. Every change is on record (changes.h) in the transaction that makes
// it. A token that has ended stays for kEndedKept (key_room.h); of more than kEndedTokensMax the
// ones that ended first leave earlier, but none within kEndedKeptLeast. Of those in force the store
// has all their makers, so nothing is lost with the makers' own rows.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "controls/administration/token.h"
#include "storage/changes.h"
#include "storage/database.h"

namespace tollgate::storage {

// How exact the last use of a token is kept.
inline constexpr Duration kTokenUseKept = std::chrono::minutes(1);
// In force at once, in all; of these so many are left for whoever has no share.
inline constexpr std::int64_t kAdminTokensMax = 1000;
inline constexpr std::int64_t kAdminTokensForOwners = 100;
// That have ended and are still known; of these so many are left for whoever has no share.
inline constexpr std::int64_t kEndedTokensMax = 10'000;
inline constexpr std::int64_t kEndedTokensForOwners = 1000;

// Whoever is no owner, or bound to tenants, has a share: so many in force of those that he made, or
// that were made by these (administration::kTokensOfMakerMax). So nobody can use up what others
// need, and an owner can always make one.
enum class TokenShare : std::uint8_t { kOfMaker, kWhole };
TokenShare share_of(const administration::Grant& maker);

enum class TokenMade : std::uint8_t {
  kDone,
  kTooMany,         // In all.
  kTooManyOfMaker,  // Of his share, or of that of whoever made his token.
  kTooManyEnded,    // Just now.
};
FaultOr<TokenMade> create_admin_token(Database& database, const Author& author,
                                      const administration::TokenRecord& token, TokenShare share,
                                      WallTime now);

inline constexpr std::int64_t kTokensOfPageMax = 1000;
struct TokenPage {
  std::vector<administration::TokenRecord> tokens;
  bool has_more = false;
};
using MaySee = std::function<bool(const administration::TokenRecord& token)>;
// The oldest first: at most `limit`, which is 1 to kTokensOfPageMax, of those that may be seen (all
// where nothing says which), behind the one of the id `after`, or from the first where that is
// empty. Nothing: there is no such one.
FaultOr<std::optional<TokenPage>> query_admin_tokens(Database& database, const MaySee& may_see,
                                                     std::int64_t limit, std::string_view after);
FaultOr<std::optional<administration::TokenRecord>> find_admin_token(Database& database,
                                                                     std::string_view id);
// What becomes of the tokens that one has made which is revoked.
enum class MadeTokens : std::uint8_t { kStay, kAreRevoked };
struct TokenRevocation {
  bool is_known = false;  // Whether there is such a token.
  // Those in force that it made, or that were made by those, whether they are still in force or
  // not: as they are now, the oldest first.
  std::vector<administration::TokenRecord> made;
};
// Each that is revoked is a change of its own, in one transaction. Revoking a revoked one keeps the
// first moment, and is no change. An id that is no token's can be that of a credential which made
// some: of the configuration, or of a person at an issuer.
FaultOr<TokenRevocation> revoke_admin_token(Database& database, const Author& author,
                                            std::string_view id, MadeTokens made, WallTime now);
// Writes that it was used, where that is not known to the minute; no change.
FaultOr<void> use_admin_token(Database& database, const administration::TokenRecord& token,
                              WallTime now);

// One token as JSON, without its digest; with its secret where it was just made.
std::string admin_token_form(const administration::TokenRecord& token,
                             std::string_view secret = {});
// One that was revoked, with `made` of it.
std::string admin_token_form(const administration::TokenRecord& token,
                             const std::vector<administration::TokenRecord>& made);

}  // namespace tollgate::storage
