#include "storage/gateway_seat.h"

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class Seats : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Seats() { clock_.set(database_->now().value()); }

  // Within a transaction that is committed where the step was good.
  template <class Step>
  FaultOr<void> in_transaction(const Step& step) {
    FaultOr<Transaction> transaction = Transaction::begin(*database_);
    if (!transaction) return std::unexpected(transaction.error());
    if (FaultOr<void> done = step(); !done) return done;
    return transaction->commit();
  }
  FaultOr<void> take(GatewaySeat& seat) {
    return in_transaction([&] { return seat.take(*database_); });
  }
  FaultOr<void> count(GatewaySeat& seat) {
    FaultOr<void> done = in_transaction([&] {
      FaultOr<void> ours = seat.check(*database_);
      return ours ? seat.count_group(*database_) : ours;
    });
    if (done) seat.committed();
    return done;
  }

  std::unique_ptr<Database> database_ = connect();
};

TEST_P(Seats, AreWhoeverTookThemLast) {
  GatewaySeat first("gateway1", "process1", clock_);
  GatewaySeat copy("gateway1", "process2", clock_);
  GatewaySeat other("gateway2", "process3", clock_);
  ASSERT_TRUE(take(first));
  ASSERT_TRUE(take(other));
  ASSERT_TRUE(count(first));
  ASSERT_TRUE(take(copy));
  const FaultOr<void> late = count(first);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, FaultKind::kRefusedByPeer);
  EXPECT_NE(late.error().message.find("gateway1"), std::string::npos);
  EXPECT_NE(late.error().message.find("gateway.id"), std::string::npos);
  EXPECT_FALSE(first.is_good());
  EXPECT_TRUE(count(copy));
  EXPECT_TRUE(count(other));
  EXPECT_TRUE(copy.is_good());
}

TEST_P(Seats, TellWhetherAGroupIsThere) {
  GatewaySeat seat("gateway1", "process1", clock_);
  ASSERT_TRUE(take(seat));
  ASSERT_TRUE(count(seat));
  EXPECT_FALSE(seat.was_committed(*database_).value());
  // Its commit was kept and the answer was lost.
  ASSERT_TRUE(in_transaction([&] { return seat.count_group(*database_); }));
  EXPECT_TRUE(seat.was_committed(*database_).value());
  EXPECT_FALSE(seat.was_committed(*database_).value());
  // And this one was not.
  {
    const FaultOr<Transaction> transaction = Transaction::begin(*database_);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(seat.count_group(*database_));
  }
  EXPECT_FALSE(seat.was_committed(*database_).value());
  EXPECT_TRUE(count(seat));
}

TEST_P(Seats, DecideNothingByAClockThatIsFarOff) {
  GatewaySeat seat("gateway1", "process1", clock_);
  const WallTime right = clock_.wall();
  constexpr Duration kFar = GatewaySeat::kClocksApartMax + std::chrono::minutes(1);
  clock_.set(right + kFar);
  const FaultOr<void> ahead = take(seat);
  ASSERT_FALSE(ahead);
  EXPECT_NE(ahead.error().message.find("ahead of the store's"), std::string::npos);
  clock_.set(right);
  ASSERT_TRUE(take(seat));
  clock_.set(right - kFar);
  const FaultOr<void> behind = count(seat);
  ASSERT_FALSE(behind);
  EXPECT_NE(behind.error().message.find("behind the store's"), std::string::npos);
  EXPECT_FALSE(seat.is_good());
  clock_.set(database_->now().value());
  EXPECT_TRUE(count(seat));
  EXPECT_TRUE(seat.is_good());
}

// A failover to a standby that lacked the last commits.
TEST_P(Seats, TellWhatTheStoreHasLost) {
  GatewaySeat seat("gateway1", "process1", clock_);
  ASSERT_TRUE(take(seat));
  ASSERT_TRUE(count(seat));
  ASSERT_TRUE(count(seat));
  ASSERT_TRUE(database_->execute("UPDATE gateways SET groups = 1"));
  const FaultOr<void> lost = count(seat);
  ASSERT_FALSE(lost);
  EXPECT_NE(lost.error().message.find("has lost commits"), std::string::npos);
  EXPECT_TRUE(seat.is_good());
  ASSERT_TRUE(seat.has_lost());
  EXPECT_FALSE(seat.owes());
  seat.accept_loss();
  EXPECT_TRUE(seat.owes());
  ASSERT_TRUE(count(seat));
  EXPECT_FALSE(seat.owes());
  EXPECT_TRUE(count(seat));
  // Without its first group nobody knows what of its start is left.
  ASSERT_TRUE(database_->execute("UPDATE gateways SET groups = 0"));
  ASSERT_FALSE(count(seat));
  EXPECT_FALSE(seat.has_lost());
  EXPECT_FALSE(seat.is_good());
}

// Who starts on the new server first does not pass for the last that was seen on the old one.
TEST_P(Seats, WaitForThoseWhoWereAliveBeforeAFailover) {
  if (backend_ == Backend::kSqlite) return;  // A file does not fail over.
  GatewaySeat one("one", "p1", clock_);
  GatewaySeat two("two", "p2", clock_);
  GatewaySeat gone("gone", "p3", clock_);
  ASSERT_TRUE(take(one));
  ASSERT_TRUE(take(two));
  ASSERT_TRUE(take(gone));
  ASSERT_TRUE(count(one));
  ASSERT_TRUE(count(two));
  // An outage of a minute, in which the store got another timeline; a name is retired in it.
  ASSERT_TRUE(database_->execute(
      "UPDATE gateways SET seen_us = seen_us - 60000000 WHERE gateway <> 'gone'"));
  ASSERT_TRUE(database_->execute("INSERT INTO marks (name, value) VALUES ('gone/retired', '1')"));
  ASSERT_TRUE(database_->execute("UPDATE marks SET value = 'before' WHERE name = 'timeline'"));

  GatewaySeat again("two", "p4", clock_);
  ASSERT_TRUE(take(again));
  ASSERT_TRUE(count(again));
  EXPECT_TRUE(again.is_gathering());
  // It has lasted long enough for those who nobody knows of.
  ASSERT_TRUE(database_->execute(
      "UPDATE marks SET value = split_part(value, ' ', 1) || ' ' || (split_part(value, ' ', "
      "2)::bigint - 3000000) || ' ' || split_part(value, ' ', 3) WHERE name = 'timeline'"));
  ASSERT_TRUE(count(again));
  ASSERT_TRUE(count(again));
  EXPECT_TRUE(again.is_gathering()) << "one has not said what it has";
  ASSERT_TRUE(count(one));
  ASSERT_TRUE(count(again));
  EXPECT_FALSE(again.is_gathering());
}

TEST_P(Seats, NameThoseWhoAreAlive) {
  EXPECT_TRUE(gateways_alive(*database_).value().empty());
  GatewaySeat one("one", "p1", clock_);
  GatewaySeat two("two", "p2", clock_);
  ASSERT_TRUE(take(two));
  ASSERT_TRUE(take(one));
  EXPECT_EQ(gateways_alive(*database_).value(), (std::vector<std::string>{"one", "two"}));
  ASSERT_TRUE(
      database_->execute("UPDATE gateways SET seen_us = seen_us - 60000000 WHERE gateway = "
                         "'one'"));
  EXPECT_EQ(gateways_alive(*database_).value(), std::vector<std::string>{"two"});
}

INSTANTIATE_TEST_SUITE_P(Stores, Seats, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
