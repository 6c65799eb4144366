// What is open when a gateway is killed is ended by its next start, at once or while it serves.
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "base/hand_executor.h"
#include "storage/allowances.h"
#include "storage/memory_ledger.h"
#include "storage/storage_fixture.h"
#include "storage/store_lender.h"
#include "storage/trail_group.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

using pipeline::BudgetCharge;
using pipeline::Charges;
using pipeline::Hold;
using pipeline::Shortfall;

// A gateway as Store wires it, which ends nothing of an earlier one before it serves.
class Serving {
 public:
  Serving(const std::string& place, const audit::Policy& policy, const pipeline::Clock& clock)
      : clock_(clock) {
    DatabaseOptions durability;
    durability.durability = Durability::kProcess;
    JournalOptions journal;
    journal.segment_bytes = 64 << 10;
    journal.ended_at_start = 0;
    auto database = Database::open(place + "/tollgate.db", durability);
    EXPECT_TRUE(database) << database.error().message;
    auto opened = StoredTrail::open(std::move(*database), policy, clock, journal);
    EXPECT_TRUE(opened) << opened.error().message;
    trail = std::move(*opened);
    ledger = std::make_unique<MemoryLedger>(MemoryLedger::Options{.key = 5}, trail.get());
    lender_ = std::make_unique<StoreLender>(kOnlyGateway, Sharing::kAlone, *ledger, clock, [] {});
    if (trail->recovering()) lender_->earlier_leases(EarlierLeases::kOpen);
    trail->when_recovered([this] { lender_->earlier_leases(EarlierLeases::kEnded); });
    trail->join(*lender_);
    ledger->lend_from(*lender_);
  }
  ~Serving() { trail.reset(); }

  struct Held {
    Arena arena;
    BudgetCharge charge;
    std::optional<Expected<Hold, Shortfall>> result;
    bool is_held() const { return result && result->has_value(); }
  };
  // Writes a group for each answer that it waits for.
  std::unique_ptr<Held> hold(const cost::Policy& budget, Money amount) {
    auto held = std::make_unique<Held>();
    held->charge = {&budget, "acme", amount};
    now_ += std::chrono::seconds(1);
    start(ask(*this, *held));
    while (!held->result) {
      EXPECT_TRUE(trail->flush());
      executor_.run();
    }
    return held;
  }

  std::unique_ptr<StoredTrail> trail;
  std::unique_ptr<MemoryLedger> ledger;

 private:
  static Task<void> ask(Serving& self, Held& held) {
    const Charges charges{{}, {&held.charge, 1}};
    held.result = co_await self.ledger->hold(charges, held.arena, self.executor_, self.now_,
                                             self.clock_.wall());
  }

  const pipeline::Clock& clock_;
  Instant now_{std::chrono::hours(1)};
  HandExecutor executor_;
  std::unique_ptr<StoreLender> lender_;
};

class Recovery : public StorageTest {
 protected:
  Recovery() {
    budget_.limit = Money{10'000};
    budget_.rule = "budgets.tenant_id";
    place_ = directory_.string() + "/0";
    std::filesystem::create_directory(place_);
  }
  std::unique_ptr<Serving> serve() { return std::make_unique<Serving>(place_, policy_, clock_); }
  // From here on the test goes on in a directory as a kill at this moment would have left it.
  void kill() {
    const std::string after = directory_.string() + "/" + std::to_string(++kills_);
    std::filesystem::create_directory(after);
    for (const char* file : {"/tollgate.db", "/tollgate.db-wal"}) {
      if (std::filesystem::exists(place_ + file)) {
        std::filesystem::copy_file(place_ + file, after + file);
      }
    }
    std::filesystem::copy(place_ + "/tollgate.db.journal", after + "/tollgate.db.journal");
    place_ = after;
  }
  // Decides number `n`, which holds 2n and, if it holds on the budget, says so.
  static Request decide(StoredTrail& trail, std::int64_t n, const Serving::Held* held) {
    Request request(n);
    if (held != nullptr) request.record.budgets = held->result->value().budgets;
    EXPECT_TRUE(request.decide(trail));
    return request;
  }
  static Lease standing(Database& database, std::string_view gateway, const cost::Policy& budget) {
    LeaseAsk ask;
    ask.account = {budget.rule, "acme", cost::start_of(budget.window, budget.zone, kMorning)};
    ask.limit = budget.limit;
    return Allowances(database, gateway).lease(ask, kMorning).value();
  }

  cost::Policy budget_;
  std::string place_;
  int kills_ = 0;
  std::vector<std::unique_ptr<Serving>> killed_;
};

// Of 10,000 the killed gateway holds 6,000: they and the rest of its lease stay taken while its
// requests are being ended, and come back but for what was held.
TEST_F(Recovery, LeavesWhatWasHeldTakenUntilItIsBooked) {
  killed_.push_back(serve());
  const auto held = killed_.back()->hold(budget_, Money{6'000});
  ASSERT_TRUE(held->is_held());
  const Request request = decide(*killed_.back()->trail, 3'000, held.get());
  ASSERT_TRUE(killed_.back()->trail->flush());
  const Money taken = standing(killed_.back()->trail->database(), kOnlyGateway, budget_).taken;
  ASSERT_GT(taken, Money{6'000});
  kill();

  testing::internal::CaptureStderr();
  const auto next = serve();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("1 requests had not ended"),
            std::string::npos);
  StoredTrail& trail = *next->trail;
  EXPECT_TRUE(trail.recovering());
  EXPECT_EQ(standing(trail.database(), kOnlyGateway, budget_).taken, taken);
  EXPECT_EQ(standing(trail.database(), kOnlyGateway, budget_).leased, Money{});
  // Before the first group: what is free is lent, and not more.
  const Money free{10'000 - taken.micro_usd};
  const auto fits = next->hold(budget_, Money{free.micro_usd / 2});
  EXPECT_TRUE(fits->is_held());
  ASSERT_TRUE(trail.flush());
  EXPECT_FALSE(trail.recovering());
  EXPECT_EQ(totals_of(trail.database()).booked, Money{6'000});
  const Lease earlier = standing(trail.database(), earlier_of(kOnlyGateway), budget_);
  EXPECT_EQ(earlier.leased, Money{6'000});
  EXPECT_EQ(earlier.spent, Money{6'000});
  // All that is not spent or held can be held, and one micro-dollar more cannot.
  const Money rest{10'000 - 6'000 - free.micro_usd / 2};
  EXPECT_FALSE(next->hold(budget_, Money{rest.micro_usd + 1})->is_held());
  EXPECT_TRUE(next->hold(budget_, rest)->is_held());
}

// Killed again and again while it ends what was open, with requests of its own in between: each
// request has one outcome, and what is booked is what was held.
TEST_F(Recovery, EndsEachRequestOnceHoweverOftenItIsKilled) {
  std::mt19937_64 random{31};
  testing::internal::CaptureStderr();
  killed_.push_back(serve());
  std::int64_t next = 1;
  Money held;
  const auto some = [&](Serving& gateway, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i, ++next) {
      decide(*gateway.trail, next, nullptr);
      held.micro_usd += 2 * next;
    }
    EXPECT_TRUE(gateway.trail->flush());
  };
  for (int group = 0; group < 60; ++group) some(*killed_.back(), 40);
  kill();
  int starts = 0;
  int broken_off = 0;
  while (true) {
    ++starts;
    killed_.push_back(serve());
    Serving& gateway = *killed_.back();
    EXPECT_LE(totals_of(gateway.trail->database()).outcomes, next - 1);
    if (starts > 6) {
      while (gateway.trail->recovering()) ASSERT_TRUE(gateway.trail->flush());
      break;
    }
    for (std::uint64_t group = random() % 4; group > 0; --group) {
      some(gateway, static_cast<std::int64_t>(random() % 20));
    }
    broken_off += gateway.trail->recovering() ? 1 : 0;
    kill();
  }
  EXPECT_GT(broken_off, 2);
  Database& database = killed_.back()->trail->database();
  const Totals totals = totals_of(database);
  EXPECT_EQ(totals.decisions, next - 1);
  EXPECT_EQ(totals.outcomes, next - 1);
  EXPECT_EQ(totals.cut, next - 1);
  EXPECT_EQ(totals.booked, held);
  EXPECT_EQ(totals.recorded, held);
  EXPECT_EQ(totals.requests_booked, next - 1);
  const FaultOr<Proof> proof = verify_audit(database);
  ASSERT_TRUE(proof);
  EXPECT_FALSE(proof->broken) << proof->why;
  testing::internal::GetCapturedStderr();
}

// Rows of an earlier version do not name the requests that are open.
TEST_F(Recovery, SaysWhatToDoAboutWhatAnEarlierVersionLeftOpen) {
  killed_.push_back(serve());
  decide(*killed_.back()->trail, 1, nullptr);
  ASSERT_TRUE(killed_.back()->trail->flush());
  kill();
  auto database = Database::open(place_ + "/tollgate.db").value();
  ASSERT_TRUE(database->execute("UPDATE audit_groups SET opened = zeroblob(16)"));
  const auto opened = TrailWriter::open(*database, kOnlyGateway);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(opened.error().message.find("Start that version once"), std::string::npos);
}

// A clean stop leaves the rest to the next start.
TEST_F(Recovery, GoesOnAfterACleanStop) {
  testing::internal::CaptureStderr();
  killed_.push_back(serve());
  for (int group = 0; group < 30; ++group) {
    for (int i = 1; i <= 40; ++i) decide(*killed_.back()->trail, 40 * group + i, nullptr);
    ASSERT_TRUE(killed_.back()->trail->flush());
  }
  kill();
  {
    const auto stopped = serve();
    ASSERT_TRUE(stopped->trail->stop());
    EXPECT_TRUE(stopped->trail->recovering());
  }
  const auto next = serve();
  EXPECT_GT(next->trail->recovered(), 0);
  EXPECT_LT(next->trail->recovered(), 1'200);
  while (next->trail->recovering()) ASSERT_TRUE(next->trail->flush());
  EXPECT_EQ(totals_of(next->trail->database()).outcomes, 1'200);
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace tollgate::storage
