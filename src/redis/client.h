// A client of one Redis server: commands in pipelines, scripts by their digest.
//
// Commands are added, then exchanged in one round trip that has a deadline for all of it:
// resolving, connecting, TLS, logging in, sending and reading. After a Fault the connection is
// closed, and nobody knows which of the commands were carried out; the next exchange connects
// anew. Speaks RESP3 where the server does, else RESP2.
//
// Blocking; one thread at a time. Its words never show a password.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "redis/connection.h"
#include "redis/endpoint.h"
#include "redis/reply.h"

namespace tollgate::redis {

// A Lua script, named by the digest that the server knows it by.
class Script {
 public:
  explicit Script(std::string text);
  const std::string& text() const { return text_; }
  const std::string& digest() const { return digest_; }

 private:
  const std::string text_;
  const std::string digest_;  // SHA-1 in hexadecimal.
};

// The eviction policy that an answer to INFO memory tells of, where there is a bound at which it
// applies; empty: keys are kept; nothing: it does not tell.
std::optional<std::string> eviction_in(std::string_view info);

class Client {
 public:
  // A Fault where what is to be trusted cannot be loaded. No connection yet.
  static FaultOr<std::unique_ptr<Client>> create(Endpoint endpoint);
  virtual ~Client() = default;

  virtual bool connected() const { return connection_ != nullptr; }
  // Makes a connection where there is none.
  FaultOr<void> connect(Instant deadline);
  virtual void close();

  // Adds a command to the next exchange. Copied; `arguments` begins with its name.
  void add(std::span<const std::string_view> arguments);
  void add(std::initializer_list<std::string_view> arguments) {
    add(std::span(arguments.begin(), arguments.size()));
  }
  // One key a script, so that it runs on any node of a cluster. `script` outlives the exchange.
  virtual void add(const Script& script, std::string_view key,
                   std::span<const std::string_view> arguments);

  // Carries out all that was added: one reply each, in order; an error of the server is a reply
  // too. A script that the server does not know is sent whole, after the others. What was added
  // is gone also after a Fault.
  virtual FaultOr<std::vector<Reply>> exchange(Instant deadline);

  // The policy by which the server may throw keys away when its memory is full, as it said when it
  // was connected to; empty: it keeps them; nothing: it did not say, or its user may not ask.
  virtual const std::optional<std::string>& evicts_by() const { return evicts_by_; }

  // What an error of the server means, and what to do.
  Fault fault_of(const Reply& error) const;
  const Endpoint& endpoint() const { return endpoint_; }

 protected:
  explicit Client(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

 private:
  struct Command {
    const Script* script = nullptr;
    std::size_t count = 0;      // Of its arguments.
    std::size_t begin = 0;      // In unsent_.
    std::size_t arguments = 0;  // Where those of a script begin.
    std::size_t end = 0;
  };

  FaultOr<void> greet(Instant deadline);
  FaultOr<void> log_in(const Reply& hello, Instant deadline);
  FaultOr<void> select(Instant deadline);
  FaultOr<void> look_at_memory(Instant deadline);
  Fault refused_login(const Reply& error) const;
  FaultOr<void> send_unknown_scripts(std::string_view sent, std::span<const Command> commands,
                                     std::vector<Reply>& replies, Instant deadline);
  FaultOr<std::vector<Reply>> round_trip(std::string_view bytes, std::size_t replies,
                                         Instant deadline);

  const Endpoint endpoint_;
  std::unique_ptr<Trust> trust_;
  Names names_;
  std::unique_ptr<Connection> connection_;
  std::optional<std::string> evicts_by_;
  ReplyReader reader_;
  std::string unsent_;
  std::vector<Command> commands_;
};

}  // namespace tollgate::redis
