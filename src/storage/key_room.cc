#include "storage/key_room.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/try.h"

namespace tollgate::storage {

using authentication::KeyRecord;

namespace {

// Under which the counts have all keys; no tenant's.
constexpr std::string_view kAll;
constexpr std::chrono::milliseconds kBetweenSteps{30};

struct EndedKey {
  std::string id;
  std::string tenant;
  std::int64_t ended_us = 0;
};

FaultOr<std::vector<EndedKey>> read_ended(Statement& query) {
  std::vector<EndedKey> found;
  while (true) {
    TRY(there, query.step());
    if (!there) return found;
    found.push_back({std::string(query.text(0)), std::string(query.text(1)), query.integer(2)});
  }
}

FaultOr<void> add(Database& database, std::string_view tenant, const KeyCounts& more) {
  TRY(statement,
      database.prepare("INSERT INTO key_counts (tenant, in_force, ended) VALUES (?, ?, ?) ON "
                       "CONFLICT (tenant) DO UPDATE SET in_force = key_counts.in_force + "
                       "excluded.in_force, ended = key_counts.ended + excluded.ended"));
  return statement.bind(tenant).bind(more.in_force).bind(more.ended).run();
}

// Each of `keys` changes the counts of its tenant by `one`.
FaultOr<void> add_for_each(Database& database, const std::vector<EndedKey>& keys,
                           const KeyCounts& one) {
  std::map<std::string_view, std::int64_t> counts;
  for (const EndedKey& key : keys) ++counts[key.tenant];
  for (const auto& [tenant, count] : counts) {
    TRY_DO(add_to_counts(database, tenant, {one.in_force * count, one.ended * count}));
  }
  return {};
}

FaultOr<std::vector<EndedKey>> ends_to_note(Database& database, WallTime now, std::int64_t most) {
  TRY(query, database.prepare(
                 "SELECT id, tenant, COALESCE(revoked_us, expires_us) FROM keys WHERE ended_us IS "
                 "NULL AND COALESCE(revoked_us, expires_us) <= ? ORDER BY COALESCE(revoked_us, "
                 "expires_us) LIMIT ?"));
  return read_ended(query.bind(to_microseconds(now)).bind(most));
}

// Those of a tenant, or of all, that ended before: the first of them first.
FaultOr<std::vector<EndedKey>> ended_before(Database& database, std::string_view tenant,
                                            WallTime before, std::int64_t most) {
  TRY(query, database.prepare(
                 tenant == kAll
                     ? "SELECT id, tenant, ended_us FROM keys WHERE ended_us IS NOT NULL AND "
                       "ended_us < ? ORDER BY ended_us LIMIT ?"
                     : "SELECT id, tenant, ended_us FROM keys WHERE tenant = ? AND ended_us IS NOT "
                       "NULL AND ended_us < ? ORDER BY ended_us LIMIT ?"));
  if (tenant != kAll) query.bind(tenant);
  return read_ended(query.bind(to_microseconds(before)).bind(most));
}

FaultOr<void> remove(Database& database, const std::vector<EndedKey>& keys) {
  {
    TRY(statement, database.prepare("DELETE FROM keys WHERE id = ?"));
    for (const EndedKey& key : keys) TRY_DO(statement.bind(key.id).run());
  }
  return add_for_each(database, keys, {.ended = -1});
}

// Whether the tenant, or all, may have one more that will have ended.
FaultOr<bool> find_room_of_ended(Database& database, std::string_view tenant, std::int64_t ended,
                                 std::int64_t in_force_max, WallTime now) {
  if (ended < std::max(in_force_max, kEndedKeysLeast)) return true;
  TRY(first, ended_before(database, tenant, now - kEndedKeptLeast, kEndedAtOnce));
  if (first.empty()) return false;
  TRY_DO(remove(database, first));
  return true;
}

}  // namespace

bool is_in_force(const KeyRecord& key, WallTime now) { return !end_of(key, now); }

std::optional<WallTime> end_of(const KeyRecord& key, WallTime now) {
  if (key.revoked) return key.revoked;
  if (key.expires && *key.expires <= now) return key.expires;
  return std::nullopt;
}

FaultOr<KeyCounts> key_counts(Database& database, std::string_view tenant) {
  TRY(query, database.prepare("SELECT in_force, ended FROM key_counts WHERE tenant = ?"));
  TRY(there, query.bind(tenant).step());
  if (!there) return KeyCounts();
  return KeyCounts{query.integer(0), query.integer(1)};
}

FaultOr<void> note_ended_keys(Database& database, WallTime now, int steps) {
  for (int step = 0; step < steps; ++step) {
    // Whoever waits for the lock looks for it from time to time, and must find it free.
    if (step > 0) std::this_thread::sleep_for(kBetweenSteps);
    // Without the lock: mostly there is none.
    TRY(any, ends_to_note(database, now, 1));
    if (any.empty()) return {};
    TRY(transaction, Transaction::begin(database));
    TRY(keys, ends_to_note(database, now, kEndedAtOnce));
    {
      TRY(note, database.prepare("UPDATE keys SET ended_us = ? WHERE id = ?"));
      for (const EndedKey& key : keys) TRY_DO(note.bind(key.ended_us).bind(key.id).run());
    }
    TRY_DO(add_for_each(database, keys, {.in_force = -1, .ended = 1}));
    TRY_DO(transaction.commit());
  }
  return {};
}

FaultOr<bool> remove_ended_keys(Database& database, WallTime now) {
  const WallTime before = now - kEndedKept;
  TRY(any, ended_before(database, kAll, before, 1));
  if (any.empty()) return false;
  TRY(transaction, Transaction::begin(database));
  TRY(keys, ended_before(database, kAll, before, kEndedAtOnce));
  TRY_DO(remove(database, keys));
  TRY_DO(transaction.commit());
  return std::cmp_equal(keys.size(), kEndedAtOnce);
}

FaultOr<RoomVerdict> find_room(Database& database, std::string_view tenant, const KeyRoom& room,
                               WallTime now) {
  TRY(all, key_counts(database, kAll));
  if (all.in_force >= room.in_all) return RoomVerdict::kStoreIsFull;
  TRY(own, key_counts(database, tenant));
  if (own.in_force >= room.of_tenant) return RoomVerdict::kTenantIsFull;
  TRY(fits, find_room_of_ended(database, tenant, own.ended, room.of_tenant, now));
  if (!fits) return RoomVerdict::kTooManyEnded;
  TRY(all_fit, find_room_of_ended(database, kAll, all.ended, room.in_all, now));
  return all_fit ? RoomVerdict::kThereIs : RoomVerdict::kTooManyEnded;
}

FaultOr<void> add_to_counts(Database& database, std::string_view tenant, const KeyCounts& more) {
  TRY_DO(add(database, tenant, more));
  return add(database, kAll, more);
}

FaultOr<void> count_key(Database& database, const KeyRecord& key, Counting how) {
  TRY(row, database.prepare("SELECT count(ended_us) FROM keys WHERE id = ?"));
  TRY(there, row.bind(key.id).step());
  const bool has_ended = there && row.integer(0) != 0;
  row.reset();
  const std::int64_t one = how == Counting::kOn ? 1 : -1;
  return add_to_counts(database, key.tenant,
                       has_ended ? KeyCounts{.ended = one} : KeyCounts{.in_force = one});
}

}  // namespace tollgate::storage
