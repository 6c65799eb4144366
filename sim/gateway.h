// One gateway: its clocks, the requests that it serves and what becomes of them when it dies.
//
// Its ledger is the shipped one. A request goes through the steps that the pipeline takes with
// the books and the trail, in the same order, one step at a time, so that it may die between any
// two of them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/hand_executor.h"
#include "pipeline/ports.h"
#include "sim/clock.h"
#include "sim/journal_model.h"
#include "sim/oracle.h"
#include "sim/redis.h"
#include "sim/server.h"
#include "sim/settings.h"
#include "sim/store_link.h"
#include "storage/redis_rates.h"

namespace tollgate::sim {

struct Request {
  enum class State : std::uint8_t { kAsks, kHeld, kDecided, kLeft, kSettled, kGone };

  std::string id;
  Caller caller;
  std::shared_ptr<const Settings> settings;
  std::vector<pipeline::LimitCharge> limits;
  std::vector<pipeline::BudgetCharge> budgets;
  pipeline::Charges charges;
  cost::Amounts bound;
  Money worst;
  Arena arena;
  Instant now{};
  WallTime wall{};
  std::optional<Expected<pipeline::Hold, pipeline::Shortfall>> result;
  State state = State::kAsks;
  std::uint64_t decided_at = 0;  // The decision's position in the journal.
  std::string accounts;          // That it is held on, packed.
  pipeline::Used used;           // Once it is settled.
  bool asks_alone = true;        // No other of its gateway asked meanwhile.

  // Its amounts, of `bound` and `settings`.
  void charge();
};

class Gateway final : public storage::SettlementSink {
 public:
  struct Parts {
    int number = 0;
    const Plan* plan = nullptr;
    Chance* chance = nullptr;
    Story* story = nullptr;
    Oracle* oracle = nullptr;
    Server* server = nullptr;
    Redis* redis = nullptr;  // Null: limits are each gateway's own.
    const std::int64_t* now_us = nullptr;
    std::int64_t* requests = nullptr;  // That all gateways were ever asked.
  };
  explicit Gateway(const Parts& parts);
  ~Gateway() override;

  void start(std::shared_ptr<const Settings> settings);
  void ask();
  // Takes one request a step on its way; which one, chance says.
  void go_on();
  // Writes a group; kDeadly: and may be killed in it.
  enum class Group : std::uint8_t { kSafe, kDeadly };
  void work(Group group);
  void turn();        // What the thread that asks Redis does.
  void redis_lost();  // Its data.
  void run();         // What was posted.
  void reload(std::shared_ptr<const Settings> settings);
  enum class Death : std::uint8_t { kKill, kPowerLoss };
  void die(Death death);
  // Processes of before that believe that they serve, and nobody hears.
  void haunt();
  // Where every request has ended: everything is written and given back, or it is left to the next
  // start. Then it is down. False: it goes on.
  enum class Stop : std::uint8_t { kClean, kMayFail };
  bool stop(Stop how);

  bool up() const { return ledger_ != nullptr; }
  bool idle() const { return requests_.empty() && link_->idle(); }
  bool beat_is_due() const { return link_->beat_is_due(); }
  bool healthy() const { return link_->healthy(); }
  int starts() const { return starts_; }
  std::int64_t started_us() const { return started_us_; }
  // A store that fails over leaves none that another start has taken the place
  // of.
  void end_ghosts() { ghosts_.clear(); }
  // As the ledger tells it, against the oracle (I12, I14).
  void check() const;

  void booked(const pipeline::Booking& booking, const pipeline::Used& used,
              std::string_view accounts, WallTime at) override;

  const std::string name;
  GatewayClock clock;
  bool cut_off = false;  // From the store.
  bool redis_cut_off = false;
  std::int64_t refused_in_a_row = 0;
  // Of them, for want of a store that could be asked.
  std::int64_t refused_unavailable = 0;
  // What everybody does while this one waits for the store.
  std::function<void()> meanwhile;
  // What the store has taken of accounts that no lease took.
  std::function<std::map<Account, std::int64_t>()> counted_by_books;

 private:
  // Of a request that was held, until the books of it are final.
  struct Fate {
    bool left = false;
    bool unbooked = false;  // It never left, and nobody could be told.
  };

  void fill(Request& request);
  static Task<void> hold(Gateway& self, Request& request);
  void answered(Request& request);
  void admitted(Request& request);
  void check_refusal(const Request& request) const;
  void check_bound(const Request& request, const audit::BudgetEvidence& budget,
                   const Account& account) const;
  void decide(Request& request);
  void leave(Request& request);
  void settle(Request& request);
  void settle_as(Request& request, const pipeline::Used& used);
  void end(Request& request);
  pipeline::Used any_use(const Request& request);
  // False: the gateway dies in the middle of it.
  std::uint64_t append(const storage::Item& item);
  void append_record(const Request& request, audit::Phase phase, audit::Outcome outcome);
  void resolve();
  void lose_power();
  void say_nothing();
  void lend_rates(const std::string& process);
  Taken::Rate taken_of(const pipeline::LimitCharge& charge) const;
  void tell(std::string_view what);

  struct Process {
    std::unique_ptr<StoreLink> link;
    std::unique_ptr<storage::MemoryLedger> ledger;
    std::unique_ptr<storage::RedisRates> rates;
  };

  const Parts parts_;
  Chance& chance_;
  Oracle& oracle_;
  HandExecutor executor_;
  std::shared_ptr<const Settings> settings_;
  JournalModel journal_;
  std::unique_ptr<StoreLink> link_;
  std::unique_ptr<storage::MemoryLedger> ledger_;
  std::unique_ptr<storage::RedisRates> rates_;
  std::vector<Process> ghosts_;
  std::vector<std::unique_ptr<Request>> requests_;
  std::map<std::string, Fate> fates_;
  int starts_ = 0;
  std::int64_t started_us_ = 0;
  std::int64_t redis_lost_us_ = INT64_MIN / 2;
  int boots_ = 1;  // Of its machine.
  bool lost_power_ = false;
  std::optional<Violation> found_;
  bool dies_ = false;
  bool dies_in_append_ = false;
  bool busy_ = false;  // With a group.
};

}  // namespace tollgate::sim
