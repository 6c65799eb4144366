// The table of prices: in the configuration and in a file, by day, and all that can be wrong with
// it.
#include "config/price_table.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "config/load.h"

namespace tollgate::config {
namespace {

using std::chrono::sys_days;
using std::chrono::year;

constexpr std::string_view kRest = R"(
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
tenants:
  acme: {}
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 1MiB }
)";

Loaded load_with(const std::string& model, const std::string& more = {},
                 const std::string& file = "t.yaml") {
  const std::string text =
      "models:\n  small: { upstream: vllm, " + model + " }\n" + more + std::string(kRest);
  return load_text(text, file, [](const std::string&) { return std::optional<std::string>(); });
}

std::string problems_of(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

WallTime day(int y, unsigned m, unsigned d) {
  return sys_days(year(y) / std::chrono::month(m) / std::chrono::day(d));
}

TEST(PriceTable, SaysWhatHoldsAtEachMoment) {
  // In no order; the first has no day.
  const Loaded loaded = load_with("prices: llama", R"(
prices:
  - { name: llama, from: 2026-07-01, price_per_million: { input: 3, output: 6 } }
  - { name: llama, price_per_million: { input: 1, output: 2 } }
  - { name: llama, from: 2026-01-01, source: "contract 7", price_per_million: { input: 2, output: 4 } }
)");
  ASSERT_NE(loaded.config, nullptr) << problems_of(loaded);
  const Model& model = loaded.config->models[0];
  EXPECT_EQ(model.price_entry, "llama");
  EXPECT_EQ(prices_at(model, WallTime{}).price_version, "1.00/1.00/2.00");
  EXPECT_EQ(prices_at(model, day(2026, 1, 1) - Duration(1)).price_version, "1.00/1.00/2.00");
  EXPECT_EQ(prices_at(model, day(2026, 1, 1)).price_version, "2.00/2.00/4.00");
  EXPECT_EQ(prices_at(model, day(2026, 6, 30)).price_version, "2.00/2.00/4.00");
  EXPECT_EQ(prices_at(model, day(2026, 7, 1)).price_version, "3.00/3.00/6.00");
}

TEST(PriceTable, IsNeverWithoutAPrice) {
  const Loaded loaded = load_with("prices: llama", R"(
prices:
  - { name: llama, from: 2099-01-01, price_per_million: { input: 3, output: 6 } }
)");
  ASSERT_NE(loaded.config, nullptr) << problems_of(loaded);
  EXPECT_EQ(prices_at(loaded.config->models[0], day(2026, 1, 1)).price_version, "3.00/3.00/6.00");
}

TEST(PriceTable, HasCacheWritesPartsAndTiers) {
  const Loaded loaded = load_with(
      "price_per_million: { input: 3, cached_input: 0.3, output: 15, cache_write_5m: 3.75, "
      "cache_write_1h: 6, reasoning_output: 20, service_tiers: { flex: { input: 1.5, output: 7.5 "
      "}, priority: { input: 6, output: 30, cache_write_5m: 7.5 } } }");
  ASSERT_NE(loaded.config, nullptr) << problems_of(loaded);
  EXPECT_EQ(loaded.config->models[0].price_version,
            "3.00/0.30/15.00;cache_write_5m=3.75;cache_write_1h=6.00;reasoning_output=20.00;"
            "tier=flex:1.50/1.50/7.50;tier=priority:6.00/6.00/30.00;cache_write_5m=7.50");
}

// What is wrong, where, and what is to be done.
TEST(PriceTable, TellsWhatIsWrongWithItAndWhere) {
  struct Row {
    std::string entries;
    std::string told;
  };
  for (const auto& [entries, told] : std::initializer_list<Row>{
           {"{ name: llama, price_per_million: { input: -1, output: 2 } }", "t.yaml:4:"},
           {"{ name: llama, price_per_million: { output: 2 } }", "`input` is missing"},
           {"{ name: llama }", "`price_per_million` is missing"},
           {"{ name: llama, price: 3, price_per_million: { input: 1, output: 2 } }", "`price`"},
           {"{ name: llama, from: 2026-02-30, price_per_million: { input: 1, output: 2 } }",
            "prices[0].from: expected a day such as `2026-01-31`, found `2026-02-30`"},
           {"{ name: llama, from: yesterday, price_per_million: { input: 1, output: 2 } }",
            "expected a day"},
           {"{ name: llama, from: 2026-01-01, price_per_million: { input: 1, output: 2 } }\n"
            "  - { name: llama, from: 2026-01-01, price_per_million: { input: 2, output: 2 } }",
            "t.yaml:5:26: prices[1].from: `llama` has an entry from 2026-01-01 already"},
           {"{ name: llama, price_per_million: { input: 1, output: 2 } }\n"
            "  - { name: llama, price_per_million: { input: 2, output: 2 } }",
            "`llama` has an entry without `from` already"},
           {"{ name: lama, price_per_million: { input: 1, output: 2 } }",
            "there is no entry `llama` in `prices`; did you mean `lama`?"},
           {"{ name: llama, price_per_million: { input: 1, output: 2, service_tiers: { batch: { "
            "input: 1, output: 1 } } } }",
            "batch"},
           {"{ name: llama, price_per_million: { input: 1, output: 2, audio: 9, service_tiers: { "
            "priority: { input: 2, output: 4 } } } }",
            "`audio` is missing: the usual tier has a price for recordings, so `priority` needs"},
           {"{ name: llama, price_per_million: { input: 1, output: 2, cache_write_5m: 2, "
            "long_context: [{ above: 9, input: 1, output: 2 }] } }",
            "`cache_write_5m` has a price for shorter inputs"},
           {"{ name: llama, price_per_million: { input: 1, output: 2, cache_write_5m: 2, "
            "long_context: [{ above: 9, input: 1, output: 2, cache_write_5m: 1 }] } }",
            "never cheaper"}}) {
    const Loaded loaded = load_with("prices: llama", "prices:\n  - " + entries + "\n");
    EXPECT_EQ(loaded.config, nullptr) << entries;
    EXPECT_NE(problems_of(loaded).find(told), std::string::npos) << entries << "\n"
                                                                 << problems_of(loaded);
  }
}

TEST(PriceTable, AndPricesOfTheModelItselfExcludeEachOther) {
  const Loaded loaded =
      load_with("prices: llama, price_per_million: { input: 1, output: 2 }",
                "prices:\n  - { name: llama, price_per_million: { input: 1, output: 2 } }\n");
  EXPECT_NE(problems_of(loaded).find("found both"), std::string::npos) << problems_of(loaded);
}

TEST(PriceTable, HasAPriceForWhatIsServedOnEachOfItsDays) {
  const Loaded loaded = load_with("prices: llama", R"(
prices:
  - { name: llama, price_per_million: { input: 1, output: 2 } }
  - { name: llama, from: 2027-01-01, price_per_image: { any: 0.04 } }
)");
  EXPECT_NE(problems_of(loaded).find("has no price for `chat_completions`"), std::string::npos)
      << problems_of(loaded);
}

class PriceFile : public ::testing::Test {
 protected:
  void write(std::string_view text) { std::ofstream(path_) << text; }
  void TearDown() override { std::remove(path_.c_str()); }
  Loaded load() {
    return load_with("prices: llama", "prices_file: price_table_test.yaml\n", near_);
  }

  const std::string path_ = ::testing::TempDir() + "price_table_test.yaml";
  const std::string near_ = ::testing::TempDir() + "t.yaml";
};

TEST_F(PriceFile, IsReadBesideTheConfigurationAndIsPartOfItsVersion) {
  write("prices:\n  - { name: llama, price_per_million: { input: 1, output: 2 } }\n");
  const Loaded one = load();
  ASSERT_NE(one.config, nullptr) << problems_of(one);
  EXPECT_EQ(one.config->models[0].price_version, "1.00/1.00/2.00");
  EXPECT_EQ(one.config->prices_file, path_);
  write("prices:\n  - { name: llama, price_per_million: { input: 2, output: 2 } }\n");
  const Loaded other = load();
  ASSERT_NE(other.config, nullptr);
  EXPECT_NE(one.config->version, other.config->version);
}

TEST_F(PriceFile, ThatIsBrokenIsToldWithItsOwnLines) {
  for (const auto& [text, told] :
       {std::pair<std::string, std::string>("", "the file cannot be read, or is empty"),
        {"prices:\n  - { name: llama, price_per_million: { input: -3, output: 2 } }\n",
         path_ + ":2:"},
        {"prices:\n  - { name: llama, price_per_million: { input: 3, output: 2 } }\nmodels: {}\n",
         path_ + ":3:1: "},
        {"prices: [\n", path_ + ":"},
        {"prices:\n  - { name: llama, price_per_million: { input: \"${X}\", output: 2 } }\n",
         path_ + ":2:"}}) {
    write(text);
    const Loaded loaded = load();
    EXPECT_EQ(loaded.config, nullptr) << text;
    EXPECT_EQ(loaded.prices_file, path_) << "mending it may be enough";
    EXPECT_NE(problems_of(loaded).find(told), std::string::npos) << text << problems_of(loaded);
  }
}

}  // namespace
}  // namespace tollgate::config
