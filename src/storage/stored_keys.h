// Tenant API keys in the database, and the gateway's picture of them in memory.
//
// Every change counts up one number in the transaction that makes it, so that a gateway learns
// of a change by another process (`tollgate keys revoke`) by reading one row, and then reads
// only the keys that changed. What it has taken over it writes down in turn, so that the command
// can tell when its change is in force. No key is ever removed: a revoked one stays to be told
// apart from one that never was. Nor does a revocation end that this gateway has in force: where
// the store has failed over and lacks it, it is written once more.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "controls/authentication/authentication.h"
#include "pipeline/ports.h"
#include "storage/database.h"
#include "storage/gateway_name.h"

namespace tollgate::storage {

// ---- In the database: for commands, the admin API and tests ---------------------------------

// A Fault where the id is there already.
FaultOr<void> create_key(Database& database, const authentication::KeyRecord& key);
// Oldest first; of one tenant, or of all where it is empty.
FaultOr<std::vector<authentication::KeyRecord>> list_keys(Database& database,
                                                          std::string_view tenant);
FaultOr<std::optional<authentication::KeyRecord>> show_key(Database& database, std::string_view id);
// False: no such key. Revoking a revoked key keeps the first moment.
FaultOr<bool> revoke_key(Database& database, std::string_view id, WallTime now);
FaultOr<bool> expire_key(Database& database, std::string_view id, std::optional<WallTime> expires);
// `fresh` takes the place of the key `id`: it gets tenant, user, roles, name and expiry of it,
// and the old one works until `grace_end`. False: no such key, or a revoked one.
FaultOr<bool> rotate_key(Database& database, std::string_view id,
                         const authentication::KeyRecord& fresh, WallTime grace_end);

// The number of the last change.
FaultOr<std::int64_t> key_changes(Database& database);
// The last change that every gateway has in force which serves from this database, as far as they
// have said; -1 where none ever did.
FaultOr<std::int64_t> key_changes_in_force(Database& database);

// Whether the keys were made with this pepper, as far as the database knows; it takes the first one
// that it is shown for true.
FaultOr<void> check_pepper(Database& database, const authentication::Pepper& pepper);

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
  void watch(pipeline::KeyWatcher& watcher) override;
  void unwatch(pipeline::KeyWatcher& watcher) override;

  // Takes over what changed in the database. While it cannot be read the keys stay as they are
  // known. From any thread.
  FaultOr<void> poll();

  // Polls on a thread of its own.
  void start();
  void stop();

  // Changes through this process: in the database and in memory when they return.
  FaultOr<void> create(const authentication::KeyRecord& key);
  FaultOr<bool> revoke(std::string_view id, WallTime now);
  FaultOr<bool> expire(std::string_view id, std::optional<WallTime> expires);
  FaultOr<bool> rotate(std::string_view id, const authentication::KeyRecord& fresh,
                       WallTime grace_end);
  FaultOr<std::vector<authentication::KeyRecord>> list(std::string_view tenant);
  FaultOr<std::optional<authentication::KeyRecord>> show(std::string_view id);

 private:
  struct HashText {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, authentication::KeyRecord, HashText, std::equal_to<>> keys;
  };
  static constexpr std::size_t kShards = 16;

  StoredKeys(std::unique_ptr<Database> database, const pipeline::Clock& clock,
             const StoredKeysOptions& options)
      : clock_(clock), options_(options), database_(std::move(database)) {}

  const Shard& shard_of(std::string_view id) const;
  FaultOr<void> poll_locked();
  FaultOr<void> take_over_changes();
  FaultOr<void> notice_failover();
  FaultOr<void> keep_revoked(authentication::KeyRecord& key);
  void tell_seen();
  void tell_revoked(std::string_view id);

  const pipeline::Clock& clock_;
  const StoredKeysOptions options_;
  std::atomic<std::int64_t> read_us_{0};  // When the database was asked that answered last.
  std::array<Shard, kShards> shards_;

  std::mutex database_mutex_;  // Guards the connection and what was seen through it.
  std::unique_ptr<Database> database_;
  std::string timeline_;  // Of the store when it was read last.
  std::int64_t seen_ = -1;
  std::int64_t told_ = -1;  // What of it the database says.

  std::mutex watchers_mutex_;
  std::vector<pipeline::KeyWatcher*> watchers_;

  std::mutex thread_mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tollgate::storage
