// The end of a chain of the trail, and what makes it longer: rows of sealed records.
//
// Blocking I/O on a connection of the caller's, in a transaction of his that holds the chain.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "controls/audit/audit.h"
#include "storage/database.h"

namespace tollgate::storage {

// As it lies in audit_groups; see schema.h.
struct ChainRow {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::int64_t earliest_us = 0;
  std::int64_t latest_us = 0;
  std::int64_t reached_us = 0;
  std::int64_t text_bytes = 0;
  audit::Hash last_hash{};
  std::string opened;
  std::string ended;
  std::string records;
};

// Its last record, and how far the row of it says that the journal is read.
struct ChainEnd {
  std::uint64_t sequence = 0;
  audit::Hash hash{};
  std::int64_t reached_us = 0;
  std::uint64_t journal_written = 0;
};
// Nothing: there is no record yet. kCorrupt where the last one does not say what its row says, so
// that nothing may be written behind it.
FaultOr<std::optional<ChainEnd>> end_of_chain(Database& database, std::string_view gateway);

FaultOr<void> append_rows(Database& database, std::string_view gateway,
                          std::span<const ChainRow> rows, std::uint64_t journal_written);

std::unexpected<Fault> damaged_trail(const Database& database);

std::string format_hash(const audit::Hash& hash);
std::optional<audit::Hash> parse_hash(std::string_view hex);
// Empty where they are not 32 bytes.
std::optional<audit::Hash> hash_from(std::span<const std::uint8_t> bytes);

}  // namespace tollgate::storage
