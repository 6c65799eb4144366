#include "storage/audit_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <variant>

#include "storage/trail_writer.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// Conditions of constant text, and the values that they are bound to.
class Conditions {
 public:
  explicit Conditions(const AuditQuery& query) {
    add_text("id", query.id);
    add_text("tenant", query.tenant);
    add_text("user", query.subject);
    add_text("key_id", query.key_id);
    add_text("route", query.route);
    add_text("model", query.model);
    add_text("code", query.code);
    if (query.outcome) add("outcome =", static_cast<std::int64_t>(*query.outcome));
    if (query.phase) add("phase =", static_cast<std::int64_t>(*query.phase));
    if (query.since) add("time_us >=", to_microseconds(*query.since));
    if (query.until) add("time_us <", to_microseconds(*query.until));
  }

  void add(std::string_view compare, std::variant<std::int64_t, std::string_view> value) {
    sql_.append(sql_.empty() ? "WHERE " : "AND ").append(compare).append(" ? ");
    values_.push_back(value);
  }

  const std::string& sql() const { return sql_; }

  void bind(Statement& statement) const {
    for (const auto& value : values_) {
      std::visit([&](auto bound) { statement.bind(bound); }, value);
    }
  }

 private:
  void add_text(std::string_view column, const std::string& text) {
    if (!text.empty()) add(std::string(column) + " =", std::string_view(text));
  }

  std::string sql_;
  std::vector<std::variant<std::int64_t, std::string_view>> values_;
};

FaultOr<std::vector<AuditRow>> read_rows(Database& database, const Conditions& conditions,
                                         std::string_view order, std::int64_t limit) {
  std::string sql = "SELECT sequence, record FROM audit ";
  sql.append(conditions.sql()).append("ORDER BY sequence ").append(order).append(" LIMIT ?");
  TRY(statement, database.prepare(sql));
  conditions.bind(statement);
  statement.bind(std::clamp(limit, std::int64_t{0}, kAuditRowsMax));
  std::vector<AuditRow> rows;
  while (true) {
    TRY(there, statement.step());
    if (!there) return rows;
    rows.push_back({statement.integer(0), std::string(statement.text(1))});
  }
}

// The text at a path of one or two names; empty where there is none.
std::string_view text_at(const boost::json::object& record, std::string_view name,
                         std::string_view inner = {}) {
  const boost::json::value* value = record.if_contains(name);
  if (value != nullptr && !inner.empty()) {
    value = value->is_object() ? value->get_object().if_contains(inner) : nullptr;
  }
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

bool differs(std::string_view column, std::string_view written) {
  // A record cuts long text, a column does not.
  return column != written && column.size() <= audit::kTextBytesMax;
}

// The first column of a row that says something else than its record; empty: none.
std::string_view lying_column(const Statement& row, const boost::json::object& record) {
  if (differs(row.text(2), text_at(record, "id"))) return "id";
  const bool outcome = row.integer(3) == static_cast<std::int64_t>(audit::Phase::kOutcome);
  if (text_at(record, "phase") != (outcome ? "outcome" : "decision")) return "phase";
  if (differs(row.text(4), text_at(record, "actor", "tenant"))) return "tenant";
  if (differs(row.text(5), text_at(record, "actor", "subject"))) return "user";
  if (differs(row.text(6), text_at(record, "decision", "code"))) return "code";
  const auto known = static_cast<audit::Outcome>(row.integer(7));
  if (row.integer(7) < 0 || row.integer(7) > static_cast<std::int64_t>(audit::Outcome::kCut) ||
      audit::name_of(known) != text_at(record, "decision", "outcome")) {
    return "outcome";
  }
  return {};
}

// What is wrong with a row that should follow `previous`; empty: nothing. `own` gets its hash.
std::string fault_in(const Statement& row, std::int64_t expected, const audit::Hash& previous,
                     audit::Hash& own) {
  if (row.integer(0) != expected) {
    return fmt::format("record {} is missing", expected);
  }
  if (!audit::verify(row.text(1), previous, own)) {
    return "its text is not what was written, or it does not follow the record before it";
  }
  boost::system::error_code error;
  const boost::json::value record = boost::json::parse(row.text(1), error);
  if (error || !record.is_object()) return "it is not a JSON object";
  const std::string_view column = lying_column(row, record.get_object());
  if (!column.empty()) return fmt::format("its column {} differs from its text", column);
  return {};
}

}  // namespace

FaultOr<std::vector<AuditRow>> query_audit(Database& database, const AuditQuery& query,
                                           std::int64_t limit,
                                           std::optional<std::int64_t> before) {
  Conditions conditions(query);
  if (before) conditions.add("sequence <", *before);
  return read_rows(database, conditions, "DESC", limit);
}

FaultOr<std::vector<AuditRow>> follow_audit(Database& database, const AuditQuery& query,
                                            std::int64_t after, std::int64_t limit) {
  Conditions conditions(query);
  conditions.add("sequence >", after);
  return read_rows(database, conditions, "ASC", limit);
}

FaultOr<std::int64_t> last_sequence(Database& database) {
  TRY(statement, database.prepare("SELECT coalesce(max(sequence), 0) FROM audit"));
  TRY(there, statement.step());
  return there ? statement.integer(0) : 0;
}

FaultOr<void> export_audit(Database& database, const AuditQuery& query,
                           const std::function<bool(std::string_view)>& line) {
  const Conditions conditions(query);
  TRY(statement, database.prepare("SELECT record FROM audit " + conditions.sql() +
                                  "ORDER BY sequence"));
  conditions.bind(statement);
  while (true) {
    TRY(there, statement.step());
    if (!there || !line(statement.text(0))) return {};
  }
}

FaultOr<Proof> verify_audit(Database& database) {
  // The mark and the rows of one moment: records may be pruned while we walk. The subquery
  // gives every row the mark.
  TRY(walk, database.prepare(
      "SELECT sequence, record, id, phase, tenant, user, code, outcome, "
      "(SELECT value FROM marks WHERE name = ?) FROM audit ORDER BY sequence"));
  walk.bind(kBeforeFirst);
  Proof proof;
  audit::Hash previous{};
  std::int64_t expected = 1;
  while (true) {
    TRY(there, walk.step());
    if (!there) return proof;
    if (proof.first == 0) {
      proof.first = walk.integer(0);
      // After a prune the chain begins behind the last record that was deleted.
      if (const std::optional<audit::Hash> before = parse_hash(walk.text(8))) {
        previous = *before;
        expected = proof.first;
      }
    }
    audit::Hash own{};
    proof.why = fault_in(walk, expected, previous, own);
    if (!proof.why.empty()) {
      proof.broken = walk.integer(0);
      return proof;
    }
    previous = own;
    proof.last = expected++;
    ++proof.records;
  }
}

}  // namespace tollgate::storage
