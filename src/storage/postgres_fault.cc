// What PostgreSQL says, as Faults that tell the operator what to do.
#include <fmt/format.h>

#include <array>

#include "storage/postgres_connection.h"

namespace tollgate::storage {
namespace {

struct Row {
  std::string_view state;  // The code, or the class that it begins with.
  FaultKind kind;
  const char* words;  // With the name and what the server said.
};

// The first that fits. Codes: PostgreSQL's manual, appendix A.
constexpr std::array<Row, 27> kRows = {{
    {"28P01", FaultKind::kRefusedByPeer,
     "{}: the password was not accepted ({}). Check user and password in store.ledger."},
    {"28", FaultKind::kRefusedByPeer,
     "{}: the server does not let this user in ({}). Check the user in store.ledger and the "
     "server's pg_hba.conf."},
    {"3D000", FaultKind::kRefusedByPeer,
     "{}: the database is not there ({}). Create it (createdb), or change store.ledger."},
    {"53300", FaultKind::kRefusedByPeer,
     "{}: the server has no connection left ({}). Raise its max_connections; each gateway uses a "
     "few."},
    {"57P03", FaultKind::kUnreachable, "{}: the server is starting or stopping ({})."},
    {"57P", FaultKind::kUnreachable, "{}: the server ended the connection ({})."},
    {"55P03", FaultKind::kTimeout,
     "{}: another session keeps the books locked ({}). Look for one that is in a transaction "
     "(pg_stat_activity)."},
    {"57014", FaultKind::kTimeout, "{}: the server took too long ({}). Look at its load."},
    {"25P03", FaultKind::kTimeout, "{}: the server ended a transaction that stood still ({})."},
    {"53100", FaultKind::kRefusedByPeer,
     "{}: the server's disk is full ({}). Free space; the gateway goes on by itself."},
    {"53", FaultKind::kRefusedByPeer, "{}: the server is short of resources ({})."},
    {"25006", FaultKind::kRefusedByPeer,
     "{}: the database is read-only ({}). store.ledger must name the primary; with several hosts "
     "add target_session_attrs=read-write."},
    {"42501", FaultKind::kRefusedByPeer,
     "{}: a right is missing ({}). Make the gateway's user the owner of a schema of its own, or: "
     "GRANT CREATE, USAGE ON SCHEMA … TO …"},
    {"3F000", FaultKind::kRefusedByPeer,
     "{}: the schema is not there ({}). Create it, or change the search_path in store.ledger."},
    {"42P01", FaultKind::kCorrupt,
     "{}: a table of the gateway is gone ({}). Restore a backup; the search_path may have changed "
     "as well."},
    {"42703", FaultKind::kCorrupt,
     "{}: a table of the gateway was changed ({}). Restore a backup."},
    {"XX001", FaultKind::kCorrupt, "{}: the database is damaged ({}). Restore a backup."},
    {"XX002", FaultKind::kCorrupt,
     "{}: an index is damaged ({}). REINDEX it, or restore a backup."},
    {"40", FaultKind::kRefusedByPeer, "{}: the server gave the transaction up ({})."},
    {"08", FaultKind::kUnreachable, "{}: the connection is gone ({})."},
    {"58", FaultKind::kRefusedByPeer,
     "{}: the server's disk failed ({}). Look at its log and its device."},
    {"0A000", FaultKind::kBroken,
     "{}: the server lacks something that the gateway needs ({}). PostgreSQL 12 or newer is "
     "needed."},
    {"42601", FaultKind::kBroken,
     "{}: the server did not understand ({}). PostgreSQL 12 or newer is needed."},
    {"23", FaultKind::kRefusedByPeer, "{}: the books refuse it ({})."},
    {"22", FaultKind::kBroken, "{}: a value has no place in the books ({})."},
    {"F0", FaultKind::kRefusedByPeer, "{}: the server's configuration is wrong ({})."},
    {"", FaultKind::kBroken, "{}: PostgreSQL said: {}."},
}};

}  // namespace

Fault postgres_fault(const std::string& name, std::string_view state, std::string_view said) {
  for (const Row& row : kRows) {
    if (!state.starts_with(row.state)) continue;
    return Fault{row.kind, fmt::format(fmt::runtime(row.words), name, said)};
  }
  return Fault{FaultKind::kBroken, name};
}

}  // namespace tollgate::storage
