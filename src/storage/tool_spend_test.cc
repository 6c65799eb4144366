#include "storage/tool_spend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/prune_books.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::hours;

Item outcome_of(std::string_view written, WallTime at = kMorning) {
  Item item;
  item.phase = audit::Phase::kOutcome;
  item.time_us = to_microseconds(at);
  item.tenant = "acme";
  item.user = "ada";
  item.key_id = "k1";
  item.route = "chat";
  item.written = written;
  return item;
}

constexpr std::string_view kSearched =
    R"({"phase":"outcome","usage":{"input":1,"tool_calls":{"web_search":2,"code_execution":1},)"
    R"("tool_cost_usd":{"web_search":0.02}},"cost_usd":0.03})";
constexpr std::string_view kCalled =
    R"({"phase":"outcome","mcp":{"method":"tools/call","name":"search"},"cost_usd":0.4})";

class ToolSpendTest : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  std::string told(const SpendQuery& query = {}) {
    std::string all;
    const FaultOr<std::vector<SpendRow>> rows = query_tool_spend(*database_, query);
    if (!rows) return rows.error().message;
    for (const SpendRow& row : *rows) {
      all += fmt::format("{} {} {}\n", row.name, row.spent.requests, format_usd(row.spent.cost));
    }
    return all;
  }
  void book_tools(const ToolSpend& tools) { ASSERT_TRUE(tools.book(*database_)); }

  std::unique_ptr<Database> database_ = connect();
};

TEST_P(ToolSpendTest, AddsUpCallsBesideWhatAllElseCost) {
  ToolSpend tools;
  tools.take(outcome_of(kSearched));
  tools.take(outcome_of(kSearched, kMorning + hours(1)));
  tools.take(outcome_of(kCalled));
  book_tools(tools);
  book_tools(tools);
  SpendGroup books;
  books.add({quarter_of(kMorning), "acme", "ada", "k1", "chat", "small"},
            Spent{7, 10, 0, 5, Money{1'000'000}});
  ASSERT_TRUE(book(*database_, books));
  EXPECT_EQ(told(), "mcp:search 2 0.80\nweb_search 8 0.08\ncode_execution 4 0.00\n 7 0.12\n");
  SpendQuery later;
  later.since = kMorning + hours(1);
  EXPECT_EQ(told(later), "web_search 4 0.04\ncode_execution 2 0.00\n");
  SpendQuery others;
  others.tenant = "globex";
  EXPECT_EQ(told(others), "");
  others.tenant.clear();
  others.only = {"globex", "initech"};
  EXPECT_EQ(told(others), "");
  others.only = {"acme"};
  EXPECT_EQ(told(others), told());
}

TEST_P(ToolSpendTest, TakesWhatOutcomesSayAndNothingElse) {
  ToolSpend tools;
  Item decision = outcome_of(kSearched);
  decision.phase = audit::Phase::kDecision;
  tools.take(decision);
  for (const std::string_view written :
       {std::string_view(R"({"message":"\"tool_calls\":{\"web_search\":9}"})"),
        std::string_view(R"({"tool_calls":{"web_search":9})"),
        std::string_view(R"({"usage":{"tool_calls":{"web_search":"9"}}})"),
        std::string_view(R"({"tool_calls":{"web_search":9}})"),
        std::string_view(R"({"mcp":{"method":"tools/call","name":"search","failed":true}})"),
        std::string_view(R"({"mcp":{"method":"tools/list"},"cost_usd":1})")}) {
    tools.take(outcome_of(written));
    EXPECT_TRUE(tools.empty()) << written;
  }
  Item refused = outcome_of(R"({"mcp":{"method":"tools/call","name":"search"}})");
  refused.outcome = audit::Outcome::kRefused;
  tools.take(refused);
  EXPECT_TRUE(tools.empty());
}

// From the record of a request to the books, through the writer of the trail.
TEST_P(ToolSpendTest, IsBookedWithTheOutcome) {
  const std::unique_ptr<StoredTrail> trail = open_trail();
  Request request(1);
  ASSERT_TRUE(request.decide(*trail));
  const audit::PaidCalls calls[] = {{"web_search", 3, Money{30'000}}};
  request.record.paid_calls = calls;
  request.record.usage_source = audit::UsageSource::kProvider;
  request.record.cost = Money{50'000};
  std::string written;
  audit::write(request.record, audit::Phase::kOutcome, written);
  ASSERT_TRUE(trail->append(request.record, audit::Phase::kOutcome, {}, written));
  ASSERT_TRUE(trail->flush());
  EXPECT_EQ(told(), "web_search 3 0.03\n 1 0.02\n");
}

TEST_P(ToolSpendTest, WhatIsOldBecomesSums) {
  ToolSpend tools;
  for (int i = 0; i < 10; ++i) tools.take(outcome_of(kSearched, kMorning + hours(i)));
  book_tools(tools);
  const std::string before = told();
  const WallTime keep_from = kMorning + hours(24);
  int steps = 0;
  while (has_old_tool_spend(*database_, keep_from).value() && ++steps < 100) {
    ASSERT_TRUE(sum_up_tool_spend(*database_, keep_from, 7));
  }
  EXPECT_LT(steps, 100);
  EXPECT_EQ(told(), before);
  SpendQuery recent;
  recent.since = kMorning;
  EXPECT_EQ(told(recent), "");
}

INSTANTIATE_TEST_SUITE_P(Stores, ToolSpendTest, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
