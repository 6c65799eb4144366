// Tenant API keys in the database, and the gateway's picture of them in memory.
//
// Every change counts up one number in the transaction that makes it, so that a gateway learns
// of a change by another process (`tollgate keys revoke`) by reading one row, and then reads
// only the keys that changed. What it has taken over it writes down in turn, so that the command
// can tell when its change is in force. No key is ever removed: a revoked one stays to be told
// apart from one that never was.
#pragma once

#include <array>
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
#include "controls/authentication/authentication.h"
#include "pipeline/ports.h"
#include "storage/database.h"

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
// The last change that a gateway on this database has in force; -1 where none ever served.
FaultOr<std::int64_t> key_changes_in_force(Database& database);

// ---- In memory: for requests ----------------------------------------------------------------

class StoredKeys final : public pipeline::KeyStore {
 public:
  static constexpr Duration kPollEvery = std::chrono::milliseconds(50);

  // Reads every key. Owns its connection.
  static FaultOr<std::unique_ptr<StoredKeys>> load(std::unique_ptr<Database> database);
  ~StoredKeys() override;

  std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const override;
  void watch(pipeline::KeyWatcher& watcher) override;
  void unwatch(pipeline::KeyWatcher& watcher) override;

  // Takes over what changed in the database. While it cannot be read the keys stay as they are
  // known. From any thread.
  FaultOr<void> poll();

  // Polls every kPollEvery on a thread of its own.
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

  explicit StoredKeys(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  const Shard& shard_of(std::string_view id) const;
  FaultOr<void> poll_locked();
  void tell_seen();
  void tell_revoked(std::string_view id);

  std::array<Shard, kShards> shards_;

  std::mutex database_mutex_;  // Guards the connection and what was seen through it.
  std::unique_ptr<Database> database_;
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
