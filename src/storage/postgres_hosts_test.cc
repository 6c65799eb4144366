// Several hosts in one URL, of which some are gone: their machines answer nothing at all.
#include "storage/postgres_database.h"
#include "storage/postgres_place.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

// A port of a machine that is gone, as far as a client can tell: it connects and hears nothing.
class SilentHost {
 public:
  SilentHost() {
    file_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(file_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(getsockname(file_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    EXPECT_EQ(listen(file_, 64), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentHost() { close(file_); }
  SilentHost(const SilentHost&) = delete;

  int port() const { return port_; }
  // How many have come since the last call.
  int visits() const {
    int count = 0;
    for (int visitor; (visitor = accept(file_, nullptr, nullptr)) >= 0; ++count) close(visitor);
    return count;
  }

 private:
  int file_ = -1;
  int port_ = 0;
};

DatabaseOptions patience(Duration connect) {
  DatabaseOptions options;
  options.connect_deadline = connect;
  return options;
}

// The silent ones first, then the server, where there is one.
std::string url_of(std::initializer_list<const SilentHost*> silent, const PostgresServer* server) {
  std::string hosts;
  std::string ports;
  for (const SilentHost* host : silent) {
    hosts += (hosts.empty() ? "" : ",") + std::string("127.0.0.1");
    ports += (ports.empty() ? "" : ",") + std::to_string(host->port());
  }
  if (server != nullptr) {
    hosts += "," + server->directory();
    ports += "," + std::to_string(server->port());
  }
  return "postgres://tollgate@/postgres?host=" + hosts + "&port=" + ports +
         "&target_session_attrs=read-write";
}

TEST(PostgresHosts, EachHasItsOwnValues) {
  const struct {
    const char* url;
    std::vector<std::string> hosts;  // As host:port.
  } cases[] = {
      {"postgres://ada@one/books", {"one:"}},
      {"postgres://ada@one:1,two:2/books", {"one:1", "two:2"}},
      {"postgres://ada@one,two:2/books", {"one:", "two:2"}},
      {"postgres:///books?host=one,/run/two&port=7", {"one:7", "/run/two:7"}},
      // libpq tells what is wrong with it.
      {"postgres:///books?host=one,two,three&port=7,8", {"one,two,three:7,8"}},
  };
  for (const auto& [url, hosts] : cases) {
    SCOPED_TRACE(url);
    const auto place = parse_postgres_url(url);
    ASSERT_TRUE(place);
    std::vector<std::string> found;
    for (const std::vector<std::string>& values : place->hosts) {
      std::string host;
      std::string port;
      ASSERT_EQ(values.size(), place->keywords.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (place->keywords[i] == "host") host = values[i];
        if (place->keywords[i] == "port") port = values[i];
      }
      found.push_back(host + ":" + port);
    }
    EXPECT_EQ(found, hosts);
  }
}

// One deadline is for all hosts, and the first must not use it up.
TEST(PostgresHosts, FindsTheOneThatAnswersBehindThoseThatAreGone) {
  PostgresServer server;
  const SilentHost one;
  const SilentHost two;
  const auto opened =
      Database::open(url_of({&one, &two}, &server), patience(std::chrono::seconds(3)));
  ASSERT_TRUE(opened) << opened.error().message;
  Database& database = **opened;
  EXPECT_EQ(one.visits(), 1);
  EXPECT_EQ(two.visits(), 1);
  // Who comes back goes to the one that answered, not to those that are gone.
  server.restart();
  const auto now = database.now();
  EXPECT_TRUE(now) << now.error().message;
  EXPECT_EQ(one.visits(), 0);
  EXPECT_EQ(two.visits(), 0);
}

TEST(PostgresHosts, AsksEachOnceWhereNobodyAnswers) {
  const SilentHost one;
  const SilentHost two;
  const auto opened =
      Database::open(url_of({&one, &two}, nullptr), patience(std::chrono::milliseconds(100)));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FaultKind::kTimeout);
  EXPECT_EQ(one.visits(), 1);
  EXPECT_EQ(two.visits(), 1);
}

// A standby that is not promoted yet is no place to stay, and says more than who is gone.
TEST(PostgresHosts, TellsOfTheStandbyWhoseTimeHasNotCome) {
  PostgresServer primary(PostgresServer::replicated());
  PostgresServer standby(PostgresServer::StandbyOf{primary});
  const SilentHost gone;
  const auto refused = Database::open(url_of({&gone}, &standby), patience(std::chrono::seconds(2)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, FaultKind::kUnreachable);
  EXPECT_NE(refused.error().message.find("read-only"), std::string::npos)
      << refused.error().message;
  primary.kill();
  standby.promote();
  const auto opened = Database::open(url_of({&gone}, &standby), patience(std::chrono::seconds(2)));
  EXPECT_TRUE(opened) << opened.error().message;
}

}  // namespace
}  // namespace tollgate::storage
