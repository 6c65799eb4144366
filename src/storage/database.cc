#include "storage/database.h"

#include "storage/postgres_database.h"
#include "storage/sqlite_database.h"
#include "storage/try.h"

namespace tollgate::storage {

Statement& Statement::bind(std::int64_t number) {
  prepared_->bind(bound_++, number);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  prepared_->bind(bound_++, text);
  return *this;
}

Statement& Statement::bind(const std::optional<std::int64_t>& number) {
  if (number) return bind(*number);
  prepared_->bind_no_number(bound_++);
  return *this;
}

Statement& Statement::bind_blob(std::span<const std::uint8_t> bytes) {
  prepared_->bind(bound_++, bytes);
  return *this;
}

FaultOr<bool> Statement::step() { return prepared_->step(); }

FaultOr<void> Statement::run() {
  FaultOr<void> done = prepared_->run();
  reset();
  return done;
}

void Statement::reset() {
  if (prepared_ == nullptr) return;
  prepared_->reset();
  bound_ = 0;
}

std::optional<std::int64_t> Statement::integer_or_null(int column) const {
  if (prepared_->is_null(column)) return std::nullopt;
  return integer(column);
}

bool is_postgres(std::string_view where) {
  return where.starts_with("postgres://") || where.starts_with("postgresql://");
}

FaultOr<std::unique_ptr<Database>> Database::open(const std::string& where,
                                                  const DatabaseOptions& options) {
  if (is_postgres(where)) return open_postgres(where, options);
  return open_sqlite(where, options);
}

FaultOr<Transaction> Transaction::begin(Database& database) {
  TRY_DO(database.begin(Database::Begin::kWriting));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) database_->roll_back();
}

FaultOr<void> Transaction::commit() {
  TRY_DO(database_->commit());
  database_ = nullptr;
  return {};
}

FaultOr<Snapshot> Snapshot::begin(Database& database) {
  if (database.in_transaction()) return Snapshot(nullptr);
  TRY_DO(database.begin(Database::Begin::kReading));
  return Snapshot(&database);
}

Snapshot::~Snapshot() {
  if (database_ != nullptr) database_->roll_back();
}

FaultOr<std::optional<std::string>> read_mark(Database& database, std::string_view name) {
  TRY(query, database.prepare("SELECT value FROM marks WHERE name = ?"));
  TRY(row, query.bind(name).step());
  if (!row) return std::optional<std::string>();
  return std::string(query.text(0));
}

FaultOr<void> write_mark(Database& database, std::string_view name, std::string_view value) {
  TRY(upsert, database.prepare("INSERT INTO marks (name, value) VALUES (?, ?) "
                               "ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
  return upsert.bind(name).bind(value).run();
}

std::int64_t to_microseconds(WallTime time) { return time.time_since_epoch().count(); }

WallTime from_microseconds(std::int64_t microseconds) { return WallTime(Duration(microseconds)); }

}  // namespace tollgate::storage
