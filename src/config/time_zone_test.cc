// Whose midnight begins the window of a budget: what loads, and what is told of the rest.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace tollgate::config {
namespace {

// `%` stands for what the budget of the tenant says behind its window, in line 6.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
models: { small: { upstream: vllm, price_per_million: { input: 0.05, output: 0.10 } } }
tenants:
  acme: { budget: { usd: 5, per: % } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{}]
    prompt: { body: 1MiB, output_tokens: 4096 }
)";

Loaded load(std::string_view says, std::string_view more = "") {
  std::string text(kFile);
  text.replace(text.find('%'), 1, says);
  return load_text(text.append(more), "t.yaml",
                   [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(TimeZones, AreOfTheBudgetOrOfTheFileOrUtc) {
  const struct {
    std::string_view tenant;
    std::string_view file;
    std::string_view tenant_zone;
    std::string_view user_zone;
  } rows[] = {
      {"day", "", "UTC", "UTC"},
      {"day", "time_zone: Asia/Kolkata\n", "Asia/Kolkata", "Asia/Kolkata"},
      {"day, time_zone: UTC", "time_zone: Asia/Kolkata\n", "UTC", "Asia/Kolkata"},
      {"day, time_zone: \"${ZONE:-Europe/Berlin}\"", "", "Europe/Berlin", "UTC"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.tenant) + std::string(row.file));
    const std::string budgets =
        "budgets: { user_id: { usd: 1, per: week }, model: { usd: 1, per: hour, time_zone: "
        "Australia/Lord_Howe } }\n";
    const Loaded loaded = load(row.tenant, std::string(row.file) + budgets);
    ASSERT_NE(loaded.config, nullptr) << told(loaded);
    EXPECT_EQ(loaded.config->tenants.at(0).budget.value().zone.name(), row.tenant_zone);
    for (const cost::Policy& policy : loaded.config->budgets) {
      const bool own = policy.scope == limits::Scope::kModel;
      EXPECT_EQ(policy.zone.name(), own ? "Australia/Lord_Howe" : row.user_zone);
    }
    const std::string shown = effective_json(*loaded.config);
    EXPECT_NE(shown.find(fmt::format(R"("per":"day","time_zone":"{}")", row.tenant_zone)),
              std::string::npos);
  }
}

TEST(TimeZones, AreToldWithTheNamesThatAreNear) {
  const std::string field = "t.yaml:6:50: tenants.acme.budget.time_zone: ";
  const std::string expected =
      "expected a time zone of the IANA database such as `Europe/Berlin`, or `UTC`, found ";
  const struct {
    std::string_view says;
    std::string told;
  } rows[] = {
      {"day, time_zone: Europe/Berln",
       field + expected + "`Europe/Berln`; near that: `Europe/Berlin`\n"},
      {"day, time_zone: berlin", field + expected + "`berlin`; near that: `Europe/Berlin`\n"},
      {"day, time_zone: New York",
       field + expected + "`New York`; near that: `America/New_York`\n"},
      {"day, time_zone: Kolkata", field + expected + "`Kolkata`; near that: `Asia/Kolkata`\n"},
      {"day, time_zone: utc", field + expected + "`utc`; near that: `Etc/UTC`, `UTC`\n"},
      // Of several places, and of ICU alone.
      {"day, time_zone: IST", field + expected + "`IST`\n"},
      {"day, time_zone: Mars/Olympus", field + expected + "`Mars/Olympus`\n"},
      {"day, time_zone: 2", field + expected + "`2`\n"},
      {"day, time_zone: []", field + expected + "a list\n"},
      {"total, time_zone: Europe/Berlin",
       "t.yaml:6:52: tenants.acme.budget.time_zone: a budget in `total` has no calendar: remove "
       "`time_zone`\n"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.says);
    const Loaded loaded = load(row.says);
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_EQ(told(loaded), row.told);
  }
  EXPECT_EQ(told(load("day", "time_zone: Mars/Olympus\n")),
            "t.yaml:13:12: time_zone: " + expected + "`Mars/Olympus`\n");
  // A total beside the zone of the file is sound: the zone is of the others.
  EXPECT_NE(load("total", "time_zone: Europe/Berlin\n").config, nullptr);
}

}  // namespace
}  // namespace tollgate::config
