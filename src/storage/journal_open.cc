#include "storage/journal_open.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kIdMark = "journal_id";
// kClean, or the run of the machine in which a gateway is at work.
constexpr std::string_view kStateMark = "journal_state";
constexpr std::string_view kClean = "clean";
// Whether what an earlier gateway held may be in no journal: "yes", or not.
constexpr std::string_view kLackMark = "journal_may_lack";
constexpr std::string_view kAcceptLoss = "accept-loss";
constexpr Bytes kReplayGroupBytes = 4 << 20;

// The machine's run; empty where the system does not say, which then counts as the same run.
std::string boot_of(const JournalOptions& options) {
  if (!options.boot.empty()) return options.boot;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return "boot " + id;
}

std::string hex_of(const JournalId& id) {
  std::string hex;
  for (const std::uint8_t byte : id) fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
  return hex;
}

std::optional<JournalId> parse_id(std::string_view hex) {
  JournalId id;
  if (hex.size() != 2 * id.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const char* start = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(start, start + 2, id[i], 16);
    if (error != std::errc() || end != start + 2) return std::nullopt;
  }
  return id;
}

FaultOr<JournalId> random_id() {
  JournalId id;
  if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) {
    return fault(FaultKind::kBroken, "The system gave no random bytes.");
  }
  return id;
}

std::unexpected<Fault> missing(const std::string& path, const std::string& directory) {
  return fault(
      FaultKind::kCorrupt,
      fmt::format("{}: the journal of this database is missing, and the gateway that wrote it did "
                  "not stop cleanly, so decisions and bookings of its last moments may be in the "
                  "journal alone. Put the directory back. To go on without it, and with their "
                  "loss: mkdir -p {} && touch {}/{}",
                  directory, directory, directory, kAcceptLoss)
          .append(fmt::format(" (the database is {}).", path)));
}

// Moves the directory away under the first free name.
FaultOr<void> set_aside(const std::string& directory) {
  for (int n = 1; true; ++n) {
    const std::string aside = fmt::format("{}.set-aside-{}", directory, n);
    if (std::filesystem::exists(aside)) continue;
    std::error_code error;
    std::filesystem::rename(directory, aside, error);
    if (error) {
      return fault(FaultKind::kUnreachable, fmt::format("{}: cannot be set aside as {} ({}).",
                                                        directory, aside, error.message()));
    }
    fmt::print(stderr,
               "tollgate: {}: set aside as {} without having been read, as its file {} says; what "
               "only it held is lost\n",
               directory, aside, kAcceptLoss);
    return {};
  }
}

// Names a journal that is not there yet: a crash before it is finds a clean end.
FaultOr<void> mark_named(Database& database, const FoundJournal& found) {
  TRY(transaction, Transaction::begin(database));
  TRY_DO(write_mark(database, mark_of(found.gateway, kIdMark), hex_of(found.id)));
  if (found.may_lack) TRY_DO(write_mark(database, mark_of(found.gateway, kLackMark), "yes"));
  TRY_DO(write_mark(database, mark_of(found.gateway, kStateMark), kClean));
  const JournalPosition start = JournalPosition::start_of(found.next_number);
  TRY_DO(
      write_mark(database, mark_of(found.gateway, kJournalWritten), std::to_string(start.value)));
  TRY_DO(transaction.commit());
  if (mkdir(found.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: the directory of the journal cannot be made ({}). The "
                             "gateway's user must be able to write the directory of store.ledger.",
                             found.directory, std::strerror(errno)));
  }
  return {};
}

}  // namespace

std::string journal_directory(const std::string& path) { return path + ".journal"; }

FaultOr<FoundJournal> find_journal(Database& database, JournalPosition written,
                                   const JournalOptions& options) {
  FoundJournal found;
  found.gateway = options.gateway;
  found.directory =
      options.directory.empty() ? journal_directory(database.name()) : options.directory;
  found.next_number = written.number() + 1;
  TRY(id_mark, read_mark(database, mark_of(found.gateway, kIdMark)));
  TRY(state, read_mark(database, mark_of(found.gateway, kStateMark)));
  TRY(lack, read_mark(database, mark_of(found.gateway, kLackMark)));
  found.may_lack = lack == "yes";
  std::optional<JournalId> id = id_mark ? parse_id(*id_mark) : std::nullopt;
  if (std::filesystem::exists(found.directory + "/" + std::string(kAcceptLoss))) {
    TRY_DO(set_aside(found.directory));
    found.may_lack = true;
    TRY(fresh, random_id());
    found.id = fresh;
    TRY_DO(mark_named(database, found));
    return found;
  }

  TRY(files, segment_files(found.directory));
  found.files = std::move(files);
  if (!id) {
    if (!found.files.empty()) {
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: this journal belongs to another database than {}, which knows "
                               "of none. Put the database back that it belongs to; or move the "
                               "directory away, and what only it holds with it.",
                               found.directory, database.name()));
    }
    TRY(fresh, random_id());
    found.id = fresh;
    TRY_DO(mark_named(database, found));
    return found;
  }

  found.id = *id;
  JournalEnd end = JournalEnd::kPowerLoss;
  if (state == kClean) end = JournalEnd::kClean;
  if (state == boot_of(options)) end = JournalEnd::kKilled;
  if (end == JournalEnd::kPowerLoss) found.may_lack = true;
  if (!found.files.empty()) {
    TRY(contents, read_journal(found.directory, found.id, written, end));
    found.contents = std::move(contents);
  }
  if (found.contents.unreadable > 0) {
    found.may_lack = true;
    fmt::print(stderr,
               "tollgate: {}: up to {} bytes at the end of the journal cannot be read and are "
               "passed over\n",
               found.directory, found.contents.unreadable);
  }
  if (found.contents.last_number != 0) {
    found.next_number = std::max(found.contents.last_number, written.number()) + 1;
    return found;
  }
  if (end == JournalEnd::kClean) {
    TRY_DO(mark_named(database, found));
    return found;
  }
  // A machine without power may leave the files and not what was in them.
  if (end == JournalEnd::kPowerLoss && !found.files.empty()) return found;
  return missing(database.name(), found.directory);
}

FaultOr<std::int64_t> replay(const FoundJournal& found, TrailWriter& writer) {
  const std::vector<JournalItem>& items = found.contents.items;
  for (std::size_t i = 0; i < items.size();) {
    Bytes taken = 0;
    do {
      if (!writer.take(items[i].packed)) {
        return fault(FaultKind::kCorrupt,
                     fmt::format("{}: an entry of the journal is whole but says nothing. It was "
                                 "written by another version of tollgate: start that one.",
                                 found.directory));
      }
      taken += static_cast<Bytes>(items[i].packed.size());
    } while (++i < items.size() && taken < kReplayGroupBytes);
    writer.end_group(items[i - 1].end.value);
    TRY_DO(writer.write());
  }
  return static_cast<std::int64_t>(items.size());
}

FaultOr<void> mark_at_work(Database& database, const FoundJournal& found,
                           const JournalOptions& options) {
  TRY(transaction, Transaction::begin(database));
  const JournalPosition start = JournalPosition::start_of(found.next_number);
  TRY_DO(
      write_mark(database, mark_of(found.gateway, kJournalWritten), std::to_string(start.value)));
  TRY_DO(write_mark(database, mark_of(found.gateway, kStateMark), boot_of(options)));
  if (found.may_lack) TRY_DO(write_mark(database, mark_of(found.gateway, kLackMark), "yes"));
  TRY_DO(transaction.commit());
  for (const std::string& file : found.files) unlink(file.c_str());
  return {};
}

FaultOr<void> forget_lack(Database& database, std::string_view gateway) {
  return write_mark(database, mark_of(gateway, kLackMark), "no");
}

FaultOr<void> mark_clean(Database& database, std::string_view gateway) {
  return write_mark(database, mark_of(gateway, kStateMark), kClean);
}

}  // namespace tollgate::storage
