// A gateway's seat in a store that several share: which process serves under the name, and how
// many groups it has committed.
//
// Each process takes the seat of its name at its start, unless the name is retired (gateways.h).
// Whoever finds another in it afterwards
// writes nothing any more: a copied state directory cannot make two gateways count as one. Where
// the number of groups is another than was committed, the store has lost commits (a failover to a
// standby that lacked them), and with them perhaps leases: this process stops deciding then. The
// number of groups tells, after a commit whose answer was lost, whether it was kept. With each
// group the seat compares the machine's clock with the store's, since windows of budgets begin by
// the clock.
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

// What a seat is taken for: under a name that is retired nobody serves.
enum class SeatClaim : std::uint8_t { kToServe, kToEnd };

class GatewaySeat {
 public:
  // So far the clocks may be apart.
  static constexpr Duration kClocksApartMax = std::chrono::seconds(5);

  // `holder` is random: no two processes have the same. `clock`, this machine's, outlives the seat.
  GatewaySeat(std::string_view gateway, std::string_view holder, const pipeline::Clock& clock)
      : gateway_(gateway), holder_(holder), clock_(clock) {}

  // When somebody wrote from the seat last, by the store's clock; whoever serves does so every
  // second. Nothing: nobody did.
  FaultOr<std::optional<WallTime>> last_seen(Database& database) const;
  // From here on this process serves under the name. A Fault where the clocks are apart, or the
  // name is retired.
  FaultOr<void> take(Database& database, SeatClaim claim = SeatClaim::kToServe);

  // Whether the seat is still this process's; to be asked in every transaction that writes for the
  // name.
  FaultOr<void> check(Database& database);
  // One group more, once the seat is checked. A Fault where the clocks are apart.
  FaultOr<void> count_group(Database& database);
  void committed() { ++groups_; }
  // Whether the seat is this process's and the clocks agree, as far as was seen.
  bool is_good() const { return is_good_; }
  // Whether the group is there whose commit ended kUncertain; it counts then.
  FaultOr<bool> was_committed(Database& database);

 private:
  FaultOr<std::int64_t> read_groups(Database& database);
  FaultOr<WallTime> compare_clocks(Database& database);

  const std::string gateway_;
  const std::string holder_;
  const pipeline::Clock& clock_;
  std::int64_t groups_ = 0;
  bool is_good_ = true;
};

// Who has a seat and wrote from it lately, by the store's clock. Empty where the store has one
// gateway only, which needs no seat.
FaultOr<std::vector<std::string>> gateways_alive(Database& database);

}  // namespace tollgate::storage
