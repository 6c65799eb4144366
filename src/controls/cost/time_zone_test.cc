#include "controls/cost/time_zone.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "controls/cost/cost.h"

namespace tollgate::cost {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

constexpr Window kCalendar[] = {Window::kHour, Window::kDay, Window::kWeek, Window::kMonth};

// "2026-03-29T01:00", in UTC.
WallTime utc(std::string_view text) {
  const auto number = [&](std::size_t at, std::size_t count) {
    return std::stoi(std::string(text.substr(at, count)));
  };
  const auto date = std::chrono::year(number(0, 4)) / number(5, 2) / number(8, 2);
  return std::chrono::sys_days(date) + hours(number(11, 2)) + minutes(number(14, 2));
}

TimeZone zone(std::string_view name) {
  const std::optional<TimeZone> found = TimeZone::named(name);
  EXPECT_TRUE(found) << name;
  return found.value_or(TimeZone());
}

TEST(TimeZone, KnowsTheNamesOfTheDatabaseAndNoOthers) {
  for (const char* name : {"UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Calcutta", "Etc/GMT+12",
                           "America/Argentina/Ushuaia", "Australia/Lord_Howe"}) {
    EXPECT_EQ(zone(name).name(), name);
  }
  for (const char* name : {"", "utc", "europe/berlin", "Europe/Berln", "IST", "CST", "Etc/Unknown",
                           "SystemV/EST5", "GMT+1", "Europe/", "/etc/localtime"}) {
    EXPECT_FALSE(TimeZone::named(name)) << name;
  }
  EXPECT_GT(known_time_zones().size(), 400U);
  EXPECT_TRUE(std::ranges::is_sorted(known_time_zones(), std::less_equal<>{}));
}

TEST(TimeZone, IsAValue) {
  EXPECT_EQ(zone("Europe/Berlin"), zone("Europe/Berlin"));
  EXPECT_NE(zone("Europe/Berlin"), zone("Europe/Paris"));
  EXPECT_EQ(zone("UTC"), TimeZone());
}

// Days around both changes of the clocks, and offsets that are no whole hours.
TEST(TimeZone, StartsWindowsByTheClocksOfThePlace) {
  const struct {
    const char* zone;
    Window window;
    const char* now;
    const char* start;
    const char* end;
  } rows[] = {
      // 29 March has 23 hours, 25 October 25.
      {"Europe/Berlin", Window::kDay, "2026-03-28T22:59", "2026-03-27T23:00", "2026-03-28T23:00"},
      {"Europe/Berlin", Window::kDay, "2026-03-28T23:00", "2026-03-28T23:00", "2026-03-29T22:00"},
      {"Europe/Berlin", Window::kDay, "2026-03-29T21:59", "2026-03-28T23:00", "2026-03-29T22:00"},
      {"Europe/Berlin", Window::kDay, "2026-03-29T22:00", "2026-03-29T22:00", "2026-03-30T22:00"},
      {"Europe/Berlin", Window::kDay, "2026-10-24T22:00", "2026-10-24T22:00", "2026-10-25T23:00"},
      {"Europe/Berlin", Window::kDay, "2026-10-25T22:59", "2026-10-24T22:00", "2026-10-25T23:00"},
      {"Europe/Berlin", Window::kDay, "2026-10-25T23:00", "2026-10-25T23:00", "2026-10-26T23:00"},
      {"Europe/Berlin", Window::kWeek, "2026-03-29T12:00", "2026-03-22T23:00", "2026-03-29T22:00"},
      {"Europe/Berlin", Window::kMonth, "2026-03-31T21:59", "2026-02-28T23:00", "2026-03-31T22:00"},
      {"Europe/Berlin", Window::kMonth, "2026-03-31T22:00", "2026-03-31T22:00", "2026-04-30T22:00"},
      {"Europe/Berlin", Window::kMonth, "2026-12-31T23:00", "2026-12-31T23:00", "2027-01-31T23:00"},
      // The hour that comes twice is two hours.
      {"Europe/Berlin", Window::kHour, "2026-10-25T00:30", "2026-10-25T00:00", "2026-10-25T01:00"},
      {"Europe/Berlin", Window::kHour, "2026-10-25T01:30", "2026-10-25T01:00", "2026-10-25T02:00"},
      {"America/New_York", Window::kDay, "2026-03-08T12:00", "2026-03-08T05:00",
       "2026-03-09T04:00"},
      {"America/New_York", Window::kDay, "2026-11-01T12:00", "2026-11-01T04:00",
       "2026-11-02T05:00"},
      {"Asia/Kolkata", Window::kDay, "2026-11-25T18:29", "2026-11-24T18:30", "2026-11-25T18:30"},
      {"Asia/Kolkata", Window::kDay, "2026-11-25T18:30", "2026-11-25T18:30", "2026-11-26T18:30"},
      {"Asia/Kolkata", Window::kHour, "2026-11-25T12:15", "2026-11-25T11:30", "2026-11-25T12:30"},
      {"Asia/Kathmandu", Window::kDay, "2026-11-25T18:14", "2026-11-24T18:15", "2026-11-25T18:15"},
      {"Asia/Kathmandu", Window::kHour, "2026-11-25T18:15", "2026-11-25T18:15", "2026-11-25T19:15"},
      // By half an hour: back on 5 April at 2:00, on 4 October at 2:00 to 2:30.
      {"Australia/Lord_Howe", Window::kDay, "2026-04-05T00:00", "2026-04-04T13:00",
       "2026-04-05T13:30"},
      {"Australia/Lord_Howe", Window::kDay, "2026-10-04T00:00", "2026-10-03T13:30",
       "2026-10-04T13:00"},
      {"Australia/Lord_Howe", Window::kHour, "2026-04-04T14:30", "2026-04-04T14:00",
       "2026-04-04T15:00"},
      {"Australia/Lord_Howe", Window::kHour, "2026-04-04T15:10", "2026-04-04T15:00",
       "2026-04-04T15:30"},
      {"Australia/Lord_Howe", Window::kHour, "2026-10-03T15:40", "2026-10-03T15:30",
       "2026-10-03T16:00"},
      // Where midnight is skipped the day begins at one o'clock.
      {"America/Sao_Paulo", Window::kDay, "2018-11-04T12:00", "2018-11-04T03:00",
       "2018-11-05T02:00"},
      // Where midnight comes twice it begins at the first.
      {"America/Havana", Window::kDay, "2026-11-01T06:00", "2026-11-01T04:00", "2026-11-02T05:00"},
      // 30 December was skipped whole.
      {"Pacific/Apia", Window::kDay, "2011-12-30T09:59", "2011-12-29T10:00", "2011-12-30T10:00"},
      {"Pacific/Apia", Window::kDay, "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"},
      // Back from 0:01 to 23:01: the rest of Saturday is of the Sunday that had begun.
      {"America/St_Johns", Window::kDay, "2010-11-07T03:00", "2010-11-07T02:30",
       "2010-11-08T03:30"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.zone) + " " + row.now);
    const Span span = span_of(row.window, zone(row.zone), utc(row.now));
    EXPECT_EQ(span.start, utc(row.start));
    EXPECT_EQ(span.end, utc(row.end));
  }
}

// Windows tile the time line, for any zone and moment.
TEST(TimeZone, EndsWhereTheNextWindowStartsForAnyZoneAndMoment) {
  std::mt19937_64 random{3};
  const std::vector<std::string_view>& names = known_time_zones();
  for (int i = 0; i < 20'000; ++i) {
    const TimeZone where = i % 4 == 0 ? TimeZone() : zone(names[random() % names.size()]);
    // From 1966 to 2219, and near a change as often as not.
    WallTime now{microseconds(random() % 8'000'000'000'000'000) - hours(35'000)};
    const WallTime change = where.stretch_of(now).end;
    if (i % 2 == 0 && change != WallTime::max()) {
      now = change + microseconds(random() % 200'000'000'000) - hours(27);
    }
    SCOPED_TRACE(std::string(where.name()) + " " + std::to_string(now.time_since_epoch().count()));
    for (const Window window : kCalendar) {
      const Span span = span_of(window, where, now);
      ASSERT_LE(span.start, now);
      ASSERT_LT(now, span.end);
      ASSERT_EQ(start_of(window, where, span.start), span.start);
      ASSERT_EQ(start_of(window, where, span.end), span.end);
      ASSERT_EQ(end_of(window, where, span.end - microseconds(1)), span.end);
      ASSERT_EQ(start_of(window, where, span.end - microseconds(1)), span.start);
    }
  }
}

// What the books rely on: they keep sums by the quarter of an hour.
TEST(TimeZone, StartsEveryWindowOfTheseTimesOnAQuarterOfAnHour) {
  constexpr Duration kQuarter = minutes(15);
  for (const std::string_view name : known_time_zones()) {
    const TimeZone where = zone(name);
    WallTime at = utc("2021-01-01T00:00");
    while (at < utc("2100-01-01T00:00")) {
      const TimeZone::Stretch stretch = where.stretch_of(at);
      ASSERT_EQ(stretch.ahead % kQuarter, Duration{}) << name;
      if (stretch.end == WallTime::max()) break;
      ASSERT_EQ(stretch.end.time_since_epoch() % kQuarter, Duration{}) << name;
      at = stretch.end;
    }
  }
}

TEST(TimeZone, TellsTheEndOfAWindowByTheClocksOfThePlace) {
  Policy policy;
  policy.window = Window::kDay;
  policy.limit = {1'000};
  policy.rule = "tenants.acme.budget";
  const struct {
    const char* zone;
    const char* now;
    const char* words;
  } rows[] = {
      {"UTC", "2026-11-25T12:00", "again after 2026-11-26T00:00:00Z."},
      {"Europe/Berlin", "2026-03-29T12:00",
       "again after 2026-03-30T00:00:00+02:00 (Europe/Berlin)."},
      {"Asia/Kathmandu", "2026-11-25T12:00",
       "again after 2026-11-26T00:00:00+05:45 (Asia/Kathmandu)."},
      {"America/St_Johns", "2026-11-25T12:00",
       "again after 2026-11-26T00:00:00-03:30 (America/St_Johns)."},
  };
  for (const auto& row : rows) {
    policy.zone = zone(row.zone);
    const Expected<Balance> refused = hold(policy, {{}, {}, {1'000}}, {1}, utc(row.now), "acme");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.ends_with(row.words)) << refused.error().message;
  }
}

// A balance that remembers its window's end says what the calendar says.
TEST(TimeZone, RollsAtLocalMidnight) {
  Policy policy;
  policy.window = Window::kDay;
  policy.limit = {1'000};
  policy.zone = zone("Europe/Berlin");
  const WallTime midnight = utc("2026-03-29T22:00");
  const Balance full{start_of(policy.window, policy.zone, midnight - hours(1)), {1'000}, {}};
  const Balance asked = roll(policy, full, midnight - microseconds(1));
  EXPECT_EQ(asked.spent, Money{1'000});
  EXPECT_EQ(asked.window_end, midnight);
  const Balance next = roll(policy, asked, midnight);
  EXPECT_EQ(next.spent, Money{});
  EXPECT_EQ(next.window_start, midnight);
  EXPECT_EQ(next.window_end, midnight + hours(24));
}

}  // namespace
}  // namespace tollgate::cost
