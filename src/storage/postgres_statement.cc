#include "storage/postgres_statement.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// A NULL pointer would be NULL.
const char* never_null(const char* start) { return start == nullptr ? "" : start; }

}  // namespace

PostgresStatement::PostgresStatement(PostgresSession& session, std::string_view sql)
    : session_(session), sql_(number_parameters(sql)) {}

PostgresStatement::Bound& PostgresStatement::bound(int parameter, PostgresType type) {
  const auto index = static_cast<std::size_t>(parameter);
  if (bound_.size() <= index) bound_.resize(index + 1);
  Bound& found = bound_[index];
  found = Bound{};
  found.parameter.type = type;
  return found;
}

void PostgresStatement::bind(int parameter, std::int64_t number) {
  Bound& made = bound(parameter, PostgresType::kNumber);
  auto rest = static_cast<std::uint64_t>(number);
  for (std::size_t i = made.number.size(); i-- > 0; rest >>= 8) {
    made.number[i] = static_cast<char>(rest & 0xff);
  }
  made.is_number = true;
}

void PostgresStatement::bind(int parameter, std::string_view text) {
  Bound& made = bound(parameter, PostgresType::kText);
  if (!is_plain_text(text)) text = plain_.emplace_back(to_plain_text(text));
  made.parameter.value = never_null(text.data());
  made.parameter.bytes = static_cast<int>(text.size());
}

void PostgresStatement::bind(int parameter, std::span<const std::uint8_t> bytes) {
  Bound& made = bound(parameter, PostgresType::kBytes);
  made.parameter.value = never_null(reinterpret_cast<const char*>(bytes.data()));
  made.parameter.bytes = static_cast<int>(bytes.size());
}

void PostgresStatement::bind_no_number(int parameter) { bound(parameter, PostgresType::kNumber); }

std::span<const PostgresParameter> PostgresStatement::parameters() {
  parameters_.clear();
  for (const Bound& one : bound_) {
    parameters_.push_back(one.parameter);
    if (!one.is_number) continue;
    parameters_.back().value = one.number.data();
    parameters_.back().bytes = static_cast<int>(one.number.size());
  }
  return parameters_;
}

FaultOr<bool> PostgresStatement::step() {
  if (!asked_) {
    TRY(result, session_.ask(*this));
    result_ = std::move(result);
    asked_ = true;
    row_ = -1;
  }
  texts_.clear();
  return ++row_ < PQntuples(result_.get());
}

void PostgresStatement::reset() {
  asked_ = false;
  row_ = -1;
  result_.reset();
  plain_.clear();
  texts_.clear();
  bound_.clear();
}

bool PostgresStatement::is_null(int column) const {
  return PQgetisnull(result_.get(), row_, column) != 0;
}

std::int64_t PostgresStatement::integer(int column) const {
  const int bytes = PQgetlength(result_.get(), row_, column);
  const char* value = PQgetvalue(result_.get(), row_, column);
  if (is_null(column) || bytes < 1 || bytes > 8) return 0;
  // Most significant byte first, with the sign of the first.
  std::uint64_t number = value[0] < 0 ? ~std::uint64_t{0} : 0;
  for (int i = 0; i < bytes; ++i) number = number << 8 | static_cast<std::uint8_t>(value[i]);
  return static_cast<std::int64_t>(number);
}

std::string_view PostgresStatement::text(int column) const {
  const std::string_view travelled(
      PQgetvalue(result_.get(), row_, column),
      static_cast<std::size_t>(PQgetlength(result_.get(), row_, column)));
  if (!has_stand_ins(travelled)) return travelled;
  return texts_[column] = from_plain_text(travelled);
}

std::span<const std::uint8_t> PostgresStatement::blob(int column) const {
  return {reinterpret_cast<const std::uint8_t*>(PQgetvalue(result_.get(), row_, column)),
          static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
}

}  // namespace tollgate::storage
