#include "net/wheel.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace tollgate::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Alarm final : Timer {
  void expired() override { ++told; }
  int told = 0;
};

constexpr Instant kStart{seconds(1000)};

TEST(Wheel, TellsNoDeadlineEarlyAndEachOnce) {
  Wheel wheel(kStart);
  Alarm alarm;
  wheel.set(alarm, kStart + milliseconds(55));
  wheel.advance(kStart + milliseconds(50));
  EXPECT_EQ(alarm.told, 0);
  wheel.advance(kStart + milliseconds(60));
  EXPECT_EQ(alarm.told, 1);
  wheel.advance(kStart + seconds(60));
  EXPECT_EQ(alarm.told, 1);
  EXPECT_EQ(wheel.next(), Instant::max());
}

TEST(Wheel, ForgetsWhatIsClearedOrGone) {
  Wheel wheel(kStart);
  Alarm alarm;
  wheel.set(alarm, kStart + milliseconds(50));
  wheel.clear(alarm);
  {
    Alarm gone;
    wheel.set(gone, kStart + milliseconds(50));
  }
  wheel.advance(kStart + seconds(1));
  EXPECT_EQ(alarm.told, 0);
}

// Whatever was set, moved and cleared before: an alarm is told once, at its last deadline, at
// most a tick late; and next() never lets the wheel sleep through one.
TEST(Wheel, KeepsItsDeadlinesForAnyHistory) {
  std::mt19937_64 random{7};
  Wheel wheel(kStart);
  std::array<Alarm, 20> alarms;
  std::array<Instant, 20> deadlines;
  deadlines.fill(Instant::max());
  Instant now = kStart;
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    const std::size_t i = random() % alarms.size();
    if (random() % 5 == 0) {
      wheel.clear(alarms[i]);
      deadlines[i] = Instant::max();
    } else if (random() % 2 == 0) {
      deadlines[i] = now + Duration(random() % (random() % 4 == 0 ? 20'000'000 : 200'000));
      wheel.set(alarms[i], deadlines[i]);
    }
    for (const Instant deadline : deadlines) {
      if (deadline == Instant::max()) continue;
      ASSERT_LE(wheel.next(), std::max(deadline, now) + 2 * Wheel::kTick);
    }
    now += Duration(random() % (random() % 50 == 0 ? 9'000'000 : 30'000));
    wheel.advance(now);
    for (std::size_t k = 0; k < alarms.size(); ++k) {
      if (alarms[k].told > 0) {
        ASSERT_EQ(alarms[k].told, 1);
        ASSERT_LE(deadlines[k], now);
        alarms[k].told = 0;
        deadlines[k] = Instant::max();
      }
      ASSERT_GT(deadlines[k], now - 2 * Wheel::kTick);
    }
  }
}

}  // namespace
}  // namespace tollgate::net
