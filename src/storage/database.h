// One connection to one SQLite file, and its statements.
//
// All that SQLite says turns into a Fault here that names the file and what to do about it. A
// file that is damaged, of a newer version or not ours is refused: the gateway never begins
// anew over books that it cannot read. Values reach SQL as bound parameters only.
//
// Blocking disk I/O. A Database and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/fault.h"
#include "base/units.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tollgate::storage {

enum class Durability : std::uint8_t {
  kFull,     // A commit survives the loss of power.
  kProcess,  // A commit survives the process only: for stores that end with it.
};

struct DatabaseOptions {
  Durability durability = Durability::kFull;
  Duration busy_timeout = std::chrono::seconds(5);  // For a lock of another connection.
};

// A prepared statement in use; back at its start when this object ends. Parameters are bound
// in order; text and blobs are borrowed until then. What has run may be bound and run again.
class Statement {
 public:
  Statement(const std::string& path, sqlite3_stmt* prepared) : path_(&path), prepared_(prepared) {}
  Statement(Statement&& other) noexcept
      : path_(other.path_),
        prepared_(std::exchange(other.prepared_, nullptr)),
        bound_(other.bound_) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { reset(); }

  Statement& bind(std::int64_t number);
  Statement& bind(std::string_view text);
  Statement& bind(const std::optional<std::int64_t>& number);
  Statement& bind_blob(std::span<const std::uint8_t> bytes);

  // True: a row is here. Its text and blobs are valid until the next step.
  FaultOr<bool> step();
  // Runs it to its end and takes it back to its start.
  FaultOr<void> run();
  void reset();

  std::int64_t integer(int column) const;
  std::optional<std::int64_t> integer_or_null(int column) const;
  std::string_view text(int column) const;
  std::span<const std::uint8_t> blob(int column) const;

 private:
  const std::string* path_;
  sqlite3_stmt* prepared_;
  int bound_ = 0;
};

class Database {
 public:
  // Opens the file, making it with the schema of today where there is none, and brings an
  // older schema up to date.
  static FaultOr<std::unique_ptr<Database>> open(const std::string& path,
                                                 const DatabaseOptions& options = {});
  Database(const Database&) = delete;
  ~Database();

  const std::string& path() const { return path_; }

  // How long a statement waits for a lock of another connection.
  Duration busy_timeout() const { return busy_timeout_; }
  void set_busy_timeout(Duration timeout);

  // From a cache: one Statement of the same text at a time.
  FaultOr<Statement> prepare(std::string_view sql);
  // One or several statements without parameters or results.
  FaultOr<void> execute(const char* sql);

  // Reads the whole file for damage that opening does not see.
  FaultOr<void> check_whole();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* prepared) const;
  };

  Database(std::string path, sqlite3* handle) : path_(std::move(path)), handle_(handle) {}

  static FaultOr<std::unique_ptr<Database>> connect(const std::string& path,
                                                    const DatabaseOptions& options);
  static FaultOr<void> make(const std::string& path, const DatabaseOptions& options);
  FaultOr<void> migrate();

  std::string path_;
  sqlite3* handle_;
  Duration busy_timeout_{};
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, std::less<>> prepared_;
};

// Takes the write lock at once, and gives everything back unless it was committed.
class Transaction {
 public:
  static FaultOr<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // After a Fault nothing of it is kept.
  FaultOr<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

// A small durable value by name: counters and marks of the store itself.
FaultOr<std::optional<std::string>> read_mark(Database& database, std::string_view name);
FaultOr<void> write_mark(Database& database, std::string_view name, std::string_view value);

std::int64_t to_microseconds(WallTime time);
WallTime from_microseconds(std::int64_t microseconds);

}  // namespace tollgate::storage
