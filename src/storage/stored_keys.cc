#include "storage/stored_keys.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <limits>

#include "storage/gateway_seat.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

using authentication::KeyFacts;
using authentication::KeyRecord;

// The last change that a gateway has in force.
constexpr std::string_view kKeysSeen = "keys_seen";

constexpr std::string_view kColumns =
    "SELECT id, digest, tenant, \"user\", roles, name, created_us, expires_us, revoked_us FROM "
    "keys ";

std::optional<WallTime> time_or_none(const std::optional<std::int64_t>& microseconds) {
  if (!microseconds) return std::nullopt;
  return from_microseconds(*microseconds);
}

std::optional<std::int64_t> microseconds_or_none(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return to_microseconds(*time);
}

std::string roles_text(const std::vector<std::string>& roles) {
  boost::json::array listed;
  for (const std::string& role : roles) listed.emplace_back(role);
  return boost::json::serialize(listed);
}

FaultOr<KeyRecord> read_row(const Database& database, const Statement& row) {
  KeyRecord key;
  key.id = row.text(0);
  const std::unexpected<Fault> damaged = fault(
      FaultKind::kCorrupt, fmt::format("{}: the key {} is damaged. Revoke it and make a new one.",
                                       database.name(), key.id));
  const std::span<const std::uint8_t> digest = row.blob(1);
  if (digest.size() != key.digest.size()) return damaged;
  std::copy(digest.begin(), digest.end(), key.digest.begin());
  key.tenant = row.text(2);
  key.user = row.text(3);
  boost::system::error_code error;
  const boost::json::value roles = boost::json::parse(row.text(4), error);
  if (error || !roles.is_array()) return damaged;
  for (const boost::json::value& role : roles.get_array()) {
    if (!role.is_string()) return damaged;
    key.roles.emplace_back(role.get_string());
  }
  key.name = row.text(5);
  key.created = from_microseconds(row.integer(6));
  key.expires = time_or_none(row.integer_or_null(7));
  key.revoked = time_or_none(row.integer_or_null(8));
  return key;
}

FaultOr<std::vector<KeyRecord>> read_rows(const Database& database, Statement& query) {
  std::vector<KeyRecord> keys;
  while (true) {
    TRY(row, query.step());
    if (!row) return keys;
    TRY(key, read_row(database, query));
    keys.push_back(std::move(key));
  }
}

FaultOr<std::int64_t> read_number(Database& database, std::string_view name,
                                  std::int64_t otherwise) {
  TRY(mark, read_mark(database, name));
  std::int64_t number = otherwise;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), number);
  return number;
}

// The number of the change that the open transaction makes.
FaultOr<std::int64_t> count_change(Database& database) {
  TRY(changes, key_changes(database));
  TRY_DO(write_mark(database, "key_changes", std::to_string(changes + 1)));
  return changes + 1;
}

FaultOr<void> insert(Database& database, const KeyRecord& key, std::int64_t change) {
  TRY(there, show_key(database, key.id));
  if (there) {
    return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: a key with the id {} is there already.", database.name(), key.id));
  }
  TRY(statement,
      database.prepare(
          "INSERT INTO keys (id, digest, tenant, \"user\", roles, name, created_us, expires_us, "
          "revoked_us, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  const std::string roles = roles_text(key.roles);
  return statement.bind(key.id)
      .bind_blob(key.digest)
      .bind(key.tenant)
      .bind(key.user)
      .bind(roles)
      .bind(key.name)
      .bind(to_microseconds(key.created))
      .bind(microseconds_or_none(key.expires))
      .bind(microseconds_or_none(key.revoked))
      .bind(change)
      .run();
}

// Replaces what may change of a key that is there.
FaultOr<void> update(Database& database, const KeyRecord& key, std::int64_t change) {
  TRY(statement,
      database.prepare("UPDATE keys SET expires_us = ?, revoked_us = ?, changed = ? WHERE id = ?"));
  return statement.bind(microseconds_or_none(key.expires))
      .bind(microseconds_or_none(key.revoked))
      .bind(change)
      .bind(key.id)
      .run();
}

// Changes the key `id` by `change(key)`, which may leave it as it is. False: no such key.
template <class Change>
FaultOr<bool> change_key(Database& database, std::string_view id, Change&& change) {
  TRY(transaction, Transaction::begin(database));
  TRY(key, show_key(database, id));
  if (!key) return false;
  change(*key);
  TRY(number, count_change(database));
  TRY_DO(update(database, *key, number));
  TRY_DO(transaction.commit());
  return true;
}

}  // namespace

FaultOr<void> create_key(Database& database, const KeyRecord& key) {
  TRY(transaction, Transaction::begin(database));
  TRY(number, count_change(database));
  TRY_DO(insert(database, key, number));
  return transaction.commit();
}

FaultOr<std::vector<KeyRecord>> list_keys(Database& database, std::string_view tenant) {
  TRY(query, database.prepare(std::string(kColumns) +
                              "WHERE ? = '' OR tenant = ? ORDER BY created_us, id"));
  return read_rows(database, query.bind(tenant).bind(tenant));
}

FaultOr<std::optional<KeyRecord>> show_key(Database& database, std::string_view id) {
  TRY(query, database.prepare(std::string(kColumns) + "WHERE id = ?"));
  TRY(rows, read_rows(database, query.bind(id)));
  if (rows.empty()) return std::optional<KeyRecord>();
  return std::move(rows.front());
}

FaultOr<bool> revoke_key(Database& database, std::string_view id, WallTime now) {
  return change_key(database, id, [&](KeyRecord& key) {
    if (!key.revoked) key.revoked = now;
  });
}

FaultOr<bool> expire_key(Database& database, std::string_view id, std::optional<WallTime> expires) {
  return change_key(database, id, [&](KeyRecord& key) { key.expires = expires; });
}

FaultOr<bool> rotate_key(Database& database, std::string_view id, const KeyRecord& fresh,
                         WallTime grace_end) {
  TRY(transaction, Transaction::begin(database));
  TRY(old, show_key(database, id));
  if (!old || old->revoked) return false;
  KeyRecord made = *old;
  made.id = fresh.id;
  made.digest = fresh.digest;
  made.created = fresh.created;
  if (!old->expires || *old->expires > grace_end) old->expires = grace_end;
  TRY(number, count_change(database));
  TRY_DO(update(database, *old, number));
  TRY_DO(insert(database, made, number));
  TRY_DO(transaction.commit());
  return true;
}

FaultOr<std::int64_t> key_changes(Database& database) {
  return read_number(database, "key_changes", 0);
}

FaultOr<std::int64_t> key_changes_in_force(Database& database) {
  TRY(gateways, gateways_alive(database));
  if (gateways.empty()) return read_number(database, kKeysSeen, -1);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const std::string& gateway : gateways) {
    TRY(seen, read_number(database, mark_of(gateway, kKeysSeen), -1));
    least = std::min(least, seen);
  }
  return least;
}

FaultOr<void> check_pepper(Database& database, const authentication::Pepper& pepper) {
  constexpr std::string_view kPepperMark = "pepper_check";
  std::string shown;
  for (const std::uint8_t byte : pepper.digest("tollgate")) {
    fmt::format_to(std::back_inserter(shown), "{:02x}", byte);
  }
  TRY(transaction, Transaction::begin(database));
  TRY(mark, read_mark(database, kPepperMark));
  if (!mark) {
    TRY_DO(write_mark(database, kPepperMark, shown));
    return transaction.commit();
  }
  if (*mark == shown) return {};
  return fault(
      FaultKind::kRefusedByPeer,
      fmt::format("{}: the keys were made with another pepper than this one, so none would "
                  "be accepted. authentication.api_keys.pepper_file must be the file that "
                  "they were made with, the same for every gateway.",
                  database.name()));
}

FaultOr<std::unique_ptr<StoredKeys>> StoredKeys::load(std::unique_ptr<Database> database,
                                                      const pipeline::Clock& clock,
                                                      const StoredKeysOptions& options) {
  std::unique_ptr<StoredKeys> keys(new StoredKeys(std::move(database), clock, options));
  TRY_DO(keys->poll());
  return keys;
}

StoredKeys::~StoredKeys() { stop(); }

const StoredKeys::Shard& StoredKeys::shard_of(std::string_view id) const {
  return shards_[HashText()(id) % kShards];
}

std::optional<KeyFacts> StoredKeys::find(std::string_view id, Arena& arena) const {
  const Shard& shard = shard_of(id);
  const std::shared_lock lock(shard.mutex);
  const auto found = shard.keys.find(id);
  if (found == shard.keys.end()) return std::nullopt;
  const KeyRecord& key = found->second;
  KeyFacts facts;
  facts.id = arena.copy(key.id);
  facts.digest = key.digest;
  facts.tenant = arena.copy(key.tenant);
  facts.user = arena.copy(key.user);
  const std::span<std::string_view> roles = arena.make<std::string_view>(key.roles.size());
  for (std::size_t i = 0; i < roles.size(); ++i) roles[i] = arena.copy(key.roles[i]);
  facts.roles = roles;
  facts.expires = key.expires;
  facts.revoked = key.revoked;
  return facts;
}

void StoredKeys::watch(pipeline::KeyWatcher& watcher) {
  const std::lock_guard lock(watchers_mutex_);
  watchers_.push_back(&watcher);
}

void StoredKeys::unwatch(pipeline::KeyWatcher& watcher) {
  const std::lock_guard lock(watchers_mutex_);
  std::erase(watchers_, &watcher);
}

void StoredKeys::tell_revoked(std::string_view id) {
  const std::lock_guard lock(watchers_mutex_);
  for (pipeline::KeyWatcher* watcher : watchers_) watcher->revoked(id);
}

FaultOr<void> StoredKeys::poll() {
  const std::lock_guard lock(database_mutex_);
  return poll_locked();
}

FaultOr<void> StoredKeys::poll_locked() {
  const std::int64_t asked_us = clock_.now().time_since_epoch().count();
  TRY_DO(take_over_changes());
  read_us_.store(asked_us, std::memory_order_relaxed);
  return {};
}

// Changes may have been lost, and others may have their numbers: all keys are read anew.
FaultOr<void> StoredKeys::notice_failover() {
  TRY(row, database_->prepare(std::string("SELECT ").append(database_->timeline())));
  TRY(there, row.step());
  if (!there || row.text(0) == timeline_) return {};
  if (!timeline_.empty()) seen_ = -1;
  timeline_ = row.text(0);
  return {};
}

FaultOr<void> StoredKeys::keep_revoked(KeyRecord& key) {
  if (key.revoked) return {};
  std::optional<WallTime> revoked;
  {
    const Shard& shard = shard_of(key.id);
    const std::shared_lock lock(shard.mutex);
    if (const auto known = shard.keys.find(key.id); known != shard.keys.end()) {
      revoked = known->second.revoked;
    }
  }
  if (!revoked) return {};
  TRY(done, revoke_key(*database_, key.id, *revoked));
  (void)done;
  key.revoked = revoked;
  return {};
}

FaultOr<void> StoredKeys::take_over_changes() {
  TRY_DO(notice_failover());
  TRY(changes, key_changes(*database_));
  if (changes < seen_) seen_ = -1;
  if (changes == seen_) {
    tell_seen();
    return {};
  }
  TRY(query, database_->prepare(std::string(kColumns) + "WHERE changed > ?"));
  TRY(changed, read_rows(*database_, query.bind(seen_)));
  for (KeyRecord& key : changed) {
    TRY_DO(keep_revoked(key));
    Shard& shard = const_cast<Shard&>(shard_of(key.id));
    std::string id = key.id;
    const bool is_revoked = key.revoked.has_value();
    {
      const std::unique_lock lock(shard.mutex);
      shard.keys.insert_or_assign(id, std::move(key));
    }
    if (is_revoked) tell_revoked(id);
  }
  // Rows of a later change may be among them; they are only read once more.
  seen_ = changes;
  tell_seen();
  return {};
}

// Where the database cannot be written now, the next poll tries again: the keys are in force
// all the same.
void StoredKeys::tell_seen() {
  if (told_ == seen_) return;
  const std::string mark = mark_of(options_.gateway, kKeysSeen);
  if (write_mark(*database_, mark, std::to_string(seen_))) told_ = seen_;
}

void StoredKeys::start() {
  if (thread_.joinable()) return;
  stopping_ = false;
  thread_ = std::thread([this] {
    std::unique_lock lock(thread_mutex_);
    while (!wake_.wait_for(lock, options_.poll_every, [this] { return stopping_; })) {
      lock.unlock();
      (void)poll();  // Known keys serve on; the trail reports a store that is down.
      lock.lock();
    }
  });
}

void StoredKeys::stop() {
  {
    const std::lock_guard lock(thread_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

FaultOr<void> StoredKeys::create(const KeyRecord& key) {
  const std::lock_guard lock(database_mutex_);
  TRY_DO(create_key(*database_, key));
  return poll_locked();
}

FaultOr<bool> StoredKeys::revoke(std::string_view id, WallTime now) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, revoke_key(*database_, id, now));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<bool> StoredKeys::expire(std::string_view id, std::optional<WallTime> expires) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, expire_key(*database_, id, expires));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<bool> StoredKeys::rotate(std::string_view id, const KeyRecord& fresh, WallTime grace_end) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, rotate_key(*database_, id, fresh, grace_end));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<std::vector<KeyRecord>> StoredKeys::list(std::string_view tenant) {
  const std::lock_guard lock(database_mutex_);
  return list_keys(*database_, tenant);
}

FaultOr<std::optional<KeyRecord>> StoredKeys::show(std::string_view id) {
  const std::lock_guard lock(database_mutex_);
  return show_key(*database_, id);
}

}  // namespace tollgate::storage
