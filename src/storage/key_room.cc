#include "storage/key_room.h"

#include "storage/try.h"

namespace tollgate::storage {

bool is_in_force(const authentication::KeyRecord& key, WallTime now) {
  return !key.revoked && (!key.expires || *key.expires > now);
}

FaultOr<std::int64_t> keys_in_force(Database& database, std::string_view tenant, WallTime now,
                                    std::int64_t most) {
  TRY(query, database.prepare(tenant.empty()
                                  ? "SELECT count(*) FROM (SELECT 1 FROM keys WHERE revoked_us IS "
                                    "NULL AND (expires_us IS NULL OR expires_us > ?) LIMIT ?) AS "
                                    "in_force"
                                  : "SELECT count(*) FROM (SELECT 1 FROM keys WHERE tenant = ? AND "
                                    "revoked_us IS NULL AND (expires_us IS NULL OR expires_us > ?) "
                                    "LIMIT ?) AS in_force"));
  if (!tenant.empty()) query.bind(tenant);
  TRY(there, query.bind(to_microseconds(now)).bind(most).step());
  return there ? query.integer(0) : 0;
}

}  // namespace tollgate::storage
