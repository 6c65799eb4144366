#include "storage/charges.h"

#include <fmt/format.h>

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::hours;

class Charges : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  void spend(WallTime at, std::string_view tenant, std::string_view key, std::int64_t cost) {
    SpendGroup group;
    group.add({quarter_of(at), tenant, "ada", key, "chat", "small"}, {1, 10, 4, 5, Money{cost}});
    ASSERT_TRUE(book(*database_, group));
  }
  std::vector<std::string> ask(const ChargeQuery& query) {
    std::vector<std::string> lines;
    const FaultOr<void> told = each_charge(*database_, query, [&](const ChargeRow& row) {
      lines.push_back(fmt::format("{} {} {} {} {}", row.day, row.tenant, row.key_id,
                                  row.spent.requests, row.spent.cost.micro_usd));
    });
    EXPECT_TRUE(told) << told.error().message;
    return lines;
  }

  std::unique_ptr<Database> database_ = connect();
};

TEST_P(Charges, AreByTheDayOfUtc) {
  spend(kMorning, "acme", "k1", 100);
  spend(kMorning + hours(3), "acme", "k1", 20);
  spend(kMorning + hours(18), "acme", "k1", 3);  // 23:30.
  spend(kMorning + hours(19), "acme", "k1", 7);
  spend(kMorning, "globex", "k2", 5);
  const std::vector<std::string> all{"2026-03-04 acme k1 3 123", "2026-03-04 globex k2 1 5",
                                     "2026-03-05 acme k1 1 7"};
  EXPECT_EQ(ask({}), all);
  EXPECT_EQ(ask({.tenant = "globex"}), std::vector{all[1]});
  EXPECT_EQ(ask({.since = kMorning + hours(19)}), std::vector{all[2]});
  EXPECT_EQ(ask({.until = kMorning}), (std::vector{all[0], all[1]}));
  SpendQuery by_day;
  by_day.by = SpendBy::kDay;
  const auto rows = query_spend(*database_, by_day);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ(rows->at(0).spent.cost, Money{128});
  EXPECT_EQ(rows->at(1).name,
            std::to_string(to_microseconds(std::chrono::floor<std::chrono::days>(kMorning) +
                                           std::chrono::days(1))));
}

INSTANTIATE_TEST_SUITE_P(Stores, Charges, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
