#include "storage/gateway_seat.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "storage/gateway_name.h"
#include "storage/gateways.h"
#include "storage/lease_expiry.h"
#include "storage/moment_mark.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// On which timeline of the store what is leased is known to all.
constexpr std::string_view kTimelineMark = "timeline";
// Of a gateway: the last timeline on which it said what it has leased.
constexpr std::string_view kAssertedMark = "asserted";

std::string_view take_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

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
  // Before the seat says that it is alive now: who was alive before is told by who was seen last.
  TRY(known, read_timeline(database));
  TRY_DO(notice(database, known));
  TRY(expired, read_mark(database, expiry_mark(gateway_)));
  if (expired) TRY_DO(take_back_leases(database, gateway_));
  TRY(upsert, database.prepare("INSERT INTO gateways (gateway, holder, groups, seen_us) VALUES "
                               "(?, ?, ?, ?) ON CONFLICT (gateway) DO UPDATE SET holder = "
                               "excluded.holder, groups = excluded.groups, seen_us = "
                               "excluded.seen_us"));
  groups_ = 0;
  return upsert.bind(gateway_).bind(holder_).bind(groups_).bind(to_microseconds(theirs)).run();
}

FaultOr<GatewaySeat::Row> GatewaySeat::read_timeline(Database& database) {
  TRY(row, database.prepare(
               fmt::format("SELECT {}, coalesce((SELECT value FROM marks WHERE name = ?), '')",
                           database.timeline())));
  TRY(there, row.bind(kTimelineMark).step());
  if (!there) return Row{};
  return Row{0, std::string(row.text(0)), std::string(row.text(1)), false};
}

FaultOr<GatewaySeat::Row> GatewaySeat::read_row(Database& database) {
  TRY(row, database.prepare(fmt::format(
               "SELECT holder, groups, {}, coalesce((SELECT value FROM marks WHERE name = ?), ''), "
               "{} FROM gateways WHERE gateway = ?",
               database.timeline(), kHasExpiredSql)));
  TRY(there, row.bind(kTimelineMark).bind(expiry_mark(gateway_)).bind(gateway_).step());
  if (there && row.text(0) == holder_) {
    return Row{row.integer(1), std::string(row.text(2)), std::string(row.text(3)),
               row.integer(4) != 0};
  }
  is_good_ = false;
  TRY(retired, retired_since(database, gateway_));
  if (retired) return is_retired(database, gateway_);
  return is_taken(database);
}

std::unexpected<Fault> GatewaySeat::is_taken(const Database& database) const {
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: another process serves as the gateway {} now. Each gateway needs a "
                           "store.state_directory of its own: delete the file gateway.id in a "
                           "directory that was copied, and start again.",
                           database.name(), gateway_));
}

FaultOr<void> GatewaySeat::check(Database& database) {
  lost_to_.reset();
  TRY(row, read_row(database));
  if (row.groups == groups_) {
    if (row.leases_expired) TRY_DO(take_back_leases(database, gateway_));
    return notice(database, row);
  }
  // The first group is behind all that the start of this process wrote.
  if (row.groups >= 1 && row.groups < groups_) {
    lost_to_ = row.groups;
  } else {
    is_good_ = false;
  }
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: the store has {} groups of the gateway {} and not {}: it has lost "
                           "commits, and leases with them.{}",
                           database.name(), row.groups, gateway_, groups_,
                           lost_to_ ? " They are written again."
                                    : " Start this gateway again, so that it leases anew."));
}

void GatewaySeat::accept_loss() {
  CHECK(lost_to_.has_value());
  groups_ = *std::exchange(lost_to_, std::nullopt);
  owes_ = true;
}

void GatewaySeat::committed() {
  ++groups_;
  owes_ = is_late_ = false;
}

// ---- Timelines ------------------------------------------------------------------------------

// The mark is the timeline, and behind it, while what is leased is gathered, since when and from
// which moment on gateways are waited for.
FaultOr<void> GatewaySeat::notice(Database& database, const Row& row) {
  gathering_.reset();
  timeline_ = row.timeline;
  if (timeline_.empty()) return {};
  if (row.known.empty()) return write_mark(database, kTimelineMark, timeline_);
  std::string_view rest = row.known;
  if (take_word(rest) != timeline_) return begin_gathering(database);
  if (!rest.empty()) {
    const WallTime since = moment_in(take_word(rest));
    gathering_ = Gathering{since, moment_in(rest)};
  } else if (owes_) {
    TRY(asserted, read_mark(database, mark_of(gateway_, kAssertedMark)));
    is_late_ = asserted != timeline_;
  }
  return {};
}

FaultOr<void> GatewaySeat::begin_gathering(Database& database) {
  TRY(now, database.now());
  // A retired name is not waited for, and who retired it was seen in its place.
  TRY(last, database.prepare("SELECT coalesce(max(seen_us), 0) FROM gateways WHERE NOT EXISTS "
                             "(SELECT 1 FROM marks WHERE name = gateways.gateway || '/retired')"));
  TRY(there, last.step());
  const WallTime seen = from_microseconds(there ? last.integer(0) : 0);
  gathering_ = Gathering{now, seen - kAliveWithin};
  return write_mark(database, kTimelineMark,
                    fmt::format("{} {} {}", timeline_, to_microseconds(now),
                                to_microseconds(gathering_->alive_at)));
}

FaultOr<void> GatewaySeat::say_asserted(Database& database, WallTime now) {
  TRY_DO(write_mark(database, mark_of(gateway_, kAssertedMark), timeline_));
  if (!gathering_) return {};
  const Duration lasted = now - gathering_->since;
  bool all = lasted > kGatherAtMost;
  if (!all && lasted >= kGatherAtLeast) {
    TRY(missing,
        database.prepare("SELECT count(*) FROM gateways WHERE seen_us >= ? AND NOT EXISTS (SELECT "
                         "1 FROM marks WHERE name = gateways.gateway || '/retired') AND NOT EXISTS "
                         "(SELECT 1 FROM marks WHERE name = gateways.gateway || '/asserted' AND "
                         "value = ?)"));
    TRY(there, missing.bind(to_microseconds(gathering_->alive_at)).bind(timeline_).step());
    all = there && missing.integer(0) == 0;
  }
  return all ? write_mark(database, kTimelineMark, timeline_) : FaultOr<void>();
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
  TRY_DO(update.bind(groups_ + 1).bind(to_microseconds(theirs)).bind(gateway_).run());
  if (timeline_.empty() || (!gathering_ && !owes_)) return {};
  return say_asserted(database, theirs);
}

FaultOr<bool> GatewaySeat::was_committed(Database& database) {
  TRY(row, read_row(database));
  if (row.groups <= groups_) return false;
  committed();
  groups_ = row.groups;
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
