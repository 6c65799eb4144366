// A Database on a PostgreSQL server, which several gateways share.
//
// What runs in a transaction is queued and goes to the server with the next step() or the commit,
// so that a group of the trail is a few trips. The write lock is an advisory lock of the schema:
// whoever writes has it, so writers never wait for each other's rows and cannot deadlock. A
// connection that broke is made again at the next use; within a transaction everything is a Fault
// from there to its end. A commit whose answer was lost is kUncertain.
//
// The session asks for synchronous_commit; a server that cannot keep what it promises (fsync is
// off, a standby) is refused.
#pragma once

#include <memory>
#include <string>

#include "storage/database.h"

namespace tollgate::storage {

FaultOr<std::unique_ptr<Database>> open_postgres(const std::string& url,
                                                 const DatabaseOptions& options);

}  // namespace tollgate::storage
