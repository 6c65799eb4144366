// What is done about unusual behaviour on a route.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"
#include "config/reload.h"

namespace tollgate::config {
namespace {

// `%` stands for what is written of the route, in line 12.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 2 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{}]
    prompt: { body: 1MiB, output_tokens: 4096 }
    %
)";

Loaded load(std::string_view says) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, says);
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(Anomalies, OfARouteAreRead) {
  const Loaded loaded = load(
      "anomalies: { on_anomaly: slow_down, threshold: 60, ignore: [odd_hour, campaign], mode: "
      "observe }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const auto& policy = loaded.config->routes.at(0).anomalies;
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->on_anomaly, anomalies::OnAnomaly::kSlowDown);
  EXPECT_EQ(policy->threshold, 60);
  EXPECT_TRUE(policy->ignored.has(anomalies::Sign::kOddHour));
  EXPECT_TRUE(policy->ignored.has(anomalies::Sign::kCampaign));
  EXPECT_FALSE(policy->ignored.has(anomalies::Sign::kRefusals));
  EXPECT_EQ(policy->mode, Mode::kObserve);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("anomalies":{"on_anomaly":"slow_down","threshold":60,)"
                       R"("ignore":["odd_hour","campaign"],"mode":"observe"})"),
            std::string::npos)
      << shown;
}

TEST(Anomalies, AreOnlyToldByDefaultAndNotLookedForUnasked) {
  const Loaded loaded = load("anomalies: {}");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const auto& policy = loaded.config->routes.at(0).anomalies;
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->on_anomaly, anomalies::OnAnomaly::kAlert);
  EXPECT_EQ(policy->threshold, 80);
  EXPECT_EQ(policy->ignored, anomalies::Signs{});
  const Loaded without = load("mode: enforce");
  ASSERT_NE(without.config, nullptr) << told(without);
  EXPECT_FALSE(without.config->routes.at(0).anomalies);
}

TEST(Anomalies, AreToldWhereTheyCannotBe) {
  const struct {
    std::string_view says;
    std::string_view at;
    std::string_view message;
  } rows[] = {
      {"anomalies: { on_anomaly: block }", "anomalies.on_anomaly", "`slow_down`"},
      {"anomalies: { threshold: 0 }", "anomalies.threshold", "1 to 100"},
      {"anomalies: { threshold: 101 }", "anomalies.threshold", "1 to 100"},
      {"anomalies: { ignore: [campain] }", "ignore[0]", "did you mean `campaign`?"},
      {"anomalies: { ignore: [errors, errors] }", "anomalies.ignore", "there twice"},
      {"anomalies: { ignore: [campaign, near_duplicates, token_shift, spend_shift, refusals, "
       "many_templates, errors, encoded, repetitive] }",
       "routes[0].anomalies", "never reaches the threshold"},
      {"anomalies: {}\n  - { name: all, path: /v1/models, models: [small], allow: [{}], "
       "anomalies: {} }",
       "routes[1].anomalies", "there is nothing to look at"},
  };
  for (const auto& row : rows) {
    const Loaded loaded = load(row.says);
    EXPECT_EQ(loaded.config, nullptr) << row.says;
    EXPECT_NE(told(loaded).find(row.at), std::string::npos) << row.says << "\n" << told(loaded);
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << row.says << "\n"
                                                                 << told(loaded);
  }
}

TEST(Anomalies, ThatNobodyLooksForAnyMoreAreToldOfAtAReload) {
  const Loaded with = load("anomalies: {}");
  const Loaded without = load("mode: enforce");
  ASSERT_TRUE(with.config && without.config);
  EXPECT_EQ(vanished(*with.config, *without.config),
            std::vector<std::string>{"routes.chat.anomalies"});
  EXPECT_TRUE(vanished(*without.config, *with.config).empty());
}

// The findings about `says`, which the posture has of an anonymous route.
std::string found(std::string_view says) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, says);
  text.replace(text.find("routes:"), 7, "tenants: { anonymous: {} }\nroutes:");
  const Loaded loaded =
      load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
  if (loaded.config == nullptr) return told(loaded);
  std::string all;
  for (const Finding& finding : posture(*loaded.config, text)) all += finding.id + "\n";
  return all;
}

TEST(Anomalies, AreMissedWhereNobodyAnswersForCallers) {
  constexpr std::string_view kOpen =
      "anonymous: true\n    limits: { client_ip: { total_tokens_per_minute: 9000 } }\n    ";
  constexpr std::string_view kFinding = "anonymous-route-without-anomalies\n";
  EXPECT_NE(found(std::string(kOpen)).find(kFinding), std::string::npos);
  EXPECT_EQ(found(std::string(kOpen) + "anomalies: {}").find(kFinding), std::string::npos);
  EXPECT_EQ(found("mode: enforce").find(kFinding), std::string::npos);
}

}  // namespace
}  // namespace tollgate::config
