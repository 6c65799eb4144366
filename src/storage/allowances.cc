#include "storage/allowances.h"

#include <algorithm>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::int64_t kAheadShare = 4;

Statement& bind(Statement& statement, const AccountId& account) {
  return statement.bind(account.rule)
      .bind(account.subject)
      .bind(to_microseconds(account.window_start));
}

Money difference(Money a, Money b) { return add_saturated(a, Money{-b.micro_usd}); }

}  // namespace

Money slice(Money free, const LeaseAsk& ask) {
  if (free < ask.least || free <= Money{}) return {};
  if (free <= ask.all) return ask.least > Money{} ? free : Money{};
  const Money rest = difference(free, ask.all);
  return add_saturated(ask.all, std::min(ask.ahead, Money{rest.micro_usd / kAheadShare}));
}

FaultOr<Money> Allowances::read_taken(const AccountId& account) {
  TRY(row, database_.prepare("SELECT taken_micro_usd FROM allowances WHERE rule = ? AND "
                             "subject = ? AND window_start_us = ?"));
  TRY(there, bind(row, account).step());
  return Money{there ? row.integer(0) : 0};
}

FaultOr<Allowances::Row> Allowances::read_lease(const AccountId& account) {
  TRY(row, database_.prepare("SELECT leased_micro_usd, spent_micro_usd FROM leases WHERE "
                             "rule = ? AND subject = ? AND window_start_us = ? AND gateway = ?"));
  TRY(there, bind(row, account).bind(gateway_).step());
  if (!there) return Row{};
  return Row{{row.integer(0)}, {row.integer(1)}};
}

FaultOr<void> Allowances::write_lease(const AccountId& account, const Row& row) {
  TRY(upsert, database_.prepare(
                  "INSERT INTO leases (rule, subject, window_start_us, gateway, leased_micro_usd, "
                  "spent_micro_usd) VALUES (?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (rule, subject, window_start_us, gateway) DO UPDATE SET "
                  "leased_micro_usd = excluded.leased_micro_usd, "
                  "spent_micro_usd = excluded.spent_micro_usd"));
  return bind(upsert, account)
      .bind(gateway_)
      .bind(row.leased.micro_usd)
      .bind(row.spent.micro_usd)
      .run();
}

FaultOr<void> Allowances::take(const AccountId& account, std::string_view kind, Money amount,
                               WallTime now) {
  if (amount == Money{}) return {};
  TRY(upsert, database_.prepare(
                  "INSERT INTO allowances (rule, subject, window_start_us, taken_micro_usd) "
                  "VALUES (?, ?, ?, ?) ON CONFLICT (rule, subject, window_start_us) DO UPDATE SET "
                  "taken_micro_usd = allowances.taken_micro_usd + excluded.taken_micro_usd"));
  TRY_DO(bind(upsert, account).bind(amount.micro_usd).run());
  TRY(entry, database_.prepare(
                 "INSERT INTO allowance_entries (rule, subject, window_start_us, gateway, kind, "
                 "amount_micro_usd, at_us) VALUES (?, ?, ?, ?, ?, ?, ?)"));
  return bind(entry, account)
      .bind(gateway_)
      .bind(kind)
      .bind(amount.micro_usd)
      .bind(to_microseconds(now))
      .run();
}

FaultOr<Lease> Allowances::lease(const LeaseAsk& ask, WallTime now) {
  TRY(taken, read_taken(ask.account));
  TRY(row, read_lease(ask.account));
  const Money more = slice(difference(ask.limit, taken), ask);
  if (more > Money{}) {
    row.leased = add_saturated(row.leased, more);
    TRY_DO(take(ask.account, "lease", more, now));
    TRY_DO(write_lease(ask.account, row));
  }
  return Lease{row.leased, row.spent, add_saturated(taken, more)};
}

FaultOr<void> Allowances::give_back(const AccountId& account, Money keep, WallTime now) {
  TRY(row, read_lease(account));
  const Money kept = std::max(keep, row.spent);
  if (kept >= row.leased) return {};
  TRY_DO(take(account, "return", difference(kept, row.leased), now));
  row.leased = kept;
  return write_lease(account, row);
}

FaultOr<void> Allowances::spend(const AccountId& account, Money spent, WallTime now) {
  TRY(row, read_lease(account));
  row.spent = add_saturated(row.spent, spent);
  if (row.spent > row.leased) {
    TRY_DO(take(account, "overrun", difference(row.spent, row.leased), now));
    row.leased = row.spent;
  }
  return write_lease(account, row);
}

FaultOr<void> Allowances::hand_over(std::string_view to) {
  TRY(move, database_.prepare(
                "INSERT INTO leases (rule, subject, window_start_us, gateway, leased_micro_usd, "
                "spent_micro_usd) SELECT rule, subject, window_start_us, ?, leased_micro_usd, "
                "spent_micro_usd FROM leases WHERE gateway = ? AND "
                "leased_micro_usd > spent_micro_usd "
                "ON CONFLICT (rule, subject, window_start_us, gateway) DO UPDATE SET "
                "leased_micro_usd = leases.leased_micro_usd + excluded.leased_micro_usd, "
                "spent_micro_usd = leases.spent_micro_usd + excluded.spent_micro_usd"));
  TRY_DO(move.bind(to).bind(gateway_).run());
  TRY(remove, database_.prepare("DELETE FROM leases WHERE gateway = ? AND "
                                "leased_micro_usd > spent_micro_usd"));
  return remove.bind(gateway_).run();
}

FaultOr<Money> Allowances::end_leases(Books books, WallTime now) {
  Money all;
  TRY(open, database_.prepare("SELECT rule, subject, window_start_us, leased_micro_usd, "
                              "spent_micro_usd FROM leases WHERE gateway = ? AND "
                              "leased_micro_usd > spent_micro_usd"));
  open.bind(gateway_);
  while (true) {
    TRY(there, open.step());
    if (!there) break;
    const AccountId account{open.text(0), open.text(1), from_microseconds(open.integer(2))};
    const Money unspent = difference({open.integer(3)}, {open.integer(4)});
    TRY_DO(take(account, "end", Money{-unspent.micro_usd}, now));
    if (books == Books::kMayLack) TRY_DO(take(account, "unproven", unspent, now));
    all = add_saturated(all, unspent);
  }
  TRY(update, database_.prepare("UPDATE leases SET leased_micro_usd = spent_micro_usd "
                                "WHERE gateway = ? AND leased_micro_usd > spent_micro_usd"));
  TRY_DO(update.bind(gateway_).run());
  return all;
}

FaultOr<void> Allowances::raise(const AccountId& account, Money spent, WallTime now) {
  TRY(unspent,
      database_.prepare(
          "SELECT CAST(coalesce(sum(leased_micro_usd - spent_micro_usd), 0) AS BIGINT) FROM "
          "leases WHERE rule = ? AND subject = ? AND window_start_us = ?"));
  TRY(there, bind(unspent, account).step());
  CHECK(there);
  const Money least = add_saturated(spent, Money{unspent.integer(0)});
  TRY(taken, read_taken(account));
  if (least <= taken) return {};
  return take(account, "books", difference(least, taken), now);
}

}  // namespace tollgate::storage
