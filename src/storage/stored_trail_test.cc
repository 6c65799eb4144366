#include "storage/stored_trail.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <set>

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class TrailTest : public StorageTest {
 protected:
  Proof prove() {
    const std::unique_ptr<Database> database = connect();
    const FaultOr<Proof> proof = verify_audit(*database);
    EXPECT_TRUE(proof) << proof.error().message;
    return proof.value_or(Proof{});
  }
  Totals totals() { return totals_of(*connect()); }
};
class Trail : public TrailTest, public testing::WithParamInterface<Backend> {};

TEST_P(Trail, KeepsWhatWasAppendedInOneChain) {
  const auto trail = open_trail();
  for (int n = 1; n <= 20; ++n) {
    Request request(n);
    ASSERT_TRUE(request.decide(*trail));
    ASSERT_TRUE(request.end(*trail));
  }
  EXPECT_GT(trail->queued_bytes(), 0);
  ASSERT_TRUE(trail->flush());
  EXPECT_EQ(trail->queued_bytes(), 0);
  const Proof proof = prove();
  EXPECT_EQ(proof.records, 40);
  EXPECT_FALSE(proof.broken) << proof.why;
  const Totals all = totals();
  EXPECT_EQ(all.booked, Money{210});
  EXPECT_EQ(all.recorded, Money{210});
  EXPECT_EQ(all.requests_booked, 20);
}

TEST_P(Trail, ContinuesTheChainAfterARestart) {
  for (int start = 0; start < 3; ++start) {
    const auto trail = open_trail();
    EXPECT_EQ(trail->recovered(), 0);
    Request request(start + 1);
    ASSERT_TRUE(request.decide(*trail));
    ASSERT_TRUE(request.end(*trail));
    ASSERT_TRUE(trail->stop());
  }
  const Proof proof = prove();
  EXPECT_EQ(proof.last, 6);
  EXPECT_FALSE(proof.broken) << proof.why;
}

TEST_P(Trail, BooksWhatAStoppedGatewayLeftOpenAtWhatItHeld) {
  {
    const auto trail = open_trail();
    Request open(7);
    ASSERT_TRUE(open.decide(*trail));
    Request ended(5);
    ASSERT_TRUE(ended.decide(*trail));
    ASSERT_TRUE(ended.end(*trail));
    Request refused(9);
    refused.record.outcome = audit::Outcome::kRefused;
    refused.record.code = "rate_limited";
    ASSERT_TRUE(refused.decide(*trail));
    ASSERT_TRUE(trail->flush());
  }
  for (int start = 0; start < 2; ++start) {
    const auto trail = open_trail();
    EXPECT_EQ(trail->recovered(), start == 0 ? 1 : 0);
    const Totals all = totals();
    EXPECT_EQ(all.booked, Money{14 + 5});
    EXPECT_EQ(all.recorded, Money{14 + 5});
    EXPECT_EQ(all.cut, 1);
  }
  AuditQuery cut;
  cut.code = "gateway_stopped";
  const auto rows = query_audit(*connect(), cut, 10);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_NE(rows->front().record.find(Request(7).id), std::string::npos);
  EXPECT_FALSE(prove().broken);
}

TEST_P(Trail, BooksASettlementOnlyTogetherWithItsOutcome) {
  const auto trail = open_trail();
  Request request(4);
  ASSERT_TRUE(request.decide(*trail));
  pipeline::Booking booking;
  booking.id = request.id;
  pipeline::Used used;
  used.cost = Money{4};
  trail->booked(booking, used, {}, kMorning);
  ASSERT_TRUE(trail->flush());
  EXPECT_EQ(totals().booked, Money{});
  std::string written;
  request.record.cost = used.cost;
  audit::write(request.record, audit::Phase::kOutcome, written);
  ASSERT_TRUE(trail->append(request.record, audit::Phase::kOutcome, Money{}, written));
  ASSERT_TRUE(trail->flush());
  EXPECT_EQ(totals().booked, Money{4});
}

// Each way in which a database refuses: what was appended is kept, decisions are refused, and
// when the cause is gone all is written once.
struct Refusing {
  const char* name;
  const char* provoke;  // On the writer's connection…
  const char* lock;     // …or on another one.
  const char* mend;
  FaultKind kind;
  const char* says;
};
class TrailRefused : public TrailTest, public testing::WithParamInterface<Refusing> {};

TEST_P(TrailRefused, KeepsAllAndRecovers) {
  const Refusing& refusing = GetParam();
  const auto trail = open_trail();
  const auto other = connect();
  Request before(1);
  ASSERT_TRUE(before.decide(*trail));
  ASSERT_TRUE(trail->flush());

  if (*refusing.provoke) {
    ASSERT_TRUE(trail->database().execute(refusing.provoke));
  }
  if (*refusing.lock) {
    ASSERT_TRUE(other->execute(refusing.lock));
  }
  std::vector<std::unique_ptr<Request>> requests;
  for (int n = 2; n < 2'000; ++n) {
    requests.push_back(std::make_unique<Request>(n));
    ASSERT_TRUE(requests.back()->decide(*trail));
  }
  const FaultOr<void> flushed = trail->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().kind, refusing.kind);
  EXPECT_NE(flushed.error().message.find(path()), std::string::npos);
  EXPECT_NE(flushed.error().message.find(refusing.says), std::string::npos)
      << flushed.error().message;
  EXPECT_FALSE(trail->healthy());
  EXPECT_FALSE(trail->unhealthy_because().empty());
  EXPECT_FALSE(Request(5000).decide(*trail));
  ASSERT_TRUE(before.end(*trail));
  for (const auto& request : requests) ASSERT_TRUE(request->end(*trail));
  ASSERT_FALSE(trail->flush());

  if (*refusing.lock) {
    ASSERT_TRUE(other->execute(refusing.mend));
  } else {
    ASSERT_TRUE(trail->database().execute(refusing.mend));
  }
  ASSERT_TRUE(trail->flush());
  EXPECT_TRUE(trail->healthy());
  EXPECT_TRUE(Request(5001).decide(*trail));
  ASSERT_TRUE(trail->flush());
  const Proof proof = prove();
  EXPECT_EQ(proof.records, 2 * 1'999 + 1);
  EXPECT_FALSE(proof.broken) << proof.why;
  EXPECT_EQ(totals().booked, Money{1'999 * 2'000 / 2});
}

INSTANTIATE_TEST_SUITE_P(Ways, TrailRefused,
                         testing::Values(Refusing{"Full", "PRAGMA max_page_count = 1", "",
                                                  "PRAGMA max_page_count = 1000000",
                                                  FaultKind::kRefusedByPeer, "disk is full"},
                                         Refusing{"ReadOnly", "PRAGMA query_only = 1", "",
                                                  "PRAGMA query_only = 0",
                                                  FaultKind::kRefusedByPeer, "read-only"},
                                         Refusing{"Locked", "", "BEGIN EXCLUSIVE", "ROLLBACK",
                                                  FaultKind::kTimeout, "locked"}),
                         [](const auto& info) { return std::string(info.param.name); });

// Opened to wait for minutes, as a command may: the writer still tells at once.
TEST_P(Trail, StopsDecisionsAtOnceWhenTheDatabaseIsLocked) {
  DatabaseOptions patient;
  patient.busy_timeout = std::chrono::minutes(10);
  patient.durability = Durability::kProcess;
  auto database = Database::open(where(), patient);
  ASSERT_TRUE(database);
  const auto trail = StoredTrail::open(*std::move(database), policy_, clock_, journal_options());
  ASSERT_TRUE(trail);
  EXPECT_EQ((*trail)->database().busy_timeout(), StoredTrail::kLockWait);
  const auto other = connect();
  std::optional<Transaction> locked;
  locked.emplace(std::move(Transaction::begin(*other).value()));
  ASSERT_TRUE(write_mark(*other, "mine", "now") && read_mark(*other, "mine"));
  (*trail)->start();
  Request request(1);
  ASSERT_TRUE(request.decide(**trail));
  const FaultOr<void> flushed = (*trail)->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().kind, FaultKind::kTimeout);
  EXPECT_FALSE((*trail)->healthy());
  EXPECT_FALSE(Request(2).decide(**trail));
  locked.reset();
  ASSERT_TRUE((*trail)->flush());
  EXPECT_TRUE((*trail)->healthy());
  EXPECT_TRUE(Request(3).decide(**trail));
  ASSERT_TRUE(request.end(**trail));
  ASSERT_TRUE((*trail)->stop());
  EXPECT_EQ((*trail)->database().busy_timeout(), patient.busy_timeout);
  EXPECT_EQ(prove().records, 3);
}

TEST_P(Trail, TakesNoDecisionBeyondItsQueueButEndsWhatHasLeft) {
  policy_.queue_bytes = 64 << 10;
  const auto trail = open_trail();
  std::vector<std::unique_ptr<Request>> left;
  while (true) {
    auto request = std::make_unique<Request>(static_cast<std::int64_t>(left.size() + 1));
    const FaultOr<void> taken = request->decide(*trail);
    if (!taken) {
      EXPECT_NE(taken.error().message.find("full"), std::string::npos);
      break;
    }
    left.push_back(std::move(request));
  }
  EXPECT_LE(trail->queued_bytes(), policy_.queue_bytes / 4 * 3);
  EXPECT_FALSE(trail->healthy());  // As it says to whoever asks for a decision.
  EXPECT_NE(trail->unhealthy_because().find("full"), std::string::npos);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(left[static_cast<std::size_t>(i)]->end(*trail));
  // A request that never left has no claim on the last quarter.
  Request refused(900);
  refused.record.outcome = audit::Outcome::kRefused;
  std::string written;
  audit::write(refused.record, audit::Phase::kOutcome, written);
  EXPECT_FALSE(trail->append(refused.record, audit::Phase::kOutcome, Money{}, written));

  ASSERT_TRUE(trail->flush());
  EXPECT_TRUE(trail->healthy());
  EXPECT_EQ(trail->unhealthy_because(), "");
  EXPECT_TRUE(Request(901).decide(*trail));
}

TEST_P(Trail, BooksWhatEndsBehindAFullQueueOnce) {
  policy_.queue_bytes = 64 << 10;
  auto trail = open_trail();
  std::vector<std::unique_ptr<Request>> left;
  do {
    left.push_back(std::make_unique<Request>(static_cast<std::int64_t>(left.size() + 1)));
  } while (left.back()->decide(*trail));
  left.pop_back();
  for (const auto& request : left) {
    request->record.message = "a long way to say that it ended, so that the queue overflows";
    ASSERT_TRUE(request->end(*trail));
  }
  EXPECT_GT(trail->queued_bytes(), policy_.queue_bytes);
  ASSERT_TRUE(trail->flush());
  const Totals before = totals();
  EXPECT_EQ(before.outcomes, static_cast<std::int64_t>(left.size()));
  trail.reset();
  trail = open_trail();
  EXPECT_EQ(trail->recovered(), 0);
  const Totals after = totals();
  EXPECT_EQ(after.booked, before.recorded);
  EXPECT_EQ(after.requests_booked, before.outcomes);
}

// A flood of callers that nobody knows takes a quarter of the queue, and nobody's place.
TEST_P(Trail, KeepsRoomForDecisionsInAFloodOfStrangers) {
  policy_.queue_bytes = 64 << 10;
  const auto trail = open_trail();
  const auto refuse_stranger = [&](int n) {
    Request stranger(1'000 + n);
    stranger.record.actor = nullptr;
    stranger.record.outcome = audit::Outcome::kRefused;
    stranger.record.code = "invalid_api_key";
    for (const audit::Phase phase : {audit::Phase::kDecision, audit::Phase::kOutcome}) {
      std::string written;
      audit::write(stranger.record, phase, written);
      ASSERT_TRUE(trail->append(stranger.record, phase, Money{}, written));
    }
  };
  for (int n = 0; n < 1'000; ++n) refuse_stranger(n);
  EXPECT_LE(trail->queued_bytes(), policy_.queue_bytes / 4);
  EXPECT_TRUE(trail->healthy());
  const std::int64_t unrecorded = trail->refusals_unrecorded();
  EXPECT_GT(unrecorded, 800);
  EXPECT_LT(unrecorded, 1'000);
  std::int64_t decided = 0;
  while (Request(decided + 1).decide(*trail)) ++decided;
  EXPECT_GT(trail->queued_bytes(), policy_.queue_bytes * 7 / 10);
  EXPECT_GT(decided, 50);

  ASSERT_TRUE(trail->flush());
  refuse_stranger(1'000);
  EXPECT_EQ(trail->refusals_unrecorded(), unrecorded);
  ASSERT_TRUE(trail->flush());
  EXPECT_GE(prove().records, decided + 2 * (1'001 - unrecorded) - 1);
  // While nothing can be written, what is refused is counted, not kept.
  refuse_writes(trail->database());
  ASSERT_TRUE(Request(900).decide(*trail));
  ASSERT_FALSE(trail->flush());
  refuse_stranger(1'001);
  EXPECT_EQ(trail->refusals_unrecorded(), unrecorded + 1);
}

TEST_P(Trail, SaysInOneLineThatABudgetReachedAShare) {
  const auto trail = open_trail();
  cost::Policy budget;
  budget.rule = "tenants.acme.budget";
  budget.limit = Money{500'000'000};
  testing::internal::CaptureStderr();
  trail->budget_reached({budget, "acme", "acme", 0.8, Money{400'000'000}, kMorning});
  trail->budget_reached({budget, "a\nb", "acme", 0.07, Money{400'000'000}, kMorning});
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said,
            "tollgate: budget tenants.acme.budget of acme has reached 80 % (400.00 of 500.00 "
            "USD)\ntollgate: budget tenants.acme.budget of a\\nb has reached 7 % (400.00 of 500.00 "
            "USD)\n");
  EXPECT_EQ(trail->budget_alerts(), 2);
}

TEST_P(Trail, WritesOnItsOwnThreadForManyThreads) {
  const auto trail = open_trail();
  trail->start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 250; ++n) {
        Request request(t * 1000 + n + 1);
        EXPECT_TRUE(request.decide(*trail));
        EXPECT_TRUE(request.end(*trail));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(trail->flush());
  EXPECT_EQ(prove().records, 2000);
  ASSERT_TRUE(trail->stop());
  const Totals all = totals();
  EXPECT_EQ(all.booked, all.recorded);
  EXPECT_EQ(all.requests_booked, 1000);
}

TEST_P(Trail, ForgetsWhatThePolicyKeepsNoLongerAndStaysProvable) {
  policy_.keep = std::chrono::hours(24);
  auto trail = open_trail();
  for (int n = 1; n <= 600; ++n) {
    Request request(n);
    ASSERT_TRUE(request.decide(*trail));
    ASSERT_TRUE(request.end(*trail));
    if (n % 6 == 0) {
      ASSERT_TRUE(trail->flush());  // 100 rows of twelve records.
    }
  }
  ASSERT_TRUE(trail->stop());
  trail = open_trail();
  clock_.pass(std::chrono::hours(24));
  FaultOr<bool> more = trail->prune();
  EXPECT_FALSE(more.value_or(true));
  EXPECT_EQ(prove().records, 1200);
  clock_.pass(Duration(1));
  more = trail->prune();
  EXPECT_TRUE(more.value_or(false));
  Proof proof = prove();
  EXPECT_EQ(proof.first, 64 * 12 + 1);
  EXPECT_EQ(proof.records, 36 * 12);
  EXPECT_FALSE(proof.broken) << proof.why;
  while (trail->prune().value_or(false)) continue;
  proof = prove();
  EXPECT_EQ(proof.first, 99 * 12 + 1);
  EXPECT_FALSE(proof.broken) << proof.why;
  EXPECT_EQ(totals().booked, Money{600 * 601 / 2});
}

// A clock that is set wrong for a while costs no record.
TEST_P(Trail, ForgetsNothingByAClockThatLeaps) {
  constexpr Duration kLeap = std::chrono::hours(24 * 100);
  policy_.keep = std::chrono::hours(24);
  auto trail = open_trail();
  auto serve = [&, n = std::int64_t{0}]() mutable {
    for (int i = 0; i < 3; ++i) {
      Request request(++n);
      request.record.time = clock_.wall();
      ASSERT_TRUE(request.decide(*trail));
      ASSERT_TRUE(request.end(*trail));
      ASSERT_TRUE(trail->flush());
    }
  };
  serve();
  EXPECT_FALSE(trail->prune().value());
  // While it serves,
  clock_.set(clock_.wall() + kLeap);
  for (int minute = 0; minute < 60; ++minute) {
    clock_.pass(std::chrono::minutes(1));
    EXPECT_FALSE(trail->prune().value());
  }
  clock_.set(clock_.wall() - kLeap);
  serve();
  clock_.pass(std::chrono::minutes(1));
  EXPECT_FALSE(trail->prune().value());
  EXPECT_EQ(prove().records, 12);
  // and over a start.
  ASSERT_TRUE(trail->stop());
  clock_.set(clock_.wall() + kLeap);
  trail = open_trail();
  EXPECT_FALSE(trail->prune().value());
  EXPECT_EQ(prove().records, 12);
  // One that is right after a long pause is believed after a day.
  clock_.pass(ClockTrust::kDoubted);
  while (trail->prune().value()) continue;
  EXPECT_LT(prove().records, 12);
}

// A gateway that is killed at any moment: the chain holds, every decision has one outcome after
// the next start, and the books are the sum of the records.
TEST_P(Trail, SurvivesTheDeathOfTheProcess) {
  for (int round = 0; round < 3; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto trail = open_trail();
      trail->start();
      for (int n = 1; true; ++n) {
        Request request(round * 100'000 + n);
        if (!request.decide(*trail)) _exit(1);
        // Two requests are at work at any moment, so a kill finds open ones.
        if (n > 1 && !Request(round * 100'000 + n - 1).end(*trail)) _exit(2);
        if (n % 100 != 0) continue;
        if (!trail->flush() || write(pipe_ends[1], "x", 1) != 1) _exit(3);
      }
    }
    close(pipe_ends[1]);
    char told;
    for (int i = 0; i < 3 + round; ++i) ASSERT_EQ(read(pipe_ends[0], &told, 1), 1);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    close(pipe_ends[0]);
    ASSERT_TRUE(WIFSIGNALED(status));

    const auto trail = open_trail();
    EXPECT_GE(trail->recovered(), 1);
    EXPECT_FALSE(prove().broken) << prove().why;
    const Totals all = totals();
    EXPECT_EQ(all.decisions, all.outcomes);
    EXPECT_GE(all.decisions, 300);
    EXPECT_EQ(all.booked, all.recorded);
    EXPECT_EQ(all.requests_booked, all.outcomes);
  }
}

// Whatever happens in whatever order: appends, groups, failures, restarts, losses.
TEST_P(Trail, KeepsChainAndBooksForAnyHistory) {
  std::mt19937_64 random{11};
  auto trail = open_trail();
  std::int64_t next = 1;
  std::set<std::int64_t> at_work;
  for (int step = 0; step < 1500; ++step) {
    SCOPED_TRACE(step);
    const std::uint64_t what = random() % 100;
    if (what < 45) {
      if (Request(next).decide(*trail)) at_work.insert(next);
      ++next;
    } else if (what < 80 && !at_work.empty()) {
      auto ended = at_work.begin();
      std::advance(ended, static_cast<std::ptrdiff_t>(random() % at_work.size()));
      ASSERT_TRUE(Request(*ended).end(*trail));
      at_work.erase(ended);
    } else if (what < 92) {
      (void)trail->flush();
    } else if (what < 94) {
      refuse_writes(trail->database());
    } else if (what < 97) {
      allow_writes(trail->database());
    } else {
      // While writes are refused, what was not written is lost, as in a crash.
      trail.reset();
      trail = open_trail();
      at_work.clear();
      const Totals all = totals();
      ASSERT_EQ(all.decisions, all.outcomes);
      ASSERT_EQ(all.booked, all.recorded);
      ASSERT_EQ(all.requests_booked, all.outcomes);
    }
    if (step % 50 == 0) {
      const Proof proof = prove();
      ASSERT_FALSE(proof.broken) << proof.why;
      ASSERT_EQ(proof.records, proof.last);
    }
  }
  EXPECT_GT(prove().records, 400);
}

INSTANTIATE_TEST_SUITE_P(Stores, Trail, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
