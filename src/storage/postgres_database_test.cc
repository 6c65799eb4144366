// What only PostgreSQL can do to a gateway: be elsewhere, be another server, fall silent, die.
#include "storage/postgres_database.h"

#include <random>
#include <thread>

#include "storage/postgres_place.h"
#include "storage/postgres_schema.h"
#include "storage/storage_fixture.h"
#include "storage/testing_cut.h"

namespace tollgate::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Cut = CutConnection::Cut;

class Postgres : public testing::Test {
 protected:
  void SetUp() override {
    server = PostgresServer::shared();
    if (server == nullptr) {
      FAIL() << "PostgreSQL is not installed, so nothing is known about it: run ./dev setup";
    }
    where = server->fresh_url();
    schema = where.substr(where.rfind("%3D") + 3);
  }
  static DatabaseOptions quick() {
    DatabaseOptions options;
    options.busy_timeout = milliseconds(300);
    options.connect_deadline = milliseconds(500);
    options.statement_deadline = milliseconds(500);
    return options;
  }
  std::unique_ptr<Database> connect() const { return connect(where); }
  static std::unique_ptr<Database> connect(const std::string& url) {
    auto opened = Database::open(url, quick());
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  static std::optional<std::string> mark(Database& database, std::string_view name) {
    auto found = read_mark(database, name);
    EXPECT_TRUE(found) << found.error().message;
    return found.value_or(std::nullopt);
  }

  PostgresServer* server = nullptr;
  std::string where;
  std::string schema;
};

// ---- Where it is, and how texts travel ------------------------------------------------------

TEST(PostgresPlace, IsNamedWithoutItsPassword) {
  const struct {
    const char* url;
    const char* name;
  } cases[] = {
      {"postgres://ada:secret@db.example:6432/books?sslmode=require&password=secret",
       "postgres://ada@db.example:6432/books"},
      {"postgresql://db.example/books", "postgres://db.example/books"},
      {"postgres://ada:se%2Fcret@/books?host=/run/postgresql",
       "postgres://ada@/run/postgresql/books"},
  };
  for (const auto& one : cases) {
    const auto place = parse_postgres_url(one.url);
    ASSERT_TRUE(place) << one.url;
    EXPECT_EQ(place->name, one.name);
  }
  for (const char* url : {"postgres://ada:secret@[::1/books", "postgres://ada:secret@h/b?x=secret",
                          "postgres://ada:secret%zz@h/b", "postgres://ada:x@secret@h/b",
                          "postgres://ada:secret/x@h/b", "postgres://ada:12/secret@h/b"}) {
    const auto place = parse_postgres_url(url);
    ASSERT_FALSE(place) << url;
    EXPECT_EQ(place.error().message.find("secret"), std::string::npos) << place.error().message;
    EXPECT_NE(place.error().message.find("postgres://USER"), std::string::npos);
  }
}

TEST(PostgresPlace, NumbersParametersOutsideOfLiterals) {
  EXPECT_EQ(number_parameters(R"(SELECT '?', "a?" FROM t WHERE a = ? AND b = '' AND c = ?)"),
            R"(SELECT '?', "a?" FROM t WHERE a = $1 AND b = '' AND c = $2)");
}

// Whatever the bytes are: they travel as UTF-8 without zero bytes, and are read as they were.
TEST(PostgresPlace, CarriesEveryTextForAnyBytes) {
  std::mt19937_64 random{3};
  const std::string_view pieces[] = {
      "a",        "\xc3\xa4",         "\xf4\x8f\xbc\x80", "\xf4\x8f\xbf\xbf",
      "\xf4\x8f", "\xf0\x9f\x98\x80", "\xed\xa0\x80",     std::string_view("\0", 1),
      "\xff",     "\xc0\x80",         "\xf4\x8f\xbb\xbf"};
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    for (std::uint64_t i = random() % 8; i > 0; --i) {
      if (random() % 4 == 0) {
        text.push_back(static_cast<char>(random()));
      } else {
        text.append(pieces[random() % std::size(pieces)]);
      }
    }
    const std::string plain = to_plain_text(text);
    ASSERT_EQ(from_plain_text(plain), text);
    ASSERT_EQ(plain.find('\0'), std::string::npos);
    ASSERT_EQ(is_plain_text(text), plain == text);
    ASSERT_EQ(has_stand_ins(plain), plain != text);
  }
}

// ---- Opening --------------------------------------------------------------------------------

TEST_F(Postgres, SaysWhatToDoWhereItCannotBeOpened) {
  server->tell("DROP ROLE IF EXISTS ada");
  server->tell("CREATE ROLE ada LOGIN PASSWORD 'secret'");
  server->tell("CREATE SCHEMA other_" + schema);
  server->tell("CREATE TABLE other_" + schema + ".keys (x int)");
  server->tell("CREATE SCHEMA poor_" + schema);
  server->tell("GRANT USAGE ON SCHEMA poor_" + schema + " TO ada");
  server->tell("CREATE DATABASE ascii_" + schema + " ENCODING 'SQL_ASCII' TEMPLATE template0");
  const std::string in = "?options=-csearch_path%3D";
  const struct {
    std::string url;
    FaultKind kind;
    const char* says;
  } cases[] = {
      {server->url_by_port("ada", "secret-wrong"), FaultKind::kRefusedByPeer, "password"},
      {server->url_by_port("nobody", "secret"), FaultKind::kRefusedByPeer, "password"},
      {server->url_by_port("ada", "secret", "none"), FaultKind::kRefusedByPeer, "createdb"},
      {server->url_by_port("ada", "secret") + in + "poor_" + schema, FaultKind::kRefusedByPeer,
       "GRANT"},
      {server->url_by_port("ada", "secret") + in + "none_" + schema, FaultKind::kRefusedByPeer,
       "CREATE SCHEMA"},
      {server->url_by_port("ada", "secret", "ascii_" + schema), FaultKind::kRefusedByPeer, "UTF8"},
      {"postgres://ada:secret@127.0.0.1:" + std::to_string(PostgresServer::free_port()) + "/books",
       FaultKind::kUnreachable, "Is it running"},
      {server->url_by_port("ada", "secret") + "?sslmode=require", FaultKind::kUnreachable, "TLS"},
      {server->url_of("other_" + schema), FaultKind::kCorrupt, "another program"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.url);
    const auto opened = Database::open(one.url, quick());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, one.kind) << opened.error().message;
    EXPECT_NE(opened.error().message.find(one.says), std::string::npos) << opened.error().message;
    EXPECT_EQ(opened.error().message.find("secret"), std::string::npos) << opened.error().message;
    EXPECT_TRUE(opened.error().message.starts_with("postgres://")) << opened.error().message;
  }
  server->tell("DROP DATABASE ascii_" + schema);
}

TEST_F(Postgres, IsOpenedByPasswordInASchemaThatIsItsOwn) {
  server->tell("DROP ROLE IF EXISTS owner_" + schema);
  server->tell("CREATE ROLE owner_" + schema + " LOGIN PASSWORD 'sec/ret@'");
  server->tell("ALTER SCHEMA " + schema + " OWNER TO owner_" + schema);
  const auto opened = Database::open(
      server->url_by_port("owner_" + schema, "sec%2Fret%40") + "?options=-csearch_path%3D" + schema,
      quick());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(mark(**opened, "key_changes"), "0");
  EXPECT_EQ((*opened)->name(), "postgres://owner_" + schema +
                                   "@127.0.0.1:" + std::to_string(server->port()) + "/postgres");
}

TEST_F(Postgres, IsRefusedWhenANewerVersionWroteIt) {
  connect();
  server->tell("UPDATE " + schema + ".tollgate_schema SET version = 99");
  const auto opened = Database::open(where, quick());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(opened.error().message.find("version 99"), std::string::npos);
}

TEST_F(Postgres, IsRefusedWhereItDoesNotKeepWhatItPromises) {
  PostgresServer other({"fsync=off", "wal_level=replica"});
  const auto careless = Database::open(other.url(), {});
  ASSERT_FALSE(careless);
  EXPECT_NE(careless.error().message.find("fsync"), std::string::npos);
  DatabaseOptions short_lived;
  short_lived.durability = Durability::kProcess;
  EXPECT_TRUE(Database::open(other.url(), short_lived));
  std::ofstream(other.directory() + "/data/standby.signal").flush();
  other.restart();
  const auto standby = Database::open(other.url(), {});
  ASSERT_FALSE(standby);
  EXPECT_NE(standby.error().message.find("standby"), std::string::npos) << standby.error().message;
}

// Many gateways that start at once end up with one schema.
TEST_F(Postgres, IsMadeOnceByAllWhoStartAtOnce) {
  std::vector<std::thread> gateways;
  std::atomic<int> opened{0};
  for (int i = 0; i < 8; ++i) {
    gateways.emplace_back([&] {
      const auto database = Database::open(where);
      if (database && write_mark(**database, "here", "1")) ++opened;
      EXPECT_TRUE(database) << database.error().message;
    });
  }
  for (std::thread& gateway : gateways) gateway.join();
  EXPECT_EQ(opened, 8);
  EXPECT_EQ(server->tell("SELECT count(*) FROM " + schema + ".tollgate_schema"), "1");
  EXPECT_EQ(server->tell("SELECT version FROM " + schema + ".tollgate_schema"),
            std::to_string(kPostgresSteps.size()));
}

// ---- Transactions ---------------------------------------------------------------------------

TEST_F(Postgres, TellsAtTheCommitWhatFailedAndKeepsNothingOfIt) {
  const auto database = connect();
  {
    auto transaction = Transaction::begin(*database);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(write_mark(*database, "before", "1"));
    auto wrong = database->prepare("INSERT INTO marks (name, value) VALUES (?, ?)");
    ASSERT_TRUE(wrong->bind("before").bind("2").run());
    auto later = database->prepare("SELECT count(*) FROM marks WHERE name = ?");
    EXPECT_TRUE(write_mark(*database, "behind", "1"));
    const FaultOr<void> done = transaction->commit();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, FaultKind::kRefusedByPeer);
    EXPECT_NE(done.error().message.find("duplicate"), std::string::npos) << done.error().message;
  }
  EXPECT_EQ(mark(*database, "before"), std::nullopt);
  // Statements that were to be prepared behind it are prepared anew.
  ASSERT_TRUE(write_mark(*database, "behind", "2"));
  EXPECT_EQ(mark(*database, "behind"), "2");
}

TEST_F(Postgres, LetsOneWriteAtATimeAndTellsOfTheLock) {
  const auto one = connect();
  const auto two = connect();
  const auto elsewhere = connect(server->fresh_url());
  auto held = Transaction::begin(*one);
  ASSERT_TRUE(held && write_mark(*one, "a", "1") && read_mark(*one, "a"));
  {
    auto waits = Transaction::begin(*two);
    const FaultOr<std::optional<std::string>> found = read_mark(*two, "a");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, FaultKind::kTimeout);
    EXPECT_NE(found.error().message.find("locked"), std::string::npos) << found.error().message;
    EXPECT_FALSE(waits->commit());
  }
  auto other = Transaction::begin(*elsewhere);
  EXPECT_TRUE(write_mark(*elsewhere, "a", "1") && other->commit());
  ASSERT_TRUE(held->commit());
  auto next = Transaction::begin(*two);
  EXPECT_EQ(mark(*two, "a"), "1");
  EXPECT_TRUE(next->commit());
}

// Whatever rows they touch in whatever order.
TEST_F(Postgres, NeverDeadlocks) {
  connect();
  constexpr int kWriters = 4;
  constexpr int kRounds = 40;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      std::mt19937_64 random{static_cast<std::uint64_t>(writer)};
      DatabaseOptions patient;
      patient.durability = Durability::kProcess;
      const auto database = Database::open(where, patient);
      ASSERT_TRUE(database);
      for (int round = 0; round < kRounds; ++round) {
        auto transaction = Transaction::begin(**database);
        for (int i = 0; i < 4; ++i) {
          const std::string name = "sum" + std::to_string(random() % 5);
          const auto found = read_mark(**database, name);
          ASSERT_TRUE(found) << found.error().message;
          const int sum = *found ? std::stoi(**found) : 0;
          ASSERT_TRUE(write_mark(**database, name, std::to_string(sum + 1)));
        }
        const FaultOr<void> done = transaction->commit();
        ASSERT_TRUE(done) << done.error().message;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(server->tell("SELECT sum(value::int) FROM " + schema + ".marks WHERE name LIKE 'sum%'"),
            std::to_string(kWriters * kRounds * 4));
}

TEST_F(Postgres, ReadsOneMomentInASnapshot) {
  const auto reader = connect();
  const auto writer = connect();
  ASSERT_TRUE(write_mark(*writer, "a", "1"));
  {
    const auto moment = Snapshot::begin(*reader);
    EXPECT_EQ(mark(*reader, "a"), "1");
    ASSERT_TRUE(write_mark(*writer, "a", "2"));
    EXPECT_EQ(mark(*reader, "a"), "1");
  }
  EXPECT_EQ(mark(*reader, "a"), "2");
}

// ---- Accidents ------------------------------------------------------------------------------

TEST_F(Postgres, GoesOnAfterARestart) {
  const auto database = connect();
  ASSERT_TRUE(write_mark(*database, "a", "1"));
  server->restart();
  EXPECT_EQ(mark(*database, "a"), "1");
  {
    auto transaction = Transaction::begin(*database);
    ASSERT_TRUE(write_mark(*database, "b", "1") && mark(*database, "b"));
    server->restart();
    EXPECT_FALSE(read_mark(*database, "a"));
    EXPECT_FALSE(read_mark(*database, "a"));
    EXPECT_FALSE(transaction->commit());
  }
  EXPECT_EQ(mark(*database, "b"), std::nullopt);
}

TEST_F(Postgres, KeepsNothingOfATransactionThatItDiedIn) {
  const auto database = connect();
  {
    auto transaction = Transaction::begin(*database);
    ASSERT_TRUE(write_mark(*database, "a", "1") && mark(*database, "a"));
    server->kill();
    (void)write_mark(*database, "b", "1");
    const FaultOr<void> done = transaction->commit();
    ASSERT_FALSE(done);
  }
  const auto away = read_mark(*database, "a");
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().kind, FaultKind::kUnreachable);
  server->start();
  EXPECT_EQ(mark(*database, "a"), std::nullopt);
  ASSERT_TRUE(write_mark(*database, "a", "2"));
}

TEST_F(Postgres, SaysThatACommitIsUncertainWhoseAnswerIsLost) {
  connect();
  CutConnection cut(*server);
  for (const Cut how : {Cut::kBeforeTheServer, Cut::kBeforeTheClient}) {
    const auto database = connect(cut.url_of(schema));
    const std::string name = how == Cut::kBeforeTheServer ? "lost" : "kept";
    {
      auto transaction = Transaction::begin(*database);
      ASSERT_TRUE(read_mark(*database, "a") && write_mark(*database, name, "1"));
      cut.cut(how);
      const FaultOr<void> done = transaction->commit();
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().kind, FaultKind::kUncertain) << done.error().message;
    }
    const bool is_there = how == Cut::kBeforeTheClient;
    EXPECT_TRUE(
        PostgresServer::wait_until([&] { return mark(*database, name).has_value() == is_there; }));
  }
}

TEST_F(Postgres, WaitsNoLongerThanItsDeadline) {
  const auto database = connect();
  const auto took = [](const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::steady_clock::now() - start;
  };
  for (const bool in_transaction : {false, true}) {
    ASSERT_EQ(mark(*database, "a"), std::nullopt);
    std::optional<Transaction> transaction;
    if (in_transaction) {
      transaction.emplace(std::move(Transaction::begin(*database).value()));
      ASSERT_TRUE(read_mark(*database, "a") && write_mark(*database, "a", "1"));
    }
    server->pause();
    EXPECT_LT(
        took([&] {
          const FaultOr<void> done =
              in_transaction ? transaction->commit() : write_mark(*database, "b", "1");
          ASSERT_FALSE(done);
          EXPECT_EQ(done.error().kind, in_transaction ? FaultKind::kUncertain : FaultKind::kTimeout)
              << done.error().message;
        }),
        seconds(3));
    transaction.reset();
    // Connecting, too.
    EXPECT_LT(took([&] {
                const auto found = read_mark(*database, "a");
                ASSERT_FALSE(found);
                EXPECT_EQ(found.error().kind, FaultKind::kTimeout) << found.error().message;
              }),
              seconds(3));
    server->resume();
    EXPECT_TRUE(read_mark(*database, "a"));
    ASSERT_TRUE(
        PostgresServer::wait_until([&] { return write_mark(*database, "a", "2").has_value(); }));
    server->tell("DELETE FROM " + schema + ".marks WHERE name = 'a'");
  }
}

// A gateway that vanishes without a word in the middle of a transaction holds up the others no
// longer than the server's patience.
TEST_F(Postgres, TakesTheLockOfAGatewayThatFellSilent) {
  connect();
  CutConnection cut(*server);
  const auto silent = connect(cut.url_of(schema));
  auto transaction = Transaction::begin(*silent);
  ASSERT_TRUE(read_mark(*silent, "a"));
  cut.cut(Cut::kSilently);
  const auto other = connect();
  EXPECT_TRUE(PostgresServer::wait_until([&] {
    auto mine = Transaction::begin(*other);
    return mine && write_mark(*other, "a", "1") && mine->commit();
  }));
}

}  // namespace
}  // namespace tollgate::storage
