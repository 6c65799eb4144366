#include "storage/trail_group.h"

#include <fmt/format.h>
#include <lz4.h>
#include <simdjson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers lie in rows as in memory");

// Trades a few bytes for speed; see LZ4_compress_fast().
constexpr int kAcceleration = 4;
// LZ4 cannot say more with one byte, so no row can ask for more memory than it deserves.
constexpr std::int64_t kExpansionMax = 256;
// So many rows a walk reads at once, without their records.
constexpr int kPageRows = 256;
// Begins a list of open decisions that names their requests; one that does not has 16 bytes each.
constexpr char kNamesRequests = 2;
constexpr std::size_t kNamedBytes = 32;
constexpr std::size_t kUnnamedBytes = 16;

template <class Number>
Number take_number(std::span<const std::uint8_t>& bytes) {
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes = bytes.subspan(sizeof number);
  return number;
}

}  // namespace

void compress(std::string_view lines, std::string& packed) {
  CHECK(lines.size() <= LZ4_MAX_INPUT_SIZE);
  const int size = static_cast<int>(lines.size());
  const int most = LZ4_compressBound(size);
  packed.resize_and_overwrite(static_cast<std::size_t>(most), [&](char* out, std::size_t) {
    return static_cast<std::size_t>(
        LZ4_compress_fast(lines.data(), out, size, most, kAcceleration));  // NOLINT: with its size.
  });
  CHECK(!packed.empty());
}

bool uncompress(std::span<const std::uint8_t> packed, std::int64_t text_bytes, std::string& lines) {
  const auto size = static_cast<std::int64_t>(packed.size());
  if (size > INT32_MAX || text_bytes < 1 || text_bytes > LZ4_MAX_INPUT_SIZE ||
      text_bytes > size * kExpansionMax) {
    return false;
  }
  lines.reserve(static_cast<std::size_t>(text_bytes) + simdjson::SIMDJSON_PADDING);
  bool whole = false;
  const auto wanted = static_cast<std::size_t>(text_bytes);
  lines.resize_and_overwrite(wanted, [&](char* out, std::size_t) {
    const int made = LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data()), out,
                                         static_cast<int>(size), static_cast<int>(wanted));
    whole = made == static_cast<int>(wanted);
    return whole ? wanted : 0;
  });
  return whole;
}

std::string_view take_line(std::string_view& lines) {
  const std::size_t end = lines.find('\n');
  const std::string_view line = lines.substr(0, end);
  lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  return line;
}

void append_sequence(std::uint64_t sequence, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&sequence), sizeof sequence);
}

RequestKey key_of(std::string_view id) {
  const XXH128_hash_t hash = XXH3_128bits(id.data(), id.size());
  return {hash.low64, hash.high64};
}

void append_opened(const OpenDecision& decision, std::string& bytes) {
  if (bytes.empty()) bytes.push_back(kNamesRequests);
  append_sequence(decision.sequence, bytes);
  bytes.append(reinterpret_cast<const char*>(&decision.held.micro_usd),
               sizeof decision.held.micro_usd);
  const RequestKey request = decision.request.value_or(RequestKey{});
  append_sequence(request.low, bytes);
  append_sequence(request.high, bytes);
}

std::vector<OpenDecision> read_opened(std::span<const std::uint8_t> bytes) {
  std::vector<OpenDecision> opened;
  const bool named = bytes.size() % kNamedBytes == 1 && bytes.front() == kNamesRequests;
  if (named) bytes = bytes.subspan(1);
  while (bytes.size() >= (named ? kNamedBytes : kUnnamedBytes)) {
    OpenDecision decision;
    decision.sequence = take_number<std::uint64_t>(bytes);
    decision.held.micro_usd = take_number<std::int64_t>(bytes);
    if (named) {
      RequestKey& request = decision.request.emplace();
      request.low = take_number<std::uint64_t>(bytes);
      request.high = take_number<std::uint64_t>(bytes);
    }
    opened.push_back(decision);
  }
  return opened;
}

std::vector<std::uint64_t> read_sequences(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint64_t> sequences;
  while (bytes.size() >= 8) sequences.push_back(take_number<std::uint64_t>(bytes));
  return sequences;
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

FaultOr<std::int64_t> row_of(Database& database, std::string_view gateway, std::int64_t sequence) {
  TRY(row, database.prepare("SELECT coalesce(max(first_sequence), 0) FROM audit_groups "
                            "WHERE gateway = ? AND first_sequence <= ?"));
  TRY(there, row.bind(gateway).bind(sequence).step());
  return there ? row.integer(0) : 0;
}

FaultOr<std::vector<std::string>> chains(Database& database) {
  std::vector<std::string> names;
  while (true) {
    // One step through the index a name, however long the trails are.
    TRY(next, database.prepare("SELECT min(gateway) FROM audit_groups WHERE gateway > ?"));
    TRY(there,
        next.bind(names.empty() ? std::string_view() : std::string_view(names.back())).step());
    if (!there || next.text(0).empty()) return names;
    names.emplace_back(next.text(0));
  }
}

FaultOr<GroupWalk> GroupWalk::begin(Database& database, const Stretch& stretch,
                                    Direction direction) {
  GroupWalk walk(database, stretch, direction);
  if (!walk.gateway_.empty()) {
    TRY(start, row_of(database, walk.gateway_, stretch.from));
    walk.stretch_.from = start;
    return walk;
  }
  // A moment before the first that is wanted.
  if (direction == Direction::kOldestFirst) {
    walk.last_read_.reached_us = stretch.since_us;
  } else {
    walk.last_read_.reached_us = stretch.behind.reached_us;
    walk.last_read_.gateway = stretch.behind.gateway;
    walk.last_read_.first = stretch.behind.sequence;
  }
  walk.stretch_.behind = {};
  return walk;
}

namespace {

// Without `records`, which is read for the rows that are wanted only.
std::string page_of(std::string_view range, std::string_view order) {
  return fmt::format(
      "SELECT gateway, first_sequence, last_sequence, earliest_us, reached_us, text_bytes FROM "
      "audit_groups WHERE {} AND earliest_us < ? ORDER BY {} LIMIT {}",
      range, order, kPageRows);
}

}  // namespace

FaultOr<void> GroupWalk::read_page() {
  const bool forward = direction_ == Direction::kOldestFirst;
  static const std::array<std::string, 4> kPages = {
      page_of("gateway = ? AND first_sequence >= ? AND first_sequence < ?", "first_sequence"),
      page_of("gateway = ? AND first_sequence >= ? AND first_sequence < ?", "first_sequence DESC"),
      page_of("(reached_us, gateway, first_sequence) > (?, ?, ?)",
              "reached_us, gateway, first_sequence"),
      page_of("(reached_us, gateway, first_sequence) < (?, ?, ?)",
              "reached_us DESC, gateway DESC, first_sequence DESC")};
  TRY(rows, database_->prepare(kPages[(gateway_.empty() ? 2U : 0U) + (forward ? 0U : 1U)]));
  if (gateway_.empty()) {
    rows.bind(last_read_.reached_us).bind(last_read_.gateway).bind(last_read_.first);
  } else {
    rows.bind(gateway_).bind(stretch_.from).bind(stretch_.below);
  }
  rows.bind(stretch_.until_us);
  page_.clear();
  at_ = 0;
  while (true) {
    TRY(there, rows.step());
    if (!there) break;
    page_.push_back({std::string(rows.text(0)), rows.integer(1), rows.integer(2), rows.integer(3),
                     rows.integer(4), rows.integer(5)});
  }
  has_more_ = page_.size() == static_cast<std::size_t>(kPageRows);
  if (page_.empty()) return {};
  last_read_ = page_.back();
  (forward ? stretch_.from : stretch_.below) = last_read_.first + (forward ? 1 : 0);
  return {};
}

FaultOr<bool> GroupWalk::step() {
  while (true) {
    if (at_ + 1 < page_.size()) {
      ++at_;
    } else {
      if (!has_more_) return false;
      TRY_DO(read_page());
      if (page_.empty()) return false;
    }
    if (row().reached_us >= stretch_.since_us) return true;
    // The times that rows reach grow with the order of each walk.
    if (direction_ == Direction::kNewestFirst) return false;
  }
}

FaultOr<std::string_view> GroupWalk::lines() {
  TRY(read, database_->prepare("SELECT records FROM audit_groups WHERE gateway = ? AND "
                               "first_sequence = ?"));
  TRY(there, read.bind(gateway()).bind(first()).step());
  if (there && uncompress(read.blob(0), row().text_bytes, lines_)) return std::string_view(lines_);
  return fault(FaultKind::kCorrupt,
               fmt::format("{}: the records {} to {} of the audit trail are damaged. "
                           "`tollgate audit verify` says more; restore a backup.",
                           database_->name(), first(), last()));
}

}  // namespace tollgate::storage
