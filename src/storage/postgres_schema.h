// The tables of a store on PostgreSQL, as steps from one version to the next; they say what those
// of schema.h say.
//
// Texts are compared byte by byte, as SQLite does. Rows that change with each group leave room in
// their pages, so that a change touches no index.
#pragma once

#include <array>

namespace tollgate::storage {

// Step i takes a schema of version i to version i + 1. A step that was released never changes.
inline constexpr std::array<const char*, 7> kPostgresSteps = {R"sql(
CREATE TABLE marks (
  name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  value TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE keys (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  digest BYTEA NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  "user" TEXT COLLATE "C" NOT NULL,
  roles TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  created_us BIGINT NOT NULL,
  expires_us BIGINT,
  revoked_us BIGINT,
  changed BIGINT NOT NULL
);
CREATE INDEX keys_changed ON keys (changed);
INSERT INTO marks (name, value) VALUES ('key_changes', '0');

CREATE TABLE audit_groups (
  gateway TEXT COLLATE "C" NOT NULL DEFAULT 'gateway',
  first_sequence BIGINT NOT NULL,
  last_sequence BIGINT NOT NULL,
  earliest_us BIGINT NOT NULL,
  latest_us BIGINT NOT NULL,
  reached_us BIGINT NOT NULL,
  last_hash BYTEA NOT NULL,
  text_bytes BIGINT NOT NULL,
  journal_written BIGINT NOT NULL DEFAULT 0,
  opened BYTEA NOT NULL,
  ended BYTEA NOT NULL,
  records BYTEA NOT NULL,
  PRIMARY KEY (gateway, first_sequence)
);
ALTER TABLE audit_groups ALTER COLUMN records SET STORAGE EXTERNAL;
CREATE INDEX audit_groups_time ON audit_groups (reached_us, gateway, first_sequence, earliest_us);

CREATE TABLE waiting_bookings (
  gateway TEXT COLLATE "C" NOT NULL DEFAULT 'gateway',
  id TEXT COLLATE "C" NOT NULL,
  packed BYTEA NOT NULL,
  PRIMARY KEY (gateway, id)
);

CREATE TABLE gateways (
  gateway TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  holder TEXT COLLATE "C" NOT NULL,
  groups BIGINT NOT NULL,
  seen_us BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE adjustments (
  sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  decided_us BIGINT NOT NULL,
  input BIGINT NOT NULL,
  cached_input BIGINT NOT NULL,
  output BIGINT NOT NULL,
  cost_micro_usd BIGINT NOT NULL,
  amount_micro_usd BIGINT NOT NULL,
  because TEXT COLLATE "C" NOT NULL,
  at_us BIGINT NOT NULL
);
CREATE INDEX adjustments_request ON adjustments (request, sequence);

CREATE TABLE spend (
  quarter_us BIGINT NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  "user" TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  route TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  requests BIGINT NOT NULL,
  input BIGINT NOT NULL,
  cached_input BIGINT NOT NULL,
  output BIGINT NOT NULL,
  cost_micro_usd BIGINT NOT NULL,
  PRIMARY KEY (quarter_us, tenant, "user", key_id, route, model)
) WITH (fillfactor = 70);

CREATE TABLE allowances (
  rule TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  window_start_us BIGINT NOT NULL,
  taken_micro_usd BIGINT NOT NULL,
  PRIMARY KEY (rule, subject, window_start_us)
) WITH (fillfactor = 70);

CREATE TABLE leases (
  rule TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  window_start_us BIGINT NOT NULL,
  gateway TEXT COLLATE "C" NOT NULL,
  leased_micro_usd BIGINT NOT NULL,
  spent_micro_usd BIGINT NOT NULL,
  posted_micro_usd BIGINT NOT NULL,
  PRIMARY KEY (rule, subject, window_start_us, gateway)
) WITH (fillfactor = 70);
CREATE INDEX leases_gateway ON leases (gateway);

CREATE TABLE allowance_entries (
  sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rule TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  window_start_us BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  from_part TEXT COLLATE "C" NOT NULL,
  to_part TEXT COLLATE "C" NOT NULL,
  amount_micro_usd BIGINT NOT NULL CHECK (amount_micro_usd > 0),
  at_us BIGINT NOT NULL
);
)sql",
                                                              R"sql(
CREATE INDEX allowances_window ON allowances (window_start_us);
CREATE INDEX leases_window ON leases (window_start_us);
CREATE INDEX allowance_entries_window ON allowance_entries (window_start_us);
)sql",
                                                              R"sql(
ALTER TABLE keys ADD COLUMN scopes TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN replaces TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN replaced_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN used_us BIGINT;
DROP INDEX keys_changed;
CREATE INDEX keys_changed ON keys (changed, id);
)sql",
                                                              R"sql(
CREATE TABLE admin_tokens (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  digest BYTEA NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  role TEXT COLLATE "C" NOT NULL,
  tenants TEXT COLLATE "C" NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  expires_us BIGINT,
  revoked_us BIGINT,
  used_us BIGINT
);
)sql",
                                                              R"sql(
CREATE INDEX keys_listed ON keys (tenant, created_us, id);
CREATE INDEX keys_of_user ON keys ("user", tenant, created_us, id);
CREATE INDEX keys_in_force ON keys (tenant, created_us, id, expires_us, revoked_us)
  WHERE revoked_us IS NULL;
CREATE INDEX keys_revoked ON keys (tenant, created_us, id) WHERE revoked_us IS NOT NULL;
)sql",
                                                              R"sql(
ALTER TABLE keys ADD COLUMN ended_us BIGINT;
UPDATE keys SET ended_us = revoked_us WHERE revoked_us IS NOT NULL;
CREATE INDEX keys_to_end ON keys (COALESCE(revoked_us, expires_us)) WHERE ended_us IS NULL;
CREATE INDEX keys_ended ON keys (ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX keys_ended_of ON keys (tenant, ended_us) WHERE ended_us IS NOT NULL;
CREATE TABLE key_counts (
  tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  in_force BIGINT NOT NULL,
  ended BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO key_counts (tenant, in_force, ended)
  SELECT tenant, count(*) - count(ended_us), count(ended_us) FROM keys GROUP BY tenant;
INSERT INTO key_counts (tenant, in_force, ended)
  SELECT '', count(*) - count(ended_us), count(ended_us) FROM keys;

ALTER TABLE admin_tokens ADD COLUMN ended_us BIGINT;
UPDATE admin_tokens SET ended_us = revoked_us WHERE revoked_us IS NOT NULL;
CREATE INDEX admin_tokens_listed ON admin_tokens (created_us, id);
CREATE INDEX admin_tokens_to_end ON admin_tokens (COALESCE(revoked_us, expires_us))
  WHERE ended_us IS NULL;
CREATE INDEX admin_tokens_in_force ON admin_tokens (id) WHERE ended_us IS NULL;
CREATE INDEX admin_tokens_ended ON admin_tokens (ended_us) WHERE ended_us IS NOT NULL;
CREATE TABLE admin_token_makers (
  maker TEXT COLLATE "C" NOT NULL,
  token TEXT COLLATE "C" NOT NULL,
  distance BIGINT NOT NULL,
  limited BIGINT NOT NULL,
  PRIMARY KEY (maker, token)
);
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
CREATE TABLE spend_tools (
  quarter_us BIGINT NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  "user" TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  route TEXT COLLATE "C" NOT NULL,
  tool TEXT COLLATE "C" NOT NULL,
  calls BIGINT NOT NULL,
  cost_micro_usd BIGINT NOT NULL,
  PRIMARY KEY (quarter_us, tenant, "user", key_id, route, tool)
) WITH (fillfactor = 70);
)sql"};

}  // namespace tollgate::storage
