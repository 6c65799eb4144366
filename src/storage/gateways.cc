#include "storage/gateways.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/json_writer.h"
#include "base/money.h"
#include "base/rfc3339.h"
#include "storage/audit_query.h"
#include "storage/gateway_seat.h"
#include "storage/journal_open.h"
#include "storage/lease_expiry.h"
#include "storage/moment_mark.h"
#include "storage/random_number.h"
#include "storage/record_facts.h"
#include "storage/trail_writer.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kRetiredSuffix = "/retired";

// So many of the latest rows tell how long a record is.
constexpr std::int64_t kRowsWeighed = 64;

// The store's time, from one look at it on.
class TimeOfStore final : public pipeline::Clock {
 public:
  explicit TimeOfStore(WallTime theirs) : theirs_(theirs) {}
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
  const std::string earlier = earlier_of(standing.name);
  const std::string expired = expired_of(standing.name);
  const std::string earlier_expired = expired_of(earlier);
  TRY(rows,
      database.prepare("SELECT CASE WHEN gateway LIKE '%/expired' THEN 1 ELSE 0 END AS expired, "
                       "CAST(sum(leased_micro_usd - spent_micro_usd) AS BIGINT) FROM leases WHERE "
                       "gateway IN (?, ?, ?, ?) GROUP BY expired"));
  rows.bind(standing.name).bind(earlier).bind(expired).bind(earlier_expired);
  while (true) {
    TRY(there, rows.step());
    if (!there) return {};
    (rows.integer(0) != 0 ? standing.expired : standing.leased) = {rows.integer(1)};
  }
}

FaultOr<void> read_trail(Database& database, GatewayStanding& standing) {
  {
    TRY(row, database.prepare(
                 "SELECT coalesce((SELECT last_sequence FROM audit_groups WHERE gateway = ? ORDER "
                 "BY first_sequence DESC LIMIT 1) - (SELECT first_sequence FROM audit_groups WHERE "
                 "gateway = ? ORDER BY first_sequence LIMIT 1) + 1, 0), "
                 "CAST(coalesce(sum(latest.records), 0) AS BIGINT), "
                 "CAST(coalesce(sum(latest.bytes), 0) AS BIGINT) FROM (SELECT last_sequence - "
                 "first_sequence + 1 AS records, length(records) AS bytes FROM audit_groups WHERE "
                 "gateway = ? ORDER BY first_sequence DESC LIMIT ?) latest"));
    row.bind(standing.name).bind(standing.name).bind(standing.name).bind(kRowsWeighed);
    TRY(there, row.step());
    if (there && row.integer(1) > 0) {
      standing.records = row.integer(0);
      const double share =
          static_cast<double>(standing.records) / static_cast<double>(row.integer(1));
      standing.trail_bytes = static_cast<Bytes>(share * static_cast<double>(row.integer(2)));
    }
  }
  FaultOr<TrailWriter> writer = TrailWriter::open(database, standing.name);
  if (writer) {
    standing.open = static_cast<std::int64_t>(writer->open_requests());
  } else if (writer.error().kind != FaultKind::kCorrupt) {
    return std::unexpected(std::move(writer.error()));
  }
  return {};
}

FaultOr<std::set<std::string>> all_names(Database& database) {
  std::set<std::string> names;
  TRY(chained, chains(database));
  names.insert(chained.begin(), chained.end());
  names.erase(std::string(kChangesChain));
  TRY(rows, database.prepare("SELECT gateway FROM gateways"));
  while (true) {
    TRY(there, rows.step());
    if (!there) return names;
    names.emplace(rows.text(0));
  }
}

// Whether nobody serves under the name, or nobody does any more.
FaultOr<bool> is_silent(Database& database, const GatewaySeat& seat, std::string_view gateway) {
  TRY(seen, seat.last_seen(database));
  TRY(retired, retired_since(database, gateway));
  TRY(now, database.now());
  return seen && !retired && now - *seen >= kAliveWithin;
}

// What a retirement ends: what the gateway left open and leased.
std::string standing_form(const GatewayStanding& standing, const std::optional<WallTime>& retired) {
  std::string out;
  JsonWriter json(out);
  const auto time = [&json](std::string_view name, const std::optional<WallTime>& moment) {
    json.key(name);
    moment ? json.value(std::string_view(rfc3339(*moment))) : json.null();
  };
  json.begin_object();
  json.member("seat", std::string_view(standing.seat));
  time("seen", standing.seen);
  time("retired", retired);
  json.key("open");
  standing.open ? json.value(*standing.open) : json.null();
  json.key("leased_usd");
  json.raw(format_usd(standing.leased));
  json.key("expired_usd");
  json.raw(format_usd(standing.expired));
  json.end_object();
  return out;
}

FaultOr<void> mark_retired(Database& database, const Author& author, const std::string& gateway,
                           WallTime now) {
  GatewayStanding standing;
  standing.name = gateway;
  TRY_DO(read_seat(database, standing));
  TRY_DO(read_leases(database, standing));
  TRY_DO(read_trail(database, standing));
  TRY_DO(write_moment(database, gateway + std::string(kRetiredSuffix), now));
  const std::string was = standing_form(standing, std::nullopt);
  const std::string is = standing_form(standing, now);
  return record_change(database, author, {"gateway.retire", gateway, {}, was, is});
}

// From here on nobody else writes under the name.
FaultOr<void> fence(Database& database, const Author& author, GatewaySeat& seat, Retirement& made,
                    const pipeline::Clock& clock) {
  const std::string& gateway = made.gateway;
  TRY(transaction, begin_change(database, author, std::nullopt));
  TRY(seen, seat.last_seen(database));
  TRY(retired, retired_since(database, gateway));
  TRY(now, database.now());
  if (!seen) {
    made.refused = Retirement::Refused::kUnknown;
    made.because = fmt::format(
        "{}: there is no gateway {} that shares this store; `tollgate gateways list` shows all.",
        database.name(), gateway);
    return {};
  }
  if (!retired && now - *seen < kAliveWithin) {
    made.refused = Retirement::Refused::kAlive;
    made.because = fmt::format(
        "{}: the gateway {} wrote {} s ago, so it may be at work. Stop it, and "
        "retire it once it has been silent for {} s.",
        database.name(), gateway,
        std::chrono::duration_cast<std::chrono::seconds>(now - *seen).count(),
        std::chrono::duration_cast<std::chrono::seconds>(kAliveWithin).count());
    return {};
  }
  // By the clock of what is ended next, so that all of it lies behind the mark.
  if (!retired) TRY_DO(mark_retired(database, author, gateway, clock.wall()));
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

void sleep_for(Duration duration) { std::this_thread::sleep_for(duration); }

FaultOr<Retirement> retire_gateway(Database& database, const Author& author,
                                   std::string_view gateway, const Wait& wait) {
  TRY(theirs, database.now());
  const TimeOfStore clock(theirs);
  TRY(holder, random_holder());
  GatewaySeat seat(gateway, holder, clock);
  TRY(silent, is_silent(database, seat, gateway));
  if (silent) wait(2 * kSilentAtMost);
  Retirement made;
  made.gateway = gateway;
  TRY_DO(fence(database, author, seat, made, clock));
  if (made.refused != Retirement::Refused::kNo) return made;
  TRY(writer, TrailWriter::open(database, gateway));
  writer.sit(seat);
  made.closed = static_cast<std::int64_t>(writer.open_requests());
  TRY_DO(end_all(writer, Allowances::Books::kMayLack, clock));
  made.booked = writer.recovered_cost();
  made.unproven = writer.unproven();
  return made;
}

FaultOr<std::optional<WallTime>> retired_since(Database& database, std::string_view gateway) {
  return read_moment(database, std::string(gateway).append(kRetiredSuffix));
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
  const TimeOfStore clock(theirs);
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
  using Books = Allowances::Books;
  TRY_DO(end_all(writer, found.may_lack ? Books::kMayLack : Books::kWhole, clock));
  // While its files are there a start goes on where this one is broken off.
  TRY_DO(mark_at_work(database, found, options));
  TRY(transaction, Transaction::begin(database));
  TRY_DO(writer.check_seat());
  TRY_DO(mark_clean(database, options.gateway));
  TRY_DO(transaction.commit());
  return late;
}

}  // namespace tollgate::storage
