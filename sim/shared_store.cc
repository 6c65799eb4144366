#include "sim/shared_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "storage/account_sums.h"
#include "storage/accounts.h"
#include "storage/try.h"

namespace tollgate::sim {

using storage::Allowances;
using storage::Transaction;

FaultOr<void> SharedStore::commit(Transaction& transaction) {
  if (std::exchange(dies_, false)) return fault(FaultKind::kUnreachable, "the store died");
  return transaction.commit();
}

FaultOr<storage::Lease> SharedStore::lease(const std::string& gateway, storage::LeaseAsk ask,
                                           const Order& order, const std::string& account,
                                           WallTime now) {
  std::string_view packed = account;
  ask.account = *storage::take_account(packed);
  std::uint64_t& latest = latest_[{gateway, account}];
  TRY(transaction, Transaction::begin(database_));
  Allowances allowances(database_, gateway);
  if (order.keep && order.number >= latest) {
    TRY_DO(allowances.give_back(ask.account, *order.keep, now));
  }
  TRY(lease, allowances.lease(ask, now));
  TRY_DO(commit(transaction));
  latest = std::max(latest, order.number);
  return lease;
}

FaultOr<std::uint64_t> SharedStore::written(const std::string& gateway) {
  TRY(mark, storage::read_mark(database_, "sim_written_" + gateway));
  std::uint64_t position = 0;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), position);
  return position;
}

FaultOr<std::uint64_t> SharedStore::spend(const std::string& gateway, std::uint64_t from,
                                          std::uint64_t to, const std::vector<Spending>& spendings,
                                          WallTime now) {
  TRY(transaction, Transaction::begin(database_));
  TRY(there, written(gateway));
  // Told before, or something before it is missing.
  if (there != from) return there;
  Allowances allowances(database_, gateway);
  storage::AccountSums sums;
  for (const Spending& spending : spendings) sums.add(spending.accounts, Money{spending.amount});
  TRY_DO(sums.write(allowances, now));
  TRY_DO(storage::write_mark(database_, "sim_written_" + gateway, std::to_string(to)));
  TRY_DO(commit(transaction));
  return to;
}

FaultOr<void> SharedStore::end_leases(const std::string& gateway, Allowances::Books books,
                                      WallTime now) {
  TRY(transaction, Transaction::begin(database_));
  TRY(rest, Allowances(database_, gateway).end_leases(books, now));
  (void)rest;
  return commit(transaction);
}

}  // namespace tollgate::sim
