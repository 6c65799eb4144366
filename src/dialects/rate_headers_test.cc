#include "dialects/rate_headers.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace tollgate::dialects {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kNoon =
    WallTime(std::chrono::sys_days(std::chrono::year(2026) / 3 / 4)) + std::chrono::hours(12);

RateTold read(const std::map<std::string, std::string, std::less<>>& headers,
              bool refused = false) {
  return read_rates(
      [&](std::string_view name) {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string_view() : std::string_view(found->second);
      },
      refused, kNoon);
}

TEST(RateHeaders, ReadDurationsAsGoWritesThem) {
  EXPECT_EQ(read_go_duration("6m0s"), seconds(360));
  EXPECT_EQ(read_go_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(read_go_duration("12ms"), milliseconds(12));
  EXPECT_EQ(read_go_duration("1h2m3s"), seconds(3723));
  EXPECT_EQ(read_go_duration("7"), seconds(7));
  EXPECT_EQ(read_go_duration("1µs"), Duration(1));
  for (const char* bad : {"", "s", "-1s", "1x", "1s2", "1e9s", "nan", "1..2s", "∞"}) {
    EXPECT_FALSE(read_go_duration(bad)) << bad;
  }
  // So long that a sum would overflow: the most.
  EXPECT_EQ(read_go_duration("99999999999999999999h"), seconds(1'000'000));
}

TEST(RateHeaders, OfARefusalSayHowLongToWaitUpToAMinute) {
  EXPECT_EQ(read({{"retry-after", "7"}}, true).wait, seconds(7));
  EXPECT_EQ(read({{"retry-after", "7"}, {"retry-after-ms", "250"}}, true).wait, milliseconds(250));
  EXPECT_EQ(read({{"retry-after", "86400"}}, true).wait, kRateWaitMax);
  EXPECT_FALSE(read({{"retry-after", "7"}}, false).wait);
  for (const char* absurd : {"soon", "-3", "1e9", "7 seconds", "Wed, 21 Oct 2026 07:28:00",
                             "Wed, 21 Okt 2026 07:28:00 GMT", "Wed, 32 Oct 2026 07:28:00 GMT",
                             "Wed; 21 Oct 2026 07:28:00 GMT"}) {
    EXPECT_FALSE(read({{"retry-after", absurd}}, true).wait) << absurd;
  }
  EXPECT_EQ(read({{"retry-after", "Wed, 04 Mar 2026 12:00:09 GMT"}}, true).wait, seconds(9));
  EXPECT_EQ(read({{"retry-after", "Wed, 04 Mar 2026 11:00:00 GMT"}}, true).wait, seconds(0));
  EXPECT_EQ(read({{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}}, true).wait, kRateWaitMax);
}

TEST(RateHeaders, OfAnAnswerSayWhatIsLeft) {
  const RateTold openai = read({{"x-ratelimit-remaining-requests", "0"},
                                {"x-ratelimit-reset-requests", "20s"},
                                {"x-ratelimit-remaining-tokens", "1500"},
                                {"x-ratelimit-reset-tokens", "6m0s"}});
  EXPECT_EQ(openai.wait, seconds(20));
  EXPECT_EQ(openai.tokens_left, 1500);
  EXPECT_EQ(openai.tokens_reset, kRateWaitMax);

  const RateTold anthropic =
      read({{"anthropic-ratelimit-requests-remaining", "0"},
            {"anthropic-ratelimit-requests-reset", "2026-03-04T12:00:30Z"},
            {"anthropic-ratelimit-tokens-remaining", "0"},
            {"anthropic-ratelimit-tokens-reset", "2026-03-04T12:00:05.123Z"}});
  EXPECT_EQ(anthropic.wait, seconds(30));
  EXPECT_EQ(anthropic.tokens_left, 0);
  EXPECT_EQ(anthropic.tokens_reset, seconds(5));

  const RateTold plenty =
      read({{"x-ratelimit-remaining-requests", "9"}, {"x-ratelimit-reset-requests", "20s"}});
  EXPECT_FALSE(plenty.wait);
  EXPECT_FALSE(plenty.tokens_left);
}

TEST(RateHeaders, ThatAreAbsurdAreLeftOut) {
  for (const char* absurd : {"", "-1", "many", "1.5", "99999999999999999999", " 5"}) {
    EXPECT_FALSE(
        read({{"x-ratelimit-remaining-tokens", absurd}, {"x-ratelimit-reset-tokens", "1s"}})
            .tokens_left)
        << absurd;
  }
  for (const char* absurd : {"", "never", "2026-13-04T12:00:05Z", "2026-03-04 12:00:05",
                             "2026-03-04T12:00:05+02:00", "x026-03-04T12:00:05Z"}) {
    EXPECT_FALSE(read({{"anthropic-ratelimit-requests-remaining", "0"},
                       {"anthropic-ratelimit-requests-reset", absurd}})
                     .wait)
        << absurd;
  }
  // A time that has passed is now.
  EXPECT_EQ(read({{"anthropic-ratelimit-requests-remaining", "0"},
                  {"anthropic-ratelimit-requests-reset", "1999-03-04T12:00:05Z"}})
                .wait,
            Duration{});
}

}  // namespace
}  // namespace tollgate::dialects
