// All that one gateway keeps: keys, trail, books and the ledger that is filled from them.
//
// One SQLite file in WAL mode; the gateway writes it on connections of its own while commands
// read and change keys. One gateway at a time: two would each hold money of the same budgets.
// Or a PostgreSQL database that several gateways share, each with a name, a journal and leases of
// its own; see ARCHITECTURE.md, "Several gateways".
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "pipeline/ports.h"
#include "storage/anomaly_snapshot.h"
#include "storage/configuration_record.h"
#include "storage/database.h"
#include "storage/gateway_seat.h"
#include "storage/memory_ledger.h"
#include "storage/redis_rates.h"
#include "storage/spend.h"
#include "storage/store_lender.h"
#include "storage/store_place.h"
#include "storage/stored_keys.h"
#include "storage/stored_trail.h"
#include "tokens/count_errors.h"

namespace tollgate::storage {

class Store final : public pipeline::Outages {
 public:
  // Files up to this size are read whole for damage before anything is served from them.
  static constexpr Bytes kCheckedBytesMax = 32 << 20;

  // The ledger `memory` is the same store in a directory that ends with it. `clock` outlives
  // the store.
  static FaultOr<std::unique_ptr<Store>> open(const config::Store& where,
                                              const audit::Policy& audit,
                                              const pipeline::Clock& clock);
  ~Store() override;

  StoredKeys& keys() { return *keys_; }
  StoredTrail& trail() { return *trail_; }
  MemoryLedger& ledger() { return *ledger_; }

  // Sees to it that the budgets of `config` count all that the books know of their current
  // windows, also what was spent while they were not in force. At start, and at a reload before
  // the new configuration serves.
  FaultOr<void> count_budgets(const config::Config& config);
  // Puts on record that `config` is about to be in force, where it differs from what was. A Fault
  // means that it must not be: no configuration serves without its record.
  FaultOr<void> record_configuration(const config::Config& config, TakenOver how);

  // Fills `errors` with what was learned before; from start() to stop() what is learned is kept.
  // Before start(); `errors` outlive the store.
  FaultOr<void> keep(tokens::CountErrors& errors);

  // The same of how callers behave, in a file of this gateway's own. What of an earlier run cannot
  // be read is said on the standard error, and learned anew.
  void keep(anomalies::Anomalies& anomalies);

  bool is_shared() const { return sharing_ == Sharing::kShared; }
  // The name under which it serves.
  const std::string& gateway() const { return gateway_; }
  std::span<const std::string_view> now() const override;

  // Where limits are shared in Redis; null: they are this gateway's alone.
  const RedisRates* rates() const { return rates_.get(); }

  // From start() to stop() threads poll the keys, write the trail and tend the leases and errors.
  void start();
  // A Fault tells what of the trail could not be kept.
  FaultOr<void> stop();

  // A connection for questions (spend, audit), for one thread.
  FaultOr<std::unique_ptr<Database>> reader() const;
  // As Database::open() knows it; it may hold a password.
  const std::string& where() const { return where_; }
  // The path of a file of this gateway's own: "pepper", "admin.token".
  std::string beside(std::string_view name) const;

 private:
  explicit Store(const pipeline::Clock& clock);
  FaultOr<void> find_place(const config::Store& where);
  FaultOr<void> take_seat(Database& database);
  FaultOr<void> refuse_retired(Database& database);
  JournalOptions journal_options() const;
  FaultOr<void> load_keys(const config::Store& where);
  FaultOr<void> lend();
  FaultOr<void> lend_rates(const config::Store& where);
  FaultOr<void> return_leases();
  void tend_count_errors();
  void tend_anomalies();
  // What was spent under a budget in its window, by subject, and what of it the account lacks.
  struct Counted {
    const cost::Policy* budget;
    WallTime start;
    std::vector<SubjectSpent> subjects;
    std::vector<Money> uncounted;
  };
  struct Books {
    std::vector<Counted> budgets;
    std::int64_t last_entry = 0;
  };
  FaultOr<Books> sum_up(const config::Config& config, WallTime now);
  FaultOr<void> find_uncounted(Database& database, Counted& counted) const;
  FaultOr<void> count(Database& database, const Counted& counted, std::int64_t seen, WallTime now);

  const pipeline::Clock& clock_;
  std::string where_;
  std::string directory_;  // Of what is this gateway's own.
  std::string gateway_{kOnlyGateway};
  Sharing sharing_ = Sharing::kAlone;
  DatabaseOptions options_;
  std::unique_ptr<TemporaryDirectory> temporary_;
  std::unique_ptr<StoreLock> lock_;
  std::unique_ptr<GatewaySeat> seat_;  // Where the store is shared.
  std::unique_ptr<StoredKeys> keys_;
  std::unique_ptr<MemoryLedger> ledger_;  // Books into trail_, borrows from lender_.
  std::unique_ptr<RedisRates> rates_;     // Where limits are shared; lends to ledger_.
  std::unique_ptr<StoreLender> lender_;   // Writes with trail_.
  std::unique_ptr<StoredTrail> trail_;    // Ends first: it writes what is left.

  tokens::CountErrors* count_errors_ = nullptr;
  std::uint64_t count_errors_kept_ = 0;  // As many changes of them.
  std::unique_ptr<Database> count_errors_reader_;
  Instant count_errors_read_{};
  std::optional<AnomalySnapshot> anomalies_;
  Instant anomalies_kept_{};
  bool anomalies_failed_ = false;  // Said, until it is written again.

  std::mutex tending_mutex_;  // Guards stopping_.
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread tending_;
};

// For commands, beside a gateway that may run: the database that `where` names. A Fault for
// `memory`, which no other process can see.
FaultOr<std::unique_ptr<Database>> open_for_command(const config::Store& where);

// Whether a gateway serves from the database now; the second form: from the file at `path`.
FaultOr<bool> gateway_runs(Database& database, const config::Store& where);
bool gateway_runs(const std::string& path);

// The path of a file beside the database at `path`.
std::string beside(std::string_view path, std::string_view name);

}  // namespace tollgate::storage
