#include "storage/sqlite_database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/check.h"
#include "storage/schema.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// The trail is written in large rows: the larger the page, the fewer system calls. SQLite's
// checkpoint after 1000 pages then bounds its log to 16 MiB.
constexpr int kPageBytes = 16 << 10;

constexpr const char* kRestore =
    "Stop the gateway, move the file away with its -wal and -shm, and put a backup in its place; "
    "`sqlite3 FILE .recover` may save what is readable";

std::unexpected<Fault> fault_of(int code, int system_error, const std::string& path,
                                const char* said) {
  const char* why = system_error != 0 ? std::strerror(system_error) : said;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fault(FaultKind::kTimeout,
                   fmt::format("{}: another process keeps the database locked. Look for a backup "
                               "or a `sqlite3` shell that is in a transaction.",
                               path));
    case SQLITE_FULL:
      return fault(FaultKind::kRefusedByPeer,
                   fmt::format("{}: the disk is full. Free space on its file system; the gateway "
                               "goes on by itself.",
                               path));
    case SQLITE_READONLY:
      return fault(FaultKind::kRefusedByPeer,
                   fmt::format("{}: the database is read-only ({}). Make the file and its "
                               "directory writable for the gateway's user.",
                               path, said));
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return fault(FaultKind::kUnreachable,
                   fmt::format("{}: the database cannot be opened ({}). The gateway's user must "
                               "be able to read and write the file and its directory.",
                               path, why));
    case SQLITE_CORRUPT:
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: the database is damaged ({}). {}.", path, said, kRestore));
    case SQLITE_NOTADB:
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: this file is not a database, or its first page is damaged. "
                               "Check the path in store.ledger. {}.",
                               path, kRestore));
    case SQLITE_IOERR:
      return fault(FaultKind::kRefusedByPeer,
                   fmt::format("{}: the disk failed to read or write ({}). Check the device and "
                               "the kernel's log.",
                               path, why));
    default:
      return fault(FaultKind::kBroken, fmt::format("{}: SQLite said: {}.", path, said));
  }
}

std::unexpected<Fault> fault_of(sqlite3* handle, const std::string& path) {
  return fault_of(sqlite3_errcode(handle), sqlite3_system_errno(handle), path,
                  sqlite3_errmsg(handle));
}

// What SQLite would pass over in silence: a directory that is missing, a file that was emptied,
// a log whose database is gone. True: there is a database to open.
FaultOr<bool> exists_whole(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  struct stat status{};
  if (!directory.empty() && stat(directory.c_str(), &status) != 0) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: the directory {} cannot be reached ({}). Create it for the "
                             "gateway's user, or change store.ledger.",
                             path, directory.string(), std::strerror(errno)));
  }
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) {
      return fault(FaultKind::kUnreachable,
                   fmt::format("{}: cannot be reached ({}).", path, std::strerror(errno)));
    }
    if (stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0) {
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: the database is gone but its log {}-wal is there. Put the "
                               "file back; to begin with empty books, delete the log.",
                               path, path));
    }
    return false;
  }
  if (S_ISDIR(status.st_mode)) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: is a directory. store.ledger names a file.", path));
  }
  if (status.st_size == 0) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: the file is empty, which a database of the gateway never is. "
                             "Put a backup in its place; to begin with empty books, delete it.",
                             path));
  }
  return true;
}

class SqliteStatement final : public PreparedStatement {
 public:
  SqliteStatement(const std::string& path, sqlite3_stmt* prepared)
      : path_(path), prepared_(prepared) {}
  ~SqliteStatement() override { sqlite3_finalize(prepared_); }

  void bind(int parameter, std::int64_t number) override {
    CHECK(sqlite3_bind_int64(prepared_, parameter + 1, number) == SQLITE_OK);
  }
  void bind(int parameter, std::string_view text) override {
    // A null pointer would bind NULL.
    const char* start = text.empty() ? "" : text.data();
    CHECK(sqlite3_bind_text64(prepared_, parameter + 1, start, text.size(), SQLITE_STATIC,
                              SQLITE_UTF8) == SQLITE_OK);
  }
  void bind(int parameter, std::span<const std::uint8_t> bytes) override {
    const void* start = bytes.empty() ? static_cast<const void*>("") : bytes.data();
    CHECK(sqlite3_bind_blob64(prepared_, parameter + 1, start, bytes.size(), SQLITE_STATIC) ==
          SQLITE_OK);
  }
  void bind_no_number(int parameter) override {
    CHECK(sqlite3_bind_null(prepared_, parameter + 1) == SQLITE_OK);
  }

  FaultOr<bool> step() override {
    const int code = sqlite3_step(prepared_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return fault_of(sqlite3_db_handle(prepared_), path_);
  }
  FaultOr<void> run() override {
    FaultOr<bool> stepped = step();
    while (stepped && *stepped) stepped = step();
    if (!stepped) return std::unexpected(std::move(stepped.error()));
    return {};
  }
  void reset() override { sqlite3_reset(prepared_); }

  bool is_null(int column) const override {
    return sqlite3_column_type(prepared_, column) == SQLITE_NULL;
  }
  std::int64_t integer(int column) const override {
    return sqlite3_column_int64(prepared_, column);
  }
  std::string_view text(int column) const override {
    const auto* start = reinterpret_cast<const char*>(sqlite3_column_text(prepared_, column));
    if (start == nullptr) return {};
    return {start, static_cast<std::size_t>(sqlite3_column_bytes(prepared_, column))};
  }
  std::span<const std::uint8_t> blob(int column) const override {
    const auto* start = static_cast<const std::uint8_t*>(sqlite3_column_blob(prepared_, column));
    if (start == nullptr) return {};
    return {start, static_cast<std::size_t>(sqlite3_column_bytes(prepared_, column))};
  }

 private:
  const std::string& path_;
  sqlite3_stmt* prepared_;
};

class SqliteDatabase final : public Database {
 public:
  static FaultOr<std::unique_ptr<Database>> open(const std::string& path,
                                                 const DatabaseOptions& options);
  ~SqliteDatabase() override;

  void set_busy_timeout(Duration timeout) override;
  FaultOr<Statement> prepare(std::string_view sql) override;
  FaultOr<void> execute(const char* sql) override;
  FaultOr<WallTime> now() override {
    return std::chrono::floor<Duration>(std::chrono::system_clock::now());
  }
  FaultOr<void> check_whole() override;

 private:
  SqliteDatabase(const std::string& path, sqlite3* handle) : Database(path), handle_(handle) {}

  static FaultOr<std::unique_ptr<SqliteDatabase>> connect(const std::string& path,
                                                          const DatabaseOptions& options);
  static FaultOr<void> make(const std::string& path, const DatabaseOptions& options);
  FaultOr<void> migrate();
  FaultOr<std::int64_t> read_number(const char* sql);

  FaultOr<void> begin(Begin what) override;
  FaultOr<void> commit() override;
  void roll_back() override;
  bool in_transaction() const override { return sqlite3_get_autocommit(handle_) == 0; }

  sqlite3* handle_;
  std::map<std::string, std::unique_ptr<SqliteStatement>, std::less<>> prepared_;
};

void SqliteDatabase::set_busy_timeout(Duration timeout) {
  busy_timeout_ = timeout;
  sqlite3_busy_timeout(handle_, static_cast<int>(timeout.count() / 1000));
}

FaultOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::connect(const std::string& path,
                                                                 const DatabaseOptions& options) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  std::unique_ptr<SqliteDatabase> opened(new SqliteDatabase(path, handle));
  if (code != SQLITE_OK) return fault_of(handle, path);
  sqlite3_extended_result_codes(handle, 1);
  opened->set_busy_timeout(options.busy_timeout);
  // What a damaged or planted schema could make SQLite run is off.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  const char* settings = options.durability == Durability::kFull
                             ? "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON"
                             : "PRAGMA synchronous = OFF";
  TRY_DO(opened->execute(settings));
  return opened;
}

FaultOr<std::unique_ptr<Database>> SqliteDatabase::open(const std::string& path,
                                                        const DatabaseOptions& options) {
  TRY(there, exists_whole(path));
  if (!there) TRY_DO(make(path, options));
  TRY(opened, connect(path, options));
  TRY_DO(opened->migrate());
  return std::move(opened);
}

// Makes the file under another name and links it into place when it is whole, so that a crash
// leaves no half of a database and two processes that start at once end up with one.
FaultOr<void> SqliteDatabase::make(const std::string& path, const DatabaseOptions& options) {
  const std::string draft = fmt::format("{}.new-{}", path, getpid());
  const auto fill = [&]() -> FaultOr<void> {
    TRY(made, connect(draft, options));
    TRY_DO(made->execute(fmt::format("PRAGMA page_size = {}; PRAGMA application_id = {}; "
                                     "PRAGMA journal_mode = WAL",
                                     kPageBytes, kApplicationId)
                             .c_str()));
    return made->migrate();
  };
  const auto unlink_draft = [&] {
    for (const char* end : {"", "-wal", "-shm"}) unlink((draft + end).c_str());
  };
  unlink_draft();
  FaultOr<void> filled = fill();
  chmod(draft.c_str(), 0600);
  if (filled && link(draft.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    filled = fault(FaultKind::kUnreachable,
                   fmt::format("{}: cannot be made ({}).", path, std::strerror(errno)));
  }
  unlink_draft();
  return filled;
}

SqliteDatabase::~SqliteDatabase() {
  prepared_.clear();
  sqlite3_close_v2(handle_);
}

FaultOr<Statement> SqliteDatabase::prepare(std::string_view sql) {
  const auto found = prepared_.find(sql);
  if (found != prepared_.end()) return Statement(*found->second);
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  if (code != SQLITE_OK) return fault_of(handle_, name());
  auto statement = std::make_unique<SqliteStatement>(name(), made);
  return Statement(*(prepared_[std::string(sql)] = std::move(statement)));
}

FaultOr<void> SqliteDatabase::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return fault_of(handle_, name());
  }
  return {};
}

FaultOr<void> SqliteDatabase::check_whole() {
  TRY(check, prepare("PRAGMA quick_check(1)"));
  TRY(row, check.step());
  const std::string verdict(row ? check.text(0) : "no answer");
  if (verdict == "ok") return {};
  return fault_of(SQLITE_CORRUPT, 0, name(), verdict.c_str());
}

FaultOr<std::int64_t> SqliteDatabase::read_number(const char* sql) {
  TRY(query, prepare(sql));
  TRY(row, query.step());
  CHECK(row);
  return query.integer(0);
}

FaultOr<void> SqliteDatabase::migrate() {
  constexpr auto known = static_cast<std::int64_t>(kSchemaSteps.size());
  TRY(application, read_number("PRAGMA application_id"));
  if (application != kApplicationId) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: is a database of another program. Name a file of its own in "
                             "store.ledger.",
                             name()));
  }
  TRY(seen, read_number("PRAGMA user_version"));
  if (seen == known) return {};
  TRY(transaction, Transaction::begin(*this));
  // Again under the lock: another process may have been faster.
  TRY(version, read_number("PRAGMA user_version"));
  if (version > known || version < 0) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: the database has version {}; this tollgate knows versions up to "
                             "{}. Run the tollgate that wrote it, or a newer one.",
                             name(), version, known));
  }
  for (std::int64_t step = version; step < known; ++step) {
    TRY_DO(execute(kSchemaSteps[static_cast<std::size_t>(step)]));
    TRY_DO(execute(fmt::format("PRAGMA user_version = {}", step + 1).c_str()));
  }
  return transaction.commit();
}

FaultOr<void> SqliteDatabase::begin(Begin what) {
  // A reader's snapshot is taken by its first SELECT.
  TRY(begin, prepare(what == Begin::kWriting ? "BEGIN IMMEDIATE" : "BEGIN"));
  return begin.run();
}

FaultOr<void> SqliteDatabase::commit() {
  TRY(commit, prepare("COMMIT"));
  return commit.run();
}

void SqliteDatabase::roll_back() {
  // Fails only where SQLite has rolled back by itself.
  (void)execute("ROLLBACK");
}

}  // namespace

FaultOr<std::unique_ptr<Database>> open_sqlite(const std::string& path,
                                               const DatabaseOptions& options) {
  return SqliteDatabase::open(path, options);
}

}  // namespace tollgate::storage
