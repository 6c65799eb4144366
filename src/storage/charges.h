// The books by day and by all that they tell apart: for chargeback, and for invoices.
//
// Blocking I/O on a connection of the caller's; nothing is gathered in memory.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/fault.h"
#include "storage/database.h"
#include "storage/spend.h"

namespace tollgate::storage {

struct ChargeQuery {
  std::optional<WallTime> since;  // Whole days of UTC: from the one that holds it…
  std::optional<WallTime> until;  // …to the one that holds the moment before it.
  std::string tenant;             // Empty: all.
};
struct ChargeRow {
  std::string day;  // "2026-11-27"; "earlier": what the books keep no longer by the day.
  std::string_view tenant;
  std::string_view user;
  std::string_view key_id;
  std::string_view route;
  std::string_view model;
  Spent spent;
};
// By day, then tenant, user, key, route and model. The views are of this call.
FaultOr<void> each_charge(Database& database, const ChargeQuery& query,
                          const std::function<void(const ChargeRow&)>& tell);

}  // namespace tollgate::storage
