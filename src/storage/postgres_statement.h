// A statement of a PostgresDatabase: its parameters, and the rows of its answer.
//
// An answer is read whole; who asks for many rows asks in pieces.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/database.h"
#include "storage/postgres_connection.h"

namespace tollgate::storage {

class PostgresStatement;

// What a statement needs of its database.
class PostgresSession {
 public:
  virtual FaultOr<PostgresResult> ask(PostgresStatement& statement) = 0;
  virtual FaultOr<void> run(PostgresStatement& statement) = 0;

 protected:
  ~PostgresSession() = default;
};

class PostgresStatement final : public PreparedStatement {
 public:
  PostgresStatement(PostgresSession& session, std::string_view sql);

  void bind(int parameter, std::int64_t number) override;
  void bind(int parameter, std::string_view text) override;
  void bind(int parameter, std::span<const std::uint8_t> bytes) override;
  void bind_no_number(int parameter) override;

  FaultOr<bool> step() override;
  FaultOr<void> run() override { return session_.run(*this); }
  void reset() override;

  bool is_null(int column) const override;
  std::int64_t integer(int column) const override;
  std::string_view text(int column) const override;
  std::span<const std::uint8_t> blob(int column) const override;

  const std::string& sql() const { return sql_; }
  // What is bound, valid until the next bind.
  std::span<const PostgresParameter> parameters();

  // Under which name the server has it; empty: it does not.
  const std::string& server_name() const { return server_name_; }
  void set_server_name(std::string name) { server_name_ = std::move(name); }

 private:
  struct Bound {
    PostgresParameter parameter;
    std::array<char, sizeof(std::int64_t)> number{};
    bool is_number = false;
  };
  Bound& bound(int parameter, PostgresType type);

  PostgresSession& session_;
  const std::string sql_;
  std::string server_name_;
  std::vector<Bound> bound_;
  std::vector<PostgresParameter> parameters_;
  std::deque<std::string> plain_;  // Texts that cannot travel as they are.

  PostgresResult result_;
  bool asked_ = false;
  int row_ = -1;
  mutable std::map<int, std::string> texts_;  // Of the row, that did not travel as they are.
};

}  // namespace tollgate::storage
