#include "storage/stored_keys.h"

#include <algorithm>
#include <utility>

#include "controls/authentication/imported_key.h"
#include "storage/gateway_seat.h"
#include "storage/try.h"

namespace tollgate::storage {

using authentication::KeyFacts;
using authentication::KeyRecord;

namespace {

constexpr std::int64_t kKeysAtOnce = 10'000;  // Of those that changed.
constexpr int kTurnsUntilUses = 20;           // About a second.
constexpr std::size_t kSlotsAtOnce = 4096;    // Of a shard; less than a millisecond.

}  // namespace

FaultOr<std::unique_ptr<StoredKeys>> StoredKeys::load(std::unique_ptr<Database> database,
                                                      const pipeline::Clock& clock,
                                                      const StoredKeysOptions& options) {
  std::unique_ptr<StoredKeys> keys(new StoredKeys(std::move(database), clock, options));
  TRY_DO(keys->poll());
  return keys;
}

StoredKeys::~StoredKeys() { stop(); }

// Other bits than those that find a place in the shard's table.
const StoredKeys::Shard& StoredKeys::shard_of(std::string_view id) const {
  return shards_[(std::hash<std::string_view>()(id) >> 40) % kShards];
}

std::optional<KeyFacts> StoredKeys::find(std::string_view id, Arena& arena) const {
  const Shard& shard = shard_of(id);
  const std::shared_lock lock(shard.mutex);
  return shard.keys.find(id, arena);
}

void StoredKeys::used(const KeyFacts& key, WallTime now) {
  auto& slot = *static_cast<KeyTable::Slot*>(key.slot);
  const std::int64_t now_us = to_microseconds(now);
  const std::int64_t known_us = slot.used_us.load(std::memory_order_relaxed);
  if (now_us - known_us < kUseKept.count() && now_us >= known_us) return;
  // Meanwhile the key may have been dropped, and its slot be another's.
  const std::shared_lock same(shard_of(key.id).mutex);
  if (slot.id() != key.id) return;
  slot.used_us.store(now_us, std::memory_order_relaxed);
  if (slot.use_is_to_tell.exchange(true)) return;
  const std::lock_guard lock(uses_mutex_);
  uses_.push_back(&slot);
}

FaultOr<void> StoredKeys::tell_uses() {
  std::vector<KeyTable::Slot*> told;
  // Held to the end: no slot is dropped meanwhile.
  const std::lock_guard lock(database_mutex_);
  {
    const std::lock_guard uses_lock(uses_mutex_);
    const std::size_t count = std::min(uses_.size(), kUsesAtOnce);
    told.assign(uses_.end() - static_cast<std::ptrdiff_t>(count), uses_.end());
    uses_.resize(uses_.size() - count);
  }
  if (told.empty()) return {};
  std::vector<KeyUse> uses;
  for (KeyTable::Slot* slot : told) {
    slot->use_is_to_tell.store(false);
    uses.push_back({std::string(slot->id()),
                    from_microseconds(slot->used_us.load(std::memory_order_relaxed))});
  }
  FaultOr<void> written = write_uses(*database_, uses);
  if (written) return written;
  // They wait for the next time, once each.
  const std::lock_guard again(uses_mutex_);
  for (KeyTable::Slot* slot : told) {
    if (!slot->use_is_to_tell.exchange(true)) uses_.push_back(slot);
  }
  return written;
}

FaultOr<void> StoredKeys::tend() {
  const WallTime now = clock_.wall();
  const std::lock_guard lock(database_mutex_);
  if (!trust_.holds()) return {};
  for (Shard& shard : shards_) {
    std::vector<const KeyTable::Slot*> dropped;
    {
      const std::unique_lock shard_lock(shard.mutex);
      dropped = shard.keys.drop_ended(now, kSlotsAtOnce);
    }
    if (dropped.empty()) continue;
    std::ranges::sort(dropped);
    const std::lock_guard uses_lock(uses_mutex_);
    std::erase_if(uses_, [&](const KeyTable::Slot* slot) {
      return std::ranges::binary_search(dropped, slot);
    });
  }
  TRY_DO(note_ended_keys(*database_, now, 1));
  // By the clock that is behind: one that leaps ahead must not end what it cannot bring back.
  TRY(theirs, database_->now());
  TRY(more, remove_ended_keys(*database_, std::min(now, theirs)));
  (void)more;  // The next time.
  return {};
}

std::size_t StoredKeys::memory_bytes() const {
  std::size_t bytes = 0;
  for (const Shard& shard : shards_) {
    const std::shared_lock lock(shard.mutex);
    bytes += shard.keys.memory_bytes();
  }
  return bytes;
}

std::size_t StoredKeys::size() const {
  std::size_t count = 0;
  for (const Shard& shard : shards_) {
    const std::shared_lock lock(shard.mutex);
    count += shard.keys.size();
  }
  return count;
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
    revoked = shard.keys.revoked(key);
  }
  if (!revoked) return {};
  TRY(done, revoke_key(*database_, itself_, key.id, *revoked));
  (void)done;
  key.revoked = revoked;
  return {};
}

// Where changes were lost, the end that a key was given is among them: the earlier one holds. Who
// wants a later one says so again.
FaultOr<void> StoredKeys::keep_expiry(KeyRecord& key) {
  std::optional<WallTime> expires;
  {
    const Shard& shard = shard_of(key.id);
    const std::shared_lock lock(shard.mutex);
    expires = shard.keys.expires(key);
  }
  if (!expires || (key.expires && *key.expires <= *expires)) return {};
  TRY(done, expire_key(*database_, itself_, key.id, {expires, clock_.wall()}));
  (void)done;
  key.expires = expires;
  return {};
}

void StoredKeys::take_over(const KeyRecord& key) {
  if (authentication::is_imported(key.id)) {
    holds_imported_.store(true, std::memory_order_relaxed);
  }
  {
    Shard& shard = const_cast<Shard&>(shard_of(key.id));
    const std::unique_lock lock(shard.mutex);
    shard.keys.put(key);
  }
  if (key.revoked) tell_revoked(key.id);
}

FaultOr<void> StoredKeys::take_over_changes() {
  TRY_DO(notice_failover());
  TRY(changes, key_changes(*database_));
  if (changes < seen_) seen_ = -1;
  if (changes == seen_) {
    tell_seen();
    return {};
  }
  std::int64_t behind = seen_ + 1;
  std::string after;
  while (true) {
    TRY(page, changed_keys(*database_, behind, after, kKeysAtOnce));
    for (ChangedKey& changed : page) {
      TRY_DO(keep_revoked(changed.key));
      if (seen_ < 0) TRY_DO(keep_expiry(changed.key));
      take_over(changed.key);
    }
    if (std::cmp_less(page.size(), kKeysAtOnce)) break;
    behind = page.back().change;
    after = page.back().key.id;
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
    int turns = 0;
    while (!wake_.wait_for(lock, options_.poll_every, [this] { return stopping_; })) {
      lock.unlock();
      (void)poll();  // Known keys serve on; the trail reports a store that is down.
      if (++turns % kTurnsUntilUses == 0) {
        (void)tell_uses();
        (void)tend();
      }
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
  if (!thread_.joinable()) return;
  thread_.join();
  (void)tell_uses();
}

FaultOr<KeyVerdict> StoredKeys::create(const Author& author, const KeyRecord& key,
                                       const KeyRoom& room) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, create_key(*database_, author, key, room));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<bool> StoredKeys::revoke(const Author& author, std::string_view id, WallTime now) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, revoke_key(*database_, author, id, now));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<KeyVerdict> StoredKeys::expire(const Author& author, std::string_view id,
                                       const NewEnd& end) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, expire_key(*database_, author, id, end));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<KeyVerdict> StoredKeys::rotate(const Author& author, std::string_view id,
                                       const Rotation& rotation) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, rotate_key(*database_, author, id, rotation));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<Imported> StoredKeys::import(const Author& author, std::span<const KeyRecord> keys,
                                     const ImportTerms& terms) {
  const std::lock_guard lock(database_mutex_);
  TRY(done, import_keys(*database_, author, keys, terms));
  TRY_DO(poll_locked());
  return done;
}

FaultOr<std::optional<KeyRecord>> StoredKeys::show(std::string_view id) {
  const std::lock_guard lock(database_mutex_);
  return show_key(*database_, id);
}

}  // namespace tollgate::storage
