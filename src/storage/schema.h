// The tables of the store, as steps from one version to the next.
#pragma once

#include <array>
#include <cstdint>

namespace tollgate::storage {

// "tgte": tells our files from other SQLite databases.
inline constexpr std::int64_t kApplicationId = 0x74677465;

// Step i takes a file of version i to version i + 1. A step that was released never changes.
inline constexpr std::array<const char*, 1> kSchemaSteps = {R"sql(
CREATE TABLE marks (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `changed` is the value of the mark key_changes at the row's last change, so that a gateway
-- reads only the rows that it has not seen.
CREATE TABLE keys (
  id TEXT NOT NULL PRIMARY KEY,
  digest BLOB NOT NULL,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  roles TEXT NOT NULL,
  name TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  expires_us INTEGER,
  revoked_us INTEGER,
  changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_changed ON keys (changed);
INSERT INTO marks (name, value) VALUES ('key_changes', '0');

-- Ids sort by time, so both B-trees grow at their right edge.
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  time_us INTEGER NOT NULL,
  phase INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  code TEXT NOT NULL,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  key_id TEXT NOT NULL,
  route TEXT NOT NULL,
  model TEXT NOT NULL,
  held_micro_usd INTEGER NOT NULL,
  record TEXT NOT NULL
) STRICT;
CREATE INDEX audit_id ON audit (id);

CREATE TABLE spend_hourly (
  hour_us INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  key_id TEXT NOT NULL,
  route TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cost_micro_usd INTEGER NOT NULL,
  PRIMARY KEY (hour_us, tenant, user, key_id, route, model)
) STRICT, WITHOUT ROWID;
)sql"};

}  // namespace tollgate::storage
