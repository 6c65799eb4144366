// Changes by those who administer, in the audit trail: who did what to what, from where, and how
// it was before and after.
//
// Each is one record of phase `change` in a chain of its own, kChangesChain, written in the
// transaction that makes the change: nothing changes without its record, and no record tells of
// what did not happen. Gateways and commands share the chain, so whoever writes it holds it to the
// end of his transaction, and its times are the store's. The records answer to the same questions
// as those of requests (audit_query.h), are proven in the same way and kept as long. Why a chain of
// its own: docs/decisions/0015.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/fault.h"
#include "storage/database.h"

namespace tollgate::storage {

// No gateway bears this name: theirs are `gateway` and 16 hexadecimal digits.
inline constexpr std::string_view kChangesChain = "changes";

// Whoever is accountable for a change.
struct Author {
  enum class Kind : std::uint8_t {
    kCommand,     // Ran on the machine: `subject` is the user of the operating system.
    kAdminToken,  // `credential_id` is the token's public one.
    kOidc,        // `subject` is the issuer's.
    kGateway,     // Did it by itself, as told to by its configuration or a signal.
    kUnknown,     // Was refused before it was known who that is; or several together.
  };
  Kind kind = Kind::kCommand;
  std::string subject;
  std::string credential_id;
  std::string role;                  // "owner"; empty for commands and gateways.
  std::optional<IpAddress> address;  // Of the connection; nothing: none.
};
std::string_view name_of(Author::Kind kind);  // "admin_token"

// The transaction of a change. A Fault of the kind kRevoked where its author is let in no longer:
// he was when he asked, and whoever revoked him had the lock first. For tokens of the store; `now`
// is held against the end of the token, where it is there.
FaultOr<Transaction> begin_change(Database& database, const Author& author,
                                  std::optional<WallTime> now);

struct Change {
  std::string_view action;  // "key.create": the kind of thing, and what was done to it.
  std::string_view object;  // Its id or name.
  std::string_view tenant;  // Whose it is; empty: nobody's in particular.
  // JSON objects on one line, without secrets; empty: it was not there before, or is not after.
  // What is longer than audit::kChangeTextBytesMax is told by its SHA-256 and its size.
  std::string_view before;
  std::string_view after;
};

// In the caller's transaction, as the last thing of it but the commit. A Fault where it cannot be
// written, or where the chain is not whole at its end: then the change must not be committed.
FaultOr<void> record_change(Database& database, const Author& author, const Change& change);

}  // namespace tollgate::storage
