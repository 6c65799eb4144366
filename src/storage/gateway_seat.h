// A gateway's seat in a store that several share: which process serves under the name, and how
// many groups it has committed.
//
// Each process takes the seat of its name at its start, unless the name is retired (gateways.h).
// Whoever finds another in it afterwards writes nothing any more: a copied state directory cannot
// make two gateways count as one. Leases that have expired meanwhile (lease_expiry.h) it has again.
// The number of groups tells, after a commit whose answer was lost,
// whether it was kept. With each group the seat compares the machine's clock with the store's,
// since windows of budgets begin by the clock.
//
// Where the number of groups is less than was committed, the store has lost commits: it failed over
// to a standby that lacked them. What was in them is written again (accept_loss() and who calls
// it), and what is leased here is said anew. So that nothing is lent a second time meanwhile, the
// first who sees that the store is on another timeline begins a gathering: until every gateway that
// was alive before has said what it has, or kGatherAtMost has passed, nobody is lent anything. Who
// comes later keeps only what it has used and holds. Where so much is lost that the start of this
// process is among it, or more than its journal keeps, it stops deciding.
//
// Everything happens in the transaction of the caller. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "pipeline/ports.h"
#include "storage/database.h"

namespace tollgate::storage {

// Who was silent for so long is not at work: several times as long as gateways are that have
// nothing to write.
inline constexpr Duration kAliveWithin = std::chrono::seconds(10);

// Longer than twice the pause between two of its groups nobody is silent who serves.
inline constexpr Duration kSilentAtMost = std::chrono::milliseconds(1200);

// What a seat is taken for: under a name that is retired nobody serves.
enum class SeatClaim : std::uint8_t { kToServe, kToEnd };

class GatewaySeat {
 public:
  // So far the clocks may be apart.
  static constexpr Duration kClocksApartMax = std::chrono::seconds(5);
  // So long those are waited for who were alive before a failover.
  static constexpr Duration kGatherAtMost = std::chrono::seconds(15);
  // So long a gathering lasts at least: who started in what was lost is known to nobody, and finds
  // within that time that nothing may be decided any more.
  static constexpr Duration kGatherAtLeast = std::chrono::seconds(2);

  // `holder` is random: no two processes have the same. `clock`, this machine's, outlives the seat.
  GatewaySeat(std::string_view gateway, std::string_view holder, const pipeline::Clock& clock)
      : gateway_(gateway), holder_(holder), clock_(clock) {}

  // When somebody wrote from the seat last, by the store's clock; whoever serves does so every
  // second. Nothing: nobody did.
  FaultOr<std::optional<WallTime>> last_seen(Database& database) const;
  // From here on this process serves under the name. A Fault where the clocks are apart, or the
  // name is retired.
  FaultOr<void> take(Database& database, SeatClaim claim = SeatClaim::kToServe);

  // What is said to a process that finds another in the seat.
  std::unexpected<Fault> is_taken(const Database& database) const;

  // Whether the seat is still this process's; to be asked in every transaction that writes for the
  // name.
  FaultOr<void> check(Database& database);
  // One group more, once the seat is checked. A Fault where the clocks are apart.
  FaultOr<void> count_group(Database& database);
  void committed();
  // Whether the seat is this process's and the clocks agree, as far as was seen.
  bool is_good() const { return is_good_; }
  // Whether the group is there whose commit ended kUncertain; it counts then.
  FaultOr<bool> was_committed(Database& database);

  // Whether the last check found that the store lacks groups, and they can be written again.
  bool has_lost() const { return lost_to_.has_value(); }
  // From here on the store's number of groups is ours, and with the next group this gateway says
  // anew what it has leased.
  void accept_loss();
  // They cannot be written again.
  void give_up() { is_good_ = false; }

  // By the last check: whether others may not have said yet what they have leased, so that nothing
  // may be lent;
  bool is_gathering() const { return gathering_.has_value(); }
  // whether this gateway has to say it with this group,
  bool owes() const { return owes_; }
  // and whether it is too late to say more than what is used and held.
  bool is_late() const { return is_late_; }

 private:
  struct Row {
    std::int64_t groups = 0;
    std::string timeline;  // Of the store now,
    std::string known;     // and as gateways know it, with a gathering.
    bool leases_expired = false;
  };
  struct Gathering {
    WallTime since;
    WallTime alive_at;  // Who was alive then or later is waited for.
  };
  FaultOr<Row> read_row(Database& database);
  FaultOr<Row> read_timeline(Database& database);  // Whoever has the seat.
  FaultOr<WallTime> compare_clocks(Database& database);
  FaultOr<void> notice(Database& database, const Row& row);
  FaultOr<void> begin_gathering(Database& database);
  FaultOr<void> say_asserted(Database& database, WallTime now);

  const std::string gateway_;
  const std::string holder_;
  const pipeline::Clock& clock_;
  std::int64_t groups_ = 0;
  bool is_good_ = true;
  std::optional<std::int64_t> lost_to_;  // So many groups are left.
  std::string timeline_;
  std::optional<Gathering> gathering_;
  bool owes_ = false;
  bool is_late_ = false;
};

// Who has a seat and wrote from it lately, by the store's clock. Empty where the store has one
// gateway only, which needs no seat.
FaultOr<std::vector<std::string>> gateways_alive(Database& database);

}  // namespace tollgate::storage
