// The trail on a shared store whose answers get lost: every group is there once.
#include <random>
#include <set>

#include "storage/gateway_seat.h"
#include "storage/storage_fixture.h"
#include "storage/testing_cut.h"

namespace tollgate::storage {
namespace {

using Cut = CutConnection::Cut;

class LostAnswers : public StorageTest {
 protected:
  void SetUp() override {
    server = PostgresServer::shared();
    if (server == nullptr) {
      FAIL() << "PostgreSQL is not installed, so nothing is known about it: run ./dev setup";
    }
    const std::string url = server->fresh_url();
    options.durability = Durability::kProcess;
    options.busy_timeout = std::chrono::milliseconds(300);
    options.statement_deadline = std::chrono::milliseconds(300);
    options.connect_deadline = std::chrono::milliseconds(500);
    direct = open(url);
    cut = std::make_unique<CutConnection>(*server);
    through_cut = cut->url_of(url.substr(url.rfind("%3D") + 3));
    tell_time();
    ASSERT_TRUE(seat.take(*direct));
    auto opened = StoredTrail::open(open(through_cut), policy_, clock_, journal_options());
    ASSERT_TRUE(opened) << opened.error().message;
    trail = *std::move(opened);
    trail->sit(seat);
  }
  void TearDown() override { trail.reset(); }

  std::unique_ptr<Database> open(const std::string& url) const {
    auto opened = Database::open(url, options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  // The seat holds the gateway's clock against the store's.
  void tell_time() { clock_.set(direct->now().value()); }

  void expect_every_request_once(std::int64_t requests) {
    ASSERT_TRUE(PostgresServer::wait_until([&] {
      tell_time();
      return trail->flush().has_value();
    }));
    const auto proof = verify_audit(*direct);
    ASSERT_TRUE(proof && !proof->broken) << proof->why;
    EXPECT_EQ(proof->records, 2 * requests);
    const Totals all = totals_of(*direct);
    EXPECT_EQ(all.requests_booked, requests);
    EXPECT_EQ(all.booked, all.recorded);
  }

  PostgresServer* server = nullptr;
  DatabaseOptions options;
  std::unique_ptr<Database> direct;
  std::unique_ptr<CutConnection> cut;
  std::string through_cut;
  GatewaySeat seat{kOnlyGateway, "this process", clock_};
  std::unique_ptr<StoredTrail> trail;
};

// Wherever connections are cut.
TEST_F(LostAnswers, LoseAndDoubleNothingInAnyHistory) {
  std::mt19937_64 random{5};
  std::int64_t next = 1;
  std::set<std::int64_t> at_work;
  for (int step = 0; step < 300; ++step) {
    const std::uint64_t what = random() % 10;
    if (what < 4) {
      if (Request(next).decide(*trail)) at_work.insert(next++);
    } else if (what < 7 && !at_work.empty()) {
      ASSERT_TRUE(Request(*at_work.begin()).end(*trail));
      at_work.erase(at_work.begin());
    } else if (what < 9) {
      tell_time();
      (void)trail->flush();
    } else {
      cut->cut(random() % 2 == 0 ? Cut::kBeforeTheServer : Cut::kBeforeTheClient);
    }
  }
  cut->cut(Cut::kNever);
  for (const std::int64_t n : at_work) ASSERT_TRUE(Request(n).end(*trail));
  expect_every_request_once(next - 1);
}

// Somebody who only asks, as a lender does.
class Asks final : public GroupPart {
 public:
  bool idle() const override { return !asks; }
  FaultOr<void> write(Database&) override { return {}; }
  void committed() override { asks = false; }
  void failed(const Fault&) override {}

  bool asks = true;
};

// What comes behind a group that had no record, and was committed, is not taken for it.
TEST_F(LostAnswers, TakeNothingElseForTheGroupInQuestion) {
  Request first(1);
  ASSERT_TRUE(first.decide(*trail));
  ASSERT_TRUE(trail->flush());
  Asks part;
  trail->join(part);
  cut->cut(Cut::kCommitIsLate);
  EXPECT_EQ(trail->flush().error().kind, FaultKind::kUncertain);
  ASSERT_TRUE(cut->holds_commit());
  cut->let_through();
  ASSERT_TRUE(first.end(*trail));
  expect_every_request_once(1);
  trail.reset();  // Before who joined it.
}

// The commit is on its way for long, and the server has the lock for it meanwhile.
TEST_F(LostAnswers, AreNotAskedForBeforeTheCommitHasEnded) {
  Request first(1);
  ASSERT_TRUE(first.decide(*trail));
  ASSERT_TRUE(first.end(*trail));
  cut->cut(Cut::kCommitIsLate);
  EXPECT_EQ(trail->flush().error().kind, FaultKind::kUncertain);
  ASSERT_TRUE(cut->holds_commit());
  EXPECT_EQ(trail->flush().error().kind, FaultKind::kTimeout);
  EXPECT_EQ(totals_of(*direct).requests_booked, 0);
  cut->let_through();
  expect_every_request_once(1);
}

}  // namespace
}  // namespace tollgate::storage
