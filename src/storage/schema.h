// The tables of the store, as steps from one version to the next.
#pragma once

#include <array>
#include <cstdint>

namespace tollgate::storage {

// "tgte": tells our files from other SQLite databases.
inline constexpr std::int64_t kApplicationId = 0x74677465;

// Step i takes a file of version i to version i + 1. A step that was released never changes.
inline constexpr std::array<const char*, 11> kSchemaSteps = {R"sql(
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

-- A row is what one commit wrote: `records` holds `text_bytes` of sealed lines, compressed, of
-- the sequences from first to last. `opened` are the decisions among them that left and did not
-- end in the same row, `ended` the decisions of earlier rows that end here. No record up to the
-- end of the row is later than `reached_us`, so that column grows with the sequence whatever
-- the clock did.
CREATE TABLE audit_groups (
  first_sequence INTEGER PRIMARY KEY,
  last_sequence INTEGER NOT NULL,
  earliest_us INTEGER NOT NULL,
  latest_us INTEGER NOT NULL,
  reached_us INTEGER NOT NULL,
  last_hash BLOB NOT NULL,
  text_bytes INTEGER NOT NULL,
  opened BLOB NOT NULL,
  ended BLOB NOT NULL,
  records BLOB NOT NULL
) STRICT;
CREATE INDEX audit_groups_time ON audit_groups (reached_us, earliest_us);

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
)sql",
                                                             R"sql(
-- `journal_written`: the journal's position behind the records of the row.
ALTER TABLE audit_groups ADD COLUMN journal_written INTEGER NOT NULL DEFAULT 0;

-- Bookings that were taken off the journal and whose outcome was not in the same group.
CREATE TABLE waiting_bookings (
  id TEXT NOT NULL PRIMARY KEY,
  packed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
)sql",
                                                             R"sql(
-- What all gateways together have taken of an account of a budget, and what each of them has
-- leased and, by the books, spent of it. Between them, limit = free + taken, and taken is the sum
-- of what is leased and of what "books" entries added. An entry is never changed.
CREATE TABLE allowances (
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  window_start_us INTEGER NOT NULL,
  taken_micro_usd INTEGER NOT NULL,
  PRIMARY KEY (rule, subject, window_start_us)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  window_start_us INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  leased_micro_usd INTEGER NOT NULL,
  spent_micro_usd INTEGER NOT NULL,
  PRIMARY KEY (rule, subject, window_start_us, gateway)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_open ON leases (gateway) WHERE leased_micro_usd > spent_micro_usd;

CREATE TABLE allowance_entries (
  sequence INTEGER PRIMARY KEY,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  window_start_us INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  kind TEXT NOT NULL,
  amount_micro_usd INTEGER NOT NULL,
  at_us INTEGER NOT NULL
) STRICT;
)sql",
                                                             R"sql(
-- By the quarter of an hour, at which the windows of every time zone begin. What an hour had is
-- of its last quarter: a window that began within it counts too much rather than too little.
ALTER TABLE spend_hourly RENAME TO spend;
ALTER TABLE spend RENAME COLUMN hour_us TO quarter_us;
UPDATE spend SET quarter_us = quarter_us + 2700000000;
)sql",
                                                             R"sql(
-- Each gateway has a chain and sequences of its own, and what waits for it.
ALTER TABLE audit_groups RENAME TO audit_groups_of_one;
DROP INDEX audit_groups_time;
CREATE TABLE audit_groups (
  gateway TEXT NOT NULL DEFAULT 'gateway',
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  earliest_us INTEGER NOT NULL,
  latest_us INTEGER NOT NULL,
  reached_us INTEGER NOT NULL,
  last_hash BLOB NOT NULL,
  text_bytes INTEGER NOT NULL,
  journal_written INTEGER NOT NULL DEFAULT 0,
  opened BLOB NOT NULL,
  ended BLOB NOT NULL,
  records BLOB NOT NULL,
  PRIMARY KEY (gateway, first_sequence)
) STRICT;
INSERT INTO audit_groups (first_sequence, last_sequence, earliest_us, latest_us, reached_us,
                          last_hash, text_bytes, journal_written, opened, ended, records)
  SELECT first_sequence, last_sequence, earliest_us, latest_us, reached_us, last_hash, text_bytes,
         journal_written, opened, ended, records FROM audit_groups_of_one ORDER BY first_sequence;
DROP TABLE audit_groups_of_one;
CREATE INDEX audit_groups_time ON audit_groups (reached_us, gateway, first_sequence, earliest_us);

ALTER TABLE waiting_bookings RENAME TO waiting_bookings_of_one;
CREATE TABLE waiting_bookings (
  gateway TEXT NOT NULL DEFAULT 'gateway',
  id TEXT NOT NULL,
  packed BLOB NOT NULL,
  PRIMARY KEY (gateway, id)
) STRICT, WITHOUT ROWID;
INSERT INTO waiting_bookings (id, packed) SELECT id, packed FROM waiting_bookings_of_one;
DROP TABLE waiting_bookings_of_one;

-- `holder` names the process that serves under the name, `groups` counts what it has committed,
-- `seen_us` is when it last said so.
CREATE TABLE gateways (
  gateway TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  groups INTEGER NOT NULL,
  seen_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a request cost by usage that came after it was settled; the last row of a request holds.
-- `amount_micro_usd` is what the row changed in the books.
CREATE TABLE adjustments (
  sequence INTEGER PRIMARY KEY,
  request TEXT NOT NULL,
  model TEXT NOT NULL,
  decided_us INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cost_micro_usd INTEGER NOT NULL,
  amount_micro_usd INTEGER NOT NULL,
  because TEXT NOT NULL,
  at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX adjustments_request ON adjustments (request, sequence);

-- An entry moves an amount from one part of an allowance to another: `free`, `leased/GATEWAY`,
-- `spent/GATEWAY`, `unproven`, `adjusted`. Of what is spent `posted_micro_usd` is in entries; the rest is
-- posted with the account's next entry.
ALTER TABLE leases ADD COLUMN posted_micro_usd INTEGER NOT NULL DEFAULT 0;
DROP INDEX leases_open;
CREATE INDEX leases_open ON leases (gateway) WHERE leased_micro_usd > posted_micro_usd;
ALTER TABLE allowance_entries RENAME TO allowance_entries_of_one;
CREATE TABLE allowance_entries (
  sequence INTEGER PRIMARY KEY,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  window_start_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  from_part TEXT NOT NULL,
  to_part TEXT NOT NULL,
  amount_micro_usd INTEGER NOT NULL CHECK (amount_micro_usd > 0),
  at_us INTEGER NOT NULL
) STRICT;
INSERT INTO allowance_entries (sequence, rule, subject, window_start_us, kind, from_part, to_part,
                               amount_micro_usd, at_us)
  SELECT sequence, rule, subject, window_start_us, kind,
         CASE WHEN amount_micro_usd < 0 THEN 'leased/' || gateway ELSE 'free' END,
         CASE WHEN amount_micro_usd < 0 THEN 'free' WHEN kind IN ('books', 'unproven')
              THEN 'unproven' ELSE 'leased/' || gateway END,
         abs(amount_micro_usd), at_us FROM allowance_entries_of_one WHERE amount_micro_usd <> 0
  ORDER BY sequence;
DROP TABLE allowance_entries_of_one;
)sql",
                                                             R"sql(
-- What belongs to windows that ended long ago is found and deleted.
CREATE INDEX allowances_window ON allowances (window_start_us);
CREATE INDEX leases_window ON leases (window_start_us);
CREATE INDEX allowance_entries_window ON allowance_entries (window_start_us);
)sql",
                                                             R"sql(
-- `scopes` is a JSON object of lists, empty where nothing is narrowed. `used_us` is written about
-- once a minute and is no change that gateways read.
ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN replaced_by TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN used_us INTEGER;
DROP INDEX keys_changed;
CREATE INDEX keys_changed ON keys (changed, id);
)sql",
                                                             R"sql(
-- Who may administer beside those of the configuration. `tenants` is a JSON array of those that it
-- is bound to; empty: all.
CREATE TABLE admin_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  digest BLOB NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  tenants TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_us INTEGER,
  revoked_us INTEGER,
  used_us INTEGER
) STRICT, WITHOUT ROWID;
)sql",
                                                             R"sql(
-- Keys are listed page by page, of all, of a tenant or of a user, and counted while in force.
CREATE INDEX keys_listed ON keys (tenant, created_us, id);
CREATE INDEX keys_of_user ON keys (user, tenant, created_us, id);
CREATE INDEX keys_in_force ON keys (tenant, created_us, id, expires_us, revoked_us)
  WHERE revoked_us IS NULL;
CREATE INDEX keys_revoked ON keys (tenant, created_us, id) WHERE revoked_us IS NOT NULL;
)sql",
                                                             R"sql(
-- `ended_us` is when a key or token ended, once that is noted; until then it counts as in force.
-- `key_counts` has how many keys there are, of each tenant and, under no name, of all: it changes
-- with each change of `keys`, in the same transaction.
ALTER TABLE keys ADD COLUMN ended_us INTEGER;
UPDATE keys SET ended_us = revoked_us WHERE revoked_us IS NOT NULL;
CREATE INDEX keys_to_end ON keys (COALESCE(revoked_us, expires_us)) WHERE ended_us IS NULL;
CREATE INDEX keys_ended ON keys (ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX keys_ended_of ON keys (tenant, ended_us) WHERE ended_us IS NOT NULL;
CREATE TABLE key_counts (
  tenant TEXT NOT NULL PRIMARY KEY,
  in_force INTEGER NOT NULL,
  ended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO key_counts (tenant, in_force, ended)
  SELECT tenant, count(*) - count(ended_us), count(ended_us) FROM keys GROUP BY tenant;
INSERT INTO key_counts (tenant, in_force, ended)
  SELECT '', count(*) - count(ended_us), count(ended_us) FROM keys;

-- Whose tokens those in force are: who made one, who made the maker, and so on. `distance` counts
-- from the token; that of the first of them all is 0. `limited`: they count against the share of
-- the maker.
ALTER TABLE admin_tokens ADD COLUMN ended_us INTEGER;
UPDATE admin_tokens SET ended_us = revoked_us WHERE revoked_us IS NOT NULL;
CREATE INDEX admin_tokens_listed ON admin_tokens (created_us, id);
CREATE INDEX admin_tokens_to_end ON admin_tokens (COALESCE(revoked_us, expires_us))
  WHERE ended_us IS NULL;
CREATE INDEX admin_tokens_in_force ON admin_tokens (id) WHERE ended_us IS NULL;
CREATE INDEX admin_tokens_ended ON admin_tokens (ended_us) WHERE ended_us IS NOT NULL;
CREATE TABLE admin_token_makers (
  maker TEXT NOT NULL,
  token TEXT NOT NULL,
  distance INTEGER NOT NULL,
  limited INTEGER NOT NULL,
  PRIMARY KEY (maker, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX admin_token_makers_of ON admin_token_makers (token);
INSERT INTO admin_token_makers (maker, token, distance, limited)
  WITH RECURSIVE up (token, maker, distance) AS (
    SELECT id, created_by, 1 FROM admin_tokens WHERE ended_us IS NULL AND created_by <> ''
    UNION ALL
    SELECT up.token, one.created_by, up.distance + 1 FROM up JOIN admin_tokens AS one
      ON one.id = up.maker WHERE one.created_by <> '' AND up.distance < 64)
  SELECT up.maker, up.token,
         CASE WHEN COALESCE(one.created_by, '') = '' THEN 0 ELSE up.distance END,
         CASE WHEN one.id IS NULL OR (one.role = 'owner' AND one.tenants IN ('', '[]')) THEN 0
              ELSE 1 END
    FROM up LEFT JOIN admin_tokens AS one ON one.id = up.maker;
)sql",
                                                             R"sql(
-- What calls of tools cost, as a part of what `spend` has: from here on.
CREATE TABLE spend_tools (
  quarter_us INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  key_id TEXT NOT NULL,
  route TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  cost_micro_usd INTEGER NOT NULL,
  PRIMARY KEY (quarter_us, tenant, user, key_id, route, tool)
) STRICT, WITHOUT ROWID;
)sql"};

}  // namespace tollgate::storage
