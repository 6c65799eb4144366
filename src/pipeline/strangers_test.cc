#include "pipeline/strangers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

IpAddress address(std::string_view text) { return *read_address(text); }

// Whoever comes when: what is recorded and what is told is all that came, and of no second there
// is more on record than the bounds let through.
TEST(Strangers, AreAllToldOfWithinTheBoundsForAnyHistory) {
  std::mt19937_64 random{3};
  Strangers strangers;
  const Instant start{hours(1)};
  Instant now = start;
  std::uint64_t came = 0;
  std::uint64_t recorded = 0;
  std::uint64_t told = 0;
  std::uint64_t of_one = 0;
  int tellings = 0;
  for (int step = 0; step < 300'000; ++step) {
    now += Duration{static_cast<std::int64_t>(random() % 200)};
    IpAddress from = address("192.0.2.1");
    const bool is_one = random() % 2 == 0;
    if (!is_one) from.bytes[14] = static_cast<std::uint8_t>(2 + random() % 250);
    ++came;
    // Some hold credentials that are no longer good, each from anywhere.
    const std::string id = fmt::format("key{}", random() % 64);
    authentication::Identity holder;
    holder.credential_id = id;
    const bool holds = random() % 4 == 0;
    if (holds ? strangers.records(holder, from, now) : strangers.records(from, now)) {
      ++recorded;
      of_one += is_one && !holds ? 1 : 0;
    }
    const auto untold = strangers.take_untold(now);
    for (const Strangers::Untold& each : untold) told += each.count;
    tellings += untold.empty() ? 0 : 1;
    EXPECT_LE(untold.size(), 1 + Strangers::kHolders);
  }
  const auto lasted = std::chrono::duration_cast<seconds>(now - start).count() + 1;
  EXPECT_LE(of_one, static_cast<std::uint64_t>(Strangers::kBurst + Strangers::kPerSecond * lasted));
  EXPECT_LE(recorded, static_cast<std::uint64_t>(Strangers::kBurstInAll +
                                                 Strangers::kPerSecondInAll * lasted));
  EXPECT_GT(recorded, static_cast<std::uint64_t>(Strangers::kPerSecondInAll * (lasted - 1)));
  EXPECT_LE(tellings, lasted + 1);
  for (const Strangers::Untold& each : strangers.take_all()) told += each.count;
  EXPECT_FALSE(strangers.has_untold());
  EXPECT_EQ(recorded + told, came);
}

class StrangersAtTheGate : public PipelineTest {
 protected:
  // How many are counted on records of that tenant's.
  int told(std::string_view tenant) const {
    int sum = 0;
    for (const Recorded& record : world.trail.records) {
      const std::size_t at = record.written.find(" further answers to ");
      if (at == std::string::npos || record.phase != audit::Phase::kDecision) continue;
      if (record.tenant != tenant) continue;
      const std::size_t digits = record.written.find_last_not_of("0123456789", at - 1) + 1;
      sum += std::stoi(record.written.substr(digits, at - digits));
    }
    return sum;
  }
  // Asks with a key that the store has as it is, `count` times.
  void ask_with(const std::string& secret, int count, std::string_view reason,
                std::string_view from = "192.0.2.1") {
    Ask asked = ask_as(secret, std::string(kHello));
    asked.ip = address(from);
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(world.serve(asked)->header("x-tollgate-reason"), reason);
    }
  }
  authentication::KeyRecord& record_of(const std::string& secret) {
    return world.keys.keys.at(std::string(*authentication::read_key(secret)));
  }

  void come(int count, std::string_view from = "192.0.2.1") {
    Ask without = ask(std::string(kHello), "/v1/chat/completions");
    without.headers.clear();
    without.ip = address(from);
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(world.serve(without)->header("x-tollgate-reason"), "missing_credential");
    }
  }
};

TEST_F(StrangersAtTheGate, AreOnRecordEachUntilThereAreMany) {
  come(Strangers::kBurst);
  const std::size_t each = world.trail.records.size();
  EXPECT_EQ(each, 2u * Strangers::kBurst);
  come(1000);
  // One that tells of the first, as nobody was told of any before.
  EXPECT_LE(world.trail.records.size(), each + 2);
  world.clock.pass(seconds(1));
  // Whoever comes next brings the rest on record.
  EXPECT_EQ(world.serve(ask_as(world.add_key("acme"), std::string(kHello)))->status, 200);
  EXPECT_EQ(told(""), 1000);
  // Others have records of their own all the while.
  const std::size_t before = world.trail.records.size();
  come(1, "192.0.2.2");
  EXPECT_EQ(world.trail.records.size(), before + 2);
}

// Who asks with a key that is revoked pays nothing for it, from however many addresses.
TEST_F(StrangersAtTheGate, MayHoldAKeyThatIsNoLongerGood) {
  const std::string revoked = world.add_key("acme");
  record_of(revoked).revoked = world.clock.wall();
  const std::string expired = world.add_key("acme");
  record_of(expired).expires = world.clock.wall();
  for (int i = 0; i < 2 * Strangers::kBurst; ++i) {
    ask_with(revoked, 1, "revoked_credential", fmt::format("192.0.2.{}", 1 + i));
  }
  EXPECT_EQ(world.trail.records.size(), 2u * (Strangers::kBurst + 1));
  EXPECT_EQ(world.trail.records.front().tenant, "acme");
  ask_with(expired, 1, "expired_credential");
  world.pipeline.close();
  EXPECT_EQ(told("acme"), Strangers::kBurst);
  EXPECT_EQ(told(""), 0);
}

TEST_F(StrangersAtTheGate, AreToldOfAtTheEnd) {
  come(Strangers::kBurst + 7);
  EXPECT_EQ(told(""), 1);  // The first, as nobody was told of any before.
  world.pipeline.close();
  EXPECT_EQ(told(""), 7);
  const std::size_t all = world.trail.records.size();
  world.pipeline.close();
  EXPECT_EQ(world.trail.records.size(), all);
}

TEST_F(StrangersAtTheGate, LeaveRefusalsOfCallersOnRecord) {
  come(2 * Strangers::kBurst);
  const std::string secret = world.add_key("acme");
  world.keys.keys.at(std::string(*authentication::read_key(secret))).scopes.models = {"other"};
  for (int i = 0; i < 2 * Strangers::kBurst; ++i) {
    const std::size_t before = world.trail.records.size();
    Ask asked = ask_as(secret, std::string(kHello));
    asked.ip = address("192.0.2.1");
    EXPECT_EQ(world.serve(asked)->header("x-tollgate-reason"), "model_not_found");
    EXPECT_EQ(world.trail.records.size(), before + 2);
  }
}

}  // namespace
}  // namespace tollgate::pipeline::testing
