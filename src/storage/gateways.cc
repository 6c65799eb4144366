#include "storage/gateways.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/rand.h>

#include <charconv>
#include <chrono>
#include <set>

#include "storage/audit_query.h"
#include "storage/gateway_seat.h"
#include "storage/journal_open.h"
#include "storage/record_facts.h"
#include "storage/trail_writer.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kRetiredSuffix = "/retired";

// The store's time, from one look at it on.
class StoreClock final : public pipeline::Clock {
 public:
  explicit StoreClock(WallTime theirs) : theirs_(theirs) {}
  Instant now() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
  }
  WallTime wall() const override {
    return theirs_ +
           std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began_);
  }

 private:
  const WallTime theirs_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

FaultOr<std::string> random_holder() {
  std::uint64_t number = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) == 1) {
    return fmt::format("{:016x}", number);
  }
  return fault(FaultKind::kBroken, "The system gave no random bytes.");
}

FaultOr<void> read_seat(Database& database, GatewayStanding& standing) {
  TRY(row, database.prepare("SELECT holder, groups, seen_us FROM gateways WHERE gateway = ?"));
  TRY(there, row.bind(standing.name).step());
  if (!there) return {};
  standing.seat = row.text(0);
  standing.groups = row.integer(1);
  standing.seen = from_microseconds(row.integer(2));
  return {};
}

FaultOr<void> read_leases(Database& database, GatewayStanding& standing) {
  TRY(row, database.prepare("SELECT CAST(coalesce(sum(leased_micro_usd - spent_micro_usd), 0) AS "
                            "BIGINT) FROM leases WHERE gateway = ? OR gateway = ?"));
  TRY(there, row.bind(standing.name).bind(earlier_of(standing.name)).step());
  if (there) standing.leased = {row.integer(0)};
  return {};
}

FaultOr<void> read_trail(Database& database, GatewayStanding& standing) {
  {
    TRY(row, database.prepare("SELECT CAST(coalesce(sum(last_sequence - first_sequence + 1), 0) AS "
                              "BIGINT), CAST(coalesce(sum(length(records)), 0) AS BIGINT) FROM "
                              "audit_groups WHERE gateway = ?"));
    TRY(there, row.bind(standing.name).step());
    if (there) standing.records = row.integer(0);
    if (there) standing.trail_bytes = row.integer(1);
  }
  TRY(writer, TrailWriter::open(database, standing.name));
  standing.open = static_cast<std::int64_t>(writer.open_requests());
  return {};
}

FaultOr<std::set<std::string>> all_names(Database& database) {
  std::set<std::string> names;
  TRY(chained, chains(database));
  names.insert(chained.begin(), chained.end());
  TRY(rows, database.prepare("SELECT gateway FROM gateways"));
  while (true) {
    TRY(there, rows.step());
    if (!there) return names;
    names.emplace(rows.text(0));
  }
}

// From here on nobody else writes under the name.
FaultOr<void> fence(Database& database, GatewaySeat& seat, std::string_view gateway) {
  TRY(transaction, Transaction::begin(database));
  TRY(seen, seat.last_seen(database));
  TRY(retired, retired_since(database, gateway));
  TRY(now, database.now());
  if (!seen) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: there is no gateway {} that shares this store; `tollgate "
                             "gateways list` shows all.",
                             database.name(), gateway));
  }
  if (!retired && now - *seen < kAliveWithin) {
    return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: the gateway {} wrote {} s ago, so it may be at work. Stop it, and "
                    "retire it once it has been silent for {} s.",
                    database.name(), gateway,
                    std::chrono::duration_cast<std::chrono::seconds>(now - *seen).count(),
                    std::chrono::duration_cast<std::chrono::seconds>(kAliveWithin).count()));
  }
  if (!retired) {
    TRY_DO(write_mark(database, std::string(gateway).append(kRetiredSuffix),
                      std::to_string(to_microseconds(now))));
  }
  TRY_DO(seat.take(database, SeatClaim::kToEnd));
  return transaction.commit();
}

// Ends all that the writer's gateway left open, and its leases.
FaultOr<void> end_all(TrailWriter& writer, Allowances::Books books, const pipeline::Clock& clock) {
  TRY_DO(writer.begin_recovery(books, clock.wall(), TrailWriter::Cause::kRetired));
  while (writer.recovering()) {
    TRY_DO(writer.recover_some(clock.wall()));
    writer.end_group();
    TRY_DO(writer.write());
  }
  return writer.finish();
}

// The requests that the retirement closed.
FaultOr<std::vector<RequestKey>> closed_since(Database& database, WallTime since) {
  AuditQuery query;
  query.code = TrailWriter::kRetiredCode;
  query.since = since;
  std::vector<RequestKey> all;
  FactReader reader;
  std::string padded;
  TRY_DO(export_audit(database, query, [&](std::string_view line) {
    padded.assign(line);
    padded.reserve(padded.size() + simdjson::SIMDJSON_PADDING);
    if (const std::optional<RecordFacts> facts = reader.read(padded)) {
      all.push_back(key_of(facts->id));
    }
    return true;
  }));
  return all;
}

}  // namespace

FaultOr<std::vector<GatewayStanding>> list_gateways(Database& database, std::string_view serving) {
  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Until the answer is whole.
  TRY(now, database.now());
  TRY(names, all_names(database));
  std::vector<GatewayStanding> all;
  for (const std::string& name : names) {
    GatewayStanding& standing = all.emplace_back();
    standing.name = name;
    TRY_DO(read_seat(database, standing));
    TRY(retired, retired_since(database, name));
    standing.retired = retired;
    standing.alive = !retired && ((standing.seen && now - *standing.seen < kAliveWithin) ||
                                  (!serving.empty() && name == serving));
    TRY_DO(read_leases(database, standing));
    TRY_DO(read_trail(database, standing));
  }
  return all;
}

FaultOr<Retirement> retire_gateway(Database& database, std::string_view gateway) {
  TRY(theirs, database.now());
  const StoreClock clock(theirs);
  TRY(holder, random_holder());
  GatewaySeat seat(gateway, holder, clock);
  TRY_DO(fence(database, seat, gateway));
  TRY(writer, TrailWriter::open(database, gateway));
  writer.sit(seat);
  Retirement done;
  done.gateway = gateway;
  done.closed = static_cast<std::int64_t>(writer.open_requests());
  TRY_DO(end_all(writer, Allowances::Books::kMayLack, clock));
  done.booked = writer.recovered_cost();
  done.unproven = writer.unproven();
  return done;
}

FaultOr<std::optional<WallTime>> retired_since(Database& database, std::string_view gateway) {
  TRY(mark, read_mark(database, std::string(gateway).append(kRetiredSuffix)));
  if (!mark) return std::optional<WallTime>();
  std::int64_t since_us = 0;
  std::from_chars(mark->data(), mark->data() + mark->size(), since_us);
  return from_microseconds(since_us);
}

FaultOr<std::vector<std::string>> retired_gateways(Database& database) {
  std::vector<std::string> names;
  TRY(rows, database.prepare("SELECT name FROM marks WHERE name LIKE '%/retired' ORDER BY name"));
  while (true) {
    TRY(there, rows.step());
    if (!there) return names;
    const std::string_view name = rows.text(0);
    names.emplace_back(name.substr(0, name.size() - kRetiredSuffix.size()));
  }
}

FaultOr<LateJournal> take_in_journal(Database& database, const JournalOptions& options) {
  LateJournal late;
  TRY(files, segment_files(options.directory));
  TRY(since, retired_since(database, options.gateway));
  if (files.empty() || !since) return late;
  TRY(theirs, database.now());
  const StoreClock clock(theirs);
  TRY(holder, random_holder());
  GatewaySeat seat(options.gateway, holder, clock);
  {
    TRY(transaction, Transaction::begin(database));
    TRY_DO(seat.take(database, SeatClaim::kToEnd));
    TRY_DO(Allowances(database, options.gateway)
               .revive(earlier_of(options.gateway), *since, clock.wall()));
    TRY_DO(transaction.commit());
  }
  TRY(writer, TrailWriter::open(database, options.gateway));
  writer.sit(seat);
  TRY(closed, closed_since(database, *since));
  writer.pass_over(closed);
  TRY(found, find_journal(database, {writer.journal_written()}, options));
  TRY(items, replay(found, writer));
  late.items = items;
  late.passed = writer.passed();
  TRY_DO(mark_at_work(database, found, options));
  using Books = Allowances::Books;
  TRY_DO(end_all(writer, found.may_lack ? Books::kMayLack : Books::kWhole, clock));
  TRY(transaction, Transaction::begin(database));
  TRY_DO(writer.check_seat());
  TRY_DO(mark_clean(database, options.gateway));
  TRY_DO(transaction.commit());
  return late;
}

}  // namespace tollgate::storage
