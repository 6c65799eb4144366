// What must hold after each step of a world, and when it has come to rest.
#include <fmt/format.h>

#include "sim/world.h"
#include "storage/audit_query.h"
#include "storage/spend.h"
#include "storage/try.h"

namespace tollgate::sim {
namespace {

// What the store says of one account.
struct Row {
  std::int64_t taken = 0;
  std::int64_t leased = 0;
  std::int64_t spent = 0;
  std::int64_t overruns = 0;
  bool spent_is_leased = true;

  // By the entries: what of it is not free, in leases, of them spent, and
  // taken by no lease: what the books tell, or cannot prove.
  std::int64_t entries = 0;
  std::int64_t in_leases = 0;
  std::int64_t posted = 0;
  std::int64_t books = 0;

  void move(std::string_view part, std::int64_t amount) {
    if (part == "free") entries -= amount;
    if (part == "unproven") books += amount;
    if (part.starts_with("leased/")) in_leases += amount;
    if (part.starts_with("spent/")) in_leases += amount;
    if (part.starts_with("spent/")) posted += amount;
  }
};
using Rows = std::map<Account, Row>;

Account account_of(const storage::Statement& row) {
  const storage::AccountId id{row.text(0), row.text(1), storage::from_microseconds(row.integer(2))};
  Account account(storage::packed_bytes(id), '\0');
  storage::pack(id, account.data());
  return account;
}

template <class Take>
FaultOr<void> each(storage::Database& database, std::string_view sql, const Take& take) {
  TRY(rows, database.prepare(sql));
  while (true) {
    TRY(there, rows.step());
    if (!there) return {};
    take(rows);
  }
}

FaultOr<Rows> read_rows(storage::Database& database) {
  Rows all;
  TRY_DO(each(database, "SELECT rule, subject, window_start_us, taken_micro_usd FROM allowances",
              [&](const storage::Statement& row) { all[account_of(row)].taken = row.integer(3); }));
  TRY_DO(each(database,
              "SELECT rule, subject, window_start_us, leased_micro_usd, "
              "spent_micro_usd FROM leases",
              [&](const storage::Statement& row) {
                Row& found = all[account_of(row)];
                found.leased += row.integer(3);
                found.spent += row.integer(4);
                found.spent_is_leased &= row.integer(4) <= row.integer(3) && row.integer(4) >= 0;
              }));
  TRY_DO(each(database,
              "SELECT rule, subject, window_start_us, kind, amount_micro_usd, "
              "from_part, to_part "
              "FROM allowance_entries",
              [&](const storage::Statement& row) {
                Row& found = all[account_of(row)];
                const std::int64_t amount = row.integer(4);
                if (row.text(3) == "overrun") found.overruns += amount;
                found.move(row.text(5), -amount);
                found.move(row.text(6), amount);
              }));
  return all;
}

}  // namespace

void World::check() {
  for (const auto& gateway : gateways_) {
    if (gateway->up()) gateway->check();
  }
  check_tables(false);
}

void World::check_tables(bool at_rest) {
  const Rows rows = must(read_rows(server_.reader()), "read");
  for (const auto& [account, row] : rows) {
    const auto complain = [&](std::string_view what) {
      throw Violation{fmt::format("{}: {}: taken {}, leased {}, spent {}, entries {}, books {}",
                                  what, in_words(account), row.taken, row.leased, row.spent,
                                  row.entries, row.books)};
    };
    if (row.entries != row.taken) complain("I2: entries do not add up");
    if (row.in_leases != row.leased) complain("I2: entries do not add up to leases");
    if (row.posted > row.spent) complain("I9: entries say that more was spent");
    if (row.leased + row.books != row.taken) complain("I6: the leases do not add up");
    if (!row.spent_is_leased) complain("I4: more is spent than leased");
    const std::string rule = rule_of(account);
    const auto idle = idle_.find(account);
    const std::int64_t most = oracle_.highest(rule) + row.overruns + row.books +
                              oracle_.lent_twice(account) +
                              (idle == idle_.end() ? 0 : idle->second);
    if (oracle_.enforces(rule) && row.taken > most) {
      complain("I1: more is taken than there is");
    }
    if (!at_rest) continue;
    const auto sum = oracle_.sums().find(account);
    const std::int64_t spent = sum == oracle_.sums().end() ? 0 : sum->second.booked;
    if (row.posted != row.spent) complain("I9: not all that was spent is in entries");
    if (row.spent != spent) complain(fmt::format("I9: not what was spent, {}", spent));
    if (row.leased != spent) complain(fmt::format("I9: leases are left at rest of {}", spent));
  }
  // Whatever happens to a gateway from here on, the store has it as taken.
  for (const auto& [account, sum] : oracle_.sums()) {
    if (at_rest && sum.held != 0) throw Violation{"I12: money is held at rest"};
    if (!oracle_.enforces(rule_of(account))) continue;
    const auto row = rows.find(account);
    const std::int64_t taken = row == rows.end() ? 0 : row->second.taken;
    if (sum.spent + sum.held <= taken + sum.overrun + lost(account)) continue;
    throw Violation{
        fmt::format("I1: {}: {} spent and {} held, {} of it overrun, and the store "
                    "says {} taken",
                    in_words(account), sum.spent, sum.held, sum.overrun, taken)};
  }
}

// One record of each phase for each request, all of the chain provable, and the books by the hour
// add up to the same.
void World::check_trail() {
  const storage::Proof proof = must(storage::verify_audit(server_.reader()), "verify");
  if (proof.broken) throw Violation{"I9: the trail is broken: " + proof.why};
  std::int64_t open = 0;
  must(each(server_.reader(), "SELECT count(*) FROM waiting_bookings",
            [&](const storage::Statement& row) { open += row.integer(0); }),
       "read");
  if (open != 0) throw Violation{"I9: bookings wait at rest"};
  storage::SpendQuery all;
  all.by = storage::SpendBy::kTotal;
  const auto rows = must(storage::query_spend(server_.reader(), all), "query_spend");
  const std::int64_t booked = rows.empty() ? 0 : rows.front().spent.cost.micro_usd;
  if (booked == oracle_.booked_in_all()) return;
  throw Violation{
      fmt::format("I9: the books say {} spent, it is {}", booked, oracle_.booked_in_all())};
}

// Who is gone has given back all slots (I14).
void World::check_slots() {
  for (const auto& [name, fields] : redis_.hashes()) {
    for (const std::string& field : fields) {
      const bool is_process = field.starts_with("gateway");
      if (is_process) throw Violation{fmt::format("I14: {} has slots of {} at rest", field, name)};
    }
  }
}

std::map<Account, std::int64_t> World::counted_by_books() {
  std::map<Account, std::int64_t> counted;
  for (const auto& [account, row] : must(read_rows(server_.reader()), "read")) {
    counted[account] = row.books;
  }
  return counted;
}

// By the name of a gateway, with what an earlier start of it had.
std::map<std::string, std::map<Account, std::int64_t>> World::leased_by_gateway() {
  std::map<std::string, std::map<Account, std::int64_t>> all;
  must(each(server_.reader(),
            "SELECT rule, subject, window_start_us, leased_micro_usd, gateway "
            "FROM leases",
            [&](const storage::Statement& row) {
              const std::string name(row.text(4).substr(0, row.text(4).find('/')));
              all[name][account_of(row)] += row.integer(3);
            }),
       "read");
  return all;
}

// Of what gateways were lent the store has so much not, or not yet again.
std::int64_t World::lost(const Account& account) const {
  std::int64_t sum = oracle_.lent_twice(account);
  for (const Lost& lost : lost_) {
    const auto found = lost.leased.find(account);
    if (found != lost.leased.end()) sum += found->second;
  }
  return sum;
}

}  // namespace tollgate::sim
