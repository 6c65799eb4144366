// A moment that the store keeps as a mark.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/units.h"
#include "storage/database.h"
#include "storage/try.h"

namespace tollgate::storage {

// As microseconds since the epoch; the epoch itself where it is no number.
inline WallTime moment_in(std::string_view text) {
  std::int64_t us = 0;
  std::from_chars(text.data(), text.data() + text.size(), us);
  return from_microseconds(us);
}

inline FaultOr<std::optional<WallTime>> read_moment(Database& database, std::string_view name) {
  TRY(mark, read_mark(database, name));
  if (!mark) return std::optional<WallTime>();
  return moment_in(*mark);
}

inline FaultOr<void> write_moment(Database& database, std::string_view name, WallTime moment) {
  return write_mark(database, name, std::to_string(to_microseconds(moment)));
}

}  // namespace tollgate::storage
