#include "storage/gateway_seat.h"

#include <fmt/format.h>

#include "storage/gateways.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

std::unexpected<Fault> is_retired(const Database& database, std::string_view gateway) {
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: the gateway {} is retired, so nobody serves under its name. Start "
                           "once more, so that what its journal holds is taken over, and then with "
                           "an empty store.state_directory.",
                           database.name(), gateway));
}

}  // namespace

// The store's time.
FaultOr<WallTime> GatewaySeat::compare_clocks(Database& database) {
  TRY(theirs, database.now());
  const Duration ahead = clock_.wall() - theirs;
  is_good_ = ahead <= kClocksApartMax && -ahead <= kClocksApartMax;
  if (is_good_) return theirs;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(ahead).count();
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: this machine's clock is {} s {} the store's, so budgets would be "
                           "counted in the wrong window. Set the clocks (NTP) of both.",
                           database.name(), seconds < 0 ? -seconds : seconds,
                           seconds < 0 ? "behind" : "ahead of"));
}

FaultOr<void> GatewaySeat::take(Database& database, SeatClaim claim) {
  TRY(theirs, compare_clocks(database));
  TRY(retired, retired_since(database, gateway_));
  if (retired && claim == SeatClaim::kToServe) {
    is_good_ = false;
    return is_retired(database, gateway_);
  }
  TRY(upsert, database.prepare("INSERT INTO gateways (gateway, holder, groups, seen_us) VALUES "
                               "(?, ?, ?, ?) ON CONFLICT (gateway) DO UPDATE SET holder = "
                               "excluded.holder, groups = excluded.groups, seen_us = "
                               "excluded.seen_us"));
  groups_ = 0;
  return upsert.bind(gateway_).bind(holder_).bind(groups_).bind(to_microseconds(theirs)).run();
}

FaultOr<std::int64_t> GatewaySeat::read_groups(Database& database) {
  TRY(row, database.prepare("SELECT holder, groups FROM gateways WHERE gateway = ?"));
  TRY(there, row.bind(gateway_).step());
  if (there && row.text(0) == holder_) return row.integer(1);
  is_good_ = false;
  TRY(retired, retired_since(database, gateway_));
  if (retired) return is_retired(database, gateway_);
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: another process serves as the gateway {} now. Each gateway needs a "
                           "store.state_directory of its own: delete the file gateway.id in a "
                           "directory that was copied, and start again.",
                           database.name(), gateway_));
}

FaultOr<void> GatewaySeat::check(Database& database) {
  TRY(groups, read_groups(database));
  if (groups == groups_) return {};
  is_good_ = false;
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: the store has {} groups of the gateway {} and not {}: it has lost "
                           "commits, and leases with them. Start this gateway again, so that it "
                           "leases anew.",
                           database.name(), groups, gateway_, groups_));
}

FaultOr<std::optional<WallTime>> GatewaySeat::last_seen(Database& database) const {
  TRY(row, database.prepare("SELECT seen_us FROM gateways WHERE gateway = ?"));
  TRY(there, row.bind(gateway_).step());
  if (!there) return std::optional<WallTime>();
  return from_microseconds(row.integer(0));
}

FaultOr<void> GatewaySeat::count_group(Database& database) {
  TRY(theirs, compare_clocks(database));
  TRY(update, database.prepare("UPDATE gateways SET groups = ?, seen_us = ? WHERE gateway = ?"));
  return update.bind(groups_ + 1).bind(to_microseconds(theirs)).bind(gateway_).run();
}

FaultOr<bool> GatewaySeat::was_committed(Database& database) {
  TRY(groups, read_groups(database));
  if (groups <= groups_) return false;
  groups_ = groups;
  return true;
}

FaultOr<std::vector<std::string>> gateways_alive(Database& database) {
  std::vector<std::string> names;
  TRY(now, database.now());
  TRY(rows, database.prepare("SELECT gateway FROM gateways WHERE seen_us >= ? AND NOT EXISTS "
                             "(SELECT 1 FROM marks WHERE name = gateways.gateway || '/retired') "
                             "ORDER BY gateway"));
  rows.bind(to_microseconds(now - kAliveWithin));
  while (true) {
    TRY(there, rows.step());
    if (!there) return names;
    names.emplace_back(rows.text(0));
  }
}

}  // namespace tollgate::storage
