#include "storage/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/trail_group.h"
#include "storage/try.h"

namespace tollgate::storage {

FaultOr<std::optional<ChainEnd>> end_of_chain(Database& database, std::string_view gateway) {
  TRY(last, database.prepare("SELECT last_sequence, last_hash, reached_us, text_bytes, records, "
                             "journal_written FROM audit_groups WHERE gateway = ? "
                             "ORDER BY first_sequence DESC LIMIT 1"));
  TRY(there, last.bind(gateway).step());
  if (!there) return std::optional<ChainEnd>();
  std::string lines;
  const std::optional<audit::Hash> hash = hash_from(last.blob(1));
  if (!hash || !uncompress(last.blob(4), last.integer(3), lines)) return damaged_trail(database);
  // The column is believed if the last record carries the same.
  std::string_view line = lines;
  line.remove_suffix(line.ends_with('\n') ? 1 : 0);
  line.remove_prefix(line.find_last_of('\n') + 1);
  if (!line.ends_with(fmt::format("\"hash\":\"{}\"}}", format_hash(*hash)))) {
    return damaged_trail(database);
  }
  ChainEnd end;
  end.sequence = static_cast<std::uint64_t>(last.integer(0));
  end.hash = *hash;
  end.reached_us = last.integer(2);
  end.journal_written = static_cast<std::uint64_t>(last.integer(5));
  return std::optional(end);
}

FaultOr<void> append_rows(Database& database, std::string_view gateway,
                          std::span<const ChainRow> rows, std::uint64_t journal_written) {
  TRY(insert, database.prepare(
                  "INSERT INTO audit_groups (gateway, first_sequence, last_sequence, earliest_us, "
                  "latest_us, reached_us, last_hash, text_bytes, opened, ended, records, "
                  "journal_written) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const ChainRow& row : rows) {
    TRY_DO(insert.bind(gateway)
               .bind(static_cast<std::int64_t>(row.first))
               .bind(static_cast<std::int64_t>(row.last))
               .bind(row.earliest_us)
               .bind(row.latest_us)
               .bind(row.reached_us)
               .bind_blob(row.last_hash)
               .bind(row.text_bytes)
               .bind_blob(bytes_of(row.opened))
               .bind_blob(bytes_of(row.ended))
               .bind_blob(bytes_of(row.records))
               .bind(static_cast<std::int64_t>(journal_written))
               .run());
  }
  return {};
}

std::unexpected<Fault> damaged_trail(const Database& database) {
  return fault(FaultKind::kCorrupt,
               fmt::format("{}: a record of the audit trail is damaged, so the chain cannot be "
                           "continued. `tollgate audit verify` names it; restore a backup.",
                           database.name()));
}

std::string format_hash(const audit::Hash& hash) {
  std::string hex;
  for (const std::uint8_t byte : hash) fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
  return hex;
}

std::optional<audit::Hash> parse_hash(std::string_view hex) {
  audit::Hash hash{};
  if (hex.size() != 2 * hash.size()) return std::nullopt;
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const char* start = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(start, start + 2, hash[i], 16);
    if (error != std::errc() || end != start + 2) return std::nullopt;
  }
  return hash;
}

std::optional<audit::Hash> hash_from(std::span<const std::uint8_t> bytes) {
  audit::Hash hash{};
  if (bytes.size() != hash.size()) return std::nullopt;
  std::ranges::copy(bytes, hash.begin());
  return hash;
}

}  // namespace tollgate::storage
