#include "storage/lease_expiry.h"

#include "storage/allowances.h"
#include "storage/database.h"
#include "storage/moment_mark.h"
#include "storage/trail_writer.h"
#include "storage/try.h"

namespace tollgate::storage {

std::string expired_of(std::string_view gateway) { return std::string(gateway) + "/expired"; }

std::string expiry_mark(std::string_view gateway) { return mark_of(gateway, "leases_expired"); }

FaultOr<std::vector<std::string>> with_overdue_leases(Database& database, Duration leases_last) {
  std::vector<std::string> names;
  TRY(now, database.now());
  TRY(rows, database.prepare("SELECT gateway FROM gateways WHERE seen_us < ? AND NOT EXISTS "
                             "(SELECT 1 FROM marks WHERE name = gateways.gateway || '/retired' OR "
                             "name = gateways.gateway || '/leases_expired') ORDER BY gateway"));
  rows.bind(to_microseconds(now - leases_last));
  while (true) {
    TRY(there, rows.step());
    if (!there) return names;
    names.emplace_back(rows.text(0));
  }
}

FaultOr<void> expire_leases(Database& database, Duration leases_last) {
  TRY(names, with_overdue_leases(database, leases_last));
  TRY(now, database.now());
  for (const std::string& name : names) {
    for (const std::string& lessee : {name, earlier_of(name)}) {
      TRY_DO(Allowances(database, lessee).hand_over(expired_of(lessee), now));
    }
    TRY_DO(write_moment(database, expiry_mark(name), now));
  }
  return {};
}

FaultOr<void> take_back_leases(Database& database, std::string_view gateway) {
  TRY(now, database.now());
  for (const std::string& lessee : {std::string(gateway), earlier_of(gateway)}) {
    TRY_DO(Allowances(database, expired_of(lessee)).hand_over(lessee, now));
  }
  TRY(remove, database.prepare("DELETE FROM marks WHERE name = ?"));
  return remove.bind(expiry_mark(gateway)).run();
}

}  // namespace tollgate::storage
