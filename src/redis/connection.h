// One connection to a Redis server, TCP, TLS or unix, whose every step has a deadline.
//
// Blocking; one thread at a time. Deadlines are moments of the steady clock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "redis/endpoint.h"

struct ssl_ctx_st;
struct ssl_st;

namespace tollgate::redis {

// What is trusted of servers, and shown to them, for rediss://.
class Trust {
 public:
  static FaultOr<std::unique_ptr<Trust>> load(const Endpoint& endpoint);
  ~Trust();
  Trust(const Trust&) = delete;
  ssl_ctx_st& context() const { return *context_; }

 private:
  explicit Trust(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

// Names to addresses with a deadline. The system's resolver has none: an answer that is late is
// taken when the name is asked for again, so at most one question is under way.
class Names {
 public:
  struct Address {
    alignas(8) unsigned char bytes[128];  // A sockaddr.
    std::uint32_t length = 0;
    int family = 0;
  };
  static constexpr std::size_t kAddressesMax = 8;

  Names();
  ~Names();
  FaultOr<std::vector<Address>> resolve(const std::string& host, std::uint16_t port,
                                        Instant deadline);

 private:
  struct Question;
  std::shared_ptr<Question> asked_;
};

class Connection {
 public:
  // `trust` is null without TLS; it and `endpoint` outlive the connection.
  static FaultOr<std::unique_ptr<Connection>> open(const Endpoint& endpoint, const Trust* trust,
                                                   Names& names, Instant deadline);
  ~Connection();
  Connection(const Connection&) = delete;

  FaultOr<void> write(std::string_view bytes, Instant deadline);
  // At least one byte is appended to `out`.
  FaultOr<void> read(std::string& out, Instant deadline);

 private:
  Connection(const Endpoint& endpoint, int file) : endpoint_(endpoint), file_(file) {}
  FaultOr<void> encrypt(const Trust& trust, Instant deadline);
  FaultOr<void> flush(Instant deadline);
  FaultOr<void> send(std::string_view bytes, Instant deadline);
  FaultOr<void> receive(std::string& out, Instant deadline);
  FaultOr<void> feed(Instant deadline);
  FaultOr<void> wait(short events, Instant deadline) const;
  std::unexpected<Fault> failed(FaultKind kind, std::string_view what) const;
  std::unexpected<Fault> tls_failed(std::string_view what) const;

  const Endpoint& endpoint_;
  const int file_;
  ssl_st* ssl_ = nullptr;
  std::string received_;  // Of TLS, before it is decrypted.
};

}  // namespace tollgate::redis
