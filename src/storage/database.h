// One connection to the store's database, and its statements: a SQLite file or PostgreSQL.
//
// The same SQL runs on both: `?` for parameters, the words that both know, and nothing else.
// All that a database says turns into a Fault here that names it and what to do about it. One
// that is damaged, of a newer version or not ours is refused: the gateway never begins anew over
// books that it cannot read. Values reach SQL as bound parameters only.
//
// Blocking I/O, bounded by deadlines where there is a network. A Database and its statements
// belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/fault.h"
#include "base/units.h"

namespace tollgate::storage {

enum class Durability : std::uint8_t {
  kFull,     // A commit survives the loss of power.
  kProcess,  // A commit survives the process only: for stores that end with it.
};

struct DatabaseOptions {
  Durability durability = Durability::kFull;
  Duration busy_timeout = std::chrono::seconds(5);  // For a lock of another connection.
  // Of PostgreSQL: for a connection, and for an answer, beyond the wait for a lock.
  Duration connect_deadline = std::chrono::seconds(2);
  Duration statement_deadline = std::chrono::seconds(2);
};

// A statement as its database keeps it, at its start unless one Statement uses it.
class PreparedStatement {
 public:
  virtual ~PreparedStatement() = default;

  // Parameters count from 0. Text and blobs are borrowed until reset().
  virtual void bind(int parameter, std::int64_t number) = 0;
  virtual void bind(int parameter, std::string_view text) = 0;
  virtual void bind(int parameter, std::span<const std::uint8_t> bytes) = 0;
  virtual void bind_no_number(int parameter) = 0;

  virtual FaultOr<bool> step() = 0;
  virtual FaultOr<void> run() = 0;
  virtual void reset() = 0;

  // Of the row that is here. Columns count from 0.
  virtual bool is_null(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
  virtual std::span<const std::uint8_t> blob(int column) const = 0;
};

// A prepared statement in use; back at its start when this object ends. Parameters are bound
// in order; text and blobs are borrowed until then. What has run may be bound and run again.
class Statement {
 public:
  explicit Statement(PreparedStatement& prepared) : prepared_(&prepared) {}
  Statement(Statement&& other) noexcept
      : prepared_(std::exchange(other.prepared_, nullptr)), bound_(other.bound_) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { reset(); }

  Statement& bind(std::int64_t number);
  Statement& bind(std::string_view text);
  Statement& bind(const std::optional<std::int64_t>& number);
  Statement& bind_blob(std::span<const std::uint8_t> bytes);

  // True: a row is here. Its text and blobs are valid until the next step.
  FaultOr<bool> step();
  // Runs it to its end and takes it back to its start. Within a transaction its Fault may come
  // later, at the next step() or at the commit.
  FaultOr<void> run();
  void reset();

  std::int64_t integer(int column) const { return prepared_->integer(column); }
  std::optional<std::int64_t> integer_or_null(int column) const;
  std::string_view text(int column) const { return prepared_->text(column); }
  std::span<const std::uint8_t> blob(int column) const { return prepared_->blob(column); }

 private:
  PreparedStatement* prepared_;
  int bound_ = 0;
};

class Database {
 public:
  // Opens the SQLite file, or the PostgreSQL database that a URL names (postgres://…), makes what
  // is not there, with the schema of today, and brings an older schema up to date.
  static FaultOr<std::unique_ptr<Database>> open(const std::string& where,
                                                 const DatabaseOptions& options = {});
  Database(const Database&) = delete;
  virtual ~Database() = default;

  // What messages call it: the file's path, or the URL without its password.
  const std::string& name() const { return name_; }

  // How long a statement waits for a lock of another connection.
  Duration busy_timeout() const { return busy_timeout_; }
  virtual void set_busy_timeout(Duration timeout) = 0;

  // From a cache: one Statement of the same text at a time.
  virtual FaultOr<Statement> prepare(std::string_view sql) = 0;
  // One or several statements without parameters or results.
  virtual FaultOr<void> execute(const char* sql) = 0;

  // What the clock of the store says: of the server, or of this machine.
  virtual FaultOr<WallTime> now() = 0;

  // SQL for a text that is another one once the store has failed over to a copy of itself, which
  // may lack the last commits. Empty text: this store does not tell.
  virtual std::string_view timeline() const { return "''"; }

  // Reads a whole file for damage that opening does not see. Nothing on a server, which looks
  // after its own.
  virtual FaultOr<void> check_whole() = 0;

 protected:
  enum class Begin : std::uint8_t { kWriting, kReading };

  explicit Database(std::string name) : name_(std::move(name)) {}
  Duration busy_timeout_{};

 private:
  friend class Transaction;
  friend class Snapshot;
  virtual FaultOr<void> begin(Begin what) = 0;
  virtual FaultOr<void> commit() = 0;
  virtual void roll_back() = 0;
  virtual bool in_transaction() const = 0;

  const std::string name_;
};

// Whether `where` names a PostgreSQL database.
bool is_postgres(std::string_view where);

// Takes the one write lock of the store, and gives everything back unless it was committed. So
// whatever is read in it stays true until its end.
class Transaction {
 public:
  // The lock may be waited for at the first step(), and its Fault come then.
  static FaultOr<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // After a Fault nothing of it is kept; but after kUncertain all of it may be.
  FaultOr<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

// While it lives, everything that is read is of one moment. Takes no lock. Within a transaction it
// is that transaction's.
class Snapshot {
 public:
  static FaultOr<Snapshot> begin(Database& database);
  Snapshot(Snapshot&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot();

 private:
  explicit Snapshot(Database* database) : database_(database) {}
  Database* database_;  // None within a transaction.
};

// A small durable value by name: counters and marks of the store itself.
FaultOr<std::optional<std::string>> read_mark(Database& database, std::string_view name);
FaultOr<void> write_mark(Database& database, std::string_view name, std::string_view value);

std::int64_t to_microseconds(WallTime time);
WallTime from_microseconds(std::int64_t microseconds);

}  // namespace tollgate::storage
