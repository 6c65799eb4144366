#include "storage/postgres_connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <utility>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr int kBinary = 1;

void ignore_notice(void*, const PGresult*) {}

// The first line of what libpq or the server said, without its end.
std::string_view first_line(const char* said) {
  std::string_view line = said == nullptr ? std::string_view() : std::string_view(said);
  line = line.substr(0, line.find('\n'));
  while (line.ends_with(' ') || line.ends_with('.')) line.remove_suffix(1);
  return line;
}

// While a connection is made libpq tells the SQLSTATE only within the words, in its verbose form:
// "FATAL:  28P01: password …". Takes it off them; empty: there is none.
std::string take_state(std::string& words) {
  constexpr std::size_t kStateLength = 5;
  for (std::size_t at = words.find(":  "); at != std::string::npos;
       at = words.find(":  ", at + 1)) {
    const std::string state = words.substr(at + 3, kStateLength);
    const bool is_code = std::ranges::all_of(
        state, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
    if (state.size() != kStateLength || !is_code) continue;
    if (words.compare(at + 3 + kStateLength, 2, ": ") != 0) continue;
    words.erase(at + 3, kStateLength + 2);
    return state;
  }
  return {};
}

std::string_view field(const PGresult* result, int code) {
  const char* found = PQresultErrorField(result, code);
  return found == nullptr ? std::string_view() : std::string_view(found);
}

}  // namespace

// The moment at which waiting ends.
class PostgresConnection::Deadline {
 public:
  explicit Deadline(Duration wait) : at_(std::chrono::steady_clock::now() + wait) {}

  int milliseconds_left() const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(at_ - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
  }
  // An even share of what is left.
  Deadline share(std::size_t parts) const {
    return Deadline(std::chrono::milliseconds(milliseconds_left()) / parts);
  }

 private:
  std::chrono::steady_clock::time_point at_;
};

void ClearResult::operator()(PGresult* result) const { PQclear(result); }

PostgresConnection::~PostgresConnection() {
  if (connection_ != nullptr) PQfinish(connection_);
}

// ---- Connecting -----------------------------------------------------------------------------

FaultOr<std::unique_ptr<PostgresConnection>> PostgresConnection::connect(const PostgresPlace& place,
                                                                         std::size_t first,
                                                                         Duration wait) {
  const Deadline deadline(wait);
  const std::size_t count = place.hosts.size();
  std::optional<Fault> told;
  for (std::size_t tried = 0; tried < count; ++tried) {
    auto made = connect_to(place, (first + tried) % count, deadline.share(count - tried));
    if (made) return made;
    const FaultKind kind = made.error().kind;
    // Who is not let in here does not try elsewhere.
    if (kind != FaultKind::kUnreachable && kind != FaultKind::kTimeout) return made;
    // A host that said something tells more than one that is silent.
    if (!told || told->kind == FaultKind::kTimeout) told = std::move(made.error());
  }
  return std::unexpected(*std::move(told));
}

FaultOr<std::unique_ptr<PostgresConnection>> PostgresConnection::connect_to(
    const PostgresPlace& place, std::size_t host, const Deadline& deadline) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const std::string& keyword : place.keywords) keywords.push_back(keyword.c_str());
  for (const std::string& value : place.hosts[host]) values.push_back(value.c_str());
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PostgresConnection> made(
      new PostgresConnection(place, host, PQconnectStartParams(keywords.data(), values.data(), 0)));
  if (!made->is_open()) {
    return fault(FaultKind::kBroken, fmt::format("{}: no memory for a connection.", place.name));
  }
  TRY_DO(made->finish_connecting(deadline));
  return made;
}

FaultOr<void> PostgresConnection::finish_connecting(const Deadline& deadline) {
  PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);
  PQsetNoticeReceiver(connection_, ignore_notice, nullptr);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (PQstatus(connection_) != CONNECTION_BAD && next != PGRES_POLLING_OK) {
    if (next == PGRES_POLLING_FAILED) break;
    TRY_DO(wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline));
    next = PQconnectPoll(connection_);
  }
  if (PQstatus(connection_) != CONNECTION_OK) {
    std::string words(first_line(PQerrorMessage(connection_)));
    const std::string state = take_state(words);
    PQfinish(std::exchange(connection_, nullptr));
    if (!state.empty()) return std::unexpected(postgres_fault(place_.name, state, words));
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: the server cannot be reached ({}). Is it running, and are host, "
                             "port and TLS of store.ledger right?",
                             place_.name, words));
  }
  PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
  if (PQsetnonblocking(connection_, 1) != 0 || PQenterPipelineMode(connection_) != 1) return lost();
  return {};
}

// ---- Waiting --------------------------------------------------------------------------------

FaultOr<void> PostgresConnection::wait(int events, const Deadline& deadline) {
  while (true) {
    struct pollfd socket{PQsocket(connection_), static_cast<short>(events), 0};
    const int ready = poll(&socket, 1, deadline.milliseconds_left());
    if (ready > 0) return {};
    if (ready == 0) return late();
    if (errno != EINTR) return lost();
  }
}

FaultOr<void> PostgresConnection::wait_for_answer(const Deadline& deadline) {
  while (true) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) return lost();
    if (PQisBusy(connection_) == 0) return {};
    TRY_DO(wait(unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline));
    if (PQconsumeInput(connection_) == 0) return lost();
  }
}

std::unexpected<Fault> PostgresConnection::lost() {
  const std::string words(first_line(PQerrorMessage(connection_)));
  PQfinish(std::exchange(connection_, nullptr));
  return fault(FaultKind::kUnreachable,
               fmt::format("{}: the connection to the server broke ({}).", place_.name, words));
}

std::unexpected<Fault> PostgresConnection::late() {
  PQfinish(std::exchange(connection_, nullptr));
  return fault(FaultKind::kTimeout,
               fmt::format("{}: the server did not answer in time. Look at its load and at the "
                           "network.",
                           place_.name));
}

std::unexpected<Fault> PostgresConnection::closed() const {
  return fault(FaultKind::kUnreachable,
               fmt::format("{}: the connection to the server is gone.", place_.name));
}

bool PostgresConnection::is_still_open() {
  if (!is_open()) return false;
  struct pollfd socket{PQsocket(connection_), POLLIN, 0};
  if (poll(&socket, 1, 0) <= 0) return true;
  // Something came though nothing was asked: a farewell, or a notice.
  if (PQconsumeInput(connection_) != 0 && PQstatus(connection_) == CONNECTION_OK) {
    if (poll(&socket, 1, 0) <= 0) return true;
    if (PQconsumeInput(connection_) != 0 && PQstatus(connection_) == CONNECTION_OK) return true;
  }
  (void)lost();
  return false;
}

// ---- Asking ---------------------------------------------------------------------------------

FaultOr<PostgresResult> PostgresConnection::script(const char* sql, Duration wait) {
  TRY_DO(drain(wait));
  if (!is_open()) return closed();
  const Deadline deadline(wait);
  if (PQexitPipelineMode(connection_) != 1 || PQsendQuery(connection_, sql) != 1) return lost();
  PostgresResult last;
  std::optional<Fault> failed;
  while (true) {
    TRY_DO(wait_for_answer(deadline));
    PostgresResult result(PQgetResult(connection_));
    if (!result) break;
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failed) {
      failed = postgres_fault(place_.name, field(result.get(), PG_DIAG_SQLSTATE),
                              field(result.get(), PG_DIAG_MESSAGE_PRIMARY));
    }
    if (PQstatus(connection_) != CONNECTION_OK) return lost();
    last = std::move(result);
  }
  if (PQenterPipelineMode(connection_) != 1) return lost();
  if (failed) return std::unexpected(*std::move(failed));
  return last;
}

FaultOr<void> PostgresConnection::queued(int accepted) {
  if (accepted != 1) return lost();
  ++queued_;
  return {};
}

FaultOr<void> PostgresConnection::queue_prepare(const std::string& name, const std::string& sql,
                                                std::span<const PostgresParameter> parameters) {
  if (!is_open()) return closed();
  std::vector<Oid> types;
  for (const PostgresParameter& parameter : parameters) {
    types.push_back(static_cast<Oid>(parameter.type));
  }
  return queued(PQsendPrepare(connection_, name.c_str(), sql.c_str(),
                              static_cast<int>(types.size()), types.data()));
}

FaultOr<void> PostgresConnection::queue_run(const std::string& name,
                                            std::span<const PostgresParameter> parameters) {
  if (!is_open()) return closed();
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const PostgresParameter& parameter : parameters) {
    values.push_back(parameter.value);
    lengths.push_back(parameter.bytes);
  }
  const std::vector<int> formats(parameters.size(), kBinary);
  return queued(PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(values.size()),
                                    values.data(), lengths.data(), formats.data(), kBinary));
}

FaultOr<void> PostgresConnection::queue(const char* sql) {
  if (!is_open()) return closed();
  return queued(
      PQsendQueryParams(connection_, sql, 0, nullptr, nullptr, nullptr, nullptr, kBinary));
}

FaultOr<PostgresResult> PostgresConnection::drain(Duration wait) {
  if (!is_open()) return closed();
  if (queued_ == 0) return PostgresResult();
  const Deadline deadline(wait);
  queued_ = 0;
  if (PQpipelineSync(connection_) != 1) return lost();
  PostgresResult last;
  std::optional<Fault> failed;
  bool ended = false;  // The last answer.
  while (true) {
    TRY_DO(wait_for_answer(deadline));
    PostgresResult result(PQgetResult(connection_));
    // Nothing twice: the answer that is waited for will not come.
    if (!result && std::exchange(ended, true)) return lost();
    if (result) ended = false;
    switch (result ? PQresultStatus(result.get()) : PGRES_EMPTY_QUERY) {
      case PGRES_PIPELINE_SYNC:
        if (failed) return std::unexpected(*std::move(failed));
        return last;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        last = std::move(result);
        break;
      case PGRES_FATAL_ERROR:
        if (!failed && !field(result.get(), PG_DIAG_SQLSTATE).empty()) {
          failed = postgres_fault(place_.name, field(result.get(), PG_DIAG_SQLSTATE),
                                  field(result.get(), PG_DIAG_MESSAGE_PRIMARY));
        }
        break;
      default:
        break;  // The end of one answer, or one that was not tried after a Fault.
    }
    if (PQstatus(connection_) == CONNECTION_OK) continue;
    const std::unexpected<Fault> broken = lost();
    // What the server said last says more.
    if (failed) return std::unexpected(*std::move(failed));
    return broken;
  }
}

}  // namespace tollgate::storage
