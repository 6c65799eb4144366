// Tenant API keys in the database, and the gateway's picture of them in memory.
//
// Every change counts up one number in the transaction that makes it, so that a gateway learns
// of a change by another process (`tollgate keys revoke`) by reading one row, and then reads
// only the keys that changed. What it has taken over it writes down in turn, so that the command
// can tell when its change is in force. A key that has ended stays for long, in the store
// (key_room.h) and in memory (key_table.h), to be told apart from one that never was. A revocation
// does not end that this gateway has in force: where the store has failed over and lacks it, it is
// written once more.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "controls/authentication/authentication.h"
#include "pipeline/ports.h"
#include "storage/clock_trust.h"
#include "storage/database.h"
#include "storage/gateway_name.h"
#include "storage/key_rows.h"
#include "storage/key_table.h"

namespace tollgate::storage {

// ---- In memory: for requests ----------------------------------------------------------------

struct StoredKeysOptions {
  std::string gateway{kOnlyGateway};  // Who reads them.
  Duration poll_every = std::chrono::milliseconds(50);
  config::KeysOnFault on_fault = config::KeysOnFault::kCached;
};

class StoredKeys final : public pipeline::KeyStore {
 public:
  // Older than this a picture of the keys is not known to be true.
  static constexpr Duration kFresh = std::chrono::seconds(1);
  // How exact the last use of a key is kept.
  static constexpr Duration kUseKept = std::chrono::minutes(1);
  static constexpr std::size_t kUsesAtOnce = 1000;

  // Reads every key. Owns its connection; `clock` outlives the keys.
  static FaultOr<std::unique_ptr<StoredKeys>> load(std::unique_ptr<Database> database,
                                                   const pipeline::Clock& clock,
                                                   const StoredKeysOptions& options = {});
  ~StoredKeys() override;

  std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const override;
  bool current() const override {
    return options_.on_fault == config::KeysOnFault::kCached || fresh();
  }
  // Whether the database was read within kFresh. Any thread.
  bool fresh() const {
    return clock_.now().time_since_epoch().count() - read_us_.load(std::memory_order_relaxed) <=
           kFresh.count();
  }
  void used(const authentication::KeyFacts& key, WallTime now) override;
  bool holds_imported() const override { return holds_imported_.load(std::memory_order_relaxed); }
  void watch(pipeline::KeyWatcher& watcher) override;
  void unwatch(pipeline::KeyWatcher& watcher) override;

  // Takes over what changed in the database. While it cannot be read the keys stay as they are
  // known. From any thread.
  FaultOr<void> poll();

  // Writes which keys were used when, at most kUsesAtOnce of those that wait for it.
  FaultOr<void> tell_uses();

  // Notes which keys have ended, and lets go of those that ended long ago: some of them each time.
  // Nothing in the first day, nor while the clock is doubted (clock_trust.h): a wrong one must not
  // end what it cannot bring back.
  FaultOr<void> tend();

  // What the keys take in memory, and how many they are.
  std::size_t memory_bytes() const;
  std::size_t size() const;

  // Polls on a thread of its own.
  void start();
  void stop();

  // Changes through this process: in the database and in memory when they return.
  FaultOr<KeyVerdict> create(const Author& author, const authentication::KeyRecord& key,
                             const KeyRoom& room = {});
  FaultOr<bool> revoke(const Author& author, std::string_view id, WallTime now);
  FaultOr<KeyVerdict> expire(const Author& author, std::string_view id, const NewEnd& end);
  FaultOr<KeyVerdict> rotate(const Author& author, std::string_view id, const Rotation& rotation);
  FaultOr<Imported> import(const Author& author, std::span<const authentication::KeyRecord> keys,
                           const ImportTerms& terms);
  FaultOr<std::optional<authentication::KeyRecord>> show(std::string_view id);

 private:
  struct Shard {
    mutable std::shared_mutex mutex;
    KeyTable keys;
  };
  static constexpr std::size_t kShards = 16;

  StoredKeys(std::unique_ptr<Database> database, const pipeline::Clock& clock,
             const StoredKeysOptions& options)
      : clock_(clock),
        options_(options),
        itself_{Author::Kind::kGateway, options.gateway, {}, {}, {}},
        database_(std::move(database)) {
    trust_.doubt();
  }

  const Shard& shard_of(std::string_view id) const;
  void take_over(const authentication::KeyRecord& key);
  FaultOr<void> poll_locked();
  FaultOr<void> take_over_changes();
  FaultOr<void> notice_failover();
  FaultOr<void> keep_revoked(authentication::KeyRecord& key);
  FaultOr<void> keep_expiry(authentication::KeyRecord& key);
  void tell_seen();
  void tell_revoked(std::string_view id);

  const pipeline::Clock& clock_;
  const StoredKeysOptions options_;
  const Author itself_;                   // Of what it writes once more.
  std::atomic<std::int64_t> read_us_{0};  // When the database was asked that answered last.
  std::array<Shard, kShards> shards_;

  std::mutex database_mutex_;  // Guards the connection, what was seen through it, and trust_.
  ClockTrust trust_{clock_};
  std::unique_ptr<Database> database_;
  std::string timeline_;  // Of the store when it was read last.
  std::int64_t seen_ = -1;
  std::int64_t told_ = -1;  // What of it the database says.

  std::atomic<bool> holds_imported_{false};
  std::mutex uses_mutex_;
  std::vector<KeyTable::Slot*> uses_;  // To be told; of keys that are there.

  std::mutex watchers_mutex_;
  std::vector<pipeline::KeyWatcher*> watchers_;

  std::mutex thread_mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tollgate::storage
