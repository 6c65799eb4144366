#include "storage/allowances.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::int64_t kAheadShare = 4;

// The parts of an allowance that are no gateway's.
constexpr std::string_view kFree = "free";
constexpr std::string_view kUnproven = "unproven";
constexpr std::string_view kAdjusted = "adjusted";

// The kind of entry by which an account is raised to what the books know.
constexpr std::string_view kBooks = "books";

Statement& bind(Statement& statement, const AccountId& account) {
  return statement.bind(account.rule)
      .bind(account.subject)
      .bind(to_microseconds(account.window_start));
}

// So many accounts are looked up at once, largest first that fits.
constexpr std::array<std::size_t, 4> kBatches = {1, 8, 64, 512};

std::string lookup_of(std::size_t accounts) {
  std::string asked = "(?, ?, ?)";
  for (std::size_t i = 1; i < accounts; ++i) asked += ", (?, ?, ?)";
  return fmt::format(
      "WITH asked (rule, subject, window_start_us) AS (VALUES {}) "
      "SELECT asked.rule, asked.subject, asked.window_start_us, "
      "coalesce(allowances.taken_micro_usd, 0), coalesce(leases.leased_micro_usd, 0), "
      "coalesce(leases.spent_micro_usd, 0), coalesce(leases.posted_micro_usd, 0), "
      "CAST(coalesce((SELECT sum(all_leases.leased_micro_usd - all_leases.spent_micro_usd) FROM "
      "leases all_leases "
      "WHERE all_leases.rule = asked.rule AND all_leases.subject = asked.subject AND "
      "all_leases.window_start_us = asked.window_start_us), 0) AS BIGINT) FROM asked "
      "LEFT JOIN allowances ON allowances.rule = asked.rule AND "
      "allowances.subject = asked.subject AND "
      "allowances.window_start_us = asked.window_start_us "
      "LEFT JOIN leases ON leases.rule = asked.rule AND leases.subject = asked.subject AND "
      "leases.window_start_us = asked.window_start_us AND leases.gateway = ?",
      asked);
}

std::string packed(const AccountId& account) {
  std::string bytes(packed_bytes(account), '\0');
  pack(account, bytes.data());
  return bytes;
}

Money difference(Money a, Money b) { return add_saturated(a, Money{-b.micro_usd}); }

}  // namespace

Money slice(Money free, const LeaseAsk& ask) {
  if (free < ask.least || free <= Money{}) return {};
  if (free <= ask.all) return ask.least > Money{} ? free : Money{};
  const Money rest = difference(free, ask.all);
  return add_saturated(ask.all, std::min(ask.ahead, Money{rest.micro_usd / kAheadShare}));
}

FaultOr<void> Allowances::look_up(std::span<const AccountId> accounts) {
  while (!accounts.empty()) {
    std::size_t batch = kBatches.front();
    for (const std::size_t size : kBatches) batch = size <= accounts.size() ? size : batch;
    TRY(rows, database_.prepare(lookup_of(batch)));
    for (const AccountId& account : accounts.first(batch)) bind(rows, account);
    rows.bind(gateway_);
    while (true) {
      TRY(there, rows.step());
      if (!there) break;
      const AccountId account{rows.text(0), rows.text(1), from_microseconds(rows.integer(2))};
      known_[packed(account)] = {{rows.integer(3)},
                                 {rows.integer(4)},
                                 {rows.integer(5)},
                                 {rows.integer(6)},
                                 {rows.integer(7)}};
    }
    accounts = accounts.subspan(batch);
  }
  return {};
}

FaultOr<Allowances::Standing*> Allowances::standing_of(const AccountId& account) {
  const std::string key = packed(account);
  auto found = known_.find(key);
  if (found == known_.end()) {
    TRY_DO(look_up({&account, 1}));
    found = known_.find(key);
  }
  CHECK(found != known_.end());
  return &found->second;
}

FaultOr<void> Allowances::write_lease(const AccountId& account, Standing& standing, Money leased,
                                      Money spent) {
  standing.unspent = add_saturated(
      standing.unspent,
      difference(difference(leased, spent), difference(standing.leased, standing.spent)));
  standing.leased = leased;
  standing.spent = spent;
  TRY(upsert, database_.prepare(
                  "INSERT INTO leases (rule, subject, window_start_us, gateway, leased_micro_usd, "
                  "spent_micro_usd, posted_micro_usd) VALUES (?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (rule, subject, window_start_us, gateway) DO UPDATE SET "
                  "leased_micro_usd = excluded.leased_micro_usd, "
                  "spent_micro_usd = excluded.spent_micro_usd, "
                  "posted_micro_usd = excluded.posted_micro_usd"));
  return bind(upsert, account)
      .bind(gateway_)
      .bind(leased.micro_usd)
      .bind(spent.micro_usd)
      .bind(standing.posted.micro_usd)
      .run();
}

FaultOr<void> Allowances::take(const AccountId& account, Money amount) {
  if (amount == Money{}) return {};
  TRY(standing, standing_of(account));
  standing->taken = add_saturated(standing->taken, amount);
  TRY(upsert, database_.prepare(
                  "INSERT INTO allowances (rule, subject, window_start_us, taken_micro_usd) "
                  "VALUES (?, ?, ?, ?) ON CONFLICT (rule, subject, window_start_us) DO UPDATE SET "
                  "taken_micro_usd = allowances.taken_micro_usd + excluded.taken_micro_usd"));
  return bind(upsert, account).bind(amount.micro_usd).run();
}

FaultOr<void> Allowances::enter(const AccountId& account, const Move& move, WallTime now) {
  if (move.amount <= Money{}) return {};
  TRY(entry, database_.prepare(
                 "INSERT INTO allowance_entries (rule, subject, window_start_us, kind, from_part, "
                 "to_part, amount_micro_usd, at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  return bind(entry, account)
      .bind(move.kind)
      .bind(move.from)
      .bind(move.to)
      .bind(move.amount.micro_usd)
      .bind(to_microseconds(now))
      .run();
}

FaultOr<void> Allowances::post(const AccountId& account, Standing& standing, WallTime now) {
  const Money fresh = difference(standing.spent, standing.posted);
  TRY_DO(enter(account, {"settle", leased_part_, spent_part_, fresh}, now));
  standing.posted = standing.spent;
  return {};
}

FaultOr<Lease> Allowances::lease(const LeaseAsk& ask, WallTime now) {
  TRY(standing, standing_of(ask.account));
  const Money more = slice(difference(ask.limit, standing->taken), ask);
  if (more > Money{}) {
    TRY_DO(post(ask.account, *standing, now));
    TRY_DO(enter(ask.account, {"lease", kFree, leased_part_, more}, now));
    TRY_DO(take(ask.account, more));
    TRY_DO(write_lease(ask.account, *standing, add_saturated(standing->leased, more),
                       standing->spent));
  }
  return Lease{standing->leased, standing->spent, standing->taken, std::max(more, Money{})};
}

FaultOr<void> Allowances::say_leased(const AccountId& account, Money leased, WallTime now) {
  TRY(standing, standing_of(account));
  const Money more = difference(leased, standing->leased);
  if (more <= Money{}) return {};
  TRY_DO(post(account, *standing, now));
  TRY_DO(enter(account, {"say_anew", kFree, leased_part_, more}, now));
  TRY_DO(take(account, more));
  return write_lease(account, *standing, leased, standing->spent);
}

FaultOr<void> Allowances::give_back(const AccountId& account, Money keep, WallTime now) {
  TRY(standing, standing_of(account));
  const Money kept = std::max(keep, standing->spent);
  if (kept >= standing->leased) return {};
  const Money back = difference(standing->leased, kept);
  TRY_DO(post(account, *standing, now));
  TRY_DO(enter(account, {"return", leased_part_, kFree, back}, now));
  TRY_DO(take(account, Money{-back.micro_usd}));
  return write_lease(account, *standing, kept, standing->spent);
}

FaultOr<void> Allowances::adjust(const AccountId& account, Money amount, WallTime now) {
  const Money less{-amount.micro_usd};
  TRY_DO(enter(account, {"adjust", kFree, kAdjusted, amount}, now));
  TRY_DO(enter(account, {"adjust", kAdjusted, kFree, less}, now));
  return take(account, amount);
}

FaultOr<void> Allowances::spend(const AccountId& account, Money spent, WallTime now) {
  TRY(standing, standing_of(account));
  const Money all = add_saturated(standing->spent, spent);
  const Money leased = std::max(standing->leased, all);
  const Money overrun = difference(leased, standing->leased);
  TRY_DO(enter(account, {"overrun", kFree, leased_part_, overrun}, now));
  TRY_DO(take(account, overrun));
  return write_lease(account, *standing, leased, all);
}

FaultOr<void> Allowances::hand_over(std::string_view to, WallTime now) {
  const auto enter_all = [&](std::string_view part, std::string_view amount) -> FaultOr<void> {
    TRY(entries,
        database_.prepare(fmt::format(
            "INSERT INTO allowance_entries (rule, subject, window_start_us, kind, from_part, "
            "to_part, amount_micro_usd, at_us) SELECT rule, subject, window_start_us, "
            "'hand_over', CAST(? AS TEXT), CAST(? AS TEXT), {0}, CAST(? AS BIGINT) FROM leases "
            "WHERE gateway = ? AND leased_micro_usd > spent_micro_usd AND {0} > 0",
            amount)));
    return entries.bind(fmt::format("{}/{}", part, gateway_))
        .bind(fmt::format("{}/{}", part, to))
        .bind(to_microseconds(now))
        .bind(gateway_)
        .run();
  };
  TRY_DO(enter_all("leased", "(leased_micro_usd - posted_micro_usd)"));
  TRY_DO(enter_all("spent", "posted_micro_usd"));
  TRY(move, database_.prepare(
                "INSERT INTO leases (rule, subject, window_start_us, gateway, leased_micro_usd, "
                "spent_micro_usd, posted_micro_usd) SELECT rule, subject, window_start_us, ?, "
                "leased_micro_usd, spent_micro_usd, posted_micro_usd FROM leases WHERE gateway = ? "
                "AND leased_micro_usd > spent_micro_usd "
                "ON CONFLICT (rule, subject, window_start_us, gateway) DO UPDATE SET "
                "leased_micro_usd = leases.leased_micro_usd + excluded.leased_micro_usd, "
                "spent_micro_usd = leases.spent_micro_usd + excluded.spent_micro_usd, "
                "posted_micro_usd = leases.posted_micro_usd + excluded.posted_micro_usd"));
  TRY_DO(move.bind(to).bind(gateway_).run());
  TRY(remove, database_.prepare("DELETE FROM leases WHERE gateway = ? AND "
                                "leased_micro_usd > spent_micro_usd"));
  return remove.bind(gateway_).run();
}

// The accounts of which entries do not say yet how the lease has ended.
FaultOr<std::vector<std::string>> Allowances::find_open() {
  TRY(open, database_.prepare("SELECT rule, subject, window_start_us FROM leases WHERE gateway = ? "
                              "AND leased_micro_usd > posted_micro_usd"));
  open.bind(gateway_);
  std::vector<std::string> all;
  while (true) {
    TRY(there, open.step());
    if (!there) return all;
    all.push_back(packed({open.text(0), open.text(1), from_microseconds(open.integer(2))}));
  }
}

FaultOr<Money> Allowances::end_leases(Books books, WallTime now) {
  TRY(open, find_open());
  std::vector<AccountId> accounts;
  for (const std::string_view account : open) {
    std::string_view rest = account;
    accounts.push_back(take_account(rest).value_or(AccountId{}));
  }
  TRY_DO(look_up(accounts));
  const bool whole = books == Books::kWhole;
  Money all;
  for (const AccountId& account : accounts) {
    TRY(standing, standing_of(account));
    const Money unspent = difference(standing->leased, standing->spent);
    TRY_DO(post(account, *standing, now));
    TRY_DO(enter(account,
                 {whole ? "end" : "unproven", leased_part_, whole ? kFree : kUnproven, unspent},
                 now));
    if (whole) TRY_DO(take(account, Money{-unspent.micro_usd}));
    all = add_saturated(all, unspent);
  }
  TRY(update, database_.prepare("UPDATE leases SET leased_micro_usd = spent_micro_usd, "
                                "posted_micro_usd = spent_micro_usd "
                                "WHERE gateway = ? AND leased_micro_usd > posted_micro_usd"));
  TRY_DO(update.bind(gateway_).run());
  known_.clear();
  return all;
}

FaultOr<void> Allowances::revive(std::string_view ended, WallTime since, WallTime now) {
  std::vector<std::pair<std::string, Money>> all;
  const std::string ended_part = fmt::format("leased/{}", ended);
  {
    TRY(rows, database_.prepare(
                  "SELECT rule, subject, window_start_us, CAST(sum(amount_micro_usd) AS BIGINT), "
                  "CAST(sum(CASE kind WHEN 'revive' THEN 1 ELSE 0 END) AS BIGINT) FROM "
                  "allowance_entries "
                  "WHERE at_us >= ? AND ((kind = 'unproven' AND from_part = ?) OR (kind = 'revive' "
                  "AND to_part = ?)) GROUP BY rule, subject, window_start_us"));
    rows.bind(to_microseconds(since)).bind(ended_part).bind(leased_part_);
    while (true) {
      TRY(there, rows.step());
      if (!there) break;
      if (rows.integer(4) > 0) continue;  // It was, and has been used since or has ended.
      const AccountId account{rows.text(0), rows.text(1), from_microseconds(rows.integer(2))};
      all.emplace_back(packed(account), Money{rows.integer(3)});
    }
  }
  for (const auto& [key, amount] : all) {
    if (amount <= Money{}) continue;
    std::string_view rest = key;
    const AccountId account = take_account(rest).value_or(AccountId{});
    TRY(standing, standing_of(account));
    TRY_DO(enter(account, {"revive", kUnproven, leased_part_, amount}, now));
    TRY_DO(
        write_lease(account, *standing, add_saturated(standing->leased, amount), standing->spent));
  }
  return {};
}

FaultOr<Money> Allowances::uncounted(const AccountId& account, Money spent) {
  TRY(standing, standing_of(account));
  return std::max(Money{}, difference(add_saturated(spent, standing->unspent), standing->taken));
}

FaultOr<std::int64_t> Allowances::last_entry() {
  TRY(row, database_.prepare("SELECT coalesce(max(sequence), 0) FROM allowance_entries"));
  TRY(there, row.step());
  return there ? row.integer(0) : 0;
}

FaultOr<void> Allowances::look_up_raised(std::int64_t seen) {
  if (raised_behind_ == seen) return {};
  TRY(rows, database_.prepare("SELECT rule, subject, window_start_us, CAST(sum(amount_micro_usd) "
                              "AS BIGINT) FROM allowance_entries WHERE sequence > ? AND kind = ? "
                              "GROUP BY rule, subject, window_start_us"));
  rows.bind(seen).bind(kBooks);
  raised_.clear();
  while (true) {
    TRY(there, rows.step());
    if (!there) break;
    const AccountId account{rows.text(0), rows.text(1), from_microseconds(rows.integer(2))};
    raised_[packed(account)] = Money{rows.integer(3)};
  }
  raised_behind_ = seen;
  return {};
}

FaultOr<void> Allowances::raise(const AccountId& account, Money uncounted, std::int64_t seen,
                                WallTime now) {
  TRY_DO(look_up_raised(seen));
  const auto raised = raised_.find(packed(account));
  const Money more = raised == raised_.end() ? uncounted : difference(uncounted, raised->second);
  if (more <= Money{}) return {};
  TRY_DO(enter(account, {kBooks, kFree, kUnproven, more}, now));
  return take(account, more);
}

FaultOr<void> Allowances::raise(const AccountId& account, Money spent, WallTime now) {
  TRY(more, uncounted(account, spent));
  if (more == Money{}) return {};
  TRY_DO(enter(account, {kBooks, kFree, kUnproven, more}, now));
  return take(account, more);
}

}  // namespace tollgate::storage
