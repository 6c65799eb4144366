// A PostgreSQL server that fails over to a standby that lacks the last commits: nothing is lent
// twice, and what was lost is written again. With the real servers.
#include "storage/audit_query.h"
#include "storage/gateway_seat.h"
#include "storage/reconcile.h"
#include "storage/storage_fixture.h"
#include "storage/store_lender.h"
#include "storage/testing_clock.h"

namespace tollgate::storage {
namespace {

constexpr Money kLimit{1'000'000};
constexpr Money kMost{600'000};
constexpr AccountId kAccount{"budgets.tenant_id", "acme", WallTime{}};

// A gateway with one account; what it has in hand is what it was told last.
struct Node : Borrower {
  Node(std::string name, const pipeline::Clock& time) : gateway(std::move(name)), clock(time) {}

  void start(const std::string& where, const std::string& directory) {
    seat = std::make_unique<GatewaySeat>(gateway, "process of " + gateway, clock);
    FaultOr<std::unique_ptr<Database>> own = Database::open(where);
    ASSERT_TRUE(own) << own.error().message;
    {
      FaultOr<Transaction> transaction = Transaction::begin(**own);
      ASSERT_TRUE(transaction && seat->take(**own) && transaction->commit());
    }
    JournalOptions options;
    options.gateway = gateway;
    options.directory = directory + "/" + gateway + ".journal";
    options.while_away = WhileAway::kSpool;
    auto opened = StoredTrail::open(std::move(*own), policy, clock, options);
    ASSERT_TRUE(opened) << opened.error().message;
    trail = std::move(*opened);
    trail->sit(*seat);
    lender = std::make_unique<StoreLender>(gateway, Sharing::kShared, *this, clock, [] {});
    lender->sit(*seat);
    trail->join(*lender);
    group();
  }
  // One group, tried until the server answers.
  void group() {
    ASSERT_TRUE(PostgresServer::wait_until([&] {
      lender->beat();
      last = trail->flush();
      return last.has_value() || !seat->is_good();
    })) << last.error().message;
  }
  void ask(Money least) {
    LeaseNeed need;
    need.account = kAccount;
    need.limit = kLimit;
    need.least = least;
    lender->ask({&need, 1}, nullptr);
    group();
  }

  void answered(const AccountId&, std::uint64_t, int, const std::optional<Lease>& lease) override {
    if (lease) leased = lease->leased;
  }
  void each_lease(Extent extent, const VisitLease& visit) override {
    if (extent == Extent::kUsed) leased = std::min(leased, used);
    if (leased > Money{}) visit(kAccount, leased);
  }

  const std::string gateway;
  const pipeline::Clock& clock;
  audit::Policy policy;
  std::unique_ptr<GatewaySeat> seat;
  std::unique_ptr<StoreLender> lender;
  std::unique_ptr<StoredTrail> trail;  // Ends first: it writes what is left.
  FaultOr<void> last;
  Money leased;
  Money used;
};

class Failover : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(PostgresServer::programs().empty()) << "PostgreSQL is not installed";
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    primary_ = std::make_unique<PostgresServer>(PostgresServer::replicated());
    standby_ = std::make_unique<PostgresServer>(PostgresServer::StandbyOf{*primary_});
    where_ = "postgres://tollgate@/postgres?host=" + primary_->directory() + "," +
             standby_->directory() + "&port=" + std::to_string(primary_->port()) + "," +
             std::to_string(standby_->port()) + "&target_session_attrs=read-write";
    one_.start(where_, directory_);
    two_.start(where_, directory_);
  }
  void TearDown() override {
    one_.trail = nullptr;
    two_.trail = nullptr;
    std::filesystem::remove_all(directory_);
  }

  // From here on the standby gets no more.
  void cut_standby() {
    ASSERT_TRUE(PostgresServer::wait_until([&] {
      return primary_->tell(
                 "SELECT coalesce(bool_and(replay_lsn = pg_current_wal_lsn()), false) "
                 "FROM pg_stat_replication") == "t";
    }));
    standby_->stop();
  }
  void fail_over() {
    primary_->kill();
    standby_->start();
    standby_->promote();
  }
  // As if the gathering had begun so many seconds before.
  void let_pass(int seconds) {
    standby_->tell(
        "UPDATE marks SET value = split_part(value, ' ', 1) || ' ' || (split_part(value, "
        "' ', 2)::bigint - " +
        std::to_string(seconds) +
        " * 1000000) || ' ' || split_part(value, ' ', 3) WHERE name = 'timeline' AND "
        "value LIKE '% %'");
  }
  std::int64_t taken() {
    return std::stoll(standby_->tell("SELECT taken_micro_usd FROM allowances"));
  }

  SystemClock clock_;
  std::string directory_;
  std::string where_;
  std::unique_ptr<PostgresServer> primary_;
  std::unique_ptr<PostgresServer> standby_;
  Node one_{"one", clock_};
  Node two_{"two", clock_};
};

TEST_F(Failover, LendsNothingTwiceAndWritesAgainWhatWasLost) {
  ASSERT_TRUE(Request(3).decide(*one_.trail));
  one_.group();
  cut_standby();
  // All of this is on the primary alone.
  one_.ask(kMost);
  ASSERT_EQ(one_.leased, kMost);
  ASSERT_TRUE(Request(3).end(*one_.trail));
  ASSERT_TRUE(Request(5).decide(*one_.trail));
  one_.group();
  ASSERT_TRUE(Request(5).end(*one_.trail));
  one_.group();
  fail_over();

  two_.ask(kMost);
  EXPECT_EQ(two_.leased, Money{}) << "lent before all have said what they hold";
  let_pass(-60);  // However slow this machine is.
  ASSERT_TRUE(Request(7).decide(*one_.trail)) << "it spools meanwhile";
  one_.group();
  EXPECT_TRUE(one_.seat->is_good());
  EXPECT_TRUE(one_.trail->healthy());
  EXPECT_EQ(taken(), kMost.micro_usd);
  two_.ask(Money{400'000});
  EXPECT_EQ(two_.leased, Money{}) << "one that nobody knows of may not have noticed yet";
  let_pass(62);
  two_.group();
  two_.group();
  two_.ask(kMost);
  EXPECT_EQ(two_.leased, Money{}) << "there are 400,000 left";
  two_.ask(Money{400'000});
  EXPECT_EQ(two_.leased, Money{400'000});
  EXPECT_EQ(taken(), kLimit.micro_usd);

  ASSERT_TRUE(Request(7).end(*one_.trail));
  one_.group();
  FaultOr<std::unique_ptr<Database>> reader = Database::open(where_);
  ASSERT_TRUE(reader);
  const Totals totals = totals_of(**reader);
  EXPECT_EQ(totals.decisions, 3);
  EXPECT_EQ(totals.outcomes, 3);
  EXPECT_EQ(totals.booked, Money{3 + 5 + 7});
  EXPECT_EQ(totals.recorded, totals.booked);
  for (const Proof& proof : verify_chains(**reader).value()) {
    EXPECT_FALSE(proof.broken) << proof.gateway << ": " << proof.why;
  }
}

// Who says too late what he had gives up what he had not used of it.
TEST_F(Failover, WaitsForNobodyForEver) {
  cut_standby();
  one_.ask(kMost);
  one_.used = Money{100'000};
  fail_over();
  two_.ask(kMost);
  EXPECT_EQ(two_.leased, Money{});
  let_pass(-60);
  let_pass(61);
  two_.group();
  two_.ask(kMost);
  EXPECT_EQ(two_.leased, Money{}) << "one is waited for still";
  let_pass(15);
  two_.group();
  two_.ask(kMost);
  EXPECT_EQ(two_.leased, kMost);
  one_.group();
  EXPECT_EQ(one_.leased, one_.used);
  EXPECT_EQ(taken(), kMost.micro_usd + one_.used.micro_usd);
}

}  // namespace
}  // namespace tollgate::storage
