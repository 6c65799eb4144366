#include "storage/adjust.h"

#include "storage/allowances.h"
#include "storage/reconcile.h"
#include "storage/spend.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

constexpr AccountId kDaily{"tenants.acme.budget", "acme", kMorning};

// One request that held 900 micro-dollars on one budget and was settled at 200.
class Adjust : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Adjust() {
    ASSERT_OR_FAIL(allowances().lease({kDaily, {1'000}, {900}, {900}, {}}, kMorning));
    request_.record.price_version = "1.00/0.50/10.00";
    budget_ = {limits::Scope::kTenantId, "acme", cost::Window::kDay, {1'000}, {900}, {}};
    budget_.rule = kDaily.rule;
    budget_.window_start = kMorning;
    request_.record.budgets = {&budget_, 1};
  }
  template <class T>
  static void ASSERT_OR_FAIL(const FaultOr<T>& done) {
    EXPECT_TRUE(done) << done.error().message;
  }
  Allowances allowances() { return {*database_, kOnlyGateway}; }

  void decide() { ASSERT_TRUE(request_.decide(*trail_)); }
  void end() {
    std::string accounts(packed_bytes(kDaily), '\0');
    pack(kDaily, accounts.data());
    pipeline::Booking booking;
    booking.id = request_.id;
    booking.tenant = request_.actor.tenant;
    booking.user = request_.actor.subject;
    booking.key_id = request_.actor.credential_id;
    booking.route = "chat";
    booking.model = "small";
    pipeline::Used used;
    used.input = 100;
    used.output = 10;
    used.cost = {200};
    trail_->booked(booking, used, accounts, kMorning);
    request_.record.input = 100;
    request_.record.output = 10;
    request_.record.cost = {200};
    request_.record.usage_source = audit::UsageSource::kCounted;
    std::string written;
    audit::write(request_.record, audit::Phase::kOutcome, written);
    ASSERT_TRUE(trail_->append(request_.record, audit::Phase::kOutcome, {}, written));
    ASSERT_TRUE(trail_->flush());
  }
  FaultOr<Adjusted> adjust_to(Tokens input, Tokens cached, Tokens output) {
    return adjust(*database_, ada(), {request_.id, {input, cached, output}, "invoice 7"}, kMorning);
  }
  Spent booked() {
    SpendQuery query;
    query.by = SpendBy::kModel;
    return query_spend(*database_, query).value().at(0).spent;
  }
  Money taken() { return allowances().lease({kDaily, {1'000}, {}, {}, {}}, kMorning)->taken; }
  Reconciled reconciled() { return reconcile(*database_, {kMorning, std::nullopt}).value().at(0); }

  std::unique_ptr<Database> database_ = connect();
  std::unique_ptr<StoredTrail> trail_ = open_trail();
  Request request_{1};
  audit::BudgetEvidence budget_;
};

// 400 + 100 cached and 40 output tokens at 1, 0.50 and 10 dollars a million.
TEST_P(Adjust, BooksTheDifferenceAtThePricesOfTheHold) {
  decide();
  end();
  ASSERT_EQ(taken(), Money{900});
  const FaultOr<Adjusted> done = adjust_to(500, 100, 40);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->before, Money{200});
  EXPECT_EQ(done->after, Money{850});
  EXPECT_EQ(booked(), (Spent{1, 500, 100, 40, {850}}));
  EXPECT_EQ(taken(), Money{900 + 650});
  EXPECT_EQ(reconciled().adjusted, Money{650});
  EXPECT_EQ(reconciled().difference(), Money{});
}

// Of the input 60 tokens were sound, at 20 dollars a million.
TEST_P(Adjust, PricesTheSoundThatWasSettled) {
  request_.record.price_version = "1.00/0.50/10.00/20.00";
  request_.record.audio_input = 60;
  decide();
  end();
  EXPECT_EQ(adjust_to(500, 100, 10)->after, Money{340 + 50 + 100 + 60 * 20});
  // Less input than sound is sound alone.
  EXPECT_EQ(adjust_to(50, 10, 0)->after, Money{5 + 40 * 20});
}

TEST_P(Adjust, TakesOffWhatWasSettledTooHigh) {
  decide();
  end();
  ASSERT_TRUE(adjust_to(50, 0, 5));
  EXPECT_EQ(booked(), (Spent{1, 50, 0, 5, {100}}));
  EXPECT_EQ(taken(), Money{800});
  EXPECT_EQ(reconciled().difference(), Money{});
  // Raised to what the books know at a reload, it is what it was.
  ASSERT_TRUE(allowances().raise(kDaily, {100}, kMorning));
  EXPECT_EQ(taken(), Money{800});
}

TEST_P(Adjust, ChangesNothingTheSecondTimeAndCountsFromTheLast) {
  decide();
  end();
  ASSERT_TRUE(adjust_to(500, 100, 40));
  EXPECT_EQ(adjust_to(500, 100, 40)->before, Money{850});
  EXPECT_EQ(taken(), Money{1'550});
  const FaultOr<Adjusted> again = adjust_to(100, 0, 10);
  EXPECT_EQ(again->before, Money{850});
  EXPECT_EQ(again->after, Money{200});
  EXPECT_EQ(booked(), (Spent{1, 100, 0, 10, {200}}));
  EXPECT_EQ(taken(), Money{900});
  EXPECT_EQ(reconciled().adjusted, Money{});
}

TEST_P(Adjust, RefusesWhatHasNotEndedOrIsNotThere) {
  EXPECT_EQ(adjust_to(1, 0, 1).error().kind, FaultKind::kRefusedByPeer);
  decide();
  ASSERT_TRUE(trail_->flush());
  const FaultOr<Adjusted> early = adjust_to(1, 0, 1);
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("has not ended"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Stores, Adjust, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
