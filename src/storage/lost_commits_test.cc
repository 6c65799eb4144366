// A store that fails over and lacks what was committed last: the gateway writes it again from its
// journal. The store is a file whose tables are put back to an earlier moment.
#include <array>

#include "storage/gateway_seat.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::seconds;

// The store's time, and an instant that the test moves.
class MovedClock final : public pipeline::Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  }
  void pass(Duration duration) { now_ += duration; }

 private:
  Instant now_{};
};

class LostCommits : public StorageTest {
 protected:
  void SetUp() override {
    {
      FaultOr<Transaction> transaction = Transaction::begin(*store_);
      ASSERT_TRUE(transaction && seat_.take(*store_) && transaction->commit());
    }
    JournalOptions options = journal_options();
    options.segment_bytes = 16 << 10;
    options.while_away = WhileAway::kSpool;
    auto opened = StoredTrail::open(connect(), policy_, time_, options);
    ASSERT_TRUE(opened) << opened.error().message;
    trail_ = std::move(*opened);
    trail_->sit(seat_);
    write_all();
    write_all();
  }
  void TearDown() override { trail_.reset(); }

  void write_all() {
    const FaultOr<void> written = trail_->flush();
    ASSERT_TRUE(written) << written.error().message;
  }
  // Whole requests, each committed.
  void serve(std::int64_t requests) {
    for (std::int64_t i = 0; i < requests; ++i) {
      Request request(++served_);
      ASSERT_TRUE(request.decide(*trail_));
      ASSERT_TRUE(request.end(*trail_));
      time_.pass(std::chrono::milliseconds(100));
      write_all();
    }
  }
  // So far the standby has come,
  void replicate() {
    for (const std::string table : kTables) {
      run("DROP TABLE IF EXISTS kept_" + table);
      run("CREATE TABLE kept_" + table + " AS SELECT * FROM " + table);
    }
  }
  // and it takes over.
  void fail_over() {
    for (const std::string table : kTables) {
      run("DELETE FROM " + table);
      run("INSERT INTO " + table + " SELECT * FROM kept_" + table);
    }
  }
  void run(const std::string& sql) { ASSERT_TRUE(store_->execute(sql.c_str())) << sql; }
  void go_away() { refuse_writes(trail_->database()); }
  void come_back() { allow_writes(trail_->database()); }

  void expect_all_once() {
    const Totals totals = totals_of(*store_);
    EXPECT_EQ(totals.decisions, served_);
    EXPECT_EQ(totals.outcomes, served_);
    EXPECT_EQ(totals.requests_booked, served_);
    EXPECT_EQ(totals.booked, totals.recorded);
    const FaultOr<Proof> proof = verify_audit(*store_);
    ASSERT_TRUE(proof);
    EXPECT_FALSE(proof->broken) << proof->why;
  }

  static constexpr std::array<const char*, 7> kTables = {
      "audit_groups", "spend", "gateways", "marks", "leases", "allowances", "waiting_bookings"};
  MovedClock time_;
  std::unique_ptr<Database> store_ = connect();
  GatewaySeat seat_{kOnlyGateway, "this process", time_};
  std::unique_ptr<StoredTrail> trail_;
  std::int64_t served_ = 0;
};

TEST_F(LostCommits, AreWrittenAgainAfterAnOutageOfAnyLength) {
  serve(10);
  replicate();
  // Several segments of the journal, in a few seconds.
  serve(60);
  go_away();
  for (int second = 0; second < 100; ++second) {
    time_.pass(seconds(1));
    if (second % 20 == 0) {
      ASSERT_TRUE(Request(++served_).decide(*trail_));
    }
    EXPECT_FALSE(trail_->flush());
  }
  for (std::int64_t n = served_ - 4; n <= served_; ++n) ASSERT_TRUE(Request(n).end(*trail_));
  come_back();
  fail_over();
  write_all();
  EXPECT_TRUE(seat_.is_good());
  expect_all_once();
  // And what is old by commits goes.
  serve(400);
  EXPECT_LE(trail_->journal_segments(), StoredTrail::kKeptSegments + 3);
  expect_all_once();
}

// The booking overflowed a journal that was full, and the outcome found room in it again.
TEST_F(LostCommits, AreBookedOnceWhereSomethingOverflowed) {
  serve(3);
  replicate();
  serve(1);
  Request early(++served_);
  ASSERT_TRUE(early.decide(*trail_));
  write_all();
  trail_->journal().disk_is(Journal::Disk::kFull);
  std::int64_t last = served_;
  while (Request(last + 1).decide(*trail_)) ++last;
  pipeline::Booking booking;
  booking.id = early.id;
  booking.tenant = early.actor.tenant;
  booking.user = early.actor.subject;
  booking.key_id = early.actor.credential_id;
  booking.route = early.record.route;
  booking.model = early.record.model_served;
  pipeline::Used used;
  used.output = early.n;
  used.cost = Money{early.n};
  trail_->booked(booking, used, {}, early.record.time);
  go_away();
  trail_->journal().disk_is(Journal::Disk::kFree);
  EXPECT_FALSE(trail_->flush());
  early.record.cost = used.cost;
  early.record.output = used.output;
  early.record.usage_source = audit::UsageSource::kProvider;
  std::string written;
  audit::write(early.record, audit::Phase::kOutcome, written);
  ASSERT_TRUE(trail_->append(early.record, audit::Phase::kOutcome, Money{}, written));
  come_back();
  fail_over();
  write_all();
  for (std::int64_t n = served_ + 1; n <= last; ++n) ASSERT_TRUE(Request(n).end(*trail_));
  served_ = last;
  ASSERT_TRUE(trail_->stop());
  expect_all_once();
}

}  // namespace
}  // namespace tollgate::storage
