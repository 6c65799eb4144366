#include "storage/reconcile.h"

#include <random>

#include "storage/spend.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::hours;

class Reconcile : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Reconcile() : trail_(open_trail()) {}

  Reconciled ask(WallTime since = kMorning, std::optional<WallTime> until = std::nullopt) {
    EXPECT_TRUE(trail_->flush());
    const auto reader = connect();
    FaultOr<std::vector<Reconciled>> rows = reconcile(*reader, {since, until});
    EXPECT_TRUE(rows) << rows.error().message;
    return rows && !rows->empty() ? rows->front() : Reconciled{};
  }

  // Decided at `when`, with what was counted and held.
  void decide(Request& request, WallTime when, Tokens counted, Money held) {
    request.record.time = when;
    request.record.prompt_bytes = 100;
    request.record.input_tokens_counted = counted;
    budget_ = {limits::Scope::kTenantId, "acme", cost::Window::kDay, {1'000}, held, {}};
    request.record.budgets = {&budget_, 1};
    ASSERT_TRUE(request.decide(*trail_));
  }
  void end(Request& request, Money cost, audit::UsageSource source, Tokens reported) {
    pipeline::Booking booking;
    booking.id = request.id;
    booking.tenant = "acme";
    booking.model = "small";
    pipeline::Used used;
    used.input = reported;
    used.cost = cost;
    trail_->booked(booking, used, {}, request.record.time);
    request.record.cost = cost;
    request.record.input = reported;
    request.record.usage_source = source;
    std::string written;
    audit::write(request.record, audit::Phase::kOutcome, written);
    ASSERT_TRUE(trail_->append(request.record, audit::Phase::kOutcome, {}, written));
  }

  std::unique_ptr<StoredTrail> trail_;
  audit::BudgetEvidence budget_;
};

TEST_P(Reconcile, HoldsTheTrailAgainstTheBooksAndTheCountAgainstTheProvider) {
  Request told(1);
  Request cut(2);
  Request open(3);
  decide(told, kMorning, 90, {500});
  decide(cut, kMorning, 70, {400});
  decide(open, kMorning, 50, {300});
  Request bounded(4);
  bounded.record.input_is_bound = true;
  decide(bounded, kMorning, 400, {300});
  end(bounded, {300}, audit::UsageSource::kProvider, 100);
  end(told, {200}, audit::UsageSource::kProvider, 100);
  end(cut, {300}, audit::UsageSource::kCounted, 70);
  const Reconciled row = ask();
  EXPECT_EQ(row.model, "small");
  EXPECT_EQ(row.requests, 3);
  EXPECT_EQ(row.held, Money{1200});
  EXPECT_EQ(row.settled, Money{800});
  EXPECT_EQ(row.booked, Money{800});
  EXPECT_EQ(row.difference(), Money{});
  EXPECT_EQ(row.open, 1);
  EXPECT_EQ(row.open_held, Money{300});
  EXPECT_EQ(row.by_count, 1);
  EXPECT_EQ(row.counted_input, 90);
  EXPECT_EQ(row.reported_input, 100);
}

// A request is of the hour of its decision in both, whenever it ends.
TEST_P(Reconcile, CountsARequestInTheHourOfItsDecision) {
  const WallTime hour = std::chrono::floor<hours>(kMorning);
  Request before(1);
  Request within(2);
  decide(before, hour - Duration(1), 1, {10});
  decide(within, hour + hours(1) - Duration(1), 1, {10});
  end(before, {1}, audit::UsageSource::kProvider, 1);
  end(within, {2}, audit::UsageSource::kProvider, 1);
  const Reconciled row = ask(hour + Duration(5), hour + Duration(6));
  EXPECT_EQ(row.requests, 1);
  EXPECT_EQ(row.settled, Money{2});
  EXPECT_EQ(row.booked, Money{2});
}

TEST_P(Reconcile, FindsWhatOneOfThemLacks) {
  Request request(1);
  decide(request, kMorning, 1, {10});
  end(request, {7}, audit::UsageSource::kProvider, 1);
  ASSERT_EQ(ask().difference(), Money{});
  ASSERT_TRUE(connect()->execute("UPDATE spend SET cost_micro_usd = cost_micro_usd - 3"));
  EXPECT_EQ(ask().difference(), Money{-3});
}

TEST_P(Reconcile, AgreesAfterAnyHistory) {
  std::mt19937_64 random{17};
  std::vector<std::unique_ptr<Request>> open;
  for (std::int64_t n = 0; n < 120; ++n) {
    open.push_back(std::make_unique<Request>(n));
    decide(*open.back(), kMorning + std::chrono::minutes(random() % 600), 10, {1'000});
    if (random() % 3 == 0 || open.size() > 8) {
      const std::size_t which = random() % open.size();
      const auto source =
          random() % 2 == 0 ? audit::UsageSource::kProvider : audit::UsageSource::kCounted;
      end(*open[which], {static_cast<std::int64_t>(random() % 1'000)}, source, 11);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
    }
    if (random() % 10 == 0) {
      const WallTime since = kMorning + std::chrono::minutes(random() % 600);
      EXPECT_EQ(ask(since, since + std::chrono::minutes(random() % 300)).difference(), Money{});
    }
  }
  EXPECT_EQ(ask().difference(), Money{});
  EXPECT_EQ(ask().open, static_cast<std::int64_t>(open.size()));
}

INSTANTIATE_TEST_SUITE_P(Stores, Reconcile, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
