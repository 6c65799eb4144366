#include "storage/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/hand_executor.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class StoreTest : public StorageTest {
 protected:
  StoreTest() {
    place_.state_directory = (directory_ / "state").string();
    if (backend_ == Backend::kSqlite) {
      place_.sqlite_path = path();
    } else {
      own_clock();
      place_.postgres_url = config::Secret(where_);
    }
  }
  FaultOr<std::unique_ptr<Store>> open() { return Store::open(place_, policy_, clock_); }

  // Of the gateway, and of the server where there is one.
  void set_clock(WallTime time) {
    clock_.set(time);
    if (backend_ == Backend::kSqlite) return;
    PostgresServer::shared()->tell("UPDATE " + schema_ +
                                   ".clock SET us = " + std::to_string(to_microseconds(time)));
  }

  config::Store place_;

 private:
  // The server's clock is the test's, in the schema of the test.
  void own_clock() {
    schema_ = where_.substr(where_.rfind("%3D") + 3);
    where_ += "%2Cpg_catalog";
    const std::string start = std::to_string(to_microseconds(clock_.wall()));
    for (const std::string& sql :
         {"CREATE TABLE " + schema_ + ".clock AS SELECT CAST(" + start + " AS BIGINT) AS us",
          "CREATE FUNCTION " + schema_ +
              ".clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
              "'SELECT to_timestamp(us / 1000000.0) FROM " +
              schema_ + ".clock'"}) {
      PostgresServer::shared()->tell(sql);
    }
  }

  std::string schema_;
};
class AStore : public StoreTest, public testing::WithParamInterface<Backend> {};
class AFileStore : public StoreTest {};

cost::Policy budget(limits::Scope scope, cost::Window window) {
  cost::Policy policy;
  policy.scope = scope;
  policy.window = window;
  policy.limit = Money{1'000'000};
  policy.rule = std::string("budgets.") + std::string(limits::name_of(scope)) +
                std::string(cost::name_of(window));
  return policy;
}

TEST_P(AStore, FillsTheBudgetsFromTheBooks) {
  {
    const auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    (*store)->start();
    for (int n = 1; n <= 4; ++n) {
      Request request(n);
      ASSERT_TRUE(request.decide((*store)->trail()));
      ASSERT_TRUE(request.end((*store)->trail()));
    }
    ASSERT_TRUE((*store)->stop());
  }
  config::Config config;
  config.budgets = {budget(limits::Scope::kTenantId, cost::Window::kMonth),
                    budget(limits::Scope::kGlobal, cost::Window::kHour),
                    budget(limits::Scope::kUserId, cost::Window::kTotal)};
  config.tenants = {{.name = "acme"}};
  config.tenants[0].budget = budget(limits::Scope::kTenantId, cost::Window::kDay);
  set_clock(kMorning + std::chrono::hours(2));
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE((*store)->count_budgets(config));
  std::map<std::string, Money> spent;
  for (const BudgetStanding& standing : (*store)->ledger().snapshot(clock_.wall()).budgets) {
    spent[standing.rule + " " + standing.subject] = standing.spent;
  }
  EXPECT_EQ(spent["budgets.tenant_idmonth acme"], Money{1 + 2 + 4});
  EXPECT_EQ(spent["budgets.tenant_idmonth globex"], Money{3});
  EXPECT_EQ(spent["budgets.globalhour "], Money{});  // Spent two hours ago.
  EXPECT_EQ(spent["budgets.user_idtotal acme/ada"], Money{7});
  EXPECT_EQ(spent["budgets.tenant_idday acme"], Money{7});
}

// Of requests in the quarters of one hour: half past five is on the hour in Kolkata.
TEST_P(AStore, FillsTheBudgetsOfEachTimeZoneFromTheBooks) {
  {
    const auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    (*store)->start();
    for (int n = 1; n <= 2; ++n) {
      Request request(n);
      request.record.time = n == 1 ? kMorning - Duration(1) : kMorning;
      ASSERT_TRUE(request.decide((*store)->trail()));
      ASSERT_TRUE(request.end((*store)->trail()));
    }
    ASSERT_TRUE((*store)->stop());
  }
  config::Config config;
  std::map<std::string, Money> expected;
  const struct {
    const char* zone;
    std::int64_t spent;
  } rows[] = {{"UTC", 1 + 2}, {"Asia/Kolkata", 2}, {"Asia/Kathmandu", 1 + 2}};
  for (const auto& row : rows) {
    config.budgets.push_back(budget(limits::Scope::kTenantId, cost::Window::kHour));
    config.budgets.back().zone = cost::TimeZone::named(row.zone).value();
    config.budgets.back().rule = row.zone;
    expected[row.zone] = Money{row.spent};
  }
  set_clock(kMorning + std::chrono::minutes(10));
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE((*store)->count_budgets(config));
  std::map<std::string, Money> spent;
  for (const BudgetStanding& standing : (*store)->ledger().snapshot(clock_.wall()).budgets) {
    spent[standing.rule] = standing.spent;
  }
  EXPECT_EQ(spent, expected);
}

Task<void> hold_once(MemoryLedger& ledger, const pipeline::Charges& charges, Arena& arena,
                     Executor& executor, bool& held) {
  const Expected<pipeline::Hold, pipeline::Shortfall> answer =
      co_await ledger.hold(charges, arena, executor, Instant{}, kMorning);
  held = answer.has_value();
}

// A lease outlives the gateway that took it: given back by the next one, or counted as spent where
// nobody can tell what became of it.
TEST_P(AStore, EndsTheLeasesOfAGatewayThatDied) {
  const cost::Policy policy = budget(limits::Scope::kTenantId, cost::Window::kMonth);
  for (const bool power_was_lost : {false, true}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto store = open();
      if (!store) _exit(1);
      const pipeline::BudgetCharge charge{&policy, "acme", Money{1'000}};
      pipeline::Charges charges;
      charges.budgets = {&charge, 1};
      Arena arena;
      HandExecutor executor;
      bool held = false;
      tollgate::start(hold_once((*store)->ledger(), charges, arena, executor, held));
      const bool flushed = (*store)->trail().flush().has_value();
      executor.run();
      _exit(flushed && held ? 0 : 2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    const auto taken = [&]() -> std::int64_t {
      const auto database = connect();
      auto sum = database->prepare(
          "SELECT CAST(coalesce(sum(taken_micro_usd), 0) AS BIGINT) FROM allowances");
      return sum && sum->step().value_or(false) ? sum->integer(0) : -1;
    };
    EXPECT_GE(taken(), 1'000);
    if (power_was_lost) {
      ASSERT_TRUE(connect()->execute(
          "UPDATE marks SET value = 'another run' WHERE name LIKE '%journal_state'"));
    }
    const std::int64_t before = taken();
    ASSERT_TRUE(open());
    EXPECT_EQ(taken(), power_was_lost ? before : 0);
  }
}

TEST_P(AStore, KeepsHowFarProvidersCountAboveUs) {
  tokens::CountErrors learned;
  {
    auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->keep(learned));
    EXPECT_TRUE(learned.all().empty());
    (*store)->start();
    for (int i = 0; i < 3; ++i) {
      learned.learn(learned.of("small", "o200k_base"), 1000, 1164, clock_.wall());
      learned.learn(learned.of("other", ""), 1000, 900, clock_.wall());
    }
    ASSERT_TRUE((*store)->stop());
  }
  // Damaged ones are learned anew.
  for (const char* damaged : {"'count_error/small'", "'count_error/large\no200k_base'"}) {
    ASSERT_TRUE(connect()->execute(
        ("INSERT INTO marks (name, value) VALUES (" + std::string(damaged) + ", '1 -2 x')")
            .c_str()));
  }
  tokens::CountErrors known;
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE((*store)->keep(known));
  EXPECT_EQ(known.of("small", "o200k_base").margin(1000), 164);
  EXPECT_EQ(known.all().size(), 1);
}

TEST_P(AStore, ServesOneGatewayAtATime) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, FaultKind::kRefusedByPeer);
  EXPECT_NE(second.error().message.find("another gateway"), std::string::npos);
  EXPECT_TRUE(open_for_command(place_));
}

TEST_F(AFileStore, TellsWhetherAGatewayServesAndNeverStandsInItsWay) {
  EXPECT_FALSE(gateway_runs(path()));
  {
    const auto store = open();
    ASSERT_TRUE(store);
    EXPECT_TRUE(gateway_runs(path()));
    EXPECT_TRUE(gateway_runs(path()));
  }
  EXPECT_FALSE(gateway_runs(path()));
  EXPECT_TRUE(open());
}

TEST_P(AStore, LetsGoOfItsLockHoweverItEnds) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto store = open();
    _exit(store ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(open());
}

TEST_F(AFileStore, IsNotOpenedOverADamagedFile) {
  {
    ASSERT_TRUE(open());
  }
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 2; page < 8; ++page) {
      file.seekp(page * 4096);
      file << std::string(256, '\xa5');
    }
  }
  std::filesystem::remove(path() + "-wal");
  std::filesystem::remove(path() + "-shm");
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(store.error().message.find("backup"), std::string::npos);
}

TEST_P(AStore, ShowsCommandsWhatTheGatewayDoesAndTheReverse) {
  const auto store = open();
  ASSERT_TRUE(store);
  const auto command = open_for_command(place_);
  ASSERT_TRUE(command);
  authentication::KeyRecord key;
  key.id = "abc";
  key.tenant = "acme";
  ASSERT_TRUE(create_key(**command, ada(), key));
  Arena arena;
  ASSERT_TRUE((*store)->keys().poll());
  EXPECT_TRUE((*store)->keys().find("abc", arena));
  Request request(1);
  ASSERT_TRUE(request.decide((*store)->trail()));
  ASSERT_TRUE((*store)->trail().flush());
  const AuditPlaces places = last_places(**command).value();
  const AuditPlaces written{{std::string(kChangesChain), 1}, {(*store)->gateway(), 1}};
  EXPECT_EQ(places, written);
}

TEST_F(AFileStore, InMemoryWorksTheSameAndLeavesNothing) {
  place_ = {};
  place_.in_memory = true;
  std::string directory;
  {
    const auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    (*store)->start();
    directory = std::filesystem::path((*store)->where()).parent_path();
    EXPECT_EQ((*store)->beside("pepper"), directory + "/pepper");
    Request request(3);
    ASSERT_TRUE(request.decide((*store)->trail()));
    ASSERT_TRUE(request.end((*store)->trail()));
    ASSERT_TRUE((*store)->trail().flush());
    const auto reader = (*store)->reader();
    ASSERT_TRUE(reader);
    EXPECT_EQ(totals_of(**reader).booked, Money{3});
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_FALSE(open_for_command(place_));
}

TEST_F(AFileStore, TellsOfADirectoryThatIsMissing) {
  place_.sqlite_path = (directory_ / "none" / "tollgate.db").string();
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, FaultKind::kUnreachable);
  EXPECT_NE(store.error().message.find("directory"), std::string::npos);
}

// Budgets begin by the clock, so it must be the store's.
TEST_P(AStore, IsNotServedByAMachineWhoseClockIsFarOff) {
  if (backend_ == Backend::kSqlite) return;  // A file has no clock but the machine's.
  clock_.set(kMorning + std::chrono::seconds(20));
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("clock"), std::string::npos) << store.error().message;
  set_clock(kMorning);
  EXPECT_TRUE(open());
}

INSTANTIATE_TEST_SUITE_P(Stores, AStore, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
