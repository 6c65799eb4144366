// Where a Redis server is and who asks there, as a URL of the configuration says it:
//
//   redis://[[user]:password@]host[:port][/db]
//   rediss://… the same over TLS, with [?sslrootcert=/ca.pem&sslcert=/own.pem&sslkey=/own.key]
//   unix://[[user]:password@]/path/of/the.socket
//
// User, password and the paths of files are percent-decoded; the parameters are named as those of a
// PostgreSQL URL. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fault.h"

namespace tollgate::redis {

struct Endpoint {
  static constexpr std::uint16_t kPort = 6379;
  static constexpr int kDatabaseMax = 1'000'000;

  std::string host;
  std::uint16_t port = kPort;
  std::string socket;  // Path of a unix socket; then there is no host.
  std::string user;    // Empty: the server's default.
  std::string password;
  int database = 0;
  bool tls = false;
  // PEM files. Who is trusted; empty: whom the system trusts. What this client shows of itself, and
  // its key; both or none.
  std::string certificate_authority;
  std::string certificate;
  std::string key;

  // "redis://cache.example.com:6379/2": without user and password.
  std::string shown() const;
};

// A Fault says what is expected, and nothing of what was written.
FaultOr<Endpoint> parse_url(std::string_view url);

}  // namespace tollgate::redis
