// One session on a PostgreSQL server, by libpq.
//
// Statements are queued and sent together (libpq's pipeline mode), so that a transaction of many
// is a few trips to the server. Nothing waits beyond a deadline, but for the system's resolver of
// names: a connection that broke, or whose deadline passed, is closed, and every further call is
// a Fault.
//
// Blocking network I/O. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "storage/postgres_place.h"

struct pg_conn;
struct pg_result;

namespace tollgate::storage {

struct ClearResult {
  void operator()(pg_result* result) const;
};
using PostgresResult = std::unique_ptr<pg_result, ClearResult>;

// The types that our parameters have, by PostgreSQL's numbers.
enum class PostgresType : std::uint32_t { kBytes = 17, kNumber = 20, kText = 25 };

// In binary form; no value: NULL. Borrowed until the statement is queued.
struct PostgresParameter {
  PostgresType type = PostgresType::kNumber;
  const char* value = nullptr;
  int bytes = 0;
};

class PostgresConnection {
 public:
  // Asks each host of `place` once, beginning with `first`, the next where one does not answer:
  // each may use an even share of the time that is left, so that one whose machine is gone keeps
  // nobody from the others. `place` outlives the connection.
  static FaultOr<std::unique_ptr<PostgresConnection>> connect(const PostgresPlace& place,
                                                              std::size_t first, Duration deadline);
  PostgresConnection(const PostgresConnection&) = delete;
  ~PostgresConnection();

  // Which of the place's hosts it is.
  std::size_t host() const { return host_; }
  bool is_open() const { return connection_ != nullptr; }
  // Looks whether the other side has ended it meanwhile. Does not wait.
  bool is_still_open();

  // Statements of ours without parameters, each sent as it is. The rows of the last.
  FaultOr<PostgresResult> script(const char* sql, Duration deadline);

  // Only drain() tells what became of what was queued.
  FaultOr<void> queue_prepare(const std::string& name, const std::string& sql,
                              std::span<const PostgresParameter> parameters);
  FaultOr<void> queue_run(const std::string& name, std::span<const PostgresParameter> parameters);
  FaultOr<void> queue(const char* sql);
  bool has_queued() const { return queued_ > 0; }

  // Sends what is queued and waits for all answers. The result of the last, or the Fault of the
  // first that failed; what was queued behind that did not run.
  FaultOr<PostgresResult> drain(Duration deadline);

 private:
  class Deadline;

  PostgresConnection(const PostgresPlace& place, std::size_t host, pg_conn* connection)
      : place_(place), host_(host), connection_(connection) {}

  static FaultOr<std::unique_ptr<PostgresConnection>> connect_to(const PostgresPlace& place,
                                                                 std::size_t host,
                                                                 const Deadline& deadline);
  FaultOr<void> finish_connecting(const Deadline& deadline);
  FaultOr<void> wait(int events, const Deadline& deadline);
  FaultOr<void> wait_for_answer(const Deadline& deadline);
  FaultOr<void> queued(int accepted);
  // Closes it.
  std::unexpected<Fault> lost();
  std::unexpected<Fault> late();
  std::unexpected<Fault> closed() const;

  const PostgresPlace& place_;
  const std::size_t host_;
  pg_conn* connection_;
  int queued_ = 0;
};

// What went wrong with a statement, from its SQLSTATE. `said` is the server's own sentence.
Fault postgres_fault(const std::string& name, std::string_view state, std::string_view said);

}  // namespace tollgate::storage
