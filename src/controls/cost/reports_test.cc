// Forecasts of budgets, and invoices against the books.
#include <gtest/gtest.h>

#include "controls/cost/forecast.h"
#include "controls/cost/invoice.h"

namespace tollgate::cost {
namespace {

using std::chrono::hours;

constexpr WallTime kNow{hours(24 * 20003)};

TEST(Forecast, TellsWhenABudgetIsSpentAtThePaceOfTheLastDay) {
  Pace pace{Money{100'000'000},   Money{40'000'000}, Money{24'000'000}, hours(24), kNow,
            kNow + hours(24 * 10)};
  const Forecast made = forecast(pace);
  EXPECT_EQ(made.an_hour, Money{1'000'000});
  EXPECT_EQ(made.exhausted, kNow + hours(60));
  EXPECT_EQ(made.at_window_end, Money{280'000'000});
  pace.window_end = kNow + hours(60);  // It begins anew then.
  EXPECT_FALSE(forecast(pace).exhausted);
  pace.window_end.reset();
  EXPECT_EQ(forecast(pace).exhausted, kNow + hours(60));
  EXPECT_FALSE(forecast(pace).at_window_end);
}

TEST(Forecast, OfNothingSpentAndOfAllSpent) {
  Pace pace{Money{100}, Money{}, Money{}, hours(24), kNow, kNow + hours(1)};
  EXPECT_FALSE(forecast(pace).exhausted);
  EXPECT_EQ(forecast(pace).at_window_end, Money{});
  pace.spent = Money{101};
  EXPECT_EQ(forecast(pace).exhausted, kNow);
  // A pace that takes longer than anybody counts is never, and no figure overflows.
  pace = {Money{INT64_MAX}, Money{}, Money{1}, hours(24), kNow, std::nullopt};
  EXPECT_FALSE(forecast(pace).exhausted);
  pace = {Money{INT64_MAX}, Money{}, Money{INT64_MAX}, hours(1), kNow, kNow + hours(24 * 31)};
  EXPECT_EQ(forecast(pace).at_window_end, Money{INT64_MAX});
}

TEST(Invoice, IsReadByItsColumnsAndAddedUp) {
  const auto read = read_invoice(
      "\xEF\xBB\xBF"
      "day,usd,note,model\r\n2026-11-27,1.50,\"a, \"\"b\"\"\",gpt-4o\r\n\r\n"
      "2026-11-27,$0.25,,gpt-4o\n2026-11-28,-0.10,,\"gpt,4\"");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, (Charged{{{"gpt-4o", "2026-11-27"}, Money{1'750'000}},
                            {{"gpt,4", "2026-11-28"}, Money{-100'000}}}));
}

TEST(Invoice, TellsTheLineThatIsWrong) {
  const struct {
    std::string_view csv;
    std::string_view what;
  } kRows[] = {
      {"", "line 1: there is no column `model`"},
      {"model,day,cost\n", "line 1: there is no column `usd`"},
      {"model,day,usd\na,2026-11-27\n", "line 2: 2 fields"},
      {"model,day,usd\na,27.11.2026,1\n", "line 2: `27.11.2026` is no day"},
      {"model,day,usd\n\na,2026-11-27,1e3\n", "line 3: `1e3` is no amount"},
      {"model,day,usd\na,2026-11-27,\"1\n", "line 2: a quote is not closed"},
  };
  for (const auto& row : kRows) {
    const auto read = read_invoice(row.csv);
    ASSERT_FALSE(read) << row.csv;
    EXPECT_TRUE(read.error().starts_with(row.what)) << read.error();
  }
}

TEST(Invoice, DiffersByModelAndDay) {
  const Charged booked{{{"a", "2026-11-27"}, Money{1'000'000}}, {{"b", "2026-11-27"}, Money{5}}};
  const Charged invoiced{{{"a", "2026-11-27"}, Money{1'004'000}},
                         {{"c", "2026-11-27"}, Money{20'000}}};
  const std::vector<Compared> rows = compare(booked, invoiced, Money{10'000});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_FALSE(rows[0].differs);
  EXPECT_EQ(rows[0].difference, Money{4'000});
  EXPECT_FALSE(rows[1].differs);
  EXPECT_TRUE(rows[2].differs);
  EXPECT_EQ(rows[2].model, "c");
  EXPECT_EQ(rows[2].booked, Money{});
}

}  // namespace
}  // namespace tollgate::cost
