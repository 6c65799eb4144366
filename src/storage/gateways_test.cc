#include "storage/gateways.h"

#include <fmt/format.h>

#include "storage/audit_query.h"
#include "storage/gateway_seat.h"
#include "storage/lease_expiry.h"
#include "storage/reconcile.h"
#include "storage/storage_fixture.h"
#include "storage/store_lender.h"

namespace tollgate::storage {
namespace {

constexpr Money kLimit{1'000'000};
constexpr Money kAllButOne{999'000};  // What the lease of one gateway leaves of it.

class Gateways : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Gateways() { clock_.set(database_->now().value()); }

  JournalOptions options_of(const std::string& gateway) const {
    JournalOptions options;
    options.gateway = gateway;
    options.directory = (directory_ / (gateway + ".journal")).string();
    options.boot = "boot 1";
    return options;
  }

  // A gateway with a seat, on a connection of its own.
  struct Gateway {
    std::unique_ptr<GatewaySeat> seat;
    std::unique_ptr<StoredTrail> trail;
  };
  Gateway start(const std::string& name, const std::string& process) {
    Gateway gateway;
    gateway.seat = std::make_unique<GatewaySeat>(name, process, clock_);
    std::unique_ptr<Database> own = connect();
    {
      FaultOr<Transaction> transaction = Transaction::begin(*own);
      EXPECT_TRUE(transaction);
      const FaultOr<void> taken = gateway.seat->take(*own);
      EXPECT_TRUE(taken) << taken.error().message;
      EXPECT_TRUE(transaction->commit());
    }
    auto opened = StoredTrail::open(std::move(own), policy_, clock_, options_of(name));
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) gateway.trail = std::move(*opened);
    if (gateway.trail) gateway.trail->sit(*gateway.seat);
    return gateway;
  }
  // As a process that is killed leaves it: nothing is written any more.
  void kill(Gateway& gateway) {
    refuse_writes(gateway.trail->database());
    gateway.trail = nullptr;
  }

  void make_silent(const std::string& name, Duration duration = std::chrono::minutes(1)) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    ASSERT_TRUE(database_->execute(fmt::format("UPDATE gateways SET seen_us = seen_us - {} WHERE "
                                               "gateway = '{}'",
                                               us, name)
                                       .c_str()));
  }
  void expire_leases_of(const std::string& name) {
    Gateway other = start("other", "p9");
    make_silent(name, kLeasesLast - std::chrono::minutes(1));
    ASSERT_TRUE(other.trail->expire_leases());
    EXPECT_EQ(standing_of(name).expired, Money{});
    make_silent(name, std::chrono::minutes(2));
    ASSERT_TRUE(other.trail->expire_leases());
  }
  Lease lease(const std::string& gateway, Money amount) {
    FaultOr<Transaction> transaction = Transaction::begin(*database_);
    EXPECT_TRUE(transaction);
    Allowances allowances(*database_, gateway);
    LeaseAsk ask;
    ask.account = kAccount;
    ask.limit = kLimit;
    ask.least = ask.all = amount;
    const FaultOr<Lease> lease = allowances.lease(ask, clock_.wall());
    EXPECT_TRUE(lease);
    EXPECT_TRUE(transaction->commit());
    return lease.value_or(Lease{});
  }
  FaultOr<Retirement> retire(const std::string& name) {
    return retire_gateway(*database_, ada(), name, [](Duration) {});
  }
  GatewayStanding standing_of(const std::string& name) {
    const FaultOr<std::vector<GatewayStanding>> all = list_gateways(*database_, {});
    EXPECT_TRUE(all) << all.error().message;
    for (const GatewayStanding& standing : all.value()) {
      if (standing.name == name) return standing;
    }
    ADD_FAILURE() << name;
    return {};
  }
  std::vector<AuditRow> records_of(std::string_view code) {
    AuditQuery query;
    query.code = code;
    return query_audit(*database_, query, 1000).value();
  }
  Money booked() { return totals_of(*database_).booked; }
  void expect_balanced() {
    ReconcileQuery query;
    query.since = kMorning - std::chrono::hours(1);
    const FaultOr<std::vector<Reconciled>> rows = reconcile(*database_, query);
    ASSERT_TRUE(rows) << rows.error().message;
    for (const Reconciled& row : *rows) {
      EXPECT_EQ(row.difference(), Money{}) << row.model;
      EXPECT_EQ(row.open, 0);
    }
    for (const Proof& proof : verify_chains(*database_).value()) {
      EXPECT_FALSE(proof.broken) << proof.gateway << ": " << proof.why;
    }
  }

  static constexpr AccountId kAccount{"budgets.tenant_id", "acme", WallTime{}};
  std::unique_ptr<Database> database_ = connect();
};

TEST_P(Gateways, ThatAreAliveOrUnknownAreNotRetired) {
  Gateway one = start("one", "p1");
  const FaultOr<Retirement> living = retire("one");
  ASSERT_TRUE(living);
  EXPECT_EQ(living->refused, Retirement::Refused::kAlive);
  EXPECT_NE(living->because.find("may be at work"), std::string::npos);
  const FaultOr<Retirement> unknown = retire("nobody");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->refused, Retirement::Refused::kUnknown);
  EXPECT_NE(unknown->because.find("gateways list"), std::string::npos);
  EXPECT_TRUE(standing_of("one").alive);
  EXPECT_FALSE(standing_of("one").retired);
}

// While the store was away nobody could say that he is there.
TEST_P(Gateways, ThatAreHeardAgainRightAfterAnOutageAreNotRetired) {
  Gateway one = start("one", "p1");
  ASSERT_TRUE(Request(1).decide(*one.trail));
  ASSERT_TRUE(one.trail->flush());
  make_silent("one");
  Duration watched{};
  const FaultOr<Retirement> back = retire_gateway(*database_, ada(), "one", [&](Duration how_long) {
    watched += how_long;
    ASSERT_TRUE(Request(2).decide(*one.trail));
    ASSERT_TRUE(one.trail->flush());
  });
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->refused, Retirement::Refused::kAlive);
  EXPECT_GT(watched, 2 * std::chrono::seconds(1));
  EXPECT_FALSE(standing_of("one").retired);
  EXPECT_EQ(standing_of("one").open, 2);
}

TEST_P(Gateways, AreListedWhenTheTrailOfOneIsDamaged) {
  Gateway one = start("one", "p1");
  Gateway two = start("two", "p2");
  for (const std::int64_t n : {1, 2, 3}) {
    ASSERT_TRUE(Request(n).decide(*one.trail));
    ASSERT_TRUE(one.trail->flush());
    ASSERT_TRUE(Request(n + 10).decide(*two.trail));
    ASSERT_TRUE(two.trail->flush());
  }
  const GatewayStanding whole = standing_of("one");
  EXPECT_EQ(whole.records, 3);
  EXPECT_GT(whole.trail_bytes, 0);
  ASSERT_TRUE(
      database_->execute("UPDATE audit_groups SET text_bytes = text_bytes + 1 WHERE gateway = "
                         "'one'"));
  EXPECT_EQ(standing_of("one").open, std::nullopt);
  EXPECT_EQ(standing_of("one").records, 3);
  EXPECT_EQ(standing_of("two").open, 3);
}

TEST_P(Gateways, ThatNeverComeBackAreBookedAtWhatTheyHeldAndTheirLeasesStaySpent) {
  Gateway one = start("one", "p1");
  for (const std::int64_t n : {3, 5, 7}) ASSERT_TRUE(Request(n).decide(*one.trail));
  ASSERT_TRUE(Request(3).end(*one.trail));
  ASSERT_TRUE(one.trail->flush());
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  EXPECT_EQ(standing_of("one").open, 2);
  EXPECT_EQ(standing_of("one").leased, Money{1000});
  kill(one);
  make_silent("one");
  EXPECT_FALSE(standing_of("one").alive);

  const FaultOr<Retirement> done = retire("one");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->closed, 2);
  EXPECT_EQ(done->booked, Money{2 * (5 + 7)});
  EXPECT_EQ(done->unproven, Money{1000});
  EXPECT_EQ(booked(), Money{3 + 2 * (5 + 7)});
  EXPECT_EQ(records_of(TrailWriter::kRetiredCode).size(), 2);
  const GatewayStanding now = standing_of("one");
  EXPECT_TRUE(now.retired);
  EXPECT_FALSE(now.alive);
  EXPECT_EQ(now.open, 0);
  EXPECT_EQ(now.leased, Money{});
  EXPECT_TRUE(gateways_alive(*database_).value().empty());
  // What it had leased is nobody's.
  EXPECT_EQ(lease("two", kLimit).leased, Money{});
  EXPECT_EQ(lease("two", kAllButOne).leased, kAllButOne);
  expect_balanced();

  // Again changes nothing.
  const FaultOr<Retirement> again = retire("one");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->closed, 0);
  EXPECT_EQ(again->unproven, Money{});
}

TEST_P(Gateways, ThatComeBackRetiredMayNotServe) {
  Gateway one = start("one", "p1");
  make_silent("one");
  ASSERT_TRUE(retire("one"));
  // It was cut off and not dead: the next group tells it.
  ASSERT_TRUE(Request(3).decide(*one.trail));
  const FaultOr<void> written = one.trail->flush();
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("is retired"), std::string::npos);
  EXPECT_FALSE(one.seat->is_good());
  EXPECT_FALSE(one.trail->healthy());
  GatewaySeat seat("one", "p2", clock_);
  FaultOr<Transaction> transaction = Transaction::begin(*database_);
  const FaultOr<void> taken = seat.take(*database_);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("empty store.state_directory"), std::string::npos);
}

// What was in the journal alone is neither lost nor booked twice.
TEST_P(Gateways, HaveAJournalThatIsTakenInWhenItTurnsUp) {
  Gateway one = start("one", "p1");
  ASSERT_TRUE(Request(5).decide(*one.trail));
  ASSERT_TRUE(one.trail->flush());
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  // These never reach the store.
  ASSERT_TRUE(Request(5).end(*one.trail));
  ASSERT_TRUE(Request(7).decide(*one.trail));
  ASSERT_TRUE(Request(7).end(*one.trail));
  ASSERT_TRUE(Request(8).decide(*one.trail));
  kill(one);
  make_silent("one");
  ASSERT_TRUE(retire("one"));
  EXPECT_EQ(booked(), Money{10});

  const FaultOr<LateJournal> late = take_in_journal(*database_, options_of("one"));
  ASSERT_TRUE(late) << late.error().message;
  EXPECT_EQ(late->items, 6);
  EXPECT_EQ(late->passed, 1);
  // 5 stays at what it held, 7 is as it ended, 8 is open and booked at what it held.
  EXPECT_EQ(booked(), Money{10 + 7 + 16});
  expect_balanced();
  // The journal was whole, so it proves what of the lease was not spent.
  EXPECT_EQ(lease("two", kLimit).leased, kLimit);

  const FaultOr<LateJournal> again = take_in_journal(*database_, options_of("one"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->items, 0);
  EXPECT_EQ(booked(), Money{10 + 7 + 16});
}

// Broken off behind its records and before the end of its requests and leases.
TEST_P(Gateways, HaveAJournalThatIsTakenInToTheEnd) {
  if (backend_ == Backend::kPostgres) return;  // What breaks it off here is SQLite's.
  Gateway one = start("one", "p1");
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  ASSERT_TRUE(Request(8).decide(*one.trail));
  kill(one);
  make_silent("one");
  ASSERT_TRUE(retire("one"));
  ASSERT_TRUE(
      database_->execute("CREATE TRIGGER breaks_off BEFORE INSERT ON allowance_entries WHEN "
                         "NEW.kind = 'end' BEGIN SELECT RAISE(ABORT, 'killed'); END"));
  ASSERT_FALSE(take_in_journal(*database_, options_of("one")));
  EXPECT_EQ(standing_of("one").open, 1);
  ASSERT_TRUE(database_->execute("DROP TRIGGER breaks_off"));
  ASSERT_TRUE(take_in_journal(*database_, options_of("one")));
  EXPECT_EQ(standing_of("one").open, 0);
  EXPECT_EQ(standing_of("one").leased, Money{});
  EXPECT_EQ(booked(), Money{16});
  expect_balanced();
  EXPECT_EQ(lease("two", kLimit).leased, kLimit);
}

TEST_P(Gateways, ThatAreRetiredHaveTheirTrailPrunedByOthers) {
  Gateway one = start("one", "p1");
  for (const std::int64_t n : {1, 2, 3}) {
    Request request(n);
    ASSERT_TRUE(request.decide(*one.trail));
    ASSERT_TRUE(request.end(*one.trail));
    ASSERT_TRUE(one.trail->flush());
  }
  kill(one);
  make_silent("one");
  ASSERT_TRUE(retire("one"));
  Gateway two = start("two", "p2");
  const std::int64_t before = standing_of("one").records;
  clock_.set(clock_.wall() + policy_.keep + std::chrono::hours(24 * 365));
  ASSERT_TRUE(TrailWriter::open(*database_, "two").value().prune(clock_.wall()));
  EXPECT_LT(standing_of("one").records, before);
  for (const Proof& proof : verify_chains(*database_).value()) {
    EXPECT_FALSE(proof.broken) << proof.gateway << ": " << proof.why;
  }
}

// ---- Leases expire ----------------------------------------------------------------------------

TEST_P(Gateways, ThatAreSilentForLongHaveNoLeasesAndNobodyElseHasThem) {
  Gateway one = start("one", "p1");
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  kill(one);
  expire_leases_of("one");
  EXPECT_EQ(standing_of("one").leased, Money{});
  EXPECT_EQ(standing_of("one").expired, Money{1000});
  EXPECT_EQ(lease("two", kLimit).leased, Money{});
  EXPECT_EQ(lease("two", kAllButOne).leased, kAllButOne);
  expect_balanced();
}

// What it spent is booked, and the rest, which its journal proves to be unspent, is free again.
TEST_P(Gateways, WhoseLeasesHaveExpiredProveByTheirJournalWhatTheySpent) {
  Gateway one = start("one", "p1");
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  ASSERT_TRUE(Request(5).decide(*one.trail));  // Never reaches the store.
  ASSERT_TRUE(Request(5).end(*one.trail));
  kill(one);
  expire_leases_of("one");
  EXPECT_EQ(booked(), Money{});
  Gateway again = start("one", "p2");
  ASSERT_TRUE(again.trail->flush());
  EXPECT_EQ(booked(), Money{5});
  EXPECT_EQ(standing_of("one").expired, Money{});
  EXPECT_EQ(standing_of("one").leased, Money{});
  EXPECT_EQ(lease("two", kLimit).leased, kLimit);
  expect_balanced();
}

// It was cut off and not dead: with the first group it has again what it goes on spending.
TEST_P(Gateways, ThatAreHeardOfAgainHaveTheirLeasesAsTheyHadThem) {
  Gateway one = start("one", "p1");
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  expire_leases_of("one");
  EXPECT_EQ(standing_of("one").expired, Money{1000});
  ASSERT_TRUE(Request(5).decide(*one.trail));
  ASSERT_TRUE(one.trail->flush());
  EXPECT_EQ(standing_of("one").expired, Money{});
  EXPECT_EQ(standing_of("one").leased, Money{1000});
  EXPECT_EQ(lease("two", kLimit).leased, Money{});
  // And they may expire once more.
  expire_leases_of("one");
  EXPECT_EQ(standing_of("one").expired, Money{1000});
}

TEST_P(Gateways, WhoseLeasesHaveExpiredAreRetiredLikeOthers) {
  Gateway one = start("one", "p1");
  ASSERT_TRUE(Request(5).decide(*one.trail));
  ASSERT_TRUE(one.trail->flush());
  EXPECT_EQ(lease("one", Money{1000}).leased, Money{1000});
  kill(one);
  expire_leases_of("one");
  const FaultOr<Retirement> done = retire("one");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->unproven, Money{1000});
  EXPECT_EQ(standing_of("one").expired, Money{});
  EXPECT_EQ(lease("two", kLimit).leased, Money{});
  ASSERT_TRUE(take_in_journal(*database_, options_of("one")));
  EXPECT_EQ(lease("two", kLimit).leased, kLimit);
  expect_balanced();
}

INSTANTIATE_TEST_SUITE_P(Stores, Gateways, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
