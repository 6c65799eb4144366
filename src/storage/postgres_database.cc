#include "storage/postgres_database.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "base/check.h"
#include "storage/postgres_connection.h"
#include "storage/postgres_schema.h"
#include "storage/postgres_statement.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr Duration kSchemaDeadline = std::chrono::minutes(10);  // Of one step.
// Names a lock that all who write in one schema take, and nobody else.
constexpr const char* kTakeLock =
    "SELECT pg_advisory_xact_lock(hashtextextended('tollgate ' || current_schema(), 0))";

constexpr const char* kAboutServer =
    "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('server_encoding'), "
    "current_schema(), current_setting('server_version'), current_setting('tollgate.timeline')";

// Servers that only speak like PostgreSQL may have no log of their own.
constexpr const char* kFindTimeline =
    "DO $$ BEGIN PERFORM pg_walfile_name(pg_current_wal_insert_lsn()); "
    "PERFORM set_config('tollgate.timeline', 'told', false); "
    "EXCEPTION WHEN feature_not_supported OR insufficient_privilege OR undefined_function OR "
    "object_not_in_prerequisite_state THEN "
    "PERFORM set_config('tollgate.timeline', 'none', false); END $$";

std::int64_t milliseconds(Duration duration) {
  // 0 would be no limit at all.
  return std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 1);
}

// Numbers, texts and bytes, as their OIDs; a lock's answer is nothing.
bool is_known_type(Oid type) {
  constexpr std::array<Oid, 10> kKnown = {16, 17, 19, 20, 21, 23, 25, 705, 1043, 2278};
  return std::ranges::find(kKnown, type) != kKnown.end();
}

class PostgresDatabase final : public Database, public PostgresSession {
 public:
  static FaultOr<std::unique_ptr<Database>> open(const std::string& url,
                                                 const DatabaseOptions& options);

  void set_busy_timeout(Duration timeout) override { busy_timeout_ = timeout; }
  FaultOr<Statement> prepare(std::string_view sql) override;
  FaultOr<void> execute(const char* sql) override;
  FaultOr<WallTime> now() override;
  // A server that is promoted, or restored, writes a timeline of its own.
  std::string_view timeline() const override {
    return tells_timeline_ ? "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)" : "''";
  }
  FaultOr<void> check_whole() override { return {}; }

  FaultOr<PostgresResult> ask(PostgresStatement& statement) override;
  FaultOr<void> run(PostgresStatement& statement) override;

 private:
  PostgresDatabase(PostgresPlace place, const DatabaseOptions& options)
      : Database(place.name), place_(std::move(place)), options_(options) {
    busy_timeout_ = options.busy_timeout;
  }

  FaultOr<void> begin(Begin what) override;
  FaultOr<void> commit() override;
  void roll_back() override;
  bool in_transaction() const override { return in_transaction_; }

  FaultOr<void> be_connected();
  FaultOr<void> set_up_session();
  FaultOr<void> judge_server(const PGresult& about) const;
  FaultOr<void> set_timeouts();
  FaultOr<void> queue(PostgresStatement& statement);
  FaultOr<PostgresResult> drain();

  FaultOr<void> migrate();
  FaultOr<std::int64_t> read_version();
  FaultOr<void> take_step(const char* sql);
  FaultOr<void> make_schema(std::int64_t version);

  const PostgresPlace place_;
  const DatabaseOptions options_;
  std::unique_ptr<PostgresConnection> connection_;
  std::size_t first_host_ = 0;  // Of the place's, who is asked first.
  Duration lock_wait_{-1};      // As the session has it.
  bool tells_timeline_ = true;
  bool in_transaction_ = false;
  bool waits_for_lock_ = false;
  std::int64_t names_ = 0;
  std::map<std::string, std::unique_ptr<PostgresStatement>, std::less<>> prepared_;
  std::vector<PostgresStatement*> preparing_;  // Queued to be prepared, and not known to be.
};

// ---- The session ----------------------------------------------------------------------------

FaultOr<std::unique_ptr<Database>> PostgresDatabase::open(const std::string& url,
                                                          const DatabaseOptions& options) {
  TRY(place, parse_postgres_url(url));
  std::unique_ptr<PostgresDatabase> database(new PostgresDatabase(std::move(place), options));
  TRY_DO(database->migrate());
  return database;
}

FaultOr<void> PostgresDatabase::be_connected() {
  if (in_transaction_) return {};  // With what it began with, or with nothing.
  if (connection_ && connection_->is_still_open()) return {};
  connection_.reset();
  auto connected = PostgresConnection::connect(place_, first_host_, options_.connect_deadline);
  if (!connected) {
    // None answered in its share: next time another one comes first, and another one last.
    first_host_ = (first_host_ + 1) % place_.hosts.size();
    return std::unexpected(std::move(connected.error()));
  }
  connection_ = *std::move(connected);
  first_host_ = connection_->host();
  for (const auto& [sql, statement] : prepared_) statement->set_server_name({});
  preparing_.clear();
  FaultOr<void> ready = set_up_session();
  if (!ready) connection_.reset();
  return ready;
}

FaultOr<void> PostgresDatabase::set_up_session() {
  lock_wait_ = Duration{-1};
  const bool is_durable = options_.durability == Durability::kFull;
  // A client that is gone is noticed, so that nobody holds the lock for it: at once where its
  // machine says so, else when the network does. Older servers lack some of these.
  const std::string sql = fmt::format(
      "SET synchronous_commit = {}; SET idle_in_transaction_session_timeout = {}; "
      "SET client_min_messages = error; "
      "SELECT set_config(name, CASE name WHEN 'client_connection_check_interval' THEN '1000' "
      "WHEN 'tcp_user_timeout' THEN '10000' WHEN 'tcp_keepalives_count' THEN '3' "
      "ELSE '5' END, false) FROM pg_settings WHERE name IN ('client_connection_check_interval', "
      "'tcp_user_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', "
      "'tcp_keepalives_count'); {}; {}",
      is_durable ? "on" : "off", milliseconds(5 * options_.statement_deadline), kFindTimeline,
      kAboutServer);
  TRY(about, connection_->script(sql.c_str(), options_.statement_deadline));
  TRY_DO(judge_server(*about));
  tells_timeline_ = std::string_view(PQgetvalue(&*about, 0, 5)) == "told";
  return {};
}

FaultOr<void> PostgresDatabase::judge_server(const PGresult& about) const {
  if (PQntuples(&about) != 1) {
    return fault(FaultKind::kBroken, fmt::format("{}: is no PostgreSQL server.", name()));
  }
  const auto says = [&](int column) { return std::string_view(PQgetvalue(&about, 0, column)); };
  if (says(0) == "t") {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the server is a standby, which cannot be written. store.ledger "
                             "must name the primary; with several hosts add "
                             "target_session_attrs=read-write.",
                             name()));
  }
  if (says(1) == "off" && options_.durability == Durability::kFull) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the server runs with fsync = off, so a crash of its machine "
                             "would take money back that was spent. Turn fsync on.",
                             name()));
  }
  if (says(2) != "UTF8") {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the database has the encoding {}. Create one with UTF8: createdb "
                             "-E UTF8 -T template0 NAME",
                             name(), says(2)));
  }
  if (PQgetisnull(&about, 0, 3) != 0) {
    return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: no schema of the search_path is there. Create it (CREATE SCHEMA), "
                    "or change the search_path in store.ledger.",
                    name()));
  }
  return {};
}

FaultOr<void> PostgresDatabase::set_timeouts() {
  if (lock_wait_ == busy_timeout_) return {};
  const std::int64_t lock = milliseconds(busy_timeout_);
  const std::string sql = fmt::format("SET lock_timeout = {}; SET statement_timeout = {}", lock,
                                      lock + milliseconds(options_.statement_deadline));
  TRY(done, connection_->script(sql.c_str(), options_.statement_deadline));
  (void)done;
  lock_wait_ = busy_timeout_;
  return {};
}

// ---- Statements -----------------------------------------------------------------------------

FaultOr<Statement> PostgresDatabase::prepare(std::string_view sql) {
  const auto found = prepared_.find(sql);
  if (found != prepared_.end()) return Statement(*found->second);
  auto made = std::make_unique<PostgresStatement>(*this, sql);
  return Statement(*(prepared_[std::string(sql)] = std::move(made)));
}

FaultOr<void> PostgresDatabase::queue(PostgresStatement& statement) {
  if (statement.server_name().empty()) {
    // A new name each time: after a Fault nobody knows whether the server has the last.
    const std::string name = fmt::format("s{}", ++names_);
    TRY_DO(connection_->queue_prepare(name, statement.sql(), statement.parameters()));
    statement.set_server_name(name);
    preparing_.push_back(&statement);
  }
  return connection_->queue_run(statement.server_name(), statement.parameters());
}

FaultOr<PostgresResult> PostgresDatabase::drain() {
  Duration wait = options_.statement_deadline;
  if (waits_for_lock_) wait += busy_timeout_;
  FaultOr<PostgresResult> result = connection_->drain(wait);
  waits_for_lock_ = false;
  if (!result) {
    for (PostgresStatement* statement : preparing_) statement->set_server_name({});
  }
  preparing_.clear();
  return result;
}

FaultOr<PostgresResult> PostgresDatabase::ask(PostgresStatement& statement) {
  TRY_DO(be_connected());
  if (!in_transaction_) TRY_DO(set_timeouts());
  TRY_DO(queue(statement));
  TRY(result, drain());
  for (int column = 0; column < PQnfields(result.get()); ++column) {
    if (is_known_type(PQftype(result.get(), column))) continue;
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: the column {} has a type that it should not have. Restore a "
                             "backup.",
                             name(), PQfname(result.get(), column)));
  }
  return std::move(result);
}

FaultOr<void> PostgresDatabase::run(PostgresStatement& statement) {
  if (in_transaction_) return queue(statement);
  TRY(result, ask(statement));
  (void)result;
  return {};
}

FaultOr<void> PostgresDatabase::execute(const char* sql) {
  TRY_DO(be_connected());
  if (!in_transaction_) TRY_DO(set_timeouts());
  if (connection_->has_queued()) TRY_DO(drain());
  TRY(result, connection_->script(sql, options_.statement_deadline));
  (void)result;
  return {};
}

FaultOr<WallTime> PostgresDatabase::now() {
  TRY(query, prepare("SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000000) "
                     "AS BIGINT)"));
  TRY(there, query.step());
  if (!there) return fault(FaultKind::kBroken, fmt::format("{}: tells no time.", name()));
  return from_microseconds(query.integer(0));
}

// ---- Transactions ---------------------------------------------------------------------------

FaultOr<void> PostgresDatabase::begin(Begin what) {
  CHECK(!in_transaction_);
  TRY_DO(be_connected());
  TRY_DO(set_timeouts());
  if (what == Begin::kReading) {
    TRY_DO(connection_->queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    // Whoever prints what it reads may stand still for long, and nobody waits for it.
    TRY_DO(connection_->queue("SET LOCAL idle_in_transaction_session_timeout = 0"));
  } else {
    // What is read behind the lock is what the last holder of it committed.
    TRY_DO(connection_->queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
    TRY_DO(connection_->queue(kTakeLock));
    waits_for_lock_ = true;
  }
  in_transaction_ = true;
  return {};
}

FaultOr<void> PostgresDatabase::commit() {
  if (!connection_->is_open()) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: the connection broke within a transaction, of which nothing was "
                             "kept.",
                             name()));
  }
  // Only who has the lock may commit: what is given up as late cannot begin afterwards.
  if (waits_for_lock_) TRY_DO(drain());
  FaultOr<void> sent = connection_->queue("COMMIT");
  FaultOr<PostgresResult> answer =
      sent ? drain() : FaultOr<PostgresResult>(std::unexpected(std::move(sent.error())));
  if (!answer && !connection_->is_open()) {
    return fault(
        FaultKind::kUncertain,
        answer.error().message + " A commit was under way: it was kept, or nothing of it was.");
  }
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (std::string_view(PQcmdStatus(answer->get())) != "COMMIT") {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the server gave the transaction up.", name()));
  }
  in_transaction_ = false;
  return {};
}

void PostgresDatabase::roll_back() {
  in_transaction_ = false;
  if (!connection_->is_open()) return;
  // What is queued may fail, and take along what is queued behind it.
  if (connection_->has_queued()) (void)drain();
  if (!connection_->is_open()) return;
  if (!connection_->queue("ROLLBACK") || !drain()) connection_.reset();
}

// ---- The schema -----------------------------------------------------------------------------

// -1: nothing of ours is there. A Fault where something else has our names.
FaultOr<std::int64_t> PostgresDatabase::read_version() {
  TRY(tables, prepare("SELECT CAST(relname AS TEXT) FROM pg_class JOIN pg_namespace ON "
                      "pg_namespace.oid = relnamespace WHERE nspname = current_schema() AND "
                      "relname IN ('tollgate_schema', 'marks', 'keys', 'audit_groups', "
                      "'waiting_bookings', 'gateways', 'spend', 'allowances', 'leases', "
                      "'allowance_entries', 'adjustments')"));
  std::string other;
  bool is_ours = false;
  while (true) {
    TRY(there, tables.step());
    if (!there) break;
    if (tables.text(0) == "tollgate_schema") {
      is_ours = true;
    } else {
      other = tables.text(0);
    }
  }
  if (is_ours) {
    TRY(version, prepare("SELECT version FROM tollgate_schema"));
    TRY(there, version.step());
    return there ? version.integer(0) : 0;
  }
  if (other.empty()) return -1;
  return fault(FaultKind::kCorrupt,
               fmt::format("{}: has a table {} of another program. Give the gateway a database of "
                           "its own, or a schema: CREATE SCHEMA tollgate, and "
                           "?options=-csearch_path%3Dtollgate in store.ledger.",
                           name(), other));
}

FaultOr<void> PostgresDatabase::migrate() {
  constexpr auto known = static_cast<std::int64_t>(kPostgresSteps.size());
  TRY(seen, read_version());
  if (seen == known) return {};
  TRY(transaction, Transaction::begin(*this));
  // Again under the lock: another gateway may have been faster.
  TRY(version, read_version());
  if (version > known) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: the schema has version {}; this tollgate knows versions up to "
                             "{}. Run the tollgate that wrote it, or a newer one.",
                             name(), version, known));
  }
  TRY_DO(make_schema(version));
  return transaction.commit();
}

// Rows of years may be rewritten: the server and who asks it wait longer than for a statement.
FaultOr<void> PostgresDatabase::take_step(const char* sql) {
  const std::string patient =
      fmt::format("SET LOCAL statement_timeout = {};", milliseconds(kSchemaDeadline));
  TRY_DO(execute(patient.c_str()));
  TRY(result, connection_->script(sql, kSchemaDeadline));
  (void)result;
  return {};
}

FaultOr<void> PostgresDatabase::make_schema(std::int64_t version) {
  if (version < 0) TRY_DO(execute("CREATE TABLE tollgate_schema (version BIGINT NOT NULL)"));
  for (auto step = static_cast<std::size_t>(std::max(version, std::int64_t{0}));
       step < kPostgresSteps.size(); ++step) {
    TRY_DO(take_step(kPostgresSteps[step]));
  }
  TRY_DO(execute("DELETE FROM tollgate_schema"));
  TRY(insert, prepare("INSERT INTO tollgate_schema (version) VALUES (?)"));
  return insert.bind(static_cast<std::int64_t>(kPostgresSteps.size())).run();
}

}  // namespace

FaultOr<std::unique_ptr<Database>> open_postgres(const std::string& url,
                                                 const DatabaseOptions& options) {
  return PostgresDatabase::open(url, options);
}

}  // namespace tollgate::storage
