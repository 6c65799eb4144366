// What the clocks of a place read, and when: where the days of its budgets begin.
//
// The rules are ICU's. They are read once for each zone, into a table of the moments at which its
// clocks change, and the table stays as long as the process does. So a TimeZone is a value that
// is copied like a number and outlives every configuration, and asking it is a search in a
// sorted table: no lock, nothing allocated. named() and known_time_zones() are for the loader:
// they lock, allocate and read ICU's data.
//
// Before 1970 the offset of 1970 holds, from 2200 on the last one known.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace tollgate::cost {

// What a clock on the wall reads.
using LocalTime = std::chrono::local_time<Duration>;

class TimeZone {
 public:
  TimeZone() = default;  // UTC.
  // By the name of the IANA database, "Europe/Berlin", or "UTC". Nothing: ICU does not know it.
  static std::optional<TimeZone> named(std::string_view name);

  std::string_view name() const;

  // A stretch of time between two changes of the clocks, from `start` to before `end`.
  struct Stretch {
    WallTime start;
    WallTime end;
    Duration ahead;  // Of UTC.
    LocalTime local(WallTime moment) const { return LocalTime(moment.time_since_epoch() + ahead); }
  };
  Stretch stretch_of(WallTime moment) const;

  // The first moment at which the clocks read `reading` or later: where a reading is skipped the
  // change that skips it, where it comes twice the earlier one.
  WallTime first(LocalTime reading) const;

  friend bool operator==(TimeZone, TimeZone) = default;

 private:
  struct Table;
  explicit TimeZone(const Table* table) : table_(table) {}
  static const Table* read(std::string_view name);
  Stretch stretch(std::size_t index) const;
  std::size_t index_of(WallTime moment) const;

  const Table* table_ = nullptr;  // Null: UTC.
};

// Every name that named() takes, in order.
const std::vector<std::string_view>& known_time_zones();

}  // namespace tollgate::cost
