#include "storage/adjust.h"

#include "storage/allowances.h"
#include "storage/audit_query.h"
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
    return adjust_to(input, cached, output, {});
  }
  FaultOr<Adjusted> adjust_to(Tokens input, Tokens cached, Tokens output, LateParts parts) {
    return adjust(*database_, ada(),
                  {request_.id, input, cached, output, std::move(parts), "invoice 7"}, kMorning);
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

// What an invoice says of a part holds; what it does not name is as it was settled.
TEST_P(Adjust, PricesEveryPartThatIsSaid) {
  request_.record.price_version =
      "1.00/0.50/10.00/"
      "20.00;cache_write_5m=2.00;cache_write_1h=3.00;image_input=4.00;"
      "reasoning_output=30.00;audio_output=50.00;tier=flex:0.50/0.25/5.00/"
      "10.00";
  request_.record.cache_write_5m = 40;
  request_.record.reasoning = 4;
  decide();
  end();
  EXPECT_EQ(adjust_to(100, 0, 10)->after, Money{60 + 40 * 2 + 6 * 10 + 4 * 30});
  LateParts parts{.cache_write_1h = 10, .reasoning = 0};
  EXPECT_EQ(adjust_to(100, 0, 10, parts)->after, Money{50 + 40 * 2 + 10 * 3 + 10 * 10});
  parts = {.audio_input = 5,
           .image_input = 6,
           .cache_write_5m = 0,
           .cache_write_1h = 0,
           .audio_output = 2};
  EXPECT_EQ(adjust_to(100, 9, 10, parts)->after,
            Money{5 + 5 * 20 + 6 * 4 + 80 + 4 * 10 + 4 * 30 + 2 * 50});
  // What is said has the room first.
  EXPECT_EQ(adjust_to(50, 0, 10, {.image_input = 30, .reasoning = 0})->after,
            Money{30 * 4 + 20 * 2 + 100});
  parts = {.cache_write_5m = 0, .service_tier = ServiceTier::kFlex};
  EXPECT_EQ(adjust_to(100, 0, 10, parts)->after, Money{50 + 50});
  EXPECT_EQ(reconciled().difference(), Money{});
}

TEST_P(Adjust, RefusesPartsThatCannotBeOrHaveNoPrice) {
  request_.record.price_version = "1.00/0.50/10.00;cache_write_5m=2.00";
  decide();
  end();
  const auto why = [&](const LateParts& parts) {
    const FaultOr<Adjusted> done = adjust_to(100, 90, 10, parts);
    return done ? std::string() : done.error().message;
  };
  const auto says = [](const std::string& message, std::string_view what) {
    return message.find(what) != std::string::npos;
  };
  EXPECT_TRUE(says(why({.audio_input = 6, .image_input = 5}), "parts of its input"));
  EXPECT_TRUE(says(why({.reasoning = 6, .audio_output = 5}), "parts of its output"));
  EXPECT_TRUE(says(why({.cache_write_1h = 1}), "none of its `cache_write_1h`"));
  EXPECT_TRUE(says(why({.service_tier = ServiceTier::kFlex}), "none of its `service_tier`"));
  EXPECT_EQ(taken(), Money{900}) << "and nothing is booked";
  EXPECT_EQ(why({.audio_input = 5, .image_input = 5, .reasoning = 5, .audio_output = 5}), "");
}

// What the trail says of it names the parts as a record does.
TEST_P(Adjust, TellsThePartsOnRecord) {
  request_.record.price_version = "1.00/0.50/10.00;cache_write_5m=2.00;tier=flex:0.50/0.25/5.00";
  request_.record.reasoning = 4;
  decide();
  end();
  ASSERT_TRUE(adjust_to(100, 0, 10, {.cache_write_5m = 7}));
  ASSERT_TRUE(adjust_to(100, 0, 10, {.service_tier = ServiceTier::kFlex}));
  AuditQuery query;
  query.action = "spend.adjust";
  const std::vector<AuditRow> rows = query_audit(*database_, query, 8).value();
  ASSERT_EQ(rows.size(), 2U);
  std::string all = rows[0].record + rows[1].record;
  EXPECT_NE(all.find(R"("output":10,"reasoning":4,"cost_usd")"), std::string::npos) << all;
  EXPECT_NE(all.find(R"("output":10,"cache_write_5m":7,"reasoning":4,)"), std::string::npos) << all;
  EXPECT_NE(all.find(R"("reasoning":4,"service_tier":"flex",)"), std::string::npos) << all;
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
